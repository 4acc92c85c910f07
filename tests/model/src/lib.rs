//! Not the protocol, and not proof for all numbers of members: a small symbolic model of one round, searched to its end.
//!
//! A lying coordinator, one corrupt member, restarts and a second attempt against the rules of `spec/protocol.md`; or two corrupt
//! members, parts that do not open, and every choice of which accepts are shown to whom as cuts. What an honest member signs
//! and gives away, the values of its noise chain among it, and what follows from that. No secret is here, only who has given which. [`LyingCoordinator`]
//! is searched by stateright; [`Replay`] takes the same steps on the machines of `veilsum-proto` and asks whether they do, and
//! refuse, the same. [`Mutant`] leaves one check out, and the search has to find the attack. [`Arc`](ring::Arc) does the same
//! for the window rule of the ring.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "support of tests: a failure here is a failed test"
)]

mod knowledge;
mod member;
mod replay;
pub mod ring;
mod round;
mod search;
mod setting;
mod slots;
mod walk;

pub use knowledge::{Kind, Released, Transcript, Upload};
pub use member::{
    Fixed, Member, Mutant, NOBODY_BARE, NOISE_STAYS, ONE_CERTIFICATE, ONE_SUM, Rules, Session,
};
pub use replay::Replay;
pub use round::{Action, LyingCoordinator, Round};
pub use search::{Found, Within, attack, search, within};
pub use setting::{Lies, Setting};
pub use slots::Slots;
pub use walk::{edges, paths};
