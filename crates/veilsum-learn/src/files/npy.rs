//! Not a reader of every npy file: no half floats, structures, objects, complex numbers, booleans or big-endian values.
//!
//! The header is parsed by `ndarray-npy`, after its frame was checked here: that parser reserves whatever length a file claims
//! and recurses with the nesting of its text. A header may have 10 000 bytes, as numpy allows by default, and brackets only
//! for the dictionary and the shape.
//!
//! Format: NEP 1, "A Simple File Format for NumPy Arrays".

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ndarray::{ArrayD, IxDyn, ShapeBuilder as _};
use ndarray_npy::WritableElement;
use ndarray_npy::npy::header::{Header, Layout};
use thiserror::Error;
use veilsum_encode::{Dtype, Tensor, TensorData, Tensors};

use crate::tensors::{Mismatch, from_le_bytes, require_filled};

/// Name of the only tensor of an npy file.
pub const NPY_TENSOR: &str = "update";

/// Longest header that is read, in bytes; numpy's own default.
pub const MAX_HEADER: usize = 10_000;

/// Why bytes are no npy file of a known type, or tensors make none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyError {
    /// Not the first bytes of an npy file of version 1 to 3.
    #[error("found {found:02x?} as first bytes, wanted \"\\x93NUMPY\" and version 1.0, 2.0 or 3.0")]
    Magic {
        /// At most eight bytes.
        found: Vec<u8>,
    },
    /// A header longer than the file or than [`MAX_HEADER`].
    #[error("found a header of {found} bytes, wanted at most {most}")]
    HeaderLength {
        /// Length claimed.
        found: usize,
        /// The rest of the file or [`MAX_HEADER`], whichever is less.
        most: usize,
    },
    /// A header that does not describe a plain array.
    #[error("header: {reason}")]
    Header {
        /// What the parser says.
        reason: String,
    },
    /// A type that is not supported.
    #[error("tensor {tensor:?} is of type {found}, wanted one of {wanted}")]
    Dtype {
        /// The tensor's name.
        tensor: String,
        /// Its type.
        found: String,
        /// The types supported.
        wanted: &'static str,
    },
    /// Values that end before or after the end of the file.
    #[error("tensor {tensor:?} has {found} bytes of values, its header wants {wanted}")]
    Length {
        /// The tensor's name.
        tensor: &'static str,
        /// Bytes after the header.
        found: usize,
        /// Bytes the header describes, saturated.
        wanted: usize,
    },
    /// Other tensors than the one an npy file holds.
    #[error(
        "found tensors {found:?}, wanted only {NPY_TENSOR:?}: an npy file holds one tensor without a name"
    )]
    Names {
        /// Names of the tensors, at most eight.
        found: Vec<String>,
    },
    /// A tensor whose values do not fill its shape, or whose axes do not fit this machine.
    #[error(transparent)]
    Tensor(#[from] Mismatch),
}

/// The tensor of an npy file, under the name [`NPY_TENSOR`], in row-major order.
///
/// # Errors
///
/// [`NpyError`] for the first offence.
pub fn decode(bytes: &[u8]) -> Result<Tensors, NpyError> {
    let (mut header, values) = split_header(bytes)?;
    let Header {
        type_descriptor,
        layout,
        shape,
    } = Header::from_reader(&mut header).map_err(|error| NpyError::Header {
        reason: error.to_string(),
    })?;
    let dtype = type_descriptor
        .as_string()
        .and_then(|text| dtype_of(text))
        .ok_or_else(|| wrong_dtype(type_descriptor.to_string()))?;
    let wanted = shape
        .iter()
        .fold(dtype.size(), |product, &axis| product.saturating_mul(axis));
    if values.len() != wanted {
        return Err(NpyError::Length {
            tensor: NPY_TENSOR,
            found: values.len(),
            wanted,
        });
    }
    let data = from_le_bytes(dtype, values);
    let data = match layout {
        Layout::Standard => data,
        Layout::Fortran => row_major(data, &shape)?,
    };
    let tensor = Tensor {
        shape: shape.iter().map(|&axis| axis as u64).collect(),
        data,
    };
    require_filled(NPY_TENSOR, &tensor)?;
    Ok(Tensors::from([(NPY_TENSOR.to_owned(), tensor)]))
}

