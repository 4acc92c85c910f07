//! What moves a task's model from round to round: a step along each mean, or the algorithm of a job.

use super::learner::Learner;
use super::versions::Versions;
use crate::commands::train::setup::{failure, job};
use crate::exit::Failure;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_encode::Tensors;
use veilsum_learn::job::Judge;
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

    /// Whether training is over: nothing becomes better, or all rounds of the job are, and with them its privacy budget.
    // spec: [job.budget]
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Step(_) => false,
            Self::Job(driver) => driver.coordinator.ending().is_some(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::train::task::task;
    use crate::exit::Kind;
    use tempfile::TempDir;
    use veilsum_learn::{Job, MemberHalf, Model, WeightedMean};

    const JOB: &str = "members = 3\nrounds = 5\ndata = { source = \"digits\" }\n\
        algorithm = { name = \"fedadam\" }\nevaluation = { on = \"public\" }\n";

    /// A folder with a job, and its task.
    fn written() -> (TempDir, PathBuf, Job, Task) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        std::fs::write(&path, JOB).unwrap();
        let job = Job::from_toml(JOB).unwrap();
        let task = task(job.task().unwrap(), 3).unwrap();
        (folder, path, job, task)
    }

    /// The mean of what all members bring.
    fn mean(job: &Job, model: &[u8], round: u64) -> Tensors {
        let mut mean = WeightedMean::new(&job.contribution_form());
        for member in 0..3 {
            let mut member = MemberHalf::new(job, member).unwrap();
            let brought = member.contribute(model, round).unwrap();
            mean.add(&brought.tensors, brought.weight).unwrap();
        }
        mean.mean().unwrap()
    }

    #[test]
    fn coordinator_that_starts_again_makes_the_models_of_one_that_never_stopped() {
        let (folder, path, job, task) = written();
        let mut through = CoordinatorHalf::start(&job).unwrap();
        for round in [1, 2, 4] {
            // a new process for each; round 3 had no sum
            let mut driver = JobDriver::start(&task, &path, folder.path()).unwrap();
            if round == 4 {
                through.skip(3).unwrap();
            }
            let mean = mean(&job, &driver.versions.bytes(), round);
            through.take(round, &mean).unwrap();
            let file = driver.step(Round(round), &mean).unwrap().to_owned();
            let model = Model::from_bytes(&std::fs::read(file).unwrap()).unwrap();
            assert_eq!(model.id(), through.model().id());
        }
    }

    #[test]
    fn task_with_other_tensors_than_the_job_is_refused() {
        let (folder, path, _, task) = written();
        std::fs::write(&path, format!("model = {{ mlp = 4 }}\n{JOB}")).unwrap();
        let refused = JobDriver::start(&task, &path, folder.path()).err().unwrap();
        assert_eq!(refused.kind, Kind::Refused, "{refused}");
    }
}
