//! Why a roster is refused.

use super::{MAX_MEMBERS, MAX_TASKS, Name, RosterDraft, TomlError};
use crate::identity::PublicKey;
use crate::ids::{Round, Slot, TaskDigest};

/// Why a roster, or an edit of one, is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RosterError {
    /// The text is not a roster file.
    #[error("roster file: {0}")]
    Toml(#[from] TomlError),
    /// The file is of another version.
    #[error("roster file has version {found}, wanted {wanted}")]
    Version {
        /// Version found.
        found: u16,
        /// Version of this implementation.
        wanted: u16,
    },
    /// The file is a draft.
    #[error("roster is not signed: it has no `{missing}`; the authority signs it")]
    Unsigned {
        /// Key that the file lacks.
        missing: &'static str,
    },
    /// Another authority than the one this party trusts.
    #[error("roster names the authority {found}, the accepted one is {wanted}")]
    UnacceptedAuthority {
        /// Authority of the roster.
        found: PublicKey,
        /// Authority accepted here.
        wanted: PublicKey,
    },
    /// The signature is not the authority's over this content.
    #[error(
        "roster is not signed by its authority {authority}: changed after signing, or signed by another key"
    )]
    Signature {
        /// Authority of the roster.
        authority: PublicKey,
    },
    /// Somebody else than the authority wants to sign.
    #[error("key {found} is not the roster's authority {wanted}")]
    NotTheAuthority {
        /// Key that was to sign.
        found: PublicKey,
        /// Authority of the roster.
        wanted: PublicKey,
    },
    /// One key for both.
    #[error("authority and coordinator have the same key {key}, wanted different parties")]
    AuthorityIsCoordinator {
        /// The key.
        key: PublicKey,
    },
    /// The authority's key is a member's.
    #[error("slot {slot} has the authority's key, wanted different parties")]
    AuthorityIsMember {
        /// The member's slot.
        slot: Slot,
    },
    /// The coordinator's key is a member's.
    #[error("slot {slot} has the coordinator's key, wanted different parties")]
    CoordinatorIsMember {
        /// The member's slot.
        slot: Slot,
    },
    /// No member.
    #[error("roster has no members, wanted at least 1")]
    Empty,
    /// Too many members.
    #[error("roster has more than {MAX_MEMBERS} members")]
    TooMany,
    /// Slots are not 0, 1, 2, ... in this order.
    #[error("roster has slot {found} where slot {wanted} belongs")]
    SlotOrder {
        /// Slot found.
        found: Slot,
        /// Slot wanted.
        wanted: Slot,
    },
    /// Two members of one name.
    #[error("slots {first} and {slot} have the same name {name}")]
    DuplicateName {
        /// The name.
        name: Name,
        /// First slot with it.
        first: Slot,
        /// Second slot with it.
        slot: Slot,
    },
    /// Two members of one key.
    #[error("slots {first} and {slot} have the same key {key}")]
    DuplicateKey {
        /// The key.
        key: PublicKey,
        /// First slot with it.
        first: Slot,
        /// Second slot with it.
        slot: Slot,
    },
    /// Nobody of that name.
    #[error("roster has no member named {name:?}")]
    NoSuchMember {
        /// Name asked for.
        name: String,
    },
    /// A list of tasks that lists none.
    #[error(
        "roster has an empty list of tasks, under which nothing could be run; leave `tasks` out to admit any task"
    )]
    NoTasks,
    /// Too many tasks.
    #[error("roster lists more than {MAX_TASKS} tasks")]
    TooManyTasks,
    /// A task listed twice.
    #[error("roster lists the task {task} already")]
    DuplicateTask {
        /// Its digest.
        task: TaskDigest,
    },
    /// Digests of tasks out of order.
    #[error("roster lists the task {found} after {before}, wanted ascending digests")]
    TaskOrder {
        /// Digest found.
        found: TaskDigest,
        /// The one before it.
        before: TaskDigest,
    },
    /// No such task on the list.
    #[error("roster does not list the task {task}")]
    NoSuchTask {
        /// Digest asked for.
        task: TaskDigest,
    },
    /// The last round is out of range.
    #[error("last round is {found}, wanted 1 to {}", RosterDraft::MAX_LAST_ROUND)]
    LastRound {
        /// Round found.
        found: Round,
    },
    /// The codec refused to write the roster.
    #[error("roster cannot be encoded: {0}")]
    Encode(#[from] tls_codec::Error),
}
