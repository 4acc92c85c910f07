//! The newest version of a task's model and the last steps to it, in memory and on disk. Not the learner, which makes the versions.

use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use veilsum_learn::{Delta, DeltaError, History, Model, ModelId};
use veilsum_server::ModelDeltas;

/// What members are brought up to date from.
///
/// The steps lie in files of their own, so that a coordinator that starts again still has deltas for members of before.
#[derive(Debug)]
pub(super) struct Versions {
    known: Arc<RwLock<Known>>,
    folder: PathBuf,
}

#[derive(Debug)]
struct Known {
    history: History,
    newest: Blob,
    /// Blob digests of the models that a delta can lead from, oldest first.
    earlier: VecDeque<([u8; 32], ModelId)>,
}

/// A model as it travels.
#[derive(Debug, Clone)]
struct Blob {
    bytes: Bytes,
    digest: [u8; 32],
}

impl Versions {
    /// Goes on with `model`, and with the steps in `folder` as far as they lead to it.
    pub(super) fn open(model: Model, folder: PathBuf) -> Result<Self, Failure> {
        let steps = read_steps(&folder, model.version());
        let newest = Blob::of(&model)?;
        let mut earlier = VecDeque::new();
        let history = History::resume(model, steps, STEPS, |model| {
            if let Ok(blob) = Blob::of(model) {
                earlier.push_front((blob.digest, model.id()));
            }
        });
        let known = Known {
            history: history.map_err(Failure::failed)?,
            newest,
            earlier,
        };
        Ok(Self {
            known: Arc::new(RwLock::new(known)),
            folder,
        })
    }

    /// Goes on to the next version; the newest once more changes nothing. A step that cannot be written is told in the log and
    /// costs members of before a restart whole models.
    pub(super) fn push(&self, next: Model) -> Result<(), Failure> {
        let newest = Blob::of(&next)?;
        let mut known = self.write();
        if known.newest.digest == newest.digest {
            return Ok(());
        }
        let last = (known.newest.digest, known.history.newest().id());
        match known.history.push(next.clone()) {
            Ok(()) => known.earlier.push_back(last),
            // not the next one: no delta leads to it
            Err(DeltaError::Version { .. }) => {
                known.history = History::new(next, STEPS).map_err(Failure::failed)?;
            }
            Err(error) => return Err(Failure::failed(error)),
        }
        known.newest = newest;
        while known.earlier.len() > known.history.reach() {
            known.earlier.pop_front();
        }
        let step = known.history.last_step().cloned();
        drop(known);
        if let Err(failure) = self.keep(step.as_ref()) {
            tracing::warn!(%failure, "step between two models is not kept");
        }
        Ok(())
    }

    /// The newest model, as members get it.
    pub(super) fn bytes(&self) -> Bytes {
        self.read().newest.bytes.clone()
    }

    /// Looks at the newest model.
    pub(super) fn newest<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(self.read().history.newest())
    }

    /// What answers members that have an earlier version.
    pub(super) fn deltas(&self) -> Arc<dyn ModelDeltas> {
        Arc::new(Deltas(self.known.clone()))
    }

    /// Writes the newest step and removes those that are too old.
    fn keep(&self, step: Option<&Delta>) -> Result<(), Failure> {
        let kept = steps_in(&self.folder);
        if let Some(step) = step {
            let folder = |error| Failure::io(&self.folder, &error);
            fs::create_dir_all(&self.folder).map_err(folder)?;
            let path = self.folder.join(format!("{}.{STEP}", step.end().version));
            files::write(&path, &step.to_bytes(), Readers::Owner, Existing::Replace)?;
        }
        let newest = self.newest(Model::version);
        let oldest = newest.saturating_sub(STEPS as u64);
        let useless = |version: u64| version <= oldest || version > newest;
        for (_, path) in kept.into_iter().filter(|(version, _)| useless(*version)) {
            fs::remove_file(&path).map_err(|error| Failure::io(&path, &error))?;
        }
        Ok(())
    }

    // a reader or writer that panics leaves a history that is whole or is replaced
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Deltas(Arc<RwLock<Known>>);

impl ModelDeltas for Deltas {
    // spec: [sync.choice] [sync.bounded]
    fn delta(&self, from: &[u8; 32], to: &[u8; 32]) -> Option<Bytes> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.newest.digest != *to {
            return None;
        }
        let (_, from) = known.earlier.iter().find(|(digest, _)| digest == from)?;
        known.history.deltas(*from).ok().flatten().map(Bytes::from)
    }
}

