//! The way of a float update in one pass over its values, a block at a time: clipped, rounded and packed while they are in the
//! cache.
//!
//! Not another encoding: the contribution is the one that [`Update::clip`], [`Clipped::quantize`](crate::Clipped::quantize) and
//! [`Quantized::pack`](crate::Quantized::pack) make of the same update with the same randomness, to the bit. Those hold all
//! coordinates twice at 64 bits each, once as floats and once as integers. Here they stand as they came and packed, nothing
//! between. Rotation, conditional rounding and noise need all coordinates at once, and go the long way.

use rand_core::CryptoRng;
use rayon::prelude::*;
use veilsum_math::backend::{WideLoop, Width};
use veilsum_math::ring::{BLOCK_LIMBS, Blocks};
use veilsum_math::{Keystream, KeystreamKey};
use zeroize::Zeroizing;

use crate::clip::{HUGE, PAGE, RunningSums, add_in_pairs};
use crate::plan::Grid;
use crate::quantize::{TOLERANCE, draw, round_stochastically};
use crate::{Clip, Contribution, EncodeError, Encoding, Plan, Report, TensorData, Update, Weight};

/// Encodes an update, if plan and update are of those that need no second look at all coordinates; else gives the update back.
///
/// # Errors
///
/// As [`contribute`](crate::contribute).
pub(crate) fn contribute(
    update: Update,
    plan: &Plan,
    weight: Weight,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Result<(Contribution, Report), Update>, EncodeError> {
    let Some((encoder, clipped_norm)) = Encoder::of(&update, plan, weight)? else {
        return Ok(Err(update));
    };
    let rounding = Keystream::new(KeystreamKey::new(*Zeroizing::new(*draw(rng))));
    let (blocks, cut) = encoder.encode(plan, &rounding);
    let report = Report {
        saturated: cut.saturated,
        clipped_norm,
        clipped_coordinates: cut.clipped,
    };
    Ok(Ok((Contribution::new(blocks, None), report)))
}

/// All that the integer of a coordinate follows from, beside its value and its randomness.
struct Encoder<'a> {
    values: Flat<'a>,
    /// What the clip does to each value.
    clip: Cut,
    grid: Grid,
    weight: Weight,
    offset: i64,
    width: Width,
}

/// What a clip does to each value, once the norm is known.
#[derive(Clone, Copy)]
enum Cut {
    Nothing,
    Scale(f64),
    Clamp(f64),
}

/// How many coordinates were cut.
#[derive(Clone, Copy, Default)]
struct Counts {
    saturated: u64,
    clipped: u64,
}

impl<'a> Encoder<'a> {
    /// With the norm before clipping, if it was above the bound. `None` for what has to go the long way.
    fn of(
        update: &'a Update,
        plan: &Plan,
        weight: Weight,
    ) -> Result<Option<(Self, Option<f64>)>, EncodeError> {
        if update.manifest() != plan.manifest() {
            return Err(EncodeError::OtherManifest);
        }
        let (Encoding::Float(encoding), Some(grid)) = (*plan.encoding(), plan.grid()) else {
            return Ok(None);
        };
        let whole = plan.has_noise() || plan.rotation().is_some() || plan.norm_limit().is_some();
        if whole || weight.get() > plan.max_weight() || plan.lane_bits() > EXACT_BITS {
            return Ok(None);
        }
        update.require_finite()?;
        let (values, width) = (Flat::of(update), Width::detected());
        let (clip, norm) = match encoding.clip {
            Clip::L1(bound) => by_norm(values.sum(f64::abs, width), bound),
            Clip::L2(bound) => by_norm(values.sum(|x| x * x, width).sqrt(), bound),
            Clip::LInf(bound) => (Cut::Clamp(bound), None),
        };
        if norm.is_some_and(|norm| norm > HUGE || norm.is_nan()) {
            return Ok(None);
        }
        let encoder = Self {
            values,
            clip,
            grid,
            weight,
            offset: plan.offset(),
            width,
        };
        Ok(Some((encoder, norm)))
    }

