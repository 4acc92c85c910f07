//! Tensors as the vectors write them: little-endian values in hex.

use crate::bytes::{Bytes, text};
use half::{bf16, f16};
use serde::Deserialize;
use serde_json::{Value, json};
use veilsum_encode::{Dtype, Manifest, Tensor, TensorData, Tensors};

/// One tensor of an update.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Bytes,
}

/// Tensors of a task: each of the type and shape that the manifest says. What the manifest does not name is a list of `f32`.
pub fn tensors(manifest: &Manifest, update: &[Named]) -> Tensors {
    let read = |named: &Named| {
        let spec = manifest
            .tensors()
            .iter()
            .find(|spec| spec.name == named.name);
        let data = data(spec.map_or(Dtype::F32, |spec| spec.dtype), &named.values.0);
        let shape = spec.map_or_else(|| vec![data.len() as u64], |spec| spec.shape.clone());
        (named.name.clone(), Tensor { shape, data })
    };
    update.iter().map(read).collect()
}

/// Tensors in the order of their names, as the vectors write them.
pub fn shown(tensors: &Tensors) -> Value {
    let each = tensors
        .iter()
        .map(|(name, tensor)| json!({ "name": name, "values": text(tensor.data.to_le_bytes()) }));
    each.collect()
}

/// Binary64 values of all tensors one after the other, each as its bits in hex; `None` if a tensor is of another type.
pub fn doubles(tensors: &Tensors) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for tensor in tensors.values() {
        let TensorData::F64(values) = &tensor.data else {
            return None;
        };
        all.extend(values.iter().map(|value| hex::encode(value.to_be_bytes())));
    }
    Some(all)
}

/// Values of this type. Bytes behind the last whole value are dropped: the length then is not the manifest's.
pub(crate) fn data(dtype: Dtype, bytes: &[u8]) -> TensorData {
    macro_rules! values {
        ($type:ty) => {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|chunk| <$type>::from_le_bytes(*chunk))
                .collect()
        };
    }
    match dtype {
        Dtype::F32 => TensorData::F32(values!(f32)),
        Dtype::F64 => TensorData::F64(values!(f64)),
        Dtype::F16 => TensorData::F16(values!(f16)),
        Dtype::Bf16 => TensorData::Bf16(values!(bf16)),
        Dtype::I8 => TensorData::I8(values!(i8)),
        Dtype::I16 => TensorData::I16(values!(i16)),
        Dtype::I32 => TensorData::I32(values!(i32)),
        Dtype::I64 => TensorData::I64(values!(i64)),
        Dtype::U8 => TensorData::U8(values!(u8)),
        Dtype::U16 => TensorData::U16(values!(u16)),
        Dtype::U32 => TensorData::U32(values!(u32)),
        Dtype::U64 => TensorData::U64(values!(u64)),
    }
}
