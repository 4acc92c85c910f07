//! An honest member of one attempt at a round.
//!
//! Not for the network, the clock or the disk: the caller carries messages, passes `now`, `rng` and a [`Ledger`], and
//! keeps the [`MaskedUpdate`] until it is stored.
//!
//! ```text
//! invited --advertise--> Advertised --Adverts--> Shared --DeliveredShares--> Accepted --ShareSet--> Ready
//!    --upload--> Uploading --UploadStored--> Uploaded --(SurvivorSet)--> Uploaded --Certificate--> Revealing
//!    --Receipt--> Closed                any phase --AbortNotice, own deadline, close--> Closed
//! ```
//!
//! Each message is checked as `spec/protocol.md` lists, in that order; the act it leads to is recorded in the ledger before
//! the answer exists. A repeated message gets the same bytes again; a different one where one is allowed is refused.
//! Secrets live in the phase that needs them and are wiped with it.

pub(crate) mod accept;
pub(crate) mod advertise;
mod confirm;
mod floors;
mod noise;
mod reveal;
pub(crate) mod share;
#[cfg(test)]
pub(crate) mod tests;
mod upload;

pub use floors::{Bounds, ExampleClip, Floors, PrivacyFloors, UnlistedTasks};
pub use noise::noise_secrets;

use crate::identity::Identity;
use crate::ids::{Round, Slot, UpdateDigest};
use crate::label::Label;
use crate::ledger::{Entry, Ledger};
use crate::masked::MaskedUpdate;
use crate::message::{AbortNotice, Body, Message, Open, Receipt};
use crate::refusal::Refusal;
use crate::roster::Roster;
use crate::session::{RoundContext, SetError};
use crate::task::Task;
use rand_core::CryptoRng;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use veilsum_dp::MemberNoise;
use veilsum_encode::Contribution;
use veilsum_math::Threads;

/// Time since any fixed point of the caller; only differences count.
pub type Now = Duration;

/// A member in one attempt at a round.
///
/// # Security
///
/// A restarted process must not rebuild this value from disk: its secrets live in memory only, and the member has then
/// vanished for the session (R8). Dropping it wipes them.
pub struct Member {
    me: Me,
    phase: Phase,
    deadline: Option<Now>,
}

/// What stays the same through all phases.
struct Me {
    identity: Arc<Identity>,
    slot: Slot,
    floors: Floors,
    context: Arc<RoundContext>,
    threads: Threads,
}

enum Phase {
    Invited,
    Advertised(Box<advertise::Advertised>),
    Shared(Box<share::Shared>),
    Accepted(Box<accept::Accepted>),
    Ready(Box<upload::Ready>),
    Uploading(Box<upload::Uploaded>),
    Uploaded(Box<upload::Uploaded>),
    Revealing(Box<reveal::Revealing>),
    Closed,
}

/// What a message leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing to do.
    Nothing,
    /// Send this.
    Send(Message),
    /// The Share set stands: call [`Member::upload`] with the contribution.
    Contribute,
    /// The round has a result. `certified` tells whether this member is a survivor and saw the certificate itself;
    /// otherwise the receipt is the coordinator's word alone.
    Result {
        /// Signed by the coordinator.
        receipt: Receipt,
        /// Whether this member checked the certificate.
        certified: bool,
    },
    /// The attempt ended without a sum.
    Aborted(AbortNotice),
}

impl Member {
    /// Judges an invitation: roster, task, parameters, floors, ledger (checklist 1 and 2). Nothing is recorded yet.
    ///
    /// # Errors
    ///
    /// [`Refusal`] naming the first thing that is wrong.
    // spec: [open.roster] [open.task] [open.parameters]
    pub fn invited(
        open: &Open,
        roster: Arc<Roster>,
        identity: Arc<Identity>,
        floors: Floors,
        ledger: &dyn Ledger,
    ) -> Result<Self, Refusal> {
        if open.roster != roster.digest() {
            return Err(Refusal::Roster {
                got: open.roster,
                want: roster.digest(),
            });
        }
        let task = Task::decode(&open.task)?;
        // Asked before anything is derived: an Open that cannot be joined costs a look-up. One that was answered before is among them.
        // spec: [open.again]
        let state = ledger.state()?;
        state.may_join(
            &task.digest(),
            &open.roster,
            open.round,
            open.attempt,
            floors.retry,
        )?;
        let context = RoundContext::new(
            task,
            roster,
            open.round,
            open.attempt,
            open.base_model,
            open.deadlines,
        )?;
        if context.parameters != open.parameters {
            return Err(Refusal::Parameters);
        }
        Self::invited_in(Arc::new(context), identity, floors, ledger)
    }

