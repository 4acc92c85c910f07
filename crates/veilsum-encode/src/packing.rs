//! Lanes into the limbs of blocks and back, a limb at a time.
//!
//! Both directions are total: any lanes and any limbs have a result, and nothing here can panic.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use rayon::prelude::*;
use veilsum_math::ring::{BLOCK_LIMBS, Blocks};

use crate::{Layout, Plan};

impl Layout {
    /// Packs plain lanes, each modulo 2^(lane bits); lanes that are not given are zero, superfluous ones are dropped.
    ///
    /// Not for an update: what comes of it is no contribution and cannot be masked.
    // spec: [encode.layout.border]
    #[must_use]
    pub fn pack(&self, lanes: &[u64]) -> Blocks {
        let mask = u64::MAX.wrapping_shr(u64::BITS.wrapping_sub(self.lane_bits().into()));
        let mut blocks = Blocks::zeroed(self.limbs());
        let limbs = blocks.limbs_mut().chunks_mut(BLOCK_LIMBS);
        let lanes = lanes.chunks(self.lanes_per_block() as usize);
        for (limbs, lanes) in limbs.zip(lanes) {
            pack_block(
                lanes.iter().map(|lane| lane & mask),
                self.lane_bits(),
                limbs,
            );
        }
        blocks
    }
}

/// Packs coordinates, each plus the offset, and the weight where the plan has a lane for it, block by block.
///
/// Wrapping: that each lane is between 0 and the largest is up to the caller.
pub(crate) fn pack_values(plan: &Plan, values: &[i64], offset: i64, weight: u64) -> Blocks {
    let layout = plan.layout();
    let per_block = layout.lanes_per_block() as usize;
    let mut blocks = Blocks::zeroed(layout.limbs());
    let limbs = blocks.limbs_mut().par_chunks_mut(BLOCK_LIMBS);
    limbs.enumerate().for_each(|(block, limbs)| {
        let start = block.saturating_mul(per_block).min(values.len());
        let end = start.saturating_add(per_block).min(values.len());
        let here = values.get(start..end).unwrap_or_default();
        // spec: [encode.lane.weight]
        let last = end == values.len() && here.len() < per_block;
        let weight = (plan.has_weight_lane() && last).then_some(weight);
        // spec: [encode.lane.offset]
        let lanes = here.iter().map(|&value| value.wrapping_add(offset) as u64);
        pack_block(lanes.chain(weight), layout.lane_bits(), limbs);
    });
    blocks
}

/// Packs lanes back to back from bit 0 on; limbs past the lanes become zero.
///
/// Each lane is below 2^bits, `bits` is 1 to 64, and the limbs hold all lanes; lanes past the limbs are dropped.
pub(crate) fn pack_block(lanes: impl Iterator<Item = u64>, bits: u8, limbs: &mut [u64]) {
    // spec: [encode.layout.order]
    let bits = u32::from(bits);
    let mut limbs = limbs.iter_mut();
    let mut pending = 0_u128;
    let mut have = 0_u32;
    for lane in lanes {
        pending |= u128::from(lane).wrapping_shl(have);
        have = have.wrapping_add(bits);
        if have >= u64::BITS {
            let Some(limb) = limbs.next() else { return };
            *limb = pending as u64;
            pending = pending.wrapping_shr(u64::BITS);
            have = have.wrapping_sub(u64::BITS);
        }
    }
    for limb in limbs {
        *limb = pending as u64;
        pending = 0;
    }
}

/// Reads lanes back to back from bit 0 on; whether the bits above the last lane are all zero.
///
/// `bits` is 1 to 64; lanes past the limbs read as zero.
pub(crate) fn unpack_block(limbs: &[u64], bits: u8, lanes: &mut [i64]) -> bool {
    let bits = u32::from(bits);
    let mask = u64::MAX.wrapping_shr(u64::BITS.wrapping_sub(bits));
    let mut limbs = limbs.iter();
    let mut pending = 0_u128;
    let mut have = 0_u32;
    for lane in lanes {
        if have < bits {
            let limb = limbs.next().copied().unwrap_or_default();
            pending |= u128::from(limb).wrapping_shl(have);
            have = have.wrapping_add(u64::BITS);
        }
        *lane = (pending as u64 & mask) as i64;
        pending = pending.wrapping_shr(bits);
        have = have.wrapping_sub(bits);
    }
    pending == 0 && limbs.all(|&limb| limb == 0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

    use super::*;

    /// The definition, bit by bit.
    fn slow_pack(lanes: &[u64], bits: u8, limbs: usize) -> Vec<u64> {
        let mut out = vec![0_u64; limbs];
        for (j, lane) in lanes.iter().enumerate() {
            for i in 0..usize::from(bits) {
                let at = j * usize::from(bits) + i;
                out[at / 64] |= (lane >> i & 1) << (at % 64);
            }
        }
        out
    }

    // spec: [encode.layout.order]
    #[test]
    fn every_width_packs_as_defined_and_reads_back() {
        for bits in 1..=64_u8 {
            for count in [1, 2, 63, 64, 65, 129, 1000] {
                let lanes: Vec<u64> = (0..count)
                    .map(|i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits))
                    .collect();
                let limbs = (lanes.len() * usize::from(bits)).div_ceil(64);
                let mut packed = vec![u64::MAX; limbs + 1];
                pack_block(lanes.iter().copied(), bits, &mut packed);
                assert_eq!(
                    packed,
                    slow_pack(&lanes, bits, limbs + 1),
                    "{count} lanes of {bits} bits"
                );
                let mut read = vec![0; lanes.len()];
                assert!(unpack_block(&packed, bits, &mut read));
                assert!(
                    read.iter().zip(&lanes).all(|(&r, &l)| r as u64 == l),
                    "{bits} bits"
                );
            }
        }
    }

    // spec: [encode.decode.padding]
    #[test]
    fn any_bit_above_the_last_lane_is_seen() {
        for bits in [1, 7, 20, 33, 63] {
            let used = 10 * usize::from(bits);
            for at in used..used.next_multiple_of(64) + 64 {
                let mut limbs = vec![0; used.div_ceil(64) + 1];
                limbs[at / 64] |= 1 << (at % 64);
                assert!(!unpack_block(&limbs, bits, &mut [0; 10]), "bit {at}");
            }
        }
    }

    #[test]
    fn too_few_limbs_are_no_panic() {
        let mut lanes = [7; 10];
        assert!(unpack_block(&[u64::MAX], 64, &mut lanes));
        assert_eq!(lanes[..2], [-1, 0]);
        pack_block([1, 2, 3].into_iter(), 64, &mut [0]);
    }
}
