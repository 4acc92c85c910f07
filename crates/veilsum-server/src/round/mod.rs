//! One task's rounds: gather, attempt, attempt again, publish, pause. Not the protocol's machine, which it drives and which
//! decides; not the members' connections, which come and go beside it.

mod attempt;
mod gather;
mod phases;
mod told;

use std::{
    collections::BTreeMap,
    future::Future,
    ops::ControlFlow,
    panic::resume_unwind,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::sleep,
};
use veilsum_proto::{
    abort::Abort,
    coordinator::Coordinator,
    ids::{Attempt as AttemptNumber, ModelDigest, Round, Slot, TaskDigest},
    message::{AbortNotice, Message},
    roster::Name,
    session::RoundContext,
    task::TaskError,
};

use self::{
    attempt::Attempt,
    phases::{Ended, Stop},
};
use crate::{
    config::TaskConfig,
    directory::Ticket,
    event::Event,
    flight::Flight,
    hook::{NoModel, RoundAbort, TaskHook, Turn},
    publish::{self, Published},
    routes::Incoming,
    shared::{Shared, encoded},
    store::Interrupted,
    upload::HeaderReply,
};

/// The loop of one task.
pub(crate) struct RoundLoop {
    shared: Arc<Shared>,
    task: TaskDigest,
    name: Name,
    config: Arc<TaskConfig>,
    hook: Box<dyn TaskHook>,
    mailbox: mpsc::Receiver<Incoming>,
    /// Bytes that members sent in the open round.
    received: Arc<AtomicU64>,
    stop: watch::Receiver<bool>,
    /// Frames of open attempts that are on their way.
    flight: Flight,
    /// What the last attempt ended with, for members that come back before the next one opens.
    farewell: Option<Farewell>,
    /// What the round before the one at hand ended with, for members that come back while that is open.
    last_round: Option<Farewell>,
}

/// The end of a round, for whom it concerns.
struct Farewell {
    round: Round,
    notice: Bytes,
    /// The round's context; everybody is concerned without one.
    context: Option<Arc<RoundContext>>,
    /// Connections that were told.
    told: BTreeMap<Slot, Ticket>,
}

impl Farewell {
    fn new(round: Round, notice: Bytes, context: Option<Arc<RoundContext>>) -> Self {
        Self {
            round,
            notice,
            context,
            told: BTreeMap::new(),
        }
    }

    /// The notice, if it concerns the member and this connection has not got it.
    fn due(&mut self, slot: Slot, ticket: Ticket) -> Option<Bytes> {
        let context = self.context.as_ref();
        let concerned = context.is_none_or(|context| context.graph.contains(slot));
        let due = concerned && self.told.insert(slot, ticket) != Some(ticket);
        due.then(|| self.notice.clone())
    }
}

/// What the task does next.
enum Next {
    Round(Round),
    Over,
    Stopped,
}

/// How a round went.
enum RoundEnd {
    Over(ControlFlow<()>),
    Stopped,
}

impl RoundLoop {
    pub(crate) fn new(
        shared: Arc<Shared>,
        config: TaskConfig,
        hook: Box<dyn TaskHook>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let task = config.task.digest();
        shared.blobs.make_deltas(task, hook.deltas());
        let (mailbox, received) = shared.routes.add(task, mailbox_size(shared.roster.len()));
        Self {
            shared,
            task,
            name: config.task.name().clone(),
            config: Arc::new(config),
            hook,
            mailbox,
            received,
            stop,
            flight: Flight::default(),
            farewell: None,
            last_round: None,
        }
    }

    /// Ends a round by name that was open when the last process ended.
    // spec: [service.restart]
    pub(crate) fn interrupted(&mut self, interrupted: &Interrupted) {
        let (round, attempt) = (interrupted.round, interrupted.attempt);
        let stop = Stop::Abort(Abort::Restarted);
        let notice = abort_notice(self.task, round, attempt, &stop);
        self.farewell = Some(Farewell::new(round, notice, None));
    }

    /// Runs the task's rounds, then `done`, and then tells members that come back how the last one ended, until stopped.
    pub(crate) async fn run(mut self, done: impl FnOnce()) {
        let rounds = self.config.rounds.unwrap_or(u64::MAX);
        for _ in 0..rounds {
            let round = match self.next().await {
                Next::Round(round) => round,
                Next::Over => break,
                Next::Stopped => return done(),
            };
            // spec: [service.round.last]
            if round > self.shared.roster.last_round() {
                tracing::warn!(task = %self.name, %round, "the roster has no more rounds");
                break;
            }
            match self.round(round).await {
                RoundEnd::Stopped => return done(),
                RoundEnd::Over(ControlFlow::Break(())) => break,
                RoundEnd::Over(ControlFlow::Continue(())) => {}
            }
            if self.pause(self.config.pause_between_rounds).await.is_none() {
                return done();
            }
        }
        self.with_hook(|hook| hook.over()).await;
        done();
        self.attend_unless_stopped(std::future::pending::<()>())
            .await;
    }

