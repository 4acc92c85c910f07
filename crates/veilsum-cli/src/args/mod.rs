//! The command line: one file per command, each with its examples.

pub mod demo;
pub mod join;
pub mod keygen;
pub mod number;
pub mod plan;
pub mod roster;
pub mod serve;
pub mod stats;
pub mod status;
pub mod task;
pub mod train;

use clap::{Parser, Subcommand};

/// Secure aggregation for federated learning: sums of masked updates, and nothing else.
///
/// Members of a federation send model updates that are clipped, quantised and masked; a coordinator learns their sum and no
/// single update. Secret: what a member contributes. Not hidden: who takes part, and the sum itself.
#[derive(Debug, Parser)]
#[command(name = "veilsum", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// Print results as JSON, one value a line; errors stay text on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(demo::Demo),
    Keygen(keygen::Keygen),
    Roster(roster::Roster),
    Task(task::Task),
    Plan(plan::Plan),
    Serve(serve::Serve),
    Join(Box<join::Join>),
    Stats(Box<stats::Stats>),
    Status(status::Status),
    #[command(hide = true)]
    DemoMember(demo::DemoMember),
    Train(train::Train),
    Simulate(crate::simulate::SimulateArgs),
    Bench(crate::commands::bench::BenchArgs),
}

const EXAMPLES: &str = "\
Examples:
  veilsum demo --vanish                            watch a federation train, and members vanish
  veilsum plan --members 12                        what a federation of 12 withstands
  veilsum keygen --out alice.key                   a key for a member
  veilsum roster --help                            who takes part, signed by the authority
  veilsum task --help                              what is summed, and how exactly
  veilsum train --config train.toml                train on this machine, every round masked
  veilsum serve --config coordinator.toml          run the coordinator
  veilsum join --config member.toml --update update.safetensors
  veilsum status --dir state                       how a coordinator or a member stands
  veilsum stats --help                             mean, histogram, quantile of several tables, with privacy

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 round aborted, 5 file, 6 network, 130 interrupted.";

#[cfg(test)]
mod tests;
