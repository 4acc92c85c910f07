//! Not encryption: a keystream is made to be added to one vector once, and nothing authenticates
//! the result.
//!
//! What it is for: 2^64 pseudorandom bytes from a 32-byte key, readable from any offset. They are
//! AES-256 of the 128-bit big-endian counters 0, 1, 2 and so on, so that every library with
//! AES-256-CTR checks them against an all-zero first counter block.

use std::fmt;
use std::slice;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::backend::{BATCH_BYTES, BATCH_LIMBS, Backend, Batch, Schedule};

/// Key of one keystream.
///
/// # Security
///
/// There is no nonce, so a key stands for one mask of one vector: two vectors under one key differ
/// by what they hide. Whoever has it takes the mask off. It cannot be copied, and expanding it
/// consumes it:
///
/// ```compile_fail,E0382
/// use veilsum_math::{KeystreamKey, Mask, Sign};
///
/// let key = KeystreamKey::new([1; 32]);
/// let one = Mask::new(key, Sign::Add);
/// let other = Mask::new(key, Sign::Add);
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeystreamKey(Box<[u8; 32]>);

impl KeystreamKey {
    /// Takes over a key and wipes its argument.
    ///
    /// # Security
    ///
    /// An array is copied into the call; the caller wipes its own.
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = Self(Box::new(bytes));
        bytes.zeroize();
        key
    }
}

impl fmt::Debug for KeystreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self; // a new field must be decided on here
        f.write_str("KeystreamKey(..)")
    }
}

/// A keystream: the expanded key, wiped on drop.
pub struct Keystream {
    schedule: Schedule,
}

impl Keystream {
    /// Expands a key for the fastest kernel of this processor.
    pub fn new(key: KeystreamKey) -> Self {
        Self::with_backend(key, Backend::detected())
    }

    /// Expands a key for a kernel of the caller's choice; the bytes are the same.
    pub fn with_backend(key: KeystreamKey, backend: Backend) -> Self {
        Self {
            schedule: Schedule::new(&key.0, backend),
        }
    }

    /// Writes the keystream from byte `byte_offset` on over `out`.
    pub fn fill(&self, byte_offset: u64, out: &mut [u8]) {
        let first = byte_offset / BATCH_BYTES as u64;
        let skipped = (byte_offset % BATCH_BYTES as u64) as usize;
        if skipped == 0 {
            return self.fill_from_batch(first, out);
        }
        let (head, rest) = out.split_at_mut(out.len().min(BATCH_BYTES - skipped));
        head.copy_from_slice(&self.batch(first)[skipped..][..head.len()]);
        self.fill_from_batch(first + 1, rest);
    }

    /// Adds the keystream from its start to limbs that wrap, each by itself.
    ///
    /// Not a mask: what a limb carries is lost, so nothing can take the keystream off again but the
    /// same kind of subtraction. It is the limit that masking is measured against: the cipher and
    /// the least that an addition can be.
    ///
    /// # Panics
    ///
    /// There are not a multiple of 16 limbs.
    pub fn add_wrapping(&self, limbs: &mut [u64]) {
        let found = limbs.len();
        let (batches, left) = limbs.as_chunks_mut();
        assert!(
            left.is_empty(),
            "found {found} limbs, wanted a multiple of {BATCH_LIMBS}"
        );
        self.schedule.add_wrapping(0, batches);
    }

    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn fill_from_batch(&self, first: u64, out: &mut [u8]) {
        let (batches, tail) = out.as_chunks_mut();
        self.schedule.fill(first, batches);
        if !tail.is_empty() {
            tail.copy_from_slice(&self.batch(first + batches.len() as u64)[..tail.len()]);
        }
    }

    fn batch(&self, number: u64) -> Zeroizing<Batch> {
        let mut batch = Zeroizing::new([0; BATCH_BYTES]);
        self.schedule.fill(number, slice::from_mut(&mut *batch));
        batch
    }
}

impl fmt::Debug for Keystream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule: _ } = self; // a new field must be decided on here
        f.write_str("Keystream(..)")
    }
}

#[cfg(test)]
mod tests;
