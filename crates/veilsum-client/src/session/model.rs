//! A model comes: the one that is kept, one made of it and a delta, or a whole one. Not a reader of deltas, which are the
//! store's business: here every model is held against the digest that Open names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use veilsum_proto::ids::{ModelDigest, TaskDigest};
use veilsum_quic::{Connection, FetchError, PartialBlob, PartialSync, Synced};

use super::watcher::Watcher;
use crate::{Failure, ModelBy, ModelStore};

/// A handle to the store.
#[derive(Clone)]
pub(crate) struct Models(Arc<Mutex<Box<dyn ModelStore>>>);

/// A model on its way, over as many lines as it takes.
pub(super) struct Incoming {
    wanted: ModelDigest,
    /// Nothing before the store was asked.
    sync: Option<Box<PartialSync>>,
    /// The file that the whole model is collected in, where the store has one for it.
    part: Option<PathBuf>,
    /// Bytes taken from the network that led nowhere.
    wasted: u64,
    /// Fetches that broke off while their line lived.
    pub(super) breaks: u32,
}

/// A model that is here, its digest verified.
pub(super) struct Arrived {
    pub(super) model: Bytes,
    pub(super) by: ModelBy,
    pub(super) fetched: u64,
}

/// Whose model comes, and on what terms.
pub(super) struct Bringer {
    pub(super) task: TaskDigest,
    pub(super) models: Models,
    pub(super) watcher: Watcher,
    /// Most bytes of a model.
    pub(super) most: u64,
}

enum Start {
    /// The model was here all the time.
    Kept(Bytes),
    Fetch(Box<PartialSync>, Option<PathBuf>),
}

/// Why what was made out of a delta is not the model.
#[derive(Debug, thiserror::Error)]
enum NoModel {
    #[error("delta leads nowhere: {0}")]
    Store(Failure),
    #[error("delta leads to {found} bytes, wanted at most {wanted}")]
    TooLarge { found: u64, wanted: u64 },
    #[error("model has digest {}, wanted {}", hex::encode(.found), hex::encode(.wanted))]
    Digest { found: [u8; 32], wanted: [u8; 32] },
    #[error("file of a model on its way: {0}")]
    Part(std::io::Error),
    #[error("store has panicked")]
    Panicked,
}

impl Incoming {
    pub(super) fn new(wanted: ModelDigest) -> Self {
        Self {
            wanted,
            sync: None,
            part: None,
            wasted: 0,
            breaks: 0,
        }
    }

