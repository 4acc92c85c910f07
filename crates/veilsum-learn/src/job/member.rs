//! The member's half: model bytes in, tensors and weight out.

use std::fmt;

use veilsum_encode::Tensors;

use super::error::JobError;
use super::spec::{Algorithm, Judge, Mechanism};
use super::{CLIP_TENSOR, Job, widened};
use crate::adaptive::{AdaptiveClip, AdaptiveError};
use crate::bytes::Reader;
use crate::dp_sgd::{DpSgd, ExampleClip, Sampling};
use crate::examples::Examples;
use crate::model::Model;
use crate::stats::{self, Tally};
use crate::subset::{ErrorFeedback, Offer, Outcome};
use crate::tensors::{Mismatch, combine, to_f64};
use crate::train::{GradientTrainer, LocalTrainer, TrainError, Trainer, network_for};

/// One member of a training.
///
/// # Security
///
/// Holds the member's examples, and what of its updates was not sent yet. Neither leaves it, except as [`Brought`] for a masked sum.
pub struct MemberHalf {
    job: Job,
    member: u32,
    trainer: Local,
    held_out: Option<Examples>,
    count: u32,
    memory: Option<ErrorFeedback>,
    /// What was offered and is not settled.
    pending: Option<(u64, Offer)>,
}

/// What a member brings to a round.
///
/// # Security
///
/// Tells about the member's examples. It leaves the member only clipped, quantised, noised where the job says so, and masked.
#[derive(Clone, PartialEq)]
pub struct Brought {
    /// Tensors in the form of [`Job::contribution_form`].
    pub tensors: Tensors,
    /// Weight in the mean: the member's examples, or 1.
    pub weight: u32,
}

enum Local {
    Descent(LocalTrainer),
    Gradient(GradientTrainer),
    Clipped(DpSgd, Examples),
    /// Of a job with privacy: a member without an example brings zeros.
    Nothing(Examples),
}

impl Job {
    /// Fewest examples of a member: with privacy none, since an absence would tell that there is none.
    // spec: [job.finite]
    fn fewest(&self) -> u32 {
        match self.unit() {
            Some(_) => 0,
            None => 1,
        }
    }
}

impl MemberHalf {
    /// The member of this slot, with the examples that the job has for it.
    ///
    /// # Errors
    ///
    /// [`JobError::Member`] for a slot without examples; as [`MemberHalf::with_examples`].
    pub fn new(job: &Job, member: u32) -> Result<Self, JobError> {
        Self::with_examples(job, member, job.examples(member)?)
    }

    /// The member of this slot, with examples of its own.
    ///
    /// # Errors
    ///
    /// [`JobError::Train`] without examples, or with more than the job allows; in a job with privacy the first of them are taken, and a member without
    /// any brings zeros.
    pub fn with_examples(job: &Job, member: u32, examples: Examples) -> Result<Self, JobError> {
        let (train, held_out) = hold_out(job, member, examples)?;
        let train = first(job, train);
        let count = u32::try_from(train.len())
            .ok()
            .filter(|count| (job.fewest()..=job.data().most).contains(count))
            .ok_or(TrainError::Examples { found: train.len() })?;
        let keep = job.spec().encoding.memory;
        let memory = job
            .subset_size()
            .map(|_| ErrorFeedback::new(job.size(), keep));
        Ok(Self {
            trainer: local(job, member, train)?,
            job: job.clone(),
            member,
            held_out,
            count,
            memory: memory.transpose()?,
            pending: None,
        })
    }

