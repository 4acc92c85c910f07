//! From a packed sum back to integers and floats.
//!
//! Decoding is total: whatever the limbs, it ends in a sum or in an error.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use thiserror::Error;
use veilsum_math::ring::{BLOCK_LIMBS, Blocks};

use crate::packing::unpack_block;
use crate::tensor::Tensors;
use crate::{Encoding, Plan, Tensor, TensorData};

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
        // spec: [encode.decode.length]
        let limbs = self.blocks.limbs();
        if limbs.len() != plan.limbs() {
            return Err(DecodeError::Length {
                found: limbs.len(),
                wanted: plan.limbs(),
            });
        }
        // The planner bounds lanes and layout, so neither product overflows and the lanes fit the address space.
        let largest = u64::from(self.contributors).saturating_mul(plan.lane_max());
        let offset = i64::from(self.contributors).wrapping_mul(plan.offset());
        let mut values = vec![0; plan.lanes() as usize];
        unpack_lanes(limbs, plan, largest, &mut values)?;
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

/// The sum of the contributors' integers, exact.
///
/// One value per padded coordinate in manifest order; in a rotated task these are the rotated coordinates.
#[derive(Clone, PartialEq, Eq)]
pub struct IntegerSum {
    values: Vec<i64>,
    contributors: u32,
    weight: u64,
    plan: [u8; 32],
}

impl IntegerSum {
    /// A sum from its parts, for one that was stored, or changed by the removal of surplus noise.
    ///
    /// # Errors
    ///
    /// The number of contributors is 0 or above the enrolled, the number of values is not the plan's, or the weight is
    /// not one that so many members can have.
    pub fn new(
        plan: &Plan,
        values: Vec<i64>,
        contributors: u32,
        weight: u64,
    ) -> Result<Self, DecodeError> {
        check_contributors(contributors, plan)?;
        if values.len() as u64 != plan.padded_coordinates() {
            return Err(DecodeError::Values {
                found: values.len(),
                wanted: plan.padded_coordinates(),
            });
        }
        // spec: [encode.decode.weight]
        let least = u64::from(contributors);
        let most = least.saturating_mul(u64::from(plan.max_weight()));
        if !(least..=most).contains(&weight) {
            return Err(DecodeError::Weight {
                found: weight,
                least,
                most,
            });
        }
        Ok(Self {
            values,
            contributors,
            weight,
            plan: plan.digest(),
        })
    }

    /// The sums of the padded coordinates.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// Members whose contributions are in the sum.
    #[must_use]
    pub const fn contributors(&self) -> u32 {
        self.contributors
    }

    /// Sum of the weights; the contributors in a task without weights.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// SHA-256 of the values as little-endian `i64`; the weight is not in it.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256_of_values(&self.values)
    }

    /// The weighted mean: tensors of the manifest's types in a float task, `f64` in an integer task.
    ///
    /// # Errors
    ///
    /// The sum was unpacked with another plan.
    pub fn mean(&self, plan: &Plan, rotation_seed: &[u8; 32]) -> Result<Tensors, DecodeError> {
        // spec: [encode.decode.mean]
        let weight = self.weight as f64;
        let flat = self.dequantize(plan, rotation_seed, |value| value as f64 / weight)?;
        Ok(unflatten(plan, &flat, |values, dtype| {
            TensorData::from_floats(values, dtype)
        }))
    }

    /// The sum itself: `f64` tensors in a float task, `i64` tensors in an integer task, whatever the manifest's types,
    /// since a sum may leave their range. In a weighted task each member's update counts as often as its weight.
    ///
    /// # Errors
    ///
    /// The sum was unpacked with another plan.
    pub fn sum(&self, plan: &Plan, rotation_seed: &[u8; 32]) -> Result<Tensors, DecodeError> {
        // spec: [encode.decode.sum]
        match plan.encoding() {
            Encoding::Float(_) => {
                let flat = self.dequantize(plan, rotation_seed, |value| value as f64)?;
                Ok(unflatten(plan, &flat, |values, _| {
                    TensorData::F64(values.to_vec())
                }))
            }
            Encoding::Integer { .. } => {
                self.check_plan(plan)?;
                Ok(unflatten(plan, &self.values, |values, _| {
                    TensorData::I64(values.to_vec())
                }))
            }
        }
    }

    /// Integers to floats, with `share` applied before the step size, and the rotation undone.
    fn dequantize(
        &self,
        plan: &Plan,
        rotation_seed: &[u8; 32],
        share: impl Fn(i64) -> f64 + Sync,
    ) -> Result<Vec<f64>, DecodeError> {
        self.check_plan(plan)?;
        let step = plan
            .grid()
            .map_or(1.0, |grid| grid.range / grid.levels as f64);
        let mut flat: Vec<f64> = self
            .values
            .par_iter()
            .map(|&value| share(value) * step)
            .collect();
        if let Some(rotation) = plan.rotation() {
            rotation.invert(&mut flat, rotation_seed);
        }
        Ok(flat)
    }

    fn check_plan(&self, plan: &Plan) -> Result<(), DecodeError> {
        if self.plan == plan.digest() {
            Ok(())
        } else {
            Err(DecodeError::OtherPlan)
        }
    }
}

