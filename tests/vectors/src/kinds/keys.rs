//! Key schedule.

use crate::bytes::{Hex, text, wanted_key};
use crate::draws::Draws;
use crate::file::Case;
use crate::judge::{Stop, broken, refused};
use crate::kinds::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_math::{
    Blocks, Keystream, KeystreamKey, Mask, Secret, ShareValue, Sign, Threads, apply_masks,
};
use veilsum_proto::ids::{Attempt, Hash, Round, Sid, Sid2, Slot, TaskDigest};
use veilsum_proto::keys::{
    OpenError, PairSeed, RootSeed, SealKey, SealingKey, SelfSeed, pair_seed_of_mask_key,
    self_mask_of_bytes,
};
use veilsum_proto::message::{RevealedSeed, SealedShare};
use x25519_dalek::{PublicKey, StaticSecret};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "MaskKey",
        layer: "keys",
        run: mask_key,
    },
    Kind {
        name: "Commitment",
        layer: "keys",
        run: commitment,
    },
    Kind {
        name: "ReducedScalar",
        layer: "keys",
        run: reduced,
    },
    Kind {
        name: "PairSeed",
        layer: "keys",
        run: pair_seed,
    },
    Kind {
        name: "KeystreamKeys",
        layer: "keys",
        run: keystream_keys,
    },
    Kind {
        name: "SealPart",
        layer: "keys",
        run: seal,
    },
    Kind {
        name: "OpenPart",
        layer: "keys",
        run: open,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MaskKey {
    root_seed: Hex<32>,
    task: Hex<32>,
    round: u64,
    attempt: u32,
    slot: u32,
}

/// Our code shows the private key by its public key alone; so does the wanted one.
fn mask_key(case: &Case) -> Result<Value, Stop> {
    let i: MaskKey = case.input()?;
    let (task, round, attempt, slot) = (
        TaskDigest(i.task.0),
        Round(i.round),
        Attempt(i.attempt),
        Slot(i.slot),
    );
    let root = RootSeed::from_secret(secret(&i.root_seed)?, &task, round, attempt, slot);
    let private = wanted_key(case.wanted("maskPrivate"))?;
    let same = PublicKey::from(&StaticSecret::from(private)).to_bytes() == root.mask_public();
    Ok(json!({
        "maskPrivate": if same { text(private) } else { Value::Null },
        "maskPublic": text(root.mask_public()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Commitment {
    self_seed: Hex<32>,
    task: Hex<32>,
    round: u64,
    attempt: u32,
    slot: u32,
}

fn commitment(case: &Case) -> Result<Value, Stop> {
    let i: Commitment = case.input()?;
    let seed = SelfSeed::from_secret(secret(&i.self_seed)?);
    let made = seed.commitment(
        &TaskDigest(i.task.0),
        Round(i.round),
        Attempt(i.attempt),
        Slot(i.slot),
    );
    Ok(json!({ "commitment": text(made.as_bytes()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reduced {
    wide: Hex<64>,
}

fn reduced(case: &Case) -> Result<Value, Stop> {
    let i: Reduced = case.input()?;
    let mut draws = Draws::new([i.wide.0.to_vec()]);
    let secret = Secret::random(&mut draws);
    draws.wrong().map_or(Ok(()), |why| Err(broken(why)))?;
    Ok(json!({ "scalar": text(secret.expose_bytes().as_ref()) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pair {
    mask_private: Hex<32>,
    other_mask_public: Hex<32>,
    sid: Hex<32>,
    own: u32,
    other: u32,
}

fn pair_seed(case: &Case) -> Result<Value, Stop> {
    let i: Pair = case.input()?;
    let (sid, own, other) = (Sid(i.sid.0), Slot(i.own), Slot(i.other));
    let seed = pair_seed_of_mask_key(i.mask_private.0, &sid, own, other, &i.other_mask_public.0)
        .map_err(|error| refused("key.contributory", error))?;
    Ok(json!({
        "pairSeed": text(seed.to_revealed().expose()),
        "pairHash": text(seed.hash(&sid, own, other).as_bytes()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Keys {
    pair_seed: Hex<32>,
    self_seed: Hex<32>,
    own: u32,
    other: u32,
    sid2: Hex<32>,
}

/// Keystream keys have no bytes to show: the masks that they make are compared with those of the wanted keys.
fn keystream_keys(case: &Case) -> Result<Value, Stop> {
    let i: Keys = case.input()?;
    let (sid2, own, other) = (Sid2(i.sid2.0), Slot(i.own), Slot(i.other));
    let pair = PairSeed::from_revealed(&RevealedSeed::new(&i.pair_seed.0)).mask(
        &sid2,
        own,
        other,
        Sign::Add,
    );
    let own = self_mask_of_bytes(&i.self_seed.0, &sid2, own, Sign::Add);
    let shown = |mask: Mask, name: &str| {
        let key = wanted_key(case.wanted(name))?;
        let same = limbs(mask) == limbs(Mask::new(KeystreamKey::new(key), Sign::Add));
        Ok::<_, Stop>(if same { text(key) } else { Value::Null })
    };
    Ok(json!({
        "pairMaskKey": shown(pair, "pairMaskKey")?,
        "selfMaskKey": shown(own, "selfMaskKey")?,
    }))
}

fn limbs(mask: Mask) -> Vec<u64> {
    let mut blocks = Blocks::zeroed(16);
    apply_masks(&mut blocks, &[mask], Threads::One);
    blocks.into_limbs()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Seal {
    seal_private: Hex<32>,
    other_seal_public: Hex<32>,
    sid: Hex<32>,
    from: u32,
    to: u32,
    root_share: Hex<32>,
    self_share: Hex<32>,
}

/// The key is shown by the keystream of AES-256-GCM, whose counter is at 2 where the text begins.
fn seal(case: &Case) -> Result<Value, Stop> {
    let i: Seal = case.input()?;
    let sealing = sealing(&i.seal_private, &i.other_seal_public, &i.sid, i.from, i.to)?;
    let share = |bytes: &Hex<32>| ShareValue::from_canonical_bytes(&bytes.0).map_err(broken);
    let part = sealing.seal(
        &share(&i.root_share)?,
        &share(&i.self_share)?,
        Hash([0; 32]),
    );
    let key = wanted_key(case.wanted("key"))?;
    let mut stream = [0; 64];
    Keystream::new(KeystreamKey::new(key)).fill(32, &mut stream);
    let plain = i.root_share.0.iter().chain(&i.self_share.0);
    let sealed = stream
        .iter()
        .zip(plain)
        .map(|(stream, plain)| stream ^ plain);
    let same = sealed.eq(part.ciphertext.iter().take(64).copied());
    Ok(json!({
        "key": if same { text(key) } else { Value::Null },
        "ciphertext": text(part.ciphertext),
        "rootDigest": text(part.root_digest.as_bytes()),
        "selfDigest": text(part.self_digest.as_bytes()),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Open {
    seal_private: Hex<32>,
    other_seal_public: Hex<32>,
    sid: Hex<32>,
    from: u32,
    to: u32,
    ciphertext: Hex<80>,
    root_digest: Hex<32>,
    self_digest: Hex<32>,
}

fn open(case: &Case) -> Result<Value, Stop> {
    let i: Open = case.input()?;
    let sealing = sealing(&i.seal_private, &i.other_seal_public, &i.sid, i.to, i.from)?;
    let part = SealedShare {
        to: Slot(i.to),
        ciphertext: i.ciphertext.0,
        root_digest: Hash(i.root_digest.0),
        self_digest: Hash(i.self_digest.0),
        pair_hash: Hash([0; 32]),
    };
    let held = sealing.open(&part).map_err(|error| match error {
        OpenError::Ciphertext => refused("share.open", error),
        OpenError::NotCanonical | OpenError::Digest => refused("share.cut-share", error),
    })?;
    Ok(json!({
        "rootShare": text(held.root.expose_bytes().as_ref()),
        "selfShare": text(held.self_seed.expose_bytes().as_ref()),
    }))
}

fn sealing(
    private: &Hex<32>,
    public: &Hex<32>,
    sid: &Hex<32>,
    own: u32,
    other: u32,
) -> Result<SealingKey, Stop> {
    let mut draws = Draws::new([private.0.to_vec()]);
    let key = SealKey::random(&mut draws);
    draws.wrong().map_or(Ok(()), |why| Err(broken(why)))?;
    let agreed = key.agree(&Sid(sid.0), Slot(own), Slot(other), &public.0);
    Ok(agreed.map_err(|error| refused("key.contributory", error))?)
}

fn secret(bytes: &Hex<32>) -> Result<Secret, Stop> {
    Secret::from_canonical_bytes(&bytes.0).map_err(broken)
}