    /// Trains, and makes what goes into the masked sum of the round. Asked again for the same round, with the same model, it gives the same.
    ///
    /// An earlier round that was not settled counts as lost.
    ///
    /// # Errors
    ///
    /// [`JobError`]: bytes that are no model of the job, or, in a job without privacy, training that diverges.
    // spec: [job.member] [job.finite]
    pub fn contribute(&mut self, model: &[u8], round: u64) -> Result<Brought, JobError> {
        if let Some((earlier, _)) = self.pending
            && earlier != round
        {
            self.settle(earlier, Outcome::Lost);
        }
        let (model, clip) = self.model(model)?;
        let mut tensors = match self.train(&model, round) {
            Err(TrainError::Diverged { .. }) if self.is_private() => zeros(model.tensors())?,
            trained => trained?,
        };
        if let Some(memory) = &self.memory
            && let Some(subset) = self.job.subset(round)?
        {
            let offer = memory.offer(&tensors, &subset)?;
            tensors = offer.sent().clone();
            self.pending = Some((round, offer));
        }
        if let Some(clip) = clip {
            tensors = match clip.contribution(&tensors) {
                Err(AdaptiveError::NotFinite) if self.is_private() => {
                    clip.contribution(&zeros(&tensors)?)?
                }
                contribution => contribution?,
            };
        }
        let weight = if self.job.is_weighted() {
            self.count
        } else {
            1
        };
        Ok(Brought { tensors, weight })
    }

    /// Says whether the contribution of a round is in its sum, which decides what is remembered. Another round than the last is passed over.
    // spec: [job.settle]
    pub fn settle(&mut self, round: u64, outcome: Outcome) {
        if let Some((_, offer)) = self.pending.take_if(|(pending, _)| *pending == round)
            && let Some(memory) = &mut self.memory
        {
            memory.settle(offer, outcome);
        }
    }

    /// Judges a model on the member's held-out examples: the tensors of an evaluation round, whose weight is 1.
    ///
    /// # Errors
    ///
    /// [`JobError`]: bytes that are no model of the job.
    // spec: [job.evaluation]
    pub fn judge(&self, model: &[u8]) -> Result<Tensors, JobError> {
        let (model, _) = self.model(model)?;
        let vector = match &self.held_out {
            Some(examples) if !examples.is_empty() => Tally::of(&model, examples)?.encode(),
            Some(none) => {
                // whoever sends another network's model sees the same as of a member with examples
                network_for(&model, none)?.layers_of(model.tensors())?;
                Tally::nothing()
            }
            None => Tally::nothing(),
        };
        Ok(stats::tensors(vector))
    }

    /// What the member must store to go on after a restart: bytes for [`MemberHalf::resume`], empty where nothing is remembered.
    ///
    /// # Security
    ///
    /// Tells about the member's examples: to be kept by the member, nowhere else.
    pub fn memory(&self) -> Vec<u8> {
        let Some(memory) = &self.memory else {
            return Vec::new();
        };
        let mut out = LABEL.to_vec();
        out.extend_from_slice(&self.job.digest());
        out.extend_from_slice(&self.member.to_le_bytes());
        for value in memory.memory() {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out
    }

    /// Goes on from what [`MemberHalf::memory`] gave.
    ///
    /// # Errors
    ///
    /// [`JobError::OtherJob`] for the memory of another job or member, [`JobError::Memory`] for other bytes.
    // spec: [job.state]
    pub fn resume(&mut self, bytes: &[u8]) -> Result<(), JobError> {
        let Some(memory) = &mut self.memory else {
            return if bytes.is_empty() {
                Ok(())
            } else {
                Err(JobError::OtherJob)
            };
        };
        let mut reader = Reader::new(bytes);
        reader.label(LABEL).ok_or(JobError::Memory)?;
        let job: [u8; 32] = reader.array().ok_or(JobError::Memory)?;
        let member = reader.array().map(u32::from_le_bytes);
        if job != self.job.digest() || member != Some(self.member) {
            return Err(JobError::OtherJob);
        }
        let values = (0..self.job.size()).map(|_| reader.f64());
        let values: Vec<f64> = values.collect::<Option<_>>().ok_or(JobError::Memory)?;
        if !reader.is_empty() {
            return Err(JobError::Memory);
        }
        *memory = ErrorFeedback::resume(values, self.job.spec().encoding.memory)?;
        self.pending = None;
        Ok(())
    }

    /// Examples that it keeps for judging, where members judge.
    pub fn held_out(&self) -> Option<&Examples> {
        self.held_out
            .as_ref()
            .filter(|examples| !examples.is_empty())
    }

    /// Slot of the member.
    pub fn member(&self) -> u32 {
        self.member
    }

    /// Examples that it trains on.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The model of the bytes, and the clip that they carry.
    fn model(&self, bytes: &[u8]) -> Result<(Model, Option<AdaptiveClip>), JobError> {
        let published = Model::from_bytes(bytes)?;
        let Some(first) = self.job.adaptive() else {
            return Ok((published, None));
        };
        // spec: [job.clip]
        let mut tensors = published.tensors().clone();
        let clip = tensors
            .remove(CLIP_TENSOR)
            .map(|tensor| to_f64(&tensor.data));
        let Some(&[clip]) = clip.as_deref() else {
            return Err(super::error::key(
                CLIP_TENSOR,
                "missing",
                "the clip of the round beside the model",
            ));
        };
        let clip = AdaptiveClip::new(first.settings(), clip)?;
        Ok((Model::new(published.version(), tensors)?, Some(clip)))
    }

    /// Whether absence would tell what no noise covers.
    fn is_private(&self) -> bool {
        self.job.unit().is_some()
    }

    fn train(&mut self, model: &Model, round: u64) -> Result<Tensors, TrainError> {
        let updated = match &mut self.trainer {
            Local::Descent(trainer) => trainer.train(model, round)?.delta,
            Local::Gradient(trainer) => trainer.train(model, round)?.delta,
            Local::Clipped(settings, examples) => {
                let numbers = [self.member.into(), round];
                let mut rng = self.job.seed().rng("poisson", &numbers);
                settings.sum(model, examples, &mut rng)?.descent
            }
            Local::Nothing(none) => {
                // whoever sends another network's model sees the same as of a member with examples
                let network = network_for(model, none)?;
                network.layers_of(model.tensors())?;
                match self.job.spec().algorithm {
                    Algorithm::DpSgd { .. } => zeros(&widened(model.tensors()))?,
                    _ => zeros(model.tensors())?,
                }
            }
        };
        Ok(updated)
    }
}

/// Shows sizes, never values.
impl fmt::Debug for MemberHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberHalf")
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}

