//! Where the randomness of rounding and of noise comes from in demonstrations.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use veilsum_proto::ids::{Attempt, Round, TaskDigest};

/// The generator a member with a fixed rounding seed quantises with, so that whoever holds the seed and the update can make
/// the same integers again.
///
/// # Security
///
/// For demonstrations that compare a masked sum with a plain one. A member whose rounding can be foreseen tells more of its
/// update than it should; real members have no such seed.
pub fn rounding_rng(
    seed: &[u8; 32],
    task: &TaskDigest,
    round: Round,
    attempt: Attempt,
) -> ChaCha20Rng {
    generator(ROUNDING, seed, task, round, attempt)
}

/// The generator that a member with a fixed noise seed draws its noise secrets from
/// ([`noise_secrets`](veilsum_proto::member::noise_secrets)), so that whoever holds the seed can make the noise again.
///
/// # Security
///
/// For demonstrations that compare a masked, noised sum with a plain one. Whoever holds the seed takes the noise off, so it protects
/// nothing; real members have no such seed.
pub fn noise_rng(
    seed: &[u8; 32],
    task: &TaskDigest,
    round: Round,
    attempt: Attempt,
) -> ChaCha20Rng {
    generator(NOISE, seed, task, round, attempt)
}

fn generator(
    label: &[u8],
    seed: &[u8; 32],
    task: &TaskDigest,
    round: Round,
    attempt: Attempt,
) -> ChaCha20Rng {
    let mut hash = Sha256::new();
    hash.update(label);
    hash.update(seed);
    hash.update(task.as_bytes());
    hash.update(round.0.to_be_bytes());
    hash.update(attempt.0.to_be_bytes());
    ChaCha20Rng::from_seed(hash.finalize().into())
}

const ROUNDING: &[u8] = b"veilsum demonstration rounding v1";
const NOISE: &[u8] = b"veilsum demonstration noise v1";
