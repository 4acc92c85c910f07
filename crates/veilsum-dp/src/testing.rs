//! What several test modules share: chi-square, Kolmogorov-Smirnov and variance against exact masses, with limits from
//! inequalities instead of tables of quantiles.

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

/// Asserts that the largest distance between the cumulative distribution of `values` and that of the law is below its
/// quantile of 1 - 1e-9 by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, which holds for any law.
pub(crate) fn distribution_near(law: &Law, values: &[i64]) {
    let masses = mass(law, 4096);
    let n = values.len() as f64;
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let mut exact = 0.0;
    let mut largest: f64 = 0.0;
    for x in -4000..=4000i64 {
        exact += masses[x.unsigned_abs() as usize];
        let found = sorted.partition_point(|value| *value <= x) as f64 / n;
        largest = largest.max((found - exact).abs());
    }
    let limit = ((2.0 / 1e-9_f64).ln() / (2.0 * n)).sqrt();
    assert!(
        largest < limit,
        "{law:?}: distance {largest}, limit {limit}"
    );
}

/// Asserts that the mean square of `values` is within 6.1 of its standard deviations (false alarm rate 1e-9 by the normal
/// law) of the variance.
pub(crate) fn variance_near(law: &Law, values: &[i64]) {
    let masses = mass(law, 4096);
    let moment = |power: i32| -> f64 {
        let terms = masses.iter().enumerate().skip(1);
        terms
            .map(|(k, mass)| 2.0 * mass * (k as f64).powi(power))
            .sum()
    };
    let (variance, fourth) = (moment(2), moment(4));
    let n = values.len() as f64;
    let found = values
        .iter()
        .map(|value| (*value as f64).powi(2))
        .sum::<f64>()
        / n;
    let deviation = ((fourth - variance * variance) / n).sqrt();
    assert!(
        (found - variance).abs() < 6.1 * deviation,
        "{law:?}: variance {found}, wanted {variance} within {deviation} times 6.1"
    );
}

/// All three tests of a sample; false alarm rate 3e-9.
pub(crate) fn follows(law: &Law, values: &[i64]) {
    chi_square_below(law, values);
    distribution_near(law, values);
    variance_near(law, values);
}

mod tests {
    use super::*;
    use crate::Sampler;
    use veilsum_math::KeystreamKey;

    fn drawn(law: &Law) -> Vec<i64> {
        let mut out = vec![0; 40_000];
        let sampler = Sampler::compile(law).unwrap();
        sampler.fill(KeystreamKey::new([0x71; 32]), 0, &mut out);
        out
    }

    /// The tests can fail: each notices half more variance, two of them a tenth.
    #[test]
    fn each_test_notices_noise_that_is_not_removed() {
        type Test = fn(&Law, &[i64]);
        let law = Law::skellam(number("20")).unwrap();
        follows(&law, &drawn(&law));
        let tests: [(Test, &str); 3] = [
            (chi_square_below, "22"),
            (variance_near, "22"),
            (distribution_near, "30"),
        ];
        for (test, variance) in tests {
            let law = law.clone();
            let more = drawn(&Law::skellam(number(variance)).unwrap());
            assert!(
                std::panic::catch_unwind(move || test(&law, &more)).is_err(),
                "{variance}"
            );
        }
    }
}
