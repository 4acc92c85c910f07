//! Not for arithmetic on vectors: every operation allocates.
//!
//! What it is for: the parameters of laws, plans and sensitivities, which must be the same number on every machine.

mod float;
mod text;

pub use self::text::ParseRationalError;

use std::cmp::Ordering;
use std::iter::Sum;
use std::ops::{Add, Mul};

use num_bigint::BigUint;
use num_integer::Integer;
use num_traits::{One, ToPrimitive, Zero};

/// A non-negative rational number, in lowest terms.
///
/// ```
/// use veilsum_dp::Rational;
///
/// let a: Rational = "0.25".parse()?;
/// let b: Rational = "3/4".parse()?;
/// assert_eq!(&a + &b, Rational::integer(1));
/// assert_eq!(a.to_string(), "1/4");
/// # Ok::<(), veilsum_dp::ParseRationalError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    numerator: BigUint,
    denominator: BigUint,
}

impl Rational {
    /// `numerator / denominator`, or nothing if the denominator is zero.
    #[must_use]
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        Self::from_big(numerator.into(), denominator.into())
    }

    /// A whole number.
    #[must_use]
    pub fn integer(value: u64) -> Self {
        Self {
            numerator: value.into(),
            denominator: BigUint::one(),
        }
    }

    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self::integer(0)
    }

    pub(crate) fn from_big(numerator: BigUint, denominator: BigUint) -> Option<Self> {
        if denominator.is_zero() {
            return None;
        }
        let common = numerator.gcd(&denominator);
        Some(Self {
            numerator: numerator / &common,
            denominator: denominator / common,
        })
    }

    /// `2^-bits`.
    #[must_use]
    pub fn power_of_half(bits: u32) -> Self {
        Self {
            numerator: BigUint::one(),
            denominator: BigUint::one() << bits,
        }
    }

    pub(crate) const fn numerator(&self) -> &BigUint {
        &self.numerator
    }

    pub(crate) const fn denominator(&self) -> &BigUint {
        &self.denominator
    }

    /// Whether the number is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.numerator.is_zero()
    }

    /// The difference, or nothing if it is negative.
    #[must_use]
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        let left = &self.numerator * &other.denominator;
        let right = &other.numerator * &self.denominator;
        if left < right {
            return None;
        }
        Self::from_big(left - right, &self.denominator * &other.denominator)
    }

    /// The quotient, or nothing if the divisor is zero.
    #[must_use]
    pub fn checked_div(&self, divisor: &Self) -> Option<Self> {
        Self::from_big(
            &self.numerator * &divisor.denominator,
            &self.denominator * &divisor.numerator,
        )
    }

    /// The square.
    #[must_use]
    pub fn squared(&self) -> Self {
        self * self
    }

    /// A rational at most `2^-64` (and one part in `2^64` of the root) above the square root, never below it.
    #[must_use]
    pub fn sqrt_up(&self) -> Self {
        // sqrt(a / b) = sqrt(a b) / b; the extra bits make the rounding of the root small.
        let scaled: BigUint = (&self.numerator * &self.denominator) << 128u32;
        let floor = scaled.sqrt();
        let root = if &floor * &floor == scaled {
            floor
        } else {
            floor + BigUint::one()
        };
        Self::from_big(root, &self.denominator << 64u32).unwrap_or_else(Self::zero)
    }

    /// The largest whole number not above.
    #[must_use]
    pub fn floor(&self) -> Self {
        Self {
            numerator: &self.numerator / &self.denominator,
            denominator: BigUint::one(),
        }
    }

    /// The smallest whole number not below.
    #[must_use]
    pub fn ceil(&self) -> Self {
        Self {
            numerator: self.numerator.div_ceil(&self.denominator),
            denominator: BigUint::one(),
        }
    }

    /// The largest whole number not above, if it fits.
    #[must_use]
    pub fn floor_u64(&self) -> Option<u64> {
        (&self.numerator / &self.denominator).to_u64()
    }

    /// The largest whole number not above, if it fits.
    #[must_use]
    pub fn floor_u128(&self) -> Option<u128> {
        (&self.numerator / &self.denominator).to_u128()
    }

    /// The smallest whole number not below, if it fits.
    #[must_use]
    pub fn ceil_u64(&self) -> Option<u64> {
        self.numerator.div_ceil(&self.denominator).to_u64()
    }

    /// The smaller of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Ord::min(self, other)
    }
}

impl Add for &Rational {
    type Output = Rational;

    fn add(self, other: Self) -> Rational {
        let numerator = &self.numerator * &other.denominator + &other.numerator * &self.denominator;
        let denominator = &self.denominator * &other.denominator;
        let common = numerator.gcd(&denominator);
        Rational {
            numerator: numerator / &common,
            denominator: denominator / common,
        }
    }
}

impl Mul for &Rational {
    type Output = Rational;

    fn mul(self, other: Self) -> Rational {
        let numerator = &self.numerator * &other.numerator;
        let denominator = &self.denominator * &other.denominator;
        let common = numerator.gcd(&denominator);
        Rational {
            numerator: numerator / &common,
            denominator: denominator / common,
        }
    }
}

impl Sum for Rational {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::zero(), |sum, term| &sum + &term)
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.numerator * &other.denominator).cmp(&(&other.numerator * &self.denominator))
    }
}

impl From<u64> for Rational {
    fn from(value: u64) -> Self {
        Self::integer(value)
    }
}

#[cfg(test)]
mod tests;
