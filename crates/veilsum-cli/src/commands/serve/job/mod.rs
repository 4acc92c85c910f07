//! The rounds of a job: those that train and those that judge are of two tasks, which take turns over one state.

mod half;

use crate::exit::Failure;
use bytes::Bytes;
use half::Half;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use veilsum_encode::Tensors;
use veilsum_learn::job::Ending;
use veilsum_learn::{Job, Model, ModelId};
use veilsum_proto::ids::Round;
use veilsum_proto::task::Task;
use veilsum_server::{ModelDeltas, Turn};

pub(super) use half::{Found, On, Stepped};

/// The coordinator's half of a job behind a lock, and whoever waits for it to change.
///
/// The lock is held on threads where blocking is allowed, for as long as a step of the optimiser takes.
pub(super) struct JobRounds {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    deltas: Arc<dyn ModelDeltas>,
}

struct State {
    half: Half,
    /// Whether rounds that train may still come.
    trains: bool,
    /// Whether rounds that judge may still come.
    judges: bool,
}

impl JobRounds {
    /// Goes on from the checkpoint that an earlier run left, or starts from the job's first model.
    pub(super) fn start(
        job: &Job,
        task: &Task,
        path: &Path,
        results: &Path,
    ) -> Result<Self, Failure> {
        let half = Half::start(job, task, path, results)?;
        Ok(Self {
            deltas: half.versions().deltas(),
            state: Mutex::new(State {
                half,
                trains: true,
                judges: true,
            }),
            changed: watch::Sender::new(()),
        })
    }

    /// The bytes that members get.
    pub(super) fn bytes(&self) -> Bytes {
        self.state().half.versions().bytes()
    }

    /// Which model that is.
    pub(super) fn model(&self) -> ModelId {
        self.state().half.versions().newest(Model::id)
    }

    /// What brings members with an earlier version up to date.
    pub(super) fn deltas(&self) -> Arc<dyn ModelDeltas> {
        self.deltas.clone()
    }

    /// Why the training is over, if it is.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.state().half.ending()
    }

    /// Which round trains next: none before an evaluation that is owed is over.
    // spec: [job.evaluation.order]
    pub(super) fn training_turn(&self, next: Round) -> Turn {
        let mut state = self.state();
        // numbers that were spent without a sum are over too; numbers of another state folder come not again
        let round = next.max(state.half.next_round());
        state.half.skip_before(round);
        match state.half.ending() {
            Some(_) => Turn::Over,
            None if state.judges && state.half.owes().is_some() => self.wait(),
            None => Turn::Round(round),
        }
    }

    /// Which round judges next, and the round before it that nobody can judge any more, if there is one: its number was spent by a process
    /// that ended before the sum was taken in.
    // spec: [job.evaluation.owed]
    pub(super) fn judging_turn(&self, next: Round) -> (Turn, Option<Round>) {
        let mut state = self.state();
        let mut lost = None;
        match state.half.owes() {
            Some(round) if round >= next => return (Turn::Round(round), None),
            Some(round) => {
                state.half.unjudged();
                lost = Some(round);
            }
            None => {}
        }
        let turn = match state.trains {
            true => self.wait(),
            false => Turn::Over,
        };
        drop(state);
        if lost.is_some() {
            self.change();
        }
        (turn, lost)
    }

    /// Takes in the mean of a round that trains, and writes what follows from it.
    pub(super) fn step(&self, round: Round, mean: &Tensors) -> Result<Stepped, Failure> {
        let stepped = self.state().half.step(round, mean);
        self.change();
        stepped
    }

    /// Takes note of a round that trains and ended without a sum.
    pub(super) fn skip(&self, Round(round): Round) {
        self.state()
            .half
            .skip_before(Round(round.saturating_add(1)));
        self.change();
    }

    /// Takes in the sum of a round that judges.
    pub(super) fn judged(&self, round: Round, sum: &Tensors) -> Result<Found, Failure> {
        let found = self.state().half.judged(round, sum);
        self.change();
        found
    }

    /// Takes note of a round that judges and ended without a sum.
    pub(super) fn unjudged(&self) {
        self.state().half.unjudged();
        self.change();
    }

    /// Takes note that no round trains any more.
    pub(super) fn training_is_over(&self) {
        self.state().trains = false;
        self.change();
    }

    /// Takes note that no round judges any more. Training goes on without.
    pub(super) fn judging_is_over(&self) {
        self.state().judges = false;
        self.change();
    }

    /// Wakes whoever waits; after the state has changed.
    fn change(&self) {
        self.changed.send_replace(());
    }

    /// Waits for the next change; to be called while the state is held, so that no change comes between look and wait.
    fn wait(&self) -> Turn {
        let mut changed = self.changed.subscribe();
        Turn::Wait(Box::pin(async move {
            // one that is gone changes nothing, and is asked by nobody
            let _ = changed.changed().await;
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // a half that panics leaves what the checkpoint would be resumed from at the latest
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files of a job among the results.
fn beside(results: &Path, task: &Task, end: &str) -> PathBuf {
    results.join(format!("{}-{end}", task.name()))
}

#[cfg(test)]
mod tests;
