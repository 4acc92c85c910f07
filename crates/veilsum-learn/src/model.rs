//! Not a place for optimiser state or training settings: the global model, its version and its digest.
//!
//! # Bytes of a model
//!
//! A model travels as a safetensors file with one metadata entry, `veilsum.model`, whose text is `version=V sha256=DIGEST`. The
//! bytes are canonical: the file has exactly the bytes that [`Model::to_bytes`] writes for its content, and
//! [`Model::from_bytes`] refuses every other file, so a model has one digest, one encoding, and one blob digest.
//!
//! # Digest
//!
//! SHA-256 over the label `veilsum/v1 model` and a zero byte, the number of tensors, and for each tensor in name order: name,
//! dtype name, number of axes, axes, values. Numbers are little-endian `u64`, texts and values are preceded by their length
//! in bytes, values are little-endian. The version is not hashed: models with the same tensors have the same digest.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use veilsum_encode::Tensors;

use crate::files::{SafetensorsError, safetensors};
use crate::tensors::{Form, Mismatch, require_filled};

/// The global model of one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    version: u64,
    tensors: Tensors,
    digest: ModelDigest,
}

/// Version and digest: which model, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId {
    /// How many times the model was updated since it was made.
    pub version: u64,
    /// Digest of the tensors.
    pub digest: ModelDigest,
}

/// SHA-256 over a model's tensors; the [module](self) says over which bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelDigest(pub [u8; 32]);

/// Why bytes are no model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Not a safetensors file of known types.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// A tensor whose values do not fill its shape.
    #[error(transparent)]
    Tensor(#[from] Mismatch),
    /// No metadata entry of a model, or one of another form.
    #[error("found {found:?} as metadata {METADATA_KEY:?}, wanted \"version=V sha256=DIGEST\"")]
    Metadata {
        /// The entry's text, empty if there is none; at most 200 characters of it.
        found: String,
    },
    /// The tensors are not those the digest was made for.
    #[error("tensors have the digest {found}, wanted {wanted}")]
    Digest {
        /// Digest of the tensors found.
        found: ModelDigest,
        /// Digest named by the bytes or by the caller.
        wanted: ModelDigest,
    },
    /// Other bytes than the canonical ones for the same content.
    #[error("found {found} bytes that are not the canonical {wanted} bytes of this model")]
    NotCanonical {
        /// Length found.
        found: usize,
        /// Length of the canonical bytes.
        wanted: usize,
    },
}

impl Model {
    /// A model of the given version.
    ///
    /// # Errors
    ///
    /// [`Mismatch::Values`] if a tensor's values do not fill its shape.
    pub fn new(version: u64, tensors: Tensors) -> Result<Self, Mismatch> {
        for (name, tensor) in &tensors {
            require_filled(name, tensor)?;
        }
        let digest = ModelDigest::of(&tensors);
        Ok(Self {
            version,
            tensors,
            digest,
        })
    }

    /// Reads what [`Model::to_bytes`] wrote, and nothing else.
    ///
    /// Safe for bytes from a peer: no panic, memory in proportion to the bytes. Whether this is the model a round is about is
    /// for the caller to ask: see [`Model::require_digest`].
    ///
    /// # Errors
    ///
    /// [`ModelError`]: no safetensors file, no model metadata, tensors that do not have the digest named in it, or bytes that
    /// are not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (tensors, metadata) = safetensors::decode(bytes)?;
        let text = metadata.get(METADATA_KEY).map_or("", String::as_str);
        let (version, wanted) = parse_metadata(text).ok_or_else(|| ModelError::Metadata {
            found: text.chars().take(200).collect(),
        })?;
        let model = Self::new(version, tensors)?;
        model.require_digest(wanted)?;
        // spec: [model.canonical]
        let canonical = model.to_bytes()?;
        if canonical != bytes {
            return Err(ModelError::NotCanonical {
                found: bytes.len(),
                wanted: canonical.len(),
            });
        }
        Ok(model)
    }

    /// Checks that this is the model of the given digest, for example the one a session is bound to.
    ///
    /// # Errors
    ///
    /// [`ModelError::Digest`] if it is not.
    pub fn require_digest(&self, wanted: ModelDigest) -> Result<(), ModelError> {
        if self.digest == wanted {
            return Ok(());
        }
        Err(ModelError::Digest {
            found: self.digest,
            wanted,
        })
    }

    /// The canonical bytes, a safetensors file.
    ///
    /// # Errors
    ///
    /// [`SafetensorsError`] if the names and shapes do not fit a header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SafetensorsError> {
        let text = format!("version={} sha256={}", self.version, self.digest);
        safetensors::encode(&self.tensors, Some((METADATA_KEY, &text)))
    }

    /// How many times the model was updated since it was made.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The tensors, in name order.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Version and digest.
    pub fn id(&self) -> ModelId {
        ModelId {
            version: self.version,
            digest: self.digest,
        }
    }

    /// Digest of the tensors.
    pub fn digest(&self) -> ModelDigest {
        self.digest
    }
}

