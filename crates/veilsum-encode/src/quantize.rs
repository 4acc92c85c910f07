//! Where floats end.

use std::fmt;

use rand_core::CryptoRng;
use rayon::prelude::*;
use veilsum_dp::{MemberNoise, NoiseBound, NoiseContext, NoisePlan};
use zeroize::{Zeroize, Zeroizing};

use crate::clip::{Clipped, Clipping, Values};
use crate::keystream::Keystream;
use crate::packing::pack_values;
use crate::plan::Grid;
use crate::{Contribution, EncodeError, Plan, Weight};

/// A member's integers, after the weight, and after the noise once it is added. The same on every machine for the same update,
/// plan, weight, rotation seed, rounding key and noise.
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
    noise: Option<NoiseContext>,
    plan: [u8; 32],
}

impl Clipped {
    /// Rotates, scales, rounds and weighs the values.
    ///
    /// Rounding is stochastic and unbiased. Its randomness is expanded from 32 bytes that are drawn from `rng`, so the
    /// same state of `rng` gives the same integers. Conditional rounding draws 32 bytes for each try, and is unbiased but
    /// for the tries it gives up. Integer tasks draw nothing and change nothing.
    ///
    /// # Security
    ///
    /// Use an unpredictable `rng`: rounding that can be foreseen tells more of the update than its integers do. How often
    /// conditional rounding draws depends on the update, and shows in the time it takes; only the member's own host sees
    /// that, and drawing happens off the reply path.
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
        let mut saturated = self.clipping.replaced;
        let values = match &mut self.values {
            Values::Integers(values) => std::mem::take(values),
            Values::Floats(values) => {
                if let Some(rotation) = plan.rotation() {
                    rotation.apply(values, rotation_seed);
                }
                let mut integers = vec![0; values.len()];
                if let Some(grid) = plan.grid() {
                    let limit = plan.norm_limit();
                    saturated += round_within(values, &mut integers, grid, weight, limit, rng);
                }
                integers
            }
        };
        Ok(Quantized {
            values,
            weight,
            saturated,
            clipping: self.clipping,
            noise: None,
            plan: self.plan,
        })
    }
}

impl Quantized {
    /// Adds a member's noise to all padded coordinates, in place and in parallel.
    ///
    /// # Security
    ///
    /// A member's noise serves one contribution: the same noise under two gives the difference of the updates.
    ///
    /// # Errors
    ///
    /// The values were quantised with another plan, the plan has room for other noise, the member's noise was made under
    /// another noise plan, or noise was added before.
    // spec: [encode.noise.once]
    pub fn add_noise(
        &mut self,
        plan: &Plan,
        noise: &NoisePlan,
        member: &MemberNoise,
    ) -> Result<(), EncodeError> {
        if self.plan != plan.digest() {
            return Err(EncodeError::OtherPlan);
        }
        // spec: [encode.noise.bound]
        if noise.bound() != plan.noise_bound() {
            return Err(EncodeError::NoiseBound {
                found: noise.bound(),
                wanted: plan.noise_bound(),
            });
        }
        if !noise.has_components_of(member) {
            return Err(EncodeError::OtherNoise);
        }
        if self.noise.is_some() {
            return Err(EncodeError::NoiseTwice);
        }
        // spec: [noise.member.adds]
        let pages = self.values.par_chunks_mut(NOISE_PAGE).enumerate();
        pages.for_each(|(page, values)| {
            noise.draw(member, page as u64 * NOISE_PAGE as u64, values);
        });
        self.noise = Some(*member.context());
        Ok(())
    }

    /// Packs the integers into the ring blocks of a contribution.
    ///
    /// # Errors
    ///
    /// The values were quantised with another plan, or the plan has noise and none was added.
    pub fn pack(self, plan: &Plan) -> Result<Contribution, EncodeError> {
        if self.plan != plan.digest() {
            return Err(EncodeError::OtherPlan);
        }
        if plan.noise_bound() != NoiseBound::NONE && self.noise.is_none() {
            return Err(EncodeError::NoiseMissing);
        }
        let weight = self.weight.get().into();
        let blocks = pack_values(plan, &self.values, plan.offset(), weight);
        Ok(Contribution::new(blocks, self.noise))
    }

    /// Coordinates, after rotation, that lay outside the quantisation range and were cut, and the values that [`Clipping::replaced`] counts.
    #[must_use]
    pub const fn saturated(&self) -> u64 {
        self.saturated
    }

    /// What the clip did.
    #[must_use]
    pub const fn clipping(&self) -> Clipping {
        self.clipping
    }

