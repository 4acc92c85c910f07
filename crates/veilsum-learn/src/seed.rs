//! Not a secret and not for masks or noise: the seed that makes a training run repeatable.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// Seed of one run: the split of the data, the first model, the order of the batches.
///
/// Every use derives its own generator from the seed, a label and numbers, so that two uses never share random numbers and
/// the order of calls changes nothing.
///
/// # Security
///
/// Public. Whoever knows it knows the order in which a member visits its examples, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunSeed(pub u64);

impl RunSeed {
    /// The generator for one use: `label` names the use, `numbers` the instance (slot, round, ...).
    pub(crate) fn rng(self, label: &str, numbers: &[u64]) -> ChaCha8Rng {
        let mut hash = Sha256::new();
        hash.update(b"veilsum-learn/run/");
        hash.update(label.as_bytes());
        hash.update([0]);
        hash.update(self.0.to_le_bytes());
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        ChaCha8Rng::from_seed(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;

    #[test]
    fn same_use_gives_the_same_numbers() {
        let draw = || RunSeed(7).rng("batches", &[1, 2]).next_u64();
        assert_eq!(draw(), draw());
    }

    #[test]
    fn label_numbers_and_seed_each_change_the_numbers() {
        let first = RunSeed(7).rng("batches", &[1, 2]).next_u64();
        assert_ne!(first, RunSeed(8).rng("batches", &[1, 2]).next_u64());
        assert_ne!(first, RunSeed(7).rng("split", &[1, 2]).next_u64());
        assert_ne!(first, RunSeed(7).rng("batches", &[2, 1]).next_u64());
    }
}
