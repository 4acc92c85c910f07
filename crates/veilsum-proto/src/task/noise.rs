//! What a task says about noise: law, parameter, who carries it, whose presence it hides.

use super::TaskError;
use crate::parameters::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use veilsum_dp::{Adjacency, Family, Law, LawError, Rational, Sensitivity, Sharing, Unit};
use veilsum_encode::{Clip, Plan};

/// Noise of a task, as its file has it.
///
/// # Security
///
/// The law is that of the sum of the honest survivors' noise (with [`Sharing::Local`] of each member's), in quantisation
/// steps. What it is worth depends on the encoding and the number of rounds: ask [`RoundNoise`](crate::noise::RoundNoise).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseSpec {
    /// Law of the target.
    pub law: NoiseLaw,
    /// Parameter of the target in steps: the scale of discrete Laplace, the variance of Skellam, the parameter sigma
    /// squared of the discrete Gaussian; 2^-64 to 2^40.
    pub parameter: Decimal,
    /// Who carries the target.
    pub sharing: Sharing,
    /// Whose presence the noise hides.
    pub unit: Unit,
    /// What the unit's part of the sum is compared with.
    pub adjacency: Adjacency,
    /// Norm of one example as it enters its member's vector (after a division by the batch size, if there is one).
    /// Present if and only if the unit is an example.
    pub example_clip: Option<Clip>,
    /// Delta at which epsilon is stated, above 0 and below 1.
    pub delta: Decimal,
}

/// Law of the noise of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum NoiseLaw {
    /// Discrete Laplace, in Polya shares.
    Laplace = 1,
    /// Skellam.
    Skellam = 2,
    /// Discrete Gaussian.
    Gaussian = 3,
}

/// Why the noise of a task is refused. The text says what to change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoiseSpecError {
    /// Weights, whose lane carries no noise.
    #[error(
        "`max_weight` is {found} in a task with noise, wanted 1: the lane of the weights carries no noise, so all weights must be equal"
    )]
    Weights {
        /// Largest weight.
        found: u32,
    },
    /// Delta is no probability that a guarantee could have.
    #[error(
        "`delta` of the noise is {found}, wanted a number above 0 and below 1, such as 0.000001"
    )]
    Delta {
        /// Delta.
        found: Decimal,
    },
    /// The parameter is out of range.
    #[error("`parameter` of the noise: {0}")]
    Parameter(#[from] LawError),
    /// Shares of a discrete Gaussian do not add up, so no surplus can be removed.
    #[error(
        "noise of the law `gaussian` cannot be `dropout-exact`, since its shares do not add up; take the law `skellam` or sharing `shared`"
    )]
    GaussianRemoval,
}

/// Noise that fits its task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckedNoise {
    pub(crate) spec: NoiseSpec,
    pub(crate) target: Law,
    pub(crate) sensitivity: Sensitivity,
}

/// A law that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found the law `{found}`, wanted laplace, skellam or gaussian")]
pub struct NoiseLawError {
    /// The text.
    pub found: String,
}

impl NoiseSpec {
    /// Who carries the noise unless the task says otherwise: no more than needed after each round where the law allows
    /// it.
    pub const fn default_sharing(law: NoiseLaw) -> Sharing {
        match law {
            NoiseLaw::Laplace | NoiseLaw::Skellam => Sharing::DropoutExact,
            NoiseLaw::Gaussian => Sharing::Shared,
        }
    }

    /// The target as a law.
    ///
    /// # Errors
    ///
    /// [`NoiseSpecError::Parameter`] when the parameter is zero or out of range.
    pub fn target(&self) -> Result<Law, NoiseSpecError> {
        Ok(self.law.with(self.parameter.to_rational())?)
    }

    /// Checks the noise against the encoding of its task, and derives how far one unit moves the sum.
    // spec: [task.noise]
    pub(super) fn checked(self, plan: &Plan) -> Result<CheckedNoise, TaskError> {
        self.check(plan.max_weight())?;
        Ok(CheckedNoise {
            spec: self,
            // spec: [task.noise.parameter]
            target: self.target()?,
            // spec: [task.noise.unit]
            sensitivity: plan.sensitivity(self.unit, self.adjacency, self.example_clip)?,
        })
    }

    fn check(&self, max_weight: u32) -> Result<(), NoiseSpecError> {
        // spec: [task.noise.weights]
        if max_weight > 1 {
            return Err(NoiseSpecError::Weights { found: max_weight });
        }
        // spec: [task.noise.delta]
        let delta = self.delta.to_rational();
        if delta.is_zero() || delta >= Rational::integer(1) {
            return Err(NoiseSpecError::Delta { found: self.delta });
        }
        // spec: [task.noise.sharing]
        if self.law == NoiseLaw::Gaussian && self.sharing == Sharing::DropoutExact {
            return Err(NoiseSpecError::GaussianRemoval);
        }
        Ok(())
    }
}

impl NoiseLaw {
    /// The family of the accountant and the tables.
    pub const fn family(self) -> Family {
        match self {
            Self::Laplace => Family::Polya,
            Self::Skellam => Family::Skellam,
            Self::Gaussian => Family::DiscreteGaussian,
        }
    }

    /// The law with a parameter, in steps.
    ///
    /// # Errors
    ///
    /// The parameter is zero or outside 2^-64 to 2^40.
    pub fn with(self, parameter: Rational) -> Result<Law, LawError> {
        match self {
            Self::Laplace => Law::discrete_laplace(parameter),
            Self::Skellam => Law::skellam(parameter),
            Self::Gaussian => Law::discrete_gaussian(parameter),
        }
    }
}

impl fmt::Display for NoiseLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Laplace => "laplace",
            Self::Skellam => "skellam",
            Self::Gaussian => "gaussian",
        })
    }
}

impl FromStr for NoiseLaw {
    type Err = NoiseLawError;

    fn from_str(text: &str) -> Result<Self, NoiseLawError> {
        match text {
            "laplace" => Ok(Self::Laplace),
            "skellam" => Ok(Self::Skellam),
            "gaussian" => Ok(Self::Gaussian),
            _ => Err(NoiseLawError { found: text.into() }),
        }
    }
}
