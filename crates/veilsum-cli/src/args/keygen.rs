//! `veilsum keygen`.

use clap::Args;
use std::path::PathBuf;

/// Make a key pair: the identity of an authority, a coordinator or a member
///
/// Writes the secret key to FILE, readable by its owner only, and the public key beside it with the extension `pub`. The
/// secret key never leaves the host that it was made on; the public key goes to the authority, who puts it on the roster.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Keygen {
    /// File of the secret key
    #[arg(long, value_name = "FILE", default_value = "identity.key")]
    pub out: PathBuf,
    /// Replace keys that are there already; what they could join or sign is lost
    #[arg(long)]
    pub force: bool,
}

const EXAMPLES: &str = "\
Examples:
  veilsum keygen --out alice.key        writes alice.key (secret) and alice.pub
  veilsum keygen --out authority.key --json";
