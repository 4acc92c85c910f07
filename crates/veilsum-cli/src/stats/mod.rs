//! What `stats`, `serve` and `join --stats` share about statistics: tables, tasks of queries, and what a site allows.
//!
//! Not the statistics themselves, which are [`veilsum_learn::stats`].

pub mod allow;
mod table;
pub mod task;

pub use table::{Empty, LeftOut, Reading, count_rows, read};
