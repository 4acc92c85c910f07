//! Rationals as people and files write them.

use std::fmt;
use std::str::FromStr;

use num_bigint::BigUint;
use num_traits::One;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::Rational;

/// What is wrong with the text of a rational.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseRationalError {
    /// Neither `12`, `0.25`, `1e-6` nor `3/4`.
    #[error("found {found:?}, wanted a number such as 12, 0.25, 1e-6 or 3/4")]
    NotANumber {
        /// The text, at most its first 64 characters.
        found: String,
    },
    /// More digits than a parameter needs.
    #[error("found a number of {found} characters, wanted at most {MAX_CHARACTERS}")]
    TooLong {
        /// Characters of the text.
        found: usize,
    },
    /// The exponent is out of range.
    #[error("found the exponent {found}, wanted -{MAX_EXPONENT} to {MAX_EXPONENT}")]
    Exponent {
        /// The exponent.
        found: i32,
    },
    /// The denominator is zero.
    #[error("found a denominator of zero")]
    ZeroDenominator,
}

impl FromStr for Rational {
    type Err = ParseRationalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_CHARACTERS {
            return Err(ParseRationalError::TooLong { found: text.len() });
        }
        let not_a_number = || ParseRationalError::NotANumber {
            found: text.chars().take(64).collect(),
        };
        if let Some((numerator, denominator)) = text.split_once('/') {
            let numerator = digits(numerator).ok_or_else(not_a_number)?;
            let denominator = digits(denominator).ok_or_else(not_a_number)?;
            return Self::from_big(numerator, denominator)
                .ok_or(ParseRationalError::ZeroDenominator);
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().map_err(|_| not_a_number())?),
            None => (text, 0_i32),
        };
        if exponent.unsigned_abs() > MAX_EXPONENT {
            return Err(ParseRationalError::Exponent { found: exponent });
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let value = digits(&format!("{whole}{fraction}")).ok_or_else(not_a_number)?;
        if whole.is_empty() || fraction.is_empty() {
            return Err(not_a_number());
        }
        let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX) - exponent;
        let power = BigUint::from(10u8).pow(places.unsigned_abs());
        let (numerator, denominator) = if places > 0 {
            (value, power)
        } else {
            (value * power, BigUint::one())
        };
        Self::from_big(numerator, denominator).ok_or(ParseRationalError::ZeroDenominator)
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.numerator.fmt(f)?;
        if !self.denominator.is_one() {
            write!(f, "/{}", self.denominator)?;
        }
        Ok(())
    }
}

impl Serialize for Rational {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rational {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

fn digits(text: &str) -> Option<BigUint> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| BigUint::parse_bytes(text.as_bytes(), 10))?
}

const MAX_CHARACTERS: usize = 256;
const MAX_EXPONENT: u32 = 60;
