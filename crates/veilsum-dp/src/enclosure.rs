//! Not for speed, and not for signed numbers.
//!
//! What it is for: intervals that surely hold a non-negative real, with ends in units of `2^-256`. Every operation
//! rounds the lower end down and the upper end up, so what comes out is a proof, not an estimate.

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::{One, Zero};

use crate::Rational;

/// `lower * 2^-256 <= x <= upper * 2^-256`.
#[derive(Clone, Debug)]
pub(crate) struct Enclosure {
    lower: BigUint,
    upper: BigUint,
}

impl Enclosure {
    /// The interval around one rational.
    pub fn of(value: &Rational) -> Self {
        let scaled = value.numerator() << FRACTION_BITS;
        Self {
            lower: &scaled / value.denominator(),
            upper: scaled.div_ceil(value.denominator()),
        }
    }

    pub fn integer(value: u64) -> Self {
        let scaled = BigUint::from(value) << FRACTION_BITS;
        Self {
            lower: scaled.clone(),
            upper: scaled,
        }
    }

    /// From the lower end of one interval to the upper end of another.
    pub fn between(low: &Self, high: &Self) -> Self {
        Self {
            lower: low.lower.clone(),
            upper: high.upper.clone(),
        }
    }

    /// Encloses `exp(-x)`.
    pub fn exp_negative(x: &Rational) -> Self {
        // exp(x / 2^halvings) by its series: all terms positive, the rest at most twice the first term left out.
        let halvings = u32::try_from(x.ceil().numerator().bits()).unwrap_or(u32::MAX);
        let small = Self::of(&(x * &Rational::power_of_half(halvings + 1)));
        let mut sum = Self::integer(1);
        let mut term = Self::integer(1);
        let mut index = 1;
        while term.upper > BigUint::one() {
            term = term.times(&small).over_integer(index);
            sum = sum.plus(&term);
            index += 1;
        }
        sum.upper += 2u8;
        let mut power = Self::integer(1).over(&sum);
        for _ in 0..=halvings {
            power = power.times(&power);
        }
        power
    }

    pub fn plus(&self, other: &Self) -> Self {
        Self {
            lower: &self.lower + &other.lower,
            upper: &self.upper + &other.upper,
        }
    }

    /// The difference, cut at zero.
    pub fn minus(&self, other: &Self) -> Self {
        let cut = |a: &BigUint, b: &BigUint| if a > b { a - b } else { BigUint::zero() };
        Self {
            lower: cut(&self.lower, &other.upper),
            upper: cut(&self.upper, &other.lower),
        }
    }

    pub fn times(&self, other: &Self) -> Self {
        Self {
            lower: (&self.lower * &other.lower) >> FRACTION_BITS,
            upper: up(&self.upper * &other.upper),
        }
    }

    pub fn times_integer(&self, factor: u64) -> Self {
        Self {
            lower: &self.lower * factor,
            upper: &self.upper * factor,
        }
    }

    pub fn over_integer(&self, divisor: u64) -> Self {
        let divisor = BigUint::from(divisor);
        Self {
            lower: &self.lower / &divisor,
            upper: self.upper.div_ceil(&divisor),
        }
    }

    /// The quotient. The divisor must be surely positive; its lower end is taken as at least one unit.
    pub fn over(&self, divisor: &Self) -> Self {
        let least = Ord::max(&divisor.lower, &BigUint::one()).clone();
        let most = Ord::max(&divisor.upper, &BigUint::one()).clone();
        Self {
            lower: (&self.lower << FRACTION_BITS) / most,
            upper: (&self.upper << FRACTION_BITS).div_ceil(&least),
        }
    }

    /// The interval of a value that is known to be at most one.
    pub fn at_most_one(self) -> Self {
        let one = BigUint::one() << FRACTION_BITS;
        Self {
            lower: self.lower.min(one.clone()),
            upper: self.upper.min(one),
        }
    }

    /// Whether the value is surely below one.
    pub fn below_one(&self) -> bool {
        self.upper.bits() <= FRACTION_BITS
    }

    /// The same upper end, with zero as the lower one.
    pub fn or_less(self) -> Self {
        Self {
            lower: BigUint::zero(),
            upper: self.upper,
        }
    }

    /// The lower end.
    pub fn lower(&self) -> Rational {
        from_units(self.lower.clone())
    }

    /// The upper end.
    pub fn upper(&self) -> Rational {
        from_units(self.upper.clone())
    }

    /// How far apart the ends are.
    #[cfg(test)]
    pub fn width(&self) -> Rational {
        from_units(&self.upper - &self.lower)
    }

    /// Whether the upper end is at most `2^-bits`.
    pub fn at_most_half_to(&self, bits: u64) -> bool {
        self.upper <= BigUint::one() << (FRACTION_BITS - bits)
    }

    /// The whole number of `2^-bits` below the lower end, and how far above it the value may be in units of `2^-256`.
    pub fn cut(&self, bits: u64) -> (BigUint, BigUint) {
        let dropped = FRACTION_BITS - bits;
        let whole = &self.lower >> dropped;
        let excess = &self.upper - (&whole << dropped);
        (whole, excess)
    }

    pub const fn upper_units(&self) -> &BigUint {
        &self.upper
    }
}

/// `units * 2^-256`.
pub(crate) fn from_units(units: BigUint) -> Rational {
    Rational::from_big(units, BigUint::one() << FRACTION_BITS).unwrap_or_else(Rational::zero)
}

/// Divides a product by the unit, rounding up.
fn up(product: BigUint) -> BigUint {
    let mask_was_zero = product
        .trailing_zeros()
        .is_none_or(|zeros| zeros >= FRACTION_BITS);
    (product >> FRACTION_BITS) + u8::from(!mask_was_zero)
}

const FRACTION_BITS: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Rational {
        text.parse().unwrap()
    }

    #[test]
    fn exponentials_hold_their_published_digits() {
        // Digits of exp(-1) and exp(-1/10), OEIS A068985 and A092426 style expansions.
        for (x, low, high) in [
            (
                "1",
                "0.36787944117144232159552377016146086",
                "0.36787944117144232159552377016146087",
            ),
            (
                "0.1",
                "0.90483741803595957316424905944643662",
                "0.90483741803595957316424905944643663",
            ),
            (
                "20",
                "0.00000000206115362243855782796594038",
                "0.00000000206115362243855782796594039",
            ),
        ] {
            let value = Enclosure::exp_negative(&number(x));
            assert!(
                value.lower() >= number(low) && value.upper() <= number(high),
                "{x}"
            );
            assert!(value.width() < Rational::power_of_half(240), "{x}");
        }
        assert_eq!(
            Enclosure::exp_negative(&Rational::zero()).upper(),
            Rational::integer(1)
        );
    }

    #[test]
    fn operations_enclose_exact_results() {
        let (a, b) = (number("2/7"), number("5/13"));
        let (x, y) = (Enclosure::of(&a), Enclosure::of(&b));
        for (found, exact) in [
            (x.plus(&y), &a + &b),
            (y.minus(&x), b.checked_sub(&a).unwrap()),
            (x.times(&y), &a * &b),
            (x.over(&y), a.checked_div(&b).unwrap()),
        ] {
            assert!(found.lower() <= exact && exact <= found.upper());
            assert!(found.width() < Rational::power_of_half(250));
        }
    }
}
