//! What a job asks of the masked sum.

use veilsum_dp::{Adjacency, Family, Sharing, Unit};
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, TensorSpec, Tensors};

use super::Job;
use super::error::JobError;
use super::spec::{Algorithm, Amount, DecaySpec, JobSpec, Judge, Mechanism};
use crate::adaptive::AdaptiveSettings;
use crate::optimizer::ServerOptimizer;
use crate::schedule::{Decay, Schedule};
use crate::stats::{STATS_TENSOR, Tally};
use crate::tensors::Form;

/// What a task says, as far as learning knows it: names of parties, graphs and attempts are for others.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskParts {
    /// Name of the task.
    pub name: String,
    /// Tensors that members contribute.
    pub manifest: Manifest,
    /// How they become integers; weights of 1 alone where there is noise.
    pub encoding: Encoding,
    /// Members that take part in a round; all when absent.
    pub cohort: Option<u32>,
    /// Members that may work with the coordinator.
    pub corrupt: Amount,
    /// Members that may vanish in a round.
    pub dropout: Amount,
    /// What the noise must give; none without privacy.
    pub privacy: Option<PrivacyParts>,
    /// Whether whoever calibrates the noise may take fewer bits than the encoding has.
    pub bits_are_free: bool,
}

/// What the noise of a task must give: the noise itself is calibrated by whoever knows the roster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrivacyParts {
    /// Epsilon of all rounds together.
    pub epsilon: f64,
    /// Delta of all rounds together.
    pub delta: f64,
    /// Rounds.
    pub rounds: u64,
    /// Whose presence is hidden.
    pub unit: Unit,
    /// What it is compared with.
    pub adjacency: Adjacency,
    /// Law of the noise.
    pub family: Family,
    /// Who carries it.
    pub sharing: Sharing,
    /// Norm of one example in its member's vector, where the unit is an example.
    pub example_clip: Option<Clip>,
}

impl Job {
    /// The task whose rounds train.
    ///
    /// # Errors
    ///
    /// [`JobError::Manifest`] for a model whose tensors make no manifest.
    // spec: [job.task]
    pub fn task(&self) -> Result<TaskParts, JobError> {
        let spec = self.spec();
        Ok(TaskParts {
            name: spec.name.clone(),
            manifest: manifest(&self.contribution_form())?,
            encoding: Encoding::Float(self.encoding()),
            cohort: spec.clients_per_round,
            corrupt: spec.federation.corrupt,
            dropout: spec.federation.dropout,
            privacy: self.privacy(),
            bits_are_free: spec.encoding.bits.is_none(),
        })
    }

    /// The task whose rounds judge models at the members; `None` where they do not.
    ///
    /// # Errors
    ///
    /// [`JobError::Manifest`] never happens.
    // spec: [job.evaluation]
    pub fn evaluation_task(&self) -> Result<Option<TaskParts>, JobError> {
        if !matches!(self.judge(), Some((_, Judge::Members))) {
            return Ok(None);
        }
        let spec = self.spec();
        let tensor = TensorSpec {
            name: STATS_TENSOR.to_owned(),
            shape: vec![Tally::INTEGERS as u64],
            dtype: Dtype::I64,
        };
        Ok(Some(TaskParts {
            name: format!("{}.eval", spec.name.get(..59).unwrap_or(&spec.name)),
            manifest: Manifest::new(vec![tensor])?,
            encoding: Encoding::Integer {
                min: 0,
                max: i64::from(self.data().most).saturating_mul(Tally::ONE),
            },
            cohort: None,
            corrupt: spec.federation.corrupt,
            dropout: spec.federation.dropout,
            privacy: None,
            bits_are_free: false,
        }))
    }

    /// Whether members count by their examples.
    pub fn is_weighted(&self) -> bool {
        let spec = self.spec();
        spec.local.weighted && spec.algorithm.unit().is_none()
    }

    /// The optimiser of the coordinator.
    pub fn optimizer(&self) -> ServerOptimizer {
        optimizer(self.spec())
    }

    /// The rate of each round.
    pub fn schedule(&self) -> Schedule {
        schedule(self.spec())
    }

