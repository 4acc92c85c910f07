//! Values of tensors, as they come from a trainer and go back to it.

use std::collections::BTreeMap;
use std::fmt;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use veilsum_math::backend::{WideLoop, Width};
use zeroize::Zeroize;

use crate::Dtype;

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// A tensor: shape and values in row-major order.
///
/// # Security
///
/// A plain carrier, for models as for updates; it can be cloned and is not wiped. A member's update becomes a secret
/// when it enters an [`Update`](crate::Update).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each dimension, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// As many values as the product of the shape.
    pub data: TensorData,
}

/// Values of one element type.
#[derive(Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is the element type of its name")]
pub enum TensorData {
    F32(Vec<f32>),
    F64(Vec<f64>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// Runs one expression on the values, whatever their type.
macro_rules! with_values {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::TensorData::F32($values) => $body,
            $crate::TensorData::F64($values) => $body,
            $crate::TensorData::F16($values) => $body,
            $crate::TensorData::Bf16($values) => $body,
            $crate::TensorData::I8($values) => $body,
            $crate::TensorData::I16($values) => $body,
            $crate::TensorData::I32($values) => $body,
            $crate::TensorData::I64($values) => $body,
            $crate::TensorData::U8($values) => $body,
            $crate::TensorData::U16($values) => $body,
            $crate::TensorData::U32($values) => $body,
            $crate::TensorData::U64($values) => $body,
        }
    };
}

impl TensorData {
    /// Element type of the values.
    #[must_use]
    pub const fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::F16(_) => Dtype::F16,
            Self::Bf16(_) => Dtype::Bf16,
            Self::I8(_) => Dtype::I8,
            Self::I16(_) => Dtype::I16,
            Self::I32(_) => Dtype::I32,
            Self::I64(_) => Dtype::I64,
            Self::U8(_) => Dtype::U8,
            Self::U16(_) => Dtype::U16,
            Self::U32(_) => Dtype::U32,
            Self::U64(_) => Dtype::U64,
        }
    }

    /// The values one after the other, each little-endian.
    #[must_use]
    pub fn to_le_bytes(&self) -> Vec<u8> {
        with_values!(self, values => values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        with_values!(self, values => values.len())
    }

    /// Whether there are no values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as little-endian bytes, a page at a time.
    pub(crate) fn each_page_of_bytes(&self, mut take: impl FnMut(&[u8])) {
        let mut page = Vec::with_capacity(PAGE * 8);
        with_values!(self, values => for chunk in values.chunks(PAGE) {
            page.resize(size_of_val(chunk), 0);
            let places = page.chunks_exact_mut(size_of_val(chunk) / chunk.len());
            for (place, value) in places.zip(chunk) {
                place.copy_from_slice(&value.to_le_bytes());
            }
            take(&page);
        });
        page.zeroize();
    }

    /// Appends float values, which become `f64` without a change; `false` if these are integers.
    pub(crate) fn append_floats(&self, out: &mut Vec<f64>) -> bool {
        match self {
            Self::F32(values) => out.extend(values.iter().map(|&x| f64::from(x))),
            Self::F64(values) => out.extend_from_slice(values),
            Self::F16(values) => out.extend(values.iter().map(|x| f64::from(x.to_f32()))),
            Self::Bf16(values) => out.extend(values.iter().map(|x| f64::from(x.to_f32()))),
            _ => return false,
        }
        true
    }

    /// Fills `out` with the float values from `first` on, as [`TensorData::append_floats`] gives them; there are as many.
    pub(crate) fn read_floats(&self, first: usize, out: &mut [f64], width: Width) {
        width.run(ReadFloats {
            data: self,
            first,
            out,
        });
    }

    /// Hands each integer value to `take`; none if these are floats.
    pub(crate) fn each_integer(&self, take: impl FnMut(i128)) {
        macro_rules! each {
            ($values:expr) => {
                $values.iter().map(|&x| i128::from(x)).for_each(take)
            };
        }
        match self {
            Self::I8(values) => each!(values),
            Self::I16(values) => each!(values),
            Self::I32(values) => each!(values),
            Self::I64(values) => each!(values),
            Self::U8(values) => each!(values),
            Self::U16(values) => each!(values),
            Self::U32(values) => each!(values),
            Self::U64(values) => each!(values),
            Self::F32(_) | Self::F64(_) | Self::F16(_) | Self::Bf16(_) => {}
        }
    }

    /// Floats rounded to a float type, ties to even; any other type is kept as `f64`.
    ///
    /// The two half types are reached through `f32`: two roundings, but the same ones everywhere.
    pub(crate) fn from_floats(values: &[f64], dtype: Dtype) -> Self {
        // spec: [encode.decode.dtype]
        match dtype {
            Dtype::F32 => Self::F32(values.iter().map(|&x| x as f32).collect()),
            Dtype::F16 => Self::F16(values.iter().map(|&x| f16::from_f32(x as f32)).collect()),
            Dtype::Bf16 => Self::Bf16(values.iter().map(|&x| bf16::from_f32(x as f32)).collect()),
            _ => Self::F64(values.to_vec()),
        }
    }
}

