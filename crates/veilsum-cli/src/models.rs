//! The models a member keeps, so that the next one may come as a delta. Not a cache of results, and no secret: every member of the task
//! has the same bytes.

use crate::files::{self, Existing, Readers};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use veilsum_client::{Failure, ModelStore};
use veilsum_learn::{Model, Sync};
use veilsum_proto::ids::{ModelDigest, TaskDigest};

/// A folder with the last model of each task.
#[derive(Debug)]
pub struct ModelFolder {
    folder: PathBuf,
    /// Digests of files that were read or written.
    known: BTreeMap<TaskDigest, ModelDigest>,
}

impl ModelFolder {
    /// The folder beside a ledger: its path with `.models` appended. It is made with the first model.
    pub fn beside(ledger: &Path) -> Self {
        let mut folder = ledger.as_os_str().to_owned();
        folder.push(".models");
        Self {
            folder: folder.into(),
            known: BTreeMap::new(),
        }
    }

    fn path(&self, task: &TaskDigest) -> PathBuf {
        self.folder.join(format!("{task}.{MODEL}"))
    }

    /// Removes the files with this extension that were written longest ago, of all beyond so many.
    fn forget_old(&self, extension: &str, most: usize) {
        let mut files = self.files(extension);
        files.sort();
        let surplus = files.len().saturating_sub(most);
        for (_, path) in files.into_iter().take(surplus) {
            remove(&path);
        }
    }

    /// Removes what has come of models of a task, but for one file.
    fn forget_parts(&self, task: &TaskDigest, but: Option<&Path>) {
        let of_task = format!("{task}.");
        for (_, path) in self.files(PART) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&of_task) && but != Some(path.as_path()) {
                remove(&path);
            }
        }
    }

    fn files(&self, extension: &str) -> Vec<(SystemTime, PathBuf)> {
        let Ok(files) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let files = files.filter_map(|file| {
            let file = file.ok()?;
            let path = file.path();
            path.extension().filter(|found| *found == extension)?;
            let time = file.metadata().and_then(|known| known.modified());
            Some((time.unwrap_or(SystemTime::UNIX_EPOCH), path))
        });
        files.collect()
    }

    /// Makes the file of a model on its way, unless it is there.
    fn begin(&self, path: &Path) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut options = fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.append(true).create(true).open(path).map(drop)
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "old model cannot be removed");
    }
}

impl ModelStore for ModelFolder {
    fn have(&mut self, task: &TaskDigest) -> Option<ModelDigest> {
        if let Some(digest) = self.known.get(task) {
            return Some(*digest);
        }
        let model = self.load(task).ok()?;
        let digest = ModelDigest(Sha256::digest(&model).into());
        self.known.insert(*task, digest);
        Some(digest)
    }

    fn load(&mut self, task: &TaskDigest) -> Result<Bytes, Failure> {
        Ok(fs::read(self.path(task))?.into())
    }

    // spec: [sync.end]
    fn rebuild(&mut self, task: &TaskDigest, delta: &[u8]) -> Result<Bytes, Failure> {
        let have = Model::from_bytes(&self.load(task)?)?;
        let next = Sync::from_bytes(delta.to_vec()).follow(Some(&have))?;
        Ok(next.to_bytes()?.into())
    }

    // spec: [sync.keep]
    fn keep(
        &mut self,
        task: &TaskDigest,
        digest: ModelDigest,
        model: &Bytes,
    ) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder)?;
        self.known.remove(task);
        let path = self.path(task);
        files::write(&path, model, Readers::Owner, Existing::Replace)
            .map_err(|failure| failure.to_string())?;
        self.known.insert(*task, digest);
        self.forget_parts(task, None);
        self.forget_old(MODEL, MODELS);
        Ok(())
    }

    // spec: [sync.part]
    fn part(&mut self, task: &TaskDigest, model: ModelDigest) -> Option<PathBuf> {
        let path = self.folder.join(format!("{task}.{model}.{PART}"));
        self.forget_parts(task, Some(&path));
        match self.begin(&path) {
            Ok(()) => {
                self.forget_old(PART, PARTS);
                Some(path)
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a model on its way is not kept");
                None
            }
        }
    }
}

/// Models kept, one for each task.
const MODELS: usize = 16;

/// Extension of their files.
const MODEL: &str = "model";

/// Models on their way whose start is kept.
const PARTS: usize = 4;

/// Extension of their files.
const PART: &str = "part";

#[cfg(test)]
pub(crate) mod examples {
    use veilsum_encode::{Tensor, TensorData, Tensors};
    use veilsum_learn::Model;

