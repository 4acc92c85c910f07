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
    roster_slots: u32,
    degree: u32,
}

fn decode(case: &Case) -> Result<Value, Stop> {
    let i: Decode = case.input()?;
    let caps = Caps::new(i.roster_slots, i.degree);
    let message =
        Message::decode(&i.message.0, &caps).map_err(|error| match i.message.0.get(4) {
            // The cap of a type that there is not is 0.
            Some(kind) if caps.bytes_of(*kind) == 0 && i.message.0.len() > HEAD => {
                invalid(error).or("wire.cap")
            }
            _ => invalid(error),
        })?;
    if message.encode() != i.message.0 {
        return Err(refused("wire.canonical", "it encodes to other bytes").into());
    }
    Ok(json!({ "type": i.message.0.get(4), "name": message.body.name() }))
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
    let refusal = refused(requirement, error);
    match requirement {
        // Our decoder reads on behind a list that ends within an element, and may meet a code without meaning there first.
        "wire.types" => refusal.or("wire.lengths"),
        _ => refusal,
    }
}

/// The decoder gives its reasons in words.
fn malformed(reason: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["EndOfStream", "end of", "End of"]) {
        "wire.lengths"
    } else if has(&["railing"]) {
        "wire.leftover"
    } else {
        "wire.types"
    }
}

/// Version, suite and type.
const HEAD: usize = 5;
