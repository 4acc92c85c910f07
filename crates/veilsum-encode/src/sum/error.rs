//! Why blocks are no sum under a plan.

use thiserror::Error;
use veilsum_dp::NoiseBound;

/// Why blocks are no sum under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not the sum of any possible number of members.
    #[error("found {found} contributors, wanted 1 to {enrolled}")]
    Contributors {
        /// The number said.
        found: u32,
        /// Enrolled members.
        enrolled: u32,
    },
    /// Not the plan's length.
    #[error("found {found} limbs, wanted {wanted}")]
    Length {
        /// Limbs found.
        found: usize,
        /// Limbs of the plan.
        wanted: usize,
    },
    /// Not the plan's number of coordinates.
    #[error("found {found} values, wanted {wanted}")]
    Values {
        /// Values found.
        found: usize,
        /// Padded coordinates of the plan.
        wanted: u64,
    },
    /// Bits above the last lane of a block.
    #[error("found non-zero padding in block {block}")]
    Padding {
        /// The first such block.
        block: u64,
    },
    /// More than honest members can add.
    #[error("found {found} in lane {lane}, wanted at most {most}")]
    Lane {
        /// The first such lane of its block.
        lane: u64,
        /// What it holds.
        found: u64,
        /// The contributors times the largest lane of one.
        most: u64,
    },
    /// A weight that so many members cannot have.
    #[error("found a weight of {found}, wanted {least} to {most}")]
    Weight {
        /// The weight lane.
        found: u64,
        /// One for each contributor.
        least: u64,
        /// The largest weight for each contributor.
        most: u64,
    },
    /// After the removal of noise, more than honest members can add.
    #[error("found {found} at coordinate {coordinate}, wanted {least} to {most}")]
    Value {
        /// The first such coordinate.
        coordinate: u64,
        /// What it holds.
        found: i64,
        /// The contributors times the least value of one.
        least: i64,
        /// The contributors times the largest value of one.
        most: i64,
    },
    /// The noise is not what the plan was made for.
    #[error("found noise of up to {found} steps, the plan is for {wanted}")]
    NoiseBound {
        /// Bound of the noise plan.
        found: NoiseBound,
        /// Bound of the plan.
        wanted: NoiseBound,
    },
    /// Surplus noise was removed before.
    #[error("found surplus noise already removed, wanted it once")]
    RemovedTwice,
    /// A surplus was made under another noise plan.
    #[error("found surplus noise with other components than the noise plan has")]
    OtherNoise,
    /// Surplus noise of two rounds, attempts or levels.
    #[error("found surplus noise of two tasks, rounds, attempts or levels, wanted one")]
    MixedSurplus,
    /// Surplus noise of one member twice.
    #[error("found surplus noise of slot {slot} twice, wanted it once")]
    SurplusTwice {
        /// The member's slot.
        slot: u32,
    },
    /// More members' surplus noise than there are contributors.
    #[error("found surplus noise of {found} members, wanted at most {contributors}")]
    TooMuchSurplus {
        /// Members.
        found: usize,
        /// Contributors.
        contributors: u32,
    },
    /// The sum was unpacked with another plan.
    #[error("the sum was unpacked with another plan")]
    OtherPlan,
}
