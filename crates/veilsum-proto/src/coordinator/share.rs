//! Share, trip 1: sealed shares from every member that advertised.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::coordinator::{
    AcceptPhase, Coordinator, PhaseName, Session, check_expected, check_sender, check_session,
    keep_first, wrong,
};
use crate::fault::FaultKind;
use crate::ids::{Hash, Slot};
use crate::member::share::{is_root_signed, parts_tree};
use crate::merkle::Tree;
use crate::message::{Adverts, Body, Message, ProvenAdvert, SealedShare, SealedShares};
use std::collections::BTreeMap;

/// Waits for sealed shares.
#[derive(Debug)]
pub struct SharePhase {
    pub(super) session: Session,
    tree: Tree,
    shares: BTreeMap<Slot, SealedShares>,
    relays: BTreeMap<Slot, Relay>,
}

/// How a dealer's parts are proven to those they are for.
#[derive(Debug)]
pub(super) struct Relay {
    /// Its neighbours in U1, ascending: the places of the tree.
    pub(super) receivers: Vec<Slot>,
    /// The tree whose root the dealer signed.
    pub(super) tree: Tree,
}

impl SharePhase {
    pub(super) fn new(session: Session, tree: Tree) -> Self {
        Self {
            session,
            tree,
            shares: BTreeMap::new(),
            relays: BTreeMap::new(),
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::SealedShares(shares) = &message.body else {
            return Err(wrong(message, PhaseName::Share));
        };
        if self.shares.get(&from) == Some(shares) {
            return Ok(());
        }
        check_expected(&self.session.advertised, from, PhaseName::Share)?;
        check_sender(from, shares.slot)?;
        check_session("SealedShares", &shares.sid, &self.session.sid)?;
        self.check_parts(from, &shares.parts)?;
        // spec: [share.relay]
        let Session {
            context,
            advertised,
            sid,
            ..
        } = &self.session;
        let relay = Relay {
            receivers: context.neighbours_in(from, advertised),
            tree: parts_tree(context, sid, from, advertised, &shares.parts),
        };
        if !is_root_signed(context, sid, from, &relay.tree.root(), &shares.signature) {
            return Err(FaultKind::Signature("SealedShares"));
        }
        keep_first(&mut self.shares, from, shares.clone(), "SealedShares")?;
        self.relays.insert(from, relay);
        Ok(())
    }

    /// Parts are for neighbours in U1, ascending.
    // spec: [share.parts]
    fn check_parts(&self, from: Slot, parts: &[SealedShare]) -> Result<(), FaultKind> {
        let Session {
            context,
            advertised,
            ..
        } = &self.session;
        let mut last = None;
        for SealedShare { to, .. } in parts {
            let neighbour = advertised.contains(*to) && context.graph.are_neighbours(from, *to);
            if !neighbour || last.is_some_and(|slot| slot >= *to) {
                return Err(FaultKind::Part(*to));
            }
            last = Some(*to);
        }
        Ok(())
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let Session {
            context,
            advertised,
            adverts,
            ..
        } = &self.session;
        if !advertised.contains(slot) || self.shares.contains_key(&slot) {
            return None;
        }
        let proof = |slot: Slot| match context.parameters.is_complete() {
            true => Vec::<Hash>::new(),
            false => self.tree.proof(slot.index()),
        };
        let slots = context.neighbours_in(slot, advertised);
        let mut neighbours = Vec::with_capacity(slots.len());
        neighbours.extend(slots.into_iter().filter_map(|slot| {
            Some(ProvenAdvert {
                advert: adverts.get(&slot)?.clone(),
                proof: proof(slot),
            })
        }));
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
            .filter(|slot| !self.shares.contains_key(slot))
            .collect()
    }

    pub(super) fn close(self) -> Coordinator {
        let Self {
            session,
            shares,
            relays,
            ..
        } = self;
        let dealers = Bitmap::of(session.context.slots(), shares.keys().copied());
        match session.context.check_shared(&dealers, &session.advertised) {
            Ok(()) => Coordinator::Accept(Box::new(AcceptPhase::new(session, shares, relays))),
            Err(error) => Coordinator::Aborted(Abort::Share(error)),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let parts = self
            .shares
            .values()
            .map(|shares| shares.parts.len().saturating_mul(size_of::<SealedShare>()));
        self.session.held_bytes().saturating_add(parts.sum())
    }
}
