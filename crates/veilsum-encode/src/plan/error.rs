//! Why there is no plan.

use thiserror::Error;

use super::grid::{MAX_DEVIATIONS, MAX_PRECISION, MIN_PRECISION};
use crate::Dtype;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// Integer tensors have no place in a float task.
    #[error("tensor {tensor:?} is {found}, a float task wants f32, f64, f16 or bf16")]
    IntegerTensor {
        /// The tensor.
        tensor: String,
        /// Its element type.
        found: Dtype,
    },
    /// Float tensors have no place in an integer task.
    #[error("tensor {tensor:?} is {found}, an integer task wants integers")]
    FloatTensor {
        /// The tensor.
        tensor: String,
        /// Its element type.
        found: Dtype,
    },
    /// Nobody could contribute.
    #[error("found 0 enrolled members, wanted at least 1")]
    NobodyEnrolled,
    /// Too coarse or too fine.
    #[error("found {found} precision bits, wanted {MIN_PRECISION} to {MAX_PRECISION}")]
    Precision {
        /// The bits asked for.
        found: u8,
    },
    /// The clip is not a sensible positive number.
    #[error("found a clip of {found}, wanted 2^-100 to 2^100")]
    Clip {
        /// The clip asked for.
        found: f64,
    },
    /// The fixed range is not a sensible positive number.
    #[error("found a range of {found}, wanted 2^-100 to 2^100")]
    Range {
        /// The range asked for.
        found: f64,
    },
    /// Too few or too many deviations.
    #[error("found a range of {found} deviations, wanted 1 to {MAX_DEVIATIONS}")]
    Deviations {
        /// The deviations asked for.
        found: u8,
    },
    /// Weights start at 1.
    #[error("found a largest weight of 0, wanted at least 1")]
    NoWeight,
    /// The integer range holds fewer than two values.
    #[error("found an integer range from {min} to {max}, wanted its end above its start")]
    EmptyRange {
        /// Least value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Sums over all enrolled members could leave their lane.
    #[error("sums over {enrolled} members need {found} bits a lane, wanted at most 64")]
    LaneTooWide {
        /// Bits a lane would need.
        found: u32,
        /// Enrolled members.
        enrolled: u32,
    },
    /// Sums over all enrolled members could leave `i64`.
    #[error(
        "sums over {enrolled} members lie between {least} and {largest}, which does not fit 64-bit integers"
    )]
    SumTooLarge {
        /// Least possible sum.
        least: i128,
        /// Largest possible sum.
        largest: i128,
        /// Enrolled members.
        enrolled: u32,
    },
    /// The vector does not fit the address space.
    #[error("the lanes do not fit the address space")]
    TooLarge,
}
