//! Not a tensor type (that is [`veilsum_encode::Tensor`]): what learning asks of named tensors.
//!
//! Their forms compared, their bytes in little-endian order, their norms.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use half::{bf16, f16};
use thiserror::Error;
use veilsum_encode::{Dtype, Tensor, TensorData, Tensors};

/// Type and shape of one tensor, shown as `f32 [64, 10]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Type of the values.
    pub dtype: Dtype,
    /// Lengths of the axes, outermost first.
    pub shape: Vec<u64>,
}

/// Where named tensors differ from the form they must have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// A tensor that is wanted and not there.
    #[error("tensor {tensor:?} is missing, wanted {wanted}")]
    Missing {
        /// Its name.
        tensor: String,
        /// The form it should have.
        wanted: Form,
    },
    /// A tensor nobody asked for.
    #[error("found tensor {tensor:?} of {found}, wanted no tensor of that name")]
    Unknown {
        /// Its name.
        tensor: String,
        /// Its form.
        found: Form,
    },
    /// A tensor of another type or shape.
    #[error("tensor {tensor:?} is {found}, wanted {wanted}")]
    Form {
        /// Its name.
        tensor: String,
        /// Its form.
        found: Form,
        /// The form it should have.
        wanted: Form,
    },
    /// A tensor of integers where floats are averaged.
    #[error("tensor {tensor:?} is {found}, wanted floats")]
    NotFloat {
        /// Its name.
        tensor: String,
        /// Its form.
        found: Form,
    },
    /// A tensor whose values do not fill its shape.
    #[error("tensor {tensor:?} holds {found} values, its shape wants {wanted}")]
    Values {
        /// Its name.
        tensor: String,
        /// Values held.
        found: usize,
        /// Product of the axes, saturated.
        wanted: u64,
    },
}

/// Size of an update: what a clip must leave room for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norms {
    /// Euclidean norm over all coordinates of all tensors.
    pub l2: f64,
    /// Greatest absolute value of a coordinate.
    pub max_abs: f64,
}

impl Form {
    /// The form of a tensor.
    pub fn of(tensor: &Tensor) -> Self {
        Self {
            dtype: tensor.data.dtype(),
            shape: tensor.shape.clone(),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.dtype, self.shape)
    }
}

impl Norms {
    /// Norms of an update. NaN in a coordinate makes `l2` NaN.
    ///
    /// # Security
    ///
    /// Norms of one member's update are as private as the update: show them to that member only.
    pub fn of(update: &Tensors) -> Self {
        let mut squares = 0.0;
        let mut max_abs = 0.0_f64;
        for tensor in update.values() {
            for value in to_f64(&tensor.data) {
                squares += value * value;
                max_abs = max_abs.max(value.abs());
            }
        }
        Self {
            l2: f64::sqrt(squares),
            max_abs,
        }
    }
}

/// Checks that `found` has the names, types and shapes of `wanted`.
///
/// # Errors
///
/// The first [`Mismatch`] in name order, missing tensors first.
pub fn require_same_form(found: &Tensors, wanted: &Tensors) -> Result<(), Mismatch> {
    for (name, tensor) in wanted {
        require_form(found, name, &Form::of(tensor))?;
    }
    match found.iter().find(|(name, _)| !wanted.contains_key(*name)) {
        Some((name, tensor)) => Err(Mismatch::Unknown {
            tensor: name.clone(),
            found: Form::of(tensor),
        }),
        None => Ok(()),
    }
}

/// `after` minus `before`, value by value, computed in `f64` and rounded to the type.
///
/// # Errors
///
/// [`Mismatch`] if names, types or shapes differ, or a type is no float.
pub fn difference(after: &Tensors, before: &Tensors) -> Result<Tensors, Mismatch> {
    combine(after, before, |after, before| after - before)
}

