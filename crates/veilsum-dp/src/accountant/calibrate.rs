//! The least noise for a wanted guarantee.

use thiserror::Error;

use super::{Accountant, Release, Statement};
use crate::law::Family;
use crate::{Cohort, Law, LawError, NoisePlan, NoisePlanError, Rational, Sensitivity, Sharing};

/// What a task is to guarantee over all its rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Epsilon in total.
    pub epsilon: f64,
    /// Delta in total; 0 is possible for no law, since tables are finite.
    pub delta: f64,
    /// Rounds.
    pub rounds: u64,
}

/// A plan that meets a target.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// The plan.
    pub plan: NoisePlan,
    /// What all rounds guarantee with it.
    pub total: Statement,
    /// What one round guarantees, at the same delta.
    pub round: Statement,
}

/// Why there is no such plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CalibrationError {
    /// Epsilon or delta is not one.
    #[error(
        "found a target of epsilon {epsilon} at delta {delta}, wanted a positive epsilon and a delta between 0 and 1"
    )]
    NotATarget {
        /// Epsilon given.
        epsilon: f64,
        /// Delta given.
        delta: f64,
    },
    /// Not even the largest noise gives the target.
    #[error("found no noise up to 2^40 that gives epsilon {epsilon} at delta {delta}")]
    Unreachable {
        /// Epsilon given.
        epsilon: f64,
        /// Delta given.
        delta: f64,
    },
    /// The noise needed has no plan.
    #[error(transparent)]
    Plan(#[from] NoisePlanError),
}

/// Finds the least noise, up to one part in 2 000, whose plan meets the target.
///
/// # Errors
///
/// The target is not one, or no plan meets it: [`CalibrationError`].
// spec: [noise.calibrate]
pub fn calibrate(
    family: Family,
    sensitivity: &Sensitivity,
    cohort: Cohort,
    sharing: Sharing,
    target: Target,
) -> Result<Calibrated, CalibrationError> {
    let Target { epsilon, delta, .. } = target;
    if !(epsilon > 0.0 && delta > 0.0 && delta < 1.0) {
        return Err(CalibrationError::NotATarget { epsilon, delta });
    }
    let unreachable = CalibrationError::Unreachable { epsilon, delta };
    let shares = match sharing {
        Sharing::Local => 1,
        Sharing::Shared | Sharing::DropoutExact => cohort.honest_survivors(),
    };
    // Distance as if every value took the most and widest draws; the plan's own, smaller, counts in the end.
    let values = &Rational::integer(sensitivity.coordinates())
        * &Rational::integer(u64::from(cohort.members()) * DRAWS_MAX);
    let tv = &values * &Rational::power_of_half(DISTANCE_BITS);
    let meets = |exponent: i32, mantissa: u64| -> Option<Law> {
        let law = law_of(family, exponent, mantissa).ok()?;
        let release = Release::new(law, shares, sensitivity, tv.clone());
        (total(&release, target)?.epsilon <= epsilon).then_some(release.law().clone())
    };
    let mut found = None;
    for exponent in EXPONENTS {
        if meets(exponent, 2 * MANTISSAS).is_some() {
            let (mut low, mut high) = (MANTISSAS, 2 * MANTISSAS);
            while low < high {
                let middle = low + (high - low) / 2;
                if meets(exponent, middle).is_some() {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            found = meets(exponent, high);
            break;
        }
    }
    let law = found.ok_or(unreachable.clone())?;
    let plan = NoisePlan::derive(law, cohort, sharing)?;
    let release = Release::of(&plan, sensitivity);
    let total_statement = total(&release, target).ok_or(unreachable.clone())?;
    let within = total_statement.epsilon <= epsilon;
    if !within {
        return Err(unreachable);
    }
    let one = Target {
        rounds: 1,
        ..target
    };
    let round = total(&release, one).ok_or(unreachable)?;
    Ok(Calibrated {
        plan,
        total: total_statement,
        round,
    })
}

fn total(release: &Release, target: Target) -> Option<Statement> {
    let mut accountant = Accountant::new(release.unit());
    accountant.compose(release, target.rounds).ok()?;
    Some(accountant.statement(target.delta))
}

/// Scale, variance or parameter `mantissa / MANTISSAS * 2^exponent`.
fn law_of(family: Family, exponent: i32, mantissa: u64) -> Result<Law, LawError> {
    let mantissa = Rational::new(mantissa, MANTISSAS).unwrap_or_else(Rational::zero);
    let power = if exponent < 0 {
        Rational::power_of_half(exponent.unsigned_abs())
    } else {
        Rational::integer(1 << exponent)
    };
    let parameter = &mantissa * &power;
    match family {
        Family::Polya => Law::discrete_laplace(parameter),
        Family::Skellam => Law::skellam(parameter),
        Family::DiscreteGaussian => Law::discrete_gaussian(parameter),
    }
}

/// Numbers between one power of two and the next.
const MANTISSAS: u64 = 2048;
/// Powers of two searched.
const EXPONENTS: std::ops::Range<i32> = -8..39;
/// Table draws of one value: base and 16 components, each of the most parts.
const DRAWS_MAX: u64 = 17 * crate::sampler::PARTS_MAX;
/// No table is further from its law than two to minus this.
const DISTANCE_BITS: u32 = 108;
