//! `veilsum status`.

use clap::Args;
use std::path::PathBuf;

/// Show how a coordinator or a member stands: round, model, what privacy has cost, the last error
///
/// Reads the folder that --dir names. Of a coordinator that is its folder of state (`state` in the configuration), in which it keeps
/// `status.json` while it runs; of a member the folder of its ledger, also while it runs. Nothing is written, locked or sent.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Status {
    /// Folder of a coordinator's state, or of the ledgers of members
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Policy whose budgets a member's costs are held against [default: policy.toml in the folder, if it is there]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  veilsum status --dir state                       a coordinator
  veilsum status --dir . --policy policy.toml      the members whose ledgers lie here
  veilsum status --dir state --json";
