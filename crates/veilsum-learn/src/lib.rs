//! Not a network, not a protocol, not a place where anything becomes private: this crate sees plain updates.
//!
//! Federated learning without a network: models with a version and a digest, local training, averaging, tensor files, and a data
//! set to try them on. It stands on `veilsum-encode` for its tensors and meets the coordinator and the members in `veilsum-cli`.
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

pub mod average;
pub mod digits;
pub mod examples;
pub mod files;
mod layers;
pub mod model;
pub mod network;
pub mod seed;
pub mod tensors;
pub mod train;

pub use average::{AverageError, ServerSgd, WeightedMean, plain_round, train_pooled};
pub use examples::{Examples, ExamplesError, TrainTest};
pub use files::{FileError, FileKind};
pub use model::{Model, ModelDigest, ModelError};
pub use network::Network;
pub use seed::RunSeed;
pub use tensors::{Form, Mismatch, Norms, difference};
pub use train::{Evaluation, LocalSgd, LocalTrainer, TrainError, TrainedUpdate, Trainer, evaluate};
