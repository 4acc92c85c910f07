//! Not key agreement: which masks a member applies, and with which sign, is the protocol's
//! business.
//!
//! What it is for: adding and subtracting masks. A mask is a keystream read as block integers:
//! block `i` takes the bytes from `32768 i` on, as a little-endian integer, and a short last block
//! takes as many bytes as it has and leaves the rest unused (`protocol-security.md`, R14). Masks of
//! one key and opposite signs cancel, in any order and among any others.

use std::fmt;

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use zeroize::Zeroizing;

pub use crate::deferred::Sign;
pub use crate::threads::Threads;

use crate::backend::{BATCH_BYTES, Backend, accumulate};
use crate::deferred::Deferred;
use crate::keystream::{Keystream, KeystreamKey};
use crate::ring::{BLOCK_BYTES, BLOCK_LIMBS, Blocks, add_with_carry};

/// One mask: its keystream and its sign.
pub struct Mask {
    keystream: Keystream,
    sign: Sign,
}

impl Mask {
    /// Expands the key of a mask for the fastest kernel of this processor.
    pub fn new(key: KeystreamKey, sign: Sign) -> Self {
        Self::with_backend(key, sign, Backend::detected())
    }

    /// Expands the key of a mask for a kernel of the caller's choice; the mask is the same.
    pub fn with_backend(key: KeystreamKey, sign: Sign, backend: Backend) -> Self {
        Self {
            keystream: Keystream::with_backend(key, backend),
            sign,
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keystream: _, sign } = self; // a new field must be decided on here
        f.debug_struct("Mask")
            .field("sign", sign)
            .finish_non_exhaustive()
    }
}

/// Applies every mask to every block; the result does not depend on `threads`, nor on the order of
/// the masks.
pub fn apply_masks(vector: &mut Blocks, masks: &[Mask], threads: Threads) {
    let groups = threads.count().min(masks.len() / MIN_GROUP);
    let few_blocks = vector.block_count() < threads.count();
    match threads {
        Threads::All if few_blocks && groups > 1 => apply_in_groups(vector, masks, groups),
        Threads::All => vector
            .limbs_mut()
            .par_chunks_mut(BLOCK_LIMBS)
            .with_max_len(1) // under thousands of masks a block is long work: else the last thread has many left
            .enumerate()
            .for_each(|(index, block)| apply_masks_to_block(index, block, masks)),
        Threads::One => vector
            .limbs_mut()
            .chunks_mut(BLOCK_LIMBS)
            .enumerate()
            .for_each(|(index, block)| apply_masks_to_block(index, block, masks)),
    }
}

/// Fewer blocks than threads: each thread adds up some of the masks over all blocks. A sum of masks
/// is as secret as they are.
fn apply_in_groups(vector: &mut Blocks, masks: &[Mask], groups: usize) {
    let limbs = vector.len();
    let sums: Vec<Zeroizing<Blocks>> = masks
        .par_chunks(masks.len().div_ceil(groups))
        .map(|masks| {
            let mut sum = Zeroizing::new(Blocks::zeroed(limbs));
            apply_masks(&mut sum, masks, Threads::One);
            sum
        })
        .collect();
    for sum in &sums {
        let blocks = vector.limbs_mut().chunks_mut(BLOCK_LIMBS);
        for (block, sum) in blocks.zip(sum.iter_blocks()) {
            add_with_carry(block, sum);
        }
    }
}

/// Applies every mask to one block, which is number `index` of its vector.
///
/// # Panics
///
/// The block has more than [`BLOCK_LIMBS`] limbs. The rest would be masked with the keystream of
/// the next block, which is to be used once.
pub fn apply_masks_to_block(index: usize, block: &mut [u64], masks: &[Mask]) {
    assert!(
        block.len() <= BLOCK_LIMBS,
        "found a block of {} limbs, wanted at most {BLOCK_LIMBS}",
        block.len()
    );
    let mut counts = Zeroizing::new([0; CHUNK_LIMBS]);
    let mut byte_offset = index as u64 * BLOCK_BYTES as u64;
    let mut carry = 0;
    for limbs in block.chunks_mut(CHUNK_LIMBS) {
        let bytes = size_of_val(limbs) as u64;
        let mut chunk = Deferred::new(limbs, &mut *counts);
        // A chunk starts with a batch: its bytes and those of a block are multiples of a batch's.
        let batch = byte_offset / BATCH_BYTES as u64;
        for masks in masks.chunks(CACHED_MASKS) {
            let schedules = masks
                .iter()
                .map(|mask| (mask.keystream.schedule(), mask.sign));
            accumulate(schedules, batch, &mut chunk);
        }
        carry = chunk.settle(carry);
        byte_offset += bytes;
    }
    // The carry out of a block is dropped.
}

/// Limbs that all masks go over before the next ones: 8 KiB with their carry counts stay in the L1
/// cache.
const CHUNK_LIMBS: usize = 512;

/// Masks that go over a chunk before the next ones: their round keys, 240 bytes each, stay in the L1
/// cache beside it. Round keys of thousands would come from beyond for every few hundred bytes.
const CACHED_MASKS: usize = 80;

/// Masks that are worth a thread and a vector of its own.
const MIN_GROUP: usize = 4;

#[cfg(test)]
mod tests;
