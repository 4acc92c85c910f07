//! Times and sizes as a person writes them: `500ms`, `2s`, `10m`, `1h`; `64 KiB`, `1 GiB`.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

/// A number of bytes: with a unit, or as a plain integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BytesOrText")]
pub struct Size(pub u64);

/// Why a text is no time or no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, wanted {wanted}")]
pub struct UnitError {
    found: String,
    wanted: &'static str,
}

impl Time {
    /// Whole milliseconds, as far as 32 bits go.
    pub fn milliseconds(self) -> u32 {
        u32::try_from(self.0.as_millis()).unwrap_or(u32::MAX)
    }
}

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let units = [
            ("ms", 1),
            ("s", 1000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ];
        measured(text, &units)
            .map(|milliseconds| Self(Duration::from_millis(milliseconds)))
            .ok_or_else(|| UnitError {
                found: text.to_owned(),
                wanted: "a time such as 500ms, 2s, 10m, 1h or 1d",
            })
    }
}

impl TryFrom<String> for Time {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let units = [
            ("", 1),
            ("B", 1),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
        ];
        measured(text, &units).map(Self).ok_or_else(|| UnitError {
            found: text.to_owned(),
            wanted: "a size such as 4096, 64 KiB, 256 MiB or 1 GiB",
        })
    }
}

impl TryFrom<BytesOrText> for Size {
    type Error = UnitError;

    fn try_from(given: BytesOrText) -> Result<Self, UnitError> {
        match given {
            BytesOrText::Bytes(bytes) => Ok(Self(bytes)),
            BytesOrText::Text(text) => text.parse(),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BytesOrText {
    Bytes(u64),
    Text(String),
}

/// A whole number and one of the units.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_need_a_known_unit() {
        assert_eq!("1500ms".parse(), Ok(Time(Duration::from_millis(1500))));
        assert_eq!("2 h".parse(), Ok(Time(Duration::from_secs(7200))));
        assert_eq!("64 MiB".parse(), Ok(Size(64 << 20)));
        assert_eq!("512".parse(), Ok(Size(512)));
        for text in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "1w",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        for text in ["", "KiB", "1 KB", "-1", "1e3", "18446744073709551615 KiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_beyond_32_bits_of_milliseconds_are_the_longest() {
        assert_eq!(Time(Duration::from_secs(1)).milliseconds(), 1000);
        assert_eq!(Time(Duration::from_secs(1 << 40)).milliseconds(), u32::MAX);
    }
}