    /// The integers of the padded coordinates, each times the weight, without offset; with the noise, once it is added.
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
            noise: _,
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

pub(crate) fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> Box<[u8; 32]> {
    let mut key = Box::new([0; 32]);
    rng.fill_bytes(&mut *key);
    key
}

/// Rounds all values, again and again while their norm is above the limit; returns how many lay outside the grid.
// spec: [encode.round.conditional]
fn round_within(
    values: &[f64],
    integers: &mut [i64],
    grid: Grid,
    weight: Weight,
    limit: Option<u128>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> u64 {
    for _ in 0..TRIES {
        let rounding = Keystream::new(draw(rng));
        let up_or_down = |at: u64, out: &mut [u8]| rounding.read(at, out);
        let saturated = round(
            values,
            integers,
            grid,
            weight,
            up_or_down,
            round_stochastically,
        );
        if limit.is_none_or(|limit| norm_squared(integers, weight) <= limit) {
            return saturated;
        }
    }
    // No coordinate grows, so the norm is within the limit.
    round(
        values,
        integers,
        grid,
        weight,
        |_, _| (),
        |value, _| value as i64,
    )
}

/// The squared norm of weighted integers before their weight, at most the largest `u128`.
fn norm_squared(integers: &[i64], weight: Weight) -> u128 {
    let square = |value: &i64| {
        let before = u128::from((value / i64::from(weight.get())).unsigned_abs());
        before * before
    };
    let add = |a: u128, b: u128| a.saturating_add(b);
    let pages = integers.par_chunks(PAGE);
    pages
        .map(|page| page.iter().map(square).fold(0, add))
        .reduce(|| 0, add)
}

/// Rounds all values onto the grid by a rule that is given 8 random bytes each, and weighs them; returns how many lay
/// outside.
fn round(
    values: &[f64],
    integers: &mut [i64],
    grid: Grid,
    weight: Weight,
    read: impl Fn(u64, &mut [u8]) + Sync,
    rule: impl Fn(f64, u64) -> i64 + Sync,
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
            read(page as u64 * PAGE as u64 * 8, random);
            let (random, _) = random.as_chunks::<8>();
            let mut saturated = 0;
            for ((value, integer), random) in values.iter().zip(integers).zip(random) {
                let scaled = value * scale;
                // spec: [encode.round.saturated]
                saturated += u64::from(scaled.abs() > outside);
                let random = u64::from_le_bytes(*random);
                let rounded = rule(scaled.clamp(-levels, levels), random);
                // spec: [encode.weight.product]
                *integer = rounded * i64::from(weight.get());
            }
            saturated
        })
        .sum()
}

/// Rounds up with the probability of the fractional part, down otherwise.
pub(crate) fn round_stochastically(value: f64, random: u64) -> i64 {
    // spec: [encode.round.unbiased]
    let toward_zero = value as i64;
    let floor = toward_zero - i64::from(toward_zero as f64 > value);
    let fraction = value - floor as f64;
    let threshold = (fraction * TWO_POW_64) as u64;
    floor + i64::from(random < threshold)
}

const PAGE: usize = 4096;
/// Coordinates whose noise is drawn in one go: a table stays in the cache for so many draws, and a million coordinates
/// keep 60 cores busy.
const NOISE_PAGE: usize = 16_384;
/// Most roundings that conditional rounding draws. Each is above the limit with probability at most exp(-1/2).
const TRIES: usize = 64;
/// What the rounding errors of clip and rotation may add without being called saturation: 2^-32.
pub(crate) const TOLERANCE: f64 = 1.0 / (1_u64 << 32) as f64;
const TWO_POW_64: f64 = (1_u128 << 64) as f64;

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    // spec: [encode.round.conditional]
    #[test]
    fn after_64_roundings_above_the_bound_all_are_toward_zero() {
        let grid = Grid {
            levels: 127,
            range: 127.0,
        };
        let values = [0.5, -0.5, 1.0, -1.0, 126.99, -200.0];
        let mut integers = [0; 6];
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let weight = Weight::new(3).unwrap();
        let saturated = round_within(&values, &mut integers, grid, weight, Some(0), &mut rng);
        assert_eq!((integers, saturated), ([0, 0, 3, -3, 378, -381], 1));
        let mut after = ChaCha20Rng::seed_from_u64(5);
        (0..64).for_each(|_| drop(draw(&mut after)));
        assert_eq!(rng.next_u64(), after.next_u64(), "a fresh key each time");
    }

    #[test]
    fn norms_are_those_before_the_weight() {
        let weight = Weight::new(7).unwrap();
        assert_eq!(norm_squared(&[21, -28, 0], weight), 25);
        let largest = vec![i64::MAX; 9];
        assert_eq!(norm_squared(&largest, Weight::ONE), u128::MAX, "saturates");
    }
}
