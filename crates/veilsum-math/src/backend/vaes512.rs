//! The kernel for x86-64 with VAES and AVX-512: registers of four blocks.

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

/// Proof that this processor has the instructions of this kernel: VAES, AVX-512F and AVX-512BW.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vaes512(());

impl Vaes512 {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw");
        found.then_some(Self(()))
    }
}

vaes_kernel!(Vaes512, "vaes,avx512f,avx512bw", zmm_reg);

type Register = __m512i;

/// AES blocks of a register.
const BLOCKS: usize = 4;

/// A round key under every block.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn spread(block: __m128i) -> Register {
    _mm512_broadcast_i32x4(block)
}

/// One number in every limb.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn all(number: i64) -> Register {
    _mm512_set1_epi64(number)
}

/// In the second limb of each block its place in the tile, from `first` on.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn places(first: i64) -> Register {
    _mm512_set_epi64(first + 3, 0, first + 2, 0, first + 1, 0, first, 0)
}

/// Limb by limb, modulo 2^64.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn add(a: Register, b: Register) -> Register {
    _mm512_add_epi64(a, b)
}

/// Limb by limb, modulo 2^64.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn sub(a: Register, b: Register) -> Register {
    _mm512_sub_epi64(a, b)
}

/// Bit by bit.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn xor(a: Register, b: Register) -> Register {
    _mm512_xor_si512(a, b)
}

/// The upper 32 bits of each limb, moved down.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn upper_half(limbs: Register) -> Register {
    _mm512_srli_epi64::<32>(limbs)
}

/// The lower 32 bits of each limb.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn lower_half(limbs: Register) -> Register {
    _mm512_and_si512(limbs, all(u32::MAX.into()))
}

/// Of each block the second limb in big-endian order, after zeros.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn reverse_bytes(limbs: Register) -> Register {
    let order = _mm_set_epi64x(0x0809_0a0b_0c0d_0e0f, i64::from_ne_bytes([0x80; 8]));
    _mm512_shuffle_epi8(limbs, spread(order))
}

/// SubBytes, ShiftRows, MixColumns and the round key.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn round(blocks: Register, round_key: Register) -> Register {
    _mm512_aesenc_epi128(blocks, round_key)
}

/// SubBytes, ShiftRows and the round key.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn last_round(blocks: Register, round_key: Register) -> Register {
    _mm512_aesenclast_epi128(blocks, round_key)
}
