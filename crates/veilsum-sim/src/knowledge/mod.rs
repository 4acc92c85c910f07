//! Not a model of the members: what they sent is given, here is what follows from it.
//!
//! A symbolic model of what the coordinator and its corrupt members know: the one judge of [`ops`](crate::ops), of the adversary
//! tests and of the search over what a lying coordinator shows to whom. [`Facts`] are what left honest members in one attempt.
//! Two steps decide what they tell:
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

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "no bytes of a peer come here: places are those of rows that it made itself, numbers are residues or small counts"
)]

mod algebra;
mod facts;
mod judge;
mod number;
mod secrets;
mod sums;
#[cfg(test)]
mod tests;

pub use facts::{Facts, Key, Upload, peers};
pub use judge::{Finding, judge, judge_round};
pub use number::Number;
pub use sums::{Input, Sum, Sums, TooManySums};