/// `left` and `right` combined value by value in `f64` and rounded to the type.
pub(crate) fn combine(
    left: &Tensors,
    right: &Tensors,
    combine: impl Fn(f64, f64) -> f64,
) -> Result<Tensors, Mismatch> {
    require_same_form(right, left)?;
    let pairs = left.iter().zip(right.values());
    let combined = pairs.map(|((name, left), right)| {
        let values: Vec<f64> = to_f64(&left.data)
            .into_iter()
            .zip(to_f64(&right.data))
            .map(|(left, right)| combine(left, right))
            .collect();
        Ok((name.clone(), round_to(name, left, &values)?))
    });
    combined.collect()
}

/// Values rounded to the type of `like`, in its shape.
pub(crate) fn round_to(name: &str, like: &Tensor, values: &[f64]) -> Result<Tensor, Mismatch> {
    let form = Form::of(like);
    match from_f64(form.dtype, values) {
        Some(data) => Ok(Tensor {
            shape: form.shape,
            data,
        }),
        None => Err(Mismatch::NotFloat {
            tensor: name.to_owned(),
            found: form,
        }),
    }
}

/// The tensor `name` of `tensors`, which must have the form `wanted`.
pub(crate) fn require_form<'a>(
    tensors: &'a Tensors,
    name: &str,
    wanted: &Form,
) -> Result<&'a Tensor, Mismatch> {
    let tensor = tensors.get(name).ok_or_else(|| Mismatch::Missing {
        tensor: name.to_owned(),
        wanted: wanted.clone(),
    })?;
    let found = Form::of(tensor);
    if found != *wanted {
        return Err(Mismatch::Form {
            tensor: name.to_owned(),
            found,
            wanted: wanted.clone(),
        });
    }
    require_filled(name, tensor)?;
    Ok(tensor)
}

/// Checks that the values of a tensor fill its shape.
pub(crate) fn require_filled(name: &str, tensor: &Tensor) -> Result<(), Mismatch> {
    let wanted = tensor
        .shape
        .iter()
        .fold(1_u64, |product, &axis| product.saturating_mul(axis));
    let found = tensor.data.len();
    if u64::try_from(found) == Ok(wanted) {
        return Ok(());
    }
    Err(Mismatch::Values {
        tensor: name.to_owned(),
        found,
        wanted,
    })
}