    /// A model whose values move a little with each version, so that deltas are shorter than it.
    pub(crate) fn model(version: u64) -> Model {
        let values = (0..500).map(|index| index as f32 + version as f32 / 1024.0);
        let data = TensorData::F32(values.collect());
        let tensor = Tensor {
            shape: vec![500],
            data,
        };
        Model::new(version, Tensors::from([("w".to_owned(), tensor)])).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::examples::model;
    use super::*;
    use veilsum_learn::History;

    fn bytes(version: u64) -> Bytes {
        model(version).to_bytes().unwrap().into()
    }

    fn digest(bytes: &[u8]) -> ModelDigest {
        ModelDigest(Sha256::digest(bytes).into())
    }

    const TASK: TaskDigest = TaskDigest([1; 32]);

    fn keep(folder: &mut ModelFolder, task: TaskDigest, model: &Bytes) {
        folder.keep(&task, digest(model), model).unwrap();
    }

    // spec: [sync.keep] [sync.end]
    #[test]
    fn a_model_outlives_the_process_and_a_delta_leads_on_from_it() {
        let place = tempfile::tempdir().unwrap();
        let ledger = place.path().join("alice.ledger");
        let mut folder = ModelFolder::beside(&ledger);
        assert_eq!(folder.have(&TASK), None);
        keep(&mut folder, TASK, &bytes(0));

        let mut folder = ModelFolder::beside(&ledger);
        assert_eq!(folder.have(&TASK), Some(digest(&bytes(0))));
        assert_eq!(folder.have(&TaskDigest([2; 32])), None);
        let mut history = History::new(model(0), 9).unwrap();
        (1..=5).for_each(|version| history.push(model(version)).unwrap());
        let delta = history.deltas(model(0).id()).unwrap().unwrap();
        assert_eq!(folder.rebuild(&TASK, &delta).unwrap(), bytes(5));
        keep(&mut folder, TASK, &bytes(5));
        assert_eq!(folder.load(&TASK).unwrap(), bytes(5));
        assert!(folder.rebuild(&TASK, &delta).is_err(), "from another model");
        assert!(folder.rebuild(&TASK, b"").is_err());
    }

    #[test]
    fn a_damaged_file_is_of_another_digest_and_leads_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let ledger = place.path().join("alice.ledger");
        keep(&mut ModelFolder::beside(&ledger), TASK, &bytes(0));
        let mut folder = ModelFolder::beside(&ledger);
        fs::write(folder.path(&TASK), "damaged").unwrap();
        assert_eq!(folder.have(&TASK), Some(digest(b"damaged")));
        assert!(folder.rebuild(&TASK, b"any").is_err());
    }

    // spec: [sync.part]
    #[test]
    fn what_has_come_of_a_model_outlives_the_process_until_the_model_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let ledger = place.path().join("alice.ledger");
        let (first, second) = (ModelDigest([1; 32]), ModelDigest([2; 32]));
        let path = ModelFolder::beside(&ledger).part(&TASK, first).unwrap();
        fs::write(&path, "the start").unwrap();

        let mut folder = ModelFolder::beside(&ledger);
        assert_eq!(folder.part(&TASK, first), Some(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), b"the start");
        let other = folder.part(&TASK, second).unwrap();
        assert!(!path.exists(), "of a model that is not wanted any more");
        assert_eq!(fs::read(&other).unwrap(), b"");
        keep(&mut folder, TaskDigest([9; 32]), &bytes(0));
        assert!(other.exists());
        keep(&mut folder, TASK, &bytes(0));
        assert!(!other.exists());
    }

    // spec: [sync.part]
    #[test]
    fn models_on_their_way_do_not_fill_the_disk() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = ModelFolder::beside(&place.path().join("alice.ledger"));
        for task in 0..20 {
            let path = folder.part(&TaskDigest([task; 32]), ModelDigest([task; 32]));
            assert!(path.unwrap().exists());
        }
        assert_eq!(fs::read_dir(&folder.folder).unwrap().count(), PARTS);
    }

    #[test]
    fn models_of_many_tasks_do_not_fill_the_disk() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = ModelFolder::beside(&place.path().join("alice.ledger"));
        for task in 0..20 {
            keep(&mut folder, TaskDigest([task; 32]), &bytes(0));
        }
        assert_eq!(fs::read_dir(&folder.folder).unwrap().count(), MODELS);
        assert!(folder.load(&TaskDigest([19; 32])).is_ok());
    }
}
