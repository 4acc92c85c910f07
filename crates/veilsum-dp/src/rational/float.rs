//! Floats as the rationals they are, and back with a stated direction; bits only, no float arithmetic.

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::{One, ToPrimitive, Zero};

use super::Rational;

impl Rational {
    /// The exact value of a float, or nothing if it is negative, infinite or NaN.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        let bits = value.to_bits();
        if bits == SIGN {
            return Some(Self::zero());
        }
        let exponent = bits >> FRACTION;
        if exponent >= INFINITE {
            return None; // infinite, NaN, or the sign is set
        }
        let fraction = bits & ((1 << FRACTION) - 1);
        let (mantissa, exponent) = match exponent {
            0 => (fraction, 1),
            _ => (fraction | 1 << FRACTION, exponent),
        };
        let mantissa = BigUint::from(mantissa);
        if exponent >= UNIT {
            Some(Self {
                numerator: mantissa << (exponent - UNIT),
                denominator: BigUint::one(),
            })
        } else {
            Self::from_big(mantissa, BigUint::one() << (UNIT - exponent))
        }
    }

    /// The smallest float not below.
    #[must_use]
    pub fn to_f64_up(&self) -> f64 {
        self.to_f64(true)
    }

    /// The largest float not above.
    #[must_use]
    pub fn to_f64_down(&self) -> f64 {
        self.to_f64(false)
    }

    fn to_f64(&self, up: bool) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        // A shift that leaves 53 or 54 bits of quotient; subnormal results keep fewer.
        let width = |number: &BigUint| i64::try_from(number.bits()).unwrap_or(i64::MAX);
        let shift = (54 - (width(&self.numerator) - width(&self.denominator))).min(LEAST);
        let (quotient, rest) = if shift >= 0 {
            (&self.numerator << shift).div_rem(&self.denominator)
        } else {
            self.numerator
                .div_rem(&(&self.denominator << shift.unsigned_abs()))
        };
        let excess = quotient.bits().saturating_sub(53);
        let mut mantissa = (&quotient >> excess).to_u64().unwrap_or(0);
        let exact = rest.is_zero() && (BigUint::from(mantissa) << excess) == quotient;
        mantissa += u64::from(up && !exact);
        let exponent = i64::try_from(excess).unwrap_or(i64::MAX) - shift;
        assemble(mantissa, exponent)
    }
}

/// `mantissa * 2^exponent`, mantissa at most `2^53`, exponent at least that of the least subnormal.
fn assemble(mantissa: u64, exponent: i64) -> f64 {
    let normal = mantissa >= 1 << FRACTION;
    let biased = exponent + UNIT as i64;
    if !normal {
        return f64::from_bits(mantissa);
    }
    if biased >= INFINITE as i64 {
        return f64::INFINITY;
    }
    // A mantissa of 2^53 carries into the exponent, which is what rounding up wants.
    f64::from_bits(((biased as u64 - 1) << FRACTION) + mantissa)
}

const FRACTION: u32 = 52;
const SIGN: u64 = 1 << 63;
const INFINITE: u64 = 0x7ff;
/// Biased exponent of a float whose mantissa, read as an integer, is its value.
const UNIT: u64 = 1023 + 52;
/// Largest shift: the unit of subnormals is `2^-1074`.
const LEAST: i64 = 1074;
