//! Round keys in the registers' form, the same for every kernel of x86-64.

use core::arch::x86_64::__m128i;

use zerocopy::transmute;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::round_keys::{ROUND_KEYS, RoundKeys};

/// The round keys, 16 bytes each: wide kernels spread one over all blocks of a register while they
/// load it, so that the keys of a hundred masks stay in the L1 cache. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct KeyRegisters(Box<[__m128i; ROUND_KEYS]>);

impl KeyRegisters {
    pub(super) fn new(round_keys: &RoundKeys) -> Self {
        let mut registers = Self(Box::new(transmute!([[0u8; 16]; ROUND_KEYS])));
        for (register, bytes) in registers.0.iter_mut().zip(round_keys.bytes()) {
            *register = transmute!(*bytes);
        }
        registers
    }

    pub(super) fn get(&self) -> &[__m128i; ROUND_KEYS] {
        &self.0
    }
}
