//! The kernel for x86-64 with AES-NI: eight counter blocks interleaved, so that the latency of a
//! round hides behind the other seven, and added to the limbs straight from the registers.
//!
//! The only unsafe code of the workspace: calls into functions compiled for instructions that the
//! processor was found to have. Registers are loaded and stored by value, which needs none.

use core::arch::x86_64::*;
use std::slice;

use zerocopy::transmute;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::round_keys::{ROUND_KEYS, RoundKeys};
use super::{BATCH_BLOCKS, BATCH_BYTES, BATCH_LIMBS, Batch};
use crate::deferred::{Deferred, Sign, accumulate};

/// Proof that this processor has the instructions of this kernel: AES-NI and SSE4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AesNi(());

impl AesNi {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("aes") && is_x86_feature_detected!("sse4.2");
        found.then_some(Self(()))
    }
}

/// Round keys in the form of the instructions.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Schedule {
    round_keys: Box<[__m128i; ROUND_KEYS]>,
    #[zeroize(skip)]
    _proof: AesNi,
}

impl Schedule {
    pub(super) fn new(round_keys: &RoundKeys, proof: AesNi) -> Self {
        let mut schedule = Self {
            round_keys: Box::new(transmute!([[0u8; 16]; ROUND_KEYS])),
            _proof: proof,
        };
        for (register, bytes) in schedule.round_keys.iter_mut().zip(round_keys.bytes()) {
            *register = transmute!(*bytes);
        }
        schedule
    }

    pub(super) fn fill(&self, first: u64, out: &mut [Batch]) {
        // SAFETY: `_proof` exists only where the processor has the features that `fill` is compiled
        // for.
        unsafe { fill(&self.round_keys, first, out) }
    }

    /// AES of any blocks: keystream has only counters, published vectors have others.
    #[cfg(test)]
    pub(super) fn encrypt(&self, blocks: &[[u8; 16]; BATCH_BLOCKS]) -> [[u8; 16]; BATCH_BLOCKS] {
        // SAFETY: `_proof` exists only where the processor has the features that `encrypt` is
        // compiled for.
        transmute!(unsafe { encrypt(&self.round_keys, transmute!(*blocks)) })
    }

    pub(super) fn accumulate(&self, first: u64, run: &mut Deferred<'_>, sign: Sign) {
        let (limbs, counts) = run.parts();
        let (limbs, limbs_left) = limbs.as_chunks_mut();
        let (counts, counts_left) = counts.as_chunks_mut();
        // SAFETY: `_proof` exists only where the processor has the features that both are compiled
        // for.
        unsafe {
            match sign {
                Sign::Add => add(&self.round_keys, first, limbs, counts),
                Sign::Subtract => subtract(&self.round_keys, first, limbs, counts),
            }
        }
        if !limbs_left.is_empty() {
            let mut keystream = Zeroizing::new([0; BATCH_BYTES]);
            self.fill(first + limbs.len() as u64, slice::from_mut(&mut *keystream));
            accumulate(limbs_left, counts_left, &*keystream, sign);
        }
    }
}

#[target_feature(enable = "aes,sse4.2")]
fn fill(round_keys: &[__m128i; ROUND_KEYS], first: u64, out: &mut [Batch]) {
    for (batch, out) in (first..).zip(out) {
        let (blocks, _) = out.as_chunks_mut::<16>();
        for (bytes, block) in blocks.iter_mut().zip(encrypt_batch(round_keys, batch)) {
            *bytes = transmute!(block);
        }
    }
}

#[target_feature(enable = "aes,sse4.2")]
fn add(
    round_keys: &[__m128i; ROUND_KEYS],
    first: u64,
    limbs: &mut [[u64; BATCH_LIMBS]],
    counts: &mut [[i64; BATCH_LIMBS]],
) {
    let round_keys = with_top_bits_flipped(round_keys);
    for (batch, (limbs, counts)) in (first..).zip(limbs.iter_mut().zip(counts)) {
        for ((limbs, counts), mask) in pairs(limbs, counts).zip(encrypt_batch(&round_keys, batch)) {
            // Flipping the top bit is adding 2^63: `flipped` is the sum with its top bit flipped,
            // and a signed comparison of flipped numbers is the unsigned one of the numbers. A sum
            // below an operand carried.
            let flipped = _mm_add_epi64(transmute!(*limbs), mask);
            let carried = _mm_cmpgt_epi64(mask, flipped); // -1 where true
            *limbs = transmute!(_mm_xor_si128(flipped, top_bits()));
            *counts = transmute!(_mm_sub_epi64(transmute!(*counts), carried));
        }
    }
}

