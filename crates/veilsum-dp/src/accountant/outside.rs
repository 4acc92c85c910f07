//! Amplification by subsampling, which holds only against who does not see who takes part.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::conversion::epsilon;
use super::renyi::{Curve, between_whole, divergence, orders};
use super::upward::{of_platform, plus};
use super::{Observer, Release, Statement};
use crate::Rational;

/// How the units of a round are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Each on its own with this probability. For [`crate::Adjacency::ZeroOut`].
    Poisson {
        /// Probability, above 0, at most 1.
        rate: f64,
    },
    /// A fixed number of them, all sets of this size alike. For [`crate::Adjacency::Replace`].
    WithoutReplacement {
        /// Part of all units that is chosen, above 0, at most 1.
        rate: f64,
    },
}

/// Sampling that no bound here is for.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum OutsideError {
    /// Not a probability.
    #[error("found the sampling rate {found}, wanted above 0 and at most 1")]
    Rate {
        /// The rate.
        found: f64,
    },
    /// The theorem compares other pairs of inputs.
    #[error(
        "found sampling and sensitivity for different pairs of inputs, wanted poisson with zero-out or without-replacement with replace"
    )]
    Adjacency,
}

/// What `rounds` rounds of a subsampled release guarantee against observers who do not see who takes part.
///
/// # Security
///
/// The coordinator sees who takes part, and so do members of the same round. Against them sampling hides nothing, and
/// the statement of [`super::Accountant`] is the one that holds. Sampling must be secret and by a cryptographic
/// generator for this one to hold against anyone.
///
/// # Errors
///
/// A rate outside 0 to 1, or a sensitivity derived for the other adjacency.
// spec: [noise.account.outside]
pub fn against_outside(
    release: &Release,
    sampling: Sampling,
    rounds: u64,
    delta: f64,
) -> Result<Statement, OutsideError> {
    let (rate, replace) = match sampling {
        Sampling::Poisson { rate } => (rate, false),
        Sampling::WithoutReplacement { rate } => (rate, true),
    };
    if !(rate > 0.0 && rate <= 1.0) {
        return Err(OutsideError::Rate { found: rate });
    }
    if release.is_replace() != replace {
        return Err(OutsideError::Adjacency);
    }
    let amplified = Amplified::new(release, sampling);
    let values = orders().map(|order| {
        let bound = between_whole(order, |whole| amplified.at(whole as usize));
        bound.min(divergence(release, order))
    });
    let pure = release.pure_epsilon().map_or(f64::INFINITY, |pure| {
        (rate * pure.to_f64_up().exp_m1()).ln_1p() * MARGIN
    });
    // Sampling without replacement is compared at a pure epsilon of the same form (Balle, Barthe, Gaboardi 2018).
    let curve = Curve::from_values(values.collect(), pure).times(rounds);
    let tv = release.tv() * &Rational::integer(rounds);
    Ok(Statement {
        epsilon: epsilon(&curve, &tv, delta),
        delta,
        unit: release.unit(),
        observer: Observer::Outside,
    })
}

/// Moments of the release at whole orders, computed once.
struct Amplified {
    sampling: Sampling,
    /// `(k - 1) D_k` for `k` from 0.
    moments: Vec<f64>,
    pure: f64,
    /// Logarithms of factorials.
    factorials: Vec<f64>,
}

impl Amplified {
    fn new(release: &Release, sampling: Sampling) -> Self {
        let moment = |k: usize| match k {
            0 | 1 => 0.0,
            k => (k as f64 - 1.0) * divergence(release, k as f64),
        };
        let mut factorials = vec![0.0];
        for k in 1..=ORDER_MAX {
            let last = factorials.last().copied().unwrap_or(0.0);
            factorials.push(last + (k as f64).ln());
        }
        Self {
            sampling,
            moments: (0..=ORDER_MAX).map(moment).collect(),
            pure: release
                .pure_epsilon()
                .map_or(f64::INFINITY, |pure| pure.to_f64_up()),
            factorials,
        }
    }

    /// Bound of the divergence at a whole order.
    fn at(&self, order: usize) -> f64 {
        let bound = match self.sampling {
            Sampling::Poisson { rate } if rate < 1.0 => self.poisson(rate, order),
            Sampling::WithoutReplacement { rate } if rate < 1.0 => {
                self.without_replacement(rate, order)
            }
            Sampling::Poisson { .. } | Sampling::WithoutReplacement { .. } => {
                self.moments.get(order).copied().unwrap_or(f64::INFINITY)
            }
        };
        bound.max(0.0) / (order as f64 - 1.0) * MARGIN
    }

