//! Not a simulation: a real coordinator and real members over loopback QUIC, in one process, on the system's clock.
//!
//! A [`Federation`] holds identities, a signed roster and a folder; a [`House`] is its coordinator, a [`Site`] a member
//! before it runs, a [`Runner`] one that does. A [`Trap`] makes a member vanish right before a chosen act. What happened
//! stands in [`Watched`] logs that tests wait on; the plain sums are worked out beside the protocol.

mod cell;
mod federation;
mod house;
mod plain;
mod runner;
mod site;
mod trap;
mod watched;

pub use cell::{Cell, Count};
pub use federation::{Federation, deadlines, integer_task};
pub use house::{House, HouseLog, Sum};
pub use plain::{Inputs, flat, plain_integers, plain_mean, reencoded};
pub use runner::{Runner, SiteLog};
pub use site::Site;
pub use trap::{How, Trap};
pub use watched::{PATIENCE, Watched};