/// See [`TensorData::read_floats`].
struct ReadFloats<'a> {
    data: &'a TensorData,
    first: usize,
    out: &'a mut [f64],
}

impl WideLoop for ReadFloats<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        macro_rules! read {
            ($values:expr, $float:expr) => {
                for (out, value) in self.out.iter_mut().zip(&$values[self.first..]) {
                    *out = $float(value);
                }
            };
        }
        match self.data {
            TensorData::F32(values) => read!(values, |x: &f32| f64::from(*x)),
            TensorData::F64(values) => read!(values, |x: &f64| *x),
            TensorData::F16(values) => read!(values, |x: &f16| f64::from(x.to_f32())),
            TensorData::Bf16(values) => read!(values, |x: &bf16| f64::from(x.to_f32())),
            _ => {}
        }
    }
}

/// Shows element type and length, never values.
impl fmt::Debug for TensorData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.dtype(), self.len())
    }
}

impl Zeroize for TensorData {
    fn zeroize(&mut self) {
        match self {
            Self::F16(values) => values.reinterpret_cast_mut().zeroize(),
            Self::Bf16(values) => values.reinterpret_cast_mut().zeroize(),
            Self::F32(values) => values.zeroize(),
            Self::F64(values) => values.zeroize(),
            Self::I8(values) => values.zeroize(),
            Self::I16(values) => values.zeroize(),
            Self::I32(values) => values.zeroize(),
            Self::I64(values) => values.zeroize(),
            Self::U8(values) => values.zeroize(),
            Self::U16(values) => values.zeroize(),
            Self::U32(values) => values.zeroize(),
            Self::U64(values) => values.zeroize(),
        }
    }
}

const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_values() {
        let tensor = Tensor {
            shape: vec![2],
            data: TensorData::F32(vec![0.125, 7.5]),
        };
        let shown = format!("{tensor:?}");
        assert!(
            shown.contains("f32[2]") && !shown.contains("7.5"),
            "{shown}"
        );
    }

    #[test]
    fn half_types_are_wiped() {
        let mut data = TensorData::F16(vec![f16::ONE; 3]);
        data.zeroize();
        assert_eq!(data, TensorData::F16(vec![f16::ZERO; 3]));
    }

    // spec: [encode.decode.dtype]
    #[test]
    fn every_float_type_survives_the_way_through_f64() {
        let values: Vec<f32> = vec![0.0, -1.5, 0.333_251_95, 2.0, -0.007_812_5];
        let tensors = [
            TensorData::F32(values.clone()),
            TensorData::F64(values.iter().map(|&x| f64::from(x)).collect()),
            TensorData::F16(values.iter().map(|&x| f16::from_f32(x)).collect()),
            TensorData::Bf16(values.iter().map(|&x| bf16::from_f32(x)).collect()),
        ];
        for data in tensors {
            let mut floats = Vec::new();
            assert!(data.append_floats(&mut floats));
            assert_eq!(TensorData::from_floats(&floats, data.dtype()), data);
        }
    }
}
