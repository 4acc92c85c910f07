//! The one thing that can be masked.

use std::fmt;

use rand_core::CryptoRng;
use rayon::prelude::*;
use veilsum_math::ring::{BLOCK_LIMBS, Blocks};
use zeroize::Zeroize;

use crate::clip::Clipping;
use crate::{EncodeError, Plan, Update, Weight};

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
pub struct Contribution(Blocks);

impl Contribution {
    /// The ring blocks, for the masks to be added in place.
    ///
    /// # Security
    ///
    /// From here on the caller wipes them, unless they are masked.
    #[must_use]
    pub fn into_blocks(mut self) -> Blocks {
        std::mem::replace(&mut self.0, Blocks::zeroed(0))
    }

    /// Length in 64-bit limbs; public.
    #[must_use]
    pub fn limbs(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn zeroed(limbs: usize) -> Self {
        Self(Blocks::zeroed(limbs))
    }

    pub(crate) fn par_blocks_mut(&mut self) -> impl IndexedParallelIterator<Item = &mut [u64]> {
        self.0.limbs_mut().par_chunks_mut(BLOCK_LIMBS)
    }
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(blocks) = self;
        write!(f, "Contribution({} limbs, ..)", blocks.len())
    }
}

impl Drop for Contribution {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What happened to an update on its way; nothing is cut in silence.
///
/// # Security
///
/// Tells something about the update, so it stays with the member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Coordinates, after rotation, that lay outside the quantisation range and were cut.
    pub saturated: u64,
    /// The norm before clipping, if it was above the bound of an L2 clip.
    pub clipped_norm: Option<f64>,
    /// Coordinates that an L-infinity clip cut.
    pub clipped_coordinates: u64,
}

/// The whole way of an update: clip, rotate, quantise, weigh, pack.
///
/// # Security
///
/// `rng` must be unpredictable; see [`Clipped::quantize`](crate::Clipped::quantize).
///
/// # Errors
///
/// The plan is for another manifest, an integer lies outside the task's range, or the weight is above the task's
/// largest.
pub fn contribute(
    update: Update,
    plan: &Plan,
    weight: Weight,
    rotation_seed: &[u8; 32],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Contribution, Report), EncodeError> {
    let quantized = update
        .clip(plan)?
        .quantize(plan, weight, rotation_seed, rng)?;
    let Clipping {
        clipped_norm,
        clipped_coordinates,
    } = quantized.clipping();
    let report = Report {
        saturated: quantized.saturated(),
        clipped_norm,
        clipped_coordinates,
    };
    Ok((quantized.pack(plan)?, report))
}
