//! Decimal fractions as a person writes them, without the detour over binary floats.

use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use std::str::FromStr;
use tls_codec::{DeserializeBytes, Error as TlsError, TlsSerialize, TlsSize};
use veilsum_dp::Rational;

/// Exact non-negative decimal number with at most [`Decimal::MAX_PLACES`] digits after the point.
///
/// `0.1` is one tenth, not the nearest binary float: `floor(0.29 x 100)` is 29. Equal values are equal however they were
/// written (`0.10`, `.1`), since trailing zeros are not kept.
///
/// ```
/// # use veilsum_proto::parameters::Decimal;
/// let rate: Decimal = "0.29".parse()?;
/// assert_eq!(rate.floor_times(100), 29);
/// assert_eq!(rate.ceil_times(10), 3);
/// # Ok::<(), veilsum_proto::parameters::DecimalError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TlsSize, TlsSerialize)]
pub struct Decimal {
    /// Value times `10^places`.
    units: u64,
    /// Digits after the point; the last of them is not zero.
    places: u8,
}

/// Why a text or a float is not a [`Decimal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one point: a sign, an exponent, a space, a name, nothing at all.
    #[error("found `{found}`, wanted a plain decimal such as 0.1")]
    NotPlain {
        /// The text.
        found: String,
    },
    /// More digits than the type holds.
    #[error(
        "found `{found}`, wanted at most {} digits after the point and a value below 2^64 units of the last",
        Decimal::MAX_PLACES
    )]
    TooLong {
        /// The text.
        found: String,
    },
}

impl Decimal {
    /// Most digits after the point.
    pub const MAX_PLACES: u8 = 18;

    /// The number 0.
    pub const ZERO: Self = Self {
        units: 0,
        places: 0,
    };

    /// `floor(self * count)`, exact; `u32::MAX` when it is larger than that.
    pub fn floor_times(self, count: u32) -> u32 {
        let product = u128::from(self.units).saturating_mul(u128::from(count));
        let floor = product.checked_div(self.denominator()).unwrap_or(0);
        u32::try_from(floor).unwrap_or(u32::MAX)
    }

    /// `ceil(self * count)`, exact; `u32::MAX` when it is larger than that.
    pub fn ceil_times(self, count: u32) -> u32 {
        let product = u128::from(self.units).saturating_mul(u128::from(count));
        u32::try_from(product.div_ceil(self.denominator())).unwrap_or(u32::MAX)
    }

    /// Whether the number is above 1.
    pub fn exceeds_one(self) -> bool {
        u128::from(self.units) > self.denominator()
    }

    /// So many tenths.
    pub fn from_tenths(tenths: u32) -> Self {
        Self::canonical(u64::from(tenths), 1)
    }

    /// The sum, exact; `None` when it has more digits than the type holds.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let scaled = |number: Self| {
            let factor = 10u64.checked_pow(u32::from(places.checked_sub(number.places)?))?;
            number.units.checked_mul(factor)
        };
        Some(Self::canonical(
            scaled(self)?.checked_add(scaled(other)?)?,
            places,
        ))
    }

    /// The smallest decimal of `places` digits after the point that is not below `value`; `None` when it has more digits
    /// than the type holds.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "fractions of big integers do not overflow"
    )]
    pub fn at_least(value: &Rational, places: u8) -> Option<Self> {
        let power = 10u64.checked_pow(u32::from(places.min(Self::MAX_PLACES)))?;
        let units = (value * &Rational::integer(power)).ceil_u64()?;
        Some(Self::canonical(units, places.min(Self::MAX_PLACES)))
    }

    /// The number as a fraction.
    pub fn to_rational(self) -> Rational {
        let denominator = 10u64.saturating_pow(u32::from(self.places));
        Rational::new(self.units, denominator).unwrap_or_else(Rational::zero)
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    fn denominator(self) -> u128 {
        10u128.saturating_pow(u32::from(self.places))
    }

    /// Drops trailing zeros after the point.
    fn canonical(mut units: u64, mut places: u8) -> Self {
        while places > 0 && units.is_multiple_of(10) {
            units /= 10;
            places = places.saturating_sub(1);
        }
        Self { units, places }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Digits with at most one point that has a digit after it: `0`, `3`, `0.1`, `.05`.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(not_plain(text)),
            Some(parts) => parts,
            None if text.is_empty() => return Err(not_plain(text)),
            None => (text, ""),
        };
        if !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|byte| byte.is_ascii_digit())
        {
            return Err(not_plain(text));
        }
        let fraction = fraction.trim_end_matches('0');
        let places = u8::try_from(fraction.len())
            .ok()
            .filter(|places| *places <= Self::MAX_PLACES)
            .ok_or_else(|| too_long(text))?;
        let units = whole
            .bytes()
            .chain(fraction.bytes())
            .try_fold(0u64, |units, byte| {
                units
                    .checked_mul(10)?
                    .checked_add(u64::from(byte.saturating_sub(b'0')))
            })
            .ok_or_else(|| too_long(text))?;
        Ok(Self::canonical(units, places))
    }
}

impl TryFrom<f64> for Decimal {
    type Error = DecimalError;

    /// The shortest decimal that reads back as this float, which is what was typed.
    fn try_from(value: f64) -> Result<Self, DecimalError> {
        value.to_string().parse()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let denominator = self.denominator();
        let units = u128::from(self.units);
        let whole = units.checked_div(denominator).unwrap_or(0);
        if self.places == 0 {
            return write!(f, "{whole}");
        }
        let fraction = units.checked_rem(denominator).unwrap_or(0);
        write!(
            f,
            "{whole}.{fraction:0places$}",
            places = usize::from(self.places)
        )
    }
}

