//! A look at a ledger, also while a member holds it. Not a ledger: nothing can be recorded in it, and nothing may be done on its
//! account, since a member may be a line ahead.

use std::path::Path;

use veilsum_proto::identity::PublicKey;
use veilsum_proto::ledger::{Entry, LedgerState};

use super::chain::Line;
use super::{FileLedgerError, LedgerFiles};

/// What a ledger held when it was looked at.
#[derive(Debug)]
pub struct LedgerView {
    member: PublicKey,
    lines: Vec<Line>,
    state: LedgerState,
}

impl LedgerView {
    /// Reads the ledger at `path` and holds it against the mark beside it, without taking its lock and without writing anything.
    ///
    /// # Errors
    ///
    /// [`FileLedgerError`]: missing, rolled back, changed or unreadable.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FileLedgerError> {
        let (member, lines) = LedgerFiles::new(path).look()?;
        let mut state = LedgerState::default();
        lines.iter().for_each(|line| state.apply(&line.entry));
        Ok(Self {
            member,
            lines,
            state,
        })
    }

    /// Whose acts are in it.
    pub fn member(&self) -> &PublicKey {
        &self.member
    }

    /// What was done, in order, each with seconds since 1970 by the clock of the host.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.lines.iter().map(|line| (line.at, &line.entry))
    }

    /// What follows from it.
    pub fn state(&self) -> &LedgerState {
        &self.state
    }
}
