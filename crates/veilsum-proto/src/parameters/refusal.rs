//! Why a demand has no parameters, in the words `plan`, `simulate` and `task check` print.

use super::ring::RingTest;
use super::verdict::largest_tolerance;

/// Why a demand has no parameters. The text is one line for a person.
// spec: [params.verdict]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fewer than three slots.
    #[error("refused: {}", too_few_members(*n))]
    TooFewMembers {
        /// Slots.
        n: u32,
    },
    /// The drop-out tolerance leaves no quorum even if all corrupt members answer.
    #[error("refused: n={n} c={c} d={d}: needs c + 2d < n; {}", lower_tolerance(*n, *c))]
    TooTolerant {
        /// Slots.
        n: u32,
        /// Corrupt members.
        c: u32,
        /// Missing members.
        d: u32,
    },
    /// Fewer than two honest members are sure to be in the sum.
    #[error("refused: n={n} c={c} d={d}: needs c + 2 <= n - d; lower the corrupt count to {}", n.saturating_sub(*d).saturating_sub(2))]
    TooManyCorrupt {
        /// Slots.
        n: u32,
        /// Corrupt members.
        c: u32,
        /// Missing members.
        d: u32,
    },
    /// On the ring the corrupt members that refuse must not end the round.
    #[error("refused: n={n} c={c} d={d}: the ring needs 3c + 2d < n; {}", lower_ring_tolerance(*n, *c))]
    NoQuorumOnRing {
        /// Slots.
        n: u32,
        /// Corrupt members.
        c: u32,
        /// Missing members.
        d: u32,
    },
    /// A floor that lets a sum over fewer than two honest members through.
    #[error("refused: floor {floor}: needs f >= c + 2; raise it to {least}")]
    FloorTooLow {
        /// Floor asked for.
        floor: u32,
        /// Smallest that is taken.
        least: u32,
    },
    /// A floor that the tolerated drop-out falls below.
    #[error("refused: floor {floor}: needs f <= n - d; lower it to {most}")]
    FloorTooHigh {
        /// Floor asked for.
        floor: u32,
        /// Largest that is taken.
        most: u32,
    },
    /// A degree that no ring of this size has.
    #[error("refused: degree {degree}: with n={n} wanted 2 to {most} (3k <= n)")]
    DegreeOutOfRange {
        /// Degree asked for.
        degree: u32,
        /// Largest that is taken.
        most: u32,
        /// Slots.
        n: u32,
    },
    /// A degree that does not split into two equal sides.
    #[error("refused: degree {degree}: found an odd number, wanted an even one")]
    DegreeOdd {
        /// Degree asked for.
        degree: u32,
    },
    /// A degree that fails a test of the ring.
    #[error("refused: degree {degree}: with n={n} c={c} d={d} {test}")]
    DegreeFails {
        /// Degree asked for.
        degree: u32,
        /// Slots.
        n: u32,
        /// Corrupt members.
        c: u32,
        /// Missing members.
        d: u32,
        /// First test it fails.
        test: RingTest,
    },
}

impl Refusal {
    /// Stable name for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooFewMembers { .. } => "too-few-members",
            Self::TooTolerant { .. } => "too-tolerant",
            Self::TooManyCorrupt { .. } => "too-many-corrupt",
            Self::NoQuorumOnRing { .. } => "no-quorum-on-ring",
            Self::FloorTooLow { .. } => "floor-too-low",
            Self::FloorTooHigh { .. } => "floor-too-high",
            Self::DegreeOutOfRange { .. } => "degree-out-of-range",
            Self::DegreeOdd { .. } => "degree-odd",
            Self::DegreeFails { .. } => "degree-fails",
        }
    }
}

fn too_few_members(n: u32) -> &'static str {
    match n {
        0 => "0 members: there is nothing to sum",
        1 => "1 member: the sum would be its input",
        _ => "2 members: the sum would tell each the other's input",
    }
}

fn lower_tolerance(n: u32, c: u32) -> String {
    match largest_tolerance(n, c).if_corrupt_answer {
        Some(d) => format!("lower the tolerance to {d}"),
        None => format!("lower the corrupt count to {}", n.saturating_sub(2)),
    }
}

fn lower_ring_tolerance(n: u32, c: u32) -> String {
    match largest_tolerance(n, c).if_corrupt_refuse {
        Some(d) => format!("lower the tolerance to {d} or ask for the complete graph"),
        None => "lower the corrupt count or ask for the complete graph".into(),
    }
}
