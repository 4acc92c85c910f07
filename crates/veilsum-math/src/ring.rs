//! Not a vector of numbers: blocks know nothing of lanes, offsets or members, and their arithmetic
//! never fails for a value, only for a length.
//!
//! What it is for: the ring in which contributions are masked and summed. A vector of 64-bit limbs
//! is cut into blocks of [`BLOCK_LIMBS`] limbs, the last one may be shorter, and each block is one
//! little-endian integer modulo 2^(64 x its limbs). Every operation is `(a + b) mod 2**(8*len)` or
//! its inverse, block by block; the carry out of a block is dropped.

use std::borrow::Cow;
use std::fmt;

use zerocopy::IntoBytes;
use zeroize::Zeroize;

/// Limbs of a full block.
pub const BLOCK_LIMBS: usize = 4096;

/// Bytes of a full block, in memory, on the wire and under the keystream.
pub const BLOCK_BYTES: usize = BLOCK_LIMBS * LIMB_BYTES;

/// A vector of 64-bit limbs, cut into blocks; block `i` starts at limb `4096 i`.
///
/// # Security
///
/// Holds plain contributions as well as masked ones, so it has no `Clone` and its `Debug` shows
/// lengths only. It is not wiped on drop, because most vectors are masked: whoever holds a plain
/// one calls [`zeroize`](Zeroize::zeroize) when done.
#[derive(PartialEq, Eq, Zeroize)]
pub struct Blocks {
    limbs: Vec<u64>,
}

impl Blocks {
    /// The neutral element of `limbs` limbs.
    pub fn zeroed(limbs: usize) -> Self {
        Self {
            limbs: vec![0; limbs],
        }
    }

    /// Takes over limbs, least significant limb of the first block first.
    pub fn from_limbs(limbs: Vec<u64>) -> Self {
        Self { limbs }
    }

    /// Reads little-endian limbs.
    ///
    /// # Errors
    ///
    /// The length is not a multiple of 8.
    pub fn from_le_bytes(bytes: &[u8]) -> Result<Self, PartialLimb> {
        if !bytes.len().is_multiple_of(LIMB_BYTES) {
            return Err(PartialLimb { found: bytes.len() });
        }
        let mut limbs = vec![0; bytes.len() / LIMB_BYTES];
        limbs.as_mut_bytes().copy_from_slice(bytes);
        for limb in &mut limbs {
            *limb = u64::from_le(*limb);
        }
        Ok(Self { limbs })
    }

    /// Adds `other`, block by block.
    ///
    /// # Errors
    ///
    /// The lengths differ; nothing is added then.
    pub fn add(&mut self, other: &Self) -> Result<(), LengthMismatch> {
        self.add_limbs(&other.limbs)
    }

    /// Adds limbs that lie elsewhere, block by block, as [`Self::add`] does.
    ///
    /// # Errors
    ///
    /// The lengths differ; nothing is added then.
    pub fn add_limbs(&mut self, other: &[u64]) -> Result<(), LengthMismatch> {
        check_length(other.len(), self.len())?;
        let blocks = other.chunks(BLOCK_LIMBS);
        for (sum, block) in self.limbs.chunks_mut(BLOCK_LIMBS).zip(blocks) {
            add_with_carry(sum, block);
        }
        Ok(())
    }

    /// Subtracts `other`, block by block.
    ///
    /// # Errors
    ///
    /// The lengths differ; nothing is subtracted then.
    pub fn subtract(&mut self, other: &Self) -> Result<(), LengthMismatch> {
        check_length(other.len(), self.len())?;
        for (difference, block) in self.limbs.chunks_mut(BLOCK_LIMBS).zip(other.iter_blocks()) {
            subtract_with_borrow(difference, block);
        }
        Ok(())
    }

    /// Adds one block at its index.
    ///
    /// # Errors
    ///
    /// `block` is not as long as the block at `index`, or there is no such block, which counts as
    /// one of 0 limbs; nothing is added then.
    pub fn add_block(&mut self, index: usize, block: &[u64]) -> Result<(), LengthMismatch> {
        let sum = self.block_mut(index).unwrap_or_default();
        check_length(block.len(), sum.len())?;
        add_with_carry(sum, block);
        Ok(())
    }

