//! The model that moves along the mean updates of a task.

use super::versions::Versions;
use crate::commands::task::tensor_file;
use crate::exit::Failure;
use std::path::{Path, PathBuf};
use veilsum_encode::{Tensors, Update};
use veilsum_learn::{Model, ServerSgd};
use veilsum_proto::task::Task;

/// The model of a task, kept in a file from round to round.
#[derive(Debug)]
pub(super) struct Learner {
    versions: Versions,
    step: ServerSgd,
    file: PathBuf,
}

impl Learner {
    /// Goes on from the model that an earlier run left in `results`, or starts from `first`.
    pub(super) fn start(
        task: &Task,
        first: &Path,
        results: &Path,
        step: f64,
    ) -> Result<Self, Failure> {
        let file = results.join(format!("{}-model.safetensors", task.name()));
        let model = match std::fs::read(&file) {
            Ok(bytes) => Model::from_bytes(&bytes).map_err(|error| {
                Failure::usage(error)
                    .in_file(&file)
                    .hint("move the file away to start afresh")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => first_model(first)?,
            Err(error) => return Err(Failure::io(&file, &error)),
        };
        Update::new(task.manifest(), model.tensors().clone()).map_err(|error| {
            Failure::refused(format_args!("the model does not fit the task: {error}"))
                .in_file(first)
                .hint("write the task from the model: veilsum task new --from MODEL")
        })?;
        let steps = results.join(format!("{}-steps", task.name()));
        Ok(Self {
            versions: Versions::open(model, steps)?,
            step: ServerSgd { step_size: step },
            file,
        })
    }

    /// The model and the steps to it.
    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Takes a step along the mean and writes the new model, which stands even if it cannot be written.
    pub(super) fn step(&mut self, mean: &Tensors) -> Result<&Path, Failure> {
        let next = self.versions.newest(|model| self.step.apply(model, mean));
        self.versions.push(next.map_err(Failure::failed)?)?;
        veilsum_learn::files::write_atomic(&self.file, &self.versions.bytes())
            .map_err(|error| Failure::io(&self.file, &error))?;
        Ok(&self.file)
    }
}

fn first_model(path: &Path) -> Result<Model, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::io(path, &error))?;
    // a model with a version keeps it, other tensors start at 0
    match Model::from_bytes(&bytes) {
        Ok(model) => Ok(model),
        Err(_) => {
            let tensors = veilsum_learn::files::read(path).map_err(|error| tensor_file(&error))?;
            Model::new(0, tensors).map_err(|error| Failure::usage(error).in_file(path))
        }
    }
}
