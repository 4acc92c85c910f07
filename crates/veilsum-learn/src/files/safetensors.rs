//! Not a reader of every safetensors type: packed 4-bit, 6-bit and 8-bit floats, booleans and complex numbers are refused.
//!
//! The header is parsed by the `safetensors` crate; the outer frame is read here, with checked arithmetic and a smaller limit on
//! the header, because bytes may come from a peer.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{Dtype as FileDtype, Metadata, View};
use thiserror::Error;
use veilsum_encode::{Dtype, Tensor, TensorData, Tensors};

use crate::tensors::{Mismatch, from_le_bytes, require_filled};

/// Longest header that is read or written, in bytes.
pub const MAX_HEADER: usize = 1 << 20;

/// Why bytes are no safetensors file of known types, or tensors make none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// Fewer bytes than a header's length takes.
    #[error("found {found} bytes, wanted at least 8 for the length of the header")]
    Short {
        /// Bytes found.
        found: usize,
    },
    /// A header longer than the file or than [`MAX_HEADER`].
    #[error("found a header of {found} bytes, wanted at most {most}")]
    HeaderLength {
        /// Length claimed.
        found: u64,
        /// The rest of the file or [`MAX_HEADER`], whichever is less.
        most: usize,
    },
    /// A header that is not the JSON of a safetensors file, or whose offsets and shapes disagree.
    #[error("header: {reason}")]
    Header {
        /// What the parser says.
        reason: String,
    },
    /// Values that end before or after the end of the file.
    #[error("found {found} bytes of values, the header wants {wanted}")]
    Length {
        /// Bytes after the header.
        found: usize,
        /// Bytes the header describes.
        wanted: usize,
    },
    /// A type that is not supported.
    #[error(
        "tensor {tensor:?} is of type {found}, wanted f64, f32, f16, bf16, i8 to i64 or u8 to u64"
    )]
    Dtype {
        /// The tensor's name.
        tensor: String,
        /// Its type in the file.
        found: String,
    },
    /// A name that safetensors keeps for itself.
    #[error("found a tensor called {found:?}, which is the name of the metadata")]
    Reserved {
        /// The name.
        found: String,
    },
    /// A tensor whose values do not fill its shape.
    #[error(transparent)]
    Tensor(#[from] Mismatch),
}

/// Tensors and metadata of a safetensors file.
///
/// # Errors
///
/// [`SafetensorsError`] for the first offence.
pub fn decode(bytes: &[u8]) -> Result<(Tensors, HashMap<String, String>), SafetensorsError> {
    let (header, values) = split_header(bytes)?;
    let metadata: Metadata =
        serde_json::from_slice(header).map_err(|error| SafetensorsError::Header {
            reason: error.to_string(),
        })?;
    if metadata.data_len() != values.len() {
        return Err(SafetensorsError::Length {
            found: values.len(),
            wanted: metadata.data_len(),
        });
    }
    let mut tensors = Tensors::new();
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        let found = values.get(start..end).unwrap_or_default();
        let dtype = from_file(info.dtype).ok_or_else(|| SafetensorsError::Dtype {
            tensor: name.clone(),
            found: info.dtype.to_string(),
        })?;
        let shape = info.shape.iter().map(|&axis| axis as u64).collect();
        let tensor = Tensor {
            shape,
            data: from_le_bytes(dtype, found),
        };
        require_filled(&name, &tensor)?;
        tensors.insert(name, tensor);
    }
    Ok((tensors, metadata.metadata().clone().unwrap_or_default()))
}

/// A safetensors file of the tensors, with at most one metadata entry so that equal content gives equal bytes.
///
/// # Errors
///
/// [`SafetensorsError::Reserved`], [`SafetensorsError::Tensor`] and [`SafetensorsError::HeaderLength`].
pub fn encode(
    tensors: &Tensors,
    metadata: Option<(&str, &str)>,
) -> Result<Vec<u8>, SafetensorsError> {
    if tensors.contains_key(METADATA_NAME) {
        return Err(SafetensorsError::Reserved {
            found: METADATA_NAME.to_owned(),
        });
    }
    for (name, tensor) in tensors {
        require_filled(name, tensor)?;
    }
    let views = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), FileTensor::of(tensor)));
    let metadata = metadata.map(|(key, text)| HashMap::from([(key.to_owned(), text.to_owned())]));
    let bytes =
        safetensors::serialize(views, metadata).map_err(|error| SafetensorsError::Header {
            reason: error.to_string(),
        })?;
    split_header(&bytes)?;
    Ok(bytes)
}