    fn encode(&self, plan: &Plan, rounding: &Keystream) -> (Blocks, Counts) {
        let layout = plan.layout();
        let (per_block, bits) = (layout.lanes_per_block() as usize, layout.lane_bits());
        let total = plan.coordinates() as usize;
        let weight = plan.has_weight_lane().then_some(self.weight.get().into());
        let mut blocks = Blocks::zeroed(layout.limbs());
        let limbs = blocks.limbs_mut().par_chunks_mut(BLOCK_LIMBS).enumerate();
        let counts = limbs
            .map_init(Page::new, |page, (block, limbs)| {
                let start = (block * per_block).min(total);
                let end = (start + per_block).min(total);
                let mut counts = Counts::default();
                let mut packer = Packer::new(bits, limbs);
                let mut first = start;
                while first < end {
                    // up to where the keystream's own steps begin
                    let lanes = (STEP - first % STEP).min(end - first);
                    self.lanes(first, rounding, page, lanes, &mut counts);
                    packer.push(&page.lanes[..lanes]);
                    first += lanes;
                }
                // spec: [encode.lane.weight]
                if let Some(weight) = weight.filter(|_| end == total && end - start < per_block) {
                    packer.push(&[weight]);
                }
                packer.finish();
                counts
            })
            .reduce(Counts::default, Counts::and);
        (blocks, counts)
    }

    /// Lanes of the coordinates from `first` on.
    fn lanes(
        &self,
        first: usize,
        rounding: &Keystream,
        page: &mut Page,
        lanes: usize,
        counts: &mut Counts,
    ) {
        let (values, random) = (&mut page.values[..lanes], &mut page.random[..lanes * 8]);
        self.values.read(first, values, self.width);
        rounding.fill(first as u64 * 8, random);
        let step = Step {
            encoder: self,
            values,
            random: random.as_chunks().0,
            lanes: &mut page.lanes[..lanes],
        };
        *counts = counts.and(self.width.run(step));
    }
}

/// A few values that become lanes.
struct Step<'a> {
    encoder: &'a Encoder<'a>,
    values: &'a mut [f64],
    random: &'a [[u8; 8]],
    lanes: &'a mut [u64],
}

impl WideLoop for Step<'_> {
    type Output = Counts;

    #[inline(always)]
    fn run(self) -> Counts {
        let Self {
            encoder,
            values,
            random,
            lanes,
        } = self;
        let mut counts = Counts::default();
        match encoder.clip {
            Cut::Nothing => {}
            Cut::Scale(factor) => values.iter_mut().for_each(|x| *x *= factor),
            Cut::Clamp(bound) => {
                for value in values.iter_mut() {
                    counts.clipped += u64::from(value.abs() > bound);
                    *value = value.clamp(-bound, bound);
                }
            }
        }
        let levels = encoder.grid.levels as f64;
        let scale = levels / encoder.grid.range;
        let outside = levels + levels * TOLERANCE;
        // Exact in f64: a lane has at most EXACT_BITS bits.
        let (weight, offset) = (f64::from(encoder.weight.get()), encoder.offset as f64);
        let mut unsure = 0;
        for ((lane, value), random) in lanes.iter_mut().zip(values.iter()).zip(random) {
            let scaled = value * scale;
            // spec: [encode.round.saturated]
            counts.saturated += u64::from(scaled.abs() > outside);
            let (rounded, sure) = round(scaled.clamp(-levels, levels), u64::from_le_bytes(*random));
            unsure |= u64::from(!sure);
            // spec: [encode.lane.offset] [encode.weight.product]
            *lane = integer(rounded * weight + offset);
        }
        if unsure != 0 {
            for ((lane, value), random) in lanes.iter_mut().zip(values.iter()).zip(random) {
                let clamped = (value * scale).clamp(-levels, levels);
                let rounded = round_stochastically(clamped, u64::from_le_bytes(*random));
                *lane = (rounded * i64::from(encoder.weight.get()) + encoder.offset) as u64;
            }
        }
        counts
    }
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self {
            saturated: self.saturated + other.saturated,
            clipped: self.clipped + other.clipped,
        }
    }
}

/// Buffers of one thread, small enough for the nearest cache; wiped.
struct Page {
    values: Zeroizing<Vec<f64>>,
    random: Zeroizing<Vec<u8>>,
    lanes: Zeroizing<Vec<u64>>,
}

impl Page {
    fn new() -> Self {
        Self {
            values: Zeroizing::new(vec![0.0; STEP]),
            random: Zeroizing::new(vec![0; STEP * 8]),
            lanes: Zeroizing::new(vec![0; STEP]),
        }
    }
}

/// The values of an update as one vector, in manifest order.
struct Flat<'a> {
    /// Where each tensor begins, and its values.
    tensors: Vec<(usize, &'a TensorData)>,
    len: usize,
}

impl<'a> Flat<'a> {
    fn of(update: &'a Update) -> Self {
        let mut len = 0;
        let tensors = update.data().map(|data| {
            let first = len;
            len += data.len();
            (first, data)
        });
        let tensors = tensors.collect();
        Self { tensors, len }
    }

