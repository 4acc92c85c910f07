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
    /// The one task that is joined without the word of the authority, whatever the policy says of tasks that the roster does not list.
    ///
    /// # Security
    ///
    /// A contributor that follows a job with privacy puts the digest of the job's task here. Epsilon is held per task, and a
    /// coordinator may invent any number of tasks that look like the job's: each would cost as much again. Every other task has to
    /// be on the roster's list, or pinned by the policy.
    // spec: [contributor.task]
    pub only_task: Option<TaskDigest>,
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
            contributor: PrivacyFloors::default(),
            only_task: None,
            limits: Limits::default(),
            backoff: Backoff::default(),
            rounding_seed: None,
            noise_seed: None,
            threads: Threads::All,
        }
    }

    /// What the machine enforces for a task: the policy's floors and the contributor's.
    // spec: [contributor.privacy] [contributor.task]
    pub(crate) fn floors(&self, task: &Task) -> Floors {
        let mut floors = self.policy.floors(self.roster.len(), task);
        floors.privacy = floors.privacy.and(self.contributor.clone());
        let is_other = self.only_task.is_some_and(|only| only != task.digest());
        if is_other && !self.policy.pins(task) {
            floors.unlisted = UnlistedTasks::Refused;
        }
        floors
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
