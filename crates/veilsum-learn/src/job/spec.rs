//! What a job's file says, not yet checked as a whole.

mod algorithm;
mod data;
mod defaults;

use std::path::PathBuf;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use veilsum_dp::{Adjacency, Family, Sharing, Unit};

pub use self::algorithm::Algorithm;
pub use self::data::{DataSpec, Split};

use self::algorithm::{algorithm, default_algorithm};
use self::data::{data, default_data};

/// All of a training: one TOML file that coordinator and members hold alike.
///
/// Tables with a `name` or `source` say first which of several kinds they are; keys of another kind are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Name of the task: lower-case letters, digits, `-`, `_` and `.`, at most 64 of them.
    #[serde(default = "default_name")]
    pub name: String,
    /// Seed of what may be known: the split, the first model, the order of the examples. Never of noise or masks.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Members of the federation, at least 3.
    #[serde(default = "default_members")]
    pub members: u32,
    /// Rounds of training, 1 to 1 000 000; those without a sum count.
    #[serde(default = "default_rounds")]
    pub rounds: u64,
    /// Members that take part in a round, drawn anew for each; all when absent.
    #[serde(default)]
    pub clients_per_round: Option<u32>,
    /// Where the examples come from; the digits unless said otherwise.
    #[serde(default = "default_data", deserialize_with = "data")]
    pub data: DataSpec,
    /// What is trained.
    #[serde(default)]
    pub model: ModelSpec,
    /// How; by FedAvg unless said otherwise.
    #[serde(default = "default_algorithm", deserialize_with = "algorithm")]
    pub algorithm: Algorithm,
    /// What a member does in a round.
    #[serde(default)]
    pub local: LocalSpec,
    /// Rate of the coordinator's step.
    #[serde(default)]
    pub server: ServerSpec,
    /// Whether and where models are judged.
    #[serde(default)]
    pub evaluation: EvaluationSpec,
    /// When to stop early; never when absent.
    #[serde(default)]
    pub stop: Option<StopSpec>,
    /// How updates become integers.
    #[serde(default)]
    pub encoding: EncodingSpec,
    /// Differential privacy; none when absent.
    #[serde(default)]
    pub privacy: Option<PrivacySpec>,
    /// What the rounds withstand.
    #[serde(default)]
    pub federation: FederationSpec,
    /// Where the coordinator keeps what it needs to go on; beside the results when absent.
    #[serde(default)]
    pub checkpoint: Option<PathBuf>,
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelSpec {
    /// Softmax regression.
    #[default]
    Softmax,
    /// A perceptron with one layer of so many hidden units.
    Mlp(u32),
    /// A model of this file, .safetensors, of either kind; its version counts on.
    File(PathBuf),
}

/// What a member does in a round; not used by `fedsgd` and `dp-sgd`, which take one step on all examples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalSpec {
    /// Passes over the member's examples, at least 1.
    pub epochs: u32,
    /// Examples in a batch, at least 1.
    pub batch_size: u32,
    /// Step size, above 0.
    pub rate: f32,
    /// Whether members count by their examples; else all alike. With privacy they count alike.
    pub weighted: bool,
}

/// Rate of the coordinator's step ([`Schedule`](crate::Schedule)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSpec {
    /// Rate after the warm-up, above 0; 1, or 0.1 for the optimisers that scale each coordinate, when absent.
    pub rate: Option<f64>,
    /// Rounds of the warm-up.
    pub warm_up: u64,
    /// What happens after it.
    pub decay: DecaySpec,
}

/// How the rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DecaySpec {
    /// Not at all.
    #[default]
    None,
    /// Times `factor` after every `every` rounds.
    Step {
        /// Rounds between two falls, at least 1.
        every: u64,
        /// Above 0, at most 1.
        factor: f64,
    },
    /// Along half a period of the cosine.
    Cosine {
        /// Rounds until the least rate, at least 1.
        rounds: u64,
        /// Share of the rate that is left, 0 to 1.
        least: f64,
    },
}

/// Whether and where models are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSpec {
    /// After every so many rounds; 0 for never.
    pub every: u64,
    /// On which examples; where it is absent, at the members, or on the public test set in a job with privacy.
    pub on: Option<Judge>,
    /// Share of each member's examples that it keeps for judging, in percent, 1 to 50; used where members judge.
    pub held_out_percent: u32,
}

/// On which examples models are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// On examples that members hold back, by a masked sum of counts. Exact, so not for jobs with privacy.
    Members,
    /// On examples that the coordinator has.
    Public,
}

/// When to stop early ([`EarlyStop`](crate::EarlyStop)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopSpec {
    /// Evaluations in a row that may be no better, at least 1.
    pub patience: u32,
    /// What counts as better, from 0.
    #[serde(default)]
    pub min_delta: f64,
    /// Which number is watched, also for the best model.
    #[serde(default)]
    pub watch: WatchSpec,
}

