//! Share, trip 1: sealed shares from every member that advertised.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::coordinator::{
    AcceptPhase, Coordinator, PhaseName, Session, check_expected, check_sender, check_session,
    wrong,
};
use crate::fault::FaultKind;
use crate::ids::Slot;
use crate::member::share::{is_root_signed, parts_tree};
use crate::merkle::{Siblings, Tree};
use crate::message::{
    Adverts, Body, BorrowedAdvert, BorrowedAdverts, BorrowedShare, Message, ProvenAdvert,
    SealedShare, SealedShares, Spliced,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Waits for sealed shares.
#[derive(Debug)]
pub struct SharePhase {
    pub(super) session: Session,
    tree: Tree,
    /// Each advert with its proof, encoded: all its neighbours get the same bytes.
    proven: BTreeMap<Slot, Vec<u8>>,
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
        let mut phase = Self {
            session,
            tree,
            proven: BTreeMap::new(),
            dealers: BTreeMap::new(),
        };
        phase.proven = phase.prove();
        phase
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
        if !self.is_due(slot) {
            return None;
        }
        let found = self.neighbours(slot, &self.session.adverts);
        let neighbours = found.into_iter().map(|advert| ProvenAdvert {
            advert: advert.clone(),
            proof: self.proof(advert.slot).copied().collect(),
        });
        let Session {
            context,
            advertised,
            ..
        } = &self.session;
        Some(Message::new(Adverts {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
            advertised: advertised.clone(),
            root: self.tree.root(),
            own_proof: self.proof(slot).copied().collect(),
            neighbours: neighbours.collect(),
        }))
    }

    pub(super) fn encoded_for(&self, slot: Slot) -> Option<Vec<u8>> {
        if !self.is_due(slot) {
            return None;
        }
        let neighbours = self.neighbours(slot, &self.proven);
        let Session {
            context,
            advertised,
            ..
        } = &self.session;
        let adverts = BorrowedAdverts {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
            advertised,
            root: self.tree.root(),
            own_proof: self.proof(slot),
            neighbours: Spliced(neighbours.into_iter().map(Vec::as_slice).collect()),
        };
        Some(adverts.encode())
    }

    fn is_due(&self, slot: Slot) -> bool {
        self.session.advertised.contains(slot) && !self.dealers.contains_key(&slot)
    }

    /// What there is of each of the slot's neighbours in U1.
    fn neighbours<'a, T>(&self, slot: Slot, all: &'a BTreeMap<Slot, T>) -> Vec<&'a T> {
        let Session {
            context,
            advertised,
            ..
        } = &self.session;
        let slots = context.neighbours_in(slot, advertised);
        slots.iter().filter_map(|slot| all.get(slot)).collect()
    }

    /// Where an advert stands in the tree; nothing in the complete graph, whose members rebuild the root.
    fn proof(&self, slot: Slot) -> Siblings<'_> {
        match self.session.context.parameters.is_complete() {
            true => Siblings::default(),
            false => self.tree.siblings(slot.index()),
        }
    }

    fn prove(&self) -> BTreeMap<Slot, Vec<u8>> {
        let prove = |advert| BorrowedAdvert {
            advert,
            proof: self.proof(advert.slot),
        };
        let adverts = self.session.adverts.iter();
        adverts
            .map(|(slot, advert)| (*slot, prove(advert).encode()))
            .collect()
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
        let proven = self.proven.values().map(Vec::len);
        self.session
            .held_bytes()
            .saturating_add(proven.sum())
            .saturating_add(parts.sum())
    }
}

impl Dealer {
    pub(super) fn slot(&self) -> Slot {
        self.shares.slot
    }

    /// Its neighbours in U1, ascending.
    pub(super) fn receivers(&self) -> &[Slot] {
        &self.receivers
    }

    /// Where `to` stands among those the parts are for; `None` for a slot that is no neighbour.
    pub(super) fn place_of(&self, to: Slot) -> Option<usize> {
        self.receivers.binary_search(&to).ok()
    }

    /// The part for `to`, who stands at `place`, or that there is none, with the proof.
    pub(super) fn delivered(&self, to: Slot, place: usize) -> BorrowedShare<'_> {
        BorrowedShare {
            from: self.slot(),
            part: self.part(to, place),
            proof: self.tree.siblings(place),
            signature: &self.shares.signature,
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
    use crate::ids::{Hash, Sid};
    use crate::merkle::{empty_leaf, verify};
    use crate::message::UNSIGNED;
    use tls_codec::Serialize as _;

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
                let borrowed = dealer.delivered(*to, place);
                let delivered = borrowed.owned();
                let bytes = delivered.tls_serialize_detached();
                assert_eq!(borrowed.tls_serialize_detached(), bytes);
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
