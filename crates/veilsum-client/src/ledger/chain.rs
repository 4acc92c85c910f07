//! Lines of the ledger, each bound to the one before it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::Hash;
use veilsum_proto::ledger::Entry;

/// First line: which ledger this is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Version of the format.
    pub(super) veilsum_ledger: u16,
    /// Drawn when the ledger was made; two ledgers never share it.
    pub(super) id: Hash,
    /// Whose it is.
    // spec: [ledger.key]
    pub(super) member: PublicKey,
}

/// Every further line: one entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Number of the entry, from 1.
    pub(super) seq: u64,
    /// Seconds since 1970 by the clock of the host, never less than in the line before.
    pub(super) at: u64,
    /// SHA-256 of the line before, its line end included.
    pub(super) previous: Hash,
    /// Drawn when the process that wrote it opened the ledger. Lines of ledgers that are older than this have none.
    // spec: [ledger.opening]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) opening: Option<Hash>,
    /// What is about to be done.
    // spec: [ledger.charged]
    pub(super) entry: Entry,
}

impl Header {
    pub(super) const VERSION: u16 = 1;

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }
}

impl Line {
    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a line, its end included, that is to be entry `seq` after a line with digest `previous`.
    // spec: [ledger.chain]
    pub(super) fn decode(bytes: &[u8], seq: u64, previous: &Hash) -> Result<Self, &'static str> {
        let line: Self = serde_json::from_slice(bytes).map_err(|_| "is not an entry")?;
        if line.seq != seq {
            return Err("has the number of another entry");
        }
        if line.previous != *previous {
            return Err("does not follow from the line before it");
        }
        Ok(line)
    }
}

/// SHA-256 of a line with its end.
pub(super) fn digest(line: &[u8]) -> Hash {
    Hash(Sha256::digest(line).into())
}

/// One line with its end. These types hold nothing that JSON cannot say.
fn encode(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
