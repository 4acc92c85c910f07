//! What a training is held against: the same algorithm in the clear over the same survivors (FedAvg in the place of private ones), and all data in one place.

use super::lines::{Judgement, RoundLine};
use super::setup::failure;
use crate::exit::Failure;
use veilsum_learn::job::JobError;
use veilsum_learn::stats::{self, Tally};
use veilsum_learn::{
    CoordinatorHalf, Evaluation, Job, MemberHalf, Model, Outcome, WeightedMean, evaluate,
};

/// Judges models alike, whoever made them.
pub(super) struct Yardstick {
    job: Job,
    members: Vec<MemberHalf>,
}

impl Yardstick {
    /// The judges of a job: its public examples, or what its members hold back.
    pub(super) fn new(job: &Job) -> Result<Self, Failure> {
        let members = (0..job.spec().members).map(|member| MemberHalf::new(job, member));
        Ok(Self {
            members: members
                .collect::<Result<_, _>>()
                .map_err(|error| failure(&error))?,
            job: job.clone(),
        })
    }

    /// How well a model does.
    pub(super) fn judge(&self, model: &Model) -> Result<Option<Judgement>, Failure> {
        let found = self.evaluate(model).map_err(|error| failure(&error))?;
        Ok(found.map(Judgement::from))
    }

    /// On which examples.
    pub(super) fn judged_on(&self) -> Result<&'static str, Failure> {
        let test = self.job.test().map_err(|error| failure(&error))?;
        Ok(if test.is_some() {
            "the test set"
        } else {
            "held-out examples"
        })
    }

    /// The same algorithm in the clear (FedAvg in the place of private ones), in each round over those that survived it.
    pub(super) fn plain(&self, history: &[RoundLine]) -> Result<Option<Judgement>, Failure> {
        let model = self.train(history).map_err(|error| failure(&error))?;
        self.judge(&model)
    }

    /// All examples in one place, for as many rounds as gave a sum.
    pub(super) fn pooled(&self, rounds: u64) -> Result<Option<Judgement>, Failure> {
        let model = self.job.pooled(rounds).map_err(|error| failure(&error))?;
        self.judge(&model)
    }

    fn train(&self, history: &[RoundLine]) -> Result<Model, JobError> {
        let job = self.job.plain()?;
        let members = (0..job.spec().members).map(|member| MemberHalf::new(&job, member));
        let mut members = members.collect::<Result<Vec<_>, _>>()?;
        let mut coordinator = CoordinatorHalf::start(&job)?;
        for line in history {
            if line.abort.is_some() {
                coordinator.skip(line.round)?;
                continue;
            }
            let bytes = coordinator.model_bytes()?;
            let mut mean = WeightedMean::new(&job.contribution_form());
            for member in &mut members {
                if line.survivor_ids.contains(&member.member()) {
                    let brought = member.contribute(&bytes, line.round)?;
                    mean.add(&brought.tensors, brought.weight)?;
                    member.settle(line.round, Outcome::Summed);
                }
            }
            coordinator.take(line.round, &mean.mean()?)?;
        }
        Ok(coordinator.model().clone())
    }

    fn evaluate(&self, model: &Model) -> Result<Option<Evaluation>, JobError> {
        if let Some(test) = self.job.test()? {
            return Ok(Some(evaluate(model, &test)?));
        }
        let mut sum = Tally::nothing();
        for member in &self.members {
            if let Some(held_out) = member.held_out() {
                let tally = Tally::of(model, held_out)?.encode();
                sum.iter_mut().zip(tally).for_each(|(sum, own)| *sum += own);
            }
        }
        match CoordinatorHalf::decode_evaluation(&stats::tensors(sum)) {
            Ok((_, found)) => Ok(Some(found)),
            Err(_) => Ok(None),
        }
    }
}
