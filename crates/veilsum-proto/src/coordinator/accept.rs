//! Share, trip 2: the parts go out, signed accepts come back, cut edges are counted, U2 is fixed.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::coordinator::share::Dealer;
use crate::coordinator::{
    Coordinator, Dealt, PhaseName, Session, ShareStage, UploadPhase, check_sender, check_session,
    edge, keep_first, wrong,
};
use crate::fault::{Fault, FaultKind};
use crate::ids::Slot;
use crate::member::accept::is_accept_signed;
use crate::message::{Accept, Body, BorrowedShares, Message};
use crate::session::second_sid;
use std::collections::{BTreeMap, BTreeSet};

/// Waits for accepts.
#[derive(Debug)]
pub struct AcceptPhase {
    pub(super) session: Session,
    /// By slot: each is looked up once for each of its neighbours.
    dealers: Vec<Option<Dealer>>,
    accepts: BTreeMap<Slot, Accept>,
}

impl AcceptPhase {
    pub(super) fn new(session: Session, mut dealers: BTreeMap<Slot, Dealer>) -> Self {
        let slots = (0..session.context.slots()).map(Slot);
        Self {
            dealers: slots.map(|slot| dealers.remove(&slot)).collect(),
            session,
            accepts: BTreeMap::new(),
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::Accept(accept) = &message.body else {
            return Err(wrong(message, PhaseName::Accept));
        };
        if self.dealer(from).is_none() {
            return Err(FaultKind::NotExpected {
                phase: PhaseName::Accept.text(),
            });
        }
        check_sender(from, accept.slot)?;
        check_session("Accept", &accept.sid, &self.session.sid)?;
        self.check_cuts(accept)?;
        if !is_accept_signed(&self.session.context, accept) {
            return Err(FaultKind::Signature("Accept"));
        }
        keep_first(&mut self.accepts, from, accept.clone(), "Accept")
    }

    /// Cuts are of edges to neighbours in U1, ascending.
    // spec: [accept.cuts]
    fn check_cuts(&self, accept: &Accept) -> Result<(), FaultKind> {
        let Session {
            context,
            advertised,
            ..
        } = &self.session;
        let mut last = None;
        for cut in &accept.cuts {
            let neighbour = advertised.contains(cut.slot)
                && context.graph.are_neighbours(accept.slot, cut.slot);
            if !neighbour || last.is_some_and(|slot| slot >= cut.slot) {
                return Err(FaultKind::Cut(cut.slot));
            }
            last = Some(cut.slot);
        }
        Ok(())
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        Some(Message::new(self.delivered(slot)?.owned()))
    }

    pub(super) fn encoded_for(&self, slot: Slot) -> Option<Vec<u8>> {
        Some(self.delivered(slot)?.encode())
    }

    fn delivered(&self, slot: Slot) -> Option<BorrowedShares<'_>> {
        if self.accepts.contains_key(&slot) {
            return None;
        }
        let neighbours = self.dealer(slot)?.receivers();
        // First all places, then all parts: what the processor waits for it asks memory for at once, for many dealers.
        let places = neighbours.iter().filter_map(|dealer| {
            let dealer = self.dealer(*dealer)?;
            Some((dealer, dealer.place_of(slot)?))
        });
        let places: Vec<(&Dealer, usize)> = places.collect();
        let shares = places
            .iter()
            .map(|(dealer, place)| dealer.delivered(slot, *place));
        Some(BorrowedShares {
            sid: &self.session.sid,
            shares: shares.collect(),
        })
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        let dealers = self.dealers.iter().flatten().map(Dealer::slot);
        dealers
            .filter(|slot| !self.accepts.contains_key(slot))
            .collect()
    }

    fn dealer(&self, slot: Slot) -> Option<&Dealer> {
        self.dealers.get(slot.index())?.as_ref()
    }

    // spec: [share.fix] [share.exclude]
    pub(super) fn close(self, faults: &mut Vec<Fault>) -> Coordinator {
        let Self {
            session,
            dealers,
            accepts,
        } = self;
        let cuts = cut_edges(accepts.values());
        let tolerated = session.context.parameters.c_nb();
        let cut_widely = exceeding(&cuts, tolerated);
        faults.extend(cut_widely.iter().map(|(slot, got)| {
            FaultKind::TooManyCuts {
                got: *got,
                want: tolerated,
            }
            .of(*slot)
        }));
        let staying = accepts
            .keys()
            .filter(|slot| !cut_widely.contains_key(slot))
            .copied();
        let shared = Bitmap::of(session.context.slots(), staying);
        if let Err(error) = session.context.check_shared(&shared, &session.advertised) {
            return Coordinator::Aborted(Abort::Share(error));
        }
        // One dealer after the other: what one leaves is room for what is kept of the next.
        let dealt = dealers.into_iter().flatten().filter_map(|dealer| {
            let kept = shared.contains(dealer.slot());
            kept.then(|| (dealer.slot(), Dealt::of(&dealer.shares.parts)))
        });
        let dealt = dealt.collect();
        let sid2 = second_sid(&session.sid, &shared);
        let stage = ShareStage {
            session,
            shared,
            sid2,
            dealt,
            cuts,
        };
        Coordinator::Upload(Box::new(UploadPhase::new(stage, accepts)))
    }

    pub(super) fn held_bytes(&self) -> usize {
        let parts = self.dealers.iter().flatten().map(Dealer::held_bytes);
        self.session.held_bytes().saturating_add(parts.sum())
    }
}

fn cut_edges<'a>(accepts: impl Iterator<Item = &'a Accept>) -> BTreeSet<(Slot, Slot)> {
    accepts
        .flat_map(|accept| accept.cuts.iter().map(|cut| edge(accept.slot, cut.slot)))
        .collect()
}

/// Slots with more than `tolerated` cut edges, with their number.
fn exceeding(cuts: &BTreeSet<(Slot, Slot)>, tolerated: u32) -> BTreeMap<Slot, usize> {
    let mut counts = BTreeMap::<Slot, usize>::new();
    for slot in cuts.iter().flat_map(|(one, other)| [one, other]) {
        let count = counts.entry(*slot).or_default();
        *count = count.saturating_add(1);
    }
    counts.retain(|_, count| *count > tolerated as usize);
    counts
}
