//! Names of federations, members and tasks.

use std::borrow::Borrow;
use std::fmt;
use std::io::Write;
use std::str::FromStr;
use tls_codec::{DeserializeBytes, Serialize, Size};

/// Largest number of characters of a name.
pub const MAX_NAME: usize = 64;

/// A name: 1 to 64 characters of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`, the first a letter or a digit.
///
/// So it needs no escaping in files, logs and terminals, and is never a path that leads elsewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too short or too long.
    #[error("name has {found} characters, wanted 1 to {MAX_NAME}")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character that names do not have.
    #[error("name has the character {found:?}, wanted letters, digits, `.`, `_` or `-`")]
    Character {
        /// Character found.
        found: char,
    },
    /// The first character is neither letter nor digit.
    #[error("name starts with {found:?}, wanted a letter or a digit")]
    Start {
        /// Character found.
        found: char,
    },
}

impl TryFrom<String> for Name {
    type Error = NameError;

    // spec: [roster.name]
    fn try_from(text: String) -> Result<Self, NameError> {
        let length = text.chars().count();
        if !(1..=MAX_NAME).contains(&length) {
            return Err(NameError::Length { found: length });
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(c);
        if let Some(found) = text.chars().find(|c| !allowed(c)) {
            return Err(NameError::Character { found });
        }
        match text.chars().next() {
            Some(found) if !found.is_ascii_alphanumeric() => Err(NameError::Start { found }),
            _ => Ok(Self(text)),
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Size for Name {
    fn tls_serialized_len(&self) -> usize {
        self.0.as_bytes().tls_serialized_len()
    }
}

impl Serialize for Name {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.0.as_bytes().tls_serialize(writer)
    }
}

impl DeserializeBytes for Name {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let wrong = |error: &dyn fmt::Display| tls_codec::Error::DecodingError(error.to_string());
        let (text, rest) = Vec::<u8>::tls_deserialize_bytes(bytes)?;
        let text = String::from_utf8(text).map_err(|_| wrong(&"name is not ASCII"))?;
        Ok((
            text.try_into().map_err(|error: NameError| wrong(&error))?,
            rest,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [roster.name]
    #[test]
    fn names_are_short_plain_words() {
        for good in ["a", "Klinikum-3.north_wing", "0", &"x".repeat(64)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<Name>(), Err(NameError::Length { found: 0 }));
        assert_eq!(
            "x".repeat(65).parse::<Name>(),
            Err(NameError::Length { found: 65 })
        );
        assert_eq!(
            "a b".parse::<Name>(),
            Err(NameError::Character { found: ' ' })
        );
        assert_eq!(
            "a\n".parse::<Name>(),
            Err(NameError::Character { found: '\n' })
        );
        assert_eq!(
            "müller".parse::<Name>(),
            Err(NameError::Character { found: 'ü' })
        );
        assert_eq!(
            "a/b".parse::<Name>(),
            Err(NameError::Character { found: '/' })
        );
        assert_eq!("..".parse::<Name>(), Err(NameError::Start { found: '.' }));
        assert_eq!("-h".parse::<Name>(), Err(NameError::Start { found: '-' }));
    }

    #[test]
    fn a_name_on_the_wire_follows_the_same_rules() {
        let bytes = "alice"
            .parse::<Name>()
            .unwrap()
            .tls_serialize_detached()
            .unwrap();
        assert_eq!(bytes, b"\x05alice");
        assert_eq!(
            Name::tls_deserialize_exact_bytes(&bytes).unwrap().as_str(),
            "alice"
        );
        assert!(Name::tls_deserialize_exact_bytes(b"\x05al/ce").is_err());
        assert!(Name::tls_deserialize_exact_bytes(b"\x02\xff\xfe").is_err());
        assert!(Name::tls_deserialize_exact_bytes(b"\x00").is_err());
        assert!(Name::tls_deserialize_exact_bytes(b"\xbf\xff\xff\xff").is_err());
    }
}
