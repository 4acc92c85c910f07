//! Where learning meets the service. Not for protocol decisions: a hook gives the model a round starts from and gets the
//! sum; it sees no member's message.

use std::{fmt, ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use veilsum_encode::{DecodeError, IntegerSum, Tensors};
use veilsum_proto::{
    coordinator::PhaseName,
    ids::{Attempt, Round, Slot, TaskDigest},
    message::Receipt,
    roster::Name,
    session::RoundContext,
};

use crate::privacy::RoundPrivacy;

/// What a task does between its rounds. Called on threads where blocking is allowed; while a call lasts, the task's next
/// round waits, and nothing else does.
pub trait TaskHook: Send {
    /// Which round comes next; `next` is the first number that was never used. Asked before each round that the service would run,
    /// and again after every wait. Rounds follow one another unless a hook says otherwise.
    fn turn(&mut self, next: Round) -> Turn {
        Turn::Round(next)
    }

    /// The model that `round` starts from; its SHA-256 goes into the session id, and members fetch it by that. `None`: the
    /// task has none. The same round may be asked for again if it could not open.
    fn base_model(&mut self, round: Round) -> Option<Bytes>;

    /// What makes deltas between the task's models; asked for once, before the first round. Without it every member gets
    /// every model whole.
    fn deltas(&self) -> Option<Arc<dyn ModelDeltas>> {
        None
    }

    /// Takes the sum of a round; `Break` ends the task, whatever its number of rounds.
    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()>;

    /// Learns that an attempt ended without a sum.
    fn aborted(&mut self, abort: &RoundAbort) {
        let _ = abort;
    }

    /// Learns that no round of the task comes any more, whatever the reason; not when the service is stopped.
    fn over(&mut self) {}
}

/// What comes next in a task.
pub enum Turn {
    /// This round. A number that was used ends the task, and the service's log says so.
    Round(Round),
    /// Nothing until this ends, or the service is stopped; members are answered meanwhile.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// No more rounds.
    Over,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round(round) => f.debug_tuple("Round").field(round).finish(),
            Self::Wait(_) => f.write_str("Wait(..)"),
            Self::Over => f.write_str("Over"),
        }
    }
}

/// Makes deltas between the models of a task.
pub trait ModelDeltas: Send + Sync {
    /// The bytes from which a member that has the model with SHA-256 `from` makes the one with SHA-256 `to`; `None` if there is no
    /// way between them. One that is not shorter than the model is not served.
    ///
    /// Called on a thread where blocking is allowed, one call at a time, and at most once for each pair that has a delta. `from`
    /// is any member's word: what is not known must cost next to nothing.
    fn delta(&self, from: &[u8; 32], to: &[u8; 32]) -> Option<Bytes>;
}

/// Bytes of a round's model that were sent to members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DownloadBytes {
    /// Of the whole model.
    pub full: u64,
    /// Of deltas.
    pub delta: u64,
}

/// The hook of a task that only sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoModel;

impl TaskHook for NoModel {
    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        None
    }

    fn finished(&mut self, _: &RoundResult<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A round with a sum.
#[derive(Debug)]
pub struct RoundResult<'a> {
    /// Digest of the task.
    pub task: TaskDigest,
    /// Name of the task.
    pub name: &'a Name,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Slots whose contributions are in the sum, ascending.
    pub survivors: Vec<Slot>,
    /// Slots of the round's population whose answer was missing when a phase closed, with the first such phase. One that
    /// went silent after Upload is a survivor all the same.
    pub vanished: Vec<(Slot, PhaseName)>,
    /// Signed by the coordinator; its `sum` names the packed sum.
    pub receipt: &'a Receipt,
    /// The sum per coordinate.
    pub integers: &'a IntegerSum,
    /// Plan, parameters and rotation seed of the round.
    pub context: &'a RoundContext,
    /// SHA-256 of [`RoundResult::integers`].
    pub sum_sha256: [u8; 32],
    /// Sum of the weights.
    pub weight: u64,
    /// What the noise in it is worth; `None` in a task without noise.
    pub noise: Option<RoundPrivacy>,
    /// Bytes that members sent in all attempts of the round: control messages and uploads.
    pub upload_bytes: u64,
    /// Bytes of the round's model that were sent to members, in all attempts of the round.
    pub download_bytes: DownloadBytes,
    /// From the opening of the first attempt to the sum.
    pub wall: Duration,
}

impl RoundResult<'_> {
    /// The weighted mean as tensors of the manifest.
    ///
    /// # Errors
    ///
    /// Only for a sum of another plan, which a result never has.
    pub fn mean(&self) -> Result<Tensors, DecodeError> {
        self.integers
            .mean(&self.context.plan, &self.context.rotation_seed())
    }
}

/// An attempt that ended without a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundAbort {
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Machine-readable reason.
    pub reason: &'static str,
    /// Phase it ended in.
    pub phase: &'static str,
    /// The reason in words.
    pub text: String,
    /// Whether another attempt at the same round follows.
    pub retries: bool,
}
