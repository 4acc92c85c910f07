//! Not a network, not a protocol, not a place where anything becomes private: this crate sees plain updates.
//!
//! Federated learning without a network. It stands on `veilsum-encode` for its tensors and meets the coordinator and the members in
//! `veilsum-cli`. Requirements: `spec/learning.md`.
//!
//! | question | modules |
//! |---|---|
//! | which model, and how members get it | [`model`], [`delta`], [`files`] |
//! | what a member computes | [`train`] (FedAvg, FedProx, FedSGD), [`dp_sgd`], [`adaptive`], [`subset`] |
//! | what the coordinator does with the mean | [`optimizer`] (FedAvgM, FedAdam, FedYogi, FedAdagrad), [`schedule`], [`average`] |
//! | when to stop, what to keep | [`progress`], [`checkpoint`] |
//! | all of it joined to a training | [`job`] |
//! | statistics instead of models | [`stats`], [`scaling`] |
//! | data to try it on | [`digits`], [`cancer`], [`examples`] |
//!
//! ```
//! use veilsum_learn::{LocalSgd, LocalTrainer, Model, Network, RunSeed, digits, evaluate, plain_round};
//!
//! let seed = RunSeed(1);
//! let data = digits::load()?.split_test(20, seed)?;
//! let members = data.train.split_by_label(3, seed)?;
//! let mut trainers = Vec::new();
//! for (member, examples) in (0..).zip(members) {
//!     trainers.push(LocalTrainer::new(examples, LocalSgd::DIGITS, seed, member)?);
//! }
//! let mut model = Model::new(0, Network::Softmax { inputs: 64, classes: 10 }.init(seed))?;
//! for round in 1..=5 {
//!     model = plain_round(&model, &mut trainers, round)?;
//! }
//! assert_eq!(model.version(), 5);
//! assert!(evaluate(&model, &data.test)?.accuracy > 0.7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod adaptive;
pub mod average;
mod bytes;
pub mod cancer;
pub mod checkpoint;
mod deal;
pub mod delta;
pub mod digits;
pub mod dp_sgd;
mod elementary;
pub mod examples;
pub mod files;
pub mod job;
mod layers;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod progress;
pub mod quotes;
pub mod scaling;
pub mod schedule;
pub mod seed;
mod setting;
pub mod stats;
pub mod subset;
pub mod tensors;
pub mod train;

pub use adaptive::{AdaptedMean, AdaptiveClip, AdaptiveError, AdaptiveSettings};
pub use average::{AverageError, ServerSgd, WeightedMean, plain_round, train_pooled};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use delta::{Delta, DeltaError, History, Sync};
pub use dp_sgd::{ClippedSum, DpSgd, ExampleClip, Sampling};
pub use examples::{Examples, ExamplesError, TrainTest};
pub use files::{FileError, FileKind};
pub use job::{
    Algorithm, CoordinatorHalf, DataSpec, Job, JobError, JobSpec, MemberHalf, PrivacySpec, Split,
};
pub use model::{Model, ModelDigest, ModelError, ModelId};
pub use network::Network;
pub use optimizer::{OptimizerError, ServerOptimizer, ServerState};
pub use progress::{BestModel, EarlyStop, Verdict, Watch};
pub use scaling::{ScalingError, Standardizer};
pub use schedule::{Decay, Schedule};
pub use seed::RunSeed;
pub use setting::SettingError;
pub use subset::{ErrorFeedback, Outcome, Subset, SubsetError};
pub use tensors::{Form, Mismatch, Norms, difference};
pub use train::{
    Evaluation, GradientTrainer, LocalSgd, LocalTrainer, TrainError, TrainedUpdate, Trainer,
    evaluate,
};
