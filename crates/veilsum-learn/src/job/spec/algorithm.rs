//! How a job trains.

use serde::{Deserialize, Deserializer, Serialize};
use veilsum_dp::Unit;

use super::tagged;

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

/// A table of an algorithm that need not say its name.
pub(super) fn algorithm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Algorithm, D::Error> {
    tagged(deserializer, "name", "fedavg")
}

pub(super) const fn default_algorithm() -> Algorithm {
    Algorithm::FedAvg {}
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

const fn one() -> f64 {
    1.0
}
