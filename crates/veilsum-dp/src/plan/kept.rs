//! How much noise a sum really carries, for results and logs.

use super::cohort::ratio;
use super::{NoisePlan, NoisePlanError, Sharing};
use crate::{Law, Rational, Variance};

/// Noise in one sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    target: Law,
    fraction: Rational,
    excess: Rational,
}

impl Kept {
    /// Noise of all survivors, corrupt ones included, as a multiple of the target's variance (or shape).
    #[must_use]
    pub const fn fraction(&self) -> &Rational {
        &self.fraction
    }

    /// How far that is above the planned multiple: 0 for a sum that carries just what was planned, 0.02 for 2 % more
    /// variance.
    #[must_use]
    pub const fn excess(&self) -> &Rational {
        &self.excess
    }

    /// Variance of the noise on one coordinate of the sum, in squared steps. For a distributed discrete Gaussian,
    /// whose shares have slightly less variance than their parameter, only an upper bound.
    // spec: [noise.kept.stated]
    #[must_use]
    pub fn variance(&self) -> Variance {
        let target = self.target.variance();
        Variance {
            lower: &target.lower * &self.fraction,
            upper: &target.upper * &self.fraction,
        }
    }

    /// Standard deviation of the noise on one coordinate of the mean, rounded up: what the noise costs in accuracy.
    ///
    /// `weight` is the sum's weight, the number of contributors in a task without weights; `step` is what one step stands
    /// for, `R / Q`. Nothing for a weight of zero.
    #[must_use]
    pub fn deviation_of_mean(&self, weight: u64, step: &Rational) -> Option<Rational> {
        let deviation = self.variance().upper.sqrt_up();
        (&deviation * step).checked_div(&Rational::integer(weight))
    }
}

impl NoisePlan {
    /// The noise of a sum from which `dropped` members are missing, `unremoved` of its contributors having vanished
    /// before their surplus could be removed.
    ///
    /// # Errors
    ///
    /// More members are missing than tolerated.
    pub fn kept(&self, dropped: u32, unremoved: u32) -> Result<Kept, NoisePlanError> {
        let level = self.level(dropped)?;
        let cohort = self.cohort;
        let contributors = Rational::integer((cohort.members() - dropped).into());
        let (fraction, planned) = match self.sharing {
            Sharing::Local => (contributors, Rational::integer(1)),
            Sharing::Shared => (&contributors * &cohort.honest_share(), cohort.inflation()),
            Sharing::DropoutExact => {
                let inflation = cohort.inflation();
                let per_member =
                    |dropped: u32| &inflation * &ratio(1, (cohort.members() - dropped).into());
                let kept = per_member(self.levels.get(level.0).copied().unwrap_or(0));
                let surplus = per_member(cohort.tolerated())
                    .checked_sub(&kept)
                    .unwrap_or_else(Rational::zero);
                let fraction =
                    &(&contributors * &kept) + &(&surplus * &Rational::integer(unremoved.into()));
                (fraction, inflation)
            }
        };
        let excess = fraction
            .checked_sub(&planned)
            .and_then(|above| above.checked_div(&planned))
            .unwrap_or_else(Rational::zero);
        Ok(Kept {
            target: self.target.clone(),
            fraction,
            excess,
        })
    }
}
