//! The command as its users run it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

mod cautions;
mod demo;
mod job;
mod models;
mod network;
mod offline;
mod stats;
mod status;
mod support;