#[target_feature(enable = "aes,sse4.2")]
fn subtract(
    round_keys: &[__m128i; ROUND_KEYS],
    first: u64,
    limbs: &mut [[u64; BATCH_LIMBS]],
    counts: &mut [[i64; BATCH_LIMBS]],
) {
    let round_keys = with_top_bits_flipped(round_keys);
    for (batch, (limbs, counts)) in (first..).zip(limbs.iter_mut().zip(counts)) {
        for ((limbs, counts), mask) in pairs(limbs, counts).zip(encrypt_batch(&round_keys, batch)) {
            // As in `add`; flipping both operands leaves their difference. A minuend below
            // borrowed.
            let flipped = _mm_xor_si128(transmute!(*limbs), top_bits());
            let borrowed = _mm_cmpgt_epi64(mask, flipped); // -1 where true
            *limbs = transmute!(_mm_sub_epi64(flipped, mask));
            *counts = transmute!(_mm_add_epi64(transmute!(*counts), borrowed));
        }
    }
}

/// What the registers of a batch are added to: two limbs and their counts each.
#[inline]
fn pairs<'a>(
    limbs: &'a mut [u64; BATCH_LIMBS],
    counts: &'a mut [i64; BATCH_LIMBS],
) -> impl Iterator<Item = (&'a mut [u64; 2], &'a mut [i64; 2])> {
    limbs
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(counts.as_chunks_mut().0)
}

/// The keystream of one batch.
#[inline]
#[target_feature(enable = "aes,sse4.2")]
fn encrypt_batch(round_keys: &[__m128i; ROUND_KEYS], batch: u64) -> [__m128i; BATCH_BLOCKS] {
    // The upper half of the counter stays zero: there are at most 2^60 blocks. The blocks of a
    // batch differ in the low three bits of the last byte only, which is the top byte of the upper
    // half of a register.
    let counter = batch * BATCH_BLOCKS as u64;
    let mut blocks = [_mm_set_epi64x(counter.swap_bytes() as i64, 0); BATCH_BLOCKS];
    for (number, block) in (0..).zip(&mut blocks) {
        *block = _mm_xor_si128(*block, _mm_set_epi64x(number << 56, 0));
    }
    encrypt(round_keys, blocks)
}

#[inline]
#[target_feature(enable = "aes,sse4.2")]
fn encrypt(
    round_keys: &[__m128i; ROUND_KEYS],
    mut blocks: [__m128i; BATCH_BLOCKS],
) -> [__m128i; BATCH_BLOCKS] {
    let [whitening, middle @ .., last] = round_keys;
    for block in &mut blocks {
        *block = _mm_xor_si128(*block, *whitening);
    }
    for round_key in middle {
        for block in &mut blocks {
            *block = _mm_aesenc_si128(*block, *round_key);
        }
    }
    for block in &mut blocks {
        *block = _mm_aesenclast_si128(*block, *last);
    }
    blocks
}

/// Round keys whose keystream has the top bit of each limb flipped, at no cost per block.
#[inline]
#[target_feature(enable = "sse2")]
fn with_top_bits_flipped(round_keys: &[__m128i; ROUND_KEYS]) -> Zeroizing<[__m128i; ROUND_KEYS]> {
    let mut round_keys = Zeroizing::new(*round_keys);
    let last = &mut round_keys[ROUND_KEYS - 1];
    *last = _mm_xor_si128(*last, top_bits());
    round_keys
}

#[inline]
#[target_feature(enable = "sse2")]
fn top_bits() -> __m128i {
    _mm_set1_epi64x(i64::MIN)
}
