//! What a member wants to contribute, checked against the manifest.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use veilsum_math::backend::{WideLoop, Width};
use zeroize::Zeroize;

use crate::manifest::{coordinates, hash_spec};
use crate::tensor::Tensors;
use crate::{Dtype, Manifest, Plan, Tensor, TensorData};

/// A member's update: exactly the tensors of the manifest, all values finite; or, of a plan with noise, any values.
///
/// # Security
///
/// A secret of the member. Wiped on drop, has no `Clone`, and its `Debug` shows no values. It cannot be packed; it must
/// be clipped and quantised first:
///
/// ```compile_fail
/// # fn show(update: veilsum_encode::Update, plan: &veilsum_encode::Plan) {
/// update.pack(plan);
/// # }
/// ```
///
/// Nor can it be contributed twice:
///
/// ```compile_fail
/// # fn show(update: veilsum_encode::Update, plan: &veilsum_encode::Plan) {
/// let first = update.clip(plan);
/// let second = update.clip(plan);
/// # }
/// ```
///
/// The way it can go:
///
/// ```
/// # fn show(update: veilsum_encode::Update, plan: &veilsum_encode::Plan) {
/// let clipped = update.clip(plan);
/// # }
/// ```
pub struct Update {
    manifest: Manifest,
    tensors: Tensors,
    /// Whether all values are known to be finite.
    finite: bool,
}

impl Update {
    /// Checks tensors against the manifest.
    ///
    /// # Errors
    ///
    /// A tensor is missing or extra, its shape, element type or number of values differs, or a float is NaN or
    /// infinite; the tensor is named. The tensors are wiped in that case too.
    pub fn new(manifest: &Manifest, tensors: Tensors) -> Result<Self, UpdateError> {
        let mut update = Self::of_form(manifest, tensors)?;
        update.require_finite()?;
        update.finite = true;
        Ok(update)
    }

    /// Checks tensors against a plan: values that cannot be summed are refused, unless the plan has noise.
    ///
    /// # Security
    ///
    /// A refusal shows as absence, which no noise covers: under noise values decide nothing, and [`Update::clip`] puts others in the place of those
    /// that cannot be summed.
    ///
    /// # Errors
    ///
    /// As for [`Update::new`]; with noise not for a NaN or an infinity.
    // spec: [encode.noise.values]
    pub fn for_plan(plan: &Plan, tensors: Tensors) -> Result<Self, UpdateError> {
        match plan.has_noise() {
            true => Self::of_form(plan.manifest(), tensors),
            false => Self::new(plan.manifest(), tensors),
        }
    }

    fn of_form(manifest: &Manifest, tensors: Tensors) -> Result<Self, UpdateError> {
        let update = Self {
            manifest: manifest.clone(),
            tensors,
            finite: false,
        };
        // spec: [encode.update.tensors]
        if let Some(extra) = update
            .tensors
            .keys()
            .find(|name| !has_tensor(manifest, name))
        {
            return Err(UpdateError::Extra {
                tensor: extra.clone(),
            });
        }
        for spec in manifest.tensors() {
            let missing = || UpdateError::Missing {
                tensor: spec.name.clone(),
            };
            let tensor = update.tensors.get(&spec.name).ok_or_else(missing)?;
            check_form(&spec.name, tensor, &spec.shape, spec.dtype)?;
        }
        Ok(update)
    }

    /// Refuses a NaN or an infinity, if there may be one.
    pub(crate) fn require_finite(&self) -> Result<(), UpdateError> {
        if self.finite {
            return Ok(());
        }
        let mut tensors = self.tensors.iter();
        tensors.try_for_each(|(name, tensor)| check_finite(name, &tensor.data))
    }

    /// SHA-256 of the values as given, before clipping, with names, shapes and element types.
    ///
    /// Two updates with equal digests are the same update; a member's ledger tells by it whether an input was used
    /// before.
    ///
    /// # Security
    ///
    /// Whoever can guess the update can confirm the guess by the digest, so it stays with the member.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        // spec: [encode.digest.update]
        let mut hash = Sha256::new();
        hash.update(b"veilsum update v1");
        hash.update((self.manifest.tensors().len() as u64).to_le_bytes());
        for (spec, data) in self.manifest.tensors().iter().zip(self.data()) {
            hash_spec(&mut hash, spec);
            data.each_page_of_bytes(|page| hash.update(page));
        }
        hash.finalize().into()
    }

    /// The manifest this update was checked against.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The values in manifest order: both are sorted by name and hold the same names.
    pub(crate) fn data(&self) -> impl Iterator<Item = &TensorData> {
        self.tensors.values().map(|tensor| &tensor.data)
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            manifest,
            tensors: _,
            finite: _,
        } = self;
        f.debug_struct("Update")
            .field("coordinates", &manifest.coordinates())
            .finish_non_exhaustive()
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        self.tensors
            .values_mut()
            .for_each(|tensor| tensor.data.zeroize());
    }
}

