//! Not an approximation and not a patch format for files: the exact difference between two models of the same form.
//!
//! A [`Delta`] leads from one version of a model to a later one, bit for bit. It is the difference of the bit patterns (not of the
//! numbers, whose difference is rounded), cut into planes of bytes of the same significance and compressed with DEFLATE:
//! values that moved little share their high bytes, so these planes are nearly all zero. [`History`] keeps the last steps
//! at the coordinator and answers members with deltas or with the whole model, as a [`Sync`].
//!
//! The low bits of each value change at random and do not compress: a delta of `f32` weights after a usual round has about two
//! thirds of the size of the model. It falls with the step, and to nearly nothing where few values move, as in rounds with a
//! [subset](crate::subset) of the coordinates. Differences of consecutive steps add up, so [`Delta::then`] merges steps without any
//! model at hand, and a member that was away for five rounds gets one delta of the usual size instead of five.
//!
//! Bytes: `spec/learning.md`, section 3.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod history;
mod planes;

use thiserror::Error;
use veilsum_encode::Tensors;

use crate::bytes::{Reader, put_sized};
use crate::files::SafetensorsError;
use crate::model::{Model, ModelDigest, ModelError, ModelId};
use crate::tensors::{Mismatch, require_same_form};

pub use history::{History, Sync};
use planes::Differences;

/// The step from one version of a model to a later one, compressed without loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    from: ModelId,
    to: ModelId,
    packed: Vec<u8>,
}

/// Why a delta cannot be made or applied, or a member cannot be brought up to date.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The two models differ in names, types or shapes.
    #[error(transparent)]
    Form(#[from] Mismatch),
    /// Whole model: not one, or not the one wanted.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model whose names and shapes fit no header.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// The later model is not a later version, or not the next one where that is wanted.
    #[error("found version {found}, wanted one that follows version {before}")]
    Version {
        /// Version of the earlier model.
        before: u64,
        /// Version found for the later one.
        found: u64,
    },
    /// The delta starts from another model.
    #[error("delta starts from {wanted}, found {found}")]
    Base {
        /// The model at hand.
        found: ModelId,
        /// The model that the delta starts from.
        wanted: ModelId,
    },
    /// The steps end at another model than the one wanted.
    #[error("steps end at {found}, wanted {wanted}")]
    End {
        /// Where the steps end.
        found: ModelId,
        /// The model wanted.
        wanted: ModelId,
    },
    /// Deltas for a member that has no model.
    #[error("found deltas, wanted a whole model, as there is none to start from")]
    NoBase,
    /// Bytes that do not decompress to exactly the values of the model.
    #[error("delta from version {from} does not unpack to the {wanted} bytes of the model")]
    Packed {
        /// Version that it starts from.
        from: u64,
        /// Bytes of all values of the model.
        wanted: usize,
    },
    /// A list of more deltas than one may have.
    #[error("found a list of more than {wanted} deltas, wanted at most so many or the whole model")]
    Steps {
        /// The most.
        wanted: usize,
    },
    /// Bytes that are no list of deltas.
    #[error("found bytes that are no list of deltas")]
    Syntax,
}

impl Delta {
    /// The step from `before` to `after`.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Form`] if the models differ in names, types or shapes, [`DeltaError::Version`] if `after` is not a later
    /// version than `before`.
    pub fn between(before: &Model, after: &Model) -> Result<Self, DeltaError> {
        // spec: [delta.step]
        require_later(before.id(), after.id())?;
        require_same_form(after.tensors(), before.tensors())?;
        let differences = Differences::between(before.tensors(), after.tensors());
        Ok(Self {
            from: before.id(),
            to: after.id(),
            packed: differences.pack(before.tensors()),
        })
    }

    /// This step and a later one that starts where it ends, as one; both are about models of the form of `like`, whose values are
    /// not used.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Base`] if `later` starts elsewhere, [`DeltaError::Packed`] if `like` has another form.
    pub fn then(&self, later: &Self, like: &Tensors) -> Result<Self, DeltaError> {
        later.require_start(self.to)?;
        merge([self, later], like).map(|merged| merged.unwrap_or_else(|| self.clone()))
    }

    /// The later version, checked by its digest.
    ///
    /// Safe for deltas from a peer: memory in proportion to `before`, whatever the delta would unpack to.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Base`] if the delta starts elsewhere, [`DeltaError::Packed`], [`DeltaError::Model`] if the result does not have
    /// the digest that the delta names.
    pub fn apply(&self, before: &Model) -> Result<Model, DeltaError> {
        // spec: [delta.base]
        self.require_start(before.id())?;
        let tensors = self.differences(before.tensors())?.apply(before.tensors());
        let after = Model::new(self.to.version, tensors)?;
        // spec: [delta.verify]
        after.require_digest(self.to.digest)?;
        Ok(after)
    }

