//! Integers in and out of .npy files.

use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use std::path::Path;
use veilsum_encode::{Tensor, TensorData, Tensors};
use veilsum_learn::files::{NPY_TENSOR, npy};
use veilsum_sim::Matrix;

/// Reads members x dim integers of any width; gives back the matrix and dim.
pub fn read(path: &Path, members: u32, bits: u8) -> Result<(Matrix, usize), Failure> {
    let Tensor { shape, data } = tensor(path)?;
    let &[rows, coordinates] = shape.as_slice() else {
        return Err(
            Failure::usage(format_args!("found {} dimensions, wanted 2", shape.len()))
                .in_file(path)
                .hint(ROWS),
        );
    };
    // the values are there: both lengths fit
    let length = |axis: u64| usize::try_from(axis).unwrap_or(usize::MAX);
    let (rows, coordinates) = (length(rows), length(coordinates));
    let values = integers(path, data, coordinates)?;
    let matrix = Matrix::new(values, rows, coordinates, members, bits).map_err(|error| {
        Failure::usage(error)
            .in_file(path)
            .hint("one row per member; --bits says how large values may be")
    })?;
    Ok((matrix, coordinates))
}

/// Writes a vector of 64-bit integers, whole or not at all.
pub fn write(path: &Path, sum: &[i64]) -> Result<(), Failure> {
    let tensor = Tensor {
        shape: vec![sum.len() as u64],
        data: TensorData::I64(sum.to_vec()),
    };
    let bytes = npy::encode(&Tensors::from([(NPY_TENSOR.to_owned(), tensor)]))
        .map_err(|error| Failure::failed(error).in_file(path))?;
    files::write(path, &bytes, Readers::Everyone, Existing::Replace)
}

/// The one array of the file, whose header was held against the file's length before memory was taken for it.
fn tensor(path: &Path) -> Result<Tensor, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::io(path, &error))?;
    let mut tensors =
        npy::decode(&bytes).map_err(|error| Failure::usage(error).in_file(path).hint(ROWS))?;
    tensors.remove(NPY_TENSOR).ok_or_else(|| {
        Failure::usage("found no array in the file")
            .in_file(path)
            .hint(ROWS)
    })
}

/// The values as 64-bit integers, out of rows of so many coordinates.
fn integers(path: &Path, data: TensorData, coordinates: usize) -> Result<Vec<i64>, Failure> {
    match data {
        TensorData::I8(values) => Ok(widened(values)),
        TensorData::I16(values) => Ok(widened(values)),
        TensorData::I32(values) => Ok(widened(values)),
        TensorData::I64(values) => Ok(values),
        TensorData::U8(values) => Ok(widened(values)),
        TensorData::U16(values) => Ok(widened(values)),
        TensorData::U32(values) => Ok(widened(values)),
        TensorData::U64(values) => values
            .into_iter()
            .enumerate()
            .map(|(at, value)| {
                i64::try_from(value).map_err(|_| {
                    let coordinates = coordinates.max(1);
                    Failure::usage(format_args!(
                        "row {}, coordinate {}: found {value}, wanted at most {}",
                        at / coordinates,
                        at % coordinates,
                        i64::MAX
                    ))
                    .in_file(path)
                    .hint("values are signed; save them as int64")
                })
            })
            .collect(),
        TensorData::F64(_) | TensorData::F32(_) | TensorData::F16(_) | TensorData::Bf16(_) => {
            Err(Failure::usage(format_args!(
                "found values of type {}, wanted integers",
                data.dtype()
            ))
            .in_file(path)
            .hint("save it with an integer dtype, such as int64"))
        }
    }
}

fn widened<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
    values.into_iter().map(Into::into).collect()
}

const ROWS: &str = "wanted a two-dimensional .npy array of integers, one row per member";
