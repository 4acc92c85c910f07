use super::*;
use crate::law::PartLaw;

fn number(text: &str) -> Rational {
    text.parse().unwrap()
}

/// `floor(2^127 P(|X| <= k))` read off the search itself: the least point whose magnitude is above `k`.
fn threshold(table: &Table, k: i64) -> u128 {
    let above = |point: u128| {
        let mut out = [0];
        table.add(&[point.to_le_bytes()], 0, 1, 1, &mut out);
        out[0] > k
    };
    let (mut low, mut high) = (0, u128::MAX >> 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if above(middle) {
            high = middle
        } else {
            low = middle + 1
        }
    }
    low
}

// spec: [noise.table.exact] [noise.table.clamp]
#[test]
fn thresholds_are_the_cumulative_discrete_laplace_law() {
    // exp(-1/scale) is irrational; compare against an enclosure made another way: P(|X| > k) = 2 p^(k+1) / (1 + p).
    let scale = number("2");
    let table = Table::compile(&PartLaw::Polya {
        scale: scale.clone(),
        shape: Rational::integer(1),
    })
    .unwrap();
    for k in 0..i64::try_from(table.bound()).unwrap() {
        let rate = Rational::new(k as u64 + 1, 1)
            .unwrap()
            .checked_div(&scale)
            .unwrap();
        let p = crate::enclosure::Enclosure::exp_negative(
            &Rational::integer(1).checked_div(&scale).unwrap(),
        );
        let one = crate::enclosure::Enclosure::integer(1);
        let above = crate::enclosure::Enclosure::exp_negative(&rate)
            .times_integer(2)
            .over(&one.plus(&p));
        let (least, excess) = one.minus(&above).cut(127);
        assert!(excess.bits() <= 131);
        assert_eq!(
            num_bigint::BigUint::from(threshold(&table, k)),
            least,
            "{k}"
        );
    }
    let beyond =
        crate::enclosure::Enclosure::exp_negative(&number(&format!("{}/2", table.bound())));
    assert!(beyond.upper() < Rational::power_of_half(111));
}

// spec: [noise.table.distance] [noise.table.steps]
#[test]
fn distance_is_proven_far_below_96_bits() {
    for law in [
        PartLaw::Skellam {
            variance: number("0.001"),
        },
        PartLaw::Skellam {
            variance: number("1000"),
        },
        PartLaw::Skellam {
            variance: number("1500000"),
        },
        PartLaw::Polya {
            scale: number("200"),
            shape: number("0.02"),
        },
        PartLaw::Polya {
            scale: number("0.05"),
            shape: number("1"),
        },
        PartLaw::DiscreteGaussian {
            parameter: number("1500000"),
        },
        PartLaw::DiscreteGaussian {
            parameter: number("0.01"),
        },
        PartLaw::LaplaceDigit {
            scale: number("1e6"),
            base: 10_000,
        },
    ] {
        let table = Table::compile(&law).unwrap();
        assert!(*table.distance() < Rational::power_of_half(110), "{law:?}");
        assert!(!table.distance().is_zero());
        assert!(table.bytes() <= TABLE_BYTES_MAX);
        assert!(1 << table.depth() > table.bound());
    }
}

// spec: [noise.table.exact]
#[test]
fn laws_that_are_next_to_nothing_but_zeros_have_a_table() {
    for law in [
        PartLaw::Polya {
            scale: Rational::new(1, 1_000).unwrap(),
            shape: Rational::new(1, 100).unwrap(),
        },
        PartLaw::DiscreteGaussian {
            parameter: Rational::new(1, 1_000).unwrap(),
        },
    ] {
        let table = Table::compile(&law).unwrap();
        assert_eq!(table.thresholds(), [u128::MAX >> 1], "{law:?}");
        assert!(table.distance() < &Rational::power_of_half(110));
    }
}

// spec: [noise.table.size]
#[test]
fn laws_wider_than_the_largest_table_are_refused() {
    for law in [
        PartLaw::Skellam {
            variance: number("3000000"),
        },
        PartLaw::Polya {
            scale: number("400"),
            shape: number("1"),
        },
        PartLaw::DiscreteGaussian {
            parameter: number("3000000"),
        },
    ] {
        assert_eq!(Table::compile(&law).unwrap_err(), TableError::TooWide);
    }
}

// spec: [noise.draw]
#[test]
fn extreme_draws_are_the_clamp_and_zero() {
    let table = Table::compile(&PartLaw::Skellam {
        variance: number("9"),
    })
    .unwrap();
    let mut out = [0; 4];
    let words = [0, 1 << 127, u128::MAX >> 1, u128::MAX].map(u128::to_le_bytes);
    table.add(&words, 0, 1, 1, &mut out);
    let bound = i64::try_from(table.bound()).unwrap();
    assert_eq!(out, [0, 0, bound, -bound]);
}