impl ModelDigest {
    /// Digest of named tensors.
    // spec: [model.digest]
    pub fn of(tensors: &Tensors) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"veilsum/v1 model\0");
        put_number(&mut hash, tensors.len());
        for (name, tensor) in tensors {
            let Form { dtype, shape } = Form::of(tensor);
            put_bytes(&mut hash, name.as_bytes());
            put_bytes(&mut hash, dtype.name().as_bytes());
            put_number(&mut hash, shape.len());
            for axis in shape {
                hash.update(axis.to_le_bytes());
            }
            put_bytes(&mut hash, &tensor.data.to_le_bytes());
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, digest } = self;
        write!(f, "version {version} with the digest {digest}")
    }
}

impl fmt::Display for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelDigest({self})")
    }
}

/// Version and digest of `version=V sha256=DIGEST`; whether that is its only spelling is settled by the canonical bytes.
fn parse_metadata(text: &str) -> Option<(u64, ModelDigest)> {
    let (version, digest) = text.strip_prefix("version=")?.split_once(" sha256=")?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(digest, &mut bytes).ok()?;
    Some((version.parse().ok()?, ModelDigest(bytes)))
}

fn put_bytes(hash: &mut Sha256, bytes: &[u8]) {
    put_number(hash, bytes.len());
    hash.update(bytes);
}

fn put_number(hash: &mut Sha256, number: usize) {
    hash.update((number as u64).to_le_bytes());
}

const METADATA_KEY: &str = "veilsum.model";

#[cfg(test)]
mod tests {
    use veilsum_encode::{Tensor, TensorData};

    use super::*;

    #[test]
    fn bytes_round_trip_with_version_and_digest() {
        let model = small();
        assert_eq!(
            Model::from_bytes(&model.to_bytes().unwrap()).unwrap(),
            model
        );
    }

    #[test]
    fn empty_model_round_trips() {
        let model = Model::new(0, Tensors::new()).unwrap();
        assert_eq!(
            Model::from_bytes(&model.to_bytes().unwrap()).unwrap(),
            model
        );
    }

