//! Members against a coordinator that the tests script: the machine of `veilsum-proto` behind a real endpoint, with
//! lines that break where a test says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod answers;
mod coordinator;
mod member;
mod memory;
mod models;
mod promises;
mod reconnect;
mod refusals;
mod round;