/// Why tensors are not an update of the task.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UpdateError {
    /// The manifest names a tensor that is not there.
    #[error("tensor {tensor:?} is missing")]
    Missing {
        /// The tensor.
        tensor: String,
    },
    /// The manifest does not name this tensor.
    #[error("tensor {tensor:?} is not in the manifest")]
    Extra {
        /// The tensor.
        tensor: String,
    },
    /// Another element type.
    #[error("tensor {tensor:?} is {found}, wanted {wanted}")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its element type.
        found: Dtype,
        /// The manifest's.
        wanted: Dtype,
    },
    /// Another shape.
    #[error("tensor {tensor:?} has shape {found:?}, wanted {wanted:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<u64>,
        /// The manifest's.
        wanted: Vec<u64>,
    },
    /// The values do not fill the shape.
    #[error("tensor {tensor:?} holds {found} values, its shape wants {wanted}")]
    Length {
        /// The tensor.
        tensor: String,
        /// Values it holds.
        found: usize,
        /// Product of its shape.
        wanted: u64,
    },
    /// A NaN or an infinity.
    #[error("tensor {tensor:?} holds {found} at index {index}, wanted finite values")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Position of the first such value in row-major order.
        index: u64,
        /// What it is.
        found: NotFinite,
    },
}

/// A float that is no number to sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFinite {
    /// Not a number.
    Nan,
    /// Positive infinity.
    Infinity,
    /// Negative infinity.
    NegativeInfinity,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nan => "nan",
            Self::Infinity => "inf",
            Self::NegativeInfinity => "-inf",
        })
    }
}

fn has_tensor(manifest: &Manifest, name: &str) -> bool {
    manifest
        .tensors()
        .binary_search_by(|spec| spec.name.as_str().cmp(name))
        .is_ok()
}

fn check_form(name: &str, tensor: &Tensor, shape: &[u64], dtype: Dtype) -> Result<(), UpdateError> {
    let (tensor_name, found) = (name.to_owned(), tensor.data.dtype());
    if found != dtype {
        return Err(UpdateError::Dtype {
            tensor: tensor_name,
            found,
            wanted: dtype,
        });
    }
    if tensor.shape != shape {
        let (found, wanted) = (tensor.shape.clone(), shape.to_vec());
        return Err(UpdateError::Shape {
            tensor: tensor_name,
            found,
            wanted,
        });
    }
    let (found, wanted) = (tensor.data.len(), coordinates(shape).unwrap_or(u64::MAX));
    if found as u64 != wanted {
        return Err(UpdateError::Length {
            tensor: tensor_name,
            found,
            wanted,
        });
    }
    Ok(())
}

fn check_finite(name: &str, data: &TensorData) -> Result<(), UpdateError> {
    // spec: [encode.nan]
    let first = match data {
        TensorData::F32(values) => first_not_finite(values, |x| x.is_finite()),
        TensorData::F64(values) => first_not_finite(values, |x| x.is_finite()),
        TensorData::F16(values) => first_not_finite(values, |x| x.is_finite()),
        TensorData::Bf16(values) => first_not_finite(values, |x| x.is_finite()),
        _ => None,
    };
    let Some((index, value)) = first else {
        return Ok(());
    };
    let found = match value {
        f64::INFINITY => NotFinite::Infinity,
        f64::NEG_INFINITY => NotFinite::NegativeInfinity,
        _ => NotFinite::Nan,
    };
    Err(UpdateError::NotFinite {
        tensor: name.to_owned(),
        index: index as u64,
        found,
    })
}

/// The first value that is not finite, with its index. Pages are judged whole: a search that may end anywhere looks at one value
/// at a time.
fn first_not_finite<T: Copy + Into<f64>>(
    values: &[T],
    is_finite: impl Fn(&T) -> bool,
) -> Option<(usize, f64)> {
    let width = Width::detected();
    let (number, page) = values.chunks(FINITE_PAGE).enumerate().find(|(_, page)| {
        let is_finite = &is_finite;
        !width.run(AllFinite { page, is_finite })
    })?;
    let (index, value) = page.iter().enumerate().find(|(_, x)| !is_finite(x))?;
    Some((number * FINITE_PAGE + index, (*value).into()))
}

struct AllFinite<'a, T, F> {
    page: &'a [T],
    is_finite: &'a F,
}

impl<T, F: Fn(&T) -> bool> WideLoop for AllFinite<'_, T, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { page, is_finite } = self;
        page.iter().fold(true, |all, x| all & is_finite(x))
    }
}

