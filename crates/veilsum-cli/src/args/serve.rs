//! `veilsum serve`.

use clap::Args;
use std::path::PathBuf;

/// Run the coordinator of a federation
///
/// Lets members of the signed roster in and runs the rounds of its tasks: one after the other, several tasks at once. Writes
/// each result to a file and hands it to the members. With --json one line is printed per event (docs/events.md). Ends when
/// all rounds are run, or in order on SIGINT and SIGTERM.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// Configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "print_example")]
    pub config: Option<PathBuf>,
    /// Print a configuration file with every key explained
    #[arg(long)]
    pub print_example: bool,
    /// End when standard input ends: for a parent process that may be killed
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

const EXAMPLES: &str = "\
Examples:
  veilsum serve --print-example > coordinator.toml
  veilsum serve --config coordinator.toml
  veilsum serve --config coordinator.toml --json";
