//! Why an update does not become a contribution.

use thiserror::Error;
use veilsum_dp::NoiseBound;

use crate::UpdateError;

/// Why an update does not become a contribution. Values are never shown, for they are secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The tensors are not an update of the task.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The update was checked against another manifest than the plan's.
    #[error("the update belongs to another manifest than the plan")]
    OtherManifest,
    /// An earlier step was done with another plan.
    #[error("the values were prepared with another plan")]
    OtherPlan,
    /// An integer is outside the task's range.
    #[error("tensor {tensor:?} is {side} at index {index}, wanted {min} to {max}")]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// Position of the first such value in row-major order.
        index: u64,
        /// On which side it lies.
        side: Side,
        /// Least value of the task.
        min: i64,
        /// Largest value of the task.
        max: i64,
    },
    /// The weight is above the task's largest.
    #[error("found a weight of {found}, wanted 1 to {most}")]
    Weight {
        /// The weight.
        found: u32,
        /// Largest weight of the task.
        most: u32,
    },
    /// The task has noise and none was added.
    #[error("found no noise in a task with noise, wanted it to be added before packing")]
    NoiseMissing,
    /// Noise was added before.
    #[error("found noise already added, wanted it once")]
    NoiseTwice,
    /// The noise is not what the lanes have room for.
    #[error("found noise of up to {found} steps, the lanes are planned for {wanted}")]
    NoiseBound {
        /// Bound of the noise plan.
        found: NoiseBound,
        /// Bound of the plan.
        wanted: NoiseBound,
    },
    /// The member's noise was made under another noise plan.
    #[error("found noise with other components than the noise plan has")]
    OtherNoise,
}

/// On which side of a range a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Below its start.
    Below,
    /// Above its end.
    Above,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Below => "below its range",
            Self::Above => "above its range",
        })
    }
}
