//! The status of the coordinator, in a file that is replaced when something happens. Not on the way of any round: what happens is noted in
//! memory, and written by a task of its own.

use crate::output;
use crate::status::{
    Connected, CoordinatorStatus, FILE, Fault, LastError, LastSum, ModelStatus, OVER,
    PrivacyStatus, TaskStatus, WAITING, now,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use veilsum_learn::ModelId;
use veilsum_proto::ids::TaskDigest;
use veilsum_proto::roster::{Name, Roster};
use veilsum_server::{Event, RoundResult};

/// What is known, and where it is written.
pub(super) struct Board {
    folder: PathBuf,
    status: Mutex<CoordinatorStatus>,
    /// What an earlier process knew of its tasks.
    earlier: Vec<TaskStatus>,
    /// Epsilon that the rounds of a task may cost.
    budgets: Mutex<BTreeMap<Name, f64>>,
    changed: Notify,
    /// Held from the look at the status to the file that shows it, so that no older one comes after a newer.
    writing: Mutex<()>,
    /// Whether it was told that the file cannot be written.
    told: AtomicBool,
}

impl Board {
    /// Nothing has happened yet; `folder` is that of the state.
    pub(super) fn new(folder: &Path, roster: &Roster) -> Self {
        let earlier = fs::read(folder.join(FILE)).ok();
        let earlier = earlier.and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            folder: folder.to_owned(),
            status: Mutex::new(CoordinatorStatus {
                federation: roster.federation().to_string(),
                running: true,
                started: now(),
                updated: now(),
                address: None,
                members: roster.len(),
                connected: Vec::new(),
                tasks: Vec::new(),
                last_fault: None,
            }),
            earlier: earlier.map_or_else(Vec::new, |status: CoordinatorStatus| status.tasks),
            budgets: Mutex::default(),
            changed: Notify::new(),
            writing: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }

    /// Goes on with what an earlier process knew of the task: its sums have cost what they cost.
    pub(super) fn task(&self, name: &Name, digest: TaskDigest, epsilon_budget: Option<f64>) {
        let digest = digest.to_string();
        let known = self.earlier.iter().find(|task| task.digest == digest);
        let mut task = TaskStatus::new(name.to_string(), digest.clone());
        if let Some(known) = known.cloned() {
            task = TaskStatus {
                round: known.round,
                attempt: known.attempt,
                last_sum: known.last_sum,
                privacy: known.privacy,
                last_error: known.last_error,
                ..task
            };
        }
        if let Some(budget) = epsilon_budget {
            let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
            budgets.insert(name.clone(), budget);
        }
        self.note(|status| status.tasks.push(task));
    }

    /// Something happened in the service.
    pub(super) fn event(&self, event: &Event) {
        match event {
            Event::Listening { address } => {
                self.note(|status| status.address = Some(address.to_string()));
            }
            Event::Connected { id, name } => self.note(|status| {
                status.connected.retain(|one| one.id != id.0);
                let name = name.to_string();
                status.connected.push(Connected { id: id.0, name });
                status.connected.sort_by_key(|one| one.id);
            }),
            Event::Disconnected { id, .. } => {
                self.note(|status| status.connected.retain(|one| one.id != id.0));
            }
            Event::Phase {
                task,
                round,
                attempt,
                phase,
            } => self.of(task, |task| {
                (task.round, task.attempt) = (Some(round.0), Some(attempt.0));
                task.enter(phase.text());
            }),
            Event::Fault {
                id,
                name,
                kind,
                text,
            } => self.note(|status| {
                status.last_fault = Some(Fault {
                    at: now(),
                    id: id.0,
                    name: name.to_string(),
                    kind: kind.clone(),
                    text: text.clone(),
                });
            }),
            Event::Abort {
                task,
                round,
                attempt,
                reason,
                phase,
                text,
            } => self.of(task, |task| {
                task.last_error = Some(LastError {
                    at: now(),
                    round: round.0,
                    attempt: attempt.0,
                    phase: phase.clone(),
                    reason: reason.clone(),
                    text: text.clone(),
                });
                task.enter(WAITING);
            }),
            // the hook of the task knows more of it
            Event::Result { .. } => {}
        }
    }

    /// A round has a sum.
    pub(super) fn sum(&self, result: &RoundResult<'_>) {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.get(result.name).copied();
        drop(budgets);
        self.of(result.name, |task| {
            task.sums = task.sums.saturating_add(1);
            task.last_sum = Some(LastSum {
                at: now(),
                round: result.round.0,
                attempt: result.attempt.0,
                members: result.context.parameters.n,
                survivor_ids: result.survivors.iter().map(|slot| slot.0).collect(),
                sum_sha256: hex::encode(result.sum_sha256),
            });
            if let Some(noise) = &result.noise {
                let (alone, total) = (noise.epsilon, noise.epsilon_total);
                let privacy = PrivacyStatus::new(noise.unit, noise.delta, alone, total, budget);
                task.privacy = Some(privacy);
            }
            task.enter(WAITING);
        });
    }

    /// A round has ended without a sum, and no attempt of it follows.
    pub(super) fn without_sum(&self, task: &Name) {
        self.of(task, |task| {
            task.without_sum = task.without_sum.saturating_add(1);
        });
    }

    /// The task has this model.
    pub(super) fn model(&self, task: &Name, model: ModelId) {
        self.of(task, |task| {
            task.model = Some(ModelStatus {
                version: model.version,
                model_sha256: model.digest.to_string(),
            });
        });
    }

    /// No round of the task comes any more.
    pub(super) fn over(&self, task: &Name) {
        self.of(task, |task| task.enter(OVER));
    }

    /// Writes the file whenever something has happened, and every few seconds to say that there is still somebody who writes it. Ends
    /// only by being dropped.
    pub(super) async fn keep_written(self: Arc<Self>) {
        loop {
            let board = self.clone();
            // it does not panic, and what one write misses the next one has
            let _ = tokio::task::spawn_blocking(move || board.write()).await;
            tokio::time::sleep(AT_MOST_EVERY).await;
            let _ = tokio::time::timeout(AT_LEAST_EVERY, self.changed.notified()).await;
        }
    }

    /// The coordinator has ended in order.
    pub(super) fn end(&self) {
        self.note(|status| {
            status.running = false;
            status.connected.clear();
        });
        self.write();
    }

    fn of(&self, task: &Name, note: impl FnOnce(&mut TaskStatus)) {
        self.note(|status| {
            if let Some(task) = status.task_mut(&task.to_string()) {
                note(task);
            }
        });
    }

    fn note(&self, note: impl FnOnce(&mut CoordinatorStatus)) {
        note(&mut self.status());
        self.changed.notify_one();
    }

    /// Replaces the file at once or not at all. It is not synced: it is worth nothing once the host has crashed.
    fn write(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let mut status = self.status();
            status.updated = now();
            serde_json::to_vec_pretty(&*status).unwrap_or_default()
        };
        let written = tempfile::Builder::new()
            .prefix(".status-")
            .tempfile_in(&self.folder)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.persist(self.folder.join(FILE))
                    .map_err(|error| error.error)
            });
        match written {
            Ok(_) => self.told.store(false, Ordering::Relaxed),
            Err(error) if !self.told.swap(true, Ordering::Relaxed) => {
                let file = self.folder.join(FILE);
                output::warn(&format_args!(
                    "{}: {error}; `veilsum status` shows an older status, rounds go on",
                    file.display()
                ));
            }
            Err(_) => {}
        }
    }

    fn status(&self) -> MutexGuard<'_, CoordinatorStatus> {
        // whoever panics leaves a status that is whole
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time between two writes.
const AT_MOST_EVERY: Duration = Duration::from_millis(200);
/// Time after which the file is written though nothing has happened.
const AT_LEAST_EVERY: Duration = Duration::from_secs(5);
