//! Against values computed by another implementation, which stand in `spec/crypto.md`, section 10.

use super::agreement::agree;
use super::*;
use crate::identity::{Identity, Signature};
use crate::ids::{Attempt, Hash, Round, Sid, Sid2, Slot, SurvivorsDigest, TaskDigest};
use crate::message::{
    Accept, Advert, Cut, CutReason, Receipt, SealedShare, SurvivorSet, UNSIGNED, UploadHeader,
    sign_shares,
};
use crate::{bitmap::Bitmap, merkle, session};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use rand_core::{Infallible, TryCryptoRng, TryRng};
use std::collections::BTreeMap;
use veilsum_math::sharing::{Secret, ShareValue};
use veilsum_math::{Blocks, Mask, Sign, Threads, apply_masks};
use x25519_dalek::StaticSecret;

const TASK: TaskDigest = TaskDigest([0x11; 32]);
const ROUND: Round = Round(7);
const ATTEMPT: Attempt = Attempt(1);
const SID: Sid = Sid([0x22; 32]);
const SID2: Sid2 = Sid2([0x33; 32]);
const LOW: Slot = Slot(3);
const HIGH: Slot = Slot(5);

/// Gives one byte for ever.
struct Constant(u8);

impl TryRng for Constant {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes([self.0; 8]))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Constant {}

/// The block ```` ```values ```` of the page on cryptography.
fn values() -> BTreeMap<String, Vec<u8>> {
    let page = include_str!("../../../../spec/crypto.md");
    let (_, block) = page.split_once("```values\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let rows = block.lines().map(|row| row.split_once(' ').unwrap());
    rows.map(|(name, value)| (name.to_owned(), hex::decode(value).unwrap()))
        .collect()
}

fn seed(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, index) in bytes.iter_mut().zip(0u8..31) {
        *place = first.wrapping_add(index);
    }
    bytes[31] = 5;
    bytes
}

fn secret(first: u8) -> Secret {
    Secret::from_canonical_bytes(&seed(first)).unwrap()
}

fn share(first: u8) -> ShareValue {
    ShareValue::from_canonical_bytes(&seed(first)).unwrap()
}

fn root(first: u8, slot: Slot) -> RootSeed {
    RootSeed::from_secret(secret(first), &TASK, ROUND, ATTEMPT, slot)
}

fn pair() -> (PairSeed, PairSeed) {
    let (low, high) = (root(1, LOW), root(101, HIGH));
    (
        low.pair_seed(&SID, LOW, HIGH, &high.mask_public()).unwrap(),
        high.pair_seed(&SID, HIGH, LOW, &low.mask_public()).unwrap(),
    )
}

fn seal_keys() -> (SealKey, SealKey) {
    (
        SealKey::random(&mut Constant(0x41)),
        SealKey::random(&mut Constant(0x42)),
    )
}

/// Both ends of the edge, under a session.
fn sealing(sid: &Sid) -> (SealingKey, SealingKey) {
    let (low, high) = seal_keys();
    (
        low.agree(sid, LOW, HIGH, &high.public()).unwrap(),
        high.agree(sid, HIGH, LOW, &low.public()).unwrap(),
    )
}

fn sealed() -> SealedShare {
    let (low, _) = sealing(&SID);
    let (pair, _) = pair();
    low.seal(&share(31), &share(62), pair.hash(&SID, LOW, HIGH))
}

/// First 16 bytes of blocks 0 and 1 of a mask.
fn starts(mask: Mask) -> [Vec<u8>; 2] {
    let mut blocks = Blocks::zeroed(5000);
    apply_masks(&mut blocks, &[mask], Threads::One);
    [0, 1].map(|index| {
        let limbs = blocks.block(index).unwrap();
        limbs[..2]
            .iter()
            .flat_map(|limb| limb.to_le_bytes())
            .collect()
    })
}

