//! Digests of the tasks that may be run under a roster.

use super::RosterError;
use crate::ids::TaskDigest;
use std::collections::BTreeSet;
use std::io::Write;
use tls_codec::{Serialize, Size};

/// Most tasks of a roster.
pub const MAX_TASKS: usize = 256;

/// The tasks of a roster: any, or those listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tasks(BTreeSet<TaskDigest>);

impl Tasks {
    // spec: [roster.tasks]
    pub(super) fn allow(&mut self, task: TaskDigest) -> Result<(), RosterError> {
        if self.0.len() >= MAX_TASKS && !self.0.contains(&task) {
            return Err(RosterError::TooManyTasks);
        }
        if !self.0.insert(task) {
            return Err(RosterError::DuplicateTask { task });
        }
        Ok(())
    }

    pub(super) fn disallow(&mut self, task: &TaskDigest) -> Result<(), RosterError> {
        match self.0.remove(task) {
            true => Ok(()),
            false => Err(RosterError::NoSuchTask { task: *task }),
        }
    }

    /// The listed digests; nothing when any task may be run.
    pub(super) fn listed(&self) -> Option<&BTreeSet<TaskDigest>> {
        (!self.0.is_empty()).then_some(&self.0)
    }

    /// A presence byte, then the digests behind their length in bytes.
    fn wire(&self) -> Option<Vec<TaskDigest>> {
        self.listed().map(|listed| listed.iter().copied().collect())
    }
}

impl Size for Tasks {
    fn tls_serialized_len(&self) -> usize {
        self.wire().tls_serialized_len()
    }
}

impl Serialize for Tasks {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.wire().tls_serialize(writer)
    }
}
