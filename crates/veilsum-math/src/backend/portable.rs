//! The kernel for any processor: eight blocks on bit planes.

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
        for (batch, out) in (first..).zip(out) {
            self.fill_batch(batch, out);
        }
    }

    pub(super) fn accumulate(&self, first: u64, run: &mut Deferred<'_>, sign: Sign) {
        let (limbs, counts) = run.parts();
        let mut keystream = Zeroizing::new([0; BATCH_BYTES]);
        let chunks = limbs
            .chunks_mut(BATCH_LIMBS)
            .zip(counts.chunks_mut(BATCH_LIMBS));
        for (batch, (limbs, counts)) in (first..).zip(chunks) {
            self.fill_batch(batch, &mut keystream);
            accumulate(limbs, counts, &*keystream, sign);
        }
    }

    fn fill_batch(&self, batch: u64, out: &mut Batch) {
        out.copy_from_slice(self.encrypt(&counters(batch)).as_flattened().as_flattened());
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

/// The counter blocks of a batch, 128-bit big-endian numbers.
fn counters(batch: u64) -> [[[u8; 16]; 4]; LANES] {
    let first = u128::from(batch) * BATCH_BLOCKS as u128;
    array::from_fn(|n| array::from_fn(|b| (first + (4 * n + b) as u128).to_be_bytes()))
}

/// Plane words side by side, of four blocks each.
pub(super) const LANES: usize = BATCH_BLOCKS / 4;
