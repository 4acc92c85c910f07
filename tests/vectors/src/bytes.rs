//! Bytes in hex, as the vectors write them.

use crate::judge::{Stop, broken};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// Any number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// So many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bytes(bytes) = Bytes::deserialize(deserializer)?;
        let found = bytes.len();
        let array = bytes
            .try_into()
            .map_err(|_| D::Error::custom(format!("found {found} bytes, wanted {N}")))?;
        Ok(Self(array))
    }
}

/// Bytes as the vectors write them.
pub fn text(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(hex::encode(bytes))
}

/// A key of the wanted output.
///
/// # Errors
///
/// It is not there, or not a key.
pub fn wanted_key(wanted: &Value) -> Result<[u8; 32], Stop> {
    let Hex(key) = Hex::deserialize(wanted).map_err(broken)?;
    Ok(key)
}
