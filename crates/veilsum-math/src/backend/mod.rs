//! Not a cipher to build on: no nonce, no authentication, no decryption, only AES-256 of
//! consecutive counters.
//!
//! What it is for: the kernels that make keystream and add it to limbs, one per kind of processor,
//! chosen at run time and equal to the bit. The cipher is AES-256 (FIPS 197) in counter mode (NIST
//! SP 800-38A, 6.5), the counter being the 128-bit big-endian number of the AES block, from 0.
//!
//! Kernels work in batches of eight AES blocks, or in several batches at once, so that a wide unit
//! is kept busy and no kernel has to start inside a batch. A new kernel is one file, one variant of
//! [`Backend`] and one of the private `Schedule`; the tests run over [`Backend::available`].
//!
//! Beside them stands [`Width`], for loops over floats elsewhere that are plain Rust.

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the processor's AES instructions, behind a proof that it has them"
)]
mod aesni;
mod bitslice;
mod library;
mod portable;
#[cfg(target_arch = "x86_64")]
mod registers;
mod round_keys;
#[cfg(target_arch = "x86_64")]
mod vaes;
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the processor's AES instructions, behind a proof that it has them"
)]
mod vaes256;
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the processor's AES instructions, behind a proof that it has them"
)]
mod vaes512;
#[cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "functions compiled for wide registers, behind a proof that the processor has them"
    )
)]
mod wide;

pub use library::Library;
pub use wide::{WideLoop, Width};
#[cfg(target_arch = "x86_64")]
pub use {aesni::AesNi, vaes256::Vaes256, vaes512::Vaes512};

use crate::deferred::{Deferred, Sign};
use round_keys::RoundKeys;

/// A kernel that this processor can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Bitsliced, no table and no branch on a secret, on any processor.
    Portable,
    /// Crate `aes` with the AES instructions that it knows: those of aarch64, for which there is no kernel here.
    Library(Library),
    /// The AES instructions of x86-64, eight blocks interleaved.
    #[cfg(target_arch = "x86_64")]
    AesNi(AesNi),
    /// Their form on two blocks at once (VAES with AVX2), 16 blocks interleaved.
    #[cfg(target_arch = "x86_64")]
    Vaes256(Vaes256),
    /// Their form on four blocks at once (VAES with AVX-512), 32 blocks interleaved.
    #[cfg(target_arch = "x86_64")]
    Vaes512(Vaes512),
}

impl Backend {
    /// The fastest kernel of this processor.
    pub fn detected() -> Self {
        Self::fastest_first().next().unwrap_or(Self::Portable)
    }

    /// Every kernel that this processor can run, fastest first.
    pub fn available() -> Vec<Self> {
        Self::fastest_first().collect()
    }

    /// A stable word for logs and benchmarks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Library(_) => "library",
            #[cfg(target_arch = "x86_64")]
            Self::AesNi(_) => "aes-ni",
            #[cfg(target_arch = "x86_64")]
            Self::Vaes256(_) => "vaes-256",
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512(_) => "vaes-512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn fastest_first() -> impl Iterator<Item = Self> {
        let wide = Vaes512::detect().map(Self::Vaes512).into_iter();
        wide.chain(Vaes256::detect().map(Self::Vaes256))
            .chain(AesNi::detect().map(Self::AesNi))
            .chain(Self::of_any_processor())
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fastest_first() -> impl Iterator<Item = Self> {
        Self::of_any_processor()
    }

    fn of_any_processor() -> impl Iterator<Item = Self> {
        let library = Library::detect().map(Self::Library).into_iter();
        library.chain([Self::Portable])
    }
}

/// An expanded key in the form its kernel wants; wiped on drop.
pub(crate) enum Schedule {
    Portable(portable::Schedule),
    Library(library::Schedule),
    #[cfg(target_arch = "x86_64")]
    AesNi(aesni::Schedule),
    #[cfg(target_arch = "x86_64")]
    Vaes256(vaes256::Schedule),
    #[cfg(target_arch = "x86_64")]
    Vaes512(vaes512::Schedule),
}

impl Schedule {
    pub(crate) fn new(key: &[u8; 32], backend: Backend) -> Self {
        let round_keys = || RoundKeys::expand(key);
        match backend {
            Backend::Portable => Self::Portable(portable::Schedule::new(&round_keys())),
            Backend::Library(proof) => Self::Library(library::Schedule::new(key, proof)),
            #[cfg(target_arch = "x86_64")]
            Backend::AesNi(proof) => Self::AesNi(aesni::Schedule::new(&round_keys(), proof)),
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes256(proof) => Self::Vaes256(vaes256::Schedule::new(&round_keys(), proof)),
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes512(proof) => Self::Vaes512(vaes512::Schedule::new(&round_keys(), proof)),
        }
    }

    /// Writes batches `first`, `first + 1` and so on.
    pub(crate) fn fill(&self, first: u64, out: &mut [Batch]) {
        match self {
            Self::Portable(schedule) => schedule.fill(first, out),
            Self::Library(schedule) => schedule.fill(first, out),
            #[cfg(target_arch = "x86_64")]
            Self::AesNi(schedule) => schedule.fill(first, out),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes256(schedule) => schedule.fill(first, out),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512(schedule) => schedule.fill(first, out),
        }
    }

    /// Adds batches `first`, `first + 1` and so on to limbs that wrap; carries are lost.
    pub(crate) fn add_wrapping(&self, first: u64, limbs: &mut [[u64; BATCH_LIMBS]]) {
        match self {
            Self::Portable(schedule) => schedule.add_wrapping(first, limbs),
            Self::Library(schedule) => schedule.add_wrapping(first, limbs),
            #[cfg(target_arch = "x86_64")]
            Self::AesNi(schedule) => schedule.add_wrapping(first, limbs),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes256(schedule) => schedule.add_wrapping(first, limbs),
            #[cfg(target_arch = "x86_64")]
            Self::Vaes512(schedule) => schedule.add_wrapping(first, limbs),
        }
    }
}

/// Adds or subtracts the keystreams of all masks from batch `first` on, read as little-endian
/// limbs.
///
/// Narrow kernels take one mask after the other, wide ones all of theirs at once.
pub(crate) fn accumulate<'a>(
    masks: impl Iterator<Item = (&'a Schedule, Sign)> + Clone,
    first: u64,
    run: &mut Deferred<'_>,
) {
    for (schedule, sign) in masks.clone() {
        match schedule {
            Schedule::Portable(schedule) => schedule.accumulate(first, run, sign),
            Schedule::Library(schedule) => schedule.accumulate(first, run, sign),
            #[cfg(target_arch = "x86_64")]
            Schedule::AesNi(schedule) => schedule.accumulate(first, run, sign),
            #[cfg(target_arch = "x86_64")]
            Schedule::Vaes256(_) | Schedule::Vaes512(_) => {}
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        let of_256 = masks.clone().filter_map(|(schedule, sign)| match schedule {
            Schedule::Vaes256(schedule) => Some((schedule, sign)),
            _ => None,
        });
        vaes256::Schedule::accumulate(of_256, first, run);
        let of_512 = masks.filter_map(|(schedule, sign)| match schedule {
            Schedule::Vaes512(schedule) => Some((schedule, sign)),
            _ => None,
        });
        vaes512::Schedule::accumulate(of_512, first, run);
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
