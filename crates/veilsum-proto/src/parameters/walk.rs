//! Not a float shortcut: a probability here is an interval of two integers that encloses it, and where an interval cannot
//! decide, the exact fraction does.
//!
//! The tail `P[X > limit]` of a hypergeometric law, followed while one after the other is drawn. Drawing one more changes the tail
//! by one term, so a search over all degrees up to `n / 3` costs a few operations on short integers per step instead of
//! sums over long ones.
//!
//! With `N` the population, `M` marked, `m` drawn, `x` the limit, `A(m, x) = P[X_m = x]`, `T(m, x) = P[X_m > x]`:
//!
//! - `A(m+1, x)   = A(m, x) (m+1)(N-M-m+x) / ((m+1-x)(N-m))`, `T(m+1, x)   = T(m, x) + A(m, x)(M-x)/(N-m)`: above the limit is who was so, or
//!   who stood at it and drew a marked one;
//! - `A(m+1, x+1) = A(m, x) (m+1)(M-x) / ((x+1)(N-m))`, `T(m+1, x+1) = T(m, x) - A(m+1, x+1)(m-x)/(m+1)`: not above is who was not, or who
//!   reached the new limit by the drawn one before the last, the last being unmarked.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "factors are products of two u32; a draw beyond the population does nothing, so no divisor is zero"
)]

use super::hypergeometric::Hypergeometric;
use super::wide::{Divisor, Wide};
use num_bigint::BigUint;
use num_traits::ToPrimitive as _;

/// A hypergeometric law that grows by one draw at a time, with a limit that stays or goes up by one with each.
///
/// Starts with nothing drawn and limit 0.
#[derive(Clone, Debug)]
pub struct Walk {
    population: u32,
    marked: u32,
    drawn: u32,
    limit: u32,
    at: Bracket,
    above: Bracket,
}

impl Walk {
    /// Nothing drawn yet of `population`, `marked` of which are marked (at most all).
    pub fn new(population: u32, marked: u32) -> Self {
        Self {
            population,
            marked: marked.min(population),
            drawn: 0,
            limit: 0,
            at: Bracket::one(),
            above: Bracket::zero(),
        }
    }

    /// Draws one more; the limit stays. Does nothing once all are drawn.
    pub fn draw(&mut self) {
        let Some(left) = self.left() else { return };
        let mut crossing = self.at;
        crossing.scale(self.marked.saturating_sub(self.limit).into(), left);
        self.above.add(&crossing);

        let unmarked = self.population - self.marked;
        let unmarked_left = u64::from(unmarked.saturating_sub(self.drawn - self.limit));
        let drawn = u64::from(self.drawn) + 1;
        self.at.scale(
            drawn * unmarked_left,
            (drawn - u64::from(self.limit)) * left,
        );
        self.drawn += 1;
    }

    /// Draws one more and raises the limit by one. Does nothing once all are drawn.
    pub fn draw_and_raise(&mut self) {
        let Some(left) = self.left() else { return };
        let drawn = u64::from(self.drawn) + 1;
        let marked_left = u64::from(self.marked.saturating_sub(self.limit));
        self.at
            .scale(drawn * marked_left, (u64::from(self.limit) + 1) * left);

        let mut falling = self.at;
        falling.scale(u64::from(self.drawn - self.limit), drawn);
        self.above.subtract(&falling);
        self.drawn += 1;
        self.limit += 1;
    }

    /// Draws one more and raises the limit only if else `times * P[X > limit] <= 2^-exponent` no longer holds.
    ///
    /// Used from the start with the same arguments it keeps the *smallest* such limit: that of the next draw is the same or one
    /// more, since a draw adds at most one marked.
    pub fn draw_keeping_rare(&mut self, times: u64, exponent: u64) {
        let mut next = self.clone();
        next.draw();
        if !next.is_above_rare(times, exponent) {
            next = self.clone();
            next.draw_and_raise();
        }
        *self = next;
    }

    /// Draws one more with the limit staying or going to `limit`, which is the old one or one more.
    pub fn draw_to(&mut self, limit: u32) {
        if limit > self.limit {
            self.draw_and_raise();
        } else {
            self.draw();
        }
    }

    /// The limit.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many are drawn.
    pub fn drawn(&self) -> u32 {
        self.drawn
    }

    /// Whether `times * P[X > limit] <= 2^-exponent`.
    pub fn is_above_rare(&self, times: u64, exponent: u64) -> bool {
        self.above
            .is_rare(times, exponent)
            .unwrap_or_else(|| self.law().above(self.limit).is_rare(times, exponent))
    }

    /// Whether `times * P[X <= limit] <= 2^-exponent`.
    pub fn is_within_rare(&self, times: u64, exponent: u64) -> bool {
        self.above
            .complement()
            .is_rare(times, exponent)
            .unwrap_or_else(|| self.law().at_most(self.limit).is_rare(times, exponent))
    }

    /// Bounds of `P[X = limit]`, rounded to floats, for people.
    pub fn at_bounds(&self) -> (f64, f64) {
        self.at.to_f64()
    }

