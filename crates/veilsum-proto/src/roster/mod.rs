//! The roster: who is a member, in which slot, signed by the federation's authority.
//!
//! Not a directory that a coordinator may edit, and not the set of members present in a round: absent members keep their
//! slots and count as drop-outs. Two states, two types: a [`RosterDraft`] is edited and has neither randomness nor
//! signature; a [`Roster`] is signed, checked and never changes. A `Roster` that exists is right.
//!
//! ```text
//! RosterDraft -- sign: check all, draw 32 fresh bytes, sign --> Roster
//!      ^                                                          |
//!      +------------- any edit: randomness and signature gone ----+
//! ```
//!
//! The norm is `spec/roster-task.md`, section "Roster".

mod draft;
mod error;
mod members;
mod name;
mod tasks;
mod text;
mod verifiers;

#[cfg(test)]
mod tests;

pub use self::draft::RosterDraft;
pub use self::error::RosterError;
pub use self::members::{MAX_MEMBERS, Member};
pub use self::name::{MAX_NAME, Name, NameError};
pub use self::tasks::MAX_TASKS;
pub use self::text::TomlError;

use crate::identity::{PublicKey, Signature, Verifier};
use crate::ids::{RosterDigest, Round, Slot, TaskDigest};
use crate::label::{Label, VERSION};
use std::collections::BTreeSet;
use tls_codec::Serialize as _;
use verifiers::Verifiers;

/// A roster signed by its authority, with every invariant checked. It cannot be edited, only turned back into a draft:
///
/// ```compile_fail,E0599
/// # use veilsum_proto::roster::Roster;
/// fn shrink(mut roster: Roster) {
///     let _ = roster.remove("alice");
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    draft: RosterDraft,
    randomness: [u8; 32],
    signature: Signature,
    digest: RosterDigest,
    verifiers: Verifiers,
}

impl Roster {
    /// Joins the parts of a roster, if they belong together.
    ///
    /// # Errors
    ///
    /// A broken invariant ([`RosterDraft::check`]) or [`RosterError::Signature`].
    // spec: [roster.signature]
    fn verified(
        draft: RosterDraft,
        randomness: [u8; 32],
        signature: Signature,
    ) -> Result<Self, RosterError> {
        draft.check()?;
        let digest = digest(&draft, &randomness)?;
        draft
            .authority()
            .verify(Label::SignRoster, &[digest.as_bytes()], &signature)
            .map_err(|_| RosterError::Signature {
                authority: draft.authority(),
            })?;
        Ok(Self {
            verifiers: Verifiers::new(draft.len()),
            draft,
            randomness,
            signature,
            digest,
        })
    }

    /// The roster as a draft again, without randomness and signature.
    // spec: [roster.randomness]
    pub fn into_draft(self) -> RosterDraft {
        self.draft
    }

    /// Name of the federation.
    pub fn federation(&self) -> &Name {
        self.draft.federation()
    }

    /// Key of the authority that signed it.
    pub fn authority(&self) -> PublicKey {
        self.draft.authority()
    }

    /// Key of the coordinator.
    pub fn coordinator(&self) -> PublicKey {
        self.draft.coordinator()
    }

    /// Public randomness of graphs, committees and cohorts, unknown to everybody before the roster was signed (R6).
    pub fn randomness(&self) -> &[u8; 32] {
        &self.randomness
    }

    /// Last round that may be run under this roster.
    pub fn last_round(&self) -> Round {
        self.draft.last_round()
    }

    /// Digests of the tasks that may be run under the roster; nothing when any may.
    pub fn tasks(&self) -> Option<&BTreeSet<TaskDigest>> {
        self.draft.tasks()
    }

    /// Whether the authority signed this task: its digest was fixed before the randomness was drawn.
    pub fn lists(&self, task: &TaskDigest) -> bool {
        self.tasks().is_some_and(|tasks| tasks.contains(task))
    }

    /// Whether the task may be run under the roster: it is listed, or nothing is.
    // spec: [roster.tasks]
    pub fn admits(&self, task: &TaskDigest) -> bool {
        self.tasks().is_none_or(|tasks| tasks.contains(task))
    }

    /// Number of slots, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a signed roster has a member")]
    pub fn len(&self) -> u32 {
        self.draft.len()
    }

    /// Members in order of their slots.
    pub fn members(&self) -> &[Member] {
        self.draft.members()
    }

    /// The member in `slot`, if the roster has that slot.
    pub fn member(&self, slot: Slot) -> Option<&Member> {
        self.members().get(slot.index())
    }

    /// The key in `slot`, if the roster has that slot.
    pub fn key_of(&self, slot: Slot) -> Option<&PublicKey> {
        self.member(slot).map(|member| &member.key)
    }

    /// The key in `slot`, ready to check signatures and kept so, if the roster has that slot.
    pub fn verifier_of(&self, slot: Slot) -> Option<&Verifier> {
        self.verifiers.of(slot, self.key_of(slot)?)
    }

    /// The slot of the member with this key.
    pub fn slot_of(&self, key: &PublicKey) -> Option<Slot> {
        self.draft.slot_of(key)
    }

    /// The member of this name.
    pub fn named(&self, name: &str) -> Option<&Member> {
        self.draft.named(name)
    }

    /// Digest over everything but the signature.
    pub fn digest(&self) -> RosterDigest {
        self.digest
    }

    /// The authority's signature over the digest.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The bytes under the digest.
    ///
    /// # Errors
    ///
    /// [`RosterError::Encode`] when the codec refuses, which no roster of at most [`MAX_MEMBERS`] causes.
    pub fn encode(&self) -> Result<Vec<u8>, RosterError> {
        encode(&self.draft, &self.randomness)
    }
}

// spec: [roster.canonical]
fn encode(draft: &RosterDraft, randomness: &[u8; 32]) -> Result<Vec<u8>, RosterError> {
    let mut bytes = Vec::new();
    VERSION.tls_serialize(&mut bytes)?;
    draft.tls_serialize(&mut bytes)?;
    randomness.tls_serialize(&mut bytes)?;
    Ok(bytes)
}

// spec: [roster.digest]
fn digest(draft: &RosterDraft, randomness: &[u8; 32]) -> Result<RosterDigest, RosterError> {
    let bytes = encode(draft, randomness)?;
    Ok(RosterDigest(Label::Roster.hash(&[&bytes]).0))
}
