//! Not the protocol (that is `veilsum-proto`), not the transport (`veilsum-quic`) and not a trainer: nothing here checks a
//! signature, encodes a message or touches a model's numbers.
//!
//! It is the member's SDK. A [`Client`] keeps one connection to the coordinator, drives one member machine per (task, round),
//! asks a [`Contributor`] for its update, and hands it the result. Three things stand between a coordinator and a site's data:
//! the [`Policy`] that the site's operator writes, the [`FileLedger`] that remembers what was signed and spent, and the
//! machine's own checks. The norm is `spec/member.md`; its requirement ids stand at the lines that obey them.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//! use veilsum_client::{
//!     Client, Contributor, Failure, FileLedger, LocalUpdate, MemberConfig, MemberResult, Policy, RoundAbort, RoundInfo, stop_pair,
//! };
//! use veilsum_proto::{identity::Identity, roster::Roster};
//!
//! struct Trainer;
//!
//! impl Contributor for Trainer {
//!     fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, Failure> {
//!         let tensors = todo_train(info.model.as_deref())?;
//!         Ok(LocalUpdate { tensors, weight: 1 })
//!     }
//!     fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
//!         println!("round {}: {} survivors", result.round, result.survivors.len());
//!         ControlFlow::Break(())
//!     }
//!     fn aborted(&mut self, _: &RoundAbort) -> ControlFlow<()> {
//!         ControlFlow::Continue(())
//!     }
//! }
//! # fn todo_train(_: Option<&[u8]>) -> Result<veilsum_encode::Tensors, Failure> { Err("none".into()) }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::from_toml(&std::fs::read_to_string("policy.toml")?)?;
//! let roster = Roster::from_toml(&std::fs::read_to_string("roster.toml")?, &policy.authority)?;
//! let identity = Identity::from_file_text(&std::fs::read_to_string("member.key")?)?;
//! let config = MemberConfig::new("coordinator.example:4433", Arc::new(identity), Arc::new(roster), policy);
//! let mut client = Client::new(config, FileLedger::open("ledger.jsonl")?)?;
//! let (_handle, stop) = stop_pair();
//! client.run(Trainer, |event: &veilsum_client::Event| println!("{event:?}"), stop).await?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod backoff;
mod client;
mod config;
mod contributor;
mod error;
mod event;
mod ledger;
mod models;
mod policy;
mod rounding;
mod session;
mod stop;

pub use backoff::Backoff;
pub use client::Client;
pub use config::MemberConfig;
pub use contributor::{
    Asked, Contributor, Failure, LocalUpdate, MemberResult, Observer, RoundAbort, RoundInfo,
};
pub use error::ClientError;
pub use event::{ClippedNorm, Event, ModelBy, RoundPrivacy};
pub use ledger::{FileLedger, FileLedgerError, LedgerFiles, LedgerView};
pub use models::{KeepsNoModel, ModelStore};
pub use policy::{EncodingKind, Policy, PolicyError, Retry, TaskName};
#[cfg(feature = "known-seeds")]
pub use rounding::{noise_rng, rounding_rng};
pub use stop::{Stop, StopHandle, stop_pair};
