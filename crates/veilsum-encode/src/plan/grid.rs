//! The grid of floats that quantised coordinates stand for.

use veilsum_dp::Rational;

use super::PlanError;
use crate::rotation::Rotation;
use crate::{Clip, FloatEncoding, Range};

/// The floats of a quantised coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// The largest integer, Q.
    pub levels: i64,
    /// The float it stands for, R.
    pub range: f64,
}

impl Grid {
    /// Checks the numbers of a float encoding and derives the grid for `padded` coordinates.
    pub fn derive(
        encoding: &FloatEncoding,
        rotation: Option<Rotation>,
        padded: u64,
    ) -> Result<Self, PlanError> {
        if !(MIN_PRECISION..=MAX_PRECISION).contains(&encoding.precision_bits) {
            return Err(PlanError::Precision {
                found: encoding.precision_bits,
            });
        }
        if encoding.max_weight == 0 {
            return Err(PlanError::NoWeight);
        }
        check_clip(encoding.clip)?;
        // spec: [encode.plan.levels]
        let levels = (1_i64 << (encoding.precision_bits - 1)) - 1;
        Ok(Self {
            levels,
            range: derive_range(encoding, rotation, padded)?,
        })
    }

    /// Steps per float unit, `Q / R`.
    pub fn scale(self) -> Option<Rational> {
        Rational::integer(self.levels.unsigned_abs()).checked_div(&Rational::from_f64(self.range)?)
    }

    /// What one step stands for, `R / Q`.
    pub fn step(self) -> Option<Rational> {
        Rational::from_f64(self.range)?.checked_div(&Rational::integer(self.levels.unsigned_abs()))
    }
}

/// Refuses a bound that is not a sensible positive number.
pub(super) fn check_clip(clip: Clip) -> Result<(), PlanError> {
    match clip.bound() {
        bound if SENSIBLE.contains(&bound) => Ok(()),
        found => Err(PlanError::Clip { found }),
    }
}

fn derive_range(
    encoding: &FloatEncoding,
    rotation: Option<Rotation>,
    padded: u64,
) -> Result<f64, PlanError> {
    // spec: [encode.plan.range]
    let root_of_rows = rotation.map_or(1.0, |rotation| (rotation.rows() as f64).sqrt());
    let (full, deviation) = match encoding.clip {
        Clip::L1(clip) => (clip / root_of_rows, clip / (padded as f64).sqrt()),
        Clip::L2(clip) => (clip, clip / (padded as f64).sqrt()),
        Clip::LInf(clip) => (clip * root_of_rows, clip),
    };
    match encoding.range {
        // `Auto` was resolved before; alone it means the range that nothing leaves.
        Range::Auto | Range::Full => Ok(full),
        Range::Spread { deviations } if (1..=MAX_DEVIATIONS).contains(&deviations) => {
            Ok(full.min(f64::from(deviations) * deviation))
        }
        Range::Spread { deviations } => Err(PlanError::Deviations { found: deviations }),
        Range::Fixed(range) if SENSIBLE.contains(&range) => Ok(range),
        Range::Fixed(range) => Err(PlanError::Range { found: range }),
    }
}

pub(super) const MIN_PRECISION: u8 = 2;
pub(super) const MAX_PRECISION: u8 = 52;
pub(super) const MAX_DEVIATIONS: u8 = 64;

/// 2^-100 to 2^100.
const SENSIBLE: std::ops::RangeInclusive<f64> =
    f64::from_bits((1023 - 100) << 52)..=f64::from_bits((1023 + 100) << 52);
