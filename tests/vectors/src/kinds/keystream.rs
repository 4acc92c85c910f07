//! Keystream and masks, with every backend that this processor has.

use crate::bytes::{Bytes, Hex, text};
use crate::file::Case;
use crate::judge::{Stop, broken};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use veilsum_math::{Backend, Blocks, Keystream, KeystreamKey, Mask, Sign, Threads, apply_masks};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Keystream",
        layer: "keystream",
        run: keystream,
    },
    Kind {
        name: "Mask",
        layer: "keystream",
        run: mask,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    key: Hex<32>,
    offset: u64,
    length: usize,
}

fn keystream(case: &Case) -> Result<Value, Stop> {
    let i: Stream = case.input()?;
    let made = with_each_backend(|backend| {
        let mut out = vec![0; i.length];
        Keystream::with_backend(KeystreamKey::new(i.key.0), backend).fill(i.offset, &mut out);
        out
    })?;
    Ok(json!({ "keystream": text(made) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Masked {
    key: Hex<32>,
    sign: i8,
    limbs: usize,
    fill: Bytes,
}

fn mask(case: &Case) -> Result<Value, Stop> {
    let i: Masked = case.input()?;
    let sign = match i.sign {
        1 => Sign::Add,
        -1 => Sign::Subtract,
        other => return Err(broken(format!("found the sign {other}"))),
    };
    let plain = i
        .fill
        .0
        .iter()
        .copied()
        .cycle()
        .take(i.limbs * 8)
        .collect::<Vec<_>>();
    Blocks::from_le_bytes(&plain).map_err(broken)?;
    let masked = with_each_backend(|backend| {
        let mut blocks = Blocks::from_le_bytes(&plain).unwrap_or_else(|_| Blocks::zeroed(0));
        let mask = Mask::with_backend(KeystreamKey::new(i.key.0), sign, backend);
        apply_masks(&mut blocks, &[mask], Threads::One);
        blocks.to_le_bytes()
    })?;
    let ends = |end: Option<&[u8]>| text(end.unwrap_or(&masked));
    let mut out = Map::new();
    out.insert("sha256".to_owned(), text(Sha256::digest(&masked)));
    out.insert("first16".to_owned(), ends(masked.get(..16)));
    out.insert(
        "last16".to_owned(),
        ends(
            masked
                .len()
                .checked_sub(16)
                .and_then(|from| masked.get(from..)),
        ),
    );
    if masked.len() <= 256 {
        out.insert("masked".to_owned(), text(&masked));
    }
    Ok(Value::Object(out))
}

fn with_each_backend(run: impl Fn(Backend) -> Vec<u8>) -> Result<Vec<u8>, Stop> {
    let made = run(Backend::detected());
    match Backend::available()
        .into_iter()
        .find(|backend| run(*backend) != made)
    {
        None => Ok(made),
        Some(backend) => Err(broken(format!(
            "backend {} differs from the detected one",
            backend.name()
        ))),
    }
}
