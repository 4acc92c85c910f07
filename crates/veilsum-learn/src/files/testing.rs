//! Tensors of every type, for the tests of both kinds of files.

use half::{bf16, f16};
use veilsum_encode::{Tensor, TensorData, Tensors};

/// One tensor under its name.
pub(crate) fn one(name: &str, shape: &[u64], data: TensorData) -> Tensors {
    Tensors::from([(
        name.to_owned(),
        Tensor {
            shape: shape.to_vec(),
            data,
        },
    )])
}

/// Six values of every type.
pub(crate) fn every_type() -> Vec<TensorData> {
    vec![
        TensorData::F64(vec![0.0, -0.0, 1.5, f64::MAX, f64::MIN_POSITIVE, -3.25]),
        TensorData::F32(vec![0.0, -0.0, 1.5, f32::MAX, f32::MIN_POSITIVE, -3.25]),
        TensorData::F16(
            [0.0, -0.0, 1.5, 65504.0, 6e-5, -3.25]
                .map(f16::from_f32)
                .to_vec(),
        ),
        TensorData::Bf16(
            [0.0, -0.0, 1.5, 1e38, 1e-38, -3.25]
                .map(bf16::from_f32)
                .to_vec(),
        ),
        TensorData::I8(vec![0, 1, -1, i8::MAX, i8::MIN, 7]),
        TensorData::I16(vec![0, 1, -1, i16::MAX, i16::MIN, 7]),
        TensorData::I32(vec![0, 1, -1, i32::MAX, i32::MIN, 7]),
        TensorData::I64(vec![0, 1, -1, i64::MAX, i64::MIN, 7]),
        TensorData::U8(vec![0, 1, 2, u8::MAX, 9, 7]),
        TensorData::U16(vec![0, 1, 2, u16::MAX, 9, 7]),
        TensorData::U32(vec![0, 1, 2, u32::MAX, 9, 7]),
        TensorData::U64(vec![0, 1, 2, u64::MAX, 9, 7]),
    ]
}