// spec: [key.hkdf] [key.root-only-mask] [key.pair] [key.pair-hash]
#[test]
fn mask_keys_and_pair_seeds_are_those_of_the_spec() {
    let values = values();
    assert_eq!(root(1, LOW).mask_public(), *values["mask_public_3"]);
    assert_eq!(root(101, HIGH).mask_public(), *values["mask_public_5"]);
    let (low, high) = pair();
    assert_eq!(*low.to_revealed().expose(), *values["pair_seed"]);
    assert_eq!(*high.to_revealed().expose(), *values["pair_seed"]);
    assert_eq!(low.hash(&SID, LOW, HIGH).0, *values["pair_hash"]);
    assert_eq!(high.hash(&SID, HIGH, LOW).0, *values["pair_hash"]);
}

// spec: [mask.sid2] [mask.keystream] [key.commitment]
#[test]
fn masks_and_commitment_are_those_of_the_spec() {
    let values = values();
    let (low, _) = pair();
    let [first, second] = starts(low.mask(&SID2, LOW, HIGH, Sign::Add));
    assert_eq!(first, values["pair_mask_0"]);
    assert_eq!(second, values["pair_mask_1"]);
    let own = SelfSeed::from_secret(secret(201));
    let [first, second] = starts(own.mask(&SID2, LOW, Sign::Add));
    assert_eq!(first, values["self_mask_0"]);
    assert_eq!(second, values["self_mask_1"]);
    let commitment = own.commitment(&TASK, ROUND, ATTEMPT, LOW);
    assert_eq!(commitment.0, *values["commitment"]);
}

// spec: [seal.directional] [seal.aad] [share.open]
#[test]
fn sealed_shares_and_digests_are_those_of_the_spec() {
    let values = values();
    let (low, high) = seal_keys();
    assert_eq!(low.public(), *values["seal_public_3"]);
    assert_eq!(high.public(), *values["seal_public_5"]);
    let sealed = sealed();
    assert_eq!(sealed.to, HIGH);
    assert_eq!(sealed.ciphertext.as_slice(), values["sealed"]);
    assert_eq!(sealed.root_digest.0, *values["root_digest"]);
    assert_eq!(sealed.self_digest.0, *values["self_digest"]);
    assert_eq!(sealed.leaf(&SID, LOW).0, *values["share_leaf"]);
}

// spec: [session.sid2] [session.survivors] [merkle.tree] [label.prefix]
#[test]
fn digests_of_sets_and_trees_are_those_of_the_spec() {
    let values = values();
    let set = |slots: &[u32]| Bitmap::of(4, slots.iter().map(|slot| Slot(*slot)));
    let sid2 = session::second_sid(&SID, &set(&[0, 1, 3]));
    assert_eq!(sid2.0, *values["sid2"]);
    let SurvivorsDigest(survivors) = session::survivors_digest(&SID2, &set(&[0, 1]));
    assert_eq!(survivors, *values["survivors"]);
    assert_eq!(merkle::empty_leaf().0, *values["empty"]);
    let leaves = [1, 2, 3].map(|byte| Hash([byte; 32]));
    assert_eq!(
        merkle::Tree::new(leaves.to_vec()).root().0,
        *values["root3"]
    );
    assert_eq!(Label::Node.prefix(&[b"x"]), b"\x0eveilsum/1 nodex");
}

