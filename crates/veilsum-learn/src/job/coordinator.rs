//! The coordinator's half: means in, model bytes out.

use veilsum_encode::{Tensor, TensorData, Tensors};

use super::error::{JobError, key};
use super::spec::{Algorithm, Judge, WatchSpec};
use super::{CLIP_TENSOR, Job};
use crate::adaptive::AdaptiveClip;
use crate::checkpoint::Checkpoint;
use crate::dp_sgd::divide;
use crate::examples::Examples;
use crate::model::{Model, ModelId};
use crate::optimizer::ServerState;
use crate::progress::{BestModel, EarlyStop, Verdict, Watch};
use crate::schedule::Schedule;
use crate::stats::{STATS_TENSOR, Tally};
use crate::train::{Evaluation, evaluate};

/// The coordinator of a training, between two rounds.
///
/// ```text
/// start | resume -> model_bytes -> (a round) -> take | skip -> (judged | unjudged, where due) -> model_bytes ...  until ending
/// ```
#[derive(Debug, Clone)]
pub struct CoordinatorHalf {
    job: Job,
    model: Model,
    server: ServerState,
    schedule: Schedule,
    /// Rounds that are over.
    round: u64,
    clip: Option<AdaptiveClip>,
    stop: Option<EarlyStop>,
    best: BestModel,
    /// Whether the members are to judge the model of the round that is over.
    owed: bool,
    test: Option<Examples>,
}

/// What a round changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The new model.
    pub model: ModelId,
    /// Rate of the step.
    pub rate: f64,
    /// Where the clip adapts: the clip of the round that is over.
    pub clip: Option<f64>,
    /// Where the clip adapts: share of the members within it, with the noise of the sum.
    pub within: Option<f64>,
    /// Where the new model is to be judged now, if it is.
    pub judge: Option<Judge>,
}

/// What an evaluation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Whether no model so far was better.
    pub best: bool,
    /// What the rule of early stopping says, if there is one.
    pub verdict: Option<Verdict>,
}

/// Why a training is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All rounds are over.
    Rounds,
    /// Nothing became better for as long as patience allows.
    Stopped,
}

impl CoordinatorHalf {
    /// Before the first round.
    ///
    /// # Errors
    ///
    /// [`JobError`] for a test file that cannot be read.
    pub fn start(job: &Job) -> Result<Self, JobError> {
        let model = job.first_model().clone();
        let stop = job
            .spec()
            .stop
            .map(|stop| EarlyStop::new(watch(stop.watch), stop.patience, stop.min_delta));
        Ok(Self {
            server: ServerState::new(job.optimizer(), model.tensors())?,
            schedule: job.schedule(),
            model,
            round: 0,
            clip: job.adaptive(),
            stop: stop.transpose()?,
            best: BestModel::new(job.watch()),
            owed: false,
            test: job.test()?,
            job: job.clone(),
        })
    }

    /// Where a checkpoint left off.
    ///
    /// # Errors
    ///
    /// [`JobError::OtherJob`] for the checkpoint of another job; as [`CoordinatorHalf::start`].
    // spec: [job.state]
    pub fn resume(job: &Job, checkpoint: Checkpoint) -> Result<Self, JobError> {
        let fresh = Self::start(job)?;
        let alike = checkpoint.job == job.digest()
            && checkpoint.clip.is_some() == fresh.clip.is_some()
            && checkpoint.stop.is_some() == fresh.stop.is_some();
        if !alike {
            return Err(JobError::OtherJob);
        }
        Ok(Self {
            model: checkpoint.model,
            server: checkpoint.server,
            round: checkpoint.round,
            clip: checkpoint.clip,
            stop: checkpoint.stop,
            best: BestModel::resume(job.watch(), checkpoint.best),
            owed: checkpoint.owed,
            ..fresh
        })
    }

    /// Takes in the mean of a round and makes the next model. After an error nothing has changed. An evaluation that was owed
    /// is no longer.
    ///
    /// `mean` is the mean of what members brought, weighted by their weights, with the noise of the sum in it.
    ///
    /// # Errors
    ///
    /// [`JobError::Round`] out of turn; [`JobError`] for a mean of another form, or a step that is not finite.
    // spec: [job.take]
    pub fn take(&mut self, round: u64, mean: &Tensors) -> Result<Step, JobError> {
        self.in_turn(round)?;
        let mut clip = self.clip;
        let (mean, within) = match &mut clip {
            Some(clip) => {
                let adapted = clip.follow(mean)?;
                (adapted.update, Some(adapted.within))
            }
            None => (mean.clone(), None),
        };
        let update = self.update(round, mean)?;
        let rate = self.schedule.at(round);
        self.model = self.server.step(&self.model, &update, rate)?;
        let used = self.clip.map(|clip| clip.clip());
        (self.clip, self.round) = (clip, round);
        self.owed = self.due() == Some(Judge::Members);
        Ok(Step {
            model: self.model.id(),
            rate,
            clip: used,
            within,
            judge: self.due(),
        })
    }

    /// A round that ended without a sum: it is over, and the model stays.
    ///
    /// # Errors
    ///
    /// [`JobError::Round`] out of turn.
    // spec: [job.skip]
    pub fn skip(&mut self, round: u64) -> Result<(), JobError> {
        self.in_turn(round)?;
        (self.round, self.owed) = (round, false);
        Ok(())
    }

