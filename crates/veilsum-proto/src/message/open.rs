//! How a round begins.

use crate::ids::{Attempt, ModelDigest, RosterDigest, Round};
use crate::parameters::Parameters;
use std::time::Duration;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Coordinator to every member: an attempt at a round begins.
///
/// Nothing in it is taken on trust: the member derives the parameters itself, and its policy judges the task.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Open {
    /// Canonical encoding of the task.
    pub task: Vec<u8>,
    /// Roster the coordinator works under.
    pub roster: RosterDigest,
    /// Round.
    pub round: Round,
    /// Attempt at it.
    pub attempt: Attempt,
    /// Model the round starts from; all zero when the task has none.
    pub base_model: ModelDigest,
    /// Parameters the coordinator derived.
    pub parameters: Parameters,
    /// How long each phase is open.
    pub deadlines: Deadlines,
}

/// Time each phase is open, in milliseconds from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Deadlines {
    /// Until adverts must be in; local training happens in it.
    pub advertise_ms: u32,
    /// Until sealed shares must be in.
    pub share_ms: u32,
    /// Until accepts must be in.
    pub accept_ms: u32,
    /// Until masked updates must be whole.
    pub upload_ms: u32,
    /// Until signatures must be in.
    pub confirm_ms: u32,
    /// Until direct answers must be in, and once more for shares.
    pub reveal_ms: u32,
}

impl Deadlines {
    /// The whole round, after which a member erases its secrets.
    pub fn total(&self) -> Duration {
        let phases = [
            self.advertise_ms,
            self.share_ms,
            self.accept_ms,
            self.upload_ms,
            self.confirm_ms,
        ];
        // Confirm may be held open until the Reveal deadline, and Reveal has two trips.
        let milliseconds = phases.iter().map(|ms| u64::from(*ms)).sum::<u64>();
        Duration::from_millis(
            milliseconds.saturating_add(u64::from(self.reveal_ms).saturating_mul(3)),
        )
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            advertise_ms: 60_000,
            share_ms: 30_000,
            accept_ms: 30_000,
            upload_ms: 120_000,
            confirm_ms: 30_000,
            reveal_ms: 30_000,
        }
    }
}
