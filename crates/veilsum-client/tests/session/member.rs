//! A member of the tests: its files in a folder of its own, its contributor and its observer with a log.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use veilsum_client::{
    Asked, Backoff, Client, ClientError, Contributor, Event, Failure, FileLedger, LocalUpdate,
    MemberConfig, MemberResult, Policy, RoundAbort, RoundInfo, StopHandle, stop_pair,
};
use veilsum_encode::{Tensor, TensorData};
use veilsum_proto::identity::PublicKey;
use veilsum_proto::roster::Roster;

use crate::coordinator::{COORDINATES, House, identity};

/// What a member's contributor saw, and how it behaves.
#[derive(Default)]
pub struct Log {
    pub events: Vec<Event>,
    pub asked: Vec<RoundInfo>,
    pub results: Vec<MemberResult>,
    pub aborts: Vec<RoundAbort>,
}

pub struct Member {
    pub log: Arc<Mutex<Log>>,
    pub folder: TempDir,
    pub stop: StopHandle,
    running: JoinHandle<Result<(), ClientError>>,
}

/// A member that is not running yet.
pub struct Setup {
    pub config: MemberConfig,
    pub folder: TempDir,
    /// Values of the update.
    pub value: f32,
    pub fails: bool,
    /// Whether the update is the same in every round.
    pub fixed: bool,
    /// What a round asks, if it asks anything.
    pub question: fn(&RoundInfo) -> Option<Asked>,
    /// Whether updates are promised.
    pub promises: bool,
    pub weight: u32,
    /// Results after which the member ends.
    pub rounds: usize,
    /// The contributor does not come back while this is so.
    pub held: Arc<AtomicBool>,
    /// Where models are kept, if they are.
    pub models: Option<crate::models::Shelf>,
}

pub fn policy(roster: &Roster) -> Policy {
    Policy::new(roster.authority())
}

impl Setup {
    /// Member `seed`, slot `seed - 1`, with ledger.
    pub fn new(house: &House, seed: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        FileLedger::create(folder.path().join("ledger"), &identity(seed).public()).unwrap();
        Self::in_folder(house, seed, folder)
    }

    /// A ledger for another key in place of the one that is there.
    pub fn new_ledger(&self, key: &PublicKey) {
        let path = self.folder.path().join("ledger");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(path.with_extension("mark")).unwrap();
        FileLedger::create(path, key).unwrap();
    }

    pub fn in_folder(house: &House, seed: u8, folder: TempDir) -> Self {
        let mut config = MemberConfig::new(
            house.address.to_string(),
            Arc::new(identity(seed)),
            house.roster.clone(),
            policy(&house.roster),
        );
        config.backoff = Backoff {
            first: Duration::from_millis(20),
            most: Duration::from_millis(100),
        };
        config.rounding_seed = Some([seed; 32]);
        Self {
            config,
            folder,
            value: f32::from(seed) / 10.0,
            fails: false,
            fixed: false,
            question: |_| None,
            promises: false,
            weight: u32::from(seed),
            rounds: 1,
            held: Arc::default(),
            models: None,
        }
    }

    pub fn run(self) -> Member {
        let log = Arc::new(Mutex::new(Log::default()));
        let ledger = FileLedger::open(self.folder.path().join("ledger")).unwrap();
        let mut client = Client::new(self.config, ledger).unwrap();
        if let Some(models) = self.models {
            client = client.with_models(models);
        }
        let (handle, stop) = stop_pair();
        let observed = log.clone();
        let observer = move |event: &Event| observed.lock().unwrap().events.push(event.clone());
        let worker = Worker {
            log: log.clone(),
            value: self.value,
            fails: self.fails,
            fixed: self.fixed,
            question: self.question,
            promises: self.promises,
            weight: self.weight,
            rounds: self.rounds,
            held: self.held,
        };
        let running = tokio::spawn(async move { client.run(worker, observer, stop).await });
        Member {
            log,
            folder: self.folder,
            stop: handle,
            running,
        }
    }
}

impl Member {
    /// Waits for the client's own end.
    pub async fn end(self) -> (Result<(), ClientError>, Ended) {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let Ok(ended) = ended else {
            panic!("the member did not end: {:?}", log.events);
        };
        let folder = self.folder;
        (ended.unwrap(), Ended { log, folder })
    }

    /// Ends it in the middle of whatever it does; what is left of it on disk.
    pub fn kill(self) -> TempDir {
        self.running.abort();
        self.folder
    }

    pub fn events(&self) -> Vec<Event> {
        self.log.lock().unwrap().events.clone()
    }

    pub fn has(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.log.lock().unwrap().events.iter().any(is)
    }

    pub fn refused(&self, wanted: &str) -> bool {
        self.has(|event| matches!(event, Event::Refused { kind, .. } if kind == wanted))
    }
}

/// What is left of a member.
pub struct Ended {
    pub log: Log,
    pub folder: TempDir,
}

impl Ended {
    pub fn sent(&self) -> Vec<&'static str> {
        let events = self.log.events.iter();
        let sent = events.filter_map(|event| match event {
            Event::Sending { message, .. } => Some(*message),
            _ => None,
        });
        sent.collect()
    }

    pub fn phases(&self) -> Vec<&'static str> {
        let events = self.log.events.iter();
        let phases = events.filter_map(|event| match event {
            Event::Phase { phase, .. } => Some(*phase),
            _ => None,
        });
        phases.collect()
    }

    pub fn refusals(&self) -> Vec<(String, String)> {
        let events = self.log.events.iter();
        let refusals = events.filter_map(|event| match event {
            Event::Refused { kind, text } => Some((kind.clone(), text.clone())),
            _ => None,
        });
        refusals.collect()
    }
}

struct Worker {
    log: Arc<Mutex<Log>>,
    value: f32,
    fails: bool,
    fixed: bool,
    question: fn(&RoundInfo) -> Option<Asked>,
    promises: bool,
    weight: u32,
    rounds: usize,
    held: Arc<AtomicBool>,
}

impl Contributor for Worker {
    fn update(&mut self, info: &RoundInfo) -> Result<LocalUpdate, Failure> {
        let round = if self.fixed { 1.0 } else { info.round.0 as f32 };
        self.log.lock().unwrap().asked.push(info.clone());
        while self.held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.fails {
            return Err("trainer has no data".into());
        }
        let tensor = Tensor {
            shape: vec![COORDINATES as u64],
            data: TensorData::F32(vec![self.value + round / 100.0; COORDINATES]),
        };
        Ok(LocalUpdate {
            tensors: [("w".to_owned(), tensor)].into(),
            weight: self.weight,
        })
    }

    fn asked(&self, info: &RoundInfo) -> Option<Asked> {
        (self.question)(info)
    }

    fn promises(&self, _: &RoundInfo) -> bool {
        self.promises
    }

    fn result(&mut self, result: &MemberResult) -> ControlFlow<()> {
        let mut log = self.log.lock().unwrap();
        log.results.push(result.clone());
        match log.results.len() < self.rounds {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    fn aborted(&mut self, abort: &RoundAbort) -> ControlFlow<()> {
        self.log.lock().unwrap().aborts.push(abort.clone());
        ControlFlow::Continue(())
    }
}
