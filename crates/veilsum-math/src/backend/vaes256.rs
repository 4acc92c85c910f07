//! The kernel for x86-64 with VAES and AVX2: registers of two blocks.

use core::arch::asm;
use core::arch::x86_64::*;
use std::array;

use zerocopy::transmute;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::registers::KeyRegisters;
use super::round_keys::{ROUND_KEYS, RoundKeys};
use super::vaes::{REGISTERS, vaes_kernel};
use super::{BATCH_BLOCKS, BATCH_LIMBS, Batch};
use crate::deferred::{Deferred, Sign};

/// Proof that this processor has the instructions of this kernel: VAES and AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vaes256(());

impl Vaes256 {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("vaes") && is_x86_feature_detected!("avx2");
        found.then_some(Self(()))
    }
}

vaes_kernel!(Vaes256, "vaes,avx2", ymm_reg);

type Register = __m256i;

/// AES blocks of a register.
const BLOCKS: usize = 2;

/// A round key under every block.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn spread(block: __m128i) -> Register {
    _mm256_broadcastsi128_si256(block)
}

/// One number in every limb.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn all(number: i64) -> Register {
    _mm256_set1_epi64x(number)
}

/// In the second limb of each block its place in the tile, from `first` on.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn places(first: i64) -> Register {
    _mm256_set_epi64x(first + 1, 0, first, 0)
}

/// Limb by limb, modulo 2^64.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn add(a: Register, b: Register) -> Register {
    _mm256_add_epi64(a, b)
}

/// Limb by limb, modulo 2^64.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn sub(a: Register, b: Register) -> Register {
    _mm256_sub_epi64(a, b)
}

/// Bit by bit.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn xor(a: Register, b: Register) -> Register {
    _mm256_xor_si256(a, b)
}

/// The upper 32 bits of each limb, moved down.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn upper_half(limbs: Register) -> Register {
    _mm256_srli_epi64::<32>(limbs)
}

/// The lower 32 bits of each limb.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn lower_half(limbs: Register) -> Register {
    _mm256_and_si256(limbs, all(u32::MAX.into()))
}

/// Of each block the second limb in big-endian order, after zeros.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn reverse_bytes(limbs: Register) -> Register {
    let order = _mm_set_epi64x(0x0809_0a0b_0c0d_0e0f, i64::from_ne_bytes([0x80; 8]));
    _mm256_shuffle_epi8(limbs, spread(order))
}

/// SubBytes, ShiftRows, MixColumns and the round key.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn round(blocks: Register, round_key: Register) -> Register {
    _mm256_aesenc_epi128(blocks, round_key)
}

/// SubBytes, ShiftRows and the round key.
#[inline]
#[target_feature(enable = "vaes,avx2")]
fn last_round(blocks: Register, round_key: Register) -> Register {
    _mm256_aesenclast_epi128(blocks, round_key)
}
