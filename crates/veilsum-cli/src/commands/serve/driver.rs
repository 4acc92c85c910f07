//! What moves a task's model from round to round: a step along each mean, or the algorithm of a job.

use super::job::{JobRounds, Stepped};
use super::learner::Learner;
use crate::exit::Failure;
use bytes::Bytes;
use std::sync::Arc;
use veilsum_encode::Tensors;
use veilsum_learn::{Model, ModelId};
use veilsum_proto::ids::Round;
use veilsum_server::{ModelDeltas, Turn};

/// Whatever makes the models.
pub(super) enum Driver {
    /// One step along the mean, the same in every round.
    Step(Learner),
    /// The coordinator's half of a job, shared with the task whose rounds judge its models.
    Job(Arc<JobRounds>),
}

impl Driver {
    /// Which round trains next.
    pub(super) fn turn(&self, next: Round) -> Turn {
        match self {
            Self::Step(_) => Turn::Round(next),
            Self::Job(rounds) => rounds.training_turn(next),
        }
    }

    /// The bytes that members get.
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Step(learner) => learner.versions().bytes(),
            Self::Job(rounds) => rounds.bytes(),
        }
    }

    /// Which model that is.
    pub(super) fn model(&self) -> ModelId {
        match self {
            Self::Step(learner) => learner.versions().newest(Model::id),
            Self::Job(rounds) => rounds.model(),
        }
    }

    /// What brings members with an earlier version up to date.
    pub(super) fn deltas(&self) -> Arc<dyn ModelDeltas> {
        match self {
            Self::Step(learner) => learner.versions().deltas(),
            Self::Job(rounds) => rounds.deltas(),
        }
    }

    /// Takes in the mean of a round and writes the new model, which stands even if it cannot be written.
    pub(super) fn step(&mut self, round: Round, mean: &Tensors) -> Result<Stepped, Failure> {
        match self {
            Self::Step(learner) => Ok(Stepped {
                model: learner.step(mean)?.to_owned(),
                found: None,
            }),
            Self::Job(rounds) => rounds.step(round, mean),
        }
    }

    /// Takes note of a round that ended without a sum.
    pub(super) fn skip(&self, round: Round) {
        if let Self::Job(rounds) = self {
            rounds.skip(round);
        }
    }

    /// Whether training is over: nothing becomes better, or all rounds of the job are, and with them its privacy budget.
    // spec: [job.budget]
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Step(_) => false,
            Self::Job(rounds) => rounds.ending().is_some(),
        }
    }

    /// Takes note that no round trains any more.
    pub(super) fn over(&self) {
        if let Self::Job(rounds) = self {
            rounds.training_is_over();
        }
    }
}