    /// As [`Member::invited`], with a context that somebody in this process derived already. Simulations of many members
    /// share one; it is public data, and the same for all of them.
    ///
    /// # Errors
    ///
    /// [`Refusal`] naming the first thing that is wrong.
    pub fn invited_in(
        context: Arc<RoundContext>,
        identity: Arc<Identity>,
        floors: Floors,
        ledger: &dyn Ledger,
    ) -> Result<Self, Refusal> {
        // spec: [open.round]
        if context.round == Round(0) {
            return Err(Refusal::RoundZero);
        }
        let last = context.roster.last_round();
        if context.round > last {
            return Err(Refusal::LastRound {
                got: context.round,
                last,
            });
        }
        // spec: [open.attempt]
        if context.attempt.0 >= context.task.max_attempts() {
            return Err(Refusal::LastAttempt {
                got: context.attempt,
                max: context.task.max_attempts(),
            });
        }
        // spec: [open.slot]
        let slot = context
            .roster
            .slot_of(&identity.public())
            .ok_or(Refusal::NotInRound("the roster"))?;
        if !context.graph.contains(slot) {
            return Err(Refusal::NotInRound("the cohort of this round"));
        }
        floors.check(&context)?;
        may_join(&context, &floors, ledger)?;
        let me = Me {
            identity,
            slot,
            floors,
            context,
            threads: Threads::All,
        };
        Ok(Self {
            me,
            phase: Phase::Invited,
            deadline: None,
        })
    }

