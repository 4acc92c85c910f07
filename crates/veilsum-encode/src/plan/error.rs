//! Why there is no plan.

use thiserror::Error;
use veilsum_dp::SensitivityError;

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
    /// The weight lane carries no noise.
    #[error(
        "found weights up to {found} in a task with noise, wanted a largest weight of 1: the sum of the weights carries no noise"
    )]
    WeightedNoise {
        /// The largest weight asked for.
        found: u32,
    },
    /// Conditional rounding bounds the Euclidean norm.
    #[error("found conditional rounding under an {found} clip, wanted an l2 clip")]
    ConditionalClip {
        /// Norm of the clip.
        found: &'static str,
    },
    /// The bound of conditional rounding is beyond 128 bits.
    #[error(
        "found conditional rounding of norms above 2^64 steps, wanted fewer precision bits or a larger range"
    )]
    ConditionalNorm,
    /// Nobody says how far one example can move the update.
    #[error("found no example clip, wanted one for the unit example")]
    ExampleClipMissing,
    /// An example clip says nothing about a member.
    #[error(
        "found an example clip with the unit member, wanted none: the clip of the encoding is the member's"
    )]
    ExampleClipOfMember,
    /// The clip of the whole vector could bring two vectors further apart.
    #[error(
        "found examples clipped by {example} and updates clipped by {whole}, which may bring two updates further apart; wanted examples and updates both clipped by l2, or updates clipped by linf"
    )]
    ExampleClipNorm {
        /// Norm of the example clip.
        example: &'static str,
        /// Norm of the clip of the encoding.
        whole: &'static str,
    },
    /// Integers move by whole steps: such a clip is kept to by zeros alone, and nobody would add noise for those.
    #[error(
        "found an example clip of {found} in an integer task, wanted at least 1: what is below is zero"
    )]
    ExampleClipBelowOne {
        /// Bound of the clip.
        found: f64,
    },
    /// Elements that were rounded before the clip, relative to the whole vector and not to one example.
    #[error("found a tensor of {found} in a float task with the unit example, wanted f64")]
    ExampleDtype {
        /// Element type.
        found: Dtype,
    },
    /// The encoding has no bound for this unit.
    #[error(transparent)]
    Sensitivity(#[from] SensitivityError),
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