/// A tensor as the `safetensors` crate wants to see it. Its bytes are made when they are written: of one tensor at a time.
struct FileTensor<'a> {
    data: &'a TensorData,
    shape: Vec<usize>,
}

impl<'a> FileTensor<'a> {
    /// `tensor` is filled, so each axis of a tensor with values fits the memory; an axis beyond is kept as the greatest length,
    /// which the serialiser refuses.
    fn of(tensor: &'a Tensor) -> Self {
        Self {
            data: &tensor.data,
            shape: tensor
                .shape
                .iter()
                .map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX))
                .collect(),
        }
    }
}

impl View for FileTensor<'_> {
    fn dtype(&self) -> FileDtype {
        to_file(self.data.dtype())
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.data.to_le_bytes())
    }

    fn data_len(&self) -> usize {
        self.data.len().saturating_mul(self.data.dtype().size())
    }
}

/// Header and values of a file: eight bytes of length, header, values.
fn split_header(bytes: &[u8]) -> Result<(&[u8], &[u8]), SafetensorsError> {
    let (length, rest) = bytes
        .split_first_chunk()
        .ok_or(SafetensorsError::Short { found: bytes.len() })?;
    let length = u64::from_le_bytes(*length);
    let most = rest.len().min(MAX_HEADER);
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= most)
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(SafetensorsError::HeaderLength {
            found: length,
            most,
        })
}

fn from_file(dtype: FileDtype) -> Option<Dtype> {
    match dtype {
        FileDtype::F64 => Some(Dtype::F64),
        FileDtype::F32 => Some(Dtype::F32),
        FileDtype::F16 => Some(Dtype::F16),
        FileDtype::BF16 => Some(Dtype::Bf16),
        FileDtype::I8 => Some(Dtype::I8),
        FileDtype::I16 => Some(Dtype::I16),
        FileDtype::I32 => Some(Dtype::I32),
        FileDtype::I64 => Some(Dtype::I64),
        FileDtype::U8 => Some(Dtype::U8),
        FileDtype::U16 => Some(Dtype::U16),
        FileDtype::U32 => Some(Dtype::U32),
        FileDtype::U64 => Some(Dtype::U64),
        _ => None,
    }
}

fn to_file(dtype: Dtype) -> FileDtype {
    match dtype {
        Dtype::F64 => FileDtype::F64,
        Dtype::F32 => FileDtype::F32,
        Dtype::F16 => FileDtype::F16,
        Dtype::Bf16 => FileDtype::BF16,
        Dtype::I8 => FileDtype::I8,
        Dtype::I16 => FileDtype::I16,
        Dtype::I32 => FileDtype::I32,
        Dtype::I64 => FileDtype::I64,
        Dtype::U8 => FileDtype::U8,
        Dtype::U16 => FileDtype::U16,
        Dtype::U32 => FileDtype::U32,
        Dtype::U64 => FileDtype::U64,
    }
}

