//! Not the encoding itself: the numbers come from whoever knows it.
//!
//! What it is for: how far one example or one member can move the integers of the sum, as rational upper bounds
//! derived from clip, scale, rounding and weights. `spec/noise.md`, section 7.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Rational;

/// Whose presence a guarantee hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// One training example of one member.
    Example,
    /// One member with all its data.
    Member,
}

/// Which two inputs a guarantee compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjacency {
    /// The unit's part of the sum against zeros in its place.
    ZeroOut,
    /// The unit's part against any other part.
    Replace,
}

/// Norm bound on the floats of one unit before they are scaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clip {
    /// Sum of absolute values.
    L1(Rational),
    /// Euclidean norm.
    L2(Rational),
    /// Largest absolute value.
    Linf(Rational),
}

/// How scaled values became integers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// They were integers.
    Exact,
    /// Each up or down at random, with the right mean.
    Stochastic,
    /// As stochastic, drawn again until the squared norm is at most [`conditional_norm_squared`].
    ///
    /// Source: Kairouz, Liu, Steinke, The Distributed Discrete Gaussian Mechanism, 2021, section 4.
    Conditional {
        /// `ln(1 / beta)`; 1/2 is the usual choice.
        log_inverse_beta: Rational,
    },
}

/// What the encoding does to one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoded {
    /// Whose contribution is bounded.
    pub unit: Unit,
    /// What it is compared with.
    pub adjacency: Adjacency,
    /// Bound of the unit's floats. For examples: of one example as it enters the member's vector (after division by
    /// a batch size, if there is one); a further clip of the whole vector must be one that brings vectors no further
    /// apart.
    pub clip: Clip,
    /// Where the unit is an example: the clip of the whole vector, if there is one. Floats err relative to the vector,
    /// not to the example.
    pub whole: Option<Clip>,
    /// Steps per float unit, `Q / R`.
    pub scale: Rational,
    /// Largest integer of a coordinate before the weight, `Q`, where there is one.
    pub levels: Option<u64>,
    /// Coordinates, those of padding included.
    pub coordinates: u64,
    /// Whether the vector is rotated between clip and scale.
    pub rotated: bool,
    /// How values become integers.
    pub rounding: Rounding,
    /// Largest weight of a member.
    pub max_weight: u32,
}

impl Encoded {
    /// The squared norm, in steps, above which conditional rounding of a member's vector draws again; a whole number.
    /// Nothing without conditional rounding.
    // spec: [noise.sensitivity.conditional]
    #[must_use]
    pub fn conditional_norm_squared(&self) -> Option<Rational> {
        match &self.rounding {
            Rounding::Exact | Rounding::Stochastic => None,
            Rounding::Conditional { log_inverse_beta } => Some(conditional_norm_squared(
                &Norms::scaled(self).l2,
                self.coordinates,
                log_inverse_beta,
            )),
        }
    }
}

/// How far one unit can move the sum: upper bounds in steps, over all coordinates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sensitivity {
    unit: Unit,
    adjacency: Adjacency,
    coordinates: u64,
    per_coordinate: Rational,
    l1: Rational,
    l2_squared: Rational,
}

/// An encoding without a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SensitivityError {
    /// The norm that conditional rounding bounds is the member's, and says nothing about one example of it.
    #[error(
        "found conditional rounding with the unit example, wanted the unit member or plain stochastic rounding"
    )]
    ConditionalByExample,
}

impl Sensitivity {
    /// Derives the bounds.
    ///
    /// # Errors
    ///
    /// Conditional rounding where the unit is an example.
    // spec: [noise.sensitivity.derived]
    pub fn derive(encoded: &Encoded) -> Result<Self, SensitivityError> {
        let Encoded {
            unit,
            adjacency,
            coordinates,
            ..
        } = *encoded;
        let doubled = Rational::integer(match adjacency {
            Adjacency::ZeroOut => 1,
            Adjacency::Replace => 2,
        });
        // Examples move the member's vector before it is rounded, members are rounded each on its own.
        let (before, after) = match (unit, &encoded.rounding) {
            (Unit::Example, _) | (Unit::Member, Rounding::Exact) => (doubled, Rational::integer(1)),
            (Unit::Member, Rounding::Stochastic | Rounding::Conditional { .. }) => {
                (Rational::integer(1), doubled)
            }
        };
        let norms = Norms::scaled(encoded).times(&before).rounded(encoded)?;
        let norms = norms.times(&(&after * &Rational::integer(encoded.max_weight.into())));
        Ok(Self {
            unit,
            adjacency,
            coordinates,
            per_coordinate: norms.linf,
            l1: norms.l1,
            l2_squared: norms.l2_squared,
        })
    }

    /// Whose presence the bounds are for.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// What the unit is compared with.
    #[must_use]
    pub const fn adjacency(&self) -> Adjacency {
        self.adjacency
    }

    /// Coordinates the bounds are over.
    #[must_use]
    pub const fn coordinates(&self) -> u64 {
        self.coordinates
    }

    /// Largest change of one coordinate.
    #[must_use]
    pub const fn per_coordinate(&self) -> &Rational {
        &self.per_coordinate
    }

    /// Largest sum of absolute changes.
    #[must_use]
    pub const fn l1(&self) -> &Rational {
        &self.l1
    }

    /// Largest sum of squared changes.
    #[must_use]
    pub const fn l2_squared(&self) -> &Rational {
        &self.l2_squared
    }
}

