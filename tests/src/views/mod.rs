//! Not the machines: what an honest member does with what it is shown, in a few lines of its own, so that millions of
//! strategies of a lying coordinator can be tried. That the machines do the same is shown by replaying strategies on them
//! ([`replay`]) and comparing all that left them.
//!
//! A [`Strategy`] is what the coordinator shows to each honest member in each phase: advertised set, Share set, the survivor
//! sets it asks it to sign; then every certificate it can make, to everybody, and every request for shares. Corrupt members
//! sign whatever is asked, and hold all that is dealt to them. What is released becomes [`Facts`](veilsum_sim::knowledge::Facts),
//! and the knowledge model judges them. To see that the search can find something, one rule at a time can be left out
//! ([`Broken`]).

mod cohort;
mod draw;
mod exhaustive;
mod member;
mod replay;
mod strategy;

pub use cohort::{Cohort, Set};
pub use draw::{draw, wide_ring};
pub use exhaustive::{Search, exhaust, sample};
pub use member::{Broken, View};
pub use replay::{assert_same, replay};
pub use strategy::{Strategy, outcome};
