//! The `veilsum` command: not a place for protocol, encoding or training, which live in the crates below.
//!
//! It joins the rooms: keys and rosters, tasks and plans, a coordinator, members, and a demonstration of all of them.

mod args;
mod caution;
mod commands;
mod config;
mod demo;
mod exit;
mod files;
mod limits;
mod models;
mod output;
mod progress;
mod random;
mod report;
mod runtime;
mod simulate;
mod stats;
mod status;
mod table;

use args::{Cli, Command};
use clap::Parser as _;
use exit::Outcome;
use output::Output;
use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = runtime::expect_full_disks().and_then(|()| match Cli::try_parse() {
        Ok(cli) => run(&cli.command, Output::new(cli.json)),
        // help and version among them
        Err(told) => match told.print() {
            Err(error) if !told.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
                Err(output::unwritten(&error))
            }
            _ => std::process::exit(told.exit_code()),
        },
    });
    // a result that nobody could be shown is no success
    match ended.and_then(|()| output::outcome()) {
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
        Command::Train(args) => commands::train::run(args, output),
        Command::Simulate(args) => simulate::run(args, output),
        Command::Bench(args) => commands::bench::run(args, output),
        Command::Plan(args) => commands::plan::run(args, output),
        Command::Serve(args) => commands::serve::run(args, output),
        Command::Join(args) => commands::join::run(args, output),
        Command::Stats(args) => commands::stats::run(args, output),
        Command::Status(args) => commands::status::run(args, output),
    }
}
