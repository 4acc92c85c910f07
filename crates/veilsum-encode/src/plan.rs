//! Derives lane widths, so that no honest sum can carry from one lane into the next.

use sha2::{Digest, Sha256};
use thiserror::Error;
use veilsum_dp::NoiseBound;

use crate::rotation::Rotation;
use crate::{Clip, Dtype, Encoding, FloatEncoding, Layout, Manifest, Range};

/// All numbers of the way from values to ring blocks and back, derived from what a task says.
///
/// Members and coordinator derive the same plan on their own; nobody sends it. Lane widths come from integer
/// arithmetic alone, over the *enrolled* members, the largest weight and the noise bound, and hold for whatever set of
/// members survives.
///
/// ```
/// use veilsum_dp::NoiseBound;
/// use veilsum_encode::{Dtype, Encoding, Manifest, Plan, TensorSpec};
///
/// let manifest = Manifest::new(vec![TensorSpec { name: "counts".into(), shape: vec![1000], dtype: Dtype::U16 }])?;
/// let plan = Plan::derive(&manifest, &Encoding::Integer { min: 0, max: 65_535 }, 100, NoiseBound::NONE)?;
/// assert_eq!(plan.lane_bits(), 23);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    manifest: Manifest,
    encoding: Encoding,
    enrolled: u32,
    noise: NoiseBound,
    rotation: Option<Rotation>,
    grid: Option<Grid>,
    lanes: LaneValues,
    padded: u64,
    layout: Layout,
    digest: [u8; 32],
}

/// The floats of a quantised coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// The largest integer, Q.
    pub levels: i64,
    /// The float it stands for, R.
    pub range: f64,
}

/// What one lane of one contribution holds: value + offset, between 0 and `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LaneValues {
    offset: i64,
    max: u64,
}

impl Plan {
    /// Derives the plan of a task for `enrolled` members, each of whom may add noise up to `noise` to a coordinate.
    ///
    /// # Errors
    ///
    /// A tensor whose element type does not fit the encoding, an encoding with a number out of its range, no enrolled
    /// members, a sum that may not fit 64-bit lanes or `i64`, or a vector that does not fit the address space. See
    /// [`PlanError`].
    pub fn derive(
        manifest: &Manifest,
        encoding: &Encoding,
        enrolled: u32,
        noise: NoiseBound,
    ) -> Result<Self, PlanError> {
        let encoding = &resolved(encoding);
        check_dtypes(manifest, encoding)?;
        if enrolled == 0 {
            return Err(PlanError::NobodyEnrolled);
        }
        let coordinates = manifest.coordinates();
        let rotation = match encoding {
            Encoding::Float(float) if float.rotation => {
                Some(Rotation::of(coordinates).ok_or(PlanError::TooLarge)?)
            }
            Encoding::Float(_) | Encoding::Integer { .. } => None,
        };
        let padded = rotation.map_or(coordinates, |rotation| rotation.padded());
        let (least, largest, grid) = match encoding {
            Encoding::Float(float) => {
                let grid = derive_grid(float, rotation.as_ref(), padded)?;
                let bound = i128::from(float.max_weight) * i128::from(grid.levels);
                (-bound, bound, Some(grid))
            }
            &Encoding::Integer { min, max } if min < max => {
                (i128::from(min), i128::from(max), None)
            }
            &Encoding::Integer { min, max } => return Err(PlanError::EmptyRange { min, max }),
        };
        let (lanes, lane_bits) = derive_lanes(least, largest, enrolled, noise)?;
        let all = padded
            .checked_add(u64::from(has_weight_lane(encoding)))
            .ok_or(PlanError::TooLarge)?;
        Ok(Self {
            encoding: *encoding,
            enrolled,
            noise,
            rotation,
            grid,
            lanes,
            padded,
            layout: Layout::new(all, lane_bits).ok_or(PlanError::TooLarge)?,
            digest: digest(manifest, encoding, enrolled, noise),
            manifest: manifest.clone(),
        })
    }

