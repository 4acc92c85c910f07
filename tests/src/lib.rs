//! Not shipped, and not a second implementation: the machines under test are those of `veilsum-proto`.
//!
//! What the tests beside it share: a [`Play`] holds the coordinator's machine and every member's, and lets a test stand in
//! for a lying coordinator or a lying member between them; a [`Forger`] is a member without a machine, which signs whatever
//! the test likes; a [`Tap`] notes every secret that leaves an honest member, and the
//! [`knowledge`](veilsum_sim::knowledge) model works out which sums the other side knows.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "support of tests: a failure here is a failed test"
)]

mod forger;
mod matrix;
mod noise;
mod oracle;
mod play;
pub mod quic;
mod samples;
mod setup;
mod tap;
pub mod views;

pub use forger::{Dealing, Forger};
pub use matrix::abort_at;
pub use noise::{Parts, Seeds, skellam};
pub use oracle::{Case, Outcome};
pub use play::{Play, Player, resigned};
pub use samples::samples;
pub use setup::Setup;
pub use tap::Tap;
