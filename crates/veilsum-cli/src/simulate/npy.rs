//! Integers in and out of .npy files.

use crate::exit::Failure;
use ndarray::{Array1, Array2};
use ndarray_npy::{ReadNpyError, ReadNpyExt as _, WriteNpyExt as _};
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _, Write as _};
use std::path::Path;
use veilsum_sim::Matrix;

/// Reads members x dim integers of any width; gives back the matrix and dim.
pub fn read(path: &Path, members: u32, bits: u8) -> Result<(Matrix, usize), Failure> {
    let array = read_integers(path)?;
    let (rows, coordinates) = array.dim();
    let values = array.into_iter().collect();
    let matrix = Matrix::new(values, rows, coordinates, members, bits).map_err(|error| {
        Failure::usage(error)
            .in_file(path)
            .hint("one row per member; --bits says how large values may be")
    })?;
    Ok((matrix, coordinates))
}

/// Writes a vector of 64-bit integers.
pub fn write(path: &Path, sum: &[i64]) -> Result<(), Failure> {
    let file = File::create(path).map_err(|error| Failure::io(path, &error))?;
    let mut writer = BufWriter::new(file);
    let array = Array1::from(sum.to_vec());
    array
        .write_npy(&mut writer)
        .map_err(|error| Failure::failed(error).in_file(path))?;
    writer.flush().map_err(|error| Failure::io(path, &error))
}

fn read_integers(path: &Path) -> Result<Array2<i64>, Failure> {
    let file = File::open(path).map_err(|error| Failure::io(path, &error))?;
    let mut reader = BufReader::new(file);
    macro_rules! try_types {
        ($($type:ty),+) => {$(
            reader.rewind().map_err(|error| Failure::io(path, &error))?;
            match Array2::<$type>::read_npy(&mut reader) {
                Ok(array) => return widen(path, array),
                Err(ReadNpyError::WrongDescriptor(_)) => {}
                Err(error) => return Err(unreadable(path, &error)),
            }
        )+};
    }
    try_types!(i64, i32, u16, u32, u8, i16, i8, u64);
    Err(Failure::usage("the array does not hold integers")
        .in_file(path)
        .hint("save it with an integer dtype, such as int64"))
}

fn widen<T>(path: &Path, array: Array2<T>) -> Result<Array2<i64>, Failure>
where
    T: Copy + TryInto<i64>,
{
    let shape = array.dim();
    let values = array
        .iter()
        .map(|value| (*value).try_into().ok())
        .collect::<Option<Vec<i64>>>();
    let values = values
        .ok_or_else(|| Failure::usage("a value does not fit 64 signed bits").in_file(path))?;
    Array2::from_shape_vec(shape, values).map_err(|error| Failure::failed(error).in_file(path))
}

fn unreadable(path: &Path, error: &ReadNpyError) -> Failure {
    Failure::usage(error)
        .in_file(path)
        .hint("wanted a two-dimensional .npy array, one row per member")
}