    // spec: [job.encoding]
    fn encoding(&self) -> FloatEncoding {
        let spec = self.spec();
        let laplace =
            matches!(spec.privacy, Some(privacy) if privacy.mechanism == Mechanism::Laplace);
        let clip = match (spec.algorithm, laplace) {
            (Algorithm::DpFedAvg { clip, .. }, true) => Clip::L1(clip),
            (
                Algorithm::DpFedAvg {
                    adaptive_quantile: Some(_),
                    ..
                },
                false,
            ) => Clip::L2(AdaptiveSettings::MEDIAN.joint_norm()),
            (Algorithm::DpFedAvg { clip, .. }, false) => Clip::L2(clip),
            (Algorithm::DpSgd { clip, .. }, true) => {
                let most = clip * f64::from(self.data().most) * COORDINATE_SHARE;
                Clip::LInf(spec.encoding.clip.unwrap_or(most))
            }
            (Algorithm::DpSgd { clip, .. }, false) => {
                let most = clip * f64::from(self.data().most);
                Clip::L2(spec.encoding.clip.unwrap_or(most))
            }
            _ => Clip::L2(spec.encoding.clip.unwrap_or(crate::digits::CLIP_L2)),
        };
        let mut encoding = FloatEncoding::new(clip, spec.encoding.bits.unwrap_or(16));
        if spec.encoding.rotation.unwrap_or(!laplace) {
            encoding = encoding.rotated();
        }
        if self.is_weighted() {
            encoding = encoding.weighted(self.data().most);
        }
        // spec: [job.rounding]
        if self.unit() == Some(Unit::Member) && !laplace {
            encoding = encoding.conditional();
        }
        encoding
    }

    fn privacy(&self) -> Option<PrivacyParts> {
        let spec = self.spec();
        let (privacy, unit) = (spec.privacy?, self.unit()?);
        let example_clip = match spec.algorithm {
            Algorithm::DpSgd { clip, .. } => Some(match privacy.mechanism {
                Mechanism::Laplace => Clip::L1(clip),
                Mechanism::Gaussian | Mechanism::Skellam => Clip::L2(clip),
            }),
            _ => None,
        };
        Some(PrivacyParts {
            epsilon: privacy.epsilon,
            delta: privacy.delta,
            rounds: spec.rounds,
            unit,
            adjacency: privacy.adjacency,
            family: privacy.mechanism.family(),
            sharing: privacy
                .sharing
                .unwrap_or(privacy.mechanism.default_sharing()),
            example_clip,
        })
    }
}

pub(super) fn optimizer(spec: &JobSpec) -> ServerOptimizer {
    match spec.algorithm {
        Algorithm::FedAvg {} | Algorithm::FedProx { .. } => ServerOptimizer::FEDAVG,
        Algorithm::FedSgd { momentum }
        | Algorithm::FedAvgM { momentum }
        | Algorithm::DpSgd { momentum, .. }
        | Algorithm::DpFedAvg { momentum, .. } => ServerOptimizer::Sgd { momentum },
        Algorithm::FedAdam { beta1, beta2, tau } => ServerOptimizer::Adam { beta1, beta2, tau },
        Algorithm::FedYogi { beta1, beta2, tau } => ServerOptimizer::Yogi { beta1, beta2, tau },
        Algorithm::FedAdagrad { beta1, tau } => ServerOptimizer::Adagrad { beta1, tau },
    }
}

pub(super) fn schedule(spec: &JobSpec) -> Schedule {
    let base = match spec.algorithm {
        Algorithm::FedAdam { .. } | Algorithm::FedYogi { .. } | Algorithm::FedAdagrad { .. } => 0.1,
        _ => 1.0,
    };
    Schedule {
        base: spec.server.rate.unwrap_or(base),
        warm_up: spec.server.warm_up,
        decay: match spec.server.decay {
            DecaySpec::None => Decay::None,
            DecaySpec::Step { every, factor } => Decay::Step { every, factor },
            DecaySpec::Cosine { rounds, least } => Decay::Cosine { rounds, least },
        },
    }
}

fn manifest(form: &Tensors) -> Result<Manifest, JobError> {
    let tensors = form.iter().map(|(name, tensor)| {
        let Form { dtype, shape } = Form::of(tensor);
        TensorSpec {
            name: name.clone(),
            shape,
            dtype,
        }
    });
    Ok(Manifest::new(tensors.collect())?)
}

/// Part of a gradient's L1 norm that one coordinate rarely passes.
const COORDINATE_SHARE: f64 = 1.0 / 16.0;
