//! Numbers and graph of a federation of at most 64 members, as sets of bits.

use crate::oracle::Case;
use crate::setup::Setup;
use std::collections::BTreeSet;
use std::sync::Arc;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::ids::{Sid, Sid2, Slot};
use veilsum_proto::message::SurvivorSet;
use veilsum_proto::session::RoundContext;

/// Slots, one bit each.
pub type Set = u64;

/// A federation under attack.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// Parameters and graph, as the machines derive them.
    pub context: Arc<RoundContext>,
    /// Of what it was made.
    pub setup: Setup,
    /// Members that work with the coordinator.
    pub corrupt: Set,
    neighbours: Vec<Set>,
    windows: Vec<Set>,
    electors: Set,
}

impl Cohort {
    /// Round 1 of this setup.
    pub fn new(setup: &Setup, corrupt: Set) -> Self {
        let context = Arc::new(Case::new(setup.clone()).into_context());
        let graph = &context.graph;
        let slots = (0..context.slots()).map(Slot);
        let neighbours = slots.map(|slot| bits(graph.neighbours(slot)));
        let windows = match (graph.ring_order(), context.parameters.window()) {
            (Some(order), Some(width)) => (0..order.len())
                .map(|from| {
                    let window = order.iter().cycle().skip(from).take(width as usize);
                    bits(window.copied())
                })
                .collect(),
            _ => Vec::new(),
        };
        Self {
            neighbours: neighbours.collect(),
            windows,
            electors: bits(graph.electorate().iter().copied()),
            setup: setup.clone(),
            corrupt,
            context,
        }
    }

    /// Number of members.
    pub fn members(&self) -> u32 {
        self.context.slots()
    }

    /// All slots.
    pub fn all(&self) -> Set {
        Set::MAX >> (64 - self.members())
    }

    /// Honest slots, ascending.
    pub fn honest(&self) -> impl Iterator<Item = u32> + use<> {
        slots(self.all() & !self.corrupt)
    }

    /// Neighbours of a slot.
    pub fn neighbours(&self, slot: u32) -> Set {
        self.neighbours[slot as usize]
    }

    /// Slots that may sign.
    pub fn electors(&self) -> Set {
        self.electors
    }

    /// Windows of the ring; none in the complete graph.
    pub fn windows(&self) -> &[Set] {
        &self.windows
    }

    /// Whether a set is large enough.
    pub fn is_large(&self, set: Set) -> bool {
        set & !self.all() == 0 && set.count_ones() >= self.context.parameters.f
    }

    /// Whether no window of the ring is thin.
    pub fn is_thick(&self, set: Set) -> bool {
        let floor = self.context.parameters.h.unwrap_or(0);
        let mut windows = self.windows.iter();
        windows.all(|window| (set & window).count_ones() > floor)
    }

    /// Corrupt slots.
    pub fn corrupt_slots(&self) -> BTreeSet<Slot> {
        slots(self.corrupt).map(Slot).collect()
    }

    /// As the machines take it.
    pub fn bitmap(&self, set: Set) -> Bitmap {
        Bitmap::of(self.members(), slots(set).map(Slot))
    }

    /// A survivor set under the sessions of these sets.
    pub fn survivor_set(&self, advertised: Set, shared: Set, survivors: Set) -> SurvivorSet {
        SurvivorSet {
            sid: sid(advertised),
            sid2: sid2(advertised, shared),
            survivors: self.bitmap(survivors),
        }
    }
}

/// Stands for the session of an advertised set.
pub(super) fn sid(advertised: Set) -> Sid {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&advertised.to_be_bytes());
    Sid(bytes)
}

/// Stands for the second session of a Share set.
pub(super) fn sid2(advertised: Set, shared: Set) -> Sid2 {
    let Sid(mut bytes) = sid(advertised);
    bytes[8..16].copy_from_slice(&shared.to_be_bytes());
    Sid2(bytes)
}

/// The slots of a set, ascending.
pub(super) fn slots(mut set: Set) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let slot = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(slot)
    })
}

/// The set of these slots.
pub(super) fn bits(slots: impl IntoIterator<Item = Slot>) -> Set {
    slots.into_iter().fold(0, |set, slot| set | bit(slot.0))
}

pub(super) fn bit(slot: u32) -> Set {
    1 << slot
}