    /// The tensors.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The encoding of the task, with [`Range::Auto`] replaced by what it stands for.
    #[must_use]
    pub const fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// The members the lanes have room for.
    #[must_use]
    pub const fn enrolled(&self) -> u32 {
        self.enrolled
    }

    /// The noise per member and coordinate the lanes have room for.
    #[must_use]
    pub const fn noise_bound(&self) -> NoiseBound {
        self.noise
    }

    /// Coordinates of the manifest.
    #[must_use]
    pub const fn coordinates(&self) -> u64 {
        self.manifest.coordinates()
    }

    /// Lanes that carry coordinates: those of the manifest and the padding of the rotation.
    #[must_use]
    pub const fn padded_coordinates(&self) -> u64 {
        self.padded
    }

    /// All lanes: the padded coordinates, and one for the weight in a weighted task.
    #[must_use]
    pub const fn lanes(&self) -> u64 {
        self.layout.lanes()
    }

    /// Bits of a lane, 1 to 64: those of `enrolled * lane_max`.
    #[must_use]
    pub const fn lane_bits(&self) -> u8 {
        self.layout.lane_bits()
    }

    /// What each contributor adds to each coordinate, so that no lane is negative.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.lanes.offset
    }

    /// The largest lane of one contribution, offset and noise included.
    #[must_use]
    pub const fn lane_max(&self) -> u64 {
        self.lanes.max
    }

    /// Where the lanes lie.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Limbs of a contribution.
    #[must_use]
    pub const fn limbs(&self) -> usize {
        self.layout.limbs()
    }

    /// Blocks of a contribution.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.layout.blocks()
    }

    /// Bytes of a contribution, in memory as on the wire.
    #[must_use]
    pub const fn packed_bytes(&self) -> usize {
        self.layout.packed_bytes()
    }

    /// Largest weight of a member; 1 in a task without weights.
    #[must_use]
    pub const fn max_weight(&self) -> u32 {
        max_weight(&self.encoding)
    }

    /// The float that the largest integer stands for; `None` in an integer task.
    #[must_use]
    pub fn range(&self) -> Option<f64> {
        self.grid.map(|grid| grid.range)
    }

    /// Rows of the rotation's blocks, a power of two up to 4 096; `None` without rotation.
    #[must_use]
    pub fn rotation_rows(&self) -> Option<u64> {
        self.rotation.map(|rotation| rotation.rows() as u64)
    }

    /// SHA-256 of what the plan was derived from. Two equal digests mean two equal plans.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(crate) const fn grid(&self) -> Option<Grid> {
        self.grid
    }

    pub(crate) const fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }

    pub(crate) const fn has_weight_lane(&self) -> bool {
        has_weight_lane(&self.encoding)
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// Integer tensors have no place in a float task.
    #[error("tensor {tensor:?} is {found}, a float task wants f32, f64, f16 or bf16")]
    IntegerTensor {
        /// The tensor.
        tensor: String,
        /// Its element type.
        found: Dtype,
    },
    /// Float tensors have no place in an integer task.
    #[error("tensor {tensor:?} is {found}, an integer task wants integers")]
    FloatTensor {
        /// The tensor.
        tensor: String,
        /// Its element type.
        found: Dtype,
    },
    /// Nobody could contribute.
    #[error("found 0 enrolled members, wanted at least 1")]
    NobodyEnrolled,
    /// Too coarse or too fine.
    #[error("found {found} precision bits, wanted {MIN_PRECISION} to {MAX_PRECISION}")]
    Precision {
        /// The bits asked for.
        found: u8,
    },
    /// The clip is not a sensible positive number.
    #[error("found a clip of {found}, wanted 2^-100 to 2^100")]
    Clip {
        /// The clip asked for.
        found: f64,
    },
    /// The fixed range is not a sensible positive number.
    #[error("found a range of {found}, wanted 2^-100 to 2^100")]
    Range {
        /// The range asked for.
        found: f64,
    },
    /// Too few or too many deviations.
    #[error("found a range of {found} deviations, wanted 1 to {MAX_DEVIATIONS}")]
    Deviations {
        /// The deviations asked for.
        found: u8,
    },
    /// Weights start at 1.
    #[error("found a largest weight of 0, wanted at least 1")]
    NoWeight,
    /// The integer range holds fewer than two values.
    #[error("found an integer range from {min} to {max}, wanted its end above its start")]
    EmptyRange {
        /// Least value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Sums over all enrolled members could leave their lane.
    #[error("sums over {enrolled} members need {found} bits a lane, wanted at most 64")]
    LaneTooWide {
        /// Bits a lane would need.
        found: u32,
        /// Enrolled members.
        enrolled: u32,
    },
    /// Sums over all enrolled members could leave `i64`.
    #[error(
        "sums over {enrolled} members lie between {least} and {largest}, which does not fit 64-bit integers"
    )]
    SumTooLarge {
        /// Least possible sum.
        least: i128,
        /// Largest possible sum.
        largest: i128,
        /// Enrolled members.
        enrolled: u32,
    },
    /// The vector does not fit the address space.
    #[error("the lanes do not fit the address space")]
    TooLarge,
}

