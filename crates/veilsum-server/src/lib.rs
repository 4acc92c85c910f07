//! Not the protocol: what is checked, counted and unmasked in a round is decided by `veilsum-proto`, and what a member may
//! refuse is the member's. Nothing here opens a mask, and no file, log line or event holds an input, a share or a seed.
//!
//! The coordinator as a service: [`Service::start`] opens the port, lets members of the signed roster in, and runs each
//! [`TaskConfig`] round after round, several tasks at once. Members may connect, vanish and come back at any time; uploads
//! are staged inside a byte budget until they are whole; results are published as a signed receipt, a blob and a file.
//! The rules stand in `spec/service.md`; each is cited at the line that obeys it.
//!
//! ```text
//! ServerEndpoint --> session (one per member) --routes--> round loop (one per task, owns its Coordinator)
//!                       | uploads --> staging --whole--^        | faults, phase messages, receipts --> session
//! ```

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod blobs;
mod config;
mod directory;
mod durable;
mod error;
mod event;
mod faults;
mod flight;
mod hook;
#[doc(hidden)]
pub mod ingest;
mod privacy;
mod publish;
mod round;
mod routes;
mod service;
mod session;
mod shared;
mod staging;
mod store;
mod upload;

pub use config::{Gather, ServerConfig, TaskConfig};
pub use error::ServerError;
pub use event::Event;
pub use hook::{DownloadBytes, ModelDeltas, NoModel, RoundAbort, RoundResult, TaskHook, Turn};
pub use privacy::RoundPrivacy;
pub use service::Service;
pub use store::StoreError;
