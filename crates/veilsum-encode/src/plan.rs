//! Derives lane widths, so that no honest sum can carry from one lane into the next.

mod digest;
mod error;
mod grid;
mod lanes;
mod sensitivity;

use veilsum_dp::NoiseBound;

pub use self::error::PlanError;
pub(crate) use self::grid::Grid;
use self::lanes::LaneValues;
use crate::rotation::Rotation;
use crate::{Encoding, Layout, Manifest};

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
    /// Squared norm in steps above which conditional rounding draws again.
    norm_limit: Option<u128>,
    lanes: LaneValues,
    padded: u64,
    layout: Layout,
    digest: [u8; 32],
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
        check_noise(encoding, noise)?;
        let padded = rotation.map_or(coordinates, |rotation| rotation.padded());
        let (least, largest, grid) = match encoding {
            Encoding::Float(float) => {
                let grid = Grid::derive(float, rotation, padded)?;
                let bound = i128::from(float.max_weight) * i128::from(grid.levels);
                (-bound, bound, Some(grid))
            }
            &Encoding::Integer { min, max } if min < max => {
                (i128::from(min), i128::from(max), None)
            }
            &Encoding::Integer { min, max } => return Err(PlanError::EmptyRange { min, max }),
        };
        let (lanes, lane_bits) = LaneValues::derive(least, largest, enrolled, noise)?;
        // spec: [encode.plan.size]
        let all = padded
            .checked_add(u64::from(has_weight_lane(encoding)))
            .ok_or(PlanError::TooLarge)?;
        let mut plan = Self {
            encoding: *encoding,
            enrolled,
            noise,
            rotation,
            grid,
            norm_limit: None,
            lanes,
            padded,
            layout: Layout::new(all, lane_bits).ok_or(PlanError::TooLarge)?,
            digest: digest::digest(manifest, encoding, enrolled, noise),
            manifest: manifest.clone(),
        };
        plan.norm_limit = plan.derive_norm_limit()?;
        Ok(plan)
    }

    /// The tensors.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The encoding of the task, with [`Range::Auto`](crate::Range::Auto) replaced by what it stands for.
    #[must_use]
    pub const fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// The members the lanes have room for.
    #[must_use]
    pub const fn enrolled(&self) -> u32 {
        self.enrolled
    }

    /// Whether contributions carry noise.
    #[must_use]
    pub fn has_noise(&self) -> bool {
        self.noise != NoiseBound::NONE
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

    pub(crate) const fn norm_limit(&self) -> Option<u128> {
        self.norm_limit
    }

    pub(crate) const fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }

    pub(crate) const fn has_weight_lane(&self) -> bool {
        has_weight_lane(&self.encoding)
    }
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

// spec: [encode.plan.noise]
fn check_noise(encoding: &Encoding, noise: NoiseBound) -> Result<(), PlanError> {
    match max_weight(encoding) {
        found if found > 1 && noise != NoiseBound::NONE => Err(PlanError::WeightedNoise { found }),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests;