/// An npy file of the only tensor, which must be called [`NPY_TENSOR`].
///
/// # Errors
///
/// [`NpyError::Names`], [`NpyError::Dtype`], [`NpyError::Tensor`], or [`NpyError::Header`] for more axes than a header has
/// room for.
pub fn encode(tensors: &Tensors) -> Result<Vec<u8>, NpyError> {
    let Some(tensor) = tensors.get(NPY_TENSOR).filter(|_| tensors.len() == 1) else {
        return Err(NpyError::Names {
            found: tensors.keys().take(8).cloned().collect(),
        });
    };
    require_filled(NPY_TENSOR, tensor)?;
    let shape = tensor
        .shape
        .iter()
        .map(|&axis| {
            usize::try_from(axis).map_err(|error| NpyError::Header {
                reason: error.to_string(),
            })
        })
        .collect::<Result<_, _>>()?;
    let mut bytes = header_of(&tensor.data, shape)?;
    bytes.extend_from_slice(&tensor.data.to_le_bytes());
    Ok(bytes)
}

/// The whole header (magic, version, length, text), frame checked, and the values.
fn split_header(bytes: &[u8]) -> Result<(&[u8], &[u8]), NpyError> {
    let (start, length) = match bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, 0, a, b, ..] => {
            (10, u32::from_le_bytes([*a, *b, 0, 0]))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, 0, a, b, c, d, ..] => {
            (12, u32::from_le_bytes([*a, *b, *c, *d]))
        }
        _ => {
            return Err(NpyError::Magic {
                found: bytes.iter().take(8).copied().collect(),
            });
        }
    };
    let found = usize::try_from(length).unwrap_or(usize::MAX);
    let most = bytes.len().saturating_sub(start).min(MAX_HEADER);
    let (header, values) = Some(found)
        .filter(|found| *found <= most)
        .and_then(|found| bytes.split_at_checked(found.saturating_add(start)))
        .ok_or(NpyError::HeaderLength { found, most })?;
    let brackets = header.iter().filter(|byte| b"([{".contains(byte)).count();
    if brackets > 2 {
        return Err(NpyError::Header {
            reason: format!("found {brackets} opening brackets, wanted 2"),
        });
    }
    Ok((header, values))
}

/// The header for values of a shape.
fn header_of(data: &TensorData, shape: Vec<usize>) -> Result<Vec<u8>, NpyError> {
    let type_descriptor = match data {
        TensorData::F64(_) => f64::type_descriptor(),
        TensorData::F32(_) => f32::type_descriptor(),
        TensorData::I8(_) => i8::type_descriptor(),
        TensorData::I16(_) => i16::type_descriptor(),
        TensorData::I32(_) => i32::type_descriptor(),
        TensorData::I64(_) => i64::type_descriptor(),
        TensorData::U8(_) => u8::type_descriptor(),
        TensorData::U16(_) => u16::type_descriptor(),
        TensorData::U32(_) => u32::type_descriptor(),
        TensorData::U64(_) => u64::type_descriptor(),
        TensorData::F16(_) | TensorData::Bf16(_) => {
            return Err(wrong_dtype(data.dtype().to_string()));
        }
    };
    let header = Header {
        type_descriptor,
        layout: Layout::Standard,
        shape,
    };
    let bytes = header.to_bytes().map_err(|error| NpyError::Header {
        reason: error.to_string(),
    })?;
    split_header(&bytes)?;
    Ok(bytes)
}

/// Column-major values in row-major order.
fn row_major(data: TensorData, shape: &[usize]) -> Result<TensorData, NpyError> {
    Ok(match data {
        TensorData::F64(values) => TensorData::F64(transposed(values, shape)?),
        TensorData::F32(values) => TensorData::F32(transposed(values, shape)?),
        TensorData::F16(values) => TensorData::F16(transposed(values, shape)?),
        TensorData::Bf16(values) => TensorData::Bf16(transposed(values, shape)?),
        TensorData::I8(values) => TensorData::I8(transposed(values, shape)?),
        TensorData::I16(values) => TensorData::I16(transposed(values, shape)?),
        TensorData::I32(values) => TensorData::I32(transposed(values, shape)?),
        TensorData::I64(values) => TensorData::I64(transposed(values, shape)?),
        TensorData::U8(values) => TensorData::U8(transposed(values, shape)?),
        TensorData::U16(values) => TensorData::U16(transposed(values, shape)?),
        TensorData::U32(values) => TensorData::U32(transposed(values, shape)?),
        TensorData::U64(values) => TensorData::U64(transposed(values, shape)?),
    })
}

