//! What a member is run with.

use std::fmt;
use std::sync::Arc;

use veilsum_math::Threads;
use veilsum_proto::identity::Identity;
use veilsum_proto::roster::Roster;
use veilsum_quic::Limits;

use crate::{Backoff, Policy};

/// Who the member is, whom it talks to, and on what terms.
pub struct MemberConfig {
    /// Where the coordinator listens, `host:port`. An address is no identity: the coordinator is its key on the roster.
    pub coordinator: String,
    /// The member's key.
    pub identity: Arc<Identity>,
    /// The roster that the accepted authority signed.
    pub roster: Arc<Roster>,
    /// The site's terms.
    pub policy: Policy,
    /// Bounds of the connection.
    pub limits: Limits,
    /// Waits between tries to connect.
    pub backoff: Backoff,
    /// Fixed seed of the rounding; see [`rounding_rng`](crate::rounding_rng).
    ///
    /// # Security
    ///
    /// For demonstrations alone. `None` in every real member.
    pub rounding_seed: Option<[u8; 32]>,
    /// Fixed seed of the noise; see [`noise_rng`](crate::noise_rng).
    ///
    /// # Security
    ///
    /// For demonstrations alone: noise that somebody can make again protects nothing. `None` in every real member.
    pub noise_seed: Option<[u8; 32]>,
    /// Threads to mask with.
    pub threads: Threads,
}

impl MemberConfig {
    /// A configuration with default limits and waits, all threads, and unpredictable rounding and noise.
    pub fn new(
        coordinator: impl Into<String>,
        identity: Arc<Identity>,
        roster: Arc<Roster>,
        policy: Policy,
    ) -> Self {
        Self {
            coordinator: coordinator.into(),
            identity,
            roster,
            policy,
            limits: Limits::default(),
            backoff: Backoff::default(),
            rounding_seed: None,
            noise_seed: None,
            threads: Threads::All,
        }
    }
}

impl fmt::Debug for MemberConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberConfig")
            .field("coordinator", &self.coordinator)
            .field("key", &self.identity.public())
            .field("roster", &self.roster.digest())
            .finish_non_exhaustive()
    }
}
