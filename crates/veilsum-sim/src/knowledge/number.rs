//! Integers modulo 2^61 - 1.

use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};

/// A coefficient.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Number(u64);

impl Number {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(1);

    /// The number it must be multiplied with to give 1.
    ///
    /// # Panics
    ///
    /// For 0.
    #[must_use]
    pub fn inverse(self) -> Self {
        assert!(!self.is_zero(), "0 has no inverse");
        let (mut power, mut result, mut exponent) = (self, Self::ONE, MODULUS - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result * power;
            }
            power = power * power;
            exponent >>= 1;
        }
        result
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl Add for Number {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self((self.0 + other.0) % MODULUS)
    }
}

impl Neg for Number {
    type Output = Self;

    fn neg(self) -> Self {
        Self((MODULUS - self.0) % MODULUS)
    }
}

impl Sub for Number {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Number {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0) % u128::from(MODULUS);
        // below the modulus
        Self(product as u64)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > MODULUS / 2 {
            write!(f, "-{}", MODULUS - self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

const MODULUS: u64 = (1 << 61) - 1;
