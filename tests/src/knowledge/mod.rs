//! Not a model of the members: what they sent is given, here is what follows from it.
//!
//! A symbolic model of what the coordinator and its corrupt members know. [`Facts`] are what left honest members in one
//! attempt. Two steps decide what they tell:
//!
//! - Secrets are known by rules, as `spec/crypto.md` derives them: `t` shares give their secret (points differ, so fewer
//!   give nothing), a root seed gives every pair seed of its member, a seed gives its mask, a value of a noise chain all
//!   components behind it. Corrupt members are taken to hold every share that can be dealt to them, and every pair seed
//!   with them.
//! - Vectors are known by linear algebra: each upload is one equation over unknown inputs, noise and the masks that no rule
//!   gives. Whatever combination of inputs is left when the masks are eliminated is known, and nothing else is.
//!
//! The equations are over the integers modulo a power of two; they are solved over the integers modulo 2^61 - 1. Every mask
//! stands in at most two uploads, there with opposite signs, so within an attempt all minors are 0 or ±1 and both give the
//! same answer. Keystreams count as ideal, hashes and public keys as telling nothing: that part is the theorem's.

mod algebra;
mod facts;
mod judge;
mod number;
mod secrets;
mod sums;

pub use facts::{Facts, Upload};
pub use judge::{Finding, judge, judge_round};
pub use number::Number;
pub use sums::{Input, Sum, Sums};
