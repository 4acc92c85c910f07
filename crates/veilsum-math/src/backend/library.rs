//! The kernel of crate `aes`: the AES instructions of processors that have no kernel of their own here, above all
//! aarch64's, without unsafe code of ours.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroizing;

use super::{BATCH_BLOCKS, BATCH_BYTES, BATCH_LIMBS, Batch};
use crate::deferred::{Deferred, Sign, accumulate};

/// Proof that crate `aes` has instructions for this processor. Without them it has nothing that the portable kernel has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Library(());

impl Library {
    /// Asks the crate.
    pub fn detect() -> Option<Self> {
        aes::hardware_accelerated().then_some(Self(()))
    }
}

/// Round keys in the crate's form, which it wipes on drop.
pub(crate) struct Schedule(Box<Aes256Enc>);

impl Schedule {
    pub(super) fn new(key: &[u8; 32], Library(()): Library) -> Self {
        Self(Box::new(Aes256Enc::new(key.into())))
    }

    pub(super) fn fill(&self, first: u64, out: &mut [Batch]) {
        for (batch, out) in (first..).step_by(BATCHES).zip(out.chunks_mut(BATCHES)) {
            let (blocks, _) = out.as_flattened_mut().as_chunks_mut();
            let counter = u128::from(batch) * BATCH_BLOCKS as u128;
            for (counter, block) in (counter..).zip(&mut *blocks) {
                *block = counter.to_be_bytes();
            }
            self.encrypt(blocks);
        }
    }

    pub(super) fn accumulate(&self, first: u64, run: &mut Deferred<'_>, sign: Sign) {
        let (limbs, counts) = run.parts();
        let limbs = limbs.chunks_mut(BATCHES * BATCH_LIMBS);
        let counts = counts.chunks_mut(BATCHES * BATCH_LIMBS);
        let firsts = (first..).step_by(BATCHES);
        let mut keystream = Zeroizing::new([[0; BATCH_BYTES]; BATCHES]);
        for (batch, (limbs, counts)) in firsts.zip(limbs.zip(counts)) {
            self.fill(batch, &mut *keystream);
            accumulate(limbs, counts, keystream.as_flattened(), sign);
        }
    }

    pub(super) fn add_wrapping(&self, first: u64, limbs: &mut [[u64; BATCH_LIMBS]]) {
        let mut keystream = Zeroizing::new([[0; BATCH_BYTES]; BATCHES]);
        for (batch, limbs) in (first..).step_by(BATCHES).zip(limbs.chunks_mut(BATCHES)) {
            self.fill(batch, &mut *keystream);
            let (words, _) = keystream.as_flattened().as_chunks();
            for (limb, word) in limbs.as_flattened_mut().iter_mut().zip(words) {
                *limb = limb.wrapping_add(u64::from_le_bytes(*word));
            }
        }
    }

    pub(super) fn encrypt(&self, blocks: &mut [[u8; 16]]) {
        self.0
            .encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    }
}

/// Batches encrypted at once: more than the crate's instructions want side by side, and little to wipe.
const BATCHES: usize = 4;
