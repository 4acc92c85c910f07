//! Not a network and not a mask: a training as one file says it, cut into the coordinator's half and the members' halves.
//!
//! A [`Job`] joins data, model, algorithm, evaluation, encoding and privacy. Its halves meet only through bytes and tensors, so that whatever
//! carries them can be between: a masked sum in one process (`veilsum train`), a network (`veilsum serve`, `veilsum join`), or nothing at
//! all, as here:
//!
//! ```
//! use veilsum_learn::job::{Algorithm, CoordinatorHalf, DataSpec, Job, JobSpec, MemberHalf, Split};
//! use veilsum_learn::{Outcome, WeightedMean};
//!
//! let job = Job::new(JobSpec::new(5, 3, DataSpec::digits(Split::ByLabel), Algorithm::FedAvg {}))?;
//! let mut coordinator = CoordinatorHalf::start(&job)?;
//! let mut members = (0..5).map(|member| MemberHalf::new(&job, member)).collect::<Result<Vec<_>, _>>()?;
//! while coordinator.ending().is_none() {
//!     let (round, bytes) = (coordinator.next_round(), coordinator.model_bytes()?);
//!     let mut mean = WeightedMean::new(&job.contribution_form());
//!     for member in &mut members {
//!         let brought = member.contribute(&bytes, round)?;
//!         mean.add(&brought.tensors, brought.weight)?;
//!         member.settle(round, Outcome::Summed);
//!     }
//!     coordinator.take(round, &mean.mean()?)?;
//! }
//! assert_eq!(coordinator.model().version(), 3);
//! assert!(coordinator.judge()?.is_some_and(|found| found.accuracy > 0.7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Both halves are functions of the job, the seed and what they are given: the same calls give the same bits on one machine, also after
//! a restart from [`CoordinatorHalf::checkpoint`] and [`MemberHalf::memory`].
//!
//! # Security
//!
//! Nothing here adds noise or masks. What the noise must be is in [`TaskParts::privacy`]; whoever carries the tensors has to draw it. The seed is public:
//! which examples a member takes into a round of `dp-sgd` follows from it, so no epsilon may be smaller for the sampling.

mod asked;
mod check;
mod coordinator;
mod data;
mod error;
mod member;
mod spec;
mod task;

use std::path::Path;

use sha2::{Digest as _, Sha256};
use veilsum_dp::Unit;
use veilsum_encode::{Tensor, TensorData, Tensors};

pub use self::asked::{asked_to_judge, asked_to_train};
pub use self::check::EPSILON_MOST;
pub use self::coordinator::{CoordinatorHalf, Ending, Judged, Step};
pub use self::error::JobError;
pub use self::member::{Brought, MemberHalf};
pub use self::spec::{
    Algorithm, Amount, DataSpec, DecaySpec, EncodingSpec, EvaluationSpec, FederationSpec, JobSpec,
    Judge, LocalSpec, Mechanism, ModelSpec, PrivacySpec, ServerSpec, Split, StopSpec, WatchSpec,
};
pub use self::task::{PrivacyParts, TaskParts};

use self::data::Data;
use crate::adaptive::{AdaptiveClip, AdaptiveSettings, BIT_TENSOR};
use crate::average::train_pooled;
use crate::examples::Examples;
use crate::model::Model;
use crate::network::Network;
use crate::seed::RunSeed;
use crate::subset::Subset;
use crate::tensors::to_f64;
use crate::train::LocalSgd;

/// A training that is right in itself: every number in its range, every table of the right kind.
#[derive(Debug, Clone)]
pub struct Job {
    spec: JobSpec,
    data: Data,
    first: Model,
    network: Network,
}

impl Job {
    /// Takes in a job; reads the file of the first model, and deals built-in examples.
    ///
    /// # Errors
    ///
    /// [`JobError`] with the key that is out of its range or does not go with another, or the file that cannot be read.
    // spec: [job.check]
    pub fn new(spec: JobSpec) -> Result<Self, JobError> {
        check::check(&spec)?;
        let data = Data::of(&spec)?;
        let first = first_model(&spec, &data)?;
        let network = Network::of(first.tensors())?;
        check::fits(&spec, &data, network)?;
        Ok(Self {
            spec,
            data,
            first,
            network,
        })
    }

