//! The one thing that can be masked.

use std::fmt;

use rand_core::CryptoRng;
use veilsum_dp::{MemberNoise, NoiseContext, NoisePlan};
use veilsum_math::ring::Blocks;
use zeroize::Zeroize;

use crate::clip::Clipping;
use crate::direct;
use crate::{EncodeError, Plan, Quantized, Update, Weight};

/// A member's packed integers, ready to be masked.
///
/// # Security
///
/// The member's update in plain. It has no encoding, no `Clone`, and is wiped on drop; what goes to the network is the
/// masked update made of it.
///
/// ```compile_fail
/// // spec: [encode.contribution]
/// # fn show(contribution: veilsum_encode::Contribution) {
/// let bytes = contribution.to_le_bytes();
/// # }
/// ```
///
/// ```compile_fail
/// # fn show(contribution: veilsum_encode::Contribution) {
/// let copy = contribution.clone();
/// # }
/// ```
///
/// ```
/// # fn show(contribution: veilsum_encode::Contribution) {
/// let blocks = contribution.into_blocks();
/// # }
/// ```
// spec: [encode.contribution]
pub struct Contribution {
    blocks: Blocks,
    noise: Option<NoiseContext>,
}

impl Contribution {
    /// The ring blocks, for the masks to be added in place.
    ///
    /// # Security
    ///
    /// From here on the caller wipes them, unless they are masked.
    #[must_use]
    pub fn into_blocks(mut self) -> Blocks {
        std::mem::replace(&mut self.blocks, Blocks::zeroed(0))
    }

    /// Length in 64-bit limbs; public.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.blocks.len()
    }

    /// Whose noise it carries, for which round and attempt; `None` in a task without noise.
    #[must_use]
    pub const fn noise(&self) -> Option<&NoiseContext> {
        self.noise.as_ref()
    }

    pub(crate) const fn new(blocks: Blocks, noise: Option<NoiseContext>) -> Self {
        Self { blocks, noise }
    }
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, noise: _ } = self;
        write!(f, "Contribution({} limbs, ..)", blocks.len())
    }
}

impl Drop for Contribution {
    fn drop(&mut self) {
        self.blocks.zeroize();
    }
}

/// What happened to an update on its way; nothing is cut in silence.
///
/// # Security
///
/// Tells something about the update, so it stays with the member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Coordinates, after rotation, that lay outside the quantisation range and were cut, and values that could not be summed as they were
    /// ([`Clipping::replaced`]).
    pub saturated: u64,
    /// The norm before clipping, if it was above the bound of an L1 or L2 clip.
    pub clipped_norm: Option<f64>,
    /// Coordinates that an L-infinity clip cut.
    pub clipped_coordinates: u64,
}

/// The whole way of an update in a task without noise: clip, rotate, quantise, weigh, pack.
///
/// # Security
///
/// `rng` must be unpredictable; see [`Clipped::quantize`](crate::Clipped::quantize).
///
/// # Errors
///
/// The plan is for another manifest or wants noise, a float is not finite (of an update that was made for a plan with noise), or the weight is
/// above the task's largest.
pub fn contribute(
    update: Update,
    plan: &Plan,
    weight: Weight,
    rotation_seed: &[u8; 32],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Contribution, Report), EncodeError> {
    let update = match direct::contribute(update, plan, weight, rng)? {
        Ok(made) => return Ok(made),
        Err(update) => update,
    };
    let quantized = update
        .clip(plan)?
        .quantize(plan, weight, rotation_seed, rng)?;
    finish(quantized, plan)
}

/// The whole way of an update in a task with noise: clip, rotate, quantise, add noise, pack.
///
/// # Security
///
/// `rng` must be unpredictable; see [`Clipped::quantize`](crate::Clipped::quantize). A member's noise serves one
/// contribution; see [`Quantized::add_noise`].
///
/// # Errors
///
/// The plan is for another manifest or other noise, the weight is above 1, or the member's noise was made under another noise plan.
pub fn contribute_with_noise(
    update: Update,
    plan: &Plan,
    weight: Weight,
    rotation_seed: &[u8; 32],
    noise: &NoisePlan,
    member: &MemberNoise,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Contribution, Report), EncodeError> {
    let mut quantized = update
        .clip(plan)?
        .quantize(plan, weight, rotation_seed, rng)?;
    quantized.add_noise(plan, noise, member)?;
    finish(quantized, plan)
}

fn finish(quantized: Quantized, plan: &Plan) -> Result<(Contribution, Report), EncodeError> {
    let Clipping {
        clipped_norm,
        clipped_coordinates,
        replaced: _, // counted as saturated
    } = quantized.clipping();
    let report = Report {
        saturated: quantized.saturated(),
        clipped_norm,
        clipped_coordinates,
    };
    Ok((quantized.pack(plan)?, report))
}