fn resolved(encoding: &Encoding) -> Encoding {
    match *encoding {
        Encoding::Float(float) => Encoding::Float(float.resolved()),
        Encoding::Integer { min, max } => Encoding::Integer { min, max },
    }
}

fn check_dtypes(manifest: &Manifest, encoding: &Encoding) -> Result<(), PlanError> {
    // spec: [encode.dtype.rule]
    for tensor in manifest.tensors() {
        let (tensor, found) = (tensor.name.clone(), tensor.dtype);
        match encoding {
            Encoding::Float(_) if !found.is_float() => {
                return Err(PlanError::IntegerTensor { tensor, found });
            }
            Encoding::Integer { .. } if found.is_float() => {
                return Err(PlanError::FloatTensor { tensor, found });
            }
            Encoding::Float(_) | Encoding::Integer { .. } => {}
        }
    }
    Ok(())
}

fn derive_grid(
    encoding: &FloatEncoding,
    rotation: Option<&Rotation>,
    padded: u64,
) -> Result<Grid, PlanError> {
    if !(MIN_PRECISION..=MAX_PRECISION).contains(&encoding.precision_bits) {
        return Err(PlanError::Precision {
            found: encoding.precision_bits,
        });
    }
    if encoding.max_weight == 0 {
        return Err(PlanError::NoWeight);
    }
    let (Clip::L2(clip) | Clip::LInf(clip)) = encoding.clip;
    if !SENSIBLE.contains(&clip) {
        return Err(PlanError::Clip { found: clip });
    }
    // spec: [encode.plan.levels]
    let levels = (1_i64 << (encoding.precision_bits - 1)) - 1;
    Ok(Grid {
        levels,
        range: derive_range(encoding, rotation, padded)?,
    })
}

fn derive_range(
    encoding: &FloatEncoding,
    rotation: Option<&Rotation>,
    padded: u64,
) -> Result<f64, PlanError> {
    // spec: [encode.plan.range]
    let (full, deviation) = match encoding.clip {
        Clip::L2(clip) => (clip, clip / (padded as f64).sqrt()),
        Clip::LInf(clip) => (
            clip * rotation.map_or(1.0, |rotation| (rotation.rows() as f64).sqrt()),
            clip,
        ),
    };
    match encoding.range {
        // `Auto` was resolved before; alone it means the range that nothing leaves.
        Range::Auto | Range::Full => Ok(full),
        Range::Spread { deviations } if (1..=MAX_DEVIATIONS).contains(&deviations) => {
            Ok(full.min(f64::from(deviations) * deviation))
        }
        Range::Spread { deviations } => Err(PlanError::Deviations { found: deviations }),
        Range::Fixed(range) if SENSIBLE.contains(&range) => Ok(range),
        Range::Fixed(range) => Err(PlanError::Range { found: range }),
    }
}