    /// Agrees on keys, checks signatures and masks with this many threads; all by default.
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.me.threads = threads;
        self
    }

    /// Draws the secrets of the attempt and advertises (checklist 3 and 4). The ledger knows before the advert exists.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when the ledger forbids it or cannot be written, or the member advertised already.
    pub fn advertise(
        &mut self,
        ledger: &mut dyn Ledger,
        now: Now,
        rng: &mut dyn CryptoRng,
    ) -> Result<Message, Refusal> {
        self.advertise_drawn(ledger, now, rng, None)
    }

    /// As [`Member::advertise`], with the noise drawn from a generator of its own ([`noise_secrets`]).
    ///
    /// # Errors
    ///
    /// As [`Member::advertise`].
    ///
    /// # Security
    ///
    /// For demonstrations that hold a sum against the plain one. Whoever can run the generator takes the noise off: real members call
    /// [`Member::advertise`].
    pub fn advertise_with_noise_of(
        &mut self,
        ledger: &mut dyn Ledger,
        now: Now,
        rng: &mut dyn CryptoRng,
        noise_rng: &mut dyn CryptoRng,
    ) -> Result<Message, Refusal> {
        self.advertise_drawn(ledger, now, rng, Some(noise_rng))
    }

    /// Takes one message of the coordinator.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: nothing is to be sent. The member stays where it was, except after a second, different Share set, which
    /// closes it.
    pub fn receive(
        &mut self,
        message: &Message,
        ledger: &mut dyn Ledger,
        now: Now,
        rng: &mut dyn CryptoRng,
    ) -> Result<Reply, Refusal> {
        self.expire(ledger, now)?;
        match &message.body {
            Body::AbortNotice(notice) => return self.abort(notice, ledger),
            Body::Receipt(receipt) => return self.finish(receipt, ledger),
            Body::FaultNotice(_) => return Ok(Reply::Nothing),
            _ => {}
        }
        let (next, outcome) = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Invited => (Phase::Invited, Err(wrong(message, "invited"))),
            Phase::Advertised(phase) => phase.receive(&self.me, message, rng),
            Phase::Shared(phase) => phase.receive(&self.me, message),
            Phase::Accepted(phase) => phase.receive(&self.me, message),
            Phase::Ready(phase) => phase.receive(message),
            Phase::Uploading(phase) => phase.receive_uploading(&self.me, message),
            Phase::Uploaded(phase) => phase.receive(&self.me, message, ledger),
            Phase::Revealing(phase) => phase.receive(&self.me, message),
            Phase::Closed => (Phase::Closed, Err(Refusal::Closed)),
        };
        self.phase = next;
        if matches!(self.phase, Phase::Closed) {
            self.close(ledger)?;
        }
        outcome
    }

    /// The noise to add to the contribution, from the advert on until [`Member::upload`]; `None` at any other time and in
    /// tasks without noise.
    ///
    /// It is drawn for this attempt: the contribution can be made as soon as the advert is out, away from the replies, and is
    /// of no use in any other attempt.
    ///
    /// # Security
    ///
    /// One contribution a member and attempt: the same noise under two updates gives their difference.
    pub fn noise(&self) -> Option<MemberNoise> {
        let noise = match &self.phase {
            Phase::Advertised(phase) => &phase.noise,
            Phase::Shared(phase) => &phase.noise,
            Phase::Accepted(phase) => &phase.noise,
            Phase::Ready(phase) => &phase.noise,
            Phase::Invited
            | Phase::Uploading(_)
            | Phase::Uploaded(_)
            | Phase::Revealing(_)
            | Phase::Closed => return None,
        };
        noise.member_noise(&self.me.context)
    }

    /// Masks the contribution (checklist 9). The ledger knows the update before anything can be sent.
    ///
    /// Returns the signed header and the vector to stream after it. Both are to be kept by the caller until the coordinator
    /// has stored them; a resend is of these bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when the Share set does not stand yet, the ledger forbids the update, too little is left of the site's
    /// privacy budget, or the contribution has another length or other noise than [`Member::noise`]'s.
    ///
    /// # Security
    ///
    /// The update that `digest` names must be the one that `contribution` was made of, and its noise that of
    /// [`Member::noise`]: whose it is can be checked, from which seeds it came cannot.
    pub fn upload(
        &mut self,
        contribution: Contribution,
        digest: UpdateDigest,
        ledger: &mut dyn Ledger,
    ) -> Result<(Message, MaskedUpdate), Refusal> {
        // spec: [upload.after-set]
        let Phase::Ready(ready) = &self.phase else {
            return Err(Refusal::WrongPhase {
                got: "upload",
                phase: self.phase.name(),
            });
        };
        ready.check(&self.me, &contribution, &digest, ledger)?;
        let Phase::Ready(ready) = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Err(Refusal::Closed);
        };
        let (uploaded, header, masked) = ready.mask(&self.me, contribution);
        self.phase = Phase::Uploading(Box::new(uploaded));
        Ok((Message::new(header), masked))
    }

    /// Erases all secrets of the attempt and records it (checklist 16).
    ///
    /// # Errors
    ///
    /// [`Refusal::Ledger`] when the record cannot be written; the secrets are erased all the same.
    // spec: [close.record]
    pub fn close(&mut self, ledger: &mut dyn Ledger) -> Result<(), Refusal> {
        self.phase = Phase::Closed;
        // Nothing before the advert and nothing twice: no coordinator makes the ledger grow by repeating itself.
        if self.deadline.take().is_none() {
            return Ok(());
        }
        let context = &self.me.context;
        ledger.record(Entry::Closed {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
        })?;
        Ok(())
    }

    /// What the round is about.
    pub fn context(&self) -> &Arc<RoundContext> {
        &self.me.context
    }

    /// This member's slot.
    pub fn slot(&self) -> Slot {
        self.me.slot
    }

    /// Name of the phase it is in.
    pub fn phase(&self) -> &'static str {
        self.phase.name()
    }

    /// When its secrets are erased at the latest; none before it advertised and after it closed.
    pub fn deadline(&self) -> Option<Now> {
        self.deadline
    }

    /// Closes the member if its own deadline has passed. [`Member::receive`] does it by itself; a caller that hears nothing
    /// has to, so that no secret outlives the deadline.
    ///
    /// # Errors
    ///
    /// As [`Member::close`].
    // spec: [close.deadline]
    pub fn expire(&mut self, ledger: &mut dyn Ledger, now: Now) -> Result<(), Refusal> {
        if self.deadline.is_some_and(|deadline| now > deadline)
            && !matches!(self.phase, Phase::Closed)
        {
            self.close(ledger)?;
        }
        Ok(())
    }

    // spec: [close.abort]
    fn advertise_drawn(
        &mut self,
        ledger: &mut dyn Ledger,
        now: Now,
        rng: &mut dyn CryptoRng,
        noise_rng: Option<&mut dyn CryptoRng>,
    ) -> Result<Message, Refusal> {
        let Phase::Invited = self.phase else {
            return Err(Refusal::WrongPhase {
                got: "advertise",
                phase: self.phase.name(),
            });
        };
        let context = &self.me.context;
        may_join(context, &self.me.floors, ledger)?;
        // spec: [advertise.record]
        ledger.record(Entry::Advert {
            task: context.task_digest,
            roster: context.roster.digest(),
            round: context.round,
            attempt: context.attempt,
        })?;
        let longest = context
            .deadlines
            .total()
            .min(self.me.floors.longest_attempt);
        self.deadline = Some(now.saturating_add(longest));
        let advertised = advertise::Advertised::draw(&self.me, rng, noise_rng);
        let message = Message::new(advertised.advert().clone());
        self.phase = Phase::Advertised(Box::new(advertised));
        Ok(message)
    }

    fn abort(&mut self, notice: &AbortNotice, ledger: &mut dyn Ledger) -> Result<Reply, Refusal> {
        let context = &self.me.context;
        if (notice.task, notice.round, notice.attempt)
            != (context.task_digest, context.round, context.attempt)
        {
            return Err(Refusal::OtherSession {
                got: "AbortNotice",
                what: "attempt",
            });
        }
        self.close(ledger)?;
        Ok(Reply::Aborted(notice.clone()))
    }

    // spec: [receipt.check]
    fn finish(&mut self, receipt: &Receipt, ledger: &mut dyn Ledger) -> Result<Reply, Refusal> {
        let context = &self.me.context;
        if (receipt.task, receipt.round, receipt.attempt)
            != (context.task_digest, context.round, context.attempt)
        {
            return Err(Refusal::OtherSession {
                got: "Receipt",
                what: "attempt",
            });
        }
        let key = context.roster.coordinator();
        key.verify(
            Label::SignReceipt,
            &[&receipt.content()],
            &receipt.signature,
        )
        .map_err(|_| Refusal::Receipt("it is not signed by the coordinator of the roster"))?;
        receipt
            .survivors
            .check(context.slots())
            .map_err(SetError::from)?;
        let certified = match &self.phase {
            Phase::Revealing(phase) if !phase.certifies(receipt) => {
                return Err(Refusal::Receipt(
                    "it names other survivors than the certificate",
                ));
            }
            Phase::Revealing(_) => true,
            // Before its advert a member has no part in the attempt, and fetches no sum of it.
            Phase::Invited => {
                return Err(Refusal::WrongPhase {
                    got: "Receipt",
                    phase: self.phase.name(),
                });
            }
            _ => false,
        };
        self.close(ledger)?;
        Ok(Reply::Result {
            receipt: receipt.clone(),
            certified,
        })
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member(slot {}, {})", self.me.slot, self.phase.name())
    }
}

impl Phase {
    fn name(&self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Advertised(_) => "advertised",
            Self::Shared(_) => "shared",
            Self::Accepted(_) => "accepted",
            Self::Ready(_) => "ready",
            Self::Uploading(_) => "uploading",
            Self::Uploaded(_) => "uploaded",
            Self::Revealing(_) => "revealing",
            Self::Closed => "closed",
        }
    }
}

/// What a phase makes of a message: the phase that follows, and the reply or refusal.
type Step = (Phase, Result<Reply, Refusal>);

// spec: [message.order]
fn wrong(message: &Message, phase: &'static str) -> Refusal {
    Refusal::WrongPhase {
        got: message.body.name(),
        phase,
    }
}

fn may_join(context: &RoundContext, floors: &Floors, ledger: &dyn Ledger) -> Result<(), Refusal> {
    let roster = context.roster.digest();
    let state = ledger.state()?;
    state.may_join(
        &context.task_digest,
        &roster,
        context.round,
        context.attempt,
        floors.retry,
    )?;
    floors.privacy.must_charge(context, state).map(|_| ())
}
