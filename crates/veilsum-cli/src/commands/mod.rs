//! What the commands do: one file per command.

pub mod bench;
pub mod join;
pub mod keygen;
pub mod plan;
pub mod roster;
pub mod serve;
pub mod stats;
pub mod status;
pub mod task;
pub mod train;
