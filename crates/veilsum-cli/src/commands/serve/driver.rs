//! What moves a task's model from round to round: a step along each mean, or the algorithm of a job.

use super::learner::Learner;
use super::versions::Versions;
use crate::commands::train::setup::{failure, job};
use crate::exit::Failure;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_encode::Tensors;
use veilsum_learn::job::{Ending, Judge};
use veilsum_learn::{Checkpoint, CoordinatorHalf};
use veilsum_proto::ids::Round;
use veilsum_proto::task::Task;
use veilsum_server::ModelDeltas;

/// Whatever makes the models.
pub(super) enum Driver {
    /// One step along the mean, the same in every round.
    Step(Learner),
    /// The coordinator's half of a job.
    Job(Box<JobDriver>),
}

/// The coordinator's half of a job, its state in files beside the results.
pub(super) struct JobDriver {
    coordinator: CoordinatorHalf,
    versions: Versions,
    model: PathBuf,
    checkpoint: PathBuf,
}

impl Driver {
    /// The bytes that members get.
    pub(super) fn bytes(&self) -> Bytes {
        self.versions().bytes()
    }

    /// What brings members with an earlier version up to date.
    pub(super) fn deltas(&self) -> Arc<dyn ModelDeltas> {
        self.versions().deltas()
    }

    /// Takes in the mean of a round and writes the new model, which stands even if it cannot be written.
    pub(super) fn step(&mut self, round: Round, mean: &Tensors) -> Result<&Path, Failure> {
        match self {
            Self::Step(learner) => learner.step(mean),
            Self::Job(driver) => driver.step(round, mean),
        }
    }

    /// Whether training ends before its last round, since nothing becomes better.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Step(_) => false,
            Self::Job(driver) => driver.coordinator.ending() == Some(Ending::Stopped),
        }
    }

    fn versions(&self) -> &Versions {
        match self {
            Self::Step(learner) => learner.versions(),
            Self::Job(driver) => &driver.versions,
        }
    }
}

impl JobDriver {
    /// Goes on from the checkpoint that an earlier run left in `results`, or starts from the job's first model.
    pub(super) fn start(task: &Task, path: &Path, results: &Path) -> Result<Self, Failure> {
        let job = job(path)?;
        let own = job.task().map_err(|error| failure(&error))?;
        if own.manifest != *task.manifest() {
            return Err(Failure::refused("the task has other tensors than the job")
                .in_file(path)
                .hint("take the task that was written for this job"));
        }
        let file = |end: &str| results.join(format!("{}-{end}", task.name()));
        let checkpoint = file("checkpoint");
        let coordinator = match checkpoint.exists() {
            true => Checkpoint::read(&checkpoint)
                .map_err(Failure::failed)
                .and_then(|read| {
                    CoordinatorHalf::resume(&job, read).map_err(|error| failure(&error))
                })
                .map_err(|failure| failure.in_file(&checkpoint))?,
            false => CoordinatorHalf::start(&job).map_err(|error| failure(&error))?,
        };
        let model = coordinator.published().map_err(|error| failure(&error))?;
        Ok(Self {
            versions: Versions::open(model, file("steps"))?,
            coordinator,
            model: file("model.safetensors"),
            checkpoint,
        })
    }

    fn step(&mut self, round: Round, mean: &Tensors) -> Result<&Path, Failure> {
        // rounds without a sum are over too
        while self.coordinator.next_round() < round.0 {
            let next = self.coordinator.next_round();
            self.coordinator
                .skip(next)
                .map_err(|error| failure(&error))?;
        }
        let step = self.coordinator.take(round.0, mean);
        let step = step.map_err(|error| failure(&error))?;
        if step.judge == Some(Judge::Public)
            && let Some(found) = self.coordinator.judge().map_err(|error| failure(&error))?
        {
            self.coordinator.judged(found);
        }
        let published = self.coordinator.published();
        self.versions
            .push(published.map_err(|error| failure(&error))?)?;
        veilsum_learn::files::write_atomic(&self.model, &self.versions.bytes())
            .map_err(|error| Failure::io(&self.model, &error))?;
        self.coordinator
            .checkpoint()
            .write(&self.checkpoint)
            .map_err(|error| Failure::failed(error).in_file(&self.checkpoint))?;
        Ok(&self.model)
    }
}
