//! The kernel for x86-64 with AES-NI: eight counter blocks interleaved, so that the latency of a
//! round hides behind the other seven, and added to the limbs straight from the registers.
//!
//! Unsafe here, as in the kernels beside it and nowhere else in the workspace: calls into functions
//! compiled for instructions that the processor was found to have. Registers are loaded and stored by value, which needs none.

use core::arch::asm;
use core::arch::x86_64::*;
use std::slice;

use zerocopy::transmute;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::registers::KeyRegisters;
use super::round_keys::{ROUND_KEYS, RoundKeys};
use super::{BATCH_BLOCKS, BATCH_BYTES, BATCH_LIMBS, Batch};
use crate::deferred::{self, Deferred, Sign};

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
    round_keys: KeyRegisters,
    #[zeroize(skip)]
    _proof: AesNi,
}

impl Schedule {
    pub(super) fn new(round_keys: &RoundKeys, proof: AesNi) -> Self {
        Self {
            round_keys: KeyRegisters::new(round_keys),
            _proof: proof,
        }
    }

    pub(super) fn fill(&self, first: u64, out: &mut [Batch]) {
        // SAFETY: `_proof` exists only where the processor has the features that `fill` is compiled
        // for.
        unsafe { fill(self.round_keys.get(), first, out) }
    }

    pub(super) fn add_wrapping(&self, first: u64, limbs: &mut [[u64; BATCH_LIMBS]]) {
        // SAFETY: `_proof` exists only where the processor has the features that `add_wrapping` is
        // compiled for.
        unsafe { add_wrapping(self.round_keys.get(), first, limbs) }
    }

    /// AES of any blocks: keystream has only counters, published vectors have others.
    #[cfg(test)]
    pub(super) fn encrypt(&self, blocks: &[[u8; 16]; BATCH_BLOCKS]) -> [[u8; 16]; BATCH_BLOCKS] {
        // SAFETY: `_proof` exists only where the processor has the features that `encrypt` is
        // compiled for.
        transmute!(unsafe { encrypt(self.round_keys.get(), transmute!(*blocks)) })
    }

    pub(super) fn accumulate(&self, first: u64, run: &mut Deferred<'_>, sign: Sign) {
        let (limbs, counts) = run.parts();
        let (limbs, limbs_left) = limbs.as_chunks_mut();
        let (counts, counts_left) = counts.as_chunks_mut();
        // SAFETY: `_proof` exists only where the processor has the features that `accumulate` is
        // compiled for.
        unsafe {
            match sign {
                Sign::Add => accumulate::<true>(self.round_keys.get(), first, limbs, counts),
                Sign::Subtract => accumulate::<false>(self.round_keys.get(), first, limbs, counts),
            }
        }
        if !limbs_left.is_empty() {
            let mut keystream = Zeroizing::new([0; BATCH_BYTES]);
            self.fill(first + limbs.len() as u64, slice::from_mut(&mut *keystream));
            deferred::accumulate(limbs_left, counts_left, &*keystream, sign);
        }
    }
}

#[target_feature(enable = "aes,sse4.2")]
fn fill(round_keys: &[__m128i; ROUND_KEYS], first: u64, out: &mut [Batch]) {
    for (batch, out) in (first..).zip(out) {
        let (blocks, _) = out.as_chunks_mut::<16>();
        for (bytes, block) in blocks.iter_mut().zip(encrypt(round_keys, counters(batch))) {
            *bytes = transmute!(block);
        }
    }
}

#[target_feature(enable = "aes,sse4.2")]
fn add_wrapping(round_keys: &[__m128i; ROUND_KEYS], first: u64, limbs: &mut [[u64; BATCH_LIMBS]]) {
    for (batch, limbs) in (first..).zip(limbs) {
        let (pairs, _) = limbs.as_chunks_mut::<2>();
        for (pair, mask) in pairs.iter_mut().zip(encrypt(round_keys, counters(batch))) {
            *pair = transmute!(_mm_add_epi64(transmute!(*pair), mask));
        }
    }
}

/// While a batch is encrypted, the one before it is added: one register per round, so that the
/// units for AES and for integers work at the same time. The last batch made is one too many, the
/// price of a loop without a special case.
#[target_feature(enable = "aes,sse4.2")]
fn accumulate<const ADD: bool>(
    round_keys: &[__m128i; ROUND_KEYS],
    first: u64,
    limbs: &mut [[u64; BATCH_LIMBS]],
    counts: &mut [[i64; BATCH_LIMBS]],
) {
    let round_keys = with_top_bits_flipped(round_keys);
    let [whitening, shared @ .., k9, k10, k11, k12, k13, last] = &*round_keys;
    let mut ready = encrypt(&round_keys, counters(first));
    for (batch, (limbs, counts)) in (first + 1..).zip(limbs.iter_mut().zip(counts)) {
        let mut blocks = whiten(counters(batch), whitening);
        for ((pair, mask), round_key) in pairs(limbs, counts).zip(ready).zip(shared) {
            round(&mut blocks, round_key);
            accumulate_pair::<ADD>(pair, mask);
        }
        for round_key in [k9, k10, k11, k12, k13] {
            round(&mut blocks, round_key);
        }
        ready = last_round(blocks, last);
    }
}

