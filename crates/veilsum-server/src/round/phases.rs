//! The phases of one attempt, one after the other, each until nobody is waited for or its time is over.

use std::time::Instant;

use tokio::time::sleep_until;
use veilsum_proto::{
    abort::Abort,
    coordinator::{Coordinator, PhaseName},
    ids::Slot,
};

use super::{
    RoundLoop,
    attempt::{Attempt, Effect},
    blocking,
};
use crate::{event::Event, routes::Incoming, store::StoreError};

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a sum, in the machine.
    Finished(Box<Attempt>),
    /// Without.
    Aborted(Stop),
}

/// Why an attempt ended without a sum.
#[derive(Debug)]
pub(super) enum Stop {
    /// The machine says so, or a restart.
    Abort(Abort),
    /// What the attempt fixed could not be made durable, so it was not sent.
    State { phase: PhaseName, error: StoreError },
    /// The operator stopped the coordinator.
    Shutdown { phase: PhaseName },
}

impl Stop {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Abort(abort) => abort.kind(),
            Self::State { .. } => "state_not_durable",
            Self::Shutdown { .. } => Abort::Shutdown.kind(),
        }
    }

    // spec: [service.abort.phase]
    pub(super) fn phase(&self) -> &'static str {
        match self {
            Self::Abort(abort) => abort.phase(),
            Self::State { phase, .. } | Self::Shutdown { phase } => phase.text(),
        }
    }

    /// A set that was never sent was never signed.
    // spec: [service.retry]
    pub(super) fn may_retry(&self) -> bool {
        match self {
            Self::Abort(abort) => abort.may_retry(),
            Self::State { .. } => true,
            Self::Shutdown { .. } => Abort::Shutdown.may_retry(),
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Abort(abort) => abort.fmt(f),
            Self::Shutdown { .. } => Abort::Shutdown.fmt(f),
            Self::State { error, .. } => {
                write!(f, "what the attempt fixed is not durable: {error}")
            }
        }
    }
}

/// Why a phase is over.
enum Over {
    Closed,
    Stopped,
}

impl RoundLoop {
    /// Runs an attempt that is recorded as open.
    pub(super) async fn attempt(&mut self, mut attempt: Attempt) -> Ended {
        loop {
            if let Err(error) = self.fix(&attempt).await {
                let phase = attempt.machine.phase();
                return Ended::Aborted(Stop::State { phase, error });
            }
            attempt = self.begin(attempt);
            let over;
            (attempt, over) = self.collect(attempt).await;
            if let Over::Stopped = over {
                let phase = attempt.machine.phase();
                return Ended::Aborted(Stop::Shutdown { phase });
            }
            attempt = self.work(attempt, Attempt::close).await;
            match &attempt.machine {
                Coordinator::Finished(_) => return Ended::Finished(Box::new(attempt)),
                Coordinator::Aborted(abort) => return Ended::Aborted(Stop::Abort(abort.clone())),
                Coordinator::Advertise(_)
                | Coordinator::Share(_)
                | Coordinator::Accept(_)
                | Coordinator::Upload(_)
                | Coordinator::Confirm(_)
                | Coordinator::Reveal(_)
                | Coordinator::Recover(_) => {}
            }
        }
    }

    /// Makes durable what the last phase fixed, before anybody hears of it.
    // spec: [service.fix]
    async fn fix(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        let Some(fixed) = attempt.fixed() else {
            return Ok(());
        };
        let (shared, task) = (self.shared.clone(), self.task);
        blocking(move || shared.store.fix(&task, &fixed)).await
    }

    fn begin(&mut self, mut attempt: Attempt) -> Attempt {
        let context = &attempt.context;
        self.shared.emit(&Event::Phase {
            task: self.name.clone(),
            round: context.round,
            attempt: context.attempt,
            phase: attempt.machine.phase(),
        });
        // whoever came meanwhile hears of the last round before it is asked for anything in this one
        self.tell_connected();
        attempt.start(Instant::now());
        self.shared.routes.open(&self.task, attempt.keys());
        // No upload is to come: what they lay in would stand beside the sum. Late ones leave theirs after Confirm has begun.
        // spec: [service.stage.spare]
        if let PhaseName::Confirm | PhaseName::Reveal = attempt.machine.phase() {
            let staging = self.shared.staging.clone();
            tokio::task::spawn_blocking(move || staging.empty());
        }
        attempt.announce(self.shared.directory.connections());
        attempt
    }

    // spec: [service.close.early] [service.close.deadline] [service.confirm.hold]
    async fn collect(&mut self, mut attempt: Attempt) -> (Attempt, Over) {
        let mut held = false;
        loop {
            if attempt.is_complete() {
                return (attempt, Over::Closed);
            }
            attempt = self.tell_untold(attempt).await;
            let mut batch = Vec::new();
            let in_time = tokio::select! {
                biased;
                () = super::stopped(&mut self.stop) => return (attempt, Over::Stopped),
                () = sleep_until(attempt.deadline().into()) => false,
                _ = self.mailbox.recv_many(&mut batch, BATCH) => true,
                () = self.flight.wait_for_room(), if attempt.has_untold() => continue,
                () = sleep_until(attempt.hurry().into()), if attempt.has_untold() => continue,
            };
            if !in_time {
                // what was here before the deadline is in time
                while let Ok(incoming) = self.mailbox.try_recv() {
                    batch.push(incoming);
                }
            }
            attempt = self.take(attempt, batch).await;
            if !in_time {
                if held || !attempt.has_some_signatures() {
                    return (attempt, Over::Closed);
                }
                // somebody signed: no other set will do in this round, so wait as long as it makes sense (R7)
                held = true;
                attempt.hold();
            }
        }
    }

    /// Tells members what is due to them, as many as there is room for on the way; all of them once they have waited long enough.
    // spec: [service.flight]
    async fn tell_untold(&mut self, mut attempt: Attempt) -> Attempt {
        while attempt.has_untold() {
            let room = self.flight.room_before(attempt.hurry().into());
            if room == 0 {
                break;
            }
            attempt = self.work(attempt, move |attempt| attempt.tell(room)).await;
        }
        attempt
    }

    async fn take(&mut self, attempt: Attempt, batch: Vec<Incoming>) -> Attempt {
        // spec: [service.publish.behind]
        for incoming in &batch {
            if let Incoming::Connected(slot, ticket) = incoming {
                self.send_farewell(*slot, *ticket);
            }
        }
        self.work(attempt, move |attempt| attempt.take(batch)).await
    }

    /// Lets the attempt work where it may take its time, and does what follows.
    // spec: [service.blocking]
    async fn work(
        &mut self,
        mut attempt: Attempt,
        job: impl FnOnce(&mut Attempt) -> Vec<Effect> + Send + 'static,
    ) -> Attempt {
        let (attempt, effects) = blocking(move || {
            let effects = job(&mut attempt);
            (attempt, effects)
        })
        .await;
        for effect in effects {
            match effect {
                Effect::Send(slot, frame) => {
                    let frame = self.flight.launch(frame);
                    self.shared.directory.send(slot, frame);
                }
                Effect::Blame(complaint) => self.shared.blame(complaint),
                Effect::Tell(complaint) => self.shared.tell(complaint),
            }
        }
        attempt
    }
}

/// Connected members of the round's population.
pub(super) fn connected_of(connected: Vec<Slot>, contains: impl Fn(Slot) -> bool) -> Vec<Slot> {
    connected
        .into_iter()
        .filter(|slot| contains(*slot))
        .collect()
}

/// Messages taken at once.
const BATCH: usize = 64;
