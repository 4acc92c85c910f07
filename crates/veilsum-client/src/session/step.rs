//! One step of a machine on a blocking thread, with the ledger in hand; and the end of an attempt.

use std::sync::{MutexGuard, PoisonError};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tokio::task::spawn_blocking;
use veilsum_proto::member::{Member, Now};
use veilsum_proto::refusal::Refusal;

use super::Session;
use super::round::{Outcome, RoundKey, phase_word};
use super::workbench::Job;
use crate::{ClientError, Event, FileLedger, RoundAbort};

impl Session {
    /// Runs `act` on the round's machine; `None` when there is no such round.
    // spec: [member.blocking]
    pub(super) async fn step<T: Send + 'static>(
        &mut self,
        key: RoundKey,
        act: impl FnOnce(&mut Member, &mut FileLedger, Now) -> T + Send + 'static,
    ) -> Result<Option<T>, ClientError> {
        let round = self.rounds.get_mut(&key);
        let Some(mut member) = round.and_then(|round| round.member.take()) else {
            return Ok(None);
        };
        let (ledger, started) = (self.ledger.clone(), self.started);
        let step = blocking(move || {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let out = act(&mut member, &mut ledger, started.elapsed());
            (member, out)
        });
        let (member, out) = step.await?;
        if let Some(round) = self.rounds.get_mut(&key) {
            round.member = Some(member);
        }
        self.announce(key);
        Ok(Some(out))
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, FileLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an attempt that has no sum for this member: secrets first, then the record, then everybody is told.
    pub(super) async fn end(
        &mut self,
        key: RoundKey,
        reason: &str,
        text: String,
    ) -> Result<(), ClientError> {
        self.erase(key).await?;
        self.aborted(key, reason, text)
    }

    /// Erases the secrets of the round's attempt and records it, unless that has been done.
    pub(super) async fn erase(&mut self, key: RoundKey) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key).filter(|round| round.is_open()) else {
            return Ok(());
        };
        round.outcome = Outcome::Aborted;
        round.drop_vectors();
        if round.advert.is_none() {
            return Ok(()); // nothing was drawn, nothing was recorded
        }
        match self
            .step(key, |member, ledger, _| member.close(ledger))
            .await?
        {
            Some(Err(Refusal::Ledger(error))) => Err(ClientError::Ledger(error)),
            Some(Ok(()) | Err(_)) | None => Ok(()),
        }
    }

    /// Tells observer and contributor of an attempt that was erased.
    pub(super) fn aborted(
        &mut self,
        key: RoundKey,
        reason: &str,
        text: String,
    ) -> Result<(), ClientError> {
        let Some(round) = self.rounds.get_mut(&key) else {
            return Ok(());
        };
        round.outcome = Outcome::Aborted;
        round.drop_vectors();
        let (context, phase) = (round.context.clone(), round.phase);
        self.watcher.tell(&Event::Abort {
            task: context.task.name().to_string(),
            round: context.round,
            attempt: context.attempt,
            reason: reason.into(),
            phase,
        });
        self.workbench.give(Job::Aborted(RoundAbort {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
            phase,
            reason: reason.into(),
            text,
        }))
    }

    /// Tells the observer when the round has entered another phase.
    pub(super) fn announce(&mut self, key: RoundKey) {
        let Some(round) = self.rounds.get_mut(&key) else {
            return;
        };
        let phase = phase_word(round.machine_phase());
        if phase == "closed" || phase == round.phase {
            return;
        }
        round.phase = phase;
        let context = round.context.clone();
        self.watcher.tell(&Event::Phase {
            task: context.task.name().to_string(),
            round: context.round,
            attempt: context.attempt,
            phase,
        });
    }
}

/// Runs what is heavy, or waits for the disk, on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ClientError> {
    spawn_blocking(act)
        .await
        .map_err(|error| ClientError::Panicked(error.to_string()))
}

/// The operating system's generator; it was asked once before the session began.
pub(super) fn system_rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
