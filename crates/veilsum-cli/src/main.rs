//! The `veilsum` command: not a place for protocol, encoding or training, which live in the crates below.
//!
//! It joins the rooms: keys and rosters, tasks and plans, a coordinator, members, and a demonstration of all of them.

mod args;
mod commands;
mod config;
mod demo;
mod exit;
mod files;
mod output;
mod progress;
mod random;
mod runtime;
mod simulate;
mod table;

use args::{Cli, Command};
use clap::Parser as _;
use exit::Outcome;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.command, Output::new(cli.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::tell(&failure);
            failure.kind.code()
        }
    }
}

fn run(command: &Command, output: Output) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(args, output),
        Command::DemoMember(args) => demo::member::run(args),
        Command::Keygen(args) => commands::keygen::run(args, output),
        Command::Roster(args) => commands::roster::run(&args.command, output),
        Command::Task(args) => commands::task::run(&args.command, output),
        Command::Simulate(args) => simulate::run(args, output),
        Command::Plan(args) => commands::plan::run(args, output),
        Command::Serve(args) => commands::serve::run(args, output),
        Command::Join(args) => commands::join::run(args, output),
    }
}
