//! A number of members, given as a count or as a rate of the roster.

use super::decimal::{Decimal, DecimalError};
use serde::de::{self, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// How many members: a rate of those that take part, or a count.
///
/// In files and on the command line an integer is a count and a number with a point is a rate: `3` is three members,
/// `0.1` a tenth of them. In TOML and JSON a string is a rate too, for who wants to keep floats out of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Amount {
    /// Part of the members, 0 to 1.
    #[tls_codec(discriminant = 1)]
    Rate(Decimal),
    /// Number of members.
    #[tls_codec(discriminant = 2)]
    Count(u32),
}

/// Why something is not an [`Amount`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a plain decimal.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// A rate above 1.
    #[error("rate is {found}, wanted 0 to 1; a count is written as an integer")]
    RateAboveOne {
        /// The rate.
        found: Decimal,
    },
    /// A count that is not a `u32`.
    #[error("count is {found}, wanted 0 to {}", u32::MAX)]
    CountOutOfRange {
        /// The count.
        found: String,
    },
}

impl Amount {
    /// `floor(rate * members)`, or the count.
    pub fn floor_of(self, members: u32) -> u32 {
        match self {
            Self::Rate(rate) => rate.floor_times(members),
            Self::Count(count) => count,
        }
    }

    /// `ceil(rate * members)`, or the count.
    pub fn ceil_of(self, members: u32) -> u32 {
        match self {
            Self::Rate(rate) => rate.ceil_times(members),
            Self::Count(count) => count,
        }
    }

    fn rate(found: Decimal) -> Result<Self, AmountError> {
        if found.exceeds_one() {
            return Err(AmountError::RateAboveOne { found });
        }
        Ok(Self::Rate(found))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if whole {
            return text
                .parse()
                .map(Self::Count)
                .map_err(|_| AmountError::CountOutOfRange { found: text.into() });
        }
        Self::rate(text.parse()?)
    }
}

impl fmt::Display for Amount {
    /// A whole rate keeps its point, so that the text reads back as a rate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => {
                let text = rate.to_string();
                let point = if text.contains('.') { "" } else { ".0" };
                write!(f, "{text}{point}")
            }
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Rate(_) => serializer.collect_str(self),
            Self::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> de::Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count such as 3 or a rate such as 0.1")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
        u32::try_from(value)
            .map(Amount::Count)
            .map_err(|_| out_of_range(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
        u32::try_from(value)
            .map(Amount::Count)
            .map_err(|_| out_of_range(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
        let decimal = Decimal::try_from(value).map_err(E::custom)?;
        Amount::rate(decimal).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        let decimal = text.parse().map_err(E::custom)?;
        Amount::rate(decimal).map_err(E::custom)
    }
}

fn out_of_range<E: de::Error>(found: impl fmt::Display) -> E {
    E::custom(AmountError::CountOutOfRange {
        found: found.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls_codec::{DeserializeBytes as _, Serialize as _};

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct File {
        corrupt: Amount,
    }

    fn rate(text: &str) -> Amount {
        Amount::Rate(text.parse().unwrap())
    }

    #[test]
    fn integers_are_counts_and_points_make_rates() {
        assert_eq!("3".parse(), Ok(Amount::Count(3)));
        assert_eq!("0".parse(), Ok(Amount::Count(0)));
        assert_eq!("0.0".parse(), Ok(rate("0")));
        assert_eq!(".05".parse(), Ok(rate("0.05")));
        assert_eq!("1.0".parse(), Ok(rate("1")));
    }

    #[test]
    fn files_read_as_the_command_line_does_and_strings_are_rates() {
        let read = |text: &str| toml::from_str::<File>(text).map(|file| file.corrupt);
        assert_eq!(read("corrupt = 0").unwrap(), Amount::Count(0));
        assert_eq!(read("corrupt = 0.10").unwrap(), rate("0.1"));
        assert_eq!(read("corrupt = \"0.1\"").unwrap(), rate("0.1"));
        assert_eq!(read("corrupt = \"1\"").unwrap(), rate("1"));
        let json = |text: &str| serde_json::from_str::<Amount>(text);
        assert_eq!(json("0.29").unwrap(), rate("0.29"));
        assert_eq!(json("12").unwrap(), Amount::Count(12));
    }

    #[test]
    fn what_is_written_reads_back() {
        for amount in [Amount::Count(7), rate("0.25"), rate("0"), rate("1")] {
            let text = toml::to_string(&File { corrupt: amount }).unwrap();
            assert_eq!(toml::from_str::<File>(&text).unwrap().corrupt, amount);
            assert_eq!(amount.to_string().parse(), Ok(amount));
            let bytes = amount.tls_serialize_detached().unwrap();
            assert_eq!(Amount::tls_deserialize_exact_bytes(&bytes).unwrap(), amount);
        }
    }

    #[test]
    fn rates_above_one_and_counts_out_of_range_are_refused() {
        assert!(matches!(
            "1.5".parse::<Amount>(),
            Err(AmountError::RateAboveOne { .. })
        ));
        assert!(matches!(
            "4294967296".parse::<Amount>(),
            Err(AmountError::CountOutOfRange { .. })
        ));
        for text in [
            "corrupt = -1",
            "corrupt = \"3\"",
            "corrupt = -0.1",
            "corrupt = nan",
            "corrupt = true",
            "corrupt = 1e-30",
        ] {
            assert!(toml::from_str::<File>(text).is_err(), "{text}");
        }
    }
}