fn transposed<T: Copy>(values: Vec<T>, shape: &[usize]) -> Result<Vec<T>, NpyError> {
    let array =
        ArrayD::from_shape_vec(IxDyn(shape).f(), values).map_err(|error| NpyError::Header {
            reason: error.to_string(),
        })?;
    Ok(array.iter().copied().collect())
}

fn dtype_of(descriptor: &str) -> Option<Dtype> {
    match descriptor {
        "<f8" => Some(Dtype::F64),
        "<f4" => Some(Dtype::F32),
        "|i1" | "i1" | "b" => Some(Dtype::I8),
        "<i2" => Some(Dtype::I16),
        "<i4" => Some(Dtype::I32),
        "<i8" => Some(Dtype::I64),
        "|u1" | "u1" | "B" => Some(Dtype::U8),
        "<u2" => Some(Dtype::U16),
        "<u4" => Some(Dtype::U32),
        "<u8" => Some(Dtype::U64),
        _ => None,
    }
}

fn wrong_dtype(found: String) -> NpyError {
    NpyError::Dtype {
        tensor: NPY_TENSOR.to_owned(),
        found,
        wanted: DESCRIPTORS,
    }
}

const DESCRIPTORS: &str = "<f8, <f4, |i1, <i2, <i4, <i8, |u1, <u2, <u4, <u8";

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
    fn every_type_but_halves_round_trips() {
        for data in every_type() {
            let dtype = data.dtype();
            let tensors = one(NPY_TENSOR, &[3, 2], data);
            match dtype {
                Dtype::F16 | Dtype::Bf16 => assert!(matches!(
                    encode(&tensors),
                    Err(NpyError::Dtype { found, .. }) if found == dtype.name()
                )),
                _ => assert_eq!(decode(&encode(&tensors).unwrap()).unwrap(), tensors),
            }
        }
    }

    #[test]
    fn scalars_and_empty_axes_round_trip() {
        for (shape, values) in [
            (vec![], vec![2.5]),
            (vec![0, 3], vec![]),
            (vec![1, 1, 1, 1], vec![2.5]),
        ] {
            let tensors = one(NPY_TENSOR, &shape, TensorData::F32(values));
            assert_eq!(decode(&encode(&tensors).unwrap()).unwrap(), tensors);
        }
    }

    #[test]
    fn fortran_order_is_turned_to_row_major() {
        let values: Vec<u8> = [1_i16, 4, 2, 5, 3, 6]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let bytes = file(
            "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }",
            &values,
        );
        assert_eq!(
            decode(&bytes).unwrap(),
            one(NPY_TENSOR, &[2, 3], TensorData::I16(vec![1, 2, 3, 4, 5, 6]))
        );
    }

    #[test]
    fn versions_two_and_three_are_read() {
        for version in [2, 3] {
            let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
            let bytes = [
                b"\x93NUMPY".as_slice(),
                &[version, 0],
                &(header.len() as u32).to_le_bytes(),
                header.as_bytes(),
                &[8, 9],
            ]
            .concat();
            assert_eq!(
                decode(&bytes).unwrap(),
                one(NPY_TENSOR, &[2], TensorData::U8(vec![8, 9]))
            );
        }
    }

    #[test]
    fn unknown_types_are_named() {
        for descriptor in [
            "'>f4'",
            "'<f2'",
            "'|b1'",
            "'<c8'",
            "'|O'",
            "'<U3'",
            "[('a', '<f4')]",
            "7",
        ] {
            let header = format!("{{'descr': {descriptor}, 'fortran_order': False, 'shape': 2}}");
            let refused = decode(&file(&header.replace(": 2}", ": (2,)}"), &[0; 8])).unwrap_err();
            let shown = refused.to_string();
            match refused {
                NpyError::Dtype { found, .. } => assert_eq!(found, descriptor),
                NpyError::Header { .. } => assert!(descriptor.starts_with('['), "{shown}"),
                _ => panic!("{descriptor}: {shown}"),
            }
        }
    }

    #[test]
    fn missing_and_extra_bytes_of_values_are_refused() {
        for found in [7, 9] {
            let bytes = file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                &vec![0; found],
            );
            assert_eq!(
                decode(&bytes).unwrap_err().to_string(),
                format!("tensor \"update\" has {found} bytes of values, its header wants 8")
            );
        }
    }

    #[test]
    fn headers_that_describe_no_array_are_refused() {
        for header in [
            "",
            "{}",
            "7",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((2,),)}",
        ] {
            assert!(
                matches!(decode(&file(header, &[0; 8])), Err(NpyError::Header { .. })),
                "{header}"
            );
        }
    }

    #[test]
    fn shapes_whose_product_overflows_are_refused() {
        let most = usize::MAX;
        for order in ["False", "True"] {
            let header = format!(
                "{{'descr': '<f4', 'fortran_order': {order}, 'shape': ({most}, {most}), }}"
            );
            assert!(matches!(
                decode(&file(&header, &[0; 8])),
                Err(NpyError::Length { found: 8, .. })
            ));
            let header = format!(
                "{{'descr': '<f4', 'fortran_order': {order}, 'shape': ({most}, {most}, 0), }}"
            );
            assert!(decode(&file(&header, &[0; 8])).is_err());
        }
    }

    #[test]
    fn header_length_beyond_the_file_or_the_limit_is_refused() {
        let bytes = [
            b"\x93NUMPY\x02\x00".as_slice(),
            &u32::MAX.to_le_bytes(),
            b"{}\n",
        ]
        .concat();
        assert!(matches!(
            decode(&bytes),
            Err(NpyError::HeaderLength {
                found: 0xffff_ffff,
                most: 3
            })
        ));
        let bytes = [
            b"\x93NUMPY\x01\x00".as_slice(),
            &20_000_u16.to_le_bytes(),
            &[b' '; 30_000],
        ]
        .concat();
        assert!(matches!(
            decode(&bytes),
            Err(NpyError::HeaderLength {
                found: 20_000,
                most: MAX_HEADER
            })
        ));
    }

    #[test]
    fn deep_nesting_is_refused_without_a_crash() {
        let refused = decode(&file(&"(".repeat(9_000), &[])).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "header: found 9000 opening brackets, wanted 2"
        );
    }

    #[test]
    fn bytes_that_do_not_begin_like_an_npy_file_are_refused() {
        let refused = decode(b"PK\x03\x04").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "found [50, 4b, 03, 04] as first bytes, wanted \"\\x93NUMPY\" and version 1.0, 2.0 or 3.0"
        );
        assert!(matches!(
            decode(b"\x93NUMPY\x04\x00\x00\x00"),
            Err(NpyError::Magic { .. })
        ));
    }

    #[test]
    fn other_tensors_than_the_one_are_not_written() {
        let mut tensors = one("w", &[1], TensorData::U8(vec![1]));
        assert!(matches!(encode(&tensors), Err(NpyError::Names { found }) if found == ["w"]));
        tensors.append(&mut one(NPY_TENSOR, &[1], TensorData::U8(vec![1])));
        assert!(
            matches!(encode(&tensors), Err(NpyError::Names { found }) if found == [NPY_TENSOR, "w"])
        );
        assert!(
            matches!(encode(&Tensors::new()), Err(NpyError::Names { found }) if found.is_empty())
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[b"\x93NUMPY\x01\x00".as_slice(), &bytes].concat());
        }

        #[test]
        fn random_headers_never_panic(header in "[{}()',: '<f48TrueFals0-9.+eEjbx_descrshapefortran_order\\\\-]{0,200}") {
            let _ = decode(&file(&header, &[0; 8]));
        }

        #[test]
        fn changed_bytes_never_panic(index in 0_usize..200, value: u8) {
            let mut bytes = encode(&one(NPY_TENSOR, &[2, 3], every_type().remove(0))).unwrap();
            let index = index % bytes.len();
            bytes[index] = value;
            let _ = decode(&bytes);
        }
    }

    fn file(header: &str, values: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16 + 1).to_le_bytes();
        [
            b"\x93NUMPY\x01\x00",
            length.as_slice(),
            header.as_bytes(),
            b"\n",
            values,
        ]
        .concat()
    }
}