const METADATA_NAME: &str = "__metadata__";

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "tests choose their own numbers"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::files::testing::{every_type, one};

    #[test]
    fn every_type_round_trips() {
        for data in every_type() {
            let tensors = one("layer.w", &[3, 2], data);
            assert_eq!(
                decode(&encode(&tensors, None).unwrap()).unwrap(),
                (tensors, HashMap::new())
            );
        }
    }

    #[test]
    fn many_tensors_scalars_and_empty_axes_round_trip() {
        let mut tensors = one("b", &[], TensorData::F32(vec![1.0]));
        tensors.append(&mut one("a", &[0, 3], TensorData::U8(vec![])));
        tensors.append(&mut one("c", &[1, 1, 1], TensorData::F64(vec![2.0])));
        assert_eq!(decode(&encode(&tensors, None).unwrap()).unwrap().0, tensors);
    }

    #[test]
    fn unknown_type_is_named_with_its_tensor() {
        let refused = decode(&file(
            r#"{"w":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}"#,
            2,
        ))
        .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "tensor \"w\" is of type BOOL, wanted f64, f32, f16, bf16, i8 to i64 or u8 to u64"
        );
    }

    #[test]
    fn missing_and_extra_bytes_of_values_are_refused() {
        for found in [7, 9] {
            let refused = decode(&file(
                r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
                found,
            ));
            assert!(
                matches!(refused, Err(SafetensorsError::Length { found: f, wanted: 8 }) if f == found)
            );
        }
    }

    #[test]
    fn offsets_that_overlap_leave_gaps_or_disagree_with_the_shape_are_refused() {
        for header in [
            r#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            r#"{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
            r#"{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#,
            r#"{"w":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"w":{"shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"w":7}"#,
            "[]",
            "",
        ] {
            assert!(
                matches!(
                    decode(&file(header, 8)),
                    Err(SafetensorsError::Header { .. })
                ),
                "{header}"
            );
        }
    }

    #[test]
    fn offsets_at_the_end_of_u64_neither_wrap_nor_panic() {
        let header = r#"{"w":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#;
        assert!(decode(&file(header, 8)).is_err());
        let header = r#"{"w":{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,1152921504606846976]}}"#;
        let refused = decode(&file(header, 8));
        assert!(matches!(
            refused,
            Err(SafetensorsError::Length {
                found: 8,
                wanted: 1_152_921_504_606_846_976
            })
        ));
    }

    #[test]
    fn header_length_beyond_the_file_or_the_limit_is_refused() {
        for (length, rest, most) in [
            (u64::MAX, 10, 10),
            (11, 10, 10),
            (1 << 21, 1 << 22, MAX_HEADER),
        ] {
            let bytes = [length.to_le_bytes().to_vec(), vec![b' '; rest]].concat();
            let refused = decode(&bytes);
            assert!(
                matches!(refused, Err(SafetensorsError::HeaderLength { found, most: m }) if (found, m) == (length, most))
            );
        }
        assert!(matches!(
            decode(&[0; 7]),
            Err(SafetensorsError::Short { found: 7 })
        ));
    }

    #[test]
    fn deep_nesting_is_refused_without_a_crash() {
        assert!(matches!(
            decode(&file(&"[".repeat(500_000), 0)),
            Err(SafetensorsError::Header { .. })
        ));
        let nested = format!("{{\"w\":{}", "{\"w\":".repeat(100_000));
        assert!(matches!(
            decode(&file(&nested, 0)),
            Err(SafetensorsError::Header { .. })
        ));
    }

    #[test]
    fn tensor_named_like_the_metadata_is_refused() {
        let tensors = one("__metadata__", &[1], TensorData::U8(vec![1]));
        assert!(matches!(
            encode(&tensors, None),
            Err(SafetensorsError::Reserved { .. })
        ));
    }

    #[test]
    fn unfilled_tensor_and_too_long_names_are_not_written() {
        let short = one("w", &[2], TensorData::U8(vec![1]));
        assert!(matches!(
            encode(&short, None),
            Err(SafetensorsError::Tensor(Mismatch::Values { .. }))
        ));
        let long = one(&"w".repeat(MAX_HEADER), &[1], TensorData::U8(vec![1]));
        assert!(matches!(
            encode(&long, None),
            Err(SafetensorsError::HeaderLength { .. })
        ));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn changed_bytes_never_panic(index in 0_usize..120, value: u8) {
            let mut bytes = encode(&one("w", &[2, 3], every_type().remove(0)), None).unwrap();
            let index = index % bytes.len();
            bytes[index] = value;
            let _ = decode(&bytes);
        }

        #[test]
        fn floats_of_any_bits_round_trip(bits in proptest::collection::vec(any::<u32>(), 0..50)) {
            let values = bits.iter().copied().map(f32::from_bits).collect();
            let tensors = one("w", &[bits.len() as u64], TensorData::F32(values));
            let (found, _) = decode(&encode(&tensors, None).unwrap()).unwrap();
            prop_assert_eq!(found["w"].data.to_le_bytes(), tensors["w"].data.to_le_bytes());
        }
    }

    fn file(header: &str, values: usize) -> Vec<u8> {
        [
            &(header.len() as u64).to_le_bytes(),
            header.as_bytes(),
            &vec![0; values],
        ]
        .concat()
    }
}
