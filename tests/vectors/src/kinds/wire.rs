//! Messages: bytes that are one, and bytes that are none.

use crate::bytes::Bytes;
use crate::file::Case;
use crate::judge::{Refused, Stop, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_proto::message::{Caps, InvalidMessage, Message};

pub(super) const KINDS: &[Kind] = &[Kind {
    name: "Decode",
    layer: "wire",
    run: decode,
}];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decode {
    message: Bytes,
    /// Behind `message`.
    #[serde(default)]
    run: Option<Run>,
    /// Behind the run.
    #[serde(default)]
    rest: Option<Bytes>,
    roster_slots: u32,
    degree: u32,
}

/// One byte many times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    byte: u8,
    count: usize,
}

impl Decode {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.message.0.clone();
        if let Some(Run { byte, count }) = self.run {
            bytes.resize(bytes.len() + count, byte);
        }
        bytes.extend(self.rest.iter().flat_map(|rest| &rest.0));
        bytes
    }
}

fn decode(case: &Case) -> Result<Value, Stop> {
    let i: Decode = case.input()?;
    let caps = Caps::new(i.roster_slots, i.degree);
    let bytes = i.bytes();
    let message = Message::decode(&bytes, &caps).map_err(invalid)?;
    if message.encode() != bytes {
        return Err(refused("wire.canonical", "it encodes to other bytes").into());
    }
    Ok(json!({ "type": bytes.get(4), "name": message.body.name() }))
}

/// What bytes that are no message violate.
pub(crate) fn invalid(error: InvalidMessage) -> Refused {
    let requirement = match &error {
        InvalidMessage::Version { .. } | InvalidMessage::Suite { .. } => "wire.version",
        InvalidMessage::TooLong { .. } => "wire.cap",
        InvalidMessage::NotCanonical { .. } => "wire.canonical",
        // Fewer than the five bytes of a head.
        InvalidMessage::Malformed { kind: 0, reason } if reason.contains("at least 5") => {
            "wire.version"
        }
        InvalidMessage::Malformed { reason, .. } => malformed(reason),
    };
    refused(requirement, error)
}

/// The decoder gives its reasons in words.
fn malformed(reason: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["EndOfStream", "end of", "End of", "length mismatch"]) {
        "wire.lengths"
    } else if has(&["railing"]) {
        "wire.leftover"
    } else {
        "wire.types"
    }
}
