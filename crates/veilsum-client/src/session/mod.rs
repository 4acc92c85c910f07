//! One run of a member: a connection that is kept up, and one machine per (task, round).
//!
//! Not for judging messages: the machines do that. Everything that happens, on the network, on the contributor's thread or by
//! the clock, becomes a [`Happening`] in one queue, and one task takes them in order; so no two steps of a round overlap, and
//! what is heavy runs on blocking threads while that task waits.
//!
//! ```text
//! dial, read frames, fetch, stream --\
//! contributor's thread ---------------> queue -> Session -> machine + ledger (blocking thread) -> frames, uploads
//! deadlines ------------------------------------/
//! ```

mod contribution;
mod deliver;
mod fetch;
mod line;
pub(crate) mod model;
mod open;
mod outcome;
mod round;
mod step;
mod upload;
mod watcher;
mod workbench;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use veilsum_proto::ids::UpdateDigest;
use veilsum_proto::message::{Body, Caps, Message};
use veilsum_proto::refusal::Refusal;

use crate::policy::is_of_task;
use crate::{ClientError, Contributor, Event, FileLedger, MemberConfig, Observer, Stop};
use contribution::Made;
use fetch::Fetched;
use line::{Dialed, Line, Lost};
use model::Models;
use round::{RoundKey, RoundState};
use upload::Streamed;
use watcher::Watcher;
use workbench::{LocalFailure, Prepared, Workbench};

/// One run of a member.
pub(crate) struct Session {
    config: Arc<MemberConfig>,
    ledger: Arc<Mutex<FileLedger>>,
    models: Models,
    watcher: Watcher,
    workbench: Workbench,
    caps: Caps,
    /// Machines, by (task, round); an earlier attempt's machine gives way to the next.
    rounds: BTreeMap<RoundKey, RoundState>,
    /// Rounds joined so far; tells which one is the oldest.
    joins: u64,
    /// Whether the contributor is at work on an update; the next one is asked for after it.
    busy: bool,
    /// Lets one contribution be made at a time.
    encoder: Arc<Semaphore>,
    line: Option<Line>,
    lines: u64,
    failures: u32,
    verdict: Verdict,
    started: Instant,
    inbox: mpsc::Receiver<Happening>,
    outbox: mpsc::Sender<Happening>,
    /// Dropping them ends them.
    tasks: JoinSet<()>,
}

/// Something that happened outside the session's own task.
enum Happening {
    /// A try to connect ended.
    Dialed(Box<Dialed>),
    /// A frame came over line `line`.
    Frame { line: u64, frame: Bytes },
    /// A line is gone.
    Lost(Lost),
    /// A blob came, or did not.
    Fetched(Box<Fetched>),
    /// A masked update was streamed, or was not.
    Streamed(Streamed),
    /// The contributor has promised an update; with the digest that the ledger goes by, where that is of what was asked.
    Promised {
        key: RoundKey,
        digest: Option<UpdateDigest>,
    },
    /// The contributor has an update, or none.
    Update {
        key: RoundKey,
        outcome: Result<Prepared, LocalFailure>,
    },
    /// A contribution is made, or cannot be.
    Made(Box<Made>),
    /// The contributor took a result or an abort in.
    Told(ControlFlow<()>),
    /// The contributor's thread is gone.
    ContributorPanicked,
}

/// What the policy made of the coordinator's tasks so far.
#[derive(Default)]
struct Verdict {
    accepted: bool,
    refused: Option<Refusal>,
    /// When a coordinator that has shown no acceptable task is given up.
    due: Option<Instant>,
}

impl Session {
    pub(crate) fn new(
        config: Arc<MemberConfig>,
        ledger: Arc<Mutex<FileLedger>>,
        models: Models,
        contributor: Box<dyn Contributor>,
        observer: Box<dyn Observer>,
    ) -> Result<Self, ClientError> {
        let (outbox, inbox) = mpsc::channel(QUEUE);
        Ok(Self {
            caps: Caps::of_roster(config.roster.len()),
            config,
            ledger,
            models,
            watcher: Watcher::new(observer),
            workbench: Workbench::start(contributor, outbox.clone())?,
            rounds: BTreeMap::new(),
            joins: 0,
            busy: false,
            encoder: Arc::new(Semaphore::new(1)),
            line: None,
            lines: 0,
            failures: 0,
            verdict: Verdict::default(),
            started: Instant::now(),
            inbox,
            outbox,
            tasks: JoinSet::new(),
        })
    }

