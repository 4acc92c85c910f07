//! Why blocks are no sum under a plan.

use thiserror::Error;

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
    /// The sum was unpacked with another plan.
    #[error("the sum was unpacked with another plan")]
    OtherPlan,
}