/// Offset, largest lane and lane bits for coordinates between `least` and `largest`, before noise.
fn derive_lanes(
    least: i128,
    largest: i128,
    enrolled: u32,
    noise: NoiseBound,
) -> Result<(LaneValues, u8), PlanError> {
    // spec: [encode.plan.bound]
    let noise = i128::from(noise.get());
    let (least, largest) = (least - noise, largest + noise);
    let members = i128::from(enrolled);
    let (least_sum, largest_sum) = (members * least, members * largest);
    // spec: [encode.plan.bits]
    let largest_lane_sum = (largest_sum - least_sum).unsigned_abs();
    let bits = u128::BITS - largest_lane_sum.leading_zeros();
    let lane_bits = match u8::try_from(bits) {
        Ok(bits) if bits <= 64 => bits,
        _ => {
            return Err(PlanError::LaneTooWide {
                found: bits,
                enrolled,
            });
        }
    };
    let too_large = PlanError::SumTooLarge {
        least: least_sum,
        largest: largest_sum,
        enrolled,
    };
    let (Ok(_), Ok(_), Ok(offset)) = (
        i64::try_from(least_sum),
        i64::try_from(largest_sum),
        i64::try_from(-least),
    ) else {
        return Err(too_large);
    };
    let max = u64::try_from(largest - least).map_err(|_| too_large)?;
    Ok((LaneValues { offset, max }, lane_bits))
}

const fn has_weight_lane(encoding: &Encoding) -> bool {
    max_weight(encoding) > 1
}

const fn max_weight(encoding: &Encoding) -> u32 {
    match encoding {
        Encoding::Float(float) => float.max_weight,
        Encoding::Integer { .. } => 1,
    }
}

fn digest(manifest: &Manifest, encoding: &Encoding, enrolled: u32, noise: NoiseBound) -> [u8; 32] {
    // spec: [encode.digest.plan]
    let mut hash = Sha256::new();
    hash.update(b"veilsum plan v1");
    hash.update(manifest.digest());
    match encoding {
        Encoding::Float(float) => hash_float_encoding(&mut hash, float),
        Encoding::Integer { min, max } => {
            hash.update([1]);
            hash.update(min.to_le_bytes());
            hash.update(max.to_le_bytes());
        }
    }
    hash.update(enrolled.to_le_bytes());
    hash.update(noise.get().to_le_bytes());
    hash.finalize().into()
}

fn hash_float_encoding(hash: &mut Sha256, encoding: &FloatEncoding) {
    let (clip, bound) = match encoding.clip {
        Clip::L2(bound) => (0_u8, bound),
        Clip::LInf(bound) => (1, bound),
    };
    let (range, extent) = match encoding.range {
        Range::Auto | Range::Full => (0_u8, 0.0),
        Range::Spread { deviations } => (1, f64::from(deviations)),
        Range::Fixed(range) => (2, range),
    };
    hash.update([0, clip]);
    hash.update(bound.to_bits().to_le_bytes());
    hash.update([encoding.precision_bits, u8::from(encoding.rotation), range]);
    hash.update(extent.to_bits().to_le_bytes());
    hash.update(encoding.max_weight.to_le_bytes());
}

const MIN_PRECISION: u8 = 2;
const MAX_PRECISION: u8 = 52;
const MAX_DEVIATIONS: u8 = 64;

/// 2^-100 to 2^100.
const SENSIBLE: std::ops::RangeInclusive<f64> =
    f64::from_bits((1023 - 100) << 52)..=f64::from_bits((1023 + 100) << 52);

#[cfg(test)]
mod tests;