/// Which number is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchSpec {
    /// Accuracy.
    #[default]
    Accuracy,
    /// Loss.
    Loss,
}

/// How updates become integers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodingSpec {
    /// Bits of a coordinate, 4 to 16. When absent 16, or with privacy the fewest that cost no more than 2 % of noise.
    pub bits: Option<u8>,
    /// Whether updates are rotated first, which makes few bits do; not with Laplace noise.
    pub rotation: Option<bool>,
    /// Norm that no update exceeds, above 0: far above honest ones without privacy. With `dp-fedavg` the algorithm has the clip; with
    /// `dp-sgd` it bounds a member's summed gradients.
    pub clip: Option<f64>,
    /// Share of the coordinates that is sent in a round, above 0, at most 1 ([`Subset`](crate::Subset)); all when 1.
    pub subset: f64,
    /// Share of what was not sent that is remembered, 0 to 1 ([`ErrorFeedback`](crate::ErrorFeedback)).
    pub memory: f64,
}

/// What all rounds together guarantee, and how.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacySpec {
    /// Epsilon of all rounds together, above 0.
    pub epsilon: f64,
    /// Delta of all rounds together, above 0, below 1.
    #[serde(default = "default_delta")]
    pub delta: f64,
    /// Whose presence is hidden. Follows from the algorithm: an example for `dp-sgd`, a member for `dp-fedavg`; checked if present.
    #[serde(default)]
    pub unit: Option<Unit>,
    /// Law of the noise.
    #[serde(default)]
    pub mechanism: Mechanism,
    /// Who carries the noise; the least there is for the law when absent.
    #[serde(default)]
    pub sharing: Option<Sharing>,
    /// What the unit's part of the sum is compared with.
    #[serde(default = "zero_out")]
    pub adjacency: Adjacency,
}

/// Law of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Discrete Laplace, in Polya shares.
    Laplace,
    /// Discrete Gaussian.
    Gaussian,
    /// Skellam.
    #[default]
    Skellam,
}

/// What the rounds withstand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FederationSpec {
    /// Members that may work with the coordinator: a number, or with a point a part of those that take part.
    pub corrupt: Amount,
    /// Members that may vanish in a round: a number, or with a point a part of those that take part.
    pub dropout: Amount,
}

/// A number of members.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// This part of those that take part, 0 to 1.
    Rate(f64),
}

impl JobSpec {
    /// A job with defaults for all but these.
    pub fn new(members: u32, rounds: u64, data: DataSpec, algorithm: Algorithm) -> Self {
        Self {
            name: default_name(),
            seed: default_seed(),
            members,
            rounds,
            clients_per_round: None,
            data,
            model: ModelSpec::default(),
            algorithm,
            local: LocalSpec::default(),
            server: ServerSpec::default(),
            evaluation: EvaluationSpec::default(),
            stop: None,
            encoding: EncodingSpec::default(),
            privacy: None,
            federation: FederationSpec::default(),
            checkpoint: None,
        }
    }
}

impl PrivacySpec {
    /// Skellam noise for this guarantee, with defaults for the rest.
    pub const fn new(epsilon: f64, delta: f64) -> Self {
        Self {
            epsilon,
            delta,
            unit: None,
            mechanism: Mechanism::Skellam,
            sharing: None,
            adjacency: zero_out(),
        }
    }
}

impl Mechanism {
    /// The family of laws.
    pub const fn family(self) -> Family {
        match self {
            Self::Laplace => Family::Polya,
            Self::Gaussian => Family::DiscreteGaussian,
            Self::Skellam => Family::Skellam,
        }
    }

    /// Who carries the noise unless a job says otherwise: no more than needed after each round, where the law allows it.
    pub const fn default_sharing(self) -> Sharing {
        match self {
            Self::Laplace | Self::Skellam => Sharing::DropoutExact,
            Self::Gaussian => Sharing::Shared,
        }
    }

    /// Its name in files and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Laplace => "laplace",
            Self::Gaussian => "gaussian",
            Self::Skellam => "skellam",
        }
    }
}

fn tagged<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
    tag: &str,
    default: &str,
) -> Result<T, D::Error> {
    let mut table = serde_json::Map::deserialize(deserializer)?;
    table.entry(tag).or_insert_with(|| default.into());
    T::deserialize(serde_json::Value::Object(table)).map_err(D::Error::custom)
}

const fn default_members() -> u32 {
    12
}

const fn default_rounds() -> u64 {
    20
}

fn default_name() -> String {
    "training".to_owned()
}

const fn default_seed() -> u64 {
    1
}

const fn default_delta() -> f64 {
    1e-5
}

const fn zero_out() -> Adjacency {
    Adjacency::ZeroOut
}
