//! Not the protocol, and not proof for all numbers of members: a small symbolic model of one round, searched to its end.
//!
//! A lying coordinator, one corrupt member, restarts and a second attempt against the rules of `spec/protocol.md`: what an honest
//! member signs and gives away, and what follows from it. No secret is here, only who has given which. [`LyingCoordinator`]
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

pub use knowledge::{Kind, Released, Transcript};
pub use member::{Fixed, Member, Mutant, NOBODY_BARE, ONE_CERTIFICATE, ONE_SUM, Rules, Session};
pub use replay::Replay;
pub use round::{Action, LyingCoordinator, Round};
pub use search::{Found, attack, search};
pub use setting::Setting;
pub use slots::Slots;
pub use walk::{edges, paths};