/// Adds `mask`, whose top bits are flipped, to two limbs or subtracts it; counts what they owe.
///
/// Flipping the top bit is adding 2^63 modulo 2^64, so flips of two operands cancel in their sum
/// and in their difference; and the signed comparison of flipped numbers is the unsigned comparison
/// of the numbers.
#[inline]
#[target_feature(enable = "sse4.2")]
fn accumulate_pair<const ADD: bool>(
    (limbs, counts): (&mut [u64; 2], &mut [i64; 2]),
    mask: __m128i,
) {
    let (limb, count) = (transmute!(*limbs), transmute!(*counts));
    if ADD {
        let flipped_sum = _mm_add_epi64(limb, mask);
        let carried = _mm_cmpgt_epi64(mask, flipped_sum); // a sum below an operand wrapped: -1
        *limbs = transmute!(_mm_xor_si128(flipped_sum, top_bits()));
        *counts = transmute!(_mm_sub_epi64(count, carried));
    } else {
        let flipped_limb = _mm_xor_si128(limb, top_bits());
        let borrowed = _mm_cmpgt_epi64(mask, flipped_limb); // a limb below the mask wraps: -1
        *limbs = transmute!(_mm_sub_epi64(flipped_limb, mask));
        *counts = transmute!(_mm_add_epi64(count, borrowed));
    }
}

/// What the registers of a batch are added to: two limbs and their counts each.
#[inline]
fn pairs<'a>(
    limbs: &'a mut [u64; BATCH_LIMBS],
    counts: &'a mut [i64; BATCH_LIMBS],
) -> impl Iterator<Item = (&'a mut [u64; 2], &'a mut [i64; 2])> {
    let (limbs, _) = limbs.as_chunks_mut();
    let (counts, _) = counts.as_chunks_mut();
    limbs.iter_mut().zip(counts)
}

/// The counter blocks of a batch.
#[inline]
#[target_feature(enable = "sse2")]
fn counters(batch: u64) -> [__m128i; BATCH_BLOCKS] {
    // The upper half of a counter stays zero: there are at most 2^60 blocks. The blocks of a batch
    // differ in the low three bits of the last byte only, which is the top byte of the upper half
    // of a register.
    let first = batch * BATCH_BLOCKS as u64;
    let mut blocks = [_mm_set_epi64x(first.swap_bytes() as i64, 0); BATCH_BLOCKS];
    for (number, block) in (0..).zip(&mut blocks) {
        *block = _mm_xor_si128(*block, _mm_set_epi64x(number << 56, 0));
    }
    blocks
}

/// AES-256 of eight blocks.
#[inline]
#[target_feature(enable = "aes,sse4.2")]
fn encrypt(
    round_keys: &[__m128i; ROUND_KEYS],
    blocks: [__m128i; BATCH_BLOCKS],
) -> [__m128i; BATCH_BLOCKS] {
    let [whitening, middle @ .., last] = round_keys;
    let mut blocks = whiten(blocks, whitening);
    for round_key in middle {
        round(&mut blocks, round_key);
    }
    last_round(blocks, last)
}

#[inline]
#[target_feature(enable = "sse2")]
fn whiten(mut blocks: [__m128i; BATCH_BLOCKS], round_key: &__m128i) -> [__m128i; BATCH_BLOCKS] {
    for block in &mut blocks {
        *block = _mm_xor_si128(*block, *round_key);
    }
    blocks
}

#[inline]
#[target_feature(enable = "aes")]
fn round(blocks: &mut [__m128i; BATCH_BLOCKS], round_key: &__m128i) {
    for block in blocks.iter_mut() {
        *block = _mm_aesenc_si128(*block, *round_key);
    }
    hold(blocks);
}

#[inline]
#[target_feature(enable = "aes")]
fn last_round(mut blocks: [__m128i; BATCH_BLOCKS], round_key: &__m128i) -> [__m128i; BATCH_BLOCKS] {
    for block in &mut blocks {
        *block = _mm_aesenclast_si128(*block, *round_key);
    }
    blocks
}

/// Keeps the blocks abreast: left alone, the compiler encrypts one after the other to save
/// registers, and waits for each round.
#[inline]
#[target_feature(enable = "sse2")]
fn hold(blocks: &mut [__m128i; BATCH_BLOCKS]) {
    let [a, b, c, d, e, f, g, h] = blocks;
    // SAFETY: no instruction at all; the registers keep their values, no memory and no flag is
    // touched.
    unsafe {
        asm!(
            "/* {0} {1} {2} {3} {4} {5} {6} {7} */",
            inout(xmm_reg) * a,
            inout(xmm_reg) * b,
            inout(xmm_reg) * c,
            inout(xmm_reg) * d,
            inout(xmm_reg) * e,
            inout(xmm_reg) * f,
            inout(xmm_reg) * g,
            inout(xmm_reg) * h,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
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
