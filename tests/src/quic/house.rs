//! A real coordinator with a log of what it said.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use veilsum_encode::{Plan, Tensors};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::task::Task;
use veilsum_server::{
    Event, RoundResult, ServerConfig, ServerError, Service, StoreError, TaskConfig, TaskHook,
};

use super::{Federation, PATIENCE, Watched};

/// A running coordinator on threads of its own.
#[derive(Debug)]
pub struct House {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it said.
    pub log: Watched<HouseLog>,
    service: Option<Service>,
    runtime: Option<Runtime>,
}

/// What a coordinator said.
#[derive(Debug, Default)]
pub struct HouseLog {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Its sums, in order.
    pub sums: Vec<Sum>,
}

/// A round with a sum, as the coordinator's hook got it.
#[derive(Clone, Debug)]
pub struct Sum {
    /// The task.
    pub task: Task,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Slots whose contributions are in the sum.
    pub survivors: Vec<Slot>,
    /// Slots whose answer was missing when a phase closed, with the first such phase.
    pub vanished: Vec<(Slot, PhaseName)>,
    /// The sum.
    pub integers: Vec<i64>,
    /// SHA-256 of the integers, as told.
    pub sha256: [u8; 32],
    /// Sum of the weights.
    pub weight: u64,
    /// The weighted mean.
    pub mean: Tensors,
    /// From values to integers.
    pub plan: Plan,
    /// Seed of the rotation.
    pub rotation_seed: [u8; 32],
}

impl House {
    /// Opens the coordinator on a free port.
    pub fn open(federation: &Federation, tasks: Vec<TaskConfig>) -> Self {
        Self::open_at(federation, (Ipv4Addr::LOCALHOST, 0).into(), tasks)
    }

    /// Opens the coordinator at an address, over the same state folder; waits while a dead one holds either.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn open_at(federation: &Federation, listen: SocketAddr, tasks: Vec<TaskConfig>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let log = Watched::<HouseLog>::default();
        let due = Instant::now() + PATIENCE;
        let service = loop {
            match start(&runtime, federation, listen, &tasks, &log) {
                Err(ServerError::Store(StoreError::InUse { .. }) | ServerError::Bind(_))
                    if Instant::now() < due =>
                {
                    thread::sleep(Duration::from_millis(10));
                }
                service => break service.unwrap(),
            }
        };
        Self {
            address: service.local_addr(),
            log,
            service: Some(service),
            runtime: Some(runtime),
        }
    }

    /// Waits for the sum of a round.
    pub fn sum(&self, task: &str, round: u64) -> Sum {
        self.log.until(&format!("sum {round} of {task}"), |log| {
            let mut sums = log.sums.iter();
            let is_it = |sum: &&Sum| sum.round == Round(round) && sum.task.name().as_str() == task;
            sums.find(is_it).cloned()
        })
    }

    /// Waits for the end of a round: its sum, or the reason and the phase of its abort.
    pub fn end(&self, task: &str, round: u64) -> Result<Box<Sum>, (String, String)> {
        self.log.until(&format!("end {round} of {task}"), |log| {
            log.ended(task, Round(round))
        })
    }

    /// Waits until a phase of a round begins.
    pub fn phase(&self, wanted: PhaseName, wanted_round: u64) {
        self.log.until(&format!("{wanted} of {wanted_round}"), |log| {
            let mut events = log.events.iter();
            let is_it = |event: &Event| matches!(event, Event::Phase { phase, round, .. } if *phase == wanted && *round == Round(wanted_round));
            events.any(is_it).then_some(())
        });
    }

    /// Slots that were blamed, with the kind of their fault.
    pub fn faults(&self) -> Vec<(Slot, String)> {
        self.log.look(|log| {
            let faults = log.events.iter().filter_map(|event| match event {
                Event::Fault { id, kind, .. } => Some((*id, kind.clone())),
                _ => None,
            });
            faults.collect()
        })
    }

    /// Ends in order.
    pub fn shut(mut self) {
        if let (Some(runtime), Some(service)) = (&self.runtime, self.service.take()) {
            runtime.block_on(service.shutdown());
        }
    }
}

impl HouseLog {
    fn ended(
        &self,
        wanted: &str,
        wanted_round: Round,
    ) -> Option<Result<Box<Sum>, (String, String)>> {
        let mut sums = self.sums.iter();
        let sum = sums.find(|sum| sum.round == wanted_round && sum.task.name().as_str() == wanted);
        if let Some(sum) = sum {
            return Some(Ok(Box::new(sum.clone())));
        }
        self.events.iter().find_map(|event| match event {
            Event::Abort {
                task,
                round,
                reason,
                phase,
                ..
            } if task.as_str() == wanted && *round == wanted_round => {
                Some(Err((reason.clone(), phase.clone())))
            }
            _ => None,
        })
    }
}

/// Dies as a process does: its threads stop where they are, and nobody is told.
impl Drop for House {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Notes the sums.
struct Recorder {
    task: Task,
    log: Watched<HouseLog>,
}

impl TaskHook for Recorder {
    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        None
    }

    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        let sum = Sum {
            task: self.task.clone(),
            round: result.round,
            attempt: result.attempt,
            survivors: result.survivors.clone(),
            vanished: result.vanished.clone(),
            integers: result.integers.values().to_vec(),
            sha256: result.sum_sha256,
            weight: result.weight,
            mean: result.mean().unwrap(),
            plan: result.context.plan.clone(),
            rotation_seed: result.context.rotation_seed(),
        };
        self.log.change(|log| log.sums.push(sum));
        ControlFlow::Continue(())
    }
}

fn start(
    runtime: &Runtime,
    federation: &Federation,
    listen: SocketAddr,
    tasks: &[TaskConfig],
    log: &Watched<HouseLog>,
) -> Result<Service, ServerError> {
    let _inside = runtime.enter();
    let tasks = tasks.iter().map(|config| {
        let recorder = Recorder {
            task: config.task.clone(),
            log: log.clone(),
        };
        (config.clone(), Box::new(recorder) as Box<dyn TaskHook>)
    });
    let events = log.clone();
    Service::start(
        ServerConfig::new(listen, federation.state()),
        federation.coordinator(),
        federation.roster().clone(),
        tasks.collect(),
        move |event| events.change(|log| log.events.push(event.clone())),
    )
}
