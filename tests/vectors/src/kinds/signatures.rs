//! Signatures and public keys.

use crate::bytes::{Bytes, Hex, text};
use crate::file::Case;
use crate::judge::{Stop, broken, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_proto::identity::{Identity, PublicKey, Signature};
use veilsum_proto::label::Label;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Sign",
        layer: "signatures",
        run: sign,
    },
    Kind {
        name: "Verify",
        layer: "signatures",
        run: verify,
    },
    Kind {
        name: "PublicKey",
        layer: "signatures",
        run: public_key,
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sign {
    secret: Hex<32>,
    purpose: String,
    parts: Bytes,
}

fn sign(case: &Case) -> Result<Value, Stop> {
    let i: Sign = case.input()?;
    let identity = Identity::from_secret_bytes(&i.secret.0);
    let signature = identity.sign(label(&i.purpose)?, &[&i.parts.0]);
    Ok(json!({
        "public": text(identity.public().as_bytes()),
        "signature": text(signature.0),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    public: Hex<32>,
    purpose: String,
    parts: Bytes,
    signature: Bytes,
}

/// Our keys and signatures exist only in full: a key of small order and a signature of another length are refused when they are read.
fn verify(case: &Case) -> Result<Value, Stop> {
    let i: Verify = case.input()?;
    let key = PublicKey::parse(&i.public.0).map_err(|error| refused("identity.strict", error))?;
    let signature = <[u8; 64]>::try_from(i.signature.0.as_slice())
        .map_err(|error| refused("identity.strict", error))?;
    key.verify(label(&i.purpose)?, &[&i.parts.0], &Signature(signature))
        .map_err(|error| refused("identity.strict", error))?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: Bytes,
}

fn public_key(case: &Case) -> Result<Value, Stop> {
    let i: Key = case.input()?;
    let key =
        <[u8; 32]>::try_from(i.key.0.as_slice()).map_err(|error| refused("identity.key", error))?;
    PublicKey::parse(&key).map_err(|error| refused("identity.key", error))?;
    Ok(json!({}))
}

fn label(purpose: &str) -> Result<Label, Stop> {
    let text = format!("veilsum/1 {purpose}");
    let found = SIGNING.into_iter().find(|label| label.text() == text);
    found.ok_or_else(|| broken(format!("no label reads {text:?}")))
}

const SIGNING: [Label; 7] = [
    Label::SignRoster,
    Label::SignAdvert,
    Label::SignShares,
    Label::SignAccept,
    Label::SignUpload,
    Label::SignConfirm,
    Label::SignReceipt,
];
