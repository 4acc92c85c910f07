//! Not a journal of rounds: everything a coordinator needs to go on learning after a restart, in one file.
//!
//! The file is replaced at once or not at all, and a changed byte is found by its digest. It holds no secret: the models are those that
//! the coordinator publishes. Bytes: `spec/learning.md`, section 6.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::adaptive::AdaptiveClip;
use crate::bytes::{Reader, put_sized};
use crate::files::write_atomic;
use crate::model::{Model, ModelError};
use crate::optimizer::{OptimizerError, ServerState};
use crate::progress::EarlyStop;
use crate::train::Evaluation;

/// State of learning between two rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Digest of the job that wrote it ([`Job::digest`](crate::Job::digest)).
    pub job: [u8; 32],
    /// Last round that is over, with a sum or without.
    pub round: u64,
    /// The newest model.
    pub model: Model,
    /// The server's optimiser.
    pub server: ServerState,
    /// The rule that stops training, if there is one.
    pub stop: Option<EarlyStop>,
    /// The best model so far and how well it did, if one is kept.
    pub best: Option<(Model, Evaluation)>,
    /// The clip of member-level privacy, if it adapts.
    pub clip: Option<AdaptiveClip>,
    /// Whether the model of the round is due to be judged at the members, and was not yet.
    pub owed: bool,
}

/// Why a checkpoint cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: {fault}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        fault: io::Error,
    },
    /// Bytes that were changed or cut.
    #[error("found bytes that are no checkpoint, or a damaged one")]
    Damaged,
    /// A model in it that is none.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An optimiser's state in it that is none.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
}

