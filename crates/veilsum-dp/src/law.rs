//! Not samplers: those are made from a law in [`crate::sampler`].
//!
//! What it is for: the three laws of noise with exact parameters, which of them may be split into shares, and their
//! variance. `spec/noise.md`, section 2.

mod masses;

pub(crate) use self::masses::Masses;
pub use self::masses::PartLaw;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Rational;
use crate::enclosure::Enclosure;

/// A symmetric law of integer noise; the unit is one quantisation step.
///
/// ```
/// use veilsum_dp::{Law, Rational};
///
/// let law = Law::skellam(Rational::integer(100))?;
/// let share = law.share(&"1/8".parse()?).expect("skellam is infinitely divisible");
/// assert_eq!(share.variance().lower, "25/2".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, try_from = "Unchecked")]
pub enum Law {
    /// The difference of two negative binomial variables of this shape and the ratio `exp(-1 / scale)`; with shape 1
    /// the discrete Laplace law, `P(x)` proportional to `exp(-|x| / scale)`.
    ///
    /// Source: Goryczka and Xiong, A Comprehensive Comparison of Multiparty Secure Additions with Differential
    /// Privacy, 2015 (distributed geometric noise).
    // spec: [noise.law.polya]
    #[non_exhaustive]
    Polya {
        /// Steps in which the tail falls by the factor `e`.
        scale: Rational,
        /// Shape: shares of shapes that sum to 1 sum to discrete Laplace.
        shape: Rational,
    },
    /// The difference of two Poisson variables of mean `variance / 2` each.
    ///
    /// Source: Agarwal, Kairouz, Liu, The Skellam Mechanism for Differentially Private Federated Learning, 2021.
    // spec: [noise.law.skellam]
    #[non_exhaustive]
    Skellam {
        /// Variance, in squared steps.
        variance: Rational,
    },
    /// `P(x)` proportional to `exp(-x^2 / (2 parameter))`.
    ///
    /// Sums of such variables are not of this law, only near it, so it cannot be split for exact removal.
    ///
    /// Source: Canonne, Kamath, Steinke, The Discrete Gaussian for Differential Privacy, 2020.
    // spec: [noise.law.gaussian]
    #[non_exhaustive]
    DiscreteGaussian {
        /// The parameter sigma squared, in squared steps; the variance is a little below.
        parameter: Rational,
    },
}

/// Which family a law is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Polya shares of the discrete Laplace law.
    Polya,
    /// Skellam.
    Skellam,
    /// Discrete Gaussian.
    DiscreteGaussian,
}

/// A variance between two rationals, equal ones if it is known exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variance {
    /// Never above the variance.
    pub lower: Rational,
    /// Never below the variance.
    pub upper: Rational,
}

/// A parameter that no law has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LawError {
    /// Scale, shape, variance or parameter is zero.
    #[error("found a noise parameter of zero, wanted a positive {parameter}")]
    Zero {
        /// Which one.
        parameter: &'static str,
    },
    /// Out of the range that tables are made for.
    #[error("found a {parameter} of {found}, wanted 2^-64 to 2^40")]
    OutOfRange {
        /// Which one.
        parameter: &'static str,
        /// What it is.
        found: Rational,
    },
}

impl Law {
    /// Discrete Laplace noise: `P(x)` proportional to `exp(-|x| / scale)`. With an L1 sensitivity of `s` steps it
    /// gives epsilon `s / scale`.
    ///
    /// # Errors
    ///
    /// A scale of zero or outside `2^-64` to `2^40`.
    pub fn discrete_laplace(scale: Rational) -> Result<Self, LawError> {
        Self::polya(scale, Rational::integer(1))
    }

    /// A Polya share of a discrete Laplace variable.
    ///
    /// # Errors
    ///
    /// A scale or shape of zero or outside `2^-64` to `2^40`.
    pub fn polya(scale: Rational, shape: Rational) -> Result<Self, LawError> {
        Ok(Self::Polya {
            scale: in_range("scale", scale)?,
            shape: in_range("shape", shape)?,
        })
    }