impl DeserializeBytes for Decimal {
    /// Refuses more than [`Decimal::MAX_PLACES`] digits and trailing zeros: a value has one encoding.
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), TlsError> {
        let (units, rest) = u64::tls_deserialize_bytes(bytes)?;
        let (places, rest) = u8::tls_deserialize_bytes(rest)?;
        let read = Self { units, places };
        if places > Self::MAX_PLACES || read != Self::canonical(units, places) {
            return Err(TlsError::DecodingError(
                "decimal is not in canonical form".into(),
            ));
        }
        Ok((read, rest))
    }
}

/// Reads a decimal from a number or a string of a file.
///
/// # Errors
///
/// [`DecimalError`] as the format's error.
// spec: [task.decimals]
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    deserializer.deserialize_any(DecimalVisitor)
}

struct DecimalVisitor;

impl Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number such as 0.25, or a string with its digits")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        Ok(Decimal::canonical(value, 0))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Decimal, E> {
        Decimal::try_from(value).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }
}

fn not_plain(text: &str) -> DecimalError {
    DecimalError::NotPlain { found: text.into() }
}

fn too_long(text: &str) -> DecimalError {
    DecimalError::TooLong { found: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let sum = |one: &str, other: &str| {
            one.parse::<Decimal>()
                .unwrap()
                .checked_add(other.parse().unwrap())
        };
        assert_eq!(sum("0.1", "0.2"), "0.3".parse().ok());
        assert_eq!(sum("0.05", "0.95"), "1".parse().ok());
        assert_eq!(sum("19", "0.000000000000000001"), None);
    }
    use proptest::prelude::*;
    use tls_codec::Serialize as _;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_value_is_equal_however_it_is_written() {
        assert_eq!(decimal("0.10"), decimal(".1"));
        assert_eq!(decimal("0.000"), Decimal::ZERO);
        assert_eq!(decimal("007.50").to_string(), "7.5");
        assert_eq!(Decimal::try_from(0.05), Ok(decimal(".05")));
    }

    #[test]
    fn decimals_and_fractions_are_the_same_numbers() {
        let third = Rational::new(1, 3).unwrap();
        assert_eq!(Decimal::at_least(&third, 2), "0.34".parse().ok());
        assert_eq!(Decimal::at_least(&third, 0), "1".parse().ok());
        assert_eq!(
            Decimal::at_least(&Rational::integer(7), 6),
            "7".parse().ok()
        );
        assert_eq!(Decimal::at_least(&Rational::integer(1 << 50), 6), None);
        assert_eq!(decimal("0.25").to_rational(), Rational::new(1, 4).unwrap());
        assert_eq!(decimal("0.000001").to_f64(), 1e-6);
        let least = decimal("0.000000000000000001");
        assert_eq!(
            least.to_rational(),
            Rational::new(1, 1_000_000_000_000_000_000).unwrap()
        );
    }

    #[test]
    fn products_are_exact_where_floats_are_not() {
        assert!((0.29f64 * 100.0).floor() < 29.0);
        assert_eq!(decimal("0.29").floor_times(100), 29);
        assert_eq!(decimal("0.07").ceil_times(100), 7);
        assert_eq!(decimal("0.1").ceil_times(1024), 103);
        assert_eq!(decimal("0.1").floor_times(1024), 102);
        assert_eq!(decimal("18446744073709551615").floor_times(2), u32::MAX);
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        for text in [
            "", ".", "5.", "-0.1", "+0.1", "1e-3", "nan", "inf", " 0.1", "0.1.2", "0,1", "0x1",
            "1_0",
        ] {
            assert!(
                matches!(text.parse::<Decimal>(), Err(DecimalError::NotPlain { .. })),
                "{text}"
            );
        }
        for value in [-0.1, -0.0, f64::NAN, f64::INFINITY] {
            assert!(
                matches!(Decimal::try_from(value), Err(DecimalError::NotPlain { .. })),
                "{value}"
            );
        }
    }

    #[test]
    fn more_digits_than_fit_are_refused() {
        for text in [
            "0.1234567890123456789",
            "99999999999999999999",
            "100.123456789012345678",
        ] {
            assert!(
                matches!(text.parse::<Decimal>(), Err(DecimalError::TooLong { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            Decimal::try_from(1e-30),
            Err(DecimalError::TooLong { .. })
        ));
        assert!(matches!(
            Decimal::try_from(1e300),
            Err(DecimalError::TooLong { .. })
        ));
    }

    #[test]
    fn a_second_encoding_of_a_value_is_refused() {
        let bytes = Decimal {
            units: 10,
            places: 2,
        }
        .tls_serialize_detached()
        .unwrap();
        assert!(Decimal::tls_deserialize_bytes(&bytes).is_err());
        let bytes = Decimal {
            units: 1,
            places: 19,
        }
        .tls_serialize_detached()
        .unwrap();
        assert!(Decimal::tls_deserialize_bytes(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn text_and_bytes_come_back(units: u64, places in 0..=Decimal::MAX_PLACES) {
            let value = Decimal::canonical(units, places);
            prop_assert_eq!(decimal(&value.to_string()), value);
            let bytes = value.tls_serialize_detached().unwrap();
            prop_assert_eq!(Decimal::tls_deserialize_exact_bytes(&bytes).unwrap(), value);
        }

        #[test]
        fn floor_and_ceil_enclose(units in 0u64..60_000, places in 0u8..7, count: u16) {
            let value = Decimal::canonical(units, places);
            let (floor, ceil) = (value.floor_times(count.into()), value.ceil_times(count.into()));
            let exact = u128::from(value.units) * u128::from(count);
            prop_assert!(u128::from(floor) * value.denominator() <= exact);
            prop_assert!(u128::from(ceil) * value.denominator() >= exact);
            prop_assert!(ceil - floor <= 1);
        }
    }
}
