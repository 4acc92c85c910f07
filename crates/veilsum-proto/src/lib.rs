//! The Veilsum protocol, sans-IO: no sockets, no clock, no randomness of the operating system, no files.
//!
//! Messages, keys, parameters and graph of a round, and the machines of a member and of the coordinator. `now` and `rng`
//! are arguments. The norm is `spec/protocol.md` (what is done and checked, in order) and `spec/wire.md` (bytes).

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod bitmap;
pub mod graph;
pub mod identity;
pub mod ids;
pub mod label;
pub mod parameters;
pub mod roster;
pub mod task;