    /// Skellam noise of this variance.
    ///
    /// # Errors
    ///
    /// A variance of zero or outside `2^-64` to `2^40`.
    pub fn skellam(variance: Rational) -> Result<Self, LawError> {
        Ok(Self::Skellam {
            variance: in_range("variance", variance)?,
        })
    }

    /// Discrete Gaussian noise with this sigma squared.
    ///
    /// # Errors
    ///
    /// A parameter of zero or outside `2^-64` to `2^40`.
    pub fn discrete_gaussian(parameter: Rational) -> Result<Self, LawError> {
        Ok(Self::DiscreteGaussian {
            parameter: in_range("parameter", parameter)?,
        })
    }

    /// The family.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Polya { .. } => Family::Polya,
            Self::Skellam { .. } => Family::Skellam,
            Self::DiscreteGaussian { .. } => Family::DiscreteGaussian,
        }
    }

    /// Whether independent shares whose fractions sum to 1 sum to exactly this law.
    #[must_use]
    pub const fn is_infinitely_divisible(&self) -> bool {
        match self {
            Self::Polya { .. } | Self::Skellam { .. } => true,
            Self::DiscreteGaussian { .. } => false,
        }
    }

    /// The law with its shape, variance or parameter multiplied by `fraction`.
    ///
    /// For an infinitely divisible law these are its shares. For the discrete Gaussian it is what a member adds in
    /// the distributed mechanism; sums of such shares are near the law, and the accountant has a term for how near.
    ///
    /// # Errors
    ///
    /// The share is too small or too large for a table.
    pub fn share(&self, fraction: &Rational) -> Result<Self, LawError> {
        match self {
            Self::Polya { scale, shape } => Self::polya(scale.clone(), shape * fraction),
            Self::Skellam { variance } => Self::skellam(variance * fraction),
            Self::DiscreteGaussian { parameter } => Self::discrete_gaussian(parameter * fraction),
        }
    }

    /// The variance in squared steps: exact for Skellam, enclosed to more than 100 bits for the others.
    #[must_use]
    pub fn variance(&self) -> Variance {
        match self {
            Self::Polya { scale, shape } => {
                let ratio = masses::ratio_of(scale);
                let gap = Enclosure::integer(1).minus(&ratio);
                let of_shape = ratio.times_integer(2).over(&gap.times(&gap));
                Variance {
                    lower: &of_shape.lower() * shape,
                    upper: &of_shape.upper() * shape,
                }
            }
            Self::Skellam { variance } => Variance {
                lower: variance.clone(),
                upper: variance.clone(),
            },
            Self::DiscreteGaussian { parameter } => masses::gaussian_variance(parameter),
        }
    }
}

// spec: [noise.law.parameters]
fn in_range(parameter: &'static str, value: Rational) -> Result<Rational, LawError> {
    if value.is_zero() {
        return Err(LawError::Zero { parameter });
    }
    if value < Rational::power_of_half(64) || value > Rational::integer(1 << 40) {
        return Err(LawError::OutOfRange {
            parameter,
            found: value,
        });
    }
    Ok(value)
}

/// A law as files have it, its parameters not looked at yet.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Unchecked {
    Polya { scale: Rational, shape: Rational },
    Skellam { variance: Rational },
    DiscreteGaussian { parameter: Rational },
}

impl TryFrom<Unchecked> for Law {
    type Error = LawError;

    fn try_from(law: Unchecked) -> Result<Self, LawError> {
        match law {
            Unchecked::Polya { scale, shape } => Self::polya(scale, shape),
            Unchecked::Skellam { variance } => Self::skellam(variance),
            Unchecked::DiscreteGaussian { parameter } => Self::discrete_gaussian(parameter),
        }
    }
}

#[cfg(test)]
mod tests;
