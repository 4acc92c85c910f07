//! What happens, for people and programs. Not a log of secrets: names, sizes, phases, sums' digests.

use std::{net::SocketAddr, path::PathBuf};

use serde::Serialize;
use veilsum_proto::{
    coordinator::PhaseName,
    ids::{Attempt, Round, Slot},
    roster::Name,
};

use crate::privacy::RoundPrivacy;

/// Something that happened. As JSON: one object with the field `event`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Members can connect.
    Listening {
        /// Address with the port in use.
        address: SocketAddr,
    },
    /// A member has proved its key.
    Connected {
        /// Its slot.
        id: Slot,
        /// Its name.
        name: Name,
    },
    /// A member's connection has ended, and no newer one of it is held.
    Disconnected {
        /// Its slot.
        id: Slot,
        /// Its name.
        name: Name,
    },
    /// A phase has begun.
    Phase {
        /// Name of the task.
        task: Name,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// The phase.
        phase: PhaseName,
    },
    /// A member's message or upload was refused, or what it answers for went wrong.
    Fault {
        /// Its slot.
        id: Slot,
        /// Its name.
        name: Name,
        /// Machine-readable kind.
        kind: String,
        /// What was found and wanted.
        text: String,
    },
    /// A round has a sum.
    Result {
        /// Name of the task.
        task: Name,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Slots whose contributions are in the sum.
        survivor_ids: Vec<Slot>,
        /// Sum of the weights.
        weight_sum: u64,
        /// SHA-256 of the integer sum, hexadecimal.
        sum_sha256: String,
        /// What the noise in the sum is worth; `None` in a task without noise.
        noise: Option<RoundPrivacy>,
        /// The receipt's file, if one was asked for and could be written.
        file: Option<PathBuf>,
    },
    /// An attempt at a round ended without a sum.
    Abort {
        /// Name of the task.
        task: Name,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Machine-readable reason.
        reason: String,
        /// Phase it ended in.
        phase: String,
        /// The reason in words.
        text: String,
    },
}
