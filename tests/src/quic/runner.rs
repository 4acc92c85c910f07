//! A member that runs, on the crowd's threads or, if it is to vanish, on threads of its own.

use std::ops::ControlFlow;
use std::thread;

use tokio::runtime::{Builder, Handle};
use veilsum_client::{
    Client, ClientError, Contributor, Event, Failure, FileLedger, LocalUpdate, MemberResult,
    RoundAbort, RoundInfo, Stop, StopHandle, stop_pair,
};
use veilsum_proto::ids::{Round, Slot};

use super::trap::Undertaker;
use super::{How, Inputs, Site, Watched};

/// A member that runs. Dropping it asks it to stop.
#[derive(Debug)]
pub struct Runner {
    /// Its slot.
    pub slot: Slot,
    /// What it saw.
    pub log: Watched<SiteLog>,
    stop: StopHandle,
}

/// What a member saw.
#[derive(Debug, Default)]
pub struct SiteLog {
    /// Its events.
    pub events: Vec<Event>,
    /// Rounds its contributor was asked for, by name of the task.
    pub asked: Vec<(String, Round)>,
    /// Its results.
    pub results: Vec<MemberResult>,
    /// Attempts that ended without a sum.
    pub aborts: Vec<RoundAbort>,
    /// Whether its trap has sprung.
    pub vanished: bool,
    /// How the client ended, if it did by itself or was stopped.
    pub ended: Option<Result<(), String>>,
}

impl Runner {
    pub(super) fn start(site: Site, ledger: FileLedger, crowd: &Handle) -> Self {
        let Site {
            slot,
            config,
            inputs,
            trap,
        } = site;
        let log = Watched::<SiteLog>::default();
        let (handle, stop) = stop_pair();
        let client = Client::new(config, ledger).unwrap();
        let worker = Worker {
            slot,
            inputs,
            log: log.clone(),
        };
        let seen = log.clone();
        match trap {
            None => {
                let observer = move |event: &Event| note(&seen, event);
                crowd.spawn(live(client, worker, observer, stop, log.clone()));
            }
            Some(trap) => {
                let (spring, undertaker) = trap.set();
                let observer = move |event: &Event| {
                    note(&seen, event);
                    if spring.springs_at(event) {
                        seen.change(|log| log.vanished = true);
                        spring.spring();
                    }
                };
                let life = live(client, worker, observer, stop, log.clone());
                thread::spawn(move || live_and_vanish(life, trap.how, undertaker));
            }
        }
        Self {
            slot,
            log,
            stop: handle,
        }
    }

    /// Waits for its result of a round.
    pub fn result(&self, task: &str, round: u64) -> MemberResult {
        let wanted = Round(round);
        let what = format!("result of {task} {round} at member {}", self.slot);
        self.log.until(&what, |log| {
            let named = |event: &Event| matches!(event, Event::Result { task: name, round, .. } if name == task && *round == wanted);
            log.events.iter().find(|event| named(event))?;
            let mut results = log.results.iter();
            results.find(|result| result.round == wanted && log.is_of(result, task)).cloned()
        })
    }

    /// Waits for the end of an attempt without a sum.
    pub fn abort(&self, round: u64) -> RoundAbort {
        let what = format!("abort of round {round} at member {}", self.slot);
        self.log.until(&what, |log| {
            let mut aborts = log.aborts.iter();
            aborts.find(|abort| abort.round == Round(round)).cloned()
        })
    }

    /// Waits until its trap has sprung.
    pub fn vanish(&self) {
        let what = format!("member {} to vanish", self.slot);
        self.log.until(&what, |log| log.vanished.then_some(()));
    }

    /// Whether it saw such an event.
    pub fn saw(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.log.look(|log| log.events.iter().any(is))
    }

    /// Asks it to stop and waits until it has; not for members that hang.
    pub fn stop(self) {
        self.stop.stop();
        self.log.until("the end of a member", |log| {
            log.ended.is_some().then_some(())
        });
    }
}

impl SiteLog {
    /// Whether a result is of the task of this name, by the rounds that were asked for.
    fn is_of(&self, result: &MemberResult, task: &str) -> bool {
        let sha256 = hex::encode(result.sum_sha256);
        self.events.iter().any(|event| {
            matches!(event, Event::Result { task: name, round, sum_sha256, .. }
                if name == task && *round == result.round && *sum_sha256 == sha256)
        })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Gives the formula's updates, notes what comes back.
struct Worker {
    slot: Slot,
    inputs: Inputs,
    log: Watched<SiteLog>,
}

impl Contributor for Worker {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, Failure> {
        let asked = (info.task.name().to_string(), info.round);
        self.log.change(|log| log.asked.push(asked));
        Ok(self.inputs.update(&info.task, info.round, self.slot))
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        self.log.change(|log| log.results.push(result.clone()));
        ControlFlow::Continue(())
    }

    fn aborted(&mut self, abort: &RoundAbort) -> ControlFlow<()> {
        self.log.change(|log| log.aborts.push(abort.clone()));
        ControlFlow::Continue(())
    }
}

async fn live(
    mut client: Client,
    worker: Worker,
    observer: impl FnMut(&Event) + Send + 'static,
    stop: Stop,
    log: Watched<SiteLog>,
) {
    let ended = client.run(worker, observer, stop).await;
    let ended = ended.map_err(|error: ClientError| error.to_string());
    log.change(|log| log.ended = Some(ended));
}

fn note(log: &Watched<SiteLog>, event: &Event) {
    log.change(|log| log.events.push(event.clone()));
}

/// A life on threads of its own, so that their end touches nobody else.
fn live_and_vanish(
    life: impl Future<Output = ()> + Send + 'static,
    how: How,
    undertaker: Undertaker,
) {
    match how {
        How::Hang => {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(life);
        }
        How::Crash => {
            // one thread stands in the trap while the other takes sockets and tasks down
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let _living = runtime.spawn(life);
            let Undertaker { sprung, gone } = undertaker;
            // without a trap that springs, it ends when the observer is gone
            let _ = sprung.recv();
            runtime.shutdown_background();
            drop(gone);
        }
    }
}
