//! Not interval arithmetic: one end only.
//!
//! What it is for: float operations whose result is never below the exact one, so that an epsilon errs to one side alone.
//! `spec/noise.md`, section 8.1.

/// The least float not below `a + b`.
// spec: [noise.account.rounding]
pub(super) fn plus(a: f64, b: f64) -> f64 {
    let sum = a + b;
    // what was lost, exactly (Knuth)
    let part = sum - a;
    let lost = (a - (sum - part)) + (b - part);
    at_least(sum, lost)
}

/// The least float not below `a * b`.
pub(super) fn times(a: f64, b: f64) -> f64 {
    let product = a * b;
    at_least(product, a.mul_add(b, -product))
}

/// The least float not below `a / b`, with `b` above 0.
pub(super) fn over(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    at_least(quotient, (-quotient).mul_add(b, a))
}

fn at_least(found: f64, lost: f64) -> f64 {
    match lost > 0.0 {
        true => found.next_up(),
        false => found,
    }
}

/// Not below the exact value of a logarithm or an exponential that the platform gave.
pub(super) fn of_platform(found: f64) -> f64 {
    plus(found, found.abs() * PLATFORM)
}

/// Not above it.
pub(super) fn below_platform(found: f64) -> f64 {
    -of_platform(-found)
}

/// Not below what the conversion to epsilon adds to the divergence of an order, `ln(1 - 1/a) - ln(delta a) / (a - 1)`.
// spec: [noise.account.conversion]
pub(super) fn surcharge(order: f64, delta: f64) -> f64 {
    let first = of_platform(over(-1.0, order).ln_1p());
    let log = below_platform((delta * order).next_down().max(0.0).ln());
    // the difference is exact: it is a multiple of the last place of the order, and smaller
    plus(first, over(-log, order - 1.0))
}

/// Logarithms and exponentials of the platform err by less than this part of them: 2^-50, four units in the last place.
const PLATFORM: f64 = 1.0 / 1_125_899_906_842_624.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rational;

    fn exact(number: f64) -> Rational {
        Rational::from_f64(number).unwrap()
    }

    // spec: [noise.account.rounding]
    #[test]
    fn results_are_the_least_floats_not_below_the_exact_ones() {
        let numbers = [
            1.0,
            8.0,
            5.0,
            0.1,
            1.0 / 3.0,
            1e-9,
            12_345.678_9,
            1e17,
            3e-30,
        ];
        for a in numbers {
            for b in numbers {
                let (x, y) = (exact(a), exact(b));
                for (found, wanted) in [
                    (plus(a, b), &x + &y),
                    (times(a, b), &x * &y),
                    (over(a, b), x.checked_div(&y).unwrap()),
                ] {
                    assert_eq!(found, wanted.to_f64_up(), "{a} {b}");
                }
            }
        }
        // the exact one is a float
        assert_eq!(
            (times(8.0, 5.0), plus(8.0, 5.0), over(40.0, 5.0)),
            (40.0, 13.0, 8.0)
        );
        assert_eq!(plus(f64::INFINITY, 1.0), f64::INFINITY);
        assert_eq!(over(-1.0, 3.0), -1.0 / 3.0);
        assert!(exact(-over(-1.0, 3.0)) <= Rational::new(1, 3).unwrap());
        assert!(over(-1.0, 10.0) > -0.1);
    }
}
