//! A roster before it is signed.

use super::members::{Member, Members};
use super::tasks::Tasks;
use super::{Name, Roster, RosterError, digest};
use crate::identity::{Identity, PublicKey};
use crate::ids::{Round, Slot, TaskDigest};
use crate::label::Label;
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use tls_codec::{TlsSerialize, TlsSize};

/// A roster that is being edited: it has no randomness and no signature, so every edit of a signed roster loses both.
///
/// Names, keys and slots are right at every moment (unique, contiguous); who is who is checked when it is signed.
// spec: [roster.randomness]
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize)]
pub struct RosterDraft {
    federation: Name,
    authority: PublicKey,
    coordinator: PublicKey,
    last_round: Round,
    tasks: Tasks,
    members: Members,
}

impl RosterDraft {
    /// A draft without members, for rounds up to [`RosterDraft::DEFAULT_LAST_ROUND`].
    pub fn new(federation: Name, authority: PublicKey, coordinator: PublicKey) -> Self {
        Self {
            federation,
            authority,
            coordinator,
            last_round: Self::DEFAULT_LAST_ROUND,
            tasks: Tasks::default(),
            members: Members::default(),
        }
    }

    /// Puts a member into the next free slot.
    ///
    /// # Errors
    ///
    /// [`RosterError::DuplicateName`], [`RosterError::DuplicateKey`], or [`RosterError::TooMany`] when the roster is full.
    pub fn add(&mut self, name: Name, key: PublicKey) -> Result<Slot, RosterError> {
        self.members.push(name, key)
    }

    /// Takes a member out. Those behind it move up by one slot, so that slots stay contiguous: a slot names the same
    /// member only under one signed roster.
    ///
    /// # Errors
    ///
    /// [`RosterError::NoSuchMember`].
    // spec: [roster.slots]
    pub fn remove(&mut self, name: &str) -> Result<Member, RosterError> {
        self.members.remove(name)
    }

    /// Sets the last round that may be run under the roster. Each round number costs 2^-40 of error on the ring (R6).
    ///
    /// # Errors
    ///
    /// [`RosterError::LastRound`] when it is 0 or above [`RosterDraft::MAX_LAST_ROUND`].
    // spec: [roster.last-round]
    pub fn set_last_round(&mut self, last_round: Round) -> Result<(), RosterError> {
        if last_round.0 == 0 || last_round > Self::MAX_LAST_ROUND {
            return Err(RosterError::LastRound { found: last_round });
        }
        self.last_round = last_round;
        Ok(())
    }

    /// Lists a task: once one is listed, no other may be run under the roster.
    ///
    /// # Errors
    ///
    /// [`RosterError::DuplicateTask`], or [`RosterError::TooManyTasks`] beyond [`MAX_TASKS`](super::MAX_TASKS).
    // spec: [roster.tasks]
    pub fn allow_task(&mut self, task: TaskDigest) -> Result<(), RosterError> {
        self.tasks.allow(task)
    }

    /// Takes a task off the list. Without any left, every task may be run again.
    ///
    /// # Errors
    ///
    /// [`RosterError::NoSuchTask`].
    pub fn disallow_task(&mut self, task: &TaskDigest) -> Result<(), RosterError> {
        self.tasks.disallow(task)
    }

    /// Digests of the tasks that may be run under the roster; nothing when any may.
    pub fn tasks(&self) -> Option<&BTreeSet<TaskDigest>> {
        self.tasks.listed()
    }

    /// Sets the coordinator's key.
    pub fn set_coordinator(&mut self, coordinator: PublicKey) {
        self.coordinator = coordinator;
    }

    /// Signs the roster as its authority: checks all of it, then draws the graph randomness as the last act before the
    /// signature (R6). Always a fresh draw, also for a draft that was signed before.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotTheAuthority`] when `authority` is not the roster's, or what [`RosterDraft::check`] refuses.
    ///
    /// # Security
    ///
    /// Whoever knows `rng`'s output beforehand can choose an own key that sits where it likes on the ring.
    // spec: [roster.randomness]
    pub fn sign(
        self,
        authority: &Identity,
        rng: &mut impl CryptoRng,
    ) -> Result<Roster, RosterError> {
        if authority.public() != self.authority {
            return Err(RosterError::NotTheAuthority {
                found: authority.public(),
                wanted: self.authority,
            });
        }
        self.check()?;
        let mut randomness = [0; 32];
        rng.fill_bytes(&mut randomness);
        let signed = digest(&self, &randomness)?;
        let signature = authority.sign(Label::SignRoster, &[signed.as_bytes()]);
        Roster::verified(self, randomness, signature)
    }

    /// Checks what a signed roster must fulfil beyond unique names and keys in contiguous slots.
    ///
    /// # Errors
    ///
    /// [`RosterError::Empty`]; [`RosterError::AuthorityIsCoordinator`]; [`RosterError::AuthorityIsMember`];
    /// [`RosterError::CoordinatorIsMember`].
    // spec: [roster.parties]
    pub fn check(&self) -> Result<(), RosterError> {
        if self.members.list().is_empty() {
            return Err(RosterError::Empty);
        }
        if self.authority == self.coordinator {
            return Err(RosterError::AuthorityIsCoordinator {
                key: self.authority,
            });
        }
        if let Some(slot) = self.slot_of(&self.authority) {
            return Err(RosterError::AuthorityIsMember { slot });
        }
        match self.slot_of(&self.coordinator) {
            Some(slot) => Err(RosterError::CoordinatorIsMember { slot }),
            None => Ok(()),
        }
    }

    /// Name of the federation.
    pub fn federation(&self) -> &Name {
        &self.federation
    }

    /// Key of the authority that is to sign it.
    pub fn authority(&self) -> PublicKey {
        self.authority
    }

    /// Key of the coordinator.
    pub fn coordinator(&self) -> PublicKey {
        self.coordinator
    }

    /// Last round that may be run under the roster.
    pub fn last_round(&self) -> Round {
        self.last_round
    }

    /// Members in order of their slots.
    pub fn members(&self) -> &[Member] {
        self.members.list()
    }

    /// Number of slots.
    pub fn len(&self) -> u32 {
        self.members.len()
    }

    /// Whether no member was added yet.
    pub fn is_empty(&self) -> bool {
        self.members.list().is_empty()
    }

    /// The slot of the member with this key.
    pub fn slot_of(&self, key: &PublicKey) -> Option<Slot> {
        self.members.slot_of(key)
    }

    /// The member of this name.
    pub fn named(&self, name: &str) -> Option<&Member> {
        self.members.named(name)
    }

    /// Last round of a new draft.
    pub const DEFAULT_LAST_ROUND: Round = Round(1000);

    /// Largest last round: beyond it the error of all round numbers together would say nothing.
    pub const MAX_LAST_ROUND: Round = Round(1 << 32);
}
