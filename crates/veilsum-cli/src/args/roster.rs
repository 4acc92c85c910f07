//! `veilsum roster`.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use veilsum_proto::roster::Name;

/// Say who takes part: write, edit, sign and show the roster of a federation
///
/// The authority of the federation keeps the roster. It adds the members, fixes the coordinator, and signs; members and
/// coordinator accept it only as it was signed. The authority is neither the coordinator nor a member.
///
/// A KEY is 64 hex digits or the path of a key file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Roster {
    /// What to do with the roster.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with a roster.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(Init),
    Add(Add),
    Remove(Remove),
    Sign(Sign),
    Show(Show),
}

/// Start a roster without members
#[derive(Debug, Args)]
#[command(after_help = INIT)]
pub struct Init {
    /// Roster file to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the federation: letters, digits, `.`, `_`, `-`
    #[arg(long, value_name = "NAME")]
    pub federation: Name,
    /// Key of the authority, who signs the roster
    #[arg(long, value_name = "KEY")]
    pub authority: String,
    /// Key of the coordinator
    #[arg(long, value_name = "KEY")]
    pub coordinator: String,
    /// Last round that may be run under this roster
    #[arg(long, value_name = "ROUND", default_value_t = 1000)]
    pub last_round: u64,
    /// Replace a roster that is there already
    #[arg(long)]
    pub force: bool,
}

/// Put a member into the next slot; takes a signature off
#[derive(Debug, Args)]
#[command(after_help = ADD)]
pub struct Add {
    /// Roster file to edit
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the member, unique on the roster
    #[arg(long, value_name = "NAME")]
    pub name: Name,
    /// Key of the member, unique on the roster
    #[arg(long, value_name = "KEY")]
    pub key: String,
}

/// Take a member out; those behind it move up, and a signature comes off
#[derive(Debug, Args)]
#[command(after_help = REMOVE)]
pub struct Remove {
    /// Roster file to edit
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the member
    #[arg(long, value_name = "NAME")]
    pub name: Name,
}

/// Sign the roster as its authority, with fresh randomness for the graphs of its rounds
///
/// Sign last, when all members and the coordinator's key are in. The randomness is drawn at every signing, also of a roster
/// that was signed before, and decides who masks with whom in large federations: nobody may know it earlier.
#[derive(Debug, Args)]
#[command(after_help = SIGN)]
pub struct Sign {
    /// Roster file to sign
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Secret key file of the authority
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// Show a roster, and whether its signature stands
#[derive(Debug, Args)]
#[command(after_help = SHOW)]
pub struct Show {
    /// Roster file to show
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Key of the authority you trust; without it the one that the file names is shown, unproven
    #[arg(long, value_name = "KEY")]
    pub authority: Option<String>,
}

const EXAMPLES: &str = "\
Examples, in this order:
  veilsum roster init roster.toml --federation clinics --authority authority.pub --coordinator coordinator.pub
  veilsum roster add roster.toml --name alice --key alice.pub
  veilsum roster sign roster.toml --key authority.key
  veilsum roster show roster.toml --authority authority.pub";

const INIT: &str = "\
Example:
  veilsum roster init roster.toml --federation clinics --authority authority.pub --coordinator coordinator.pub";

const ADD: &str = "\
Example:
  veilsum roster add roster.toml --name alice --key alice.pub";

const REMOVE: &str = "\
Example:
  veilsum roster remove roster.toml --name alice";

const SIGN: &str = "\
Example:
  veilsum roster sign roster.toml --key authority.key";

const SHOW: &str = "\
Examples:
  veilsum roster show roster.toml
  veilsum roster show roster.toml --authority authority.pub --json";