impl Blob {
    fn of(model: &Model) -> Result<Self, Failure> {
        let bytes = model.to_bytes().map_err(Failure::failed)?;
        Ok(Self {
            digest: Sha256::digest(&bytes).into(),
            bytes: bytes.into(),
        })
    }
}

/// Steps to versions up to `newest`, oldest first; what cannot be read is left out.
fn read_steps(folder: &Path, newest: u64) -> Vec<Delta> {
    let files = steps_in(folder).into_iter();
    let recent = files.filter(|(version, _)| *version <= newest).rev();
    let mut steps = recent
        .take(STEPS)
        .map_while(|(version, path)| {
            let step = Delta::from_bytes(&fs::read(path).ok()?)?;
            (step.end().version == version).then_some(step)
        })
        .collect::<Vec<_>>();
    steps.reverse();
    steps
}

/// Files of steps, by the version they lead to.
fn steps_in(folder: &Path) -> BTreeMap<u64, PathBuf> {
    let Ok(files) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let steps = paths.filter_map(|path| {
        path.extension().filter(|extension| *extension == STEP)?;
        Some((path.file_stem()?.to_str()?.parse().ok()?, path))
    });
    steps.collect()
}

/// Steps kept: members that were away for so many rounds get a delta. In memory, each costs about two thirds of the model.
const STEPS: usize = 8;

/// Extension of their files.
const STEP: &str = "delta";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::examples::model;
    use veilsum_learn::Sync;

    fn digest(version: u64) -> [u8; 32] {
        Blob::of(&model(version)).unwrap().digest
    }

    /// Whether a member that has `have` is led to `newest`, and to nothing else.
    fn leads(versions: &Versions, have: u64, newest: u64) -> bool {
        let Some(delta) = versions.deltas().delta(&digest(have), &digest(newest)) else {
            return false;
        };
        let followed = Sync::from_bytes(delta.to_vec()).follow(Some(&model(have)));
        assert_eq!(followed.unwrap(), model(newest));
        true
    }

    // spec: [sync.choice] [sync.bounded]
    #[test]
    fn members_up_to_eight_versions_behind_get_a_delta_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let steps = folder.path().join("steps");
        let versions = Versions::open(model(0), steps.clone()).unwrap();
        for version in 1..=12 {
            versions.push(model(version)).unwrap();
        }
        let again = Versions::open(model(12), steps.clone()).unwrap();
        for versions in [&versions, &again] {
            for have in 0..12 {
                assert_eq!(leads(versions, have, 12), have >= 4, "{have}");
            }
            assert!(versions.deltas().delta(&[7; 32], &digest(12)).is_none());
            assert!(versions.deltas().delta(&digest(10), &digest(11)).is_none());
        }
        assert_eq!(steps_in(&steps).len(), 8);
        again.push(model(13)).unwrap();
        assert!(leads(&again, 5, 13) && !leads(&again, 4, 13));
        assert_eq!(again.bytes(), model(13).to_bytes().unwrap());
    }

    #[test]
    fn steps_that_are_damaged_missing_or_of_another_model_lead_nobody_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let steps = folder.path().to_owned();
        let versions = Versions::open(model(0), steps.clone()).unwrap();
        for version in 1..=6 {
            versions.push(model(version)).unwrap();
        }
        fs::write(steps.join("3.delta"), "damaged").unwrap();
        fs::write(steps.join("notes.txt"), "of the operator").unwrap();
        let again = Versions::open(model(6), steps.clone()).unwrap();
        assert!(leads(&again, 3, 6) && !leads(&again, 2, 6));
        // the file of the model is one version behind, as after a crash between the two
        let behind = Versions::open(model(5), steps.clone()).unwrap();
        assert!(leads(&behind, 3, 5));
        behind.push(model(6)).unwrap();
        assert!(leads(&behind, 3, 6));
        let afresh = Versions::open(model(0), steps.clone()).unwrap();
        afresh.push(model(1)).unwrap();
        assert!(leads(&afresh, 0, 1));
        assert_eq!(steps_in(&steps).len(), 1, "what leads nowhere is removed");
        afresh.push(model(1)).unwrap();
        assert!(leads(&afresh, 0, 1), "nothing has changed");
        // a version that does not follow starts anew
        afresh.push(model(4)).unwrap();
        assert!(!leads(&afresh, 1, 4));
    }
}
