//! The kernel for any processor: AES on bit planes, a few batches at once.

use std::array;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::bitslice::{SBOX_CONSTANT, State};
use super::round_keys::{ROUND_KEYS, RoundKeys};
use super::{BATCH_BLOCKS, BATCH_BYTES, BATCH_LIMBS, Batch};
use crate::deferred::{Deferred, Sign, accumulate};

/// Round keys as bit planes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Schedule(Box<[[u64; 8]; ROUND_KEYS]>);

impl Schedule {
    pub(super) fn new(round_keys: &RoundKeys) -> Self {
        let mut schedule = Self(Box::new([[0; 8]; ROUND_KEYS]));
        for (round, (planes, key)) in schedule.0.iter_mut().zip(round_keys.bytes()).enumerate() {
            let mut key = *key;
            if round > 0 {
                key.iter_mut().for_each(|byte| *byte ^= SBOX_CONSTANT);
            }
            *planes = State::round_key(&key);
            key.zeroize();
        }
        schedule
    }

    pub(super) fn fill(&self, first: u64, out: &mut [Batch]) {
        let firsts = (first..).step_by(BATCHES);
        for (batch, out) in firsts.zip(out.as_flattened_mut().chunks_mut(BATCHES * BATCH_BYTES)) {
            let keystream = Zeroizing::new(self.encrypt(&counters(batch)));
            let bytes = keystream.as_flattened().as_flattened();
            out.copy_from_slice(&bytes[..out.len()]);
        }
    }

    pub(super) fn accumulate(&self, first: u64, run: &mut Deferred<'_>, sign: Sign) {
        let (limbs, counts) = run.parts();
        let limbs = limbs.chunks_mut(BATCHES * BATCH_LIMBS);
        let counts = counts.chunks_mut(BATCHES * BATCH_LIMBS);
        let firsts = (first..).step_by(BATCHES);
        for (batch, (limbs, counts)) in firsts.zip(limbs.zip(counts)) {
            let keystream = Zeroizing::new(self.encrypt(&counters(batch)));
            accumulate(limbs, counts, keystream.as_flattened().as_flattened(), sign);
        }
    }

    pub(super) fn add_wrapping(&self, first: u64, limbs: &mut [[u64; BATCH_LIMBS]]) {
        for (batch, limbs) in (first..).step_by(BATCHES).zip(limbs.chunks_mut(BATCHES)) {
            let keystream = self.encrypt(&counters(batch));
            let (words, _) = keystream.as_flattened().as_flattened().as_chunks();
            for (limb, word) in limbs.as_flattened_mut().iter_mut().zip(words) {
                *limb = limb.wrapping_add(u64::from_le_bytes(*word));
            }
        }
    }

    pub(super) fn encrypt(&self, blocks: &[[[u8; 16]; 4]; LANES]) -> [[[u8; 16]; 4]; LANES] {
        let mut state = State::load(blocks);
        let [first, middle @ .., last] = &*self.0;
        state.add_round_key(first);
        for round_key in middle {
            state.sub_bytes();
            state.shift_rows();
            state.mix_columns();
            state.add_round_key(round_key);
        }
        state.sub_bytes();
        state.shift_rows();
        state.add_round_key(last);
        state.store()
    }
}

/// The counter blocks of a batch and those after it, 128-bit big-endian numbers.
fn counters(batch: u64) -> [[[u8; 16]; 4]; LANES] {
    let first = u128::from(batch) * BATCH_BLOCKS as u128;
    array::from_fn(|n| array::from_fn(|b| (first + (4 * n + b) as u128).to_be_bytes()))
}

/// Batches encrypted at once: more words side by side hide the latency of the S-box circuit.
const BATCHES: usize = 4;

/// Plane words side by side, of four blocks each.
pub(super) const LANES: usize = BATCHES * BATCH_BLOCKS / 4;
