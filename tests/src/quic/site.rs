//! A member before it runs.

use std::time::Duration;

use veilsum_client::{Backoff, MemberConfig, Policy};
use veilsum_math::Threads;
use veilsum_proto::ids::Slot;
use veilsum_proto::member::UnlistedTasks;

use super::{Federation, House, Inputs, Runner, Trap};

/// A member with its terms, its inputs, and perhaps a trap.
#[derive(Debug)]
pub struct Site {
    pub(super) slot: Slot,
    /// Address, policy, limits: to be changed at will.
    pub config: MemberConfig,
    /// What it contributes.
    pub inputs: Inputs,
    /// Where it vanishes.
    pub trap: Option<Trap>,
}

impl Site {
    /// An honest member of the federation that stays, with default terms, quick to come back.
    pub fn new(federation: &Federation, house: &House, slot: Slot, inputs: Inputs) -> Self {
        let roster = federation.roster().clone();
        let identity = federation.identity(slot);
        let mut policy = Policy::new(roster.authority());
        // the tests' tasks say themselves how many corrupt members they reckon with
        policy.min_corrupt = Some(1);
        policy.unlisted_tasks = UnlistedTasks::Any;
        let mut config = MemberConfig::new(house.address.to_string(), identity, roster, policy);
        config.backoff = Backoff {
            first: Duration::from_millis(100),
            most: Duration::from_millis(500),
        };
        config.rounding_seed = Some(super::plain::rounding_seed(slot));
        config.threads = Threads::One;
        Self {
            slot,
            config,
            inputs,
            trap: None,
        }
    }

    /// The same, vanishing.
    pub fn trapped(mut self, trap: Trap) -> Self {
        self.trap = Some(trap);
        self
    }

    /// The same under other terms.
    pub fn with(mut self, change: impl FnOnce(&mut MemberConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Runs it with the federation's ledger of its slot, which an earlier run may still be about to let go.
    pub fn run(self, federation: &Federation) -> Runner {
        let ledger = federation.ledger(self.slot);
        Runner::start(self, ledger, federation.crowd())
    }
}
