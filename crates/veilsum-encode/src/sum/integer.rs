//! A sum in integers, and the floats it stands for.

use std::fmt;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{DecodeError, PAGE, PackedSum, check_contributors};
use crate::packing::pack_values;
use crate::tensor::Tensors;
use crate::{Dtype, Encoding, Plan, Tensor, TensorData};

/// The sum of the contributors' integers, exact.
///
/// One value per padded coordinate in manifest order; in a rotated task these are the rotated coordinates.
#[derive(Clone)]
pub struct IntegerSum {
    pub(super) values: Vec<i64>,
    contributors: u32,
    weight: u64,
    pub(super) plan: [u8; 32],
    /// Whether surplus noise was removed.
    pub(super) removed: bool,
}

impl IntegerSum {
    /// A sum from its parts, for one that was stored.
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
            removed: false,
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

    /// Packs the sum into ring blocks again, each contributor's offset included: what
    /// [`PackedSum::unpack`](super::PackedSum::unpack) gives back, once surplus noise is removed.
    ///
    /// # Errors
    ///
    /// The sum was unpacked with another plan, or a value is beyond what so many honest members can add.
    // spec: [encode.sum.pack]
    pub fn pack(&self, plan: &Plan) -> Result<PackedSum, DecodeError> {
        self.check_plan(plan)?;
        // The planner bounds all three for as many as are enrolled.
        let contributors = i64::from(self.contributors);
        let offset = contributors.wrapping_mul(plan.offset());
        let largest = u64::from(self.contributors).saturating_mul(plan.lane_max());
        let least = offset.wrapping_neg();
        let most = least.saturating_add_unsigned(largest);
        let range = least..=most;
        let outside = self
            .values
            .par_iter()
            .position_first(|value| !range.contains(value));
        if let Some(coordinate) = outside {
            return Err(DecodeError::Value {
                coordinate: coordinate as u64,
                found: self.values.get(coordinate).copied().unwrap_or_default(),
                least,
                most,
            });
        }
        let blocks = pack_values(plan, &self.values, offset, self.weight);
        Ok(PackedSum::new(blocks, self.contributors))
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

    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), DecodeError> {
        if self.plan == plan.digest() {
            Ok(())
        } else {
            Err(DecodeError::OtherPlan)
        }
    }
}

/// The same values of the same contributors under the same plan, however they came about.
impl PartialEq for IntegerSum {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            values,
            contributors,
            weight,
            plan,
            removed: _,
        } = self;
        (values, contributors, weight, plan)
            == (
                &other.values,
                &other.contributors,
                &other.weight,
                &other.plan,
            )
    }
}

impl Eq for IntegerSum {}

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

/// Cuts a flat vector into the manifest's tensors; what is left over is padding.
fn unflatten<T>(plan: &Plan, flat: &[T], data: impl Fn(&[T], Dtype) -> TensorData) -> Tensors {
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