/// Values judged at once.
const FINITE_PAGE: usize = 1024;

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;
    use crate::TensorSpec;

    fn manifest(dtype: Dtype) -> Manifest {
        let spec = |name: &str| TensorSpec {
            name: name.into(),
            shape: vec![2, 2],
            dtype,
        };
        Manifest::new(vec![spec("a"), spec("b")]).unwrap()
    }

    fn tensors(data: TensorData) -> Tensors {
        let tensor = |data| Tensor {
            shape: vec![2, 2],
            data,
        };
        [
            ("a".to_owned(), tensor(data.clone())),
            ("b".to_owned(), tensor(data)),
        ]
        .into()
    }

    fn good() -> Tensors {
        tensors(TensorData::F32(vec![1.0, 2.0, 3.0, 4.0]))
    }

    fn refusal(tensors: Tensors) -> UpdateError {
        Update::new(&manifest(Dtype::F32), tensors).unwrap_err()
    }

    // spec: [encode.update.tensors]
    #[test]
    fn missing_and_extra_tensors_are_named() {
        let mut missing = good();
        missing.remove("b");
        assert_eq!(
            refusal(missing),
            UpdateError::Missing { tensor: "b".into() }
        );
        let mut extra = good();
        extra.insert("c".into(), extra["a"].clone());
        assert_eq!(refusal(extra), UpdateError::Extra { tensor: "c".into() });
    }

    // spec: [encode.update.tensors]
    #[test]
    fn other_forms_are_named() {
        let mut shape = good();
        shape.get_mut("b").unwrap().shape = vec![4];
        assert_eq!(
            refusal(shape),
            UpdateError::Shape {
                tensor: "b".into(),
                found: vec![4],
                wanted: vec![2, 2]
            }
        );
        let mut length = good();
        length.get_mut("a").unwrap().data = TensorData::F32(vec![1.0; 3]);
        assert_eq!(
            refusal(length),
            UpdateError::Length {
                tensor: "a".into(),
                found: 3,
                wanted: 4
            }
        );
        assert_eq!(
            refusal(tensors(TensorData::I32(vec![1; 4]))),
            UpdateError::Dtype {
                tensor: "a".into(),
                found: Dtype::I32,
                wanted: Dtype::F32
            }
        );
    }

    // spec: [encode.nan]
    #[test]
    fn every_float_type_names_its_first_bad_value() {
        let data = |bad: f64| {
            [
                TensorData::F32(vec![1.0, 2.0, bad as f32, f32::NAN]),
                TensorData::F64(vec![1.0, 2.0, bad, f64::NAN]),
                TensorData::F16([1.0, 2.0, bad, f64::NAN].map(f16::from_f64).into()),
                TensorData::Bf16([1.0, 2.0, bad, f64::NAN].map(bf16::from_f64).into()),
            ]
        };
        let bad = [
            (f64::NAN, NotFinite::Nan),
            (f64::INFINITY, NotFinite::Infinity),
            (f64::NEG_INFINITY, NotFinite::NegativeInfinity),
        ];
        for (value, found) in bad {
            for data in data(value) {
                let mut tensors = tensors(data.clone());
                tensors.get_mut("a").unwrap().data = {
                    let mut fine = Vec::new();
                    data.append_floats(&mut fine);
                    fine[2..].fill(0.0);
                    TensorData::from_floats(&fine, data.dtype())
                };
                let refused = Update::new(&manifest(data.dtype()), tensors).unwrap_err();
                assert_eq!(
                    refused,
                    UpdateError::NotFinite {
                        tensor: "b".into(),
                        index: 2,
                        found
                    }
                );
            }
        }
        let shown = UpdateError::NotFinite {
            tensor: "w".into(),
            index: 2,
            found: NotFinite::NegativeInfinity,
        };
        assert_eq!(
            shown.to_string(),
            "tensor \"w\" holds -inf at index 2, wanted finite values"
        );
    }

    // spec: [encode.digest.update]
    #[test]
    fn digest_follows_the_values() {
        let digest = |tensors| {
            Update::new(&manifest(Dtype::F32), tensors)
                .unwrap()
                .digest()
        };
        let mut changed = good();
        changed.get_mut("b").unwrap().data = TensorData::F32(vec![1.0, 2.0, 3.0, 4.000_000_5]);
        assert_eq!(digest(good()), digest(good()));
        assert_ne!(digest(good()), digest(changed));
    }

    #[test]
    fn debug_shows_no_values() {
        let update = Update::new(
            &manifest(Dtype::F32),
            tensors(TensorData::F32(vec![0.625; 4])),
        )
        .unwrap();
        assert_eq!(format!("{update:?}"), "Update { coordinates: 8, .. }");
    }
}