/// The squared norm above which conditional rounding draws again, rounded down to the integer that squared norms are:
/// the least of `(x + sqrt(D))^2` and `x^2 + D / 4 + sqrt(2 ln(1 / beta)) (x + sqrt(D) / 2)`, `x` the norm in steps
/// before rounding.
// spec: [noise.sensitivity.conditional]
#[must_use]
pub fn conditional_norm_squared(
    norm: &Rational,
    coordinates: u64,
    log_inverse_beta: &Rational,
) -> Rational {
    let coordinates = Rational::integer(coordinates);
    let root = coordinates.sqrt_up();
    let always = (norm + &root).squared();
    let width = (log_inverse_beta * &Rational::integer(2)).sqrt_up();
    let spread = &width * &(norm + &(&root * &Rational::power_of_half(1)));
    let likely = &(&norm.squared() + &(&coordinates * &Rational::power_of_half(2))) + &spread;
    always.min(likely).floor()
}

/// Norm bounds of one vector.
struct Norms {
    linf: Rational,
    l1: Rational,
    l2_squared: Rational,
    l2: Rational,
}

impl Norms {
    /// Of the scaled and rotated floats of one unit.
    fn scaled(encoded: &Encoded) -> Self {
        let coordinates = Rational::integer(encoded.coordinates);
        let root = coordinates.sqrt_up();
        // spec: [noise.sensitivity.margin]
        let margin = match encoded.rounding {
            Rounding::Exact => Rational::integer(1),
            _ => &Rational::integer(1) + &Rational::power_of_half(32),
        };
        let in_steps = |clip: &Rational| &(clip * &encoded.scale) * &margin;
        let (l1, l2, linf) = match &encoded.clip {
            Clip::L1(clip) => {
                let clip = in_steps(clip);
                (clip.clone(), clip.clone(), clip)
            }
            Clip::L2(clip) => {
                let clip = in_steps(clip);
                (&clip * &root, clip.clone(), clip)
            }
            Clip::Linf(clip) => {
                let clip = in_steps(clip);
                (&clip * &coordinates, &clip * &root, clip)
            }
        };
        // A rotation keeps the Euclidean norm alone.
        let (l1, linf) = match encoded.rotated {
            true => (&l2 * &root, l2.clone()),
            false => (l1, linf),
        };
        let drift = float_drift(encoded);
        let l2 = &l2 + &drift;
        Self {
            linf: &linf + &drift,
            l1: &l1 + &(&drift * &root),
            l2_squared: l2.squared(),
            l2,
        }
    }

    /// After rounding to integers: each norm as the least of what is known about it.
    fn rounded(self, encoded: &Encoded) -> Result<Self, SensitivityError> {
        let coordinates = Rational::integer(encoded.coordinates);
        let root = coordinates.sqrt_up();
        let (slack, conditional) = match &encoded.rounding {
            Rounding::Exact => (Rational::zero(), None),
            // spec: [noise.sensitivity.rounding]
            Rounding::Stochastic => (Rational::integer(1), None),
            Rounding::Conditional { log_inverse_beta } => {
                if encoded.unit == Unit::Example {
                    return Err(SensitivityError::ConditionalByExample);
                }
                let norm =
                    conditional_norm_squared(&self.l2, encoded.coordinates, log_inverse_beta);
                (Rational::integer(1), Some(norm))
            }
        };
        // An example may move a coordinate from -Q to Q.
        let sides = match encoded.unit {
            Unit::Example => 2,
            Unit::Member => 1,
        };
        let mut linf = match encoded.rounding {
            Rounding::Exact => self.linf.floor(),
            Rounding::Stochastic | Rounding::Conditional { .. } => self.linf.ceil(),
        };
        if let Some(levels) = encoded.levels {
            linf = linf.min(Rational::integer(levels.saturating_mul(sides)));
        }
        let mut l2_squared = (&self.l2 + &(&root * &slack))
            .squared()
            .min(&linf.squared() * &coordinates);
        if slack.is_zero() {
            l2_squared = l2_squared.min(self.l2_squared);
        }
        if let Some(norm) = conditional {
            l2_squared = l2_squared.min(norm);
        }
        // Integers: absolute values are at most squares, and sums of either are whole.
        let l1 = (&self.l1 + &(&coordinates * &slack))
            .min(&root * &l2_squared.sqrt_up())
            .min(l2_squared.clone())
            .min(&linf * &coordinates)
            .floor();
        let l2_squared = l2_squared.min(&l1 * &linf).floor();
        Ok(Self {
            l2: l2_squared.sqrt_up(),
            linf,
            l1,
            l2_squared,
        })
    }

    fn times(self, factor: &Rational) -> Self {
        Self {
            linf: &self.linf * factor,
            l1: &self.l1 * factor,
            l2_squared: &self.l2_squared * &factor.squared(),
            l2: &self.l2 * factor,
        }
    }
}

/// How far, in steps, the floats of two members' vectors may drift apart beside what an example moves: clip, rotation and
/// scale err relative to the whole vector.
// spec: [noise.sensitivity.drift]
fn float_drift(encoded: &Encoded) -> Rational {
    let norm = match (encoded.unit, &encoded.rounding, &encoded.whole) {
        (Unit::Member, ..) | (_, Rounding::Exact, _) | (_, _, None) => return Rational::zero(),
        (Unit::Example, _, Some(Clip::L1(clip) | Clip::L2(clip))) => clip.clone(),
        (Unit::Example, _, Some(Clip::Linf(clip))) => {
            clip * &Rational::integer(encoded.coordinates).sqrt_up()
        }
    };
    &(&norm * &encoded.scale) * &Rational::power_of_half(32)
}

#[cfg(test)]
mod tests;