// spec: [label.prefix] [identity.context]
#[test]
fn signed_contents_are_those_of_the_spec() {
    let values = values();
    let identity = Identity::from_secret_bytes(&[0x51; 32]);
    let is = |signature: Signature, name: &str| {
        assert_eq!(signature.0.as_slice(), values[name], "{name}");
    };
    let signature = UNSIGNED;
    is(
        sign_shares(&identity, &SID, LOW, &Hash([0x66; 32])),
        "sign_shares",
    );
    let cut = |slot, reason| Cut {
        slot: Slot(slot),
        reason,
    };
    let accept = Accept {
        sid: SID,
        slot: LOW,
        cuts: vec![cut(5, CutReason::PairSeed), cut(9, CutReason::Key)],
        signature,
    };
    is(accept.signed(&identity).signature, "sign_accept");
    let header = UploadHeader {
        sid: SID,
        sid2: SID2,
        slot: LOW,
        limbs: 5000,
        signature,
    };
    is(header.signed(&identity).signature, "sign_upload");
    let survivors = Bitmap::of(4, [0, 1, 3].map(Slot));
    let set = SurvivorSet {
        sid: SID,
        sid2: SID2,
        survivors: survivors.clone(),
    };
    is(set.sign(&identity), "sign_confirm");
    let receipt = Receipt {
        task: TASK,
        round: ROUND,
        attempt: ATTEMPT,
        sid: SID,
        sid2: SID2,
        survivors,
        sum: Hash([0x66; 32]),
        signature,
    };
    is(receipt.signed(&identity).signature, "sign_receipt");
    let advert = Advert {
        task: TASK,
        roster: crate::ids::RosterDigest([0x77; 32]),
        round: ROUND,
        attempt: ATTEMPT,
        slot: LOW,
        seal_key: [1; 32],
        mask_key: [2; 32],
        commitment: Hash([3; 32]),
        chain_end: None,
        signature,
    };
    let advert = advert.signed(&identity);
    is(advert.signature, "sign_advert");
    assert_eq!(advert.leaf().0, *values["advert_leaf"]);
}

// spec: [mask.sign]
#[test]
fn the_two_masks_of_an_edge_cancel() {
    let (low, high) = pair();
    let masks = [
        low.mask(&SID2, LOW, HIGH, pair_mask_sign(LOW, HIGH)),
        high.mask(&SID2, HIGH, LOW, pair_mask_sign(HIGH, LOW)),
    ];
    let mut blocks = Blocks::zeroed(5000);
    apply_masks(&mut blocks, &masks[..1], Threads::One);
    assert!(blocks.limbs().iter().any(|limb| *limb != 0));
    apply_masks(&mut blocks, &masks[1..], Threads::One);
    assert!(blocks.limbs().iter().all(|limb| *limb == 0));
    assert_eq!(pair_mask_sign(LOW, HIGH), Sign::Add);
}

// spec: [mask.sid2]
#[test]
fn another_share_set_gives_other_masks() {
    let (low, _) = pair();
    let own = SelfSeed::from_secret(secret(201));
    let other = Sid2([0x34; 32]);
    assert_ne!(
        starts(low.mask(&SID2, LOW, HIGH, Sign::Add)),
        starts(low.mask(&other, LOW, HIGH, Sign::Add))
    );
    assert_ne!(
        starts(own.mask(&SID2, LOW, Sign::Add)),
        starts(own.mask(&other, LOW, Sign::Add))
    );
}

// spec: [key.uniform] [advertise.fresh]
#[test]
fn seeds_are_64_bytes_reduced_and_differ_from_draw_to_draw() {
    // 64 bytes of one bit each are 2^512 - 1, reduced modulo the group order.
    let all_ones = SelfSeed::random(&mut Constant(0xff));
    let reduced = "000f9c44e31106a447938568a71b0ed065bef517d273ecce3d9a307c1b419903";
    assert_eq!(hex::encode(*all_ones.secret().expose_bytes()), reduced);

    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let roots = [0, 1].map(|_| RootSeed::random(&TASK, ROUND, ATTEMPT, LOW, &mut rng));
    assert_ne!(roots[0].mask_public(), roots[1].mask_public());
    let seals = [0, 1].map(|_| SealKey::random(&mut rng).public());
    assert_ne!(seals[0], seals[1]);
}

