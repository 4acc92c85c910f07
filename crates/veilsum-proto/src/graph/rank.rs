//! The public order of slots under a label.

use crate::ids::{RosterDigest, Round, Slot};
use crate::label::Label;
use sha2::{Digest as _, Sha256};

/// A permutation of slots that nobody who fixed keys and slots before the randomness could choose.
pub(super) struct Ranks {
    key: [u8; 32],
}

type Rank = ([u8; 32], Slot);

impl Ranks {
    // spec: [graph.key]
    pub(super) fn new(
        label: Label,
        randomness: &[u8; 32],
        roster: &RosterDigest,
        round: Round,
    ) -> Self {
        let key = label.hash(&[randomness, roster.as_bytes(), &round.0.to_be_bytes()]);
        Self { key: key.0 }
    }

    /// Slots from the lowest rank to the highest.
    pub(super) fn order(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut ranks: Vec<Rank> = slots.map(|slot| self.rank(slot)).collect();
        ranks.sort_unstable();
        ranks.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The `count` slots of the lowest ranks, ascending by slot.
    // spec: [graph.committee] [graph.cohort]
    pub(super) fn lowest(&self, slots: impl Iterator<Item = Slot>, count: u32) -> Vec<Slot> {
        let mut ranks: Vec<Rank> = slots.map(|slot| self.rank(slot)).collect();
        let count = count as usize;
        if count < ranks.len() {
            ranks.select_nth_unstable(count);
            ranks.truncate(count);
        }
        let mut lowest: Vec<Slot> = ranks.into_iter().map(|(_, slot)| slot).collect();
        lowest.sort_unstable();
        lowest
    }

    // spec: [graph.rank]
    fn rank(&self, slot: Slot) -> Rank {
        let hash = Sha256::new()
            .chain_update(self.key)
            .chain_update(slot.0.to_be_bytes());
        (hash.finalize().into(), slot)
    }
}
