//! What cannot be avoided, done as barely as it can be: keystream, signatures, agreements, additions.

use super::timing::{process, rate, thread, wall};
use crate::exit::Failure;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Duration;
use veilsum_math::{
    BLOCK_BYTES, BLOCK_LIMBS, Blocks, Keystream, KeystreamKey, Point, Secret, split,
};
use x25519_dalek::{PublicKey, StaticSecret};

/// AES-256 in counter mode by the kernel of this processor, added to limbs that wrap, over one block in the cache.
pub(super) struct BareLoop {
    keystreams: Vec<Keystream>,
    block: Vec<u64>,
}

impl BareLoop {
    pub(super) fn new(masks: u8) -> Self {
        let keystreams = (0..masks).map(|i| Keystream::new(KeystreamKey::new([i; 32])));
        Self {
            keystreams: keystreams.collect(),
            block: vec![0; BLOCK_LIMBS],
        }
    }

    /// Gigabytes of keystream a second of this thread, over so many blocks for each mask.
    pub(super) fn rate(&mut self, blocks: usize) -> f64 {
        let (time, ()) = thread(|| self.run(blocks));
        rate(self.keystreams.len() * blocks * BLOCK_BYTES, time)
    }

    fn run(&mut self, blocks: usize) {
        for _ in 0..blocks {
            for keystream in &self.keystreams {
                keystream.add_wrapping(black_box(&mut self.block));
            }
        }
    }
}

/// Gigabytes a second on the wall, of a loop on each core that makes its part of `bytes`.
pub(super) fn rate_of_all_cores(cores: usize, bytes: usize) -> f64 {
    let mut loops: Vec<BareLoop> = (0..cores).map(|_| BareLoop::new(MASKS)).collect();
    let each = bytes / cores / (usize::from(MASKS) * BLOCK_BYTES);
    let (time, ()) = wall(|| loops.par_iter_mut().for_each(|bare| bare.run(each)));
    rate(cores * each * usize::from(MASKS) * BLOCK_BYTES, time)
}

/// Signatures to check, of as many keys.
pub(super) struct Signatures(Vec<(VerifyingKey, [u8; 200], Signature)>);

impl Signatures {
    pub(super) fn new() -> Self {
        let signed = (0..KEYS).map(|i| {
            let key = SigningKey::from_bytes(&[i; 32]);
            let message = [i; 200];
            (key.verifying_key(), message, key.sign(&message))
        });
        Self(signed.collect())
    }

    /// Checks so many signatures, as strictly as the protocol does.
    pub(super) fn check(&self, count: usize) {
        for (key, message, signature) in self.0.iter().cycle().take(count) {
            let verified = key.verify_strict(black_box(message), signature);
            assert!(verified.is_ok(), "a good signature does not verify");
        }
    }
}

/// What a member with `k` neighbours and a certificate of `q` signatures cannot do without: 2k agreements, 2k + q checks, two
/// splits with threshold `t`.
pub(super) fn of_member(
    k: u32,
    t: u32,
    q: u32,
    signatures: &Signatures,
) -> Result<Duration, Failure> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let own = StaticSecret::random_from_rng(&mut rng);
    let other = PublicKey::from(&StaticSecret::random_from_rng(&mut rng));
    let points: Vec<Point> = (0..k).map(Point::of_slot).collect();
    let (k, t, q) = (k as usize, t as usize, q as usize);
    let (time, shares) = thread(|| {
        for _ in 0..2 * k {
            black_box(own.diffie_hellman(black_box(&other)));
        }
        signatures.check(2 * k + q);
        let mut two = || {
            let secret = Secret::random(&mut rng);
            split(&secret, t, &points, &mut rng).map(drop)
        };
        two().and_then(|()| two())
    });
    shares.map_err(Failure::failed)?;
    Ok(time)
}

/// What a coordinator that was told so many signed messages and updates of so many limbs cannot do without.
pub(super) fn of_coordinator(
    (signed, updates): (usize, usize),
    limbs: usize,
    signatures: &Signatures,
) -> Result<Duration, Failure> {
    let mut sum = Blocks::zeroed(limbs);
    let update = Blocks::from_limbs(vec![u64::MAX / 3; limbs]);
    let (time, added) = process(|| {
        signatures.check(signed);
        (0..updates).try_for_each(|_| black_box(&mut sum).add(&update))
    });
    added.map_err(Failure::failed)?;
    Ok(time)
}

/// Masks of the bare loop on each core.
const MASKS: u8 = 66;

/// Keys of signatures: more than one, so that none is at hand for the next.
const KEYS: u8 = 200;
