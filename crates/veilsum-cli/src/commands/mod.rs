//! What the commands do: one file per command.

pub mod keygen;
pub mod plan;
pub mod roster;
pub mod task;
