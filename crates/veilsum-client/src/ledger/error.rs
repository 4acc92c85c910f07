//! Why a ledger cannot be trusted.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_proto::ledger::LedgerError;

/// A ledger that is not used. The member joins nothing until its operator has acted.
#[derive(Debug, Error)]
pub enum FileLedgerError {
    /// There is none, and none was ever made here.
    #[error("no ledger at {}: make one, once per key", path.display())]
    NotCreated {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There was one, as its mark tells.
    #[error(
        "no ledger at {}, but its mark at {} counts {entries} entries: restore the newest copy of the ledger; if there is none, take the key off the roster and start with a new key",
        path.display(),
        mark.display()
    )]
    Lost {
        /// Where the ledger was.
        path: PathBuf,
        /// Where the mark is.
        mark: PathBuf,
        /// Entries the ledger had.
        entries: u64,
    },
    /// A ledger or a mark stands where a new one was to be made.
    #[error("{} exists already: a ledger is made once and never over another", path.display())]
    Exists {
        /// What stands there.
        path: PathBuf,
    },
    /// The ledger's mark is gone.
    #[error(
        "no mark of the ledger at {}: without it an old copy cannot be told from the ledger; restore the mark",
        path.display()
    )]
    MarkMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process holds it.
    #[error("ledger {} is in use by another process: one member, one process", path.display())]
    Locked {
        /// The ledger.
        path: PathBuf,
    },
    /// The ledger is older than its mark.
    #[error(
        "ledger {} has {found} entries, its mark {} counts {wanted}: this is an old copy; restore the newest",
        path.display(),
        mark.display()
    )]
    RolledBack {
        /// The ledger.
        path: PathBuf,
        /// The mark.
        mark: PathBuf,
        /// Entries found.
        found: u64,
        /// Entries counted.
        wanted: u64,
    },
    /// The ledger and its mark tell different stories.
    #[error(
        "ledger {} is not the one that mark {} counts: it is a copy that went its own way, or another ledger",
        path.display(),
        mark.display()
    )]
    Forked {
        /// The ledger.
        path: PathBuf,
        /// The mark.
        mark: PathBuf,
    },
    /// A mark changed under the open ledger.
    #[error("mark {} was changed by somebody else: another process has a copy of this ledger", path.display())]
    Moved {
        /// The mark.
        path: PathBuf,
    },
    /// A line that is not one, or does not follow from the line before it.
    #[error("line {line} of ledger {} {problem}: it was changed or damaged; restore the newest copy", path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A mark that cannot be read.
    #[error("mark {} is damaged: restore it", path.display())]
    MarkDamaged {
        /// The mark.
        path: PathBuf,
    },
    /// The disk.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system gives no randomness for the ledger's name.
    #[error("operating system gives no randomness: {0}")]
    Randomness(String),
}

impl FileLedgerError {
    pub(super) fn io(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            act,
            path: path.into(),
            source,
        }
    }

    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotCreated { .. } => "ledger_not_created",
            Self::Lost { .. } => "ledger_lost",
            Self::Exists { .. } => "ledger_exists",
            Self::MarkMissing { .. } => "ledger_mark_missing",
            Self::Locked { .. } => "ledger_locked",
            Self::RolledBack { .. } => "ledger_rolled_back",
            Self::Forked { .. } => "ledger_forked",
            Self::Moved { .. } => "ledger_moved",
            Self::Damaged { .. } => "ledger_damaged",
            Self::MarkDamaged { .. } => "ledger_mark_damaged",
            Self::Io { .. } => "ledger_io",
            Self::Randomness(_) => "randomness",
        }
    }
}

impl From<FileLedgerError> for LedgerError {
    fn from(error: FileLedgerError) -> Self {
        Self(error.to_string())
    }
}
