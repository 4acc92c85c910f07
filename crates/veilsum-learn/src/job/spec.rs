//! What a job's file says, not yet checked as a whole.

use std::path::PathBuf;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use veilsum_dp::{Adjacency, Family, Sharing, Unit};

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

/// Where the examples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataSpec {
    /// Handwritten digits, built in ([`digits`](crate::digits)).
    Digits {
        /// How they are dealt.
        #[serde(default)]
        split: Split,
        /// Share of the examples that nobody trains on, in percent, 1 to 99.
        #[serde(default = "default_percent")]
        test_percent: u32,
    },
    /// Tumours of the breast, built in ([`cancer`](crate::cancer)), standardised by a sum over the members.
    Cancer {
        /// How they are dealt; to five hospitals unless said otherwise.
        #[serde(default = "hospitals")]
        split: Split,
        /// Share of the examples that nobody trains on, in percent, 1 to 99.
        #[serde(default = "default_percent")]
        test_percent: u32,
    },
    /// Files with a line for each example and a head that names the columns: numbers, and the label as 0, 1 and so on.
    Csv {
        /// One file for each member, by slot; members on a network name their own instead.
        #[serde(default)]
        files: Vec<PathBuf>,
        /// A file of public examples that nobody trains on.
        #[serde(default)]
        test: Option<PathBuf>,
        /// Column of the label.
        label: String,
        /// Columns beside it.
        features: u32,
        /// Classes, 2 to 255.
        classes: u8,
        /// Mean and deviation of each feature, to standardise by; public numbers. Features stay as they are when absent.
        #[serde(default)]
        scaling: Vec<(f64, f64)>,
        /// Most examples of one member: the largest weight.
        #[serde(default = "default_examples")]
        max_examples: u32,
        /// About how many examples all members have together; a public number, wanted by `dp-sgd` alone.
        #[serde(default)]
        total_examples: Option<u64>,
    },
}

/// How built-in examples are dealt to the members.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// At random, all alike.
    Iid,
    /// Mainly few labels each, and uneven numbers ([`Examples::split_by_label`](crate::Examples::split_by_label)).
    #[default]
    ByLabel,
    /// Each label in shares from a symmetric Dirichlet law with this alpha, 0.01 to 1000: the smaller, the more members differ
    /// ([`Examples::split_dirichlet`](crate::Examples::split_dirichlet)).
    Dirichlet(f64),
    /// Five hospitals of different size and kind ([`cancer::hospitals`](crate::cancer::hospitals)); for `cancer` alone.
    Hospitals,
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

/// Which algorithm; its source stands where it is built.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Algorithm {
    /// Local descent, mean of the differences ([`LocalTrainer`](crate::LocalTrainer)).
    FedAvg {},
    /// FedAvg with a pull to the global model ([`LocalTrainer::with_proximal`](crate::LocalTrainer::with_proximal)).
    FedProx {
        /// Strength of the pull, from 0; below 2 over the local rate.
        mu: f32,
    },
    /// Mean of full gradients ([`GradientTrainer`](crate::GradientTrainer)).
    FedSgd {
        /// Share of the last step that is kept, 0 to below 1.
        #[serde(default)]
        momentum: f64,
    },
    /// FedAvg with momentum at the coordinator.
    FedAvgM {
        /// Share of the last step that is kept, 0 to below 1.
        #[serde(default = "default_momentum")]
        momentum: f64,
    },
    /// Adam at the coordinator.
    FedAdam {
        /// Decay of the mean, 0 to below 1.
        #[serde(default = "default_beta1")]
        beta1: f64,
        /// Decay of the squares, 0 to below 1.
        #[serde(default = "default_beta2")]
        beta2: f64,
        /// What is added to the root, above 0.
        #[serde(default = "default_tau")]
        tau: f64,
    },
    /// Yogi at the coordinator.
    FedYogi {
        /// Decay of the mean, 0 to below 1.
        #[serde(default = "default_beta1")]
        beta1: f64,
        /// Decay of the squares, 0 to below 1.
        #[serde(default = "default_beta2")]
        beta2: f64,
        /// What is added to the root, above 0.
        #[serde(default = "default_tau")]
        tau: f64,
    },
    /// Adagrad at the coordinator.
    FedAdagrad {
        /// Decay of the mean, 0 to below 1.
        #[serde(default)]
        beta1: f64,
        /// What is added to the root, above 0.
        #[serde(default = "default_tau")]
        tau: f64,
    },
    /// One step on clipped gradients a round: hides an example ([`DpSgd`](crate::DpSgd)).
    #[serde(rename = "dp-sgd")]
    DpSgd {
        /// Norm that no example's gradient exceeds, above 0: L1 for Laplace noise, else L2.
        clip: f64,
        /// Probability with which a member takes an example into a round, above 0, at most 1. No epsilon is smaller for it.
        #[serde(default = "one")]
        sampling: f64,
        /// Share of the last step that is kept, 0 to below 1.
        #[serde(default)]
        momentum: f64,
    },
    /// FedAvg with clipped updates: hides a member ([`AdaptiveClip`](crate::AdaptiveClip) where the clip adapts).
    #[serde(rename = "dp-fedavg")]
    DpFedAvg {
        /// Norm that no update exceeds, above 0; the first one if it adapts. L1 for Laplace noise, else L2.
        clip: f64,
        /// Share of the updates that the clip follows, 0 to 1; a fixed clip when absent.
        #[serde(default)]
        adaptive_quantile: Option<f64>,
        /// How fast it follows, above 0, at most 1.
        #[serde(default = "default_adaptive_rate")]
        adaptive_rate: f64,
        /// Share of the last step that is kept, 0 to below 1.
        #[serde(default)]
        momentum: f64,
    },
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