    /// The round whose turn it is, once it is some round's turn.
    // spec: [service.round.turn]
    async fn next(&mut self) -> Next {
        let next = self.shared.store.next_round(&self.task);
        loop {
            match self.with_hook(move |hook| hook.turn(next)).await {
                Turn::Round(round) if round >= next => return Next::Round(round),
                Turn::Round(round) => {
                    tracing::error!(task = %self.name, %round, %next, "bug: the number of this round is spent");
                    return Next::Over;
                }
                Turn::Wait(waiting) => {
                    if self.attend_unless_stopped(waiting).await.is_none() {
                        return Next::Stopped;
                    }
                }
                Turn::Over => return Next::Over,
            }
        }
    }

    /// One round, in as many attempts as it takes and may have.
    async fn round(&mut self, round: Round) -> RoundEnd {
        let shared = self.shared.clone();
        let task = self.task;
        let model = self
            .with_hook(move |hook| shared.blobs.put_model(task, hook.base_model(round)))
            .await;
        self.received.store(0, Ordering::Relaxed);
        let mut started = None;
        for attempt in 0..self.config.task.max_attempts() {
            let attempt = AttemptNumber(attempt);
            let context = match self.context(round, attempt, model).await {
                Ok(context) => context,
                Err(error) => {
                    // the service has derived them at its start
                    tracing::error!(task = %self.name, %error, "bug: parameters no longer fit");
                    return RoundEnd::Over(ControlFlow::Break(()));
                }
            };
            if self.open(&context).await.is_none() {
                return RoundEnd::Stopped;
            }
            let started = *started.get_or_insert_with(Instant::now);
            let ended = self.attempt(Attempt::open(context.clone())).await;
            self.shared.routes.close(&self.task);
            match ended {
                Ended::Finished(attempt) => {
                    return RoundEnd::Over(self.finish(*attempt, started.elapsed()).await);
                }
                Ended::Aborted(stop) => {
                    let retries = stop.may_retry()
                        && attempt.0.saturating_add(1) < self.config.task.max_attempts();
                    self.abort(&context, &stop, retries).await;
                    if let Stop::Shutdown { .. } = stop {
                        return RoundEnd::Stopped;
                    }
                    if !retries {
                        break;
                    }
                }
            }
        }
        RoundEnd::Over(ControlFlow::Continue(()))
    }

