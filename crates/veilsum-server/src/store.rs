//! What the coordinator must know after a restart: which round comes next, which one is open, and what it fixed in it.
//! Not for vectors, messages or anything a member sent.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use veilsum_proto::{
    bitmap::Bitmap,
    ids::{Attempt, Round, Sid, Sid2, TaskDigest},
    roster::Name,
};

use crate::durable;

/// Why the state folder cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another service works in it.
    #[error("state folder {} is in use by another coordinator", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record of rounds cannot be understood. Going on without it would use round numbers twice.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The state folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    rounds: Mutex<Rounds>,
    _lock: File,
}

/// An attempt that was open when the last process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted {
    pub(crate) task: TaskDigest,
    pub(crate) name: Name,
    pub(crate) round: Round,
    pub(crate) attempt: Attempt,
}

/// What was fixed in an open attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fixed {
    pub(crate) round: Round,
    pub(crate) attempt: Attempt,
    pub(crate) sid: Sid,
    pub(crate) sid2: Sid2,
    /// U2, hexadecimal.
    pub(crate) shared: String,
    /// S, hexadecimal, once it is fixed.
    pub(crate) survivors: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounds {
    version: u32,
    tasks: BTreeMap<TaskDigest, Standing>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    name: Name,
    next_round: Round,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    round: Round,
    attempt: Attempt,
}

impl Store {
    /// Takes the folder over and ends what the last process left open. Blocks.
    // spec: [service.lock] [service.restart]
    pub(crate) fn open(folder: &Path) -> Result<(Self, Vec<Interrupted>), StoreError> {
        let fixes = folder.join(FIXES);
        fs::create_dir_all(&fixes).map_err(|source| io_error(&fixes, source))?;
        let lock = lock(folder)?;
        let store = Self {
            rounds: Mutex::new(read(&folder.join(ROUNDS))?),
            folder: folder.to_owned(),
            _lock: lock,
        };
        let interrupted = store.interrupted();
        for Interrupted { task, .. } in &interrupted {
            store.close_round(*task)?;
        }
        Ok((store, interrupted))
    }

    /// The first round of the task that was never opened; rounds count from 1.
    // spec: [service.round.grow]
    pub(crate) fn next_round(&self, task: &TaskDigest) -> Round {
        let rounds = self.lock();
        rounds
            .tasks
            .get(task)
            .map_or(FIRST, |standing| standing.next_round)
    }

    /// Records that an attempt opens, so that its round's number is spent. Blocks until it is durable.
    // spec: [service.round.durable]
    pub(crate) fn open_round(
        &self,
        task: TaskDigest,
        name: &Name,
        round: Round,
        attempt: Attempt,
    ) -> Result<(), StoreError> {
        self.change(|rounds| {
            let next_round = Round(round.0.saturating_add(1));
            let standing = rounds.tasks.entry(task).or_insert_with(|| Standing {
                name: name.clone(),
                next_round,
                open: None,
            });
            standing.next_round = standing.next_round.max(next_round);
            standing.open = Some(Open { round, attempt });
        })
    }

    /// Records what is fixed in the open attempt. Blocks until it is durable.
    // spec: [service.fix]
    pub(crate) fn fix(&self, task: &TaskDigest, fixed: &Fixed) -> Result<(), StoreError> {
        let path = self.fixed_path(task);
        let bytes =
            serde_json::to_vec_pretty(fixed).map_err(|error| io_error(&path, error.into()))?;
        durable::write(&path, &bytes).map_err(|source| io_error(&path, source))
    }

    /// Records that no attempt of the task is open. Blocks until it is durable.
    pub(crate) fn close_round(&self, task: TaskDigest) -> Result<(), StoreError> {
        let path = self.fixed_path(&task);
        durable::remove(&path).map_err(|source| io_error(&path, source))?;
        self.change(|rounds| {
            if let Some(standing) = rounds.tasks.get_mut(&task) {
                standing.open = None;
            }
        })
    }

    fn interrupted(&self) -> Vec<Interrupted> {
        let rounds = self.lock();
        let open = rounds.tasks.iter().filter_map(|(task, standing)| {
            let Open { round, attempt } = standing.open?;
            Some(Interrupted {
                task: *task,
                name: standing.name.clone(),
                round,
                attempt,
            })
        });
        open.collect()
    }

