//! Whole rounds in one process: real cryptography, no network, no sleeping.
//!
//! Not for measuring a network, and not a proof: members here are honest unless a [`Tamper`] makes them, or the coordinator,
//! lie. Used by `veilsum simulate`, by the drop-out matrix and by the adversary tests.
//!
//! A [`Federation`] (identities, signed roster, task) runs one round at a time through [`Federation::run`]: every message is
//! encoded, passed through the tamper, decoded under its cap, and handed to the machine it is for, as on a network. A
//! [`Script`] says who vanishes where. The [`Report`] says what came out, and whether it is the plain integer sum of the
//! named survivors (and of the noise that stays, in a task with noise), computed on a separate path.
//!
//! [`ops`] goes further: rounds in virtual time from a list of operations, random or kept, each judged. What a coordinator with
//! corrupt members knows after them is worked out in [`knowledge`].

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod cost;
mod federation;
mod inputs;
pub mod knowledge;
mod member;
pub mod ops;
mod report;
mod run;
mod script;
mod tamper;
mod updates;

pub use cost::{Costs, PhaseCosts};
pub use federation::{Federation, SetupError, identity};
pub use inputs::{Formula, InputError, Inputs, Matrix};
pub use report::{Blame, Dropped, NoiseReport, Report};
pub use run::{RunError, RunOptions, Summed};
pub use script::{Script, Vanish};
pub use tamper::{Honest, Tamper};
pub use updates::{Brought, Updates};
