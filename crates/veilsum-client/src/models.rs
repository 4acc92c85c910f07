//! Not a judge of models: whether bytes are the model of a round is decided by their SHA-256 alone, whoever made them.

use std::path::PathBuf;

use bytes::Bytes;
use veilsum_proto::ids::{ModelDigest, TaskDigest};

use crate::Failure;

/// Where a member keeps the last model of each task, so that the next one may come as a delta, also after a restart.
///
/// All calls come from threads that may block, one after the other. What is returned is checked by its SHA-256; a store that is
/// wrong or damaged costs a whole model, nothing else.
pub trait ModelStore: Send {
    /// SHA-256 of the bytes of the model kept for a task; `None` without one.
    fn have(&mut self, task: &TaskDigest) -> Option<ModelDigest>;

    /// The bytes of the model kept for a task.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read. The model is then fetched.
    fn load(&mut self, task: &TaskDigest) -> Result<Bytes, Failure>;

    /// The bytes of the model to which `delta` leads from the one kept for the task.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from it. The model is then fetched whole.
    ///
    /// # Security
    ///
    /// `delta` is the coordinator's: it must not panic, and memory must be in proportion to its length and to the kept model,
    /// whatever it would unpack to.
    fn rebuild(&mut self, task: &TaskDigest, delta: &[u8]) -> Result<Bytes, Failure>;

    /// Keeps a model, whose SHA-256 is `digest`, in place of the task's last one: at once or not at all.
    ///
    /// # Errors
    ///
    /// It cannot be kept. The round goes on.
    fn keep(
        &mut self,
        task: &TaskDigest,
        digest: ModelDigest,
        model: &Bytes,
    ) -> Result<(), Failure>;

    /// A file to collect a model of the task in that is fetched whole, so that a later process goes on where this one ended; what the
    /// file holds is taken for the start of the model with SHA-256 `model`. `None`: it is collected in memory.
    ///
    /// The file is removed if it does not lead to the model. Once the model is kept it is of no use.
    // spec: [sync.part]
    fn part(&mut self, task: &TaskDigest, model: ModelDigest) -> Option<PathBuf> {
        let _ = (task, model);
        None
    }
}

/// Keeps nothing: every model comes whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepsNoModel;

impl ModelStore for KeepsNoModel {
    fn have(&mut self, _: &TaskDigest) -> Option<ModelDigest> {
        None
    }

    fn load(&mut self, _: &TaskDigest) -> Result<Bytes, Failure> {
        Err("no model is kept".into())
    }

    fn rebuild(&mut self, _: &TaskDigest, _: &[u8]) -> Result<Bytes, Failure> {
        Err("no model is kept".into())
    }

    fn keep(&mut self, _: &TaskDigest, _: ModelDigest, _: &Bytes) -> Result<(), Failure> {
        Ok(())
    }
}