    /// Brings the model as far as the line carries. What has come is kept for the next call.
    // spec: [model.delta] [blob.delta.verify]
    pub(super) async fn bring(
        &mut self,
        connection: &Connection,
        of: &Bringer,
    ) -> Result<Arrived, FetchError> {
        if self.sync.is_none() {
            match of.start(self.wanted).await {
                Start::Kept(model) => return Ok(Arrived::new(model, ModelBy::Kept, 0)),
                Start::Fetch(sync, part) => (self.sync, self.part) = (Some(sync), part),
            }
        }
        loop {
            let in_memory = || {
                Box::new(PartialSync::new(
                    PartialBlob::in_memory(self.wanted.0),
                    None,
                ))
            };
            let sync = self.sync.get_or_insert_with(in_memory);
            // a coordinator that is stuck over a delta may have the model all the same
            if self.breaks >= MOST_BREAKS_OF_A_DELTA {
                sync.refuse_delta();
            }
            match connection.sync(sync, of.most).await {
                Ok(Synced::Whole) => {
                    let fetched = sync.downloaded().saturating_add(self.wasted);
                    let model = match &self.part {
                        // it is whole and in memory
                        None => {
                            let sync = self.sync.take();
                            let model = sync.and_then(|sync| sync.into_whole().into_bytes());
                            model.ok_or(FetchError::Malformed { offset: fetched })?
                        }
                        Some(part) => match of.read(part, self.wanted).await {
                            Ok(model) => model,
                            Err(error) => {
                                of.watcher.refused("model_part", &error);
                                self.without_part().await;
                                continue;
                            }
                        },
                    };
                    of.keep(self.wanted, &model).await;
                    return Ok(Arrived::new(model, ModelBy::Full, fetched));
                }
                Ok(Synced::Delta) => {
                    let delta = sync.take_delta().unwrap_or_default();
                    match of.rebuild(delta, self.wanted).await {
                        Ok(model) => {
                            let fetched = sync.downloaded().saturating_add(self.wasted);
                            return Ok(Arrived::new(model, ModelBy::Delta, fetched));
                        }
                        Err(error) => of.watcher.refused("model_delta", &error),
                    }
                }
                Err(error) if is_final(&error) && sync.may_be_delta() => {
                    if sync.delta().is_some() {
                        of.watcher.refused("model_delta", &error);
                    }
                    sync.refuse_delta();
                }
                // an earlier process, or the disk, may be to blame: the model is fetched anew, in memory
                Err(error) if is_final(&error) && self.part.is_some() => {
                    of.watcher.refused("model_part", &error);
                    self.without_part().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Throws away what has come, and the file that it came to.
    // spec: [sync.part]
    async fn without_part(&mut self) {
        if let Some(sync) = self.sync.take() {
            self.wasted = self.wasted.saturating_add(sync.downloaded());
        }
        if let Some(part) = self.part.take() {
            forget(&part).await;
        }
    }
}

impl Arrived {
    fn new(model: Bytes, by: ModelBy, fetched: u64) -> Self {
        Self { model, by, fetched }
    }
}

impl Bringer {
    async fn start(&self, wanted: ModelDigest) -> Start {
        let (task, most) = (self.task, self.most);
        let asked = self.models.ask(move |store| {
            let have = match store.have(&task) {
                Some(have) if have == wanted => {
                    // one that is damaged is not named: no delta leads from it to itself
                    let model = store.load(&task).ok();
                    match model.filter(|model| check(model, wanted, most).is_ok()) {
                        Some(model) => return Ok(model),
                        None => None,
                    }
                }
                have => have,
            };
            Err((have, store.part(&task, wanted)))
        });
        let (have, part) = match asked.await {
            Some(Ok(model)) => return Start::Kept(model),
            Some(Err(found)) => found,
            None => (None, None),
        };
        let (whole, part) = match part {
            Some(part) => self.part(part, wanted).await,
            None => (PartialBlob::in_memory(wanted.0), None),
        };
        let sync = PartialSync::new(whole, have.map(|have| have.0));
        Start::Fetch(Box::new(sync), part)
    }

    /// Goes on with what a file holds; in memory where that cannot be.
    // spec: [sync.part]
    async fn part(&self, path: PathBuf, wanted: ModelDigest) -> (PartialBlob, Option<PathBuf>) {
        let found = tokio::fs::metadata(&path).await;
        if found.is_ok_and(|found| found.len() > self.most) {
            forget(&path).await;
        }
        match PartialBlob::in_file(wanted.0, &path).await {
            Ok(whole) => (whole, Some(path)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a model on its way is not kept on disk");
                (PartialBlob::in_memory(wanted.0), None)
            }
        }
    }

    /// The model in a file that holds all of it.
    // spec: [model.verify]
    async fn read(&self, path: &Path, wanted: ModelDigest) -> Result<Bytes, NoModel> {
        let (path, most) = (path.to_path_buf(), self.most);
        let read = spawn_blocking(move || {
            let model: Bytes = std::fs::read(&path).map_err(NoModel::Part)?.into();
            check(&model, wanted, most)?;
            Ok(model)
        });
        read.await.unwrap_or(Err(NoModel::Panicked))
    }

    // spec: [model.verify] [sync.end]
    async fn rebuild(&self, delta: Bytes, wanted: ModelDigest) -> Result<Bytes, NoModel> {
        let (task, most) = (self.task, self.most);
        let rebuilt = self.models.ask(move |store| {
            let model = store.rebuild(&task, &delta).map_err(NoModel::Store)?;
            check(&model, wanted, most)?;
            keep(store, &task, wanted, &model);
            Ok(model)
        });
        rebuilt.await.unwrap_or(Err(NoModel::Panicked))
    }

    async fn keep(&self, wanted: ModelDigest, model: &Bytes) {
        let (task, model) = (self.task, model.clone());
        let kept = self
            .models
            .ask(move |store| keep(store, &task, wanted, &model));
        // a store that has panicked keeps nothing
        let _ = kept.await;
    }
}

impl Models {
    pub(crate) fn new(store: Box<dyn ModelStore>) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    /// Asks the store on a thread that may block; `None` if it panics.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn ModelStore) -> T + Send + 'static,
    ) -> Option<T> {
        let store = self.0.clone();
        let asked = spawn_blocking(move || {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            ask(store.as_mut())
        });
        asked.await.ok()
    }
}

fn keep(store: &mut dyn ModelStore, task: &TaskDigest, digest: ModelDigest, model: &Bytes) {
    if let Err(error) = store.keep(task, digest, model) {
        tracing::warn!(%task, %error, "model cannot be kept, the next one may come whole");
    }
}

/// Removes the file of a model on its way.
async fn forget(part: &Path) {
    if let Err(error) = tokio::fs::remove_file(part).await {
        tracing::warn!(path = %part.display(), %error, "a file of no use cannot be removed");
    }
}

fn check(model: &[u8], wanted: ModelDigest, most: u64) -> Result<(), NoModel> {
    let found = u64::try_from(model.len()).unwrap_or(u64::MAX);
    if found > most {
        return Err(NoModel::TooLarge {
            found,
            wanted: most,
        });
    }
    match Sha256::digest(model).into() {
        found if found == wanted.0 => Ok(()),
        found => Err(NoModel::Digest {
            found,
            wanted: wanted.0,
        }),
    }
}

/// Whether another try at the same would end the same way.
pub(super) fn is_final(error: &FetchError) -> bool {
    match error {
        FetchError::Closed(_) | FetchError::BrokenOff { .. } | FetchError::Stalled { .. } => false,
        FetchError::LengthChanged { .. }
        | FetchError::Unknown { .. }
        | FetchError::TooLarge { .. }
        | FetchError::WrongDigest { .. }
        | FetchError::Malformed { .. }
        | FetchError::Disk(_) => true,
    }
}

/// After so many breaks over a living line the model is fetched whole.
const MOST_BREAKS_OF_A_DELTA: u32 = 4;
