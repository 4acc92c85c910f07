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
