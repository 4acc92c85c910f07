//! What a task aggregates: tensors by name, shape and element type.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::Dtype;

/// Name, shape and element type of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// 1 to 512 bytes of UTF-8 without control characters, unique in its manifest.
    pub name: String,
    /// Length of each dimension, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// Element type.
    pub dtype: Dtype,
}

/// The tensors of a task, sorted by the bytes of their names.
///
/// The order is the order of coordinates: tensor after tensor, each in row-major order. Members and coordinator hold
/// the same manifest, since its digest is part of the task.
///
/// ```
/// use veilsum_encode::{Dtype, Manifest, TensorSpec};
///
/// let manifest = Manifest::new(vec![
///     TensorSpec { name: "weight".into(), shape: vec![10, 64], dtype: Dtype::F32 },
///     TensorSpec { name: "bias".into(), shape: vec![10], dtype: Dtype::F32 },
/// ])?;
/// assert_eq!(manifest.tensors()[0].name, "bias");
/// assert_eq!(manifest.coordinates(), 650);
/// # Ok::<(), veilsum_encode::ManifestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<TensorSpec>", into = "Vec<TensorSpec>")]
pub struct Manifest {
    tensors: Vec<TensorSpec>,
    coordinates: u64,
}

impl Manifest {
    /// Sorts the tensors by name and checks them.
    ///
    /// # Errors
    ///
    /// No tensors; a name that is empty, too long, has control characters or comes twice; more than 32 dimensions; a
    /// tensor without coordinates; more than 2^64 - 1 coordinates in one tensor or in all.
    pub fn new(mut tensors: Vec<TensorSpec>) -> Result<Self, ManifestError> {
        // spec: [encode.manifest.order]
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        if tensors.is_empty() {
            return Err(ManifestError::Empty);
        }
        if let Some([twice, _]) = tensors.array_windows().find(|[a, b]| a.name == b.name) {
            return Err(ManifestError::TwiceNamed {
                tensor: twice.name.clone(),
            });
        }
        let mut coordinates = 0_u64;
        for tensor in &tensors {
            coordinates = coordinates
                .checked_add(checked_coordinates(tensor)?)
                .ok_or(ManifestError::TooLarge)?;
        }
        Ok(Self {
            tensors,
            coordinates,
        })
    }

    /// The tensors, sorted by name.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Coordinates of all tensors together, at least 1.
    #[must_use]
    pub const fn coordinates(&self) -> u64 {
        self.coordinates
    }

    /// SHA-256 of names, shapes and element types in their order (`spec/encoding.md`, section "Digests").
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        // spec: [encode.digest.manifest]
        let mut hash = Sha256::new();
        hash.update(b"veilsum manifest v1");
        hash.update((self.tensors.len() as u64).to_le_bytes());
        for tensor in &self.tensors {
            hash_spec(&mut hash, tensor);
        }
        hash.finalize().into()
    }
}

impl TryFrom<Vec<TensorSpec>> for Manifest {
    type Error = ManifestError;

    fn try_from(tensors: Vec<TensorSpec>) -> Result<Self, ManifestError> {
        Self::new(tensors)
    }
}

impl From<Manifest> for Vec<TensorSpec> {
    fn from(manifest: Manifest) -> Self {
        manifest.tensors
    }
}

impl TensorSpec {
    /// Product of the shape; `None` above 2^64 - 1.
    pub(crate) fn coordinates(&self) -> Option<u64> {
        coordinates(&self.shape)
    }
}

/// Why a list of tensors is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// A task needs at least one tensor.
    #[error("found no tensors, wanted at least one")]
    Empty,
    /// The name is empty, too long, or has control characters.
    #[error("tensor name {tensor:?} is not 1 to {MAX_NAME} bytes without control characters")]
    BadName {
        /// The name.
        tensor: String,
    },
    /// Two tensors of one name.
    #[error("tensor {tensor:?} is named twice")]
    TwiceNamed {
        /// The name.
        tensor: String,
    },
    /// More dimensions than anyone needs.
    #[error("tensor {tensor:?} has {found} dimensions, wanted at most {MAX_RANK}")]
    Rank {
        /// The tensor.
        tensor: String,
        /// Its dimensions.
        found: usize,
    },
    /// A dimension of length zero.
    #[error("tensor {tensor:?} has no coordinates")]
    NoCoordinates {
        /// The tensor.
        tensor: String,
    },
    /// The number of coordinates does not fit 64 bits.
    #[error("found more than 2^64 - 1 coordinates")]
    TooLarge,
}