    /// Reads the text of a job's file. Paths in it are taken as they are.
    ///
    /// # Errors
    ///
    /// [`JobError::Toml`] with the line, for text that is no job; else as [`Job::new`].
    pub fn from_toml(text: &str) -> Result<Self, JobError> {
        Self::new(Self::spec_from_toml(text)?)
    }

    /// Reads the text of a job's file without a check, for whoever resolves paths first.
    ///
    /// # Errors
    ///
    /// [`JobError::Toml`] with the line.
    // spec: [job.strict]
    pub fn spec_from_toml(text: &str) -> Result<JobSpec, JobError> {
        toml::from_str(text).map_err(|error| JobError::Toml {
            line: error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.matches('\n').count().saturating_add(1)),
            text: error
                .message()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        })
    }

    /// A file with every key explained.
    pub fn example() -> &'static str {
        include_str!("example.toml")
    }

    /// What the job says.
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// Seed of what may be known.
    pub fn seed(&self) -> RunSeed {
        RunSeed(self.spec.seed)
    }

    /// Seed of the rounding of a member whose rounding may be foreseen: with it a training over a network has the bits of one in a
    /// process.
    ///
    /// # Security
    ///
    /// For tests. It follows from the seed of the job, which everybody knows: an update rounded with it shows more of itself in a sum
    /// than it should, and a job with privacy must not use it.
    pub fn rounding_seed(&self, member: u32) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"veilsum job rounding");
        hash.update(self.spec.seed.to_le_bytes());
        hash.update(member.to_le_bytes());
        hash.finalize().into()
    }

    /// What is trained.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The model before the first round.
    pub fn first_model(&self) -> &Model {
        &self.first
    }

    /// Whose presence the noise hides; `None` without privacy.
    pub fn unit(&self) -> Option<Unit> {
        self.spec.privacy.and(self.spec.algorithm.unit())
    }

    /// After how many rounds models are judged, and where; `None` for never.
    pub fn judge(&self) -> Option<(u64, Judge)> {
        let EvaluationSpec { every, on, .. } = self.spec.evaluation;
        let default = match self.spec.privacy {
            Some(_) => Judge::Public,
            None => Judge::Members,
        };
        (every > 0).then_some((every, on.unwrap_or(default)))
    }

    /// Examples of one member, held-out ones included: built in, or of the file that the job names for it.
    ///
    /// # Errors
    ///
    /// [`JobError::Member`] for a slot without examples; [`JobError::Csv`] and [`JobError::Io`] for its file.
    pub fn examples(&self, member: u32) -> Result<Examples, JobError> {
        self.data.part(&self.spec, member)
    }

    /// Examples of a member's own file, in the form that the job says.
    ///
    /// # Errors
    ///
    /// [`JobError::Csv`], [`JobError::Io`]; [`JobError::Key`] in a job with built-in examples.
    pub fn read_examples(&self, path: &Path) -> Result<Examples, JobError> {
        data::read(&self.spec, path)
    }

    /// Public examples that nobody trains on, if the job has some.
    ///
    /// # Errors
    ///
    /// [`JobError::Csv`], [`JobError::Io`].
    pub fn test(&self) -> Result<Option<Examples>, JobError> {
        self.data.test(&self.spec)
    }

    /// The tensors that a member contributes to a round, zeros; the same names and shapes in every round.
    pub fn contribution_form(&self) -> Tensors {
        let mut form = match (self.subset_size(), self.spec.algorithm) {
            (Some(size), _) => Subset::form_of(size),
            (None, Algorithm::DpSgd { .. }) => widened(self.first.tensors()),
            (None, _) => self.first.tensors().clone(),
        };
        if self.adaptive().is_some() {
            form.insert(BIT_TENSOR.to_owned(), scalar(0.0));
        }
        form
    }

    /// The same training without privacy, subsets and masks' limits, for comparison: FedAvg in the place of private algorithms.
    ///
    /// # Errors
    ///
    /// As [`Job::new`].
    pub fn plain(&self) -> Result<Self, JobError> {
        let algorithm = match self.spec.algorithm {
            Algorithm::DpSgd { .. } | Algorithm::DpFedAvg { .. } => Algorithm::FedAvg {},
            other => other,
        };
        let spec = JobSpec {
            algorithm,
            privacy: None,
            encoding: EncodingSpec::default(),
            server: match self.spec.privacy {
                Some(_) => ServerSpec::default(),
                None => self.spec.server,
            },
            ..self.spec.clone()
        };
        Self::new(spec)
    }

    /// A model trained on all members' examples in one place, as long as the federation: what privacy is traded against.
    ///
    /// # Errors
    ///
    /// [`JobError`] of the first file or training that fails.
    pub fn pooled(&self, rounds: u64) -> Result<Model, JobError> {
        let parts = (0..self.spec.members).map(|member| self.examples(member));
        let all = Examples::concat(&parts.collect::<Result<Vec<_>, _>>()?)?;
        let (first, settings) = (self.first.clone(), self.local_sgd());
        Ok(train_pooled(first, all, settings, self.seed(), rounds)?)
    }

    /// SHA-256 over all that the state of a half depends on. Without privacy more rounds may be asked for later.
    // spec: [job.state]
    pub fn digest(&self) -> [u8; 32] {
        let spec = JobSpec {
            checkpoint: None,
            rounds: self.spec.privacy.map_or(0, |_| self.spec.rounds),
            ..self.spec.clone()
        };
        let mut hash = Sha256::new();
        hash.update(b"veilsum/v1 job\0");
        // every float of a job is finite, so there is a JSON text of it
        hash.update(serde_json::to_vec(&spec).unwrap_or_default());
        hash.update(self.first.digest().0);
        hash.finalize().into()
    }

    fn data(&self) -> &Data {
        &self.data
    }

    fn local_sgd(&self) -> LocalSgd {
        let LocalSpec {
            epochs,
            batch_size,
            rate,
            ..
        } = self.spec.local;
        LocalSgd {
            learning_rate: rate,
            epochs,
            batch_size,
        }
    }

    /// Coordinates of the model.
    fn size(&self) -> usize {
        let tensors = self.first.tensors().values();
        tensors.map(|tensor| tensor.data.len()).sum()
    }

    /// Coordinates sent in a round, where that is not all of them.
    fn subset_size(&self) -> Option<usize> {
        let EncodingSpec { subset, .. } = self.spec.encoding;
        let size = self.size();
        let keep = ((size as f64 * subset).ceil() as usize).clamp(1, size);
        (subset < 1.0).then_some(keep)
    }

    fn subset(&self, round: u64) -> Result<Option<Subset>, JobError> {
        let draw = |keep| Subset::draw(self.seed(), round, self.size(), keep);
        Ok(self.subset_size().map(draw).transpose()?)
    }

    /// The clip that adapts, at its first value.
    fn adaptive(&self) -> Option<AdaptiveClip> {
        let Algorithm::DpFedAvg {
            clip,
            adaptive_quantile: Some(quantile),
            adaptive_rate: rate,
            ..
        } = self.spec.algorithm
        else {
            return None;
        };
        let settings = AdaptiveSettings {
            quantile,
            rate,
            ..AdaptiveSettings::MEDIAN
        };
        AdaptiveClip::new(settings, clip).ok()
    }
}

