//! The tests a degree has to pass on the ring, and the search for the first that does.

use super::walk::Walk;
use std::fmt;

/// Threshold and window floor of a degree that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    pub(super) degree: u32,
    pub(super) threshold: u32,
    pub(super) floor: u32,
}

/// What a degree of the ring has to pass, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingTest {
    /// A window is wide enough to hold more than the corrupt members that may sit in it: `h + 1 <= w`.
    WindowHoldsHonest,
    /// A window keeps more than `h` slots when the tolerated ones drop out.
    WindowStaysFilled,
    /// There are enough neighbours for a threshold above the corrupt ones: `t <= k`.
    ThresholdWithinDegree,
    /// `t` honest neighbours stay when the tolerated ones drop out.
    HoldersStay,
}

impl fmt::Display for RingTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WindowHoldsHonest => "a window of half its size may be all corrupt",
            Self::WindowStaysFilled => {
                "windows of half its size drain too often under the tolerated drop-out"
            }
            Self::ThresholdWithinDegree => "all its neighbours may be corrupt",
            Self::HoldersStay => {
                "too few honest neighbours stay too often under the tolerated drop-out"
            }
        })
    }
}

/// The first even degree that passes all tests; none when none up to a third of the slots does.
///
/// Degrees are tried one after the other: passing is not monotone in the degree.
// spec: [params.ring.search]
pub(super) fn search(slots: u32, corrupt: u32, missing: u32) -> Option<Ring> {
    // As many corrupt as honest ones that stay: then the neighbours that are corrupt reach any number at least as often as
    // those that stay, and no t has both tails of step 4 below one half.
    let staying = slots.saturating_sub(corrupt).saturating_sub(missing);
    if corrupt >= staying {
        return None;
    }
    let mut candidate = Candidate::new(slots, corrupt, missing);
    while candidate.degree().saturating_add(2) <= largest_degree(slots) {
        candidate.widen();
        if let Ok(ring) = candidate.test() {
            return Some(ring);
        }
    }
    None
}

/// The ring of a degree given by hand, or the first test it fails. The degree is even, at least 2 and at most
/// [`largest_degree`].
// spec: [params.ring.by-hand]
pub(super) fn by_hand(
    slots: u32,
    corrupt: u32,
    missing: u32,
    degree: u32,
) -> Result<Ring, RingTest> {
    let mut candidate = Candidate::new(slots, corrupt, missing);
    while candidate.degree() < degree {
        candidate.widen();
    }
    candidate.test()
}

/// Largest degree of a ring: `3k <= n`.
// spec: [params.ring.search]
pub(super) fn largest_degree(slots: u32) -> u32 {
    slots / 3
}

/// The four laws of step 4, widened degree by degree.
struct Candidate {
    slots: u32,
    /// Corrupt slots in a window; its limit is `h`.
    corrupt_in_window: Walk,
    /// Slots in a window that have not dropped out; its limit is `h`.
    alive_in_window: Walk,
    /// Corrupt neighbours; its limit is the largest count that is not excluded.
    corrupt_neighbours: Walk,
    /// Honest neighbours that have not dropped out; its limit is `t - 1`.
    staying_neighbours: Walk,
}

impl Candidate {
    /// Degree 0.
    fn new(slots: u32, corrupt: u32, missing: u32) -> Self {
        let others = slots.saturating_sub(1);
        let alive = slots.saturating_sub(missing);
        Self {
            slots,
            corrupt_in_window: Walk::new(slots, corrupt),
            alive_in_window: Walk::new(slots, alive),
            corrupt_neighbours: Walk::new(others, corrupt),
            staying_neighbours: Walk::new(others, alive.saturating_sub(corrupt)),
        }
    }

    /// Goes to the next even degree.
    fn widen(&mut self) {
        let times = self.slots.into();
        // spec: [params.ring.window]
        self.corrupt_in_window
            .draw_keeping_rare(times, CUT_EXPONENT);
        self.alive_in_window.draw_to(self.corrupt_in_window.limit());
        for _ in 0..2 {
            // spec: [params.ring.threshold]
            self.corrupt_neighbours
                .draw_keeping_rare(times, THEFT_EXPONENT);
            let below_threshold = self
                .corrupt_neighbours
                .limit()
                .max(LEAST_THRESHOLD.saturating_sub(1));
            self.staying_neighbours.draw_to(below_threshold);
        }
    }

    fn degree(&self) -> u32 {
        self.corrupt_neighbours.drawn()
    }

    fn test(&self) -> Result<Ring, RingTest> {
        let times = self.slots.into();
        let window = self.corrupt_in_window.drawn();
        let floor = self.corrupt_in_window.limit();
        let threshold = self
            .corrupt_neighbours
            .limit()
            .saturating_add(1)
            .max(LEAST_THRESHOLD);
        // spec: [params.ring.window]
        if floor >= window {
            return Err(RingTest::WindowHoldsHonest);
        }
        if !self
            .alive_in_window
            .is_within_rare(times, LIVENESS_EXPONENT)
        {
            return Err(RingTest::WindowStaysFilled);
        }
        // spec: [params.ring.threshold]
        if threshold > self.degree() {
            return Err(RingTest::ThresholdWithinDegree);
        }
        if !self
            .staying_neighbours
            .is_within_rare(times, LIVENESS_EXPONENT)
        {
            return Err(RingTest::HoldersStay);
        }
        Ok(Ring {
            degree: self.degree(),
            threshold,
            floor,
        })
    }
}

const LEAST_THRESHOLD: u32 = 2;

/// Two disjoint windows are held by corrupt members with probability at most `(2^-20)^2 / 2`.
const CUT_EXPONENT: u64 = 20;
/// Some member has `t` corrupt neighbours with probability at most `2^-41`.
const THEFT_EXPONENT: u64 = 41;
/// A round within the tolerated drop-out fails with probability at most about `2^-20` per cause.
pub(super) const LIVENESS_EXPONENT: u64 = 20;
