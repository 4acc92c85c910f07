//! The ring: a Harary graph over permuted slots, and its windows.

use super::population::Population;
use super::rank::Ranks;
use crate::bitmap::Bitmap;
use crate::ids::Slot;

/// Ring positions of a population and the degree of the graph over them.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// Slot at each position.
    order: Vec<Slot>,
    /// Position of each slot, by its index in the population.
    positions: Vec<u32>,
    /// `k / 2`: neighbours on each side, and width of a window.
    reach: u32,
    /// `h`.
    floor: u32,
}

/// A window of ring positions with too few survivors.
// spec: [graph.window]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the window of {width} ring positions from {position} holds {found} of the set, wanted {wanted}"
)]
pub struct ThinWindow {
    /// First position of the window.
    pub position: u32,
    /// Positions of the window.
    pub width: u32,
    /// Slots of the set in it.
    pub found: u32,
    /// `h + 1`.
    pub wanted: u32,
}

impl Ring {
    pub(super) fn new(population: &Population, ranks: &Ranks, degree: u32, floor: u32) -> Self {
        // spec: [graph.ring]
        let order = ranks.order(population.slots());
        let mut positions = vec![0; order.len()];
        for (position, slot) in (0u32..).zip(&order) {
            let index = population.index_of(*slot).unwrap_or(u32::MAX);
            if let Some(entry) = positions.get_mut(index as usize) {
                *entry = position;
            }
        }
        Self {
            // both sides together are at most all others
            reach: (degree / 2).min(population.len().saturating_sub(1) / 2),
            order,
            positions,
            floor,
        }
    }

    pub(super) fn order(&self) -> &[Slot] {
        &self.order
    }

    /// Neighbours of the slot with this index, ascending.
    // spec: [graph.neighbours]
    pub(super) fn neighbours(&self, index: u32) -> Vec<Slot> {
        let Some(position) = self.position(index) else {
            return Vec::new();
        };
        let position = position as usize;
        let (reach, len) = (self.reach as usize, self.order.len());
        // the window around it begins so many positions on
        let begin = position.saturating_add(len).saturating_sub(reach);
        let (head, tail) = self.order.split_at(begin.checked_rem(len).unwrap_or(0));
        let around = tail.iter().chain(head);
        let before = around.clone().take(reach);
        let after = around.skip(reach.saturating_add(1)).take(reach);
        let mut neighbours = Vec::with_capacity(reach.saturating_mul(2));
        neighbours.extend(before.chain(after).copied());
        neighbours.sort_unstable();
        neighbours
    }

    // spec: [graph.neighbours]
    pub(super) fn are_neighbours(&self, a: u32, b: u32) -> bool {
        let (Some(a), Some(b)) = (self.position(a), self.position(b)) else {
            return false;
        };
        let distance = a.abs_diff(b);
        let around = self.len().saturating_sub(distance);
        distance > 0 && distance.min(around) <= self.reach
    }

    /// Slides a window over all positions as first, the last ones wrapping.
    // spec: [graph.window]
    pub(super) fn check_windows(&self, set: &Bitmap) -> Result<(), ThinWindow> {
        let held = |slot: &Slot| u32::from(set.contains(*slot));
        let wanted = self.floor.saturating_add(1);
        let mut found: u32 = self.order.iter().take(self.reach as usize).map(held).sum();
        let entering = self.order.iter().cycle().skip(self.reach as usize);
        for (position, (leaving, entering)) in (0u32..).zip(self.order.iter().zip(entering)) {
            if found < wanted {
                return Err(ThinWindow {
                    position,
                    width: self.reach,
                    found,
                    wanted,
                });
            }
            found = found
                .saturating_add(held(entering))
                .saturating_sub(held(leaving));
        }
        Ok(())
    }

    fn position(&self, index: u32) -> Option<u32> {
        self.positions.get(index as usize).copied()
    }

    fn len(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }
}