/// Shows how many values there are, not the values.
impl fmt::Debug for IntegerSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntegerSum")
            .field("coordinates", &self.values.len())
            .field("contributors", &self.contributors)
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}

/// Why blocks are no sum under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not the sum of any possible number of members.
    #[error("found {found} contributors, wanted 1 to {enrolled}")]
    Contributors {
        /// The number said.
        found: u32,
        /// Enrolled members.
        enrolled: u32,
    },
    /// Not the plan's length.
    #[error("found {found} limbs, wanted {wanted}")]
    Length {
        /// Limbs found.
        found: usize,
        /// Limbs of the plan.
        wanted: usize,
    },
    /// Not the plan's number of coordinates.
    #[error("found {found} values, wanted {wanted}")]
    Values {
        /// Values found.
        found: usize,
        /// Padded coordinates of the plan.
        wanted: u64,
    },
    /// Bits above the last lane of a block.
    #[error("found non-zero padding in block {block}")]
    Padding {
        /// The first such block.
        block: u64,
    },
    /// More than honest members can add.
    #[error("found {found} in lane {lane}, wanted at most {most}")]
    Lane {
        /// The first such lane of its block.
        lane: u64,
        /// What it holds.
        found: u64,
        /// The contributors times the largest lane of one.
        most: u64,
    },
    /// A weight that so many members cannot have.
    #[error("found a weight of {found}, wanted {least} to {most}")]
    Weight {
        /// The weight lane.
        found: u64,
        /// One for each contributor.
        least: u64,
        /// The largest weight for each contributor.
        most: u64,
    },
    /// The sum was unpacked with another plan.
    #[error("the sum was unpacked with another plan")]
    OtherPlan,
}

/// SHA-256 of integers as little-endian `i64`, to compare a sum with one computed elsewhere.
#[must_use]
pub fn sha256_of_values(values: &[i64]) -> [u8; 32] {
    // spec: [encode.digest.sum]
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(PAGE.saturating_mul(8));
    for page in values.chunks(PAGE) {
        bytes.clear();
        page.iter()
            .for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        hash.update(&bytes);
    }
    hash.finalize().into()
}

fn check_contributors(found: u32, plan: &Plan) -> Result<(), DecodeError> {
    // spec: [encode.decode.contributors]
    if (1..=plan.enrolled()).contains(&found) {
        Ok(())
    } else {
        Err(DecodeError::Contributors {
            found,
            enrolled: plan.enrolled(),
        })
    }
}

/// Unpacks all blocks in parallel; the error is that of the first bad block.
fn unpack_lanes(
    limbs: &[u64],
    plan: &Plan,
    most: u64,
    lanes: &mut [i64],
) -> Result<(), DecodeError> {
    let layout = plan.layout();
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

/// Cuts a flat vector into the manifest's tensors; what is left over is padding.
fn unflatten<T>(
    plan: &Plan,
    flat: &[T],
    data: impl Fn(&[T], crate::Dtype) -> TensorData,
) -> Tensors {
    let mut rest = flat;
    let mut tensors = Tensors::new();
    for spec in plan.manifest().tensors() {
        // The manifest's coordinates are at most those of the plan, which are as many as the values.
        let coordinates = spec
            .coordinates()
            .map_or(usize::MAX, |n| n as usize)
            .min(rest.len());
        let (values, others) = rest.split_at(coordinates);
        rest = others;
        let tensor = Tensor {
            shape: spec.shape.clone(),
            data: data(values, spec.dtype),
        };
        tensors.insert(spec.name.clone(), tensor);
    }
    tensors
}

const PAGE: usize = 4096;