    /// Bounds of `P[X <= limit]`, rounded to floats, for people.
    pub fn within_bounds(&self) -> (f64, f64) {
        self.above.complement().to_f64()
    }

    /// How many are not drawn; none when there are none.
    fn left(&self) -> Option<u64> {
        let left = self.population - self.drawn;
        (left > 0).then_some(left.into())
    }

    fn law(&self) -> Hypergeometric {
        Hypergeometric::new(self.population, self.marked, self.drawn)
    }
}

/// Two multiples of `2^-FRACTION_BITS` that enclose a probability.
#[derive(Clone, Copy, Debug)]
struct Bracket {
    low: Wide,
    high: Wide,
}

impl Bracket {
    fn zero() -> Self {
        Self {
            low: Wide::ZERO,
            high: Wide::ZERO,
        }
    }

    fn one() -> Self {
        Self {
            low: Wide::power_of_two(FRACTION_BITS),
            high: Wide::power_of_two(FRACTION_BITS),
        }
    }

    /// Multiplies by `numerator / denominator`, the low end rounded down, the high end up.
    ///
    /// The low end is at most 1, so that its product has room. A high end far above 1 may come to the largest number there is: divided by 64 bits that is above
    /// 1 still, and so above the probability.
    fn scale(&mut self, numerator: u64, denominator: u64) {
        let high = self.high.times(numerator).plus_small(denominator - 1);
        let divisor = Divisor::new(denominator);
        (self.low, self.high) = divisor.both(self.low.times(numerator), high);
    }

    fn add(&mut self, other: &Self) {
        self.low = self.low.plus(&other.low);
        self.high = self.high.plus(&other.high);
    }

    /// Subtracts; what is enclosed is a probability, so ends below 0 are 0.
    fn subtract(&mut self, other: &Self) {
        self.low = self.low.minus(&other.high);
        self.high = self.high.minus(&other.low);
    }

    fn complement(&self) -> Self {
        let one = Wide::power_of_two(FRACTION_BITS);
        Self {
            low: one.minus(&self.high),
            high: one.minus(&self.low),
        }
    }

    /// Whether `times * probability <= 2^-exponent`; none when the ends disagree.
    fn is_rare(&self, times: u64, exponent: u64) -> Option<bool> {
        let exponent = u32::try_from(exponent).ok()?;
        let bound = Wide::power_of_two(FRACTION_BITS.checked_sub(exponent)?);
        let high = self.high.times(times) <= bound;
        let low = self.low.times(times) <= bound;
        (high == low).then_some(high)
    }

    fn to_f64(self) -> (f64, f64) {
        let unit = 0.5_f64.powi(FRACTION_BITS.cast_signed());
        let float = |end: &Wide| end.to_big().to_f64().unwrap_or(f64::INFINITY) * unit;
        (float(&self.low), float(&self.high))
    }
}

impl Wide {
    fn to_big(self) -> BigUint {
        let bytes = self.limbs().map(u64::to_le_bytes);
        BigUint::from_bytes_le(bytes.as_flattened())
    }
}

/// The rules ask for probabilities down to about `2^-73` (`2^-41 / n`); each step loses at most a unit of the last place.
const FRACTION_BITS: u32 = 384;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_walk_encloses_the_exact_law(population in 1u32..60, marked in 0u32..60, raises in prop::collection::vec(any::<bool>(), 1..60)) {
            let mut walk = Walk::new(population, marked);
            for raise in raises {
                if raise { walk.draw_and_raise() } else { walk.draw() }
                prop_assert!(encloses(&walk.at, &walk.law().exactly(walk.limit)), "at {:?}", walk);
                prop_assert!(encloses(&walk.above, &walk.law().above(walk.limit)), "above {:?}", walk);
            }
        }

        #[test]
        fn the_kept_limit_is_the_smallest(population in 1u32..300, marked in 0u32..300, draws in 0u32..100, exponent in 1u64..50) {
            let mut walk = Walk::new(population, marked);
            let draws = draws.min(population);
            for _ in 0..draws {
                walk.draw_keeping_rare(u64::from(population), exponent);
            }
            let law = Hypergeometric::new(population, marked, draws);
            let smallest = (0..=draws).find(|limit| law.above(*limit).is_rare(population.into(), exponent));
            prop_assert_eq!(Some(walk.limit()), smallest);
        }
    }

    #[test]
    fn an_undecided_interval_leaves_it_to_the_exact_fraction() {
        let mut walk = Walk::new(4, 2);
        walk.draw();
        assert!(
            walk.is_within_rare(2, 0) && walk.is_above_rare(1, 1),
            "both tails are exactly one half"
        );
        walk.above.low = Wide::ZERO;
        walk.above.high = Wide::power_of_two(FRACTION_BITS);
        assert_eq!(walk.above.is_rare(1, 1), None);
        assert!(walk.is_above_rare(1, 1));
        assert!(!walk.is_above_rare(1, 2));
    }

    fn encloses(bracket: &Bracket, exact: &super::super::hypergeometric::Fraction) -> bool {
        let scaled = &exact.numerator << FRACTION_BITS;
        bracket.low.to_big() * &exact.denominator <= scaled
            && scaled <= bracket.high.to_big() * &exact.denominator
    }
}