    /// Both values were computed from the module's text by another program.
    #[test]
    fn canonical_bytes_and_digest_are_pinned() {
        // spec: [model.digest]
        let bytes = small().to_bytes().unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(&bytes)),
            "fd130a9c81775f1f48af32afb1cf0b963d64370c6081cf7c013f2d52fafd3e1f"
        );
        assert_eq!(
            small().digest().to_string(),
            "591c458f9767856974d5dc517d4d093d39fd80e0787601bbbef95f2a678721e7"
        );
    }

    #[test]
    fn digest_binds_names_dtypes_shapes_and_values() {
        let base = ModelDigest::of(&one("w", &[2, 1], TensorData::F32(vec![1.0, 2.0])));
        for changed in [
            one("v", &[2, 1], TensorData::F32(vec![1.0, 2.0])),
            one("w", &[1, 2], TensorData::F32(vec![1.0, 2.0])),
            one("w", &[2], TensorData::F32(vec![1.0, 2.0])),
            one("w", &[2, 1], TensorData::F32(vec![2.0, 1.0])),
            one(
                "w",
                &[2, 1],
                TensorData::I32(vec![1.0_f32.to_bits() as i32, 2.0_f32.to_bits() as i32]),
            ),
            Tensors::new(),
        ] {
            assert_ne!(ModelDigest::of(&changed), base);
        }
    }

    #[test]
    fn digest_does_not_hang_on_the_version() {
        let next = Model::new(8, small().tensors().clone()).unwrap();
        assert_eq!(next.digest(), small().digest());
        assert_ne!(next.to_bytes().unwrap(), small().to_bytes().unwrap());
    }

    #[test]
    fn another_digest_than_wanted_is_refused() {
        let wanted = ModelDigest([0; 32]);
        let refused = small().require_digest(wanted).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "tensors have the digest {}, wanted {wanted}",
                small().digest()
            )
        );
        small().require_digest(small().digest()).unwrap();
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let bytes = small().to_bytes().unwrap();
        let digest = small().digest();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            // A changed version makes another model, which is canonical; everything else is no model.
            if let Ok(model) = Model::from_bytes(&changed) {
                assert_eq!(model.digest(), digest);
                assert_ne!(model.version(), 7);
            }
        }
    }

    #[test]
    fn any_shorter_and_longer_bytes_are_refused() {
        let bytes = small().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(
                Model::from_bytes(&bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(Model::from_bytes(&[bytes, vec![0]].concat()).is_err());
    }

    #[test]
    fn file_without_model_metadata_is_refused() {
        let bytes = safetensors::encode(small().tensors(), None).unwrap();
        assert!(
            matches!(Model::from_bytes(&bytes), Err(ModelError::Metadata { found }) if found.is_empty())
        );
    }

    #[test]
    fn other_spellings_of_the_metadata_are_refused() {
        // spec: [model.canonical]
        let digest = small().digest().to_string();
        for text in [
            format!("version=07 sha256={digest}"),
            format!("version=+7 sha256={digest}"),
            format!("version=7 sha256={}", digest.to_uppercase()),
            format!("version=7 sha256={digest} "),
            format!("version=7  sha256={digest}"),
            format!("version=18446744073709551616 sha256={digest}"),
        ] {
            let bytes =
                safetensors::encode(small().tensors(), Some((METADATA_KEY, &text))).unwrap();
            let refused = Model::from_bytes(&bytes).unwrap_err();
            assert!(
                matches!(
                    refused,
                    ModelError::Metadata { .. } | ModelError::NotCanonical { .. }
                ),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn digest_of_other_tensors_is_refused() {
        let text = format!("version=7 sha256={}", ModelDigest([1; 32]));
        let bytes = safetensors::encode(small().tensors(), Some((METADATA_KEY, &text))).unwrap();
        let refused = Model::from_bytes(&bytes);
        assert!(
            matches!(refused, Err(ModelError::Digest { found, .. }) if found == small().digest())
        );
    }

    #[test]
    fn unfilled_tensors_make_no_model() {
        let short = one("w", &[3], TensorData::F32(vec![1.0, 2.0]));
        let refused = Model::new(0, short);
        assert_eq!(
            refused,
            Err(Mismatch::Values {
                tensor: "w".to_owned(),
                found: 2,
                wanted: 3
            })
        );
    }

    fn small() -> Model {
        let mut tensors = one("b", &[2], TensorData::F64(vec![0.5, -1.0]));
        tensors.append(&mut one("a", &[2, 1], TensorData::F32(vec![1.0, 2.0])));
        Model::new(7, tensors).unwrap()
    }

    fn one(name: &str, shape: &[u64], data: TensorData) -> Tensors {
        Tensors::from([(
            name.to_owned(),
            Tensor {
                shape: shape.to_vec(),
                data,
            },
        )])
    }
}
