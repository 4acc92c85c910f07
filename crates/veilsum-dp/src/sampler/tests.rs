#![expect(clippy::float_arithmetic, reason = "statistics of tests")]

use super::*;
use crate::enclosure::Enclosure;
use crate::law::PartLaw;
use crate::testing::{follows, number};
use proptest::prelude::*;

fn drawn(law: &Law, key: u8, count: usize) -> Vec<i64> {
    let mut out = vec![0; count];
    Sampler::compile(law)
        .unwrap()
        .fill(KeystreamKey::new([key; 32]), 0, &mut out);
    out
}

fn moments(values: &[i64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<i64>() as f64 / n;
    let square = values
        .iter()
        .map(|v| (*v as f64 - mean).powi(2))
        .sum::<f64>();
    (mean, square / n)
}

// spec: [noise.draw.seek]
#[test]
fn any_range_is_drawn_alone() {
    for law in [
        Law::skellam(number("20")).unwrap(),
        Law::skellam(number("5000000")).unwrap(),
        Law::discrete_laplace(number("1000")).unwrap(),
    ] {
        let sampler = Sampler::compile(&law).unwrap();
        let stream = NoiseStream::new(KeystreamKey::new([3; 32]));
        let mut all = vec![0; 3000];
        sampler.add(&stream, 0, &mut all);
        for (first, count) in [(0, 1), (1, 7), (1023, 2), (999, 2001), (2999, 1), (17, 0)] {
            let mut some = vec![0; count];
            sampler.add(&stream, first as u64, &mut some);
            assert_eq!(some, all[first..first + count]);
        }
        sampler.subtract(&stream, 0, &mut all);
        assert!(all.iter().all(|value| *value == 0));
    }
}

// spec: [noise.parts.sum] [noise.parts.polya] [noise.parts.gaussian]
#[test]
fn wide_laws_are_sums_of_few_table_draws() {
    for (law, draws) in [
        (Law::skellam(number("1500000")).unwrap(), 1),
        (Law::skellam(number("6000000")).unwrap(), 4),
        (Law::polya(number("3"), number("2.5")).unwrap(), 3),
        (Law::discrete_laplace(number("1000000")).unwrap(), 2),
        (Law::discrete_gaussian(number("1e10")).unwrap(), 2),
    ] {
        let sampler = Sampler::compile(&law).unwrap();
        assert_eq!(sampler.terms.len(), draws, "{law:?}");
        assert!(
            *sampler.distance() < Rational::power_of_half(108),
            "{law:?}"
        );
        // The mean square of 40 000 draws is within six of its standard deviations (kurtosis at most 6).
        let (mean, square) = moments(&drawn(&law, 9, 40_000));
        let exact = law.variance().upper.to_f64_up();
        assert!(
            (square / exact - 1.0).abs() < 6.0 * (5.0_f64 / 40_000.0).sqrt(),
            "{law:?} {square} {exact}"
        );
        assert!(
            mean.abs() < 6.0 * (exact / 40_000.0).sqrt(),
            "{law:?} {mean}"
        );
    }
}

// spec: [noise.table.size]
#[test]
fn what_no_sum_of_tables_gives_is_refused() {
    assert!(matches!(
        Sampler::compile(&Law::skellam(number("1e9")).unwrap()),
        Err(SamplerError::TooManyParts { found: 667 })
    ));
    for law in [
        Law::discrete_gaussian(number("1e12")).unwrap(),
        Law::discrete_laplace(number("1e12")).unwrap(),
    ] {
        assert_eq!(
            Sampler::compile(&law).unwrap_err(),
            SamplerError::Table(TableError::TooWide)
        );
    }
}

// spec: [noise.parts.shares]
#[test]
fn wide_shares_of_laplace_noise_are_refused_with_what_else_there_is() {
    let compiled = |scale: &str, shape: &str| {
        let law = Law::polya(number(scale), number(shape)).unwrap();
        Sampler::compile(&law)
    };
    for (scale, shape) in [("212", "9/10"), ("235", "1/100")] {
        assert!(compiled(scale, shape).is_ok(), "{scale} {shape}");
    }
    for (scale, shape) in [("213", "9/10"), ("236", "1/100"), ("1000", "5/2")] {
        let refused = compiled(scale, shape).unwrap_err();
        let (scale, shape) = (number(scale), number(shape));
        assert_eq!(refused, SamplerError::WideShares { scale, shape });
        let text = refused.to_string();
        for word in ["coarser grid", "Skellam", "local"] {
            assert!(text.contains(word), "{text}");
        }
    }
    // the whole has digits
    assert!(compiled("236", "1").is_ok());
}

/// A share that is made of digits would need a low one of this law: its mass at `b` is negative.
// spec: [noise.parts.shares]
#[test]
fn no_low_digit_of_a_share_exists() {
    let (p, b) = (0.9_f64, 4_usize);
    for r in [0.5, 0.1, 0.01] {
        // ((1 - p^b z^b) / (1 - p z))^r by the recursion of its logarithmic derivative
        let slope = |k: usize| {
            let whole = if k.is_multiple_of(b) { b as f64 } else { 0.0 };
            r * p.powi(k as i32) * (1.0 - whole)
        };
        let mut half = vec![1.0];
        for n in 1..400 {
            let terms = (1..=n).map(|k| slope(k) * half[n - k]);
            half.push(terms.sum::<f64>() / n as f64);
        }
        let both: f64 = (0..400 - b).map(|k| half[k] * half[k + b]).sum();
        assert!(both < 0.0, "{r}: {both}");
        assert!((both / r - p.powi(b as i32) * (1.0 / b as f64 - 1.0)).abs() < 2.0 * r);
    }
}

/// False alarm rate 3e-9 each, over one fixed key: it fails forever or never.
// spec: [noise.draw]
#[test]
fn draws_follow_the_law() {
    for law in [
        Law::skellam(number("0.05")).unwrap(),
        Law::skellam(number("30")).unwrap(),
        Law::polya(number("4"), number("1/20")).unwrap(),
        Law::discrete_laplace(number("2.5")).unwrap(),
        Law::discrete_gaussian(number("40")).unwrap(),
    ] {
        follows(&law, &drawn(&law, 11, 200_000));
    }
}

/// Masses of `low + stride * high` against those of the whole law, as intervals: the lemmas behind wide laws, on narrow
/// ones.
// spec: [noise.parts.polya] [noise.parts.gaussian]
#[test]
fn two_digits_have_the_masses_of_the_whole() {
    let laplace = |scale: &str| PartLaw::Polya {
        scale: number(scale),
        shape: number("1"),
    };
    let gaussian = |parameter: &str| PartLaw::DiscreteGaussian {
        parameter: number(parameter),
    };
    let digit = PartLaw::LaplaceDigit {
        scale: number("4"),
        base: 3,
    };
    for (low, high, stride, whole) in [
        (digit, laplace("4/3"), 3, laplace("4")),
        // 1 / (4 / 27 + 1 / 100) is above 9 / 2.
        (gaussian("27"), gaussian("100"), 2, gaussian("427")),
    ] {
        let [low, high, whole] = [low, high, whole].map(|law| law.masses(1024).magnitudes);
        let at = |masses: &[Enclosure], x: i64| {
            let mass = masses.get(x.unsigned_abs() as usize).cloned();
            let mass = mass.unwrap_or_else(|| Enclosure::integer(0));
            if x == 0 { mass } else { mass.over_integer(2) }
        };
        for x in [0i64, 1, 2, 3, 7, 30, 60] {
            let sum = (-250..=250i64).fold(Enclosure::integer(0), |sum, y| {
                sum.plus(&at(&high, y).times(&at(&low, x - stride * y)))
            });
            let wanted = at(&whole, x);
            // What is left out beyond 250, and the lemma's distance.
            let slack = Rational::power_of_half(126);
            assert!(sum.lower() <= &wanted.upper() + &slack, "{x}");
            assert!(wanted.lower() <= &sum.upper() + &slack, "{x}");
        }
    }
}

/// The exact law of a wide discrete Laplace, though it is drawn in two digits.
#[test]
fn digits_give_the_wide_law() {
    let values = drawn(&Law::discrete_laplace(number("1000")).unwrap(), 12, 200_000);
    let binned: Vec<i64> = values
        .iter()
        .map(|v| v.unsigned_abs() as i64 / 100)
        .collect();
    // P(|X| >= 100 j) = 2 p^(100 j) / (1 + p) for j >= 1.
    let p = (-1.0_f64 / 1000.0).exp();
    for j in 1..40 {
        let exact = 2.0 * p.powi(100 * j) / (1.0 + p);
        let found = binned.iter().filter(|b| **b >= i64::from(j)).count() as f64 / 200_000.0;
        assert!(
            (found - exact).abs() < 6.0 * (exact / 200_000.0).sqrt(),
            "{j} {found} {exact}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_value_leaves_the_bound(variance in 1u64..2000, key: u8) {
        let law = Law::skellam(Rational::new(variance, 7).unwrap()).unwrap();
        let bound = Sampler::compile(&law).unwrap().bound().get();
        prop_assert!(drawn(&law, key, 500).iter().all(|v| v.unsigned_abs() <= bound));
    }
}
