//! Why a client ends by itself. Everything that another try can mend is an event instead.

use std::path::PathBuf;

use thiserror::Error;
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ledger::LedgerError;
use veilsum_proto::refusal::Refusal;
use veilsum_quic::{BindError, ConnectError};

/// A client that cannot go on. The text says what to do.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The roster is of another authority than the site accepts.
    #[error(
        "roster is signed by authority {found}, policy accepts {wanted}: use the roster of your federation, or correct `authority` in the policy"
    )]
    Authority {
        /// Authority of the roster.
        found: PublicKey,
        /// Authority of the policy.
        wanted: PublicKey,
    },
    /// The member's own roster does not have its key.
    #[error(
        "key {key} is not on this member's roster: ask the authority to add it and to hand out the new roster"
    )]
    NotOnOwnRoster {
        /// The member's key.
        key: PublicKey,
    },
    /// The coordinator's roster does not have the member's key.
    #[error(
        "your key is not on the roster of this coordinator: ask the authority to add it, and the operator to load the new roster"
    )]
    NotOnRoster,
    /// The coordinator works under another roster.
    #[error(transparent)]
    Roster(Refusal),
    /// The site's policy refuses every task that the coordinator has.
    #[error(
        "every task of this coordinator is refused by the site's policy: {0}; change the policy or leave the federation"
    )]
    Policy(Refusal),
    /// The ledger cannot be trusted or written.
    #[error(
        "{0}: nothing is joined without a ledger; see the section on the ledger in spec/member.md"
    )]
    Ledger(LedgerError),
    /// The ledger is another member's.
    #[error(
        "ledger {} is that of key {found}, this member has {wanted}: name the ledger that was made with its key; one key, one ledger",
        path.display()
    )]
    OtherLedger {
        /// The ledger.
        path: PathBuf,
        /// Key it was made for.
        found: PublicKey,
        /// The member's key.
        wanted: PublicKey,
    },
    /// Another process uses the member's key.
    #[error(
        "another process has connected with this member's key, and the coordinator talks to that one from now on: if both are this member, \
         end one of them; if not, the key is in other hands: have the authority take it off the roster"
    )]
    Replaced,
    /// This side cannot connect anywhere as it is configured.
    #[error("cannot connect as configured: {0}")]
    Connect(ConnectError),
    /// No port can be had.
    #[error("cannot open a port: {0}")]
    Bind(#[from] BindError),
    /// The operating system gives no randomness.
    #[error("operating system gives no randomness: {0}")]
    Randomness(String),
    /// The operating system gives no thread for the contributor.
    #[error("cannot start the contributor's thread: {0}")]
    Thread(String),
    /// The contributor's thread ended by a panic.
    #[error("contributor panicked: its updates cannot be had any more")]
    ContributorPanicked,
    /// A step of the protocol ended by a panic: a bug.
    #[error("step of the protocol panicked, which is a bug: {0}")]
    Panicked(String),
}

impl ClientError {
    /// Stable name; exit codes and bindings hang on it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Authority { .. } => "authority",
            Self::NotOnOwnRoster { .. } => "not_on_own_roster",
            Self::NotOnRoster => "not_on_roster",
            Self::Roster(_) => "roster",
            Self::Policy(_) => "policy",
            Self::Ledger(_) => "ledger",
            Self::OtherLedger { .. } => "other_ledger",
            Self::Replaced => "replaced",
            Self::Connect(_) => "connect",
            Self::Bind(_) => "bind",
            Self::Randomness(_) => "randomness",
            Self::Thread(_) => "thread",
            Self::ContributorPanicked => "contributor_panicked",
            Self::Panicked(_) => "panicked",
        }
    }
}
