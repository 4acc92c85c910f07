//! Bounds what one member can add to the sum.

use std::fmt;

use rayon::prelude::*;
use veilsum_math::backend::{WideLoop, Width};
use zeroize::{Zeroize, Zeroizing};

use crate::{Clip, EncodeError, Encoding, Plan, Update};

/// An update within the clip of its task, flattened in manifest order. Integers within their range.
///
/// # Security
///
/// A secret of the member: wiped on drop, no `Clone`, no values in `Debug`.
pub struct Clipped {
    pub(crate) values: Values,
    pub(crate) clipping: Clipping,
    pub(crate) plan: [u8; 32],
}

/// Flattened values. The floats of a rotated task are padded with zeros.
pub(crate) enum Values {
    Floats(Vec<f64>),
    Integers(Vec<i64>),
}

/// What the clip did to an update.
///
/// # Security
///
/// Tells something about the update, so it stays with the member.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clipping {
    /// The norm before clipping, if it was above the bound of an L1 or L2 clip.
    pub clipped_norm: Option<f64>,
    /// Coordinates that an L-infinity clip cut.
    pub clipped_coordinates: u64,
    /// Values that could not be summed as they were: integers outside the task's range, which became its nearer end; in a plan with noise NaN and
    /// infinities, which became 0.
    pub replaced: u64,
}

impl Update {
    /// Flattens the update and clips it. Integers are held to the task's range.
    ///
    /// # Security
    ///
    /// The range is the choice of whoever starts the task, and a refusal shows as absence: no integer decides whether there is a contribution.
    ///
    /// # Errors
    ///
    /// The plan is for another manifest; and, in a plan without noise, a float is not finite (of an update that was made for a plan with noise).
    pub fn clip(self, plan: &Plan) -> Result<Clipped, EncodeError> {
        if self.manifest() != plan.manifest() {
            return Err(EncodeError::OtherManifest);
        }
        let (values, clipping) = match *plan.encoding() {
            Encoding::Float(encoding) => {
                if !plan.has_noise() {
                    self.require_finite()?;
                }
                clip_floats(&self, plan, encoding.clip)
            }
            Encoding::Integer { min, max } => hold_integers(&self, min, max),
        };
        Ok(Clipped {
            values,
            clipping,
            plan: plan.digest(),
        })
    }
}

impl Clipped {
    /// What the clip did.
    #[must_use]
    pub const fn clipping(&self) -> Clipping {
        self.clipping
    }
}

impl fmt::Debug for Clipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            values: _,
            clipping: _,
            plan: _,
        } = self;
        f.write_str("Clipped(..)")
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        match self {
            Self::Floats(values) => values.zeroize(),
            Self::Integers(values) => values.zeroize(),
        }
    }
}

fn clip_floats(update: &Update, plan: &Plan, clip: Clip) -> (Values, Clipping) {
    let padded = plan.padded_coordinates() as usize;
    // Room for the padding from the start, so that no move leaves a copy behind.
    let mut values = Vec::with_capacity(padded);
    for data in update.data() {
        data.append_floats(&mut values);
    }
    let replaced = replace_not_finite(&mut values);
    let clipping = match clip {
        Clip::L1(bound) => clip_norm(&mut values, bound, sum_of_magnitudes),
        Clip::L2(bound) => clip_norm(&mut values, bound, euclidean_norm),
        Clip::LInf(bound) => clip_coordinates(&mut values, bound),
    };
    values.resize(padded, 0.0);
    let clipping = Clipping {
        replaced,
        ..clipping
    };
    (Values::Floats(values), clipping)
}

/// Sets to 0 what is no number to sum; returns how many were.
// spec: [encode.noise.values]
fn replace_not_finite(values: &mut [f64]) -> u64 {
    let replaced = values.par_chunks_mut(PAGE).map(|page| {
        let mut replaced = 0;
        for value in page.iter_mut().filter(|value| !value.is_finite()) {
            *value = 0.0;
            replaced += 1;
        }
        replaced
    });
    replaced.sum()
}

