//! Not a cipher to build on: no nonce, no authentication, no decryption, only AES-256 of
//! consecutive counters.
//!
//! What it is for: the kernels that make keystream and add it to limbs, one per kind of processor,
//! chosen at run time and equal to the bit. The cipher is AES-256 (FIPS 197) in counter mode (NIST
//! SP 800-38A, 6.5), the counter being the 128-bit big-endian number of the AES block, from 0.
//!
//! Kernels work in batches of eight AES blocks, so that a wide unit is kept busy and no kernel has
//! to start inside a batch. A new kernel is one file, one variant of [`Backend`] and one of the
//! private `Schedule`; the tests run over [`Backend::available`].

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the processor's AES instructions, behind a proof that it has them"
)]
mod aesni;
mod bitslice;
mod portable;
mod round_keys;

#[cfg(target_arch = "x86_64")]
pub use aesni::AesNi;

use crate::deferred::{Deferred, Sign};
use round_keys::RoundKeys;

/// A kernel that this processor can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Bitsliced, no table and no branch on a secret, on any processor.
    Portable,
    /// The AES instructions of x86-64, eight blocks interleaved.
    #[cfg(target_arch = "x86_64")]
    AesNi(AesNi),
}

impl Backend {
    /// The fastest kernel of this processor.
    pub fn detected() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(proof) = AesNi::detect() {
            return Self::AesNi(proof);
        }
        Self::Portable
    }

    /// Every kernel that this processor can run, fastest first.
    pub fn available() -> Vec<Self> {
        match Self::detected() {
            Self::Portable => vec![Self::Portable],
            #[cfg(target_arch = "x86_64")]
            detected @ Self::AesNi(_) => vec![detected, Self::Portable],
        }
    }

    /// A stable word for logs and benchmarks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::AesNi(_) => "aes-ni",
        }
    }
}

/// An expanded key in the form its kernel wants; wiped on drop.
pub(crate) enum Schedule {
    Portable(portable::Schedule),
    #[cfg(target_arch = "x86_64")]
    AesNi(aesni::Schedule),
}

impl Schedule {
    pub(crate) fn new(key: &[u8; 32], backend: Backend) -> Self {
        let round_keys = RoundKeys::expand(key);
        match backend {
            Backend::Portable => Self::Portable(portable::Schedule::new(&round_keys)),
            #[cfg(target_arch = "x86_64")]
            Backend::AesNi(proof) => Self::AesNi(aesni::Schedule::new(&round_keys, proof)),
        }
    }

    /// Writes batches `first`, `first + 1` and so on.
    pub(crate) fn fill(&self, first: u64, out: &mut [Batch]) {
        match self {
            Self::Portable(schedule) => schedule.fill(first, out),
            #[cfg(target_arch = "x86_64")]
            Self::AesNi(schedule) => schedule.fill(first, out),
        }
    }

    /// Adds or subtracts the keystream from batch `first` on, read as little-endian limbs.
    pub(crate) fn accumulate(&self, first: u64, run: &mut Deferred<'_>, sign: Sign) {
        match self {
            Self::Portable(schedule) => schedule.accumulate(first, run, sign),
            #[cfg(target_arch = "x86_64")]
            Self::AesNi(schedule) => schedule.accumulate(first, run, sign),
        }
    }
}

/// The keystream of eight AES blocks.
pub(crate) type Batch = [u8; BATCH_BYTES];

/// AES blocks of a batch.
const BATCH_BLOCKS: usize = 8;

/// Bytes of a batch.
pub(crate) const BATCH_BYTES: usize = BATCH_BLOCKS * 16;

/// Limbs of a batch.
pub(crate) const BATCH_LIMBS: usize = BATCH_BYTES / size_of::<u64>();

#[cfg(test)]
mod tests;
