//! Ready, Uploading, Uploaded: the Share set stands, the one vector of the session is made and sent, survivors are signed.

use crate::identity::Signature;
use crate::ids::{Sid, Sid2, Slot, UpdateDigest};
use crate::keys::{HeldShare, PairSeed, SelfSeed, pair_mask_sign};
use crate::ledger::{Entry, Ledger};
use crate::masked::MaskedUpdate;
use crate::member::noise::{OwnNoise, check_noise};
use crate::member::{Me, Phase, Reply, Step, wrong};
use crate::message::{Body, Message, ShareSet, SurvivorSet, UNSIGNED, UploadHeader, UploadStored};
use crate::refusal::Refusal;
use std::collections::BTreeMap;
use veilsum_encode::Contribution;
use veilsum_math::{Mask, Sign};

/// The Share set stands, nothing was uploaded.
pub(super) struct Ready {
    pub(super) sid: Sid,
    pub(super) sid2: Sid2,
    pub(super) share_set: ShareSet,
    pub(super) self_seed: SelfSeed,
    pub(super) noise: OwnNoise,
    /// Shares of the neighbours it masks with, A_u.
    pub(super) held: BTreeMap<Slot, HeldShare>,
    /// Pair seeds with exactly A_u.
    pub(super) pair_seeds: BTreeMap<Slot, PairSeed>,
}

/// The masked update left the member's hands.
pub(super) struct Uploaded {
    pub(super) ready: Ready,
    pub(super) signed: Option<Signed>,
}

/// What this member signed.
pub(super) struct Signed {
    pub(super) set: SurvivorSet,
    pub(super) signature: Signature,
}

impl Ready {
    pub(super) fn receive(self: Box<Self>, message: &Message) -> Step {
        match &message.body {
            Body::ShareSet(set) => match self.same_set(set) {
                Ok(()) => (Phase::Ready(self), Ok(Reply::Contribute)),
                Err(refusal) => (Phase::Closed, Err(refusal)),
            },
            _ => (Phase::Ready(self), Err(wrong(message, "ready"))),
        }
    }

    /// Checklist 9: the length, the noise, the ledger, and the records. A refusal records nothing.
    // spec: [upload.record] [upload.duplicate]
    pub(super) fn check(
        &self,
        me: &Me,
        contribution: &Contribution,
        digest: &UpdateDigest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Refusal> {
        // spec: [upload.plan-length]
        let (got, want) = (contribution.limbs(), me.context.plan.limbs());
        if got != want {
            return Err(Refusal::WrongLength { got, want });
        }
        check_noise(me, contribution)?;
        let context = &me.context;
        let (task, round, attempt) = (context.task_digest, context.round, context.attempt);
        let state = ledger.state()?;
        state.is_current(&task, round, attempt)?;
        state.may_upload(&task, round, digest, me.floors.reuse(context))?;
        let must_charge = me.floors.privacy.must_charge(context, state)?;
        // spec: [upload.charge] [noise.budget.once]
        if let Some(noise) = context.noise.as_deref().filter(|_| must_charge) {
            ledger.record(Entry::Charged {
                task,
                round,
                release: Box::new(noise.release().clone()),
                delta: noise.delta(),
            })?;
        }
        ledger.record(Entry::Update {
            task,
            round,
            attempt,
            update: *digest,
        })?;
        Ok(())
    }

    // spec: [upload.mask]
    pub(super) fn mask(
        mut self,
        me: &Me,
        contribution: Contribution,
    ) -> (Uploaded, UploadHeader, MaskedUpdate) {
        let header = UploadHeader {
            sid: self.sid,
            sid2: self.sid2,
            slot: me.slot,
            limbs: contribution.limbs() as u64,
            signature: UNSIGNED,
        };
        let masked = MaskedUpdate::mask(contribution, &self.masks(me), me.threads);
        self.noise = self.noise.added(&me.context);
        (
            Uploaded {
                ready: self,
                signed: None,
            },
            header.signed(&me.identity),
            masked,
        )
    }

    fn masks(&self, me: &Me) -> Vec<Mask> {
        let own = self.self_seed.mask(&self.sid2, me.slot, Sign::Add);
        let pairs = self.pair_seeds.iter().map(|(slot, seed)| {
            seed.mask(&self.sid2, me.slot, *slot, pair_mask_sign(me.slot, *slot))
        });
        std::iter::once(own).chain(pairs).collect()
    }

    /// A second, different Share set ends the session (checklist 8).
    // spec: [share.set-once]
    fn same_set(&self, set: &ShareSet) -> Result<(), Refusal> {
        if *set == self.share_set {
            Ok(())
        } else {
            Err(Refusal::Second("ShareSet"))
        }
    }
}

impl Uploaded {
    /// Before the coordinator has the whole update: nothing is signed or revealed.
    // spec: [confirm.after-upload]
    pub(super) fn receive_uploading(self: Box<Self>, me: &Me, message: &Message) -> Step {
        match &message.body {
            Body::UploadStored(stored) if self.is_mine(me, stored) => {
                (Phase::Uploaded(self), Ok(Reply::Nothing))
            }
            Body::UploadStored(_) => (
                Phase::Uploading(self),
                Err(Refusal::OtherSession {
                    got: "UploadStored",
                    what: "session",
                }),
            ),
            Body::ShareSet(set) => match self.ready.same_set(set) {
                Ok(()) => (Phase::Uploading(self), Ok(Reply::Nothing)),
                Err(refusal) => (Phase::Closed, Err(refusal)),
            },
            _ => (Phase::Uploading(self), Err(wrong(message, "uploading"))),
        }
    }

    pub(super) fn receive(
        mut self: Box<Self>,
        me: &Me,
        message: &Message,
        ledger: &mut dyn Ledger,
    ) -> Step {
        match &message.body {
            Body::UploadStored(stored) if self.is_mine(me, stored) => {
                (Phase::Uploaded(self), Ok(Reply::Nothing))
            }
            Body::ShareSet(set) => match self.ready.same_set(set) {
                Ok(()) => (Phase::Uploaded(self), Ok(Reply::Nothing)),
                Err(refusal) => (Phase::Closed, Err(refusal)),
            },
            Body::SurvivorSet(set) => {
                let reply = self
                    .sign(me, set, ledger)
                    .map(|confirmation| Reply::Send(Message::new(confirmation)));
                (Phase::Uploaded(self), reply)
            }
            Body::Certificate(certificate) => match self.check_certificate(me, certificate, ledger)
            {
                Ok(survivors) => {
                    let revealing = self.reveal(me, survivors);
                    let reply = Message::new(revealing.reveal().clone());
                    (
                        Phase::Revealing(Box::new(revealing)),
                        Ok(Reply::Send(reply)),
                    )
                }
                Err(refusal) => (Phase::Uploaded(self), Err(refusal)),
            },
            _ => (Phase::Uploaded(self), Err(wrong(message, "uploaded"))),
        }
    }

    // spec: [upload.stored]
    fn is_mine(&self, me: &Me, stored: &UploadStored) -> bool {
        stored.sid2 == self.ready.sid2 && stored.slot == me.slot
    }
}