    /// Takes in how well the model does: keeps it if it is the best, and asks the rule of early stopping.
    pub fn judged(&mut self, found: Evaluation) -> Judged {
        self.owed = false;
        let verdict = self.stop.as_mut().map(|stop| stop.observe(found));
        let best = self.best.offer(&self.model, found);
        Judged { best, verdict }
    }

    /// Gives up the evaluation that is owed: its round ended without a sum, so nobody judges the model.
    // spec: [job.evaluation.order]
    pub fn unjudged(&mut self) {
        self.owed = false;
    }

    /// The round whose model the members are to judge before the next one trains, if there is one.
    // spec: [job.evaluation.owed]
    pub fn owes(&self) -> Option<u64> {
        self.owed.then_some(self.round)
    }

    /// How well the model does on the public examples, if the job has some.
    ///
    /// # Errors
    ///
    /// [`JobError::Train`] for examples of another form.
    pub fn judge(&self) -> Result<Option<Evaluation>, JobError> {
        let test = self.test.as_ref();
        Ok(test.map(|test| evaluate(&self.model, test)).transpose()?)
    }

    /// Examples and evaluation out of the sum of an evaluation round: its one tensor, in i64 or whole f64.
    ///
    /// # Errors
    ///
    /// [`JobError::Stats`] for another form, or a sum over no examples.
    // spec: [job.evaluation]
    pub fn decode_evaluation(sum: &Tensors) -> Result<(u64, Evaluation), JobError> {
        let vector = match sum.get(STATS_TENSOR).map(|tensor| &tensor.data) {
            Some(TensorData::I64(values)) => values.clone(),
            _ => return Err(key(STATS_TENSOR, "missing", "four integers of i64")),
        };
        Ok(Tally::decode(&vector)?)
    }

    /// Number of the next round, from 1.
    pub fn next_round(&self) -> u64 {
        self.round.saturating_add(1)
    }

    /// Rounds that are over.
    pub fn rounds_over(&self) -> u64 {
        self.round
    }

    /// The newest model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What members get: the newest model, with the clip of the round beside it where it adapts.
    // spec: [job.clip]
    pub fn published(&self) -> Result<Model, JobError> {
        let Some(clip) = &self.clip else {
            return Ok(self.model.clone());
        };
        let mut tensors = self.model.tensors().clone();
        let tensor = Tensor {
            shape: vec![1],
            data: TensorData::F64(vec![clip.clip()]),
        };
        tensors.insert(CLIP_TENSOR.to_owned(), tensor);
        Ok(Model::new(self.model.version(), tensors)?)
    }

    /// The bytes of [`CoordinatorHalf::published`].
    ///
    /// # Errors
    ///
    /// [`JobError::Model`] for names that do not fit a header.
    pub fn model_bytes(&self) -> Result<Vec<u8>, JobError> {
        Ok(self.published()?.to_bytes()?)
    }

    /// Whether the training is over, and why.
    pub fn ending(&self) -> Option<Ending> {
        if self.stop.is_some_and(|stop| stop.is_over()) {
            return Some(Ending::Stopped);
        }
        (self.round >= self.job.spec().rounds).then_some(Ending::Rounds)
    }

    /// The best model so far and how well it did.
    pub fn best(&self) -> Option<(&Model, Evaluation)> {
        self.best.best()
    }

    /// What the coordinator must store to go on after a restart.
    // spec: [job.state]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            job: self.job.digest(),
            round: self.round,
            model: self.model.clone(),
            server: self.server.clone(),
            stop: self.stop,
            best: self
                .best
                .best()
                .map(|(model, found)| (model.clone(), found)),
            clip: self.clip,
            owed: self.owed,
        }
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    fn in_turn(&self, round: u64) -> Result<(), JobError> {
        let wanted = self.next_round();
        match round == wanted {
            true => Ok(()),
            false => Err(JobError::Round {
                found: round,
                wanted,
            }),
        }
    }

    /// The mean in the form of the model.
    fn update(&self, round: u64, mean: Tensors) -> Result<Tensors, JobError> {
        let model = self.model.tensors();
        if let Some(subset) = self.job.subset(round)? {
            return Ok(subset.scatter(&mean, model)?);
        }
        let Algorithm::DpSgd { sampling, .. } = self.job.spec().algorithm else {
            return Ok(mean);
        };
        // spec: [job.dp-sgd]
        let total = self.job.data().total.unwrap_or(1) as f64;
        let expected = sampling * total / f64::from(self.job.spec().members);
        Ok(divide(&mean, expected, model)?)
    }

    fn due(&self) -> Option<Judge> {
        let (every, on) = self.job.judge()?;
        let last = self.round == self.job.spec().rounds;
        (last || self.round.is_multiple_of(every)).then_some(on)
    }
}

impl Job {
    /// Which number decides on the best model and on early stopping.
    pub fn watch(&self) -> Watch {
        watch(self.spec().stop.map(|stop| stop.watch).unwrap_or_default())
    }
}

fn watch(spec: WatchSpec) -> Watch {
    match spec {
        WatchSpec::Accuracy => Watch::Accuracy,
        WatchSpec::Loss => Watch::Loss,
    }
}
