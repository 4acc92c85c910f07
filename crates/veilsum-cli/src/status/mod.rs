//! How a coordinator stands: what it keeps in `status.json`, and what people and programs are shown of it.
//!
//! Not evidence, which receipts are, and not a ledger, which members keep for themselves: a status is replaced whenever something
//! happens, and nothing is ever read back from it but to be shown.

mod text;

pub use text::{age, budget_left};

use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use veilsum_dp::Unit;

/// A coordinator. Times are seconds since 1970 by its clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoordinatorStatus {
    /// Name of the federation.
    pub federation: String,
    /// Whether it runs, as far as it knows itself.
    pub running: bool,
    /// When it started.
    pub started: u64,
    /// When this was written: every few seconds while it runs, also when nothing happens.
    pub updated: u64,
    /// Where members connect.
    pub address: Option<String>,
    /// Members on the roster.
    pub members: u32,
    /// Those that are connected, by slot.
    pub connected: Vec<Connected>,
    /// Its tasks.
    pub tasks: Vec<TaskStatus>,
    /// The last message or upload of a member that was refused.
    pub last_fault: Option<Fault>,
}

/// A member that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// Slot.
    pub id: u32,
    /// Name on the roster.
    pub name: String,
}

/// A task of a coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Name.
    pub task: String,
    /// Digest, hexadecimal.
    pub digest: String,
    /// `waiting` before a round and between rounds, a phase, or `over`.
    pub phase: String,
    /// When this phase began.
    pub since: u64,
    /// The round that is open, or was last.
    pub round: Option<u64>,
    /// Its attempt.
    pub attempt: Option<u32>,
    /// Rounds with a sum, of this process.
    pub sums: u64,
    /// Rounds that ended without one, of this process.
    pub without_sum: u64,
    /// The last sum.
    pub last_sum: Option<LastSum>,
    /// The newest model.
    pub model: Option<ModelStatus>,
    /// What the sums have cost; null in a task without noise, and before its first sum.
    pub privacy: Option<PrivacyStatus>,
    /// The last attempt that ended without a sum.
    pub last_error: Option<LastError>,
}

/// A round with a sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSum {
    /// When it was there.
    pub at: u64,
    /// Round.
    pub round: u64,
    /// Attempt.
    pub attempt: u32,
    /// Slots that the round was for.
    pub members: u32,
    /// Slots whose contributions are in it.
    pub survivor_ids: Vec<u32>,
    /// SHA-256 of the integers.
    pub sum_sha256: String,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelStatus {
    /// Steps since it was made.
    pub version: u64,
    /// Digest of its tensors.
    pub model_sha256: String,
}

/// What noise has cost so far. Epsilons are null where nothing can be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyStatus {
    /// Whose presence is hidden.
    pub unit: Unit,
    /// At which delta.
    pub delta: f64,
    /// Of the last round alone.
    pub epsilon: Option<f64>,
    /// Of all rounds together.
    pub epsilon_total: Option<f64>,
    /// What all rounds may cost; null without a bound.
    pub epsilon_budget: Option<f64>,
    /// What is left of that.
    pub epsilon_left: Option<f64>,
}

/// An attempt that ended without a sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When.
    pub at: u64,
    /// Round.
    pub round: u64,
    /// Attempt.
    pub attempt: u32,
    /// Phase it ended in.
    pub phase: String,
    /// Stable name of the reason.
    pub reason: String,
    /// The reason in words.
    pub text: String,
}

/// Something a member sent that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When.
    pub at: u64,
    /// Slot.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Stable name.
    pub kind: String,
    /// What was found and wanted.
    pub text: String,
}

impl CoordinatorStatus {
    /// Seconds since it was written.
    pub fn age(&self) -> u64 {
        now().saturating_sub(self.updated)
    }

    /// Whether it says that it runs and has not been written for so long that its process is gone, or stuck.
    pub fn is_stale(&self) -> bool {
        self.running && self.age() > STALE_AFTER
    }

    /// The task of this name.
    pub fn task_mut(&mut self, name: &str) -> Option<&mut TaskStatus> {
        self.tasks.iter_mut().find(|task| task.task == name)
    }
}

impl TaskStatus {
    /// A task that has done nothing yet.
    pub fn new(task: String, digest: String) -> Self {
        Self {
            task,
            digest,
            phase: WAITING.to_owned(),
            since: now(),
            round: None,
            attempt: None,
            sums: 0,
            without_sum: 0,
            last_sum: None,
            model: None,
            privacy: None,
            last_error: None,
        }
    }

    /// A phase has begun.
    pub fn enter(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.since = now();
    }
}

impl PrivacyStatus {
    /// Of costs that are infinite where nothing can be said, against a budget if there is one.
    pub fn new(
        unit: Unit,
        delta: f64,
        epsilon: f64,
        epsilon_total: f64,
        epsilon_budget: Option<f64>,
    ) -> Self {
        let told = |epsilon: f64| epsilon.is_finite().then_some(epsilon);
        Self {
            unit,
            delta,
            epsilon: told(epsilon),
            epsilon_total: told(epsilon_total),
            epsilon_budget,
            epsilon_left: budget_left(epsilon_budget, epsilon_total),
        }
    }
}

/// Seconds since 1970 by the clock of this host.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Name of the file in a coordinator's folder of state.
pub const FILE: &str = "status.json";

/// Before a round and between rounds.
pub const WAITING: &str = "waiting";

/// No round comes any more.
pub const OVER: &str = "over";

/// A coordinator writes its status three times as often.
const STALE_AFTER: u64 = 15;