    /// Memory follows the disk: a change that is not durable did not happen.
    fn change(&self, change: impl FnOnce(&mut Rounds)) -> Result<(), StoreError> {
        let mut rounds = self.lock();
        let mut next = rounds.clone();
        change(&mut next);
        let path = self.folder.join(ROUNDS);
        let bytes =
            serde_json::to_vec_pretty(&next).map_err(|error| io_error(&path, error.into()))?;
        durable::write(&path, &bytes).map_err(|source| io_error(&path, source))?;
        *rounds = next;
        Ok(())
    }

    fn fixed_path(&self, task: &TaskDigest) -> PathBuf {
        self.folder.join(FIXES).join(format!("{task}.json"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rounds> {
        // replaced as a whole, so never half changed
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A set of slots as text.
pub(crate) fn bitmap_text(bitmap: &Bitmap) -> String {
    hex::encode(bitmap.as_bytes())
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

fn read(path: &Path) -> Result<Rounds, StoreError> {
    let unreadable = |reason: String| StoreError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Rounds {
                version: VERSION,
                tasks: BTreeMap::new(),
            });
        }
        Err(source) => return Err(io_error(path, source)),
    };
    let rounds: Rounds =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if rounds.version != VERSION {
        let found = rounds.version;
        return Err(unreadable(format!(
            "it has version {found}, wanted {VERSION}"
        )));
    }
    Ok(rounds)
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Version of the record of rounds.
const VERSION: u32 = 1;
/// The first round of a task.
const FIRST: Round = Round(1);
const ROUNDS: &str = "rounds.json";
const FIXES: &str = "open";
const LOCK: &str = "lock";

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name::try_from("digits".to_owned()).unwrap()
    }

    const TASK: TaskDigest = TaskDigest([7; 32]);

    // spec: [service.round.grow] [service.restart]
    #[test]
    fn an_open_round_is_named_after_a_restart_and_its_number_is_spent() {
        let folder = tempfile::tempdir().unwrap();
        let (store, interrupted) = Store::open(folder.path()).unwrap();
        assert_eq!((store.next_round(&TASK), interrupted), (Round(1), vec![]));
        store
            .open_round(TASK, &name(), Round(1), Attempt(2))
            .unwrap();
        drop(store);
        let (store, interrupted) = Store::open(folder.path()).unwrap();
        let expected = Interrupted {
            task: TASK,
            name: name(),
            round: Round(1),
            attempt: Attempt(2),
        };
        assert_eq!(interrupted, [expected]);
        assert_eq!(store.next_round(&TASK), Round(2));
        drop(store);
        let (_store, interrupted) = Store::open(folder.path()).unwrap();
        assert_eq!(interrupted, []);
    }

    // spec: [service.round.grow]
    #[test]
    fn a_further_attempt_spends_no_further_number() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        for attempt in 0..3 {
            store
                .open_round(TASK, &name(), Round(1), Attempt(attempt))
                .unwrap();
        }
        assert_eq!(store.next_round(&TASK), Round(2));
    }

    // spec: [service.lock]
    #[test]
    fn a_second_service_is_kept_out() {
        let folder = tempfile::tempdir().unwrap();
        let (_store, _) = Store::open(folder.path()).unwrap();
        assert!(matches!(
            Store::open(folder.path()),
            Err(StoreError::InUse { .. })
        ));
    }

    // spec: [service.restart]
    #[test]
    fn a_record_that_cannot_be_read_stops_the_start() {
        for text in ["", "{", r#"{"version":2,"tasks":{}}"#, r#"{"version":1}"#] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(ROUNDS), text).unwrap();
            let error = Store::open(folder.path()).err();
            assert!(
                matches!(error, Some(StoreError::Unreadable { .. })),
                "{text:?}: {error:?}"
            );
        }
    }

    // spec: [service.round.durable]
    #[test]
    fn a_round_that_cannot_be_recorded_did_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path()).unwrap();
        fs::create_dir(folder.path().join(".rounds.json.tmp")).unwrap();
        assert!(
            store
                .open_round(TASK, &name(), Round(1), Attempt(0))
                .is_err()
        );
        assert_eq!(store.next_round(&TASK), Round(1));
    }
}
