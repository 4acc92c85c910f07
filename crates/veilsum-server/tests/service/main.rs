//! Real coordinators and real members over loopback QUIC. The members are the protocol's machines behind a small driver,
//! which can vanish, dawdle, come back and lie.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on panics"
)]

mod bad_input;
mod disk_full;
mod learning;
mod reconnect;
mod restart;
mod rounds;
mod support;
mod uploads;