/// Hashes one tensor's name, element type and shape so that no two lists of tensors hash the same bytes.
pub(crate) fn hash_spec(hash: &mut Sha256, tensor: &TensorSpec) {
    hash.update((tensor.name.len() as u64).to_le_bytes());
    hash.update(tensor.name.as_bytes());
    hash.update([tensor.dtype.code()]);
    hash.update((tensor.shape.len() as u64).to_le_bytes());
    for dimension in &tensor.shape {
        hash.update(dimension.to_le_bytes());
    }
}

/// Product of a shape; `None` above 2^64 - 1.
pub(crate) fn coordinates(shape: &[u64]) -> Option<u64> {
    shape
        .iter()
        .try_fold(1_u64, |product, &dimension| product.checked_mul(dimension))
}

fn checked_coordinates(tensor: &TensorSpec) -> Result<u64, ManifestError> {
    // spec: [encode.manifest.names]
    let name = &tensor.name;
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ManifestError::BadName {
            tensor: name.clone(),
        });
    }
    if tensor.shape.len() > MAX_RANK {
        return Err(ManifestError::Rank {
            tensor: name.clone(),
            found: tensor.shape.len(),
        });
    }
    // spec: [encode.manifest.coordinates]
    if tensor.shape.contains(&0) {
        return Err(ManifestError::NoCoordinates {
            tensor: name.clone(),
        });
    }
    tensor.coordinates().ok_or(ManifestError::TooLarge)
}

const MAX_NAME: usize = 512;
const MAX_RANK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, shape: &[u64]) -> TensorSpec {
        TensorSpec {
            name: name.into(),
            shape: shape.into(),
            dtype: Dtype::F32,
        }
    }

    // spec: [encode.manifest.order]
    #[test]
    fn order_of_input_does_not_matter() {
        let one = Manifest::new(vec![spec("b", &[2]), spec("a", &[3]), spec("B", &[])]).unwrap();
        let two = Manifest::new(vec![spec("B", &[]), spec("a", &[3]), spec("b", &[2])]).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.digest(), two.digest());
        assert_eq!(one.coordinates(), 6);
        let names: Vec<_> = one.tensors().iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["B", "a", "b"], "bytewise, not by locale");
    }

    // spec: [encode.manifest.names]
    #[test]
    fn names_are_unique_short_and_printable() {
        let twice = Manifest::new(vec![spec("a", &[2]), spec("a", &[3])]);
        assert_eq!(twice, Err(ManifestError::TwiceNamed { tensor: "a".into() }));
        for bad in [String::new(), "a\nb".into(), "x".repeat(513)] {
            let found = Manifest::new(vec![spec(&bad, &[1])]);
            assert_eq!(found, Err(ManifestError::BadName { tensor: bad }));
        }
    }

    // spec: [encode.manifest.coordinates]
    #[test]
    fn coordinates_are_neither_none_nor_too_many() {
        assert_eq!(Manifest::new(vec![]), Err(ManifestError::Empty));
        let none = Manifest::new(vec![spec("a", &[2, 0])]);
        assert_eq!(
            none,
            Err(ManifestError::NoCoordinates { tensor: "a".into() })
        );
        assert_eq!(
            Manifest::new(vec![spec("a", &[1 << 32, 1 << 32])]),
            Err(ManifestError::TooLarge)
        );
        let both = Manifest::new(vec![spec("a", &[u64::MAX]), spec("b", &[1])]);
        assert_eq!(both, Err(ManifestError::TooLarge));
        let rank = Manifest::new(vec![spec("a", &[1; 33])]);
        assert_eq!(
            rank,
            Err(ManifestError::Rank {
                tensor: "a".into(),
                found: 33
            })
        );
    }

    // spec: [encode.digest.manifest]
    #[test]
    fn digest_binds_names_shapes_and_dtypes() {
        let base = Manifest::new(vec![spec("a", &[2, 3])]).unwrap().digest();
        let mut other = spec("a", &[2, 3]);
        other.dtype = Dtype::F64;
        for changed in [
            spec("b", &[2, 3]),
            spec("a", &[3, 2]),
            spec("a", &[6]),
            other,
        ] {
            assert_ne!(Manifest::new(vec![changed]).unwrap().digest(), base);
        }
    }
}
