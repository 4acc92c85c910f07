//! Accepted: the signed accept is out; what comes is the Share set.

use crate::bitmap::Bitmap;
use crate::ids::{Sid, Slot};
use crate::keys::{HeldShare, PairSeed, SelfSeed};
use crate::label::Label;
use crate::member::noise::OwnNoise;
use crate::member::upload::Ready;
use crate::member::{Me, Phase, Reply, Step, wrong};
use crate::message::{Accept, Body, Cut, CutReason, DeliveredShares, Message, ShareSet, UNSIGNED};
use crate::refusal::Refusal;
use crate::session::{RoundContext, SHARED, check_holds, second_sid};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Accepted {
    sid: Sid,
    advertised: Bitmap,
    delivered: DeliveredShares,
    accept: Accept,
    self_seed: SelfSeed,
    pub(super) noise: OwnNoise,
    held: BTreeMap<Slot, HeldShare>,
    pair_seeds: BTreeMap<Slot, PairSeed>,
    seen: BTreeSet<Slot>,
}

/// What the parts dealt to a member come to.
pub(super) struct Taken {
    pub held: BTreeMap<Slot, HeldShare>,
    pub pair_seeds: BTreeMap<Slot, PairSeed>,
    pub cuts: BTreeMap<Slot, CutReason>,
    /// Dealers whose signature verified, cut or not.
    pub seen: BTreeSet<Slot>,
}

impl Accepted {
    // spec: [accept.once]
    pub(super) fn new(
        me: &Me,
        sid: Sid,
        advertised: Bitmap,
        delivered: DeliveredShares,
        self_seed: SelfSeed,
        noise: OwnNoise,
        taken: Taken,
    ) -> Self {
        let accept = Accept {
            sid,
            slot: me.slot,
            cuts: cut_list(&taken.cuts),
            signature: UNSIGNED,
        };
        Self {
            sid,
            advertised,
            delivered,
            accept: accept.signed(&me.identity),
            self_seed,
            noise,
            held: taken.held,
            pair_seeds: taken.pair_seeds,
            seen: taken.seen,
        }
    }

    pub(super) fn accept(&self) -> &Accept {
        &self.accept
    }

    pub(super) fn receive(self: Box<Self>, me: &Me, message: &Message) -> Step {
        match &message.body {
            Body::DeliveredShares(delivered) => {
                let reply = match *delivered == self.delivered {
                    true => Ok(Reply::Send(Message::new(self.accept.clone()))),
                    false => Err(Refusal::Second("DeliveredShares")),
                };
                (Phase::Accepted(self), reply)
            }
            Body::ShareSet(set) => match self.check(me, set) {
                Ok(cut) => (
                    Phase::Ready(Box::new(self.ready(me, set, &cut))),
                    Ok(Reply::Contribute),
                ),
                Err(refusal) => (Phase::Accepted(self), Err(refusal)),
            },
            _ => (Phase::Accepted(self), Err(wrong(message, "accepted"))),
        }
    }

    /// Checklist 8. Returns every slot whose edge to this member is cut, by either end.
    fn check(&self, me: &Me, set: &ShareSet) -> Result<BTreeSet<Slot>, Refusal> {
        // spec: [share.set-session]
        if set.sid != self.sid {
            return Err(Refusal::OtherSession {
                got: "ShareSet",
                what: "session",
            });
        }
        let context = &me.context;
        context.check_shared(&set.shared, &self.advertised)?;
        check_holds(SHARED, &set.shared, me.slot)?;
        let mut cut = self
            .accept
            .cuts
            .iter()
            .map(|cut| cut.slot)
            .collect::<BTreeSet<_>>();
        cut.extend(cuts_of_others(
            context,
            &self.sid,
            me.slot,
            &self.advertised,
            &set.accepts,
        )?);
        // spec: [share.cut-limit]
        let want = context.parameters.c_nb();
        if cut.len() > want as usize {
            return Err(Refusal::TooManyCuts {
                got: cut.len(),
                want,
            });
        }
        // spec: [share.unseen]
        let neighbours = context.neighbours_in(me.slot, &set.shared);
        match neighbours
            .into_iter()
            .find(|slot| !cut.contains(slot) && !self.seen.contains(slot))
        {
            Some(slot) => Err(Refusal::UnseenShare(slot)),
            None => Ok(cut),
        }
    }

    fn ready(self, me: &Me, set: &ShareSet, cut: &BTreeSet<Slot>) -> Ready {
        let Self {
            sid,
            self_seed,
            noise,
            mut held,
            mut pair_seeds,
            ..
        } = self;
        let peers = me.context.neighbours_in(me.slot, &set.shared);
        let peers = peers
            .into_iter()
            .filter(|slot| !cut.contains(slot))
            .collect::<BTreeSet<_>>();
        held.retain(|slot, _| peers.contains(slot));
        pair_seeds.retain(|slot, _| peers.contains(slot));
        Ready {
            sid,
            sid2: second_sid(&sid, &set.shared),
            share_set: set.clone(),
            self_seed,
            noise,
            held,
            pair_seeds,
        }
    }
}

/// Neighbours whose own signed accepts cut their edge to `own`; every accept shown must be one.
// spec: [share.cut-signed]
fn cuts_of_others(
    context: &RoundContext,
    sid: &Sid,
    own: Slot,
    advertised: &Bitmap,
    accepts: &[Accept],
) -> Result<Vec<Slot>, Refusal> {
    let cuts_own = |accept: &&Accept| {
        accept.sid == *sid
            && accept.cuts.iter().any(|cut| cut.slot == own)
            && advertised.contains(accept.slot)
            && context.graph.are_neighbours(own, accept.slot)
            && is_accept_signed(context, accept)
    };
    // spec: [share.cut-order]
    let unordered = accepts.windows(2).find_map(|pair| match pair {
        [first, second] if first.slot >= second.slot => Some(second.slot),
        _ => None,
    });
    if let Some(slot) = unordered {
        return Err(Refusal::NotACut(slot));
    }
    match accepts.iter().find(|accept| !cuts_own(accept)) {
        Some(accept) => Err(Refusal::NotACut(accept.slot)),
        None => Ok(accepts.iter().map(|accept| accept.slot).collect()),
    }
}

/// Whether an accept is signed by its slot's key on the roster.
// spec: [accept.signature]
pub(crate) fn is_accept_signed(context: &RoundContext, accept: &Accept) -> bool {
    let key = context.roster.verifier_of(accept.slot);
    key.is_some_and(|key| {
        key.verify(Label::SignAccept, &[&accept.content()], &accept.signature)
            .is_ok()
    })
}

/// The list an accept carries.
fn cut_list(cuts: &BTreeMap<Slot, CutReason>) -> Vec<Cut> {
    cuts.iter()
        .map(|(slot, reason)| Cut {
            slot: *slot,
            reason: *reason,
        })
        .collect()
}
