//! A sum in ring blocks.

use rayon::prelude::*;
use veilsum_math::ring::{BLOCK_LIMBS, Blocks};

use super::{DecodeError, IntegerSum, PAGE, check_contributors};
use crate::packing::unpack_block;
use crate::{Layout, Plan};

impl Layout {
    /// Reads the lanes of blocks.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Length`] and [`DecodeError::Padding`]: such blocks were not packed with this layout.
    pub fn unpack(&self, blocks: &Blocks) -> Result<Vec<u64>, DecodeError> {
        check_length(blocks.limbs(), self)?;
        let mut lanes = vec![0; self.lanes() as usize];
        unpack_lanes(blocks.limbs(), *self, u64::MAX, &mut lanes)?;
        Ok(lanes.into_iter().map(|lane| lane as u64).collect())
    }
}

/// A sum of contributions as it comes out of unmasking: not yet known to be one.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedSum {
    blocks: Blocks,
    contributors: u32,
}

impl PackedSum {
    /// Blocks that are said to be the sum of `contributors` contributions.
    #[must_use]
    pub const fn new(blocks: Blocks, contributors: u32) -> Self {
        Self {
            blocks,
            contributors,
        }
    }

    /// The blocks.
    #[must_use]
    pub const fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Members whose contributions are in the sum.
    #[must_use]
    pub const fn contributors(&self) -> u32 {
        self.contributors
    }

    /// Unpacks the lanes and takes off the offset of each contributor.
    ///
    /// # Errors
    ///
    /// The number of contributors is 0 or above the enrolled, the length is not the plan's, a padding bit is set, a lane
    /// or the weight is beyond what that many honest members can add. Any of these means wrong masks, a wrong survivor
    /// set or an overflow, never a sum.
    pub fn unpack(&self, plan: &Plan) -> Result<IntegerSum, DecodeError> {
        check_contributors(self.contributors, plan)?;
        let (limbs, layout) = (self.blocks.limbs(), plan.layout());
        check_length(limbs, &layout)?;
        // The planner bounds lanes and layout, so neither product overflows and the lanes fit the address space.
        let largest = u64::from(self.contributors).saturating_mul(plan.lane_max());
        let offset = i64::from(self.contributors).wrapping_mul(plan.offset());
        let mut values = vec![0; plan.lanes() as usize];
        unpack_lanes(limbs, layout, largest, &mut values)?;
        let weight = if plan.has_weight_lane() {
            values.pop().unwrap_or_default() as u64
        } else {
            u64::from(self.contributors)
        };
        // spec: [encode.decode.offset]
        values.par_chunks_mut(PAGE).for_each(|page| {
            page.iter_mut()
                .for_each(|value| *value = value.wrapping_sub(offset));
        });
        IntegerSum::new(plan, values, self.contributors, weight)
    }
}

// spec: [encode.decode.length]
fn check_length(limbs: &[u64], layout: &Layout) -> Result<(), DecodeError> {
    let (found, wanted) = (limbs.len(), layout.limbs());
    match found == wanted {
        true => Ok(()),
        false => Err(DecodeError::Length { found, wanted }),
    }
}

/// Unpacks all blocks in parallel; the error is that of the first bad block.
fn unpack_lanes(
    limbs: &[u64],
    layout: Layout,
    most: u64,
    lanes: &mut [i64],
) -> Result<(), DecodeError> {
    let per_block = layout.lanes_per_block() as usize;
    let blocks = limbs
        .par_chunks(BLOCK_LIMBS)
        .zip(lanes.par_chunks_mut(per_block))
        .enumerate();
    let faults: Vec<Option<DecodeError>> = blocks
        .map(|(block, (limbs, lanes))| {
            // spec: [encode.decode.padding]
            if !unpack_block(limbs, layout.lane_bits(), lanes) {
                return Some(DecodeError::Padding {
                    block: block as u64,
                });
            }
            // spec: [encode.decode.lane]
            let first = lanes.iter().position(|&lane| lane as u64 > most)?;
            let found = lanes.get(first).map_or(0, |&lane| lane as u64);
            let lane = block.saturating_mul(per_block).saturating_add(first) as u64;
            Some(DecodeError::Lane { lane, found, most })
        })
        .collect();
    faults.into_iter().flatten().next().map_or(Ok(()), Err)
}