    pub(crate) async fn run(mut self, mut stop: Stop) -> Result<(), ClientError> {
        self.dial(Duration::ZERO);
        let outcome = self.work(&mut stop).await;
        self.leave().await;
        outcome
    }

    async fn work(&mut self, stop: &mut Stop) -> Result<(), ClientError> {
        loop {
            while self.tasks.try_join_next().is_some() {}
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(()),
                () = sleep_until(wake.unwrap_or_else(far_away)), if wake.is_some() => self.expire().await?,
                Some(happening) = self.inbox.recv() => {
                    if self.handle(happening).await?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn handle(&mut self, happening: Happening) -> Result<ControlFlow<()>, ClientError> {
        match happening {
            Happening::Dialed(dialed) => self.dialed(*dialed).await?,
            Happening::Frame { line, frame } if self.is_on(line) => self.frame(&frame).await?,
            Happening::Frame { .. } => {}
            Happening::Lost(lost) => self.lost(lost)?,
            Happening::Fetched(fetched) => self.fetched(*fetched).await?,
            Happening::Streamed(streamed) => self.streamed(&streamed),
            Happening::Promised { key, digest } => self.promised(key, digest).await?,
            Happening::Update { key, outcome } => self.prepared(key, outcome).await?,
            Happening::Made(made) => self.made(*made).await?,
            Happening::Told(flow) => return Ok(flow),
            Happening::ContributorPanicked => return Err(ClientError::ContributorPanicked),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One frame of the coordinator. What is no message costs nothing but a line in the log.
    // spec: [member.undecodable]
    async fn frame(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        let message = match Message::decode(frame, &self.caps) {
            Ok(message) => message,
            Err(error) => {
                self.watcher.refused(error.kind(), &error);
                return Ok(());
            }
        };
        match message.body {
            Body::Open(open) => self.open(open).await,
            Body::FaultNotice(notice) => {
                self.watcher.tell(&Event::Fault {
                    kind: outcome::plain(&notice.kind),
                    text: outcome::plain(&notice.text),
                });
                Ok(())
            }
            _ => self.deliver(message).await,
        }
    }

    /// When something is due even if nothing comes: an attempt's deadline, or the end of patience with a coordinator.
    fn wake(&self) -> Option<Instant> {
        let deadlines = self.rounds.values().filter_map(RoundState::deadline);
        let deadlines = deadlines.filter_map(|deadline| self.started.checked_add(deadline));
        deadlines.chain(self.verdict.due).min()
    }

    // spec: [member.deadline]
    async fn expire(&mut self) -> Result<(), ClientError> {
        let now = self.started.elapsed();
        let over = |round: &RoundState| round.deadline().is_some_and(|deadline| now >= deadline);
        let keys = self.rounds.iter().filter(|(_, round)| over(round));
        for key in keys.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end(key, "deadline", "the attempt's deadline has passed".into())
                .await?;
        }
        if self.verdict.due.is_some_and(|due| Instant::now() >= due) {
            self.verdict.due = None;
            if let Some(refusal) = self.verdict.refused.take() {
                return Err(ClientError::Policy(refusal));
            }
        }
        Ok(())
    }

    /// Reports a refusal, and ends the client over one that another try cannot mend.
    // spec: [member.permanent]
    fn refuse(&mut self, refusal: Refusal) -> Result<(), ClientError> {
        self.watcher.refused(refusal.kind(), &refusal);
        match refusal {
            Refusal::Ledger(error) => Err(ClientError::Ledger(error)),
            Refusal::Roster { .. } => Err(ClientError::Roster(refusal)),
            refusal if is_of_task(&refusal) && !self.verdict.accepted => {
                self.verdict.refused = Some(refusal);
                let due = Instant::now().checked_add(PATIENCE);
                self.verdict.due = self.verdict.due.or(due);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Erases what is open, and lets what was queued go out.
    // spec: [member.stop]
    async fn leave(&mut self) {
        let keys = self.rounds.keys().copied().collect::<Vec<_>>();
        for key in keys {
            // a ledger that cannot be written must not keep the secrets: the machines go with the session
            let _ = self.erase(key).await;
        }
        self.tasks.shutdown().await;
        if let Some(line) = self.line.take() {
            let _ = timeout(FAREWELL, line.connection.finish()).await;
            drop(line.connection);
            line.endpoint.close().await;
        }
    }
}

fn far_away() -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_secs(60 * 60)).unwrap_or(now)
}

/// Happenings that wait; the network waits behind them.
const QUEUE: usize = 64;

/// How long a coordinator whose tasks were all refused may show a better one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the last frames may take.
const FAREWELL: Duration = Duration::from_secs(3);