    /// Fills `out` with the values from `first` on; there are as many.
    fn read(&self, first: usize, out: &mut [f64], width: Width) {
        let mut at = self.tensors.partition_point(|(start, _)| *start <= first);
        let (mut first, mut out) = (first, out);
        while let Some((start, data)) = self.tensors.get(at.wrapping_sub(1))
            && !out.is_empty()
        {
            let from = first - start;
            let here = out.len().min(data.len() - from);
            let (now, rest) = out.split_at_mut(here);
            data.read_floats(from, now, width);
            (first, out, at) = (first + here, rest, at + 1);
        }
    }

    /// The sum of a function of all values, as the long way adds them.
    // spec: [encode.clip.order]
    fn sum(&self, term: impl Fn(f64) -> f64 + Sync, width: Width) -> f64 {
        let pages = (0..self.len.div_ceil(PAGE)).into_par_iter();
        let buffer = || Zeroizing::new(vec![0.0; STEP]);
        let sums = pages.map_init(buffer, |values, page| {
            let start = page * PAGE;
            let end = (start + PAGE).min(self.len);
            let mut sums = RunningSums::default();
            for first in (start..end).step_by(STEP) {
                let values = &mut values[..STEP.min(end - first)];
                self.read(first, values, width);
                sums.add(values, &term, width);
            }
            sums.total()
        });
        add_in_pairs(sums.collect())
    }
}

/// What a clip to a norm does, with the norm if it was above the bound.
// spec: [encode.clip.l1] [encode.clip.l2]
fn by_norm(norm: f64, bound: f64) -> (Cut, Option<f64>) {
    match norm <= bound {
        true => (Cut::Nothing, None),
        false => (Cut::Scale(bound / norm), Some(norm)),
    }
}

/// Rounds up with the probability of the fractional part, down otherwise, by the first 52 bits of the randomness; whether the
/// others could not have decided otherwise.
///
/// No branch and no integer conversion: the compiler takes several values at once.
#[inline(always)]
fn round(value: f64, random: u64) -> (f64, bool) {
    let nearest = (value + TO_INTEGER) - TO_INTEGER;
    let floor = nearest - if nearest > value { 1.0 } else { 0.0 };
    let fraction = value - floor;
    let random = f64::from_bits((random >> 12) | 1.0_f64.to_bits()) - 1.0;
    let up = random + 2.0 * f64::EPSILON <= fraction;
    let down = random > fraction;
    (floor + if up { 1.0 } else { 0.0 }, up | down)
}

/// An integer from 0 to 2^52 - 1 of a float that is one.
#[inline(always)]
fn integer(value: f64) -> u64 {
    (value + TWO_POW_52).to_bits() & (TWO_POW_52_BITS - 1)
}

/// Packs lanes back to back from bit 0 on, a few at a time.
struct Packer<'a> {
    limbs: std::slice::IterMut<'a, u64>,
    bits: u32,
    pending: u64,
    have: u32,
}

impl<'a> Packer<'a> {
    /// For lanes of less than 64 bits.
    fn new(bits: u8, limbs: &'a mut [u64]) -> Self {
        Self {
            limbs: limbs.iter_mut(),
            bits: bits.into(),
            pending: 0,
            have: 0,
        }
    }

    // spec: [encode.layout.order]
    fn push(&mut self, lanes: &[u64]) {
        let bits = self.bits;
        if 2 * bits >= u64::BITS {
            return lanes.iter().for_each(|lane| self.take(*lane, bits));
        }
        // Two become one before they wait for what is pending.
        let (pairs, last) = lanes.as_chunks();
        for [low, high] in pairs {
            self.take(low | high << bits, 2 * bits);
        }
        last.iter().for_each(|lane| self.take(*lane, bits));
    }

    /// Takes a number of less than 64 bits.
    #[inline]
    fn take(&mut self, number: u64, bits: u32) {
        self.pending |= number << self.have;
        self.have += bits;
        if self.have >= u64::BITS {
            if let Some(limb) = self.limbs.next() {
                *limb = self.pending;
            }
            self.have -= u64::BITS;
            self.pending = number >> (bits - self.have);
        }
    }

    fn finish(mut self) {
        if let (true, Some(limb)) = (self.have > 0, self.limbs.next()) {
            *limb = self.pending;
        }
    }
}

/// Coordinates that are encoded at once.
const STEP: usize = 512;

/// Widest lane whose integers, and all that they come from, are exact in f64 with room for the tricks above.
const EXACT_BITS: u8 = 50;

/// Added and taken off again, it leaves the nearest integer of what is below 2^51.
const TO_INTEGER: f64 = 1.5 * TWO_POW_52;
const TWO_POW_52_BITS: u64 = 1 << 52;
const TWO_POW_52: f64 = TWO_POW_52_BITS as f64;

#[cfg(test)]
mod tests;
