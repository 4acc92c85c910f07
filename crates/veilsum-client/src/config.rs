//! What a member is run with.

use std::fmt;
use std::sync::Arc;

use veilsum_math::Threads;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::TaskDigest;
use veilsum_proto::member::{Floors, PrivacyFloors, UnlistedTasks};
use veilsum_proto::roster::Roster;
use veilsum_proto::task::Task;
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
    /// What the contributor asks of every task beside the policy, and whether it checks example clips itself. The stricter of both
    /// holds ([`PrivacyFloors::and`]).
    ///
    /// # Security
    ///
    /// A contributor that follows a job puts the job's epsilon and delta here: the noise is the coordinator's choice, and the job names
    /// what it must be worth. [`ExampleClip::Checked`](veilsum_proto::member::ExampleClip::Checked) is for a contributor that refuses
    /// every task whose example clip is not the one that it keeps to; any other leaves the default.
    // spec: [contributor.privacy]
    pub contributor: PrivacyFloors,
    /// Of the tasks that the roster does not list and the policy does not pin, no other is joined. Whether this one is, the policy
    /// still says ([`Policy::unlisted_tasks`]); tasks that are listed or pinned are not touched.
    ///
    /// # Security
    ///
    /// A contributor that follows a job with privacy puts the digest of the job's task here. Epsilon is held per task, and a
    /// coordinator may invent any number of tasks that look like the job's: each would cost as much again.
    // spec: [contributor.task]
    pub only_unlisted_task: Option<TaskDigest>,
    /// Bounds of the connection.
    pub limits: Limits,
    /// Waits between tries to connect.
    pub backoff: Backoff,
    /// Fixed seed of the rounding; see [`rounding_rng`](crate::rounding_rng).
    ///
    /// # Security
    ///
    /// For demonstrations and tests: an update whose rounding can be foreseen shows more of itself in a sum than it should. `None` in
    /// every real member.
    #[cfg(feature = "known-seeds")]
    pub rounding_seed: Option<[u8; 32]>,
    /// Fixed seed of the noise; see [`noise_rng`](crate::noise_rng).
    ///
    /// # Security
    ///
    /// For demonstrations and tests: noise that somebody can make again protects nothing. Ledger and events go on as if nobody could:
    /// the epsilon that they state is then that of nothing. `None` in every real member.
    #[cfg(feature = "known-seeds")]
    pub noise_seed: Option<[u8; 32]>,
    /// Threads that agree on keys, check signatures and mask.
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
            contributor: PrivacyFloors::default(),
            only_unlisted_task: None,
            limits: Limits::default(),
            backoff: Backoff::default(),
            #[cfg(feature = "known-seeds")]
            rounding_seed: None,
            #[cfg(feature = "known-seeds")]
            noise_seed: None,
            threads: Threads::All,
        }
    }

    /// What the machine enforces for a task: the policy's floors and the contributor's.
    // spec: [contributor.privacy] [contributor.task]
    pub(crate) fn floors(&self, task: &Task) -> Floors {
        let mut floors = self.policy.floors(self.roster.len(), task);
        floors.privacy = floors.privacy.and(self.contributor.clone());
        let is_other = self
            .only_unlisted_task
            .is_some_and(|only| only != task.digest());
        if is_other && !self.policy.pins(task) {
            floors.unlisted = UnlistedTasks::Refused;
        }
        floors
    }

    /// Seed of the rounding, if somebody else is to know it.
    pub(crate) fn known_rounding(&self) -> Option<[u8; 32]> {
        #[cfg(feature = "known-seeds")]
        {
            self.rounding_seed
        }
        #[cfg(not(feature = "known-seeds"))]
        {
            None
        }
    }

    /// Seed of the noise, if somebody else is to know it.
    pub(crate) fn known_noise(&self) -> Option<[u8; 32]> {
        #[cfg(feature = "known-seeds")]
        {
            self.noise_seed
        }
        #[cfg(not(feature = "known-seeds"))]
        {
            None
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
