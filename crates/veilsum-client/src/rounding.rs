//! Where the randomness of rounding comes from.

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
    let mut hash = Sha256::new();
    hash.update(LABEL);
    hash.update(seed);
    hash.update(task.as_bytes());
    hash.update(round.0.to_be_bytes());
    hash.update(attempt.0.to_be_bytes());
    ChaCha20Rng::from_seed(hash.finalize().into())
}

const LABEL: &[u8] = b"veilsum demonstration rounding v1";
