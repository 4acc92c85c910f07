//! Where floats end.

use std::fmt;

use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::clip::{Clipped, Clipping, Values};
use crate::keystream::Keystream;
use crate::packing::pack_block;
use crate::plan::Grid;
use crate::{Contribution, EncodeError, Plan, Weight};

/// A member's integers, after the weight; noise would be added here. The same on every machine for the same update,
/// plan, weight, rotation seed and rounding key.
///
/// # Security
///
/// A secret of the member: wiped on drop, no `Clone`, no values in `Debug`. It is packed once:
///
/// ```compile_fail
/// # fn show(quantized: veilsum_encode::Quantized, plan: &veilsum_encode::Plan) {
/// let first = quantized.pack(plan);
/// let second = quantized.pack(plan);
/// # }
/// ```
///
/// ```
/// # fn show(quantized: veilsum_encode::Quantized, plan: &veilsum_encode::Plan) {
/// let first = quantized.pack(plan);
/// # }
/// ```
pub struct Quantized {
    values: Vec<i64>,
    weight: Weight,
    saturated: u64,
    clipping: Clipping,
    plan: [u8; 32],
}

impl Clipped {
    /// Rotates, scales, rounds and weighs the values.
    ///
    /// Rounding is stochastic and unbiased. Its randomness is expanded from 32 bytes that are drawn from `rng`, so the
    /// same state of `rng` gives the same integers. Integer tasks draw nothing and change nothing.
    ///
    /// # Security
    ///
    /// Use an unpredictable `rng`: rounding that can be foreseen tells more of the update than its integers do.
    ///
    /// # Errors
    ///
    /// The values were clipped with another plan, or the weight is above the task's largest.
    pub fn quantize(
        mut self,
        plan: &Plan,
        weight: Weight,
        rotation_seed: &[u8; 32],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Quantized, EncodeError> {
        if self.plan != plan.digest() {
            return Err(EncodeError::OtherPlan);
        }
        // spec: [encode.weight.range]
        if weight.get() > plan.max_weight() {
            return Err(EncodeError::Weight {
                found: weight.get(),
                most: plan.max_weight(),
            });
        }
        let mut saturated = 0;
        let values = match &mut self.values {
            Values::Integers(values) => std::mem::take(values),
            Values::Floats(values) => {
                if let Some(rotation) = plan.rotation() {
                    rotation.apply(values, rotation_seed);
                }
                let mut integers = vec![0; values.len()];
                if let Some(grid) = plan.grid() {
                    let rounding = Keystream::new(draw(rng));
                    saturated = round(values, &mut integers, grid, weight, &rounding);
                }
                integers
            }
        };
        Ok(Quantized {
            values,
            weight,
            saturated,
            clipping: self.clipping,
            plan: self.plan,
        })
    }
}

impl Quantized {
    /// Packs the integers into the ring blocks of a contribution.
    ///
    /// # Errors
    ///
    /// The values were quantised with another plan.
    pub fn pack(self, plan: &Plan) -> Result<Contribution, EncodeError> {
        if self.plan != plan.digest() {
            return Err(EncodeError::OtherPlan);
        }
        let mut contribution = Contribution::zeroed(plan.limbs());
        let layout = plan.layout();
        let per_block = layout.lanes_per_block() as usize;
        // spec: [encode.lane.offset]
        let lane = |value: i64| value.wrapping_add(plan.offset()) as u64;
        contribution
            .par_blocks_mut()
            .enumerate()
            .for_each(|(block, limbs)| {
                let start = (block * per_block).min(self.values.len());
                let end = (start + per_block).min(self.values.len());
                // spec: [encode.lane.weight]
                let room = end - start < per_block;
                let weight = (plan.has_weight_lane() && room && end == self.values.len())
                    .then_some(self.weight.get());
                let lanes = self.values[start..end].iter().map(|&value| lane(value));
                pack_block(
                    lanes.chain(weight.map(u64::from)),
                    layout.lane_bits(),
                    limbs,
                );
            });
        Ok(contribution)
    }

    /// Coordinates, after rotation, that lay outside the quantisation range and were cut.
    #[must_use]
    pub const fn saturated(&self) -> u64 {
        self.saturated
    }

    /// What the clip did.
    #[must_use]
    pub const fn clipping(&self) -> Clipping {
        self.clipping
    }

    /// The integers of the padded coordinates, each times the weight, without offset.
    ///
    /// # Security
    ///
    /// The member's secret in plain. For tests and demonstrations that sum their own members' integers by a second way.
    #[must_use]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// The member's weight.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }
}

impl fmt::Debug for Quantized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            values: _,
            weight: _,
            saturated: _,
            clipping: _,
            plan: _,
        } = self;
        f.write_str("Quantized(..)")
    }
}

impl Drop for Quantized {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> Box<[u8; 32]> {
    let mut key = Box::new([0; 32]);
    rng.fill_bytes(&mut *key);
    key
}

/// Rounds all values onto the grid and weighs them; returns how many lay outside.
fn round(
    values: &[f64],
    integers: &mut [i64],
    grid: Grid,
    weight: Weight,
    rounding: &Keystream,
) -> u64 {
    // spec: [encode.round.random]
    let levels = grid.levels as f64;
    let scale = levels / grid.range;
    let outside = levels + levels * TOLERANCE;
    let pages = values
        .par_chunks(PAGE)
        .zip(integers.par_chunks_mut(PAGE))
        .enumerate();
    let buffer = || Zeroizing::new(vec![0; PAGE * 8]);
    pages
        .map_init(buffer, |random, (page, (values, integers))| {
            let random = &mut random[..values.len() * 8];
            rounding.read(page as u64 * PAGE as u64 * 8, random);
            let (random, _) = random.as_chunks::<8>();
            let mut saturated = 0;
            for ((value, integer), random) in values.iter().zip(integers).zip(random) {
                let scaled = value * scale;
                // spec: [encode.round.saturated]
                saturated += u64::from(scaled.abs() > outside);
                let rounded = round_stochastically(
                    scaled.clamp(-levels, levels),
                    u64::from_le_bytes(*random),
                );
                // spec: [encode.weight.product]
                *integer = rounded * i64::from(weight.get());
            }
            saturated
        })
        .sum()
}

/// Rounds up with the probability of the fractional part, down otherwise.
fn round_stochastically(value: f64, random: u64) -> i64 {
    // spec: [encode.round.unbiased]
    let toward_zero = value as i64;
    let floor = toward_zero - i64::from(toward_zero as f64 > value);
    let fraction = value - floor as f64;
    let threshold = (fraction * TWO_POW_64) as u64;
    floor + i64::from(random < threshold)
}

const PAGE: usize = 4096;
/// What the rounding errors of clip and rotation may add without being called saturation: 2^-32.
const TOLERANCE: f64 = 1.0 / (1_u64 << 32) as f64;
const TWO_POW_64: f64 = (1_u128 << 64) as f64;
