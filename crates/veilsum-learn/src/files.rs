//! Not a model zoo reader: named tensors in `.safetensors` and `.npy` files, the two kinds a trainer in any language can write.
//!
//! | kind | tensors | types |
//! |---|---|---|
//! | `.safetensors` | any number, any names | f64, f32, f16, bf16, i8 to i64, u8 to u64 |
//! | `.npy` | exactly one, called [`NPY_TENSOR`] | f64, f32, i8 to i64, u8 to u64, little-endian, C or Fortran order |
//!
//! Whole files are read and checked before anything is returned; memory is in proportion to the file. Files are written under
//! another name, synced, and renamed, so that a reader sees the old file or the new one, never a part.
//!
//! # Security
//!
//! A member's update is a secret of the member. Files are created readable by their owner only.

pub mod npy;
pub mod safetensors;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use tempfile::NamedTempFile;
use thiserror::Error;
use veilsum_encode::Tensors;

pub use npy::{NPY_TENSOR, NpyError};
pub use safetensors::SafetensorsError;

/// Kind of a tensor file, told by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `.safetensors`
    Safetensors,
    /// `.npy`
    Npy,
}

/// What went wrong with which file.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: FileFault,
}

/// What can be wrong with a tensor file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The name does not tell a kind.
    #[error("found extension {found:?}, wanted \"safetensors\" or \"npy\"")]
    Extension {
        /// The extension, empty if there is none.
        found: String,
    },
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The content is no safetensors file, or the tensors do not fit one.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// The content is no npy file, or the tensors do not fit one.
    #[error(transparent)]
    Npy(#[from] NpyError),
}

/// Reads the tensors of a `.safetensors` or `.npy` file.
///
/// # Errors
///
/// [`FileError`] with the path, and the tensor where one is to blame.
pub fn read(path: &Path) -> Result<Tensors, FileError> {
    let content = || FileKind::of(path)?.decode(&fs::read(path)?);
    content().map_err(|fault| FileError {
        path: path.to_owned(),
        fault,
    })
}

/// Writes tensors to a `.safetensors` or `.npy` file, replacing it at once or not at all.
///
/// # Errors
///
/// [`FileError`] with the path: the extension names no kind, the kind cannot hold the tensors, or the file system refused.
/// An existing file is then as it was.
pub fn write(path: &Path, tensors: &Tensors) -> Result<(), FileError> {
    let replace =
        || write_atomic(path, &FileKind::of(path)?.encode(tensors)?).map_err(FileFault::Io);
    replace().map_err(|fault| FileError {
        path: path.to_owned(),
        fault,
    })
}

/// Writes bytes to a file, replacing it at once or not at all: temporary file beside it, sync, rename.
///
/// # Errors
///
/// [`io::Error`] of the step that failed; the temporary file is then removed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::with_prefix_in(".veilsum-", folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

impl FileKind {
    /// The kind that a path's extension tells.
    ///
    /// # Errors
    ///
    /// [`FileFault::Extension`] for any other extension.
    pub fn of(path: &Path) -> Result<Self, FileFault> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.as_ref() {
            "safetensors" => Ok(Self::Safetensors),
            "npy" => Ok(Self::Npy),
            _ => Err(FileFault::Extension {
                found: extension.into_owned(),
            }),
        }
    }

    /// Tensors of a file's content.
    ///
    /// # Errors
    ///
    /// [`FileFault::Safetensors`] or [`FileFault::Npy`].
    pub fn decode(self, bytes: &[u8]) -> Result<Tensors, FileFault> {
        Ok(match self {
            Self::Safetensors => safetensors::decode(bytes)?.0,
            Self::Npy => npy::decode(bytes)?,
        })
    }

    /// A file's content for tensors.
    ///
    /// # Errors
    ///
    /// [`FileFault::Safetensors`] or [`FileFault::Npy`].
    pub fn encode(self, tensors: &Tensors) -> Result<Vec<u8>, FileFault> {
        Ok(match self {
            Self::Safetensors => safetensors::encode(tensors, None)?,
            Self::Npy => npy::encode(tensors)?,
        })
    }

    /// The extension of files of this kind, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use veilsum_encode::TensorData;

    use super::*;

    #[test]
    fn both_kinds_round_trip_through_files() {
        let folder = tempfile::tempdir().unwrap();
        let tensors = testing::one(NPY_TENSOR, &[3], TensorData::F32(vec![1.0, 2.0, 3.0]));
        for name in ["update.npy", "update.safetensors"] {
            let path = folder.path().join(name);
            write(&path, &tensors).unwrap();
            assert_eq!(read(&path).unwrap(), tensors);
        }
    }

    #[test]
    fn files_are_replaced_and_nothing_is_left_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("update.npy");
        for value in [1, 2] {
            write(
                &path,
                &testing::one(NPY_TENSOR, &[1], TensorData::U8(vec![value])),
            )
            .unwrap();
        }
        assert_eq!(
            read(&path).unwrap(),
            testing::one(NPY_TENSOR, &[1], TensorData::U8(vec![2]))
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn refused_tensors_leave_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("update.npy");
        let good = testing::one(NPY_TENSOR, &[1], TensorData::U8(vec![1]));
        write(&path, &good).unwrap();
        let refused =
            write(&path, &testing::one("other", &[1], TensorData::U8(vec![2]))).unwrap_err();
        assert!(matches!(
            refused.fault,
            FileFault::Npy(NpyError::Names { .. })
        ));
        assert_eq!(read(&path).unwrap(), good);
    }

    #[cfg(unix)]
    #[test]
    fn files_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("update.npy");
        write(
            &path,
            &testing::one(NPY_TENSOR, &[1], TensorData::U8(vec![1])),
        )
        .unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.npy");
        let shown = read(&missing).unwrap_err().to_string();
        assert!(shown.starts_with(&missing.display().to_string()), "{shown}");
        let broken = folder.path().join("broken.safetensors");
        fs::write(&broken, [1, 2, 3]).unwrap();
        assert_eq!(
            read(&broken).unwrap_err().to_string(),
            format!(
                "{}: found 3 bytes, wanted at least 8 for the length of the header",
                broken.display()
            )
        );
    }

    #[test]
    fn other_extensions_are_refused() {
        for (name, extension) in [("model.pt", "pt"), ("model", ""), ("model.NPY", "NPY")] {
            let refused = read(Path::new(name)).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!("{name}: found extension {extension:?}, wanted \"safetensors\" or \"npy\"")
            );
        }
    }

    #[test]
    fn folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("update.npy");
        let tensors = testing::one(NPY_TENSOR, &[1], TensorData::U8(vec![1]));
        let refused = write(&path, &tensors).unwrap_err();
        assert!(matches!(refused.fault, FileFault::Io(_)));
    }
}