/// Scales the values down to a norm.
fn clip_norm(values: &mut [f64], bound: f64, norm_of: fn(&[f64]) -> f64) -> Clipping {
    // spec: [encode.clip.l1] [encode.clip.l2]
    let (mut shrink, mut norm) = (1.0, norm_of(values));
    if norm > HUGE {
        // Squares or sums may have overflowed; halving the exponents first keeps them in range.
        shrink = SHRINK;
        scale(values, shrink);
        norm = norm_of(values);
    }
    if shrink == 1.0 && norm <= bound {
        return Clipping::default();
    }
    scale(values, bound / norm);
    Clipping {
        clipped_norm: Some(norm / shrink),
        ..Clipping::default()
    }
}

fn clip_coordinates(values: &mut [f64], bound: f64) -> Clipping {
    // spec: [encode.clip.linf]
    let cut = values.par_chunks_mut(PAGE).map(|page| {
        let mut cut = 0;
        for value in page {
            cut += u64::from(value.abs() > bound);
            *value = value.clamp(-bound, bound);
        }
        cut
    });
    Clipping {
        clipped_coordinates: cut.sum(),
        ..Clipping::default()
    }
}

fn scale(values: &mut [f64], factor: f64) {
    values
        .par_chunks_mut(PAGE)
        .for_each(|page| page.iter_mut().for_each(|x| *x *= factor));
}

fn euclidean_norm(values: &[f64]) -> f64 {
    sum_in_order(values, |x| x * x).sqrt()
}

fn sum_of_magnitudes(values: &[f64]) -> f64 {
    sum_in_order(values, f64::abs)
}

/// The sum of a function of the values in one fixed order, whatever the number of threads.
fn sum_in_order(values: &[f64], term: impl Fn(f64) -> f64 + Sync) -> f64 {
    // spec: [encode.clip.order]
    let width = Width::detected();
    let pages = values.par_chunks(PAGE);
    let sums = pages.map(|page| {
        let mut sums = RunningSums::default();
        sums.add(page, &term, width);
        sums.total()
    });
    add_in_pairs(sums.collect())
}

/// The sum of the sums of pages: neighbours are added until one is left.
pub(crate) fn add_in_pairs(mut sums: Vec<f64>) -> f64 {
    while sums.len() > 1 {
        sums = sums
            .chunks(2)
            .map(|pair| pair.iter().copied().reduce(|a, b| a + b).unwrap_or(0.0))
            .collect();
    }
    sums.first().copied().unwrap_or(0.0)
}

/// Eight running sums over the coordinates of equal position modulo 8, added pairwise at the end of a page.
#[derive(Default)]
pub(crate) struct RunningSums([f64; 8]);

impl RunningSums {
    /// Goes on over more of a page; all but the last of its values come in eights.
    pub(crate) fn add(&mut self, values: &[f64], term: &impl Fn(f64) -> f64, width: Width) {
        let Self(sums) = self;
        width.run(AddTerms { sums, values, term });
    }

    pub(crate) fn total(self) -> f64 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

/// See [`RunningSums::add`].
struct AddTerms<'a, F> {
    sums: &'a mut [f64; 8],
    values: &'a [f64],
    term: &'a F,
}

impl<F: Fn(f64) -> f64> WideLoop for AddTerms<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut sums = *self.sums;
        let (eights, rest) = self.values.as_chunks::<8>();
        for eight in eights {
            for (sum, x) in sums.iter_mut().zip(eight) {
                *sum += (self.term)(*x);
            }
        }
        for (sum, x) in sums.iter_mut().zip(rest) {
            *sum += (self.term)(*x);
        }
        *self.sums = sums;
    }
}

/// Integers held to the range.
// spec: [encode.integer.range]
fn hold_integers(update: &Update, min: i64, max: i64) -> (Values, Clipping) {
    // Taken out of the wiping wrapper only once it is full.
    let mut flat = Zeroizing::new(Vec::with_capacity(update.manifest().coordinates() as usize));
    let mut clipping = Clipping::default();
    for data in update.data() {
        data.each_integer(|value| {
            let held = value.clamp(min.into(), max.into());
            clipping.replaced += u64::from(held != value);
            flat.push(held as i64);
        });
    }
    (Values::Integers(std::mem::take(&mut *flat)), clipping)
}

/// 2^500: above it squares of a long vector may overflow.
pub(crate) const HUGE: f64 = f64::from_bits((1023 + 500) << 52);
/// 2^-600.
const SHRINK: f64 = f64::from_bits((1023 - 600) << 52);
pub(crate) const PAGE: usize = 4096;
