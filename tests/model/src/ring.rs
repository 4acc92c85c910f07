//! The window rule of the ring: whether survivors that pass it can fall apart.

use crate::slots::Slots;
use stateright::{Model, Property};

/// A ring on which a coordinator picks the survivors, everybody signs what passes its checks, and the certificate is shown to
/// all. Positions stand for slots; a corrupt member survives or not, as it likes.
///
/// Rings of this size are never derived: their numbers are by hand, and there are no machines to replay them on. That one
/// certificate stands for one set is the business of [`LyingCoordinator`](crate::LyingCoordinator).
#[derive(Clone, Copy, Debug)]
pub struct Arc {
    /// Positions, n.
    pub positions: u8,
    /// Neighbours on either side, k/2, and positions of a window.
    pub window: u8,
    /// Survivors that each window has at least, h + 1.
    pub filled: usize,
    /// Corrupt positions.
    pub corrupt: Slots,
    /// Signatures of a certificate.
    pub quorum: usize,
    /// Whether members look at windows.
    pub looks: bool,
}

impl Arc {
    /// Whether each window has enough survivors. `[graph.window]`
    pub fn is_filled(&self, survivors: Slots) -> bool {
        (0..self.positions).all(|from| {
            let window = (0..self.window).map(|step| (from + step) % self.positions);
            survivors.and(window.collect()).len() >= self.filled
        })
    }

    /// Whether members give what a certificate for these survivors asks for.
    pub fn is_certified(&self, survivors: Slots) -> bool {
        survivors.len() >= self.quorum && (!self.looks || self.is_filled(survivors))
    }

    /// Honest survivors, joined where they share a mask.
    pub fn parts(&self, survivors: Slots) -> Vec<Slots> {
        let mut left = survivors.less(self.corrupt);
        let mut parts = Vec::new();
        while let Some(start) = left.iter().next() {
            let (mut part, mut next) = (Slots::NONE, vec![start]);
            while let Some(at) = next.pop() {
                if left.has(at) {
                    left = left.less(Slots::from_iter([at]));
                    part = part.or(Slots::from_iter([at]));
                    let steps = 1..=self.window;
                    let near = steps.flat_map(|step| {
                        [
                            (at + step) % self.positions,
                            (at + self.positions - step) % self.positions,
                        ]
                    });
                    next.extend(near);
                }
            }
            parts.push(part);
        }
        parts
    }
}

impl Model for Arc {
    type State = Option<Slots>;
    type Action = Slots;

    fn init_states(&self) -> Vec<Self::State> {
        vec![None]
    }

    fn actions(&self, certified: &Self::State, actions: &mut Vec<Slots>) {
        if certified.is_none() {
            let all = Slots::first(self.positions).subsets();
            actions.extend(all.filter(|survivors| self.is_certified(*survivors)));
        }
    }

    fn next_state(&self, _: &Self::State, survivors: Slots) -> Option<Self::State> {
        Some(Some(survivors))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "honest survivors hang together",
                |ring: &Self, certified: &Option<Slots>| {
                    certified.is_none_or(|survivors| ring.parts(survivors).len() <= 1)
                },
            ),
            Property::sometimes(
                "somebody is missing",
                |ring: &Self, certified: &Option<Slots>| {
                    certified.is_some_and(|survivors| survivors.len() < usize::from(ring.positions))
                },
            ),
        ]
    }
}
