//! Not noise: floats live here, and none of them touches a vector.
//!
//! What it is for: what the noise of a round is worth, in (epsilon, delta) for a unit of privacy. Renyi divergences are
//! added over rounds and converted at the end; every step errs towards a larger epsilon. `spec/noise.md`, section 8.

#![expect(
    clippy::float_arithmetic,
    reason = "epsilon is a report; the integers it is about never see it"
)]

mod calibrate;
mod conversion;
mod filter;
mod outside;
mod release;
mod renyi;
mod upward;

pub use self::calibrate::{Calibrated, CalibrationError, Target, calibrate};
pub use self::filter::Filter;
pub use self::outside::{OutsideError, Sampling, against_outside};
pub use self::release::Release;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::conversion::epsilon;
use self::renyi::Curve;
use crate::{Rational, Unit};

/// What a guarantee says, with the unit it says it for.
///
/// ```
/// use veilsum_dp::{Observer, Statement, Unit};
///
/// let statement = Statement { epsilon: 1.5, delta: 1e-6, unit: Unit::Member, observer: Observer::Everyone };
/// assert_eq!(statement.to_string(), "epsilon 1.5000 at delta 1e-6 per member");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Epsilon; infinite if nothing can be said.
    pub epsilon: f64,
    /// Delta, the distance of the tables from their laws included.
    pub delta: f64,
    /// Whose presence is hidden.
    pub unit: Unit,
    /// From whom.
    pub observer: Observer,
}

/// From whom a guarantee hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observer {
    /// Coordinator and corrupt members included.
    Everyone,
    /// Only who does not see who takes part in a round.
    Outside,
}

/// Adds up the cost of rounds.
#[derive(Clone, Debug)]
pub struct Accountant {
    unit: Unit,
    curve: Curve,
    tv: Rational,
}

/// A release whose unit is not the accountant's: their epsilons are about different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("found a release per {found}, the ledger counts per {wanted}")]
pub struct UnitMismatch {
    /// Unit of the release.
    pub found: Unit,
    /// Unit of the accountant.
    pub wanted: Unit,
}

impl Accountant {
    /// Nothing spent yet.
    #[must_use]
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            curve: Curve::nothing(),
            tv: Rational::zero(),
        }
    }

    /// Adds `rounds` rounds of the same release.
    ///
    /// # Errors
    ///
    /// The release is about another unit.
    // spec: [noise.account.compose]
    pub fn compose(&mut self, release: &Release, rounds: u64) -> Result<(), UnitMismatch> {
        if release.unit() != self.unit {
            return Err(UnitMismatch {
                found: release.unit(),
                wanted: self.unit,
            });
        }
        self.curve = self.curve.plus(&release.curve().times(rounds));
        self.tv = &self.tv + &(release.tv() * &Rational::integer(rounds));
        Ok(())
    }

    /// What all rounds so far guarantee at this delta, against everyone.
    #[must_use]
    pub fn statement(&self, delta: f64) -> Statement {
        Statement {
            epsilon: epsilon(&self.curve, &self.tv, delta),
            delta,
            unit: self.unit,
            observer: Observer::Everyone,
        }
    }
}

// spec: [noise.account.unit]
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epsilon,
            delta,
            unit,
            observer,
        } = self;
        // Rounded up, so that no digit promises more than the number.
        let shown = (epsilon * 1e4).ceil() / 1e4;
        write!(f, "epsilon {shown:.4} at delta {delta:e} per {unit}")?;
        match observer {
            Observer::Everyone => Ok(()),
            Observer::Outside => f.write_str(", against observers who do not see who takes part"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Example => "example",
            Self::Member => "member",
        })
    }
}

#[cfg(test)]
mod tests;
