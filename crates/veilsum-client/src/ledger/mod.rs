//! The member's ledger as a file: what was done, on disk before it was done.
//!
//! Not for secrets (none is ever in it) and not for what may be done (that is
//! [`LedgerState`](veilsum_proto::ledger::LedgerState)). It keeps entries so that a crash, a restored copy, a second process or
//! a lost file is noticed before the member signs twice. `spec/member.md`, section "Ledger".
//!
//! ```text
//! ledger.jsonl        header, then one line per entry; each line carries the SHA-256 of the line before it
//! ledger.jsonl.mark   how many entries were acknowledged, and the SHA-256 of the last: the high-water mark
//! elsewhere/...       the same mark again, where a restored copy of the ledger does not bring its old mark along
//! ```
//!
//! [`FileLedger::record`](veilsum_proto::ledger::Ledger::record) appends and syncs the line, then replaces and syncs the marks,
//! then returns. So a line beyond the marks was never acknowledged: nothing was done on its account. That is why a torn last
//! line may be dropped if, and only if, it is beyond every mark.

mod chain;
mod error;
mod files;
mod mark;
mod view;

pub use error::FileLedgerError;
pub use files::LedgerFiles;
pub use view::LedgerView;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::{Hash, Round, TaskDigest};
use veilsum_proto::ledger::{Entry, Ledger, LedgerError, LedgerState};

use chain::Line;
use mark::Mark;

/// A ledger in a file that this process alone holds.
///
/// # Security
///
/// One key, one ledger. Two members with one key and two ledgers can be made to sign twice, and the second place for the mark
/// is all that can notice it. A snapshot that restores the ledger and every mark with it goes unnoticed: put the second mark
/// where snapshots of this host do not reach.
#[derive(Debug)]
pub struct FileLedger {
    path: PathBuf,
    member: PublicKey,
    file: File,
    marks: Vec<PathBuf>,
    mark: Mark,
    /// Of this opening alone: two processes that write the same entry in the same second write two lines.
    opening: Hash,
    state: LedgerState,
    joined: BTreeMap<(TaskDigest, Round), u64>,
    last_at: u64,
    broken: Option<String>,
}

impl FileLedger {
    /// Makes a new, empty ledger at `path` for the member with this key, with its mark beside it.
    ///
    /// # Errors
    ///
    /// [`FileLedgerError::Exists`] when there is a ledger or a mark, [`FileLedgerError::Io`].
    ///
    /// # Security
    ///
    /// An operator's act, once per key: a member with a new ledger has forgotten what it signed.
    pub fn create(path: impl AsRef<Path>, member: &PublicKey) -> Result<Self, FileLedgerError> {
        LedgerFiles::new(path).create(member)
    }

    /// Opens the ledger at `path` and holds it against its mark.
    ///
    /// # Errors
    ///
    /// [`FileLedgerError`]: missing, locked by another process, rolled back, changed, unreadable or unwritable.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileLedgerError> {
        LedgerFiles::new(path).open()
    }

    /// Writes the mark to one more place, from where on [`LedgerFiles::second_mark`] names it.
    ///
    /// # Errors
    ///
    /// [`FileLedgerError::Exists`] when something is there, [`FileLedgerError::Io`].
    pub fn add_mark(&mut self, place: impl AsRef<Path>) -> Result<(), FileLedgerError> {
        let place = place.as_ref();
        if place.exists() {
            return Err(FileLedgerError::Exists { path: place.into() });
        }
        self.mark.write(place)?;
        self.marks.push(place.into());
        Ok(())
    }

    /// Whose acts are in it.
    pub fn member(&self) -> &PublicKey {
        &self.member
    }

    /// Where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Entries recorded so far.
    pub fn entries(&self) -> u64 {
        self.mark.entries
    }

    /// Rounds joined in the last 24 hours by the clock of this host. What lies in the clock's future counts, so that a clock
    /// set back lets nothing through.
    pub fn rounds_of_the_day(&self) -> usize {
        let since = now().saturating_sub(DAY);
        self.joined.values().filter(|at| **at > since).count()
    }

    /// Whether the member has advertised in any attempt of the round.
    pub fn has_joined(&self, task: &TaskDigest, round: Round) -> bool {
        self.joined.contains_key(&(*task, round))
    }

    /// Takes in a line that is on disk.
    fn apply(&mut self, line: &Line) {
        if let Entry::Advert { task, round, .. } = &line.entry {
            self.joined.entry((*task, *round)).or_insert(line.at);
        }
        self.last_at = self.last_at.max(line.at);
        self.state.apply(&line.entry);
    }

    fn append(&mut self, entry: Entry) -> Result<(), FileLedgerError> {
        self.check_marks()?;
        self.write(entry)
    }

    /// Line, sync, marks, sync; in this order.
    // spec: [ledger.durable] [ledger.mark]
    fn write(&mut self, entry: Entry) -> Result<(), FileLedgerError> {
        let line = Line {
            seq: self.mark.entries.saturating_add(1),
            at: now().max(self.last_at),
            previous: self.mark.head,
            opening: Some(self.opening),
            entry,
        };
        let bytes = line.encode();
        let io = |source| FileLedgerError::io("write", &self.path, source);
        self.file.write_all(&bytes).map_err(io)?;
        self.file.sync_data().map_err(io)?;
        self.mark.entries = line.seq;
        self.mark.head = chain::digest(&bytes);
        for place in &self.marks {
            self.mark.write(place)?;
        }
        self.apply(&line);
        Ok(())
    }

    /// Another process with a copy of this ledger would have moved a mark they share.
    // spec: [ledger.clone]
    fn check_marks(&self) -> Result<(), FileLedgerError> {
        for place in &self.marks {
            let found = Mark::read(place)?;
            if found.as_ref() != Some(&self.mark) {
                return Err(FileLedgerError::Moved {
                    path: place.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Ledger for FileLedger {
    fn state(&self) -> Result<&LedgerState, LedgerError> {
        match &self.broken {
            None => Ok(&self.state),
            Some(text) => Err(LedgerError(text.clone())),
        }
    }

    /// After one failure nothing more is recorded: what is on disk is unknown until the ledger is opened anew.
    // spec: [ledger.unwritable]
    fn record(&mut self, entry: Entry) -> Result<(), LedgerError> {
        self.state()?;
        self.append(entry).map_err(|error| {
            self.broken = Some(error.to_string());
            error.into()
        })
    }
}

/// Seconds since 1970 by the clock of this host.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

const DAY: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests;
