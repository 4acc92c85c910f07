//! What several test modules share: chi-square against exact masses, without tables of quantiles.

#![expect(clippy::float_arithmetic, reason = "statistics of tests")]

use crate::law::PartLaw;
use crate::{Law, Rational};

pub(crate) fn number(text: &str) -> Rational {
    text.parse().unwrap()
}

/// `P(X = x)` of a law that fits one table, as a float within 1e-15.
pub(crate) fn mass(law: &Law, reach: u64) -> Vec<f64> {
    let part = match law {
        Law::Polya { scale, shape } => PartLaw::Polya {
            scale: scale.clone(),
            shape: shape.clone(),
        },
        Law::Skellam { variance } => PartLaw::Skellam {
            variance: variance.clone(),
        },
        Law::DiscreteGaussian { parameter } => PartLaw::DiscreteGaussian {
            parameter: parameter.clone(),
        },
    };
    let magnitudes = part.masses(reach).magnitudes;
    let halves = magnitudes.iter().enumerate();
    halves
        .map(|(k, mass)| mass.upper().to_f64_up() / if k == 0 { 1.0 } else { 2.0 })
        .collect()
}

/// Asserts that the chi-square statistic of `values` against the law is below its quantile of 1 - 1e-9.
///
/// Cells are single values, positive and negative apart; cells with fewer than 25 expected counts are merged.
pub(crate) fn chi_square_below(law: &Law, values: &[i64]) {
    let masses = mass(law, 4096);
    let n = values.len() as f64;
    let reach = masses.iter().take_while(|mass| **mass * n >= 25.0).count() as i64;
    let mut cells = Vec::new();
    for x in 1 - reach..reach {
        let exact = masses[x.unsigned_abs() as usize];
        cells.push((exact, values.iter().filter(|v| **v == x).count()));
    }
    let inside: f64 = cells.iter().map(|(exact, _)| exact).sum();
    if (1.0 - inside) * n >= 5.0 {
        let outside = values.iter().filter(|v| v.abs() >= reach).count();
        cells.push((1.0 - inside, outside));
    }
    let statistic: f64 = cells
        .iter()
        .map(|(exact, found)| (*found as f64 - exact * n).powi(2) / (exact * n))
        .sum();
    let freedom = cells.len() as f64 - 1.0;
    // Laurent and Massart 2000, lemma 1: P(chi2 >= k + 2 sqrt(k x) + 2 x) <= exp(-x); x = 20.8 is 1e-9.
    let limit = freedom + 2.0 * (freedom * 20.8).sqrt() + 2.0 * 20.8;
    assert!(
        statistic < limit && cells.len() > 1,
        "{law:?}: chi-square {statistic} of {freedom} degrees, limit {limit}"
    );
}
