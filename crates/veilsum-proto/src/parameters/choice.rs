//! What a task may ask for instead of what the rules would pick.

use serde::de::{self, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Which members mask with each other.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum GraphChoice {
    /// Complete up to [`COMPLETE_UP_TO`](super::COMPLETE_UP_TO) slots, above that a ring of the least degree that passes.
    #[default]
    #[tls_codec(discriminant = 1)]
    Auto,
    /// Everyone with everyone.
    #[tls_codec(discriminant = 2)]
    Complete,
    /// Ring of this degree; refused unless it passes the tests of the rules.
    #[tls_codec(discriminant = 3)]
    Degree(u32),
}

/// Who may sign a certificate.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    TlsSize,
    TlsSerialize,
    TlsDeserializeBytes,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ElectorateChoice {
    /// On a ring a committee when one is small enough, else all slots.
    #[default]
    Auto = 1,
    /// All slots of the roster or cohort.
    All = 2,
}

/// Why a text is not a [`GraphChoice`] or an [`ElectorateChoice`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{found}`, wanted {wanted}")]
pub struct ChoiceError {
    /// The text.
    pub found: String,
    /// What it may be.
    pub wanted: &'static str,
}

impl fmt::Display for GraphChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Complete => f.write_str("complete"),
            Self::Degree(degree) => write!(f, "{degree}"),
        }
    }
}

impl FromStr for GraphChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "complete" => Ok(Self::Complete),
            degree if degree.bytes().all(|byte| byte.is_ascii_digit()) => degree
                .parse()
                .map(Self::Degree)
                .map_err(|_| unknown(text, GRAPH_CHOICES)),
            _ => Err(unknown(text, GRAPH_CHOICES)),
        }
    }
}

impl Serialize for GraphChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto | Self::Complete => serializer.collect_str(self),
            Self::Degree(degree) => serializer.serialize_u32(*degree),
        }
    }
}

impl<'de> de::Deserialize<'de> for GraphChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GraphChoiceVisitor)
    }
}

impl fmt::Display for ElectorateChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::All => "all",
        })
    }
}

impl FromStr for ElectorateChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            _ => Err(unknown(text, ELECTORATE_CHOICES)),
        }
    }
}

struct GraphChoiceVisitor;

impl Visitor<'_> for GraphChoiceVisitor {
    type Value = GraphChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(GRAPH_CHOICES)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<GraphChoice, E> {
        u32::try_from(value)
            .map(GraphChoice::Degree)
            .map_err(|_| E::custom(unknown(&value.to_string(), GRAPH_CHOICES)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<GraphChoice, E> {
        u32::try_from(value)
            .map(GraphChoice::Degree)
            .map_err(|_| E::custom(unknown(&value.to_string(), GRAPH_CHOICES)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<GraphChoice, E> {
        text.parse().map_err(E::custom)
    }
}

fn unknown(found: &str, wanted: &'static str) -> ChoiceError {
    ChoiceError {
        found: found.into(),
        wanted,
    }
}

const GRAPH_CHOICES: &str = "auto, complete or a degree";
const ELECTORATE_CHOICES: &str = "auto or all";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_back_from_their_text_and_from_files() {
        for choice in [
            GraphChoice::Auto,
            GraphChoice::Complete,
            GraphChoice::Degree(66),
        ] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<GraphChoice>(&json).unwrap(), choice);
        }
        assert_eq!(
            serde_json::from_str::<GraphChoice>("\"66\"").unwrap(),
            GraphChoice::Degree(66)
        );
        for choice in [ElectorateChoice::Auto, ElectorateChoice::All] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
            let json = serde_json::to_string(&choice).unwrap();
            assert_eq!(json, format!("\"{choice}\""));
            assert_eq!(
                serde_json::from_str::<ElectorateChoice>(&json).unwrap(),
                choice
            );
        }
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["", "ring", "-2", "+2", "6.0", "4294967296", "Auto"] {
            assert!(text.parse::<GraphChoice>().is_err(), "{text}");
        }
        assert!("committee".parse::<ElectorateChoice>().is_err());
        assert!(serde_json::from_str::<GraphChoice>("-2").is_err());
    }
}
