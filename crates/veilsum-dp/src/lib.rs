//! Integer noise of Veilsum.
//!
//! Not for floats, not for clipping, not for masks: those live in `veilsum-encode` and `veilsum-proto`. A noise value
//! is an integer in units of one quantisation step, added to a coordinate before the coordinate is packed.
//!
//! What it is for, from the ground up:
//!
//! - [`rational`] and [`law`]: exact parameters, and the laws discrete Laplace (in Polya shares), Skellam and discrete
//!   Gaussian;
//! - [`table`] and [`sampler`]: cumulative tables with a proven distance from the law, and seekable draws from them, a
//!   fixed number of steps each;
//! - [`plan`]: which member adds which noise, and how surplus comes off again when fewer members vanish than tolerated.
//! - [`sensitivity`] and [`accountant`]: how far one example or member can move the sum, and what the noise then
//!   guarantees, round by round and in total.
//!
//! The norm is `spec/noise.md`.

#![deny(clippy::float_arithmetic)]

pub mod accountant;
mod bound;
mod enclosure;
pub mod law;
pub mod plan;
pub mod rational;
pub mod sampler;
pub mod sensitivity;
pub mod table;
#[cfg(test)]
mod testing;

pub use accountant::{
    Accountant, Calibrated, CalibrationError, Filter, Observer, OutsideError, Release, Sampling,
    Statement, Target, UnitMismatch, against_outside, calibrate,
};
pub use bound::NoiseBound;
pub use law::{Family, Law, LawError, PartLaw, Variance};
pub use plan::{
    BaseSeed, ChainEnd, ChainValue, Cohort, Kept, Level, MemberNoise, NoiseChain, NoiseContext,
    NoisePlan, NoisePlanError, NoiseSecrets, Sharing, Surplus, SurplusError,
};
pub use rational::{ParseRationalError, Rational};
pub use sampler::{NoiseStream, Part, Sampler, SamplerError};
pub use sensitivity::{
    Adjacency, Clip, Encoded, Rounding, Sensitivity, SensitivityError, Unit,
    conditional_norm_squared,
};
pub use table::{TABLE_BYTES_MAX, TableError};