/// Shows the form, never values.
impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tensors, weight } = self;
        f.debug_struct("Brought")
            .field("tensors", &Vec::from_iter(tensors.keys()))
            .field("weight", weight)
            .finish()
    }
}

/// Cuts off the examples that a member keeps for judging, where members judge.
fn hold_out(
    job: &Job,
    member: u32,
    examples: Examples,
) -> Result<(Examples, Option<Examples>), JobError> {
    if !matches!(job.judge(), Some((_, Judge::Members))) {
        return Ok((examples, None));
    }
    let percent = job.spec().evaluation.held_out_percent;
    let cut = examples.hold_out(percent, job.seed(), member)?;
    Ok((cut.train, Some(cut.test)))
}

/// With privacy no more than the job's most examples, the first ones: refusing more would tell how many there are.
// spec: [job.finite]
fn first(job: &Job, examples: Examples) -> Examples {
    let most = job.data().most as usize;
    match job.unit() {
        Some(_) if examples.len() > most => examples.select(&Vec::from_iter(0..most)),
        _ => examples,
    }
}

fn zeros(like: &Tensors) -> Result<Tensors, Mismatch> {
    combine(like, like, |_, _| 0.0)
}

fn local(job: &Job, member: u32, examples: Examples) -> Result<Local, JobError> {
    if examples.is_empty() {
        return Ok(Local::Nothing(examples));
    }
    let spec = job.spec();
    Ok(match spec.algorithm {
        Algorithm::FedSgd { .. } => Local::Gradient(GradientTrainer::new(examples)?),
        Algorithm::DpSgd { clip, sampling, .. } => {
            let laplace =
                matches!(spec.privacy, Some(privacy) if privacy.mechanism == Mechanism::Laplace);
            let settings = DpSgd {
                clip: if laplace {
                    ExampleClip::L1(clip)
                } else {
                    ExampleClip::L2(clip)
                },
                sampling: match sampling < 1.0 {
                    true => Sampling::Poisson { rate: sampling },
                    false => Sampling::All,
                },
            };
            Local::Clipped(settings, examples)
        }
        algorithm => {
            let trainer = LocalTrainer::new(examples, job.local_sgd(), job.seed(), member)?;
            Local::Descent(match algorithm {
                Algorithm::FedProx { mu } => trainer.with_proximal(mu)?,
                _ => trainer,
            })
        }
    })
}

const LABEL: &[u8] = b"veilsum/v1 member memory\0";