    /// Waits for members and records the attempt; `None` when stopped before that.
    // spec: [service.gather] [service.round.durable]
    async fn open(&mut self, context: &Arc<RoundContext>) -> Option<()> {
        let gathered = gather::gather(self.shared.clone(), context.clone(), self.config.gather);
        self.attend_unless_stopped(gathered).await?;
        loop {
            let (shared, task, name) = (self.shared.clone(), self.task, self.name.clone());
            let (round, attempt) = (context.round, context.attempt);
            let recorded =
                blocking(move || shared.store.open_round(task, &name, round, attempt)).await;
            match recorded {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(task = %self.name, %round, %error, "round cannot be recorded, trying again");
                    self.pause(AGAIN).await?;
                }
            }
        }
        // the arrival that ends the gathering is not answered yet
        self.tell_connected();
        // of an earlier attempt at the same round the next Open says enough
        let farewell = self.farewell.take();
        if let Some(last) = farewell.filter(|farewell| farewell.round != context.round) {
            self.last_round = Some(last);
        }
        Some(())
    }

    async fn context(
        &mut self,
        round: Round,
        attempt: AttemptNumber,
        model: ModelDigest,
    ) -> Result<Arc<RoundContext>, TaskError> {
        let (config, roster) = (self.config.clone(), self.shared.roster.clone());
        let derived = blocking(move || {
            let task = config.task.clone();
            RoundContext::new(task, roster, round, attempt, model, config.deadlines)
        });
        self.attend(derived).await.map(Arc::new)
    }

    /// Publishes a sum: file and blob first, then the word.
    // spec: [service.publish.receipt]
    async fn finish(&mut self, attempt: Attempt, wall: Duration) -> ControlFlow<()> {
        let context = attempt.context.clone();
        let vanished = attempt.vanished();
        let Coordinator::Finished(finished) = attempt.machine else {
            return ControlFlow::Continue(());
        };
        let (shared, config) = (self.shared.clone(), self.config.clone());
        let upload_bytes = self.received.load(Ordering::Relaxed);
        let publishing = blocking(move || {
            publish::publish(&shared, &config, *finished, vanished, upload_bytes, wall)
        });
        let published: Published = self.attend(publishing).await;
        self.close_round().await;
        let notice = encoded(&Message::new(published.receipt.clone()));
        self.last_round = None;
        self.tell(&context, notice);
        self.shared.emit(&published.event(&self.name));
        self.with_hook(move |hook| hook.finished(&published.result()))
            .await
    }

    // spec: [service.abort]
    async fn abort(&mut self, context: &Arc<RoundContext>, stop: &Stop, retries: bool) {
        let (round, attempt) = (context.round, context.attempt);
        self.close_round().await;
        if !retries {
            self.last_round = None;
        }
        self.tell(context, abort_notice(self.task, round, attempt, stop));
        self.shared
            .emit(&abort_event(&self.name, round, attempt, stop));
        let abort = RoundAbort {
            round,
            attempt,
            reason: stop.reason(),
            phase: stop.phase(),
            text: stop.to_string(),
            retries,
        };
        self.with_hook(move |hook| hook.aborted(&abort)).await;
    }

    /// That the record still says `open` costs a needless abort by name after a restart, nothing else.
    async fn close_round(&mut self) {
        let (shared, task) = (self.shared.clone(), self.task);
        if let Err(error) = blocking(move || shared.store.close_round(task)).await {
            tracing::error!(task = %self.name, %error, "end of a round cannot be recorded");
        }
    }

    /// Tells the round's members now, and those that come back until the next round is over.
    fn tell(&mut self, context: &Arc<RoundContext>, notice: Bytes) {
        self.farewell = Some(Farewell::new(context.round, notice, Some(context.clone())));
        self.tell_connected();
    }

    /// Tells how the last round and the last attempt ended to every connection that has not heard of it.
    // spec: [service.publish.again] [service.restart]
    fn tell_connected(&mut self) {
        for (slot, ticket) in self.shared.directory.connections() {
            self.send_farewell(slot, ticket);
        }
    }

    /// Lets the hook work; it is not interrupted.
    async fn with_hook<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut dyn TaskHook) -> T + Send + 'static,
    ) -> T {
        let mut hook = std::mem::replace(&mut self.hook, Box::new(NoModel));
        let working = blocking(move || {
            let outcome = job(hook.as_mut());
            (hook, outcome)
        });
        let (hook, outcome) = self.attend(working).await;
        self.hook = hook;
        outcome
    }

    /// `None` when stopped before the time is over.
    async fn pause(&mut self, time: Duration) -> Option<()> {
        self.attend_unless_stopped(sleep(time)).await
    }

    async fn attend_unless_stopped<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        let future = async move {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => None,
                outcome = future => Some(outcome),
            }
        };
        self.attend(future).await
    }

    /// Waits for `future` while no attempt is open, and answers members meanwhile.
    async fn attend<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                outcome = &mut future => return outcome,
                Some(incoming) = self.mailbox.recv() => self.answer_idly(incoming),
            }
        }
    }

    // spec: [service.publish.again] [service.late]
    fn answer_idly(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Connected(slot, ticket) => self.send_farewell(slot, ticket),
            Incoming::Header { reply, .. } => {
                // a sender that is gone needs no answer
                let _ = reply.send(HeaderReply::Over);
            }
            Incoming::Message { from, message } => {
                tracing::debug!(slot = %from, message = message.body.name(), "too late");
            }
            Incoming::Update { from, .. } => tracing::debug!(slot = %from, "update too late"),
            Incoming::Unstaged { .. } => {}
        }
    }

    fn send_farewell(&mut self, slot: Slot, ticket: Ticket) {
        for farewell in self.last_round.iter_mut().chain(&mut self.farewell) {
            if let Some(notice) = farewell.due(slot, ticket) {
                self.shared.directory.send(slot, notice);
            }
        }
    }
}

/// What the operator learns of an attempt that ended without a sum.
fn abort_event(name: &Name, round: Round, attempt: AttemptNumber, stop: &Stop) -> Event {
    Event::Abort {
        task: name.clone(),
        round,
        attempt,
        reason: stop.reason().to_owned(),
        phase: stop.phase().to_owned(),
        text: stop.to_string(),
    }
}

/// The event of a round that was open when the last process ended.
// spec: [service.restart]
pub(crate) fn interrupted_event(interrupted: &Interrupted) -> Event {
    let Interrupted {
        name,
        round,
        attempt,
        ..
    } = interrupted;
    abort_event(name, *round, *attempt, &Stop::Abort(Abort::Restarted))
}

fn abort_notice(task: TaskDigest, round: Round, attempt: AttemptNumber, stop: &Stop) -> Bytes {
    encoded(&Message::new(AbortNotice {
        task,
        round,
        attempt,
        reason: stop.reason().as_bytes().to_vec(),
        text: stop.to_string().into_bytes(),
    }))
}

/// Runs what takes time where it holds nobody up; a panic in it goes on here.
// spec: [service.blocking]
async fn blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(job).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // the runtime is going down
            Err(_) => std::future::pending().await,
        },
    }
}

/// Returns when the service stops; a service that is gone has stopped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Messages that may wait for a loop: a few of each member, so that one of them that has much to say holds up no other
/// task for long.
fn mailbox_size(members: u32) -> usize {
    usize::try_from(members)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
        .clamp(64, 1 << 16)
}

/// Pause before the state folder is tried again.
const AGAIN: Duration = Duration::from_secs(1);
