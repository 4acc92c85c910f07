//! Share, trip 1: sealed shares from every member that advertised.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::coordinator::{
    AcceptPhase, Coordinator, PhaseName, Session, check_expected, check_sender, check_session,
    wrong,
};
use crate::fault::FaultKind;
use crate::ids::{Hash, Slot};
use crate::member::share::{is_root_signed, parts_tree};
use crate::merkle::Tree;
use crate::message::{
    Advert, Adverts, Body, DeliveredShare, Message, ProvenAdvert, SealedShare, SealedShares,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Waits for sealed shares.
#[derive(Debug)]
pub struct SharePhase {
    pub(super) session: Session,
    tree: Tree,
    dealers: BTreeMap<Slot, Dealer>,
}

/// A dealer's parts, and how they are proven to those they are for.
#[derive(Debug)]
pub(super) struct Dealer {
    pub(super) shares: SealedShares,
    /// Its neighbours in U1, ascending: the places of the tree.
    receivers: Vec<Slot>,
    /// The tree whose root the dealer signed.
    tree: Tree,
}

impl SharePhase {
    pub(super) fn new(session: Session, tree: Tree) -> Self {
        Self {
            session,
            tree,
            dealers: BTreeMap::new(),
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::SealedShares(shares) = &message.body else {
            return Err(wrong(message, PhaseName::Share));
        };
        let first = self.dealers.get(&from);
        if first.is_some_and(|first| first.shares == *shares) {
            return Ok(());
        }
        check_expected(&self.session.advertised, from, PhaseName::Share)?;
        check_sender(from, shares.slot)?;
        check_session("SealedShares", &shares.sid, &self.session.sid)?;
        let Session {
            context,
            advertised,
            sid,
            ..
        } = &self.session;
        let receivers = context.neighbours_in(from, advertised);
        check_parts(&receivers, &shares.parts)?;
        // spec: [share.relay]
        let tree = parts_tree(sid, from, &receivers, &shares.parts);
        if !is_root_signed(context, sid, from, &tree.root(), &shares.signature) {
            return Err(FaultKind::Signature("SealedShares"));
        }
        // spec: [message.second]
        match self.dealers.entry(from) {
            Entry::Occupied(_) => Err(FaultKind::Second("SealedShares")),
            Entry::Vacant(place) => {
                place.insert(Dealer {
                    shares: shares.clone(),
                    receivers,
                    tree,
                });
                Ok(())
            }
        }
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let Session {
            context,
            advertised,
            adverts,
            ..
        } = &self.session;
        if !advertised.contains(slot) || self.dealers.contains_key(&slot) {
            return None;
        }
        let proof = |slot: Slot| match context.parameters.is_complete() {
            true => Vec::<Hash>::new(),
            false => self.tree.proof(slot.index()),
        };
        let slots = context.neighbours_in(slot, advertised);
        let found: Vec<&Advert> = slots.iter().filter_map(|slot| adverts.get(slot)).collect();
        let neighbours = found.into_iter().map(|advert| ProvenAdvert {
            advert: advert.clone(),
            proof: proof(advert.slot),
        });
        let neighbours = neighbours.collect();
        Some(Message::new(Adverts {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
            advertised: advertised.clone(),
            root: self.tree.root(),
            own_proof: proof(slot),
            neighbours,
        }))
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        self.session
            .advertised
            .iter()
            .filter(|slot| !self.dealers.contains_key(slot))
            .collect()
    }

    pub(super) fn close(self) -> Coordinator {
        let Self {
            session, dealers, ..
        } = self;
        let dealt = Bitmap::of(session.context.slots(), dealers.keys().copied());
        match session.context.check_shared(&dealt, &session.advertised) {
            Ok(()) => Coordinator::Accept(Box::new(AcceptPhase::new(session, dealers))),
            Err(error) => Coordinator::Aborted(Abort::Share(error)),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let parts = self.dealers.values().map(Dealer::held_bytes);
        self.session.held_bytes().saturating_add(parts.sum())
    }
}

impl Dealer {
    /// Where `to` stands among those the parts are for; `None` for a slot that is no neighbour.
    pub(super) fn place_of(&self, to: Slot) -> Option<usize> {
        self.receivers.binary_search(&to).ok()
    }

    /// The part for `to`, who stands at `place`, or that there is none, with the proof.
    pub(super) fn delivered(&self, to: Slot, place: usize) -> DeliveredShare {
        DeliveredShare {
            from: self.shares.slot,
            part: self.part(to, place).cloned(),
            proof: self.tree.proof(place),
            signature: self.shares.signature,
        }
    }

    /// Parts are in the order of the places: unless the dealer left somebody out, each is at its place. A search would read as
    /// many parts as it has steps, all over the memory.
    fn part(&self, to: Slot, place: usize) -> Option<&SealedShare> {
        let parts = &self.shares.parts;
        let in_place = parts.get(place).filter(|part| part.to == to);
        in_place.or_else(|| {
            let index = parts.binary_search_by_key(&to, |part| part.to).ok()?;
            parts.get(index)
        })
    }

    /// Each part with its leaf and, on average, one inner node of the tree.
    pub(super) fn held_bytes(&self) -> usize {
        let part = size_of::<SealedShare>().saturating_add(64);
        self.shares.parts.len().saturating_mul(part)
    }
}

/// Parts are for neighbours in U1, ascending.
// spec: [share.parts]
fn check_parts(receivers: &[Slot], parts: &[SealedShare]) -> Result<(), FaultKind> {
    let mut receivers = receivers.iter();
    let stray = parts
        .iter()
        .find(|part| !receivers.any(|slot| *slot == part.to));
    stray.map_or(Ok(()), |part| Err(FaultKind::Part(part.to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Sid;
    use crate::merkle::{empty_leaf, verify};
    use crate::message::UNSIGNED;

    // spec: [share.relay]
    #[test]
    fn whoever_a_dealer_left_out_all_others_get_their_parts() {
        let (sid, slot) = (Sid([3; 32]), Slot(9));
        let receivers: Vec<Slot> = [0, 2, 3, 5, 8, 13, 21].map(Slot).into();
        for left_out in 0..1_usize << receivers.len() {
            let dealt = |place: &usize| left_out >> place & 1 == 0;
            let parts = (0..receivers.len()).filter(dealt).map(|place| SealedShare {
                to: receivers[place],
                ciphertext: [1; 80],
                root_digest: Hash([2; 32]),
                self_digest: Hash([3; 32]),
                pair_hash: Hash([4; 32]),
            });
            let parts: Vec<SealedShare> = parts.collect();
            let tree = parts_tree(&sid, slot, &receivers, &parts);
            let root = tree.root();
            let dealer = Dealer {
                shares: SealedShares {
                    sid,
                    slot,
                    parts,
                    signature: UNSIGNED,
                },
                receivers: receivers.clone(),
                tree,
            };
            for (place, to) in receivers.iter().enumerate() {
                assert_eq!(dealer.place_of(*to), Some(place));
                let delivered = dealer.delivered(*to, place);
                let part = delivered.part.as_ref();
                assert_eq!(part.map(|part| part.to), dealt(&place).then_some(*to));
                let leaf = part.map_or_else(empty_leaf, |part| part.leaf(&sid, slot));
                let count = receivers.len();
                assert!(verify(&root, count, place, &leaf, &delivered.proof));
            }
            assert_eq!(dealer.place_of(Slot(4)), None);
        }
    }

    // spec: [share.parts]
    #[test]
    fn parts_are_for_neighbours_and_in_order() {
        let part = |to: u32| SealedShare {
            to: Slot(to),
            ciphertext: [1; 80],
            root_digest: Hash([2; 32]),
            self_digest: Hash([3; 32]),
            pair_hash: Hash([4; 32]),
        };
        let check = |to: &[u32]| {
            let parts: Vec<SealedShare> = to.iter().map(|to| part(*to)).collect();
            check_parts(&[1, 2, 4].map(Slot), &parts)
        };
        for good in [&[][..], &[1], &[4], &[1, 4], &[2, 4], &[1, 2, 4]] {
            assert_eq!(check(good), Ok(()));
        }
        for (bad, named) in [
            (&[3][..], 3),
            (&[1, 3], 3),
            (&[0, 1], 0),
            (&[1, 1], 1),
            (&[2, 1], 1),
            (&[1, 2, 4, 5], 5),
            (&[4, 4], 4),
        ] {
            assert_eq!(check(bad), Err(FaultKind::Part(Slot(named))));
        }
    }
}
