//! Revealing: the certificate stands. Every answer is a function of the certified set, and of nothing else (R10).

use crate::certificate::Survivors;
use crate::ids::{Sid, Sid2, Slot};
use crate::keys::{HeldShare, to_revealed};
use crate::label::Label;
use crate::member::upload::Ready;
use crate::member::{Me, Phase, Reply, Step, wrong};
use crate::message::{
    Body, Message, PairSeedReveal, Receipt, Reveal, RevealedSeed, ShareAnswer, ShareRequest,
    ShareSet, ShareWanted, Shares, UploadHeader,
};
use crate::refusal::Refusal;
use std::collections::BTreeMap;
use veilsum_math::sharing::ShareValue;

pub(super) struct Revealing {
    sid: Sid,
    sid2: Sid2,
    share_set: ShareSet,
    survivors: Survivors,
    /// Of each dealer the one share that may be asked for; the opposite one is wiped.
    held: BTreeMap<Slot, ShareValue>,
    reveal: Reveal,
}

impl Revealing {
    /// Checklist 14: own self seed; pair seeds with peers that are no survivors; the chain value of so many survivors.
    // spec: [reveal.direct] [reveal.chain]
    pub(super) fn new(me: &Me, ready: Ready, survivors: Survivors) -> Self {
        let Ready {
            sid,
            sid2,
            share_set,
            self_seed,
            noise,
            held,
            pair_seeds,
        } = ready;
        let dropped = pair_seeds
            .iter()
            .filter(|(slot, _)| !survivors.bitmap().contains(**slot));
        // At once as long as it gets: a vector that grows leaves its seeds unwiped where it was.
        let mut revealed = Vec::with_capacity(pair_seeds.len());
        revealed.extend(dropped.map(|(slot, seed)| PairSeedReveal {
            slot: *slot,
            seed: seed.to_revealed(),
        }));
        let self_seed = RevealedSeed::new(&self_seed.secret().expose_bytes());
        let reveal = Reveal {
            sid2,
            slot: me.slot,
            self_seed,
            pair_seeds: revealed,
            chain_value: noise.reveal(&me.context, survivors.count()),
        };
        let held = held.into_iter().map(|(slot, share)| {
            let survives = survivors.bitmap().contains(slot);
            (slot, owed(share, survives))
        });
        let held = held.collect();
        Self {
            sid,
            sid2,
            share_set,
            survivors,
            held,
            reveal,
        }
    }

    pub(super) fn reveal(&self) -> &Reveal {
        &self.reveal
    }

    /// Whether a receipt is about the survivors this member saw certified.
    pub(super) fn certifies(&self, receipt: &Receipt) -> bool {
        receipt.sid == self.sid
            && receipt.sid2 == self.sid2
            && receipt.survivors == *self.survivors.bitmap()
    }

    pub(super) fn receive(self: Box<Self>, me: &Me, message: &Message) -> Step {
        let reply = match &message.body {
            Body::Certificate(certificate) => self.again(me, certificate),
            Body::ShareRequest(request) => self.answer(me, request),
            Body::ShareSet(set) if *set == self.share_set => Ok(Reply::Nothing),
            Body::ShareSet(_) => return (Phase::Closed, Err(Refusal::Second("ShareSet"))),
            Body::UploadStored(_) => Ok(Reply::Nothing),
            _ => Err(wrong(message, "revealing")),
        };
        (Phase::Revealing(self), reply)
    }

    /// A certificate again: the same answer, if it is for the same survivors, whoever signed this copy.
    // spec: [reveal.direct]
    fn again(&self, me: &Me, certificate: &crate::message::Certificate) -> Result<Reply, Refusal> {
        if self.survivors.is_of(&certificate.set) {
            return Ok(Reply::Send(Message::new(self.reveal.clone())));
        }
        let shared = &self.share_set.shared;
        Survivors::certified(
            &me.context,
            &self.sid,
            &self.sid2,
            shared,
            certificate,
            me.threads,
        )?;
        Err(Refusal::OtherSurvivors)
    }

    /// Checklist 15. One refused entry refuses the request: an honest coordinator makes none.
    // spec: [reveal.shares] [reveal.own-peers]
    fn answer(&self, me: &Me, request: &ShareRequest) -> Result<Reply, Refusal> {
        if request.sid2 != self.sid2 {
            return Err(Refusal::OtherSession {
                got: "ShareRequest",
                what: "session",
            });
        }
        // At once as long as it gets, as in `new`.
        let mut answers = Vec::with_capacity(request.wanted.len());
        for wanted in &request.wanted {
            answers.push(match wanted {
                ShareWanted::SelfSeed(header) => self.self_share(me, header)?,
                ShareWanted::RootSeed(slot) => self.root_share(*slot)?,
            });
        }
        Ok(Reply::Send(Message::new(Shares {
            sid2: self.sid2,
            slot: me.slot,
            answers,
        })))
    }

    /// Of a survivor only, and only with its own signed header for this second session.
    // spec: [reveal.header] [reveal.self-of-survivor]
    fn self_share(&self, me: &Me, header: &UploadHeader) -> Result<ShareAnswer, Refusal> {
        let slot = header.slot;
        let refuse = |reason| Refusal::ShareRequest {
            kind: "self",
            slot,
            reason,
        };
        if !self.survivors.bitmap().contains(slot) {
            return Err(refuse("it is not a certified survivor"));
        }
        if header.sid != self.sid || header.sid2 != self.sid2 {
            return Err(refuse("its upload header is for another session"));
        }
        let key = me
            .context
            .roster
            .verifier_of(slot)
            .ok_or(refuse("it is not on the roster"))?;
        key.verify(Label::SignUpload, &[&header.content()], &header.signature)
            .map_err(|_| refuse("its upload header is not signed by it"))?;
        let share = self
            .held
            .get(&slot)
            .ok_or(refuse("this member holds no share of it"))?;
        Ok(ShareAnswer::SelfSeed(slot, to_revealed(share)))
    }

    /// Of a member of U2 that is no survivor only.
    // spec: [reveal.root-of-dropped]
    fn root_share(&self, slot: Slot) -> Result<ShareAnswer, Refusal> {
        let refuse = |reason| Refusal::ShareRequest {
            kind: "root",
            slot,
            reason,
        };
        if self.survivors.bitmap().contains(slot) {
            return Err(refuse("it is a certified survivor"));
        }
        if !self.share_set.shared.contains(slot) {
            return Err(refuse("it is not in the Share set"));
        }
        let share = self
            .held
            .get(&slot)
            .ok_or(refuse("this member holds no share of it"))?;
        Ok(ShareAnswer::RootSeed(slot, to_revealed(share)))
    }
}

/// The share of a dealer that the certified set allows to give out. The other one is wiped here, so that no later fault can
/// release both.
// spec: [reveal.wipe-opposite]
fn owed(held: HeldShare, survives: bool) -> ShareValue {
    let HeldShare { root, self_seed } = held;
    match survives {
        true => self_seed,
        false => root,
    }
}
