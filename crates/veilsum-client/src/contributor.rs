//! What a member brings, and who watches it.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use veilsum_encode::{IntegerSum, Plan, Tensors};
use veilsum_proto::ids::{Attempt, Round, Slot, TaskDigest, UpdateDigest};
use veilsum_proto::message::Receipt;
use veilsum_proto::task::Task;

use crate::{Event, RoundPrivacy};

/// Why a contributor has no update.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Where a member's updates come from and where its results go: a trainer, a file, a program.
///
/// All calls come from one thread of their own, one after the other, so they may take as long as they need; the connection is
/// kept meanwhile.
pub trait Contributor: Send {
    /// The update of a round. Called once per (task, round), before anything of the member is sent unless it was
    /// [promised](Contributor::promises); further attempts of the round use the same update.
    ///
    /// # Errors
    ///
    /// Whatever keeps the contributor from an update. The member then does not take part in the round.
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, Failure>;

    /// What the update of the round answers, for a contributor that is asked questions; `None`, as by default, for one that makes
    /// updates of its own. Called right before [`Contributor::update`].
    ///
    /// # Security
    ///
    /// See [`Asked`].
    // spec: [answer.once]
    fn asked(&self, info: &RoundInfo) -> Option<Asked> {
        let _ = info;
        None
    }

    /// Whether the update of the round will come, so that the member advertises and shares while it is made. Called right after
    /// [`Contributor::asked`]; `false`, as by default, lets the member wait for the update first.
    ///
    /// A promise that is broken costs the round more than no update: the member drops out after others have shared with it. It counts
    /// only where Upload is open at least twice as long as Advertise, since it is Upload that waits for the update then.
    ///
    /// # Security
    ///
    /// It must follow from `info` and from how the contributor is set up, not from its data: who advertises early is seen by all.
    // spec: [join.promise] [join.promise.public]
    fn promises(&self, info: &RoundInfo) -> bool {
        let _ = info;
        false
    }

    /// The result of a round. [`ControlFlow::Break`] ends the client.
    fn result(&mut self, result: &MemberResult) -> ControlFlow<()>;

    /// An attempt that ended without a sum; another may follow. [`ControlFlow::Break`] ends the client.
    fn aborted(&mut self, abort: &RoundAbort) -> ControlFlow<()>;
}

impl<T: Contributor + ?Sized> Contributor for Box<T> {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, Failure> {
        (**self).update(info)
    }

    fn asked(&self, info: &RoundInfo) -> Option<Asked> {
        (**self).asked(info)
    }

    fn promises(&self, info: &RoundInfo) -> bool {
        (**self).promises(info)
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        (**self).result(result)
    }

    fn aborted(&mut self, abort: &RoundAbort) -> ControlFlow<()> {
        (**self).aborted(abort)
    }
}

/// Sees what a member is about to do.
pub trait Observer: Send {
    /// Called before the act that the event names: before each message is queued, before each piece of a masked update is
    /// written. It runs on the client's own task, so it must be quick.
    fn event(&mut self, event: &Event);
}

impl<F: FnMut(&Event) + Send> Observer for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}

/// What a contributor is asked for.
#[derive(Clone, Debug)]
pub struct RoundInfo {
    /// What is summed.
    pub task: Task,
    /// The round; a trainer takes it into its seed, so that no two rounds have equal inputs.
    pub round: Round,
    /// The first attempt at the round that this member joins.
    pub attempt: Attempt,
    /// The model the round starts from, its digest verified; `None` when the task has none.
    pub model: Option<Bytes>,
    /// The way from values to integers.
    pub plan: Plan,
}

/// What was asked: the same for questions whose answers say the same of any data, and for no others.
///
/// An update goes into one sum: two sums with one input show what the members are worth who are in one of them only. Of
/// an update that answers a question the member's ledger notes the question, not the values. Else a member whose answers to two
/// questions happen to be equal would be absent from the second sum, all would see that it is, and would know something of its data that
/// no sum tells.
///
/// # Security
///
/// It must follow from the round's public inputs (task and model) alone, and must not change with what the asker can vary without asking for anything else:
/// name and round of the task, how finely the answer is told. There is one exception: where every round is charged to a bound (a job with privacy, `[job.asked]`),
/// task and round may be in it, so that no update is ever refused for its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked([u8; 32]);

impl Asked {
    /// By a digest of what was asked.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// What the ledger notes in the place of the digest of the values.
    // spec: [answer.digest]
    pub(crate) fn update_digest(self) -> UpdateDigest {
        let Self(asked) = self;
        let digest = Sha256::new().chain_update(LABEL).chain_update(asked);
        UpdateDigest(digest.finalize().into())
    }
}

/// An update with its weight.
///
/// # Security
///
/// The site's secret; the client wipes its copies.
#[derive(Clone)]
pub struct LocalUpdate {
    /// Exactly the tensors of the task's manifest.
    pub tensors: Tensors,
    /// How much the member counts; held to 1 to the task's largest weight, which is 1 where there is noise.
    pub weight: u32,
}

impl fmt::Debug for LocalUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tensors, weight: _ } = self;
        write!(f, "LocalUpdate({} tensors, ..)", tensors.len())
    }
}

/// The result of a round as this member knows it.
#[derive(Clone, Debug)]
pub struct MemberResult {
    /// Digest of the task.
    pub task: TaskDigest,
    /// The round.
    pub round: Round,
    /// The attempt that succeeded.
    pub attempt: Attempt,
    /// Slots whose contributions are in the sum, ascending.
    pub survivors: Vec<Slot>,
    /// Sum of the survivors' weights.
    pub weight_sum: u64,
    /// SHA-256 of the sum's integers ([`IntegerSum::sha256`]).
    pub sum_sha256: [u8; 32],
    /// Whether this member checked the certificate of the survivors itself; otherwise the receipt is the coordinator's word.
    pub certified: bool,
    /// What the noise in the sum is worth, by this member's own ledger; `None` in a task without noise.
    pub privacy: Option<RoundPrivacy>,
    /// The sum in integers.
    pub sum: IntegerSum,
    /// The weighted mean.
    pub mean: Tensors,
    /// What the coordinator signed.
    pub receipt: Receipt,
}

/// An attempt that ended without a sum for this member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundAbort {
    /// Digest of the task.
    pub task: TaskDigest,
    /// The round.
    pub round: Round,
    /// The attempt.
    pub attempt: Attempt,
    /// What this member was waiting in.
    pub phase: &'static str,
    /// Machine-readable reason; the coordinator's word if it is one of its kinds.
    pub reason: String,
    /// The reason in words.
    pub text: String,
}

const LABEL: &[u8] = b"veilsum/v1 answer\0";
