//! What happens to a member, for people and programs; `veilsum join --json` prints these.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use veilsum_dp::{Accountant, Unit};
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::ledger::LedgerState;
use veilsum_proto::member::PrivacyFloors;
use veilsum_proto::session::RoundContext;

/// One thing that happened or is about to happen. Holds no input, seed, share or key.
///
/// # Security
///
/// [`Event::Saturated`] tells something about the member's own update; events stay on the member's host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The coordinator let the member in.
    Connected {
        /// Its address.
        address: String,
    },
    /// The member entered a phase of a round.
    Phase {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// `open`, `advertise`, `share`, `accept`, `upload`, `confirm` or `reveal`: what it takes part in now.
        phase: &'static str,
    },
    /// A message is about to be sent.
    Sending {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Name of the message in `spec/wire.md`.
        message: &'static str,
    },
    /// A piece of the masked update is about to be sent, or, when `sent` is `total`, its end.
    Uploading {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Bytes sent before.
        sent: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Values of the update were cut on their way to integers.
    Saturated {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Coordinates outside the quantisation range, after rotation.
        count: u64,
        /// Coordinates an L-infinity clip cut.
        clipped: u64,
        /// Norm before a clip of the norm, if it was above the clip.
        clipped_norm: Option<ClippedNorm>,
        /// Coordinates in all.
        coordinates: u64,
    },
    /// The round was charged to the site's budget; its masked update is about to be sent. Once a (task, round), whatever
    /// becomes of its attempts.
    Charged {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// What was spent.
        #[serde(flatten)]
        privacy: RoundPrivacy,
    },
    /// The model that a round starts from is here, its digest verified.
    Model {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// How it came.
        by: ModelBy,
        /// Bytes fetched for it, over all tries.
        fetched_bytes: u64,
        /// Its size.
        bytes: u64,
        /// SHA-256 of its bytes, in hex, which the session binds.
        sha256: String,
    },
    /// The member refused to do something; nothing was sent.
    Refused {
        /// Stable name of the refusal.
        kind: String,
        /// What was found and what was wanted.
        text: String,
    },
    /// The coordinator says that a message of this member was wrong.
    Fault {
        /// The coordinator's name for it.
        kind: String,
        /// In its words.
        text: String,
    },
    /// A round has a result.
    Result {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Slots whose contributions are in the sum.
        survivor_ids: Vec<Slot>,
        /// Sum of their weights.
        weight_sum: u64,
        /// SHA-256 of the sum's integers, in hex.
        sum_sha256: String,
        /// Whether this member checked the certificate of the survivors itself; otherwise all of this is the coordinator's word.
        certified: bool,
        /// What the noise in it is worth; `None` in a task without noise.
        privacy: Option<RoundPrivacy>,
        /// Where the result was written; the SDK writes none.
        file: Option<PathBuf>,
    },
    /// An attempt ended without a sum for this member.
    Abort {
        /// Name of the task.
        task: String,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Machine-readable reason.
        reason: String,
        /// What the member was waiting in.
        phase: &'static str,
    },
    /// The connection is gone, or could not be had.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// The next try to connect.
    Reconnecting {
        /// Milliseconds until then.
        in_ms: u64,
    },
}

/// What a round with noise costs the unit that the noise protects, against everyone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RoundPrivacy {
    /// Whose presence the noise hides.
    pub unit: Unit,
    /// Epsilon of this round alone; infinite if nothing can be said.
    pub epsilon: f64,
    /// Epsilon of all rounds of the task that were charged to this member's ledger.
    pub epsilon_total: f64,
    /// Delta of both: the site's, the smallest where contributor and policy each have one, or else the task's.
    pub delta: f64,
}

impl RoundPrivacy {
    /// Of the round that `context` is about, with what the ledger says was spent; `None` without noise.
    // spec: [event.charged]
    pub(crate) fn of(
        context: &RoundContext,
        spent: &LedgerState,
        floors: &PrivacyFloors,
    ) -> Option<Self> {
        let noise = context.noise.as_ref()?;
        let delta = floors.delta().unwrap_or(noise.delta());
        let mut alone = Accountant::new(noise.unit());
        alone.compose(noise.release(), 1).ok()?;
        let total = spent.spent(&context.task_digest, delta);
        Some(Self {
            unit: noise.unit(),
            epsilon: alone.statement(delta).epsilon,
            epsilon_total: total.map_or(0.0, |total| total.epsilon),
            delta,
        })
    }
}

/// How a model came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelBy {
    /// It was kept from an earlier round.
    Kept,
    /// As a delta from the model of an earlier round.
    Delta,
    /// Whole.
    Full,
}

/// Norm of an update before it was clipped.
///
/// # Security
///
/// Tells something about the update, so its `Debug`, which ends in logs, does not show it.
#[derive(Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ClippedNorm(pub f64);

impl fmt::Debug for ClippedNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("ClippedNorm(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [upload.saturated]
    #[test]
    fn the_norm_of_a_clipped_update_is_in_the_event_and_not_in_its_debug_form() {
        let event = Event::Saturated {
            task: "digits".into(),
            round: Round(1),
            attempt: Attempt(0),
            count: 0,
            clipped: 0,
            clipped_norm: Some(ClippedNorm(17.25)),
            coordinates: 3,
        };
        assert!(!format!("{event:?}").contains("17.25"), "{event:?}");
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains("\"clipped_norm\":17.25"), "{json}");
    }
}