    /// The earlier version, checked by its digest: what [`Delta::apply`] made `after` of.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Base`] if the delta ends elsewhere, [`DeltaError::Packed`], [`DeltaError::Model`] if the result does not have
    /// the digest that the delta starts from.
    pub fn undo(&self, after: &Model) -> Result<Model, DeltaError> {
        if after.id() != self.to {
            return Err(DeltaError::Base {
                found: after.id(),
                wanted: self.to,
            });
        }
        let differences = self.differences(after.tensors())?.reversed();
        let before = Model::new(self.from.version, differences.apply(after.tensors()))?;
        before.require_digest(self.from.digest)?;
        Ok(before)
    }

    /// As a list of deltas with one step.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self.from, [self])
    }

    /// Reads what [`Delta::to_bytes`] wrote; `None` for anything else. Safe for any bytes; what it leads to is seen when it is applied.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (_, steps) = from_bytes(bytes).ok()?;
        let [step] = <[Self; 1]>::try_from(steps).ok()?;
        Some(step)
    }

    /// The model it starts from.
    pub fn start(&self) -> ModelId {
        self.from
    }

    /// The model it leads to.
    pub fn end(&self) -> ModelId {
        self.to
    }

    /// Bytes of the compressed differences.
    pub fn packed_len(&self) -> usize {
        self.packed.len()
    }

    fn require_start(&self, found: ModelId) -> Result<(), DeltaError> {
        if self.from == found {
            return Ok(());
        }
        Err(DeltaError::Base {
            found,
            wanted: self.from,
        })
    }

    fn differences(&self, like: &Tensors) -> Result<Differences, DeltaError> {
        Differences::unpack(like, &self.packed).ok_or_else(|| DeltaError::Packed {
            from: self.from.version,
            wanted: planes::size(like),
        })
    }
}

/// All steps as one, packed once; `None` without a step. Each starts where the one before ends, and all are about models of the
/// form of `like`.
fn merge<'a>(
    steps: impl IntoIterator<Item = &'a Delta>,
    like: &Tensors,
) -> Result<Option<Delta>, DeltaError> {
    let mut steps = steps.into_iter();
    let Some(first) = steps.next() else {
        return Ok(None);
    };
    let mut sum: Option<Differences> = None;
    let mut end = first.to;
    for step in steps {
        step.require_start(end)?;
        let mut differences = match sum {
            Some(differences) => differences,
            None => first.differences(like)?,
        };
        // spec: [delta.merge]
        differences.add(&step.differences(like)?);
        (sum, end) = (Some(differences), step.to);
    }
    let packed = match sum {
        Some(differences) => differences.pack(like),
        None => first.packed.clone(),
    };
    Ok(Some(Delta {
        from: first.from,
        to: end,
        packed,
    }))
}

fn require_later(before: ModelId, after: ModelId) -> Result<(), DeltaError> {
    if after.version > before.version {
        return Ok(());
    }
    Err(DeltaError::Version {
        before: before.version,
        found: after.version,
    })
}

/// Deltas, each starting where the one before ends, as bytes; the model that they start from is named also if there are none.
fn to_bytes<'a>(from: ModelId, steps: impl IntoIterator<Item = &'a Delta>) -> Vec<u8> {
    let mut out = LABEL.to_vec();
    put_id(&mut out, from);
    for step in steps {
        put_id(&mut out, step.to);
        put_sized(&mut out, &step.packed);
    }
    out
}

fn put_id(out: &mut Vec<u8>, id: ModelId) {
    out.extend_from_slice(&id.version.to_le_bytes());
    out.extend_from_slice(&id.digest.0);
}

/// Reads what [`to_bytes`] wrote. What the deltas unpack to is not looked at.
// spec: [delta.bytes]
fn from_bytes(bytes: &[u8]) -> Result<(ModelId, Vec<Delta>), DeltaError> {
    let mut reader = Reader::new(bytes);
    let start = read_start(&mut reader).ok_or(DeltaError::Syntax)?;
    let (mut from, mut steps) = (start, Vec::new());
    while !reader.is_empty() {
        // Each step costs time in proportion to the model, however short it is.
        // spec: [delta.count]
        if steps.len() == MAX_STEPS {
            return Err(DeltaError::Steps { wanted: MAX_STEPS });
        }
        let step = read_step(&mut reader, from).ok_or(DeltaError::Syntax)?;
        from = step.to;
        steps.push(step);
    }
    Ok((start, steps))
}

fn read_start(reader: &mut Reader<'_>) -> Option<ModelId> {
    reader.label(LABEL)?;
    read_id(reader)
}

fn read_step(reader: &mut Reader<'_>, from: ModelId) -> Option<Delta> {
    let step = Delta {
        from,
        to: read_id(reader)?,
        packed: reader.sized()?.to_vec(),
    };
    require_later(step.from, step.to).ok()?;
    Some(step)
}

fn read_id(reader: &mut Reader<'_>) -> Option<ModelId> {
    Some(ModelId {
        version: reader.u64()?,
        digest: ModelDigest(reader.array()?),
    })
}

/// Most deltas in a list.
pub const MAX_STEPS: usize = 64;

const LABEL: &[u8] = b"veilsum/v1 deltas\0";

#[cfg(test)]
mod tests;
