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
    Allow(Allow),
    Disallow(Disallow),
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

/// List a task: once one is listed, no other may be run under the roster; takes a signature off
///
/// In large federations the randomness that signing draws decides who masks with whom. List the task before, so that nobody can
/// still choose among tasks, and so among graphs, when the randomness is public. Members refuse tasks with such a graph that the
/// roster does not list, unless their own policy pins them.
#[derive(Debug, Args)]
#[command(after_help = ALLOW)]
pub struct Allow {
    /// Roster file to edit
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Task to list: a task file, or the 64 hex digits of its digest
    #[arg(long, value_name = "TASK")]
    pub task: String,
}

/// Take a task off the list; without any left, every task may be run again. Takes a signature off
#[derive(Debug, Args)]
#[command(after_help = DISALLOW)]
pub struct Disallow {
    /// Roster file to edit
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Task to take off: a task file, or the 64 hex digits of its digest
    #[arg(long, value_name = "TASK")]
    pub task: String,
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
  veilsum roster allow roster.toml --task task.toml
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

const ALLOW: &str = "\
Example:
  veilsum roster allow roster.toml --task task.toml";

const DISALLOW: &str = "\
Example:
  veilsum roster disallow roster.toml --task task.toml";

const SIGN: &str = "\
Example:
  veilsum roster sign roster.toml --key authority.key";

const SHOW: &str = "\
Examples:
  veilsum roster show roster.toml
  veilsum roster show roster.toml --authority authority.pub --json";