// spec: [key.root-only-mask]
#[test]
fn a_root_seed_gives_another_mask_key_in_every_attempt_and_slot() {
    let here = root(1, LOW).mask_public();
    let attempt = RootSeed::from_secret(secret(1), &TASK, ROUND, Attempt(2), LOW);
    let round = RootSeed::from_secret(secret(1), &TASK, Round(8), ATTEMPT, LOW);
    for other in [attempt, round, root(1, HIGH)] {
        assert_ne!(here, other.mask_public());
    }
}

// spec: [share.open]
#[test]
fn shares_come_out_at_the_other_end() {
    let (_, high) = sealing(&SID);
    let held = high.open(&sealed()).unwrap();
    assert_eq!(*held.root.expose_bytes(), seed(31));
    assert_eq!(*held.self_seed.expose_bytes(), seed(62));
}

// spec: [seal.directional] [seal.aad]
#[test]
fn a_ciphertext_sent_back_to_its_dealer_does_not_open() {
    let (low, _) = sealing(&SID);
    assert!(matches!(low.open(&sealed()), Err(OpenError::Ciphertext)));
}

// spec: [seal.aad]
#[test]
fn a_ciphertext_of_another_session_or_for_another_holder_does_not_open() {
    let (_, other_session) = sealing(&Sid([0x23; 32]));
    assert!(matches!(
        other_session.open(&sealed()),
        Err(OpenError::Ciphertext)
    ));
    let (low, high) = seal_keys();
    let transplanted = high.agree(&SID, Slot(6), LOW, &low.public()).unwrap();
    assert!(matches!(
        transplanted.open(&sealed()),
        Err(OpenError::Ciphertext)
    ));
}

// spec: [share.open] [share.cut-share]
#[test]
fn a_changed_bit_and_a_wrong_digest_are_told_apart() {
    for place in [0, 63, 64, 79] {
        let mut changed = sealed();
        changed.ciphertext[place] ^= 1;
        let (_, high) = sealing(&SID);
        assert!(matches!(high.open(&changed), Err(OpenError::Ciphertext)));
    }
    let mut wrong = sealed();
    std::mem::swap(&mut wrong.root_digest, &mut wrong.self_digest);
    let (_, high) = sealing(&SID);
    assert!(matches!(high.open(&wrong), Err(OpenError::Digest)));
}

// spec: [key.contributory] [share.cut-key]
#[test]
fn keys_of_low_order_are_refused_by_both_agreements() {
    let rows = rows("x25519-low-order.json");
    assert_eq!(rows.len(), 14);
    let (seal, _) = seal_keys();
    for row in &rows {
        let public = bytes(&row["public"]);
        let key = &public;
        assert!(seal.agree(&SID, LOW, HIGH, key).is_err(), "{row}");
        assert!(
            root(1, LOW).pair_seed(&SID, LOW, HIGH, key).is_err(),
            "{row}"
        );
    }
}

// spec: [key.contributory]
#[test]
fn keys_in_other_encodings_agree_as_published_or_are_refused() {
    let rows = rows("x25519-noncanonical.json");
    let mut refused = 0;
    for row in &rows {
        let shared = bytes(&row["shared"]);
        match agree(
            &StaticSecret::from(bytes(&row["private"])),
            &bytes(&row["public"]),
        ) {
            Ok(agreed) => assert_eq!(*agreed.bytes(), shared, "{row}"),
            Err(NotContributory) => {
                refused += 1;
                assert_eq!(shared, [0; 32], "{row}");
            }
        }
    }
    assert!(refused > 0 && refused < rows.len());
}

fn rows(file: &str) -> Vec<serde_json::Value> {
    let text = match file {
        "x25519-low-order.json" => include_str!("../../tests/data/x25519-low-order.json"),
        _ => include_str!("../../tests/data/x25519-noncanonical.json"),
    };
    let file = serde_json::from_str::<serde_json::Value>(text).unwrap();
    file["rows"].as_array().unwrap().clone()
}

fn bytes(value: &serde_json::Value) -> [u8; 32] {
    let bytes = hex::decode(value.as_str().unwrap()).unwrap();
    bytes.try_into().unwrap()
}
