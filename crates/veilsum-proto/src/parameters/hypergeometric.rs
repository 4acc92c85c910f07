//! Not for long searches: each call sums big integers from scratch. [`walk`](super::walk) is for those.
//!
//! Hypergeometric probabilities as exact fractions: `drawn` of `population` are drawn without replacement, `marked` of the
//! population are marked, and `X` counts the marked among the drawn.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "BigUint grows as needed; subtractions and divisors are guarded by the support of the law"
)]

use num_bigint::BigUint;
use num_traits::{One as _, ToPrimitive as _, Zero as _};

/// The law of the number of marked among the drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypergeometric {
    population: u32,
    marked: u32,
    drawn: u32,
}

/// Exact fraction from 0 to 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// Not above the denominator; the fraction need not be in lowest terms.
    pub numerator: BigUint,
    /// Not zero.
    pub denominator: BigUint,
}

impl Hypergeometric {
    /// The law; `marked` and `drawn` above `population` are taken as `population`.
    pub fn new(population: u32, marked: u32, drawn: u32) -> Self {
        Self {
            population,
            marked: marked.min(population),
            drawn: drawn.min(population),
        }
    }

    /// `P[X = count]`.
    pub fn exactly(&self, count: u32) -> Fraction {
        self.fraction(self.ways(count))
    }

    /// `P[X > count]`.
    pub fn above(&self, count: u32) -> Fraction {
        let mut sum = BigUint::zero();
        let first = self.least().max(count.saturating_add(1));
        let mut ways = self.ways(first);
        for count in first..=self.most() {
            sum += &ways;
            // ways(x + 1) / ways(x) = (M - x)(D - x) / ((x + 1)(N - M - D + x + 1))
            ways *= u64::from(self.marked - count) * u64::from(self.drawn - count);
            ways /= (u64::from(count) + 1) * self.unmarked_left(count + 1).max(1);
        }
        self.fraction(sum)
    }

    /// `P[X <= count]`.
    pub fn at_most(&self, count: u32) -> Fraction {
        let Fraction {
            numerator,
            denominator,
        } = self.above(count);
        Fraction {
            numerator: &denominator - numerator,
            denominator,
        }
    }

    /// Fewest marked that can be among the drawn.
    fn least(&self) -> u32 {
        self.drawn.saturating_sub(self.population - self.marked)
    }

    /// Most marked that can be among the drawn.
    fn most(&self) -> u32 {
        self.drawn.min(self.marked)
    }

    /// Unmarked ones that stay behind when `count` of the drawn are marked; `count` must not be below the least.
    fn unmarked_left(&self, count: u32) -> u64 {
        let unmarked = u64::from(self.population - self.marked);
        unmarked + u64::from(count) - u64::from(self.drawn)
    }

    /// Sets of `drawn` with `count` marked.
    fn ways(&self, count: u32) -> BigUint {
        if count < self.least() || count > self.most() {
            return BigUint::zero();
        }
        binomial(self.marked, count) * binomial(self.population - self.marked, self.drawn - count)
    }

    fn fraction(&self, numerator: BigUint) -> Fraction {
        Fraction {
            numerator,
            denominator: binomial(self.population, self.drawn),
        }
    }
}

impl Fraction {
    /// Whether `times * self <= 2^-exponent`, exactly.
    pub fn is_rare(&self, times: u64, exponent: u64) -> bool {
        (&self.numerator * times) << exponent <= self.denominator
    }

    /// Nearest float, for people; decides nothing.
    pub fn to_f64(&self) -> f64 {
        let scaled = (&self.numerator << DISPLAY_BITS) / &self.denominator;
        // 2^1000 is a float, and so is a value below it
        scaled.to_f64().unwrap_or(f64::INFINITY) / 2f64.powi(DISPLAY_BITS)
    }
}

/// `n` over `k`; zero when `k` is above `n`.
pub fn binomial(n: u32, k: u32) -> BigUint {
    if k > n {
        return BigUint::zero();
    }
    let k = k.min(n - k);
    let mut value = BigUint::one();
    for step in 1..=k {
        value *= n - k + step;
        value /= step;
    }
    value
}

const DISPLAY_BITS: i32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn binomials_follow_pascal() {
        assert_eq!(binomial(0, 0), BigUint::one());
        assert_eq!(binomial(4, 5), BigUint::zero());
        for n in 1..40u32 {
            for k in 1..=n {
                assert_eq!(
                    binomial(n, k),
                    binomial(n - 1, k - 1) + binomial(n - 1, k),
                    "{n} {k}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn probabilities_add_up(population in 0u32..60, marked in 0u32..60, drawn in 0u32..60) {
            let law = Hypergeometric::new(population, marked, drawn);
            let whole: BigUint = (0..=population).map(|count| law.exactly(count).numerator).sum();
            prop_assert_eq!(&whole, &law.exactly(0).denominator);
            for limit in 0..=population {
                let tail: BigUint = (limit + 1..=population).map(|count| law.exactly(count).numerator).sum();
                prop_assert_eq!(&law.above(limit).numerator, &tail);
                prop_assert_eq!(law.at_most(limit).numerator, &whole - tail);
            }
        }
    }
}