impl DataSpec {
    /// The digits in this split, a fifth of them for the test.
    pub const fn digits(split: Split) -> Self {
        Self::Digits {
            split,
            test_percent: default_percent(),
        }
    }

    /// The tumours in this split, a fifth of them for the test.
    pub const fn cancer(split: Split) -> Self {
        Self::Cancer {
            split,
            test_percent: default_percent(),
        }
    }
}

impl Algorithm {
    /// Its name in files and on command lines.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FedAvg {} => "fedavg",
            Self::FedProx { .. } => "fedprox",
            Self::FedSgd { .. } => "fedsgd",
            Self::FedAvgM { .. } => "fedavgm",
            Self::FedAdam { .. } => "fedadam",
            Self::FedYogi { .. } => "fedyogi",
            Self::FedAdagrad { .. } => "fedadagrad",
            Self::DpSgd { .. } => "dp-sgd",
            Self::DpFedAvg { .. } => "dp-fedavg",
        }
    }

    /// Whose presence its clip bounds, if it is one for privacy.
    pub const fn unit(&self) -> Option<Unit> {
        match self {
            Self::DpSgd { .. } => Some(Unit::Example),
            Self::DpFedAvg { .. } => Some(Unit::Member),
            _ => None,
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

impl Default for LocalSpec {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 16,
            rate: 0.1,
            weighted: true,
        }
    }
}

impl Default for ServerSpec {
    fn default() -> Self {
        Self {
            rate: None,
            warm_up: 0,
            decay: DecaySpec::None,
        }
    }
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            every: 1,
            on: None,
            held_out_percent: 10,
        }
    }
}

impl Default for EncodingSpec {
    fn default() -> Self {
        Self {
            bits: None,
            rotation: None,
            clip: None,
            subset: 1.0,
            memory: 1.0,
        }
    }
}

impl Default for FederationSpec {
    fn default() -> Self {
        Self {
            corrupt: Amount::Rate(0.1),
            dropout: Amount::Rate(0.1),
        }
    }
}

/// A table of data that need not say its source.
fn data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DataSpec, D::Error> {
    tagged(deserializer, "source", "digits")
}

/// A table of an algorithm that need not say its name.
fn algorithm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Algorithm, D::Error> {
    tagged(deserializer, "name", "fedavg")
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

const fn default_data() -> DataSpec {
    DataSpec::digits(Split::ByLabel)
}

const fn default_algorithm() -> Algorithm {
    Algorithm::FedAvg {}
}

fn default_name() -> String {
    "training".to_owned()
}

const fn default_seed() -> u64 {
    1
}

const fn default_percent() -> u32 {
    20
}

const fn hospitals() -> Split {
    Split::Hospitals
}

const fn default_examples() -> u32 {
    1 << 20
}

const fn default_momentum() -> f64 {
    0.9
}

const fn default_beta1() -> f64 {
    0.9
}

const fn default_beta2() -> f64 {
    0.99
}

const fn default_tau() -> f64 {
    1e-3
}

const fn default_adaptive_rate() -> f64 {
    0.2
}

const fn default_delta() -> f64 {
    1e-5
}

const fn zero_out() -> Adjacency {
    Adjacency::ZeroOut
}

const fn one() -> f64 {
    1.0
}
