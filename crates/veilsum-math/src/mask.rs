//! Masks.

use rayon::prelude::*;

use crate::keystream::{Keystream, KeystreamKey};
use crate::ring::{BLOCK_BYTES, BLOCK_LIMBS, Blocks};

/// Whether a mask is added or subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The self mask, and the pair mask of the lower slot.
    Add,
    /// The pair mask of the higher slot; also how a mask is taken off again.
    Subtract,
}

/// One mask.
pub struct Mask {
    keystream: Keystream,
    sign: Sign,
}

impl Mask {
    /// Expands the key of a mask.
    pub fn new(key: KeystreamKey, sign: Sign) -> Self {
        Self {
            keystream: Keystream::new(key),
            sign,
        }
    }
}

/// How many threads share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The caller's thread alone.
    One,
    /// The rayon pool the caller runs in, block by block.
    All,
}

/// Applies masks to every block.
pub fn apply_masks(vector: &mut Blocks, masks: &[Mask], threads: Threads) {
    let blocks = vector.limbs_mut();
    match threads {
        Threads::One => blocks
            .chunks_mut(BLOCK_LIMBS)
            .enumerate()
            .for_each(|(index, block)| apply_masks_to_block(index, block, masks)),
        Threads::All => blocks
            .par_chunks_mut(BLOCK_LIMBS)
            .enumerate()
            .for_each(|(index, block)| apply_masks_to_block(index, block, masks)),
    }
}

/// Applies masks to block `index`.
pub fn apply_masks_to_block(index: usize, block: &mut [u64], masks: &[Mask]) {
    let mut bytes = vec![0; block.len() * 8];
    for mask in masks {
        mask.keystream
            .fill(index as u64 * BLOCK_BYTES as u64, &mut bytes);
        let mut carry = false;
        for (limb, word) in block.iter_mut().zip(bytes.as_chunks::<8>().0) {
            let word = u64::from_le_bytes(*word);
            (*limb, carry) = match mask.sign {
                Sign::Add => limb.carrying_add(word, carry),
                Sign::Subtract => limb.borrowing_sub(word, carry),
            };
        }
    }
}
