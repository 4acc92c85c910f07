//! Session ids and bitmaps.

use crate::bytes::{Bytes, Hex, text};
use crate::file::Case;
use crate::judge::{Stop, broken, refused};
use crate::kinds::Kind;
use crate::kinds::parameters::Numbers;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::ids::{Attempt, Hash, ModelDigest, RosterDigest, Round, Slot, TaskDigest};
use veilsum_proto::session::{Terms, second_sid, survivors_digest};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "SessionId",
        layer: "session",
        run: session_id,
    },
    Kind {
        name: "Bitmap",
        layer: "session",
        run: bitmap,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Session {
    task: Hex<32>,
    roster: Hex<32>,
    round: u64,
    attempt: u32,
    base_model: Hex<32>,
    randomness: Hex<32>,
    parameters: Numbers,
    roster_slots: u32,
    advertised: Bytes,
    root: Hex<32>,
    shared: Bytes,
    survivors: Bytes,
}

fn session_id(case: &Case) -> Result<Value, Stop> {
    let i: Session = case.input()?;
    let terms = Terms {
        task: TaskDigest(i.task.0),
        roster: RosterDigest(i.roster.0),
        round: Round(i.round),
        attempt: Attempt(i.attempt),
        base_model: ModelDigest(i.base_model.0),
        randomness: i.randomness.0,
        parameters: i.parameters.into(),
        slots: i.roster_slots,
    };
    let set = |bytes: &Bytes| {
        let set = of_bytes(&bytes.0, i.roster_slots);
        match set.as_bytes() == bytes.0 {
            true => Ok(set),
            false => Err(broken("a bitmap that is not one")),
        }
    };
    let sid = terms.sid(&set(&i.advertised)?, &Hash(i.root.0));
    let sid2 = second_sid(&sid, &set(&i.shared)?);
    Ok(json!({
        "sid": text(sid.as_bytes()),
        "sid2": text(sid2.as_bytes()),
        "survivorsDigest": text(survivors_digest(&sid2, &set(&i.survivors)?).as_bytes()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bits {
    bitmap: Bytes,
    roster_slots: u32,
}

/// A bitmap of other bytes than the roster's comes from the wire, and is checked against the roster.
fn bitmap(case: &Case) -> Result<Value, Stop> {
    let i: Bits = case.input()?;
    let set = from_wire(&i.bitmap.0)?;
    set.check(i.roster_slots)
        .map_err(|error| refused("bitmap.exact", error))?;
    Ok(json!({ "set": set.iter().map(|slot| slot.0).collect::<Vec<_>>() }))
}

fn of_bytes(bytes: &[u8], slots: u32) -> Bitmap {
    let named = |slot: &u32| {
        bytes
            .get(*slot as usize / 8)
            .is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
    };
    Bitmap::of(slots, (0..slots).filter(named).map(Slot))
}

/// As a survivor set carries it.
fn from_wire(bytes: &[u8]) -> Result<Bitmap, Stop> {
    use veilsum_proto::message::{Body, Caps, Message};
    let head = [0, 1, 0, 1, 10];
    let length = u8::try_from(bytes.len()).map_err(broken)?;
    let message = [&head[..], &[0; 64], &[length], bytes].concat();
    let read = Message::decode(&message, &Caps::of_roster(1 << 10)).map_err(broken)?;
    match read.body {
        Body::SurvivorSet(set) => Ok(set.survivors),
        other => Err(broken(format!("found {}", other.name()))),
    }
}