impl Checkpoint {
    /// Replaces the file at `path` by this checkpoint, at once or not at all.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`] with the path; an existing file is then as it was.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let bytes = self.to_bytes()?;
        // spec: [checkpoint.atomic]
        write_atomic(path, &bytes).map_err(|fault| at(path, fault))
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]: the file cannot be read, or its bytes are not those of a checkpoint.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&fs::read(path).map_err(|fault| at(path, fault))?)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Model`] or [`CheckpointError::Optimizer`] if names and shapes do not fit a header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let whole = |model: &Model| model.to_bytes().map_err(ModelError::from);
        let mut out = LABEL.to_vec();
        out.extend_from_slice(&self.job);
        out.extend_from_slice(&self.round.to_le_bytes());
        put_sized(&mut out, &whole(&self.model)?);
        put_sized(&mut out, &self.server.to_bytes()?);
        let stop = self.stop.map(EarlyStop::to_bytes);
        put_sized(&mut out, &stop.unwrap_or_default());
        let best = self.best.as_ref().map(|(model, found)| {
            let mut bytes = found.accuracy.to_le_bytes().to_vec();
            bytes.extend_from_slice(&found.loss.to_le_bytes());
            bytes.extend_from_slice(&whole(model)?);
            Ok::<_, CheckpointError>(bytes)
        });
        put_sized(&mut out, &best.transpose()?.unwrap_or_default());
        let clip = self.clip.map(AdaptiveClip::to_bytes);
        put_sized(&mut out, &clip.unwrap_or_default());
        out.extend(self.owed.then_some(OWED));
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        Ok(out)
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] for any other bytes.
    // spec: [checkpoint.bytes]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let Some((content, digest)) = bytes.split_last_chunk::<32>() else {
            return Err(CheckpointError::Damaged);
        };
        if Sha256::digest(content).as_slice() != digest {
            return Err(CheckpointError::Damaged);
        }
        let parts = parse(content).ok_or(CheckpointError::Damaged)?;
        let best = match parts.best {
            Some((found, model)) => Some((Model::from_bytes(model)?, found)),
            None => None,
        };
        Ok(Self {
            job: parts.job,
            round: parts.round,
            model: Model::from_bytes(parts.model)?,
            server: ServerState::from_bytes(parts.server)?,
            stop: parts.stop,
            best,
            clip: parts.clip,
            owed: parts.owed,
        })
    }
}

struct Parts<'a> {
    job: [u8; 32],
    round: u64,
    model: &'a [u8],
    server: &'a [u8],
    stop: Option<EarlyStop>,
    best: Option<(Evaluation, &'a [u8])>,
    clip: Option<AdaptiveClip>,
    owed: bool,
}

fn parse(content: &[u8]) -> Option<Parts<'_>> {
    let mut reader = Reader::new(content);
    reader.label(LABEL)?;
    let job = reader.array()?;
    let (round, model, server) = (reader.u64()?, reader.sized()?, reader.sized()?);
    let stop = match reader.sized()? {
        [] => None,
        part => Some(EarlyStop::from_bytes(part)?),
    };
    let best = match reader.sized()? {
        [] => None,
        part => Some(judged(part)?),
    };
    let clip = match reader.sized()? {
        [] => None,
        part => Some(AdaptiveClip::from_bytes(part)?),
    };
    let owed = !reader.is_empty();
    // a byte that says nothing is no second encoding of nothing owed
    let whole = !owed || (reader.byte()? == OWED && reader.is_empty());
    whole.then_some(Parts {
        job,
        round,
        model,
        server,
        stop,
        best,
        clip,
        owed,
    })
}

/// Evaluation and bytes of a model that was judged.
fn judged(part: &[u8]) -> Option<(Evaluation, &[u8])> {
    let (accuracy, rest) = part.split_first_chunk()?;
    let (loss, model) = rest.split_first_chunk()?;
    let evaluation = Evaluation {
        accuracy: f64::from_le_bytes(*accuracy),
        loss: f64::from_le_bytes(*loss),
    };
    Some((evaluation, model))
}

fn at(path: &Path, fault: io::Error) -> CheckpointError {
    CheckpointError::Io {
        path: path.to_owned(),
        fault,
    }
}

const LABEL: &[u8] = b"veilsum/v1 checkpoint\0";

/// Last byte before the digest where an evaluation is owed.
const OWED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptive::AdaptiveSettings;
    use crate::progress::Watch;
    use crate::{Network, RunSeed, ServerOptimizer};

    fn sample() -> Checkpoint {
        let network = Network::Mlp {
            inputs: 3,
            hidden: 2,
            classes: 2,
        };
        let first = Model::new(0, network.init(RunSeed(1))).unwrap();
        let adam = ServerOptimizer::Adam {
            beta1: 0.9,
            beta2: 0.99,
            tau: 1e-3,
        };
        let mut server = ServerState::new(adam, first.tensors()).unwrap();
        let model = server.step(&first, first.tensors(), 0.1).unwrap();
        let found = Evaluation {
            accuracy: 0.5,
            loss: 1.25,
        };
        Checkpoint {
            job: [7; 32],
            round: 1,
            model,
            server,
            stop: Some(EarlyStop::new(Watch::Loss, 3, 0.0).unwrap()),
            best: Some((first, found)),
            clip: Some(AdaptiveClip::new(AdaptiveSettings::MEDIAN, 0.5).unwrap()),
            owed: true,
        }
    }

    #[test]
    fn file_round_trips_and_training_goes_on_with_the_same_bits() {
        // spec: [checkpoint.atomic] [checkpoint.bytes]
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let mut sample = sample();
        for _ in 0..2 {
            sample.write(&path).unwrap();
            assert_eq!(Checkpoint::read(&path).unwrap(), sample);
            (sample.stop, sample.best, sample.clip) = (None, None, None);
            sample.owed = false;
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut resumed = Checkpoint::read(&path).unwrap();
        let mean = sample.model.tensors().clone();
        let wanted = sample.server.step(&sample.model, &mean, 0.1).unwrap();
        let found = resumed.server.step(&resumed.model, &mean, 0.1).unwrap();
        assert_eq!(found.id(), wanted.id());
        assert_eq!(resumed.server.digest(), sample.server.digest());
    }

    #[test]
    fn changed_cut_and_longer_bytes_are_refused() {
        // spec: [checkpoint.bytes]
        let bytes = sample().to_bytes().unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Checkpoint::from_bytes(&changed).is_err(), "byte {at}");
            assert!(Checkpoint::from_bytes(&bytes[..at]).is_err(), "{at} bytes");
        }
        assert!(Checkpoint::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        // a digest of other bytes about what is owed
        let content = &bytes[..bytes.len() - 32];
        for owed in [&[0][..], &[2], &[1, 1]] {
            let content = [&content[..content.len() - 1], owed].concat();
            let other = [&content[..], &Sha256::digest(&content)].concat();
            assert!(Checkpoint::from_bytes(&other).is_err(), "{owed:?}");
        }
    }

    #[test]
    fn missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Checkpoint::read(&folder.path().join("none")).unwrap_err();
        assert!(refused.to_string().contains("none"));
    }
}