    /// All limbs, to be written.
    pub fn limbs_mut(&mut self) -> &mut [u64] {
        &mut self.limbs
    }

    /// Block `index`, to be written, or `None` past the end.
    pub fn block_mut(&mut self, index: usize) -> Option<&mut [u64]> {
        self.limbs.chunks_mut(BLOCK_LIMBS).nth(index)
    }

    /// All limbs.
    pub fn limbs(&self) -> &[u64] {
        &self.limbs
    }

    /// Gives the limbs away.
    pub fn into_limbs(self) -> Vec<u64> {
        self.limbs
    }

    /// The number of limbs.
    pub fn len(&self) -> usize {
        self.limbs.len()
    }

    /// Whether there is no limb, and so no block.
    pub fn is_empty(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The number of blocks, a short last one included.
    pub fn block_count(&self) -> usize {
        self.len().div_ceil(BLOCK_LIMBS)
    }

    /// Block `index`, or `None` past the end.
    pub fn block(&self, index: usize) -> Option<&[u64]> {
        self.limbs.chunks(BLOCK_LIMBS).nth(index)
    }

    /// All blocks in order; every one but the last is full.
    pub fn iter_blocks(&self) -> impl ExactSizeIterator<Item = &[u64]> + DoubleEndedIterator {
        self.limbs.chunks(BLOCK_LIMBS)
    }

    /// All limbs as little-endian bytes.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        le_bytes(&self.limbs).into_owned()
    }

    /// Block `index` as little-endian bytes, or `None` past the end. Borrowed, not copied, where
    /// the processor is little-endian.
    pub fn le_bytes_of_block(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        self.block(index).map(le_bytes)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("limbs", &self.len())
            .field("blocks", &self.block_count())
            .finish_non_exhaustive()
    }
}

/// Two vectors or blocks that were to be combined have different lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("found {found} limbs, wanted {wanted}")]
pub struct LengthMismatch {
    /// Limbs of the operand.
    pub found: usize,
    /// Limbs of the vector or block it was to be combined with.
    pub wanted: usize,
}

/// Bytes that end inside a limb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("found {found} bytes, wanted a multiple of 8")]
pub struct PartialLimb {
    /// The number of bytes.
    pub found: usize,
}

fn check_length(found: usize, wanted: usize) -> Result<(), LengthMismatch> {
    if found == wanted {
        Ok(())
    } else {
        Err(LengthMismatch { found, wanted })
    }
}

pub(crate) fn add_with_carry(sum: &mut [u64], block: &[u64]) {
    chain(sum, block, u64::carrying_add);
}

fn subtract_with_borrow(difference: &mut [u64], block: &[u64]) {
    chain(difference, block, u64::borrowing_sub);
}

/// Limb by limb, each with what the one before it carries or borrows. Both are equally long: limbs of unequal ones would not
/// stand beside each other behind the last run of the shorter.
#[inline(always)]
fn chain(limbs: &mut [u64], others: &[u64], step: impl Fn(u64, u64, bool) -> (u64, bool)) {
    debug_assert_eq!(limbs.len(), others.len());
    let mut carry = false;
    let (runs, rest) = limbs.as_chunks_mut::<CHAIN_LIMBS>();
    let (other_runs, other_rest) = others.as_chunks::<CHAIN_LIMBS>();
    for (run, others) in runs.iter_mut().zip(other_runs) {
        for (limb, &other) in run.iter_mut().zip(others) {
            (*limb, carry) = step(*limb, other, carry);
        }
    }
    for (limb, &other) in rest.iter_mut().zip(other_rest) {
        (*limb, carry) = step(*limb, other, carry);
    }
}

fn le_bytes(limbs: &[u64]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(limbs.as_bytes())
    } else {
        Cow::Owned(limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect())
    }
}

const LIMB_BYTES: usize = size_of::<u64>();

/// Limbs whose carries stay in the processor's flag: a loop puts it elsewhere at each turn, and compilers take a longer run
/// apart.
const CHAIN_LIMBS: usize = 16;

#[cfg(test)]
mod tests;
