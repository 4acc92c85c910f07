//! The coordinator's half of a job, its state in files beside the results.

use super::super::versions::Versions;
use super::beside;
use crate::commands::train::setup::failure;
use crate::exit::Failure;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use veilsum_encode::Tensors;
use veilsum_learn::files::write_atomic;
use veilsum_learn::job::{Ending, Judge, Judged};
use veilsum_learn::progress::Verdict;
use veilsum_learn::{Checkpoint, CoordinatorHalf, Evaluation, Job, ModelId};
use veilsum_proto::ids::Round;
use veilsum_proto::task::Task;

/// The half and its files.
pub(super) struct Half {
    coordinator: CoordinatorHalf,
    versions: Versions,
    model: PathBuf,
    best: PathBuf,
    checkpoint: PathBuf,
    /// Public examples.
    examples: u64,
}

/// What a round that trains led to.
#[derive(Debug)]
pub(in super::super) struct Stepped {
    /// File of the model that the next round starts from.
    pub(in super::super) model: PathBuf,
    /// How well it does on public examples, where the job is judged by these.
    pub(in super::super) found: Option<Found>,
}

/// How well a model does, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Found {
    pub(in super::super) round: Round,
    pub(in super::super) on: On,
    pub(in super::super) model: ModelId,
    pub(in super::super) examples: u64,
    pub(in super::super) evaluation: Evaluation,
    /// Whether no model so far was better.
    pub(in super::super) best: bool,
    /// Evaluations without becoming better that early stopping still allows.
    pub(in super::super) left: Option<u32>,
    /// Whether the training stops here.
    pub(in super::super) stopped: bool,
}

/// On which examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in super::super) enum On {
    Members,
    Public,
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Members => "held-out examples of the members",
            Self::Public => "public examples",
        })
    }
}

impl Half {
    /// Goes on from the checkpoint that an earlier run left, or starts from the job's first model.
    pub(super) fn start(
        job: &Job,
        task: &Task,
        path: &Path,
        results: &Path,
    ) -> Result<Self, Failure> {
        let own = job.task().map_err(|error| failure(&error))?;
        if own.manifest != *task.manifest() {
            return Err(Failure::refused("the task has other tensors than the job")
                .in_file(path)
                .hint("take the task that was written for this job"));
        }
        let named = job.spec().checkpoint.clone();
        let checkpoint = named.unwrap_or_else(|| beside(results, task, "checkpoint"));
        let coordinator = match checkpoint.exists() {
            true => Checkpoint::read(&checkpoint)
                .map_err(Failure::failed)
                .and_then(|read| {
                    CoordinatorHalf::resume(job, read).map_err(|error| failure(&error))
                })
                .map_err(|failure| failure.in_file(&checkpoint))?,
            false => CoordinatorHalf::start(job).map_err(|error| failure(&error))?,
        };
        let model = coordinator.published().map_err(|error| failure(&error))?;
        let test = job.test().map_err(|error| failure(&error))?;
        Ok(Self {
            versions: Versions::open(model, beside(results, task, "steps"))?,
            coordinator,
            model: beside(results, task, "model.safetensors"),
            best: beside(results, task, "best.safetensors"),
            checkpoint,
            examples: test.map_or(0, |test| test.len() as u64),
        })
    }

    /// The model and the steps to it.
    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Number of the next round that trains.
    pub(super) fn next_round(&self) -> Round {
        Round(self.coordinator.next_round())
    }

    /// Why the training is over, if it is.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.coordinator.ending()
    }

    /// The round whose model the members are to judge.
    pub(super) fn owes(&self) -> Option<Round> {
        self.coordinator.owes().map(Round)
    }

    /// Rounds before this one are over, without a sum if there was none.
    // spec: [job.skip]
    pub(super) fn skip_before(&mut self, round: Round) {
        // a round in its turn is never refused
        while self.next_round() < round && self.coordinator.skip(self.next_round().0).is_ok() {}
    }

    /// Takes in the mean of a round that trains.
    pub(super) fn step(&mut self, round: Round, mean: &Tensors) -> Result<Stepped, Failure> {
        self.skip_before(round);
        let step = self.coordinator.take(round.0, mean);
        let step = step.map_err(|error| failure(&error))?;
        let published = self.coordinator.published();
        self.versions
            .push(published.map_err(|error| failure(&error))?)?;
        let mut found = None;
        if step.judge == Some(Judge::Public)
            && let Some(evaluation) = self.coordinator.judge().map_err(|error| failure(&error))?
        {
            found = Some(self.found(round, On::Public, self.examples, evaluation));
        }
        write(&self.model, &self.versions.bytes())?;
        self.save(found.as_ref())?;
        let model = self.model.clone();
        Ok(Stepped { model, found })
    }

    /// Takes in the sum of the round that judges the newest model. One over no examples judges nothing.
    pub(super) fn judged(&mut self, round: Round, sum: &Tensors) -> Result<Found, Failure> {
        if self.owes() != Some(round) {
            return Err(Failure::failed(format_args!(
                "the sum of evaluation round {round} came when nobody waited for it"
            )));
        }
        let decoded = CoordinatorHalf::decode_evaluation(sum);
        let (examples, evaluation) = decoded.map_err(|error| {
            self.coordinator.unjudged();
            failure(&error)
        })?;
        let found = self.found(round, On::Members, examples, evaluation);
        self.save(Some(&found))?;
        Ok(found)
    }

    /// Gives up the evaluation that is owed.
    pub(super) fn unjudged(&mut self) {
        self.coordinator.unjudged();
    }

    fn found(&mut self, round: Round, on: On, examples: u64, evaluation: Evaluation) -> Found {
        let Judged { best, verdict } = self.coordinator.judged(evaluation);
        Found {
            round,
            on,
            model: self.coordinator.model().id(),
            examples,
            evaluation,
            best,
            left: match verdict {
                Some(Verdict::Wait { left }) => Some(left),
                Some(Verdict::Stop) => Some(0),
                Some(Verdict::Better) => {
                    self.coordinator.job().spec().stop.map(|stop| stop.patience)
                }
                None => None,
            },
            stopped: verdict == Some(Verdict::Stop),
        }
    }

    /// Writes the best model where it is the newest one, and the checkpoint last.
    fn save(&self, found: Option<&Found>) -> Result<(), Failure> {
        if found.is_some_and(|found| found.best) {
            let best = self.coordinator.model().to_bytes();
            write(&self.best, &best.map_err(Failure::failed)?)?;
        }
        let checkpoint = self.coordinator.checkpoint();
        checkpoint
            .write(&self.checkpoint)
            .map_err(|error| Failure::failed(error).in_file(&self.checkpoint))
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_atomic(path, bytes).map_err(|error| Failure::io(path, &error))
}