/// Name of the tensor that carries the clip of a round to the members, beside the model's own.
pub const CLIP_TENSOR: &str = "veilsum.clip";

fn first_model(spec: &JobSpec, data: &Data) -> Result<Model, JobError> {
    let (inputs, classes) = (data.features, u32::from(data.classes));
    let network = match &spec.model {
        ModelSpec::Softmax => Network::Softmax { inputs, classes },
        ModelSpec::Mlp(hidden) => Network::Mlp {
            inputs,
            hidden: *hidden,
            classes,
        },
        ModelSpec::File(path) => return read_model(path),
    };
    Ok(Model::new(0, network.init(RunSeed(spec.seed)))?)
}

/// A model with a version keeps it, other tensors start at 0.
fn read_model(path: &Path) -> Result<Model, JobError> {
    let bytes = std::fs::read(path).map_err(|fault| JobError::Io {
        path: path.to_owned(),
        fault,
    })?;
    match Model::from_bytes(&bytes) {
        Ok(model) => Ok(model),
        Err(_) => Ok(Model::new(0, crate::files::read(path)?)?),
    }
}

fn scalar(value: f64) -> Tensor {
    Tensor {
        shape: vec![1],
        data: TensorData::F32(vec![value as f32]),
    }
}

/// The same tensors in f64.
fn widened(tensors: &Tensors) -> Tensors {
    let wide = tensors.iter().map(|(name, tensor)| {
        let tensor = Tensor {
            shape: tensor.shape.clone(),
            data: TensorData::F64(to_f64(&tensor.data)),
        };
        (name.clone(), tensor)
    });
    wide.collect()
}
