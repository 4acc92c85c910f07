//! Not shipped, and no test of a transport: reads the vectors of `spec/vectors`, which the reference model wrote from the pages of `spec/`,
//! and holds our code against every case of them.
//!
//! The folders are walked, so a new file is read without a change here; the type of a group picks what is computed, and a type or a field
//! that nobody reads is an error. The command `veilsum-vectors` prints what was found (`verify`), and is a member or a coordinator of a
//! round between programs (`member`, `coordinator`): see `spec/reference/README.md`.

pub mod bytes;
pub mod draws;
pub mod file;
pub mod judge;
pub mod kinds;
pub mod machine;
pub mod open;
pub mod party;
pub mod values;

pub use judge::{Counts, Judged, Report, judge_file};
