//! The Veilsum protocol, sans-IO: no sockets, no clock, no randomness of the operating system, no files.
//!
//! Messages, keys, parameters and graph of a round, and the machines of a member and of the coordinator. `now` and `rng`
//! are arguments. The norm is `spec/protocol.md` (what is done and checked, in order) and `spec/wire.md` (bytes).
//!
//! The caller carries the messages, so every one of them can be looked at, changed or lost on its way: `tests/round.rs` of
//! this crate plays a whole round from outside with a hook on each message, and is the place to start for an integrator or
//! for somebody who builds an adversary.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

pub mod abort;
pub mod bitmap;
pub mod certificate;
pub mod coordinator;
pub mod fault;
pub mod graph;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod label;
pub mod ledger;
pub mod masked;
pub mod member;
pub mod merkle;
pub mod message;
pub mod noise;
pub mod parameters;
pub mod refusal;
pub mod roster;
pub mod session;
mod side_by_side;
pub mod task;