    /// Mironov, Talwar, Zhang 2019, section 3.3, for any law that a reflection maps onto its shift (theorem 5 there):
    /// the moments of the mixture, term by term.
    fn poisson(&self, rate: f64, order: usize) -> f64 {
        let terms = (0..=order).map(|k| {
            let kept = (order - k) as f64 * (-rate).ln_1p();
            self.term(order, k, [kept, k as f64 * rate.ln(), self.moment(k)])
        });
        log_sum_exp(terms)
    }

    /// Wang, Balle, Kasiviswanathan 2019, theorem 9.
    fn without_replacement(&self, rate: f64, order: usize) -> f64 {
        let pure = self.pure.exp_m1().ln(); // infinite where there is none
        let two = self.moment(2);
        let second = (4.0_f64.ln() + two.exp_m1().ln()).min(two + 2.0_f64.ln().min(2.0 * pure));
        let terms = (2..=order).map(|k| {
            let moment = match k {
                2 => second,
                k => self.moment(k) + 2.0_f64.ln().min(k as f64 * pure),
            };
            self.term(order, k, [k as f64 * rate.ln(), moment, 0.0])
        });
        log_sum_exp(std::iter::once(0.0).chain(terms))
    }

    fn moment(&self, k: usize) -> f64 {
        self.moments.get(k).copied().unwrap_or(f64::INFINITY)
    }

    /// The logarithm of `n` over `k`, and the factors beside it; not below the exact sum.
    // spec: [noise.account.rounding]
    fn term(&self, n: usize, k: usize, factors: [f64; 3]) -> f64 {
        let log = |i: usize| self.factorials.get(i).copied().unwrap_or(f64::INFINITY);
        let logs = [log(n), log(k), log(n - k)];
        let [whole, first, second] = logs;
        // factorials are sums of n logarithms; equal ones leave nothing
        let lost = match k == 0 || k == n {
            true => 0.0,
            false => logs.iter().sum::<f64>() * (n + 8) as f64 * UNIT,
        };
        let size: f64 = factors.iter().map(|factor| factor.abs()).sum();
        let sum = (whole - first - second) + factors.iter().sum::<f64>();
        sum + lost + size * 32.0 * UNIT
    }
}

fn log_sum_exp(terms: impl Iterator<Item = f64>) -> f64 {
    let terms: Vec<f64> = terms.collect();
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return most;
    }
    let sum: f64 = terms.iter().map(|term| (term - most).exp()).sum();
    // differences, exponentials and additions err by parts of the sum, which are absolute in its logarithm
    let lost = (terms.len() + 32) as f64 * UNIT;
    plus(most, plus(of_platform(sum.ln()), lost))
}

const ORDER_MAX: usize = 1024;
const MARGIN: f64 = 1.0 + 1e-12;
/// Half a unit in the last place of 1.
const UNIT: f64 = f64::EPSILON / 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::number;
    use crate::{Adjacency, Clip, Law};

    // spec: [noise.account.rounding] [noise.account.outside]
    #[test]
    fn sampling_so_rare_that_the_sum_is_next_to_1_is_not_stated_below_its_bound() {
        let clip = Clip::L2(number("1"));
        let sensitivity = crate::accountant::tests::integers(clip, 1, Adjacency::ZeroOut);
        for rate in [1e-5, 1e-4, 1e-3, 0.01] {
            for parameter in ["100", "10000", "1000000"] {
                let law = Law::discrete_gaussian(number(parameter)).unwrap();
                let release = Release::new(law, 1, &sensitivity, Rational::zero());
                let found = Amplified::new(&release, Sampling::Poisson { rate }).at(2);
                // of the order 2 there is a form without a difference
                let exact = (rate * rate * divergence(&release, 2.0).exp_m1()).ln_1p();
                assert!(
                    found > exact * (1.0 - 1e-11),
                    "{rate} {parameter}: {found:e} {exact:e}"
                );
                assert!(
                    found < exact * 1.001 + 1e-14,
                    "{rate} {parameter}: {found:e} {exact:e}"
                );
            }
        }
    }
}
