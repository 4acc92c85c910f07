//! Sets of slots, session ids, and what is due, as values.

use super::Play;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Sid, Slot};
use veilsum_proto::message::{
    Accept, Adverts, Body, Cut, DeliveredShares, SealedShares, ShareSet, SurvivorSet,
};
use veilsum_proto::session::second_sid;

impl Play {
    /// A set of slots of this roster.
    pub fn set(&self, slots: impl IntoIterator<Item = u32>) -> Bitmap {
        Bitmap::of(self.context.slots(), slots.into_iter().map(Slot))
    }

    /// All slots but these.
    pub fn all_but(&self, slots: &[u32]) -> Bitmap {
        self.set((0..self.context.slots()).filter(|slot| !slots.contains(slot)))
    }

    /// First session, as any member's accept names it.
    pub fn sid(&self) -> Sid {
        let accepts = self
            .players
            .values()
            .filter_map(|player| player.accept.as_ref());
        accepts
            .map(|accept| accept.sid)
            .next()
            .expect("a member accepted")
    }

    /// A Share set under the session, without accepts.
    pub fn share_set(&self, shared: &Bitmap) -> ShareSet {
        ShareSet {
            sid: self.sid(),
            shared: shared.clone(),
            accepts: Vec::new(),
        }
    }

    /// Survivors under the session and this Share set.
    pub fn survivor_set(&self, shared: &Bitmap, survivors: &Bitmap) -> SurvivorSet {
        let sid = self.sid();
        SurvivorSet {
            sid,
            sid2: second_sid(&sid, shared),
            survivors: survivors.clone(),
        }
    }

    /// What the coordinator sends in Share, as a value.
    pub fn due_adverts(&self, slot: u32) -> Adverts {
        match self.due(slot) {
            Some(Body::Adverts(adverts)) => adverts,
            due => panic!("found {:?}, wanted Adverts", due.map(|body| body.name())),
        }
    }

    /// What the coordinator sends in the second trip of Share, as a value.
    pub fn due_shares(&self, slot: u32) -> DeliveredShares {
        match self.due(slot) {
            Some(Body::DeliveredShares(delivered)) => delivered,
            due => panic!(
                "found {:?}, wanted DeliveredShares",
                due.map(|body| body.name())
            ),
        }
    }

    /// A machine's sealed shares as it answers the adverts.
    pub fn sealed(&mut self, slot: u32) -> SealedShares {
        match self.answer(slot) {
            Some(Body::SealedShares(sealed)) => sealed,
            answer => panic!(
                "found {:?}, wanted SealedShares",
                answer.map(|body| body.name())
            ),
        }
    }
}

/// The accept with other cuts, signed by whoever owns `identity`.
pub fn resigned(accept: &Accept, cuts: Vec<Cut>, identity: &Identity) -> Accept {
    let accept = Accept {
        cuts,
        ..accept.clone()
    };
    accept.signed(identity)
}