/// Values of any type as `f64`: exact but for 64-bit integers beyond 2^53, which are rounded.
pub(crate) fn to_f64(data: &TensorData) -> Vec<f64> {
    match data {
        TensorData::F64(values) => values.clone(),
        TensorData::F32(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::F16(values) => values.iter().map(|value| value.to_f64()).collect(),
        TensorData::Bf16(values) => values.iter().map(|value| value.to_f64()).collect(),
        TensorData::I8(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::I16(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::I32(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::I64(values) => values.iter().map(|&value| value as f64).collect(),
        TensorData::U8(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::U16(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::U32(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::U64(values) => values.iter().map(|&value| value as f64).collect(),
    }
}

/// Values rounded to a float type, ties to even; `None` for integer types.
pub(crate) fn from_f64(dtype: Dtype, values: &[f64]) -> Option<TensorData> {
    match dtype {
        Dtype::F64 => Some(TensorData::F64(values.to_vec())),
        Dtype::F32 => Some(TensorData::F32(
            values.iter().map(|&value| value as f32).collect(),
        )),
        Dtype::F16 => Some(TensorData::F16(
            values.iter().copied().map(f16::from_f64).collect(),
        )),
        Dtype::Bf16 => Some(TensorData::Bf16(
            values.iter().copied().map(bf16::from_f64).collect(),
        )),
        _ => None,
    }
}

/// Values of little-endian bytes; bytes after the last whole value are left out, so callers compare lengths.
pub(crate) fn from_le_bytes(dtype: Dtype, bytes: &[u8]) -> TensorData {
    macro_rules! values {
        ($kind:ty) => {
            bytes
                .as_chunks()
                .0
                .iter()
                .copied()
                .map(<$kind>::from_le_bytes)
                .collect()
        };
    }
    match dtype {
        Dtype::F64 => TensorData::F64(values!(f64)),
        Dtype::F32 => TensorData::F32(values!(f32)),
        Dtype::F16 => TensorData::F16(values!(f16)),
        Dtype::Bf16 => TensorData::Bf16(values!(bf16)),
        Dtype::I8 => TensorData::I8(values!(i8)),
        Dtype::I16 => TensorData::I16(values!(i16)),
        Dtype::I32 => TensorData::I32(values!(i32)),
        Dtype::I64 => TensorData::I64(values!(i64)),
        Dtype::U8 => TensorData::U8(bytes.to_vec()),
        Dtype::U16 => TensorData::U16(values!(u16)),
        Dtype::U32 => TensorData::U32(values!(u32)),
        Dtype::U64 => TensorData::U64(values!(u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[u64], values: &[f32]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            data: TensorData::F32(values.to_vec()),
        }
    }

    #[test]
    fn norms_run_over_all_tensors() {
        let update = Tensors::from([
            ("a".to_owned(), tensor(&[2], &[3.0, 0.0])),
            ("b".to_owned(), tensor(&[1], &[-4.0])),
        ]);
        assert_eq!(
            Norms::of(&update),
            Norms {
                l2: 5.0,
                max_abs: 4.0
            }
        );
    }

    #[test]
    fn nan_shows_in_the_norm() {
        let update = Tensors::from([("a".to_owned(), tensor(&[2], &[f32::NAN, 1.0]))]);
        assert!(Norms::of(&update).l2.is_nan());
    }

    #[test]
    fn mismatch_names_the_tensor_and_both_forms() {
        let wanted = Tensors::from([("w".to_owned(), tensor(&[2, 1], &[0.0; 2]))]);
        let shown = |found: &Tensors| require_same_form(found, &wanted).unwrap_err().to_string();
        assert_eq!(
            shown(&Tensors::new()),
            "tensor \"w\" is missing, wanted f32 [2, 1]"
        );
        let flat = Tensors::from([("w".to_owned(), tensor(&[2], &[0.0; 2]))]);
        assert_eq!(shown(&flat), "tensor \"w\" is f32 [2], wanted f32 [2, 1]");
        let short = Tensors::from([("w".to_owned(), tensor(&[2, 1], &[0.0; 1]))]);
        assert_eq!(
            shown(&short),
            "tensor \"w\" holds 1 values, its shape wants 2"
        );
        let mut more = wanted.clone();
        more.insert("x".to_owned(), tensor(&[1], &[0.0]));
        assert_eq!(
            shown(&more),
            "found tensor \"x\" of f32 [1], wanted no tensor of that name"
        );
        assert_eq!(require_same_form(&wanted, &wanted), Ok(()));
    }

    #[test]
    fn difference_keeps_type_and_shape() {
        let after = Tensors::from([("w".to_owned(), tensor(&[2, 1], &[1.5, -2.0]))]);
        let before = Tensors::from([("w".to_owned(), tensor(&[2, 1], &[1.0, 2.0]))]);
        let wanted = Tensors::from([("w".to_owned(), tensor(&[2, 1], &[0.5, -4.0]))]);
        assert_eq!(difference(&after, &before), Ok(wanted));
    }

    #[test]
    fn integers_have_no_difference() {
        let tensors = Tensors::from([(
            "n".to_owned(),
            Tensor {
                shape: vec![1],
                data: TensorData::U8(vec![1]),
            },
        )]);
        let refused = difference(&tensors, &tensors);
        assert!(matches!(refused, Err(Mismatch::NotFloat { tensor, .. }) if tensor == "n"));
    }

    #[test]
    fn shape_whose_product_overflows_is_never_filled() {
        let huge = tensor(&[1 << 40, 1 << 40], &[]);
        let refused = require_filled("w", &huge);
        assert_eq!(
            refused,
            Err(Mismatch::Values {
                tensor: "w".to_owned(),
                found: 0,
                wanted: u64::MAX
            })
        );
    }

    #[test]
    fn shape_with_an_axis_of_zero_is_filled_by_nothing() {
        assert_eq!(
            require_filled("w", &tensor(&[1 << 40, 1 << 40, 0], &[])),
            Ok(())
        );
    }
}
