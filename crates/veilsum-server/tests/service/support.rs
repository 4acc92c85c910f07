//! A federation with its coordinator, and members that do as they are told.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use veilsum_encode::{Tensor, TensorData, Update, Weight, contribute, sha256_of_values};
use veilsum_proto::{
    identity::Identity,
    ids::{Attempt, Round, Sid, Sid2, Slot, UpdateDigest},
    ledger::MemoryLedger,
    member::{Floors, Member, Reply},
    message::{AbortNotice, Body, Caps, Deadlines, FaultNotice, Message, Open, Receipt},
    roster::{Name, Roster, RosterDraft},
    session::second_sid,
    task::Task,
};
use veilsum_quic::{ClientEndpoint, Connection, ControlReceiver, Limits, WriteError};
use veilsum_server::{Event, NoModel, ServerConfig, ServerError, Service, TaskConfig, TaskHook};

/// Long enough for any honest step on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A roster of `n` members, with everybody's keys.
pub struct Federation {
    pub roster: Arc<Roster>,
    pub members: Vec<Arc<Identity>>,
    pub folder: tempfile::TempDir,
}

impl Federation {
    pub fn new(n: u8) -> Self {
        Self::with_last_round(n, 1000)
    }

    pub fn with_last_round(n: u8, last: u64) -> Self {
        let members: Vec<_> = (0..n).map(|slot| Arc::new(identity(slot))).collect();
        let authority = identity(AUTHORITY);
        let mut draft = RosterDraft::new(
            name("hospitals"),
            authority.public(),
            identity(COORDINATOR).public(),
        );
        for (slot, member) in members.iter().enumerate() {
            draft
                .add(name(&format!("site-{slot}")), member.public())
                .unwrap();
        }
        draft.set_last_round(Round(last)).unwrap();
        let roster = draft
            .sign(&authority, &mut ChaCha20Rng::seed_from_u64(7))
            .unwrap();
        Self {
            roster: Arc::new(roster),
            members,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub fn config(&self) -> ServerConfig {
        ServerConfig::new("127.0.0.1:0".parse().unwrap(), self.state())
    }

    pub fn serve(&self, tasks: Vec<TaskConfig>) -> House {
        self.serve_with(self.config(), tasks)
    }

    pub fn serve_with(&self, config: ServerConfig, tasks: Vec<TaskConfig>) -> House {
        let tasks = tasks
            .into_iter()
            .map(|task| (task, Box::new(NoModel) as Box<dyn TaskHook>));
        self.try_serve(config, tasks.collect()).unwrap()
    }

    pub fn try_serve(
        &self,
        config: ServerConfig,
        tasks: Vec<(TaskConfig, Box<dyn TaskHook>)>,
    ) -> Result<House, ServerError> {
        let (sender, events) = mpsc::unbounded_channel();
        let tell = move |event: &Event| drop(sender.send(event.clone()));
        let service = Service::start(
            config,
            identity(COORDINATOR),
            self.roster.clone(),
            tasks,
            tell,
        )?;
        Ok(House {
            address: service.local_addr(),
            service,
            events,
        })
    }

    /// A member that has not connected yet.
    pub fn site(&self, slot: u8) -> Site {
        Site {
            slot: Slot(slot.into()),
            identity: self.members[usize::from(slot)].clone(),
            roster: self.roster.clone(),
            ledger: MemoryLedger::default(),
            rng: ChaCha20Rng::seed_from_u64(slot.into()),
            open: BTreeMap::new(),
            seen: Arc::default(),
        }
    }

    /// Connects honest members and lets them run.
    pub fn join_all(
        &self,
        address: SocketAddr,
        slots: impl IntoIterator<Item = u8>,
    ) -> Vec<Running> {
        slots
            .into_iter()
            .map(|slot| self.site(slot).run(address, |_| Act::Go))
            .collect()
    }
}

/// A coordinator with its events.
pub struct House {
    pub address: SocketAddr,
    pub service: Service,
    pub events: mpsc::UnboundedReceiver<Event>,
}

impl House {
    /// The next event that `wanted` picks; those before it are dropped.
    pub async fn event<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let find = async {
            loop {
                let event = self.events.recv().await.expect("service lives");
                if let Some(found) = wanted(&event) {
                    return found;
                }
                seen.push(event);
            }
        };
        match timeout(PATIENCE, find).await {
            Ok(found) => found,
            Err(_) => panic!("event did not come, but {seen:#?}"),
        }
    }

    /// The next result: round, attempt, survivors, digest of the sum.
    pub async fn result(&mut self) -> Found {
        self.event(|event| match event {
            Event::Result {
                round,
                attempt,
                survivor_ids,
                sum_sha256,
                ..
            } => {
                let survivors = survivor_ids.iter().map(|slot| slot.0).collect();
                Some((*round, *attempt, survivors, sum_sha256.clone()))
            }
            _ => None,
        })
        .await
    }

    /// The next abort: round, attempt, reason.
    pub async fn abort(&mut self) -> (Round, Attempt, String) {
        self.event(|event| match event {
            Event::Abort {
                round,
                attempt,
                reason,
                ..
            } => Some((*round, *attempt, reason.clone())),
            _ => None,
        })
        .await
    }

    pub async fn phase(&mut self, wanted: &str) {
        self.event(|event| match event {
            Event::Phase { phase, .. } if phase.text() == wanted => Some(()),
            _ => None,
        })
        .await;
    }
}

/// What a member does instead of answering a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Answers as it should.
    Go,
    /// Closes its connection and never comes back.
    Vanish,
    /// Sends half of its masked update and vanishes.
    VanishMidUpload,
    /// Closes its connection, comes back, and waits for what is due to it.
    Reconnect,
    /// Sends half of its masked update, closes its connection, comes back.
    ReconnectMidUpload,
    /// Takes the message and sends nothing.
    Ignore,
    /// Answers, but only after so many milliseconds.
    Dawdle(u64),
}

/// What a member has seen at its end.
#[derive(Debug, Default)]
pub struct Seen {
    pub receipts: Vec<(Receipt, bool)>,
    pub aborts: Vec<AbortNotice>,
    pub faults: Vec<FaultNotice>,
    pub refusals: Vec<String>,
    pub opens: usize,
}

/// A member at work.
pub struct Running {
    pub task: JoinHandle<()>,
    seen: Arc<Mutex<Seen>>,
}

impl Running {
    /// Waits until `enough` holds of what it has seen.
    pub async fn until(&self, enough: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !enough(&self.seen.lock().unwrap()) {
            let waited = start.elapsed();
            assert!(
                waited < PATIENCE,
                "saw only {:#?}",
                self.seen.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An attempt a member is in.
struct InRound {
    member: Member,
    advert: Message,
    sid: Option<Sid>,
    sid2: Option<Sid2>,
    upload: Option<(Message, Vec<u8>)>,
}

/// A member with its secrets and its connection.
pub struct Site {
    pub slot: Slot,
    identity: Arc<Identity>,
    roster: Arc<Roster>,
    ledger: MemoryLedger,
    rng: ChaCha20Rng,
    open: BTreeMap<[u8; 32], InRound>,
    seen: Arc<Mutex<Seen>>,
}

/// Round, attempt, survivors and digest of a sum.
pub type Found = (Round, Attempt, Vec<u32>, String);

pub type Ends = (ClientEndpoint, Connection, ControlReceiver);

impl Site {
    /// Connects and follows the protocol, but for what `act` says to a message of the coordinator.
    pub fn run(
        mut self,
        address: SocketAddr,
        mut act: impl FnMut(&Message) -> Act + Send + 'static,
    ) -> Running {
        let seen = self.seen.clone();
        let task = tokio::spawn(async move {
            let mut ends = self.connect(address).await;
            loop {
                let Ok(Some(frame)) = ends.2.recv().await else {
                    return;
                };
                let message = Message::decode(&frame, &Caps::of_roster(self.roster.len())).unwrap();
                match act(&message) {
                    Act::Go => self.answer(&ends.1, &message).await,
                    Act::Ignore => {}
                    Act::Dawdle(ms) => {
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                        self.answer(&ends.1, &message).await;
                    }
                    Act::Vanish => return ends.0.close().await,
                    Act::VanishMidUpload => {
                        self.half(&ends.1, &message).await;
                        return ends.0.close().await;
                    }
                    Act::Reconnect => {
                        ends.0.close().await;
                        ends = self.connect(address).await;
                    }
                    Act::ReconnectMidUpload => {
                        self.half(&ends.1, &message).await;
                        ends.0.close().await;
                        ends = self.connect(address).await;
                    }
                }
            }
        });
        Running { task, seen }
    }

    /// An authenticated connection.
    pub async fn connect(&self, address: SocketAddr) -> Ends {
        let client = ClientEndpoint::new("127.0.0.1:0".parse().unwrap()).unwrap();
        let coordinator = *self.roster.coordinator().as_bytes();
        let key = self.identity.signing_key();
        let connected = client
            .connect(address, key, coordinator, Limits::default())
            .await;
        let (connection, frames) = connected.unwrap();
        (client, connection, frames)
    }

    /// Does what an honest member does.
    pub async fn answer(&mut self, connection: &Connection, message: &Message) {
        if let Some(sent) = self.handle(message) {
            // a connection that is gone shows at the next read
            let _ = connection.send(sent.encode().into()).await;
        }
        if let Some((header, bytes)) = self.due(message) {
            match send_upload(connection, &header, &bytes).await {
                Ok(()) | Err(WriteError::Stopped(_) | WriteError::Closed(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The masked update that a Share set asks for.
    pub fn due(&self, message: &Message) -> Option<(Message, Vec<u8>)> {
        let Body::ShareSet(_) = &message.body else {
            return None;
        };
        let round = self.open.values().find(|round| round.is_meant(message));
        round.and_then(|round| round.upload.clone())
    }

    /// Begins to upload and leaves the stream as it is.
    async fn half(&mut self, connection: &Connection, message: &Message) {
        self.handle(message);
        let (header, bytes) = self.due(message).expect("an update is due");
        let mut upload = connection
            .open_upload(header.encode().into())
            .await
            .unwrap();
        upload.write(&bytes[..bytes.len() / 2]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// The machine's answer to a message. An update that is due is kept.
    pub fn handle(&mut self, message: &Message) -> Option<Message> {
        match &message.body {
            Body::Open(open) => return self.join(open),
            Body::FaultNotice(notice) => self.note(|seen| seen.faults.push(notice.clone())),
            Body::AbortNotice(notice) => self.note(|seen| seen.aborts.push(notice.clone())),
            _ => {}
        }
        let mut found = self
            .open
            .iter()
            .filter(|(_, round)| round.is_meant(message));
        let key = found.next().map(|(key, _)| *key);
        let Some(mut round) = key.and_then(|key| self.open.remove(&key)) else {
            // not in the round, or no longer
            if let Body::Receipt(receipt) = &message.body {
                self.note(|seen| seen.receipts.push((receipt.clone(), false)));
            }
            return None;
        };
        let reply = round
            .member
            .receive(message, &mut self.ledger, now(), &mut self.rng);
        let answer = match reply {
            Ok(Reply::Send(message)) => Some(message),
            Ok(Reply::Contribute) => {
                self.contribute(&mut round);
                None
            }
            Ok(Reply::Result { receipt, certified }) => {
                self.note(|seen| seen.receipts.push((receipt, certified)));
                None
            }
            Ok(Reply::Nothing | Reply::Aborted(_)) => None,
            Err(refusal) => {
                self.note(|seen| seen.refusals.push(refusal.to_string()));
                None
            }
        };
        round.learn(answer.as_ref(), message);
        if round.member.phase() != "closed" {
            self.open.insert(key.unwrap(), round);
        }
        answer
    }

    fn join(&mut self, open: &Open) -> Option<Message> {
        self.note(|seen| seen.opens += 1);
        let task = Task::decode(&open.task).unwrap();
        let key = *task.digest().as_bytes();
        if let Some(round) = self.open.get(&key) {
            let context = round.member.context();
            if (context.round, context.attempt) == (open.round, open.attempt) {
                return Some(round.advert.clone());
            }
        }
        let floors = Floors {
            reuse_update: true,
            ..Floors::default()
        };
        let (roster, identity) = (self.roster.clone(), self.identity.clone());
        let mut member = match Member::invited(open, roster, identity, floors, &self.ledger) {
            Ok(member) => member,
            Err(refusal) => {
                self.note(|seen| seen.refusals.push(refusal.to_string()));
                return None;
            }
        };
        let advert = member
            .advertise(&mut self.ledger, now(), &mut self.rng)
            .unwrap();
        let round = InRound {
            member,
            advert: advert.clone(),
            sid: None,
            sid2: None,
            upload: None,
        };
        self.open.insert(key, round);
        Some(advert)
    }

    fn contribute(&mut self, round: &mut InRound) {
        if round.upload.is_some() {
            return;
        }
        let context = round.member.context().clone();
        let plan = &context.plan;
        let spec = &plan.manifest().tensors()[0];
        let values = values(self.slot.0, context.round, plan.coordinates());
        let tensor = Tensor {
            shape: spec.shape.clone(),
            data: TensorData::U16(values),
        };
        let update = Update::new(plan.manifest(), [(spec.name.clone(), tensor)].into()).unwrap();
        let digest = UpdateDigest(update.digest());
        let seed = context.rotation_seed();
        let (contribution, _) =
            contribute(update, plan, Weight::ONE, &seed, &mut self.rng).unwrap();
        let (header, masked) = round
            .member
            .upload(contribution, digest, &mut self.ledger)
            .unwrap();
        round.upload = Some((header, masked.blocks().to_le_bytes().to_vec()));
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap());
    }
}

impl InRound {
    /// Whether a message of the coordinator belongs to this attempt.
    fn is_meant(&self, message: &Message) -> bool {
        let context = self.member.context();
        let attempt = (context.task_digest, context.round, context.attempt);
        match &message.body {
            Body::Adverts(body) => (body.task, body.round, body.attempt) == attempt,
            Body::Receipt(body) => (body.task, body.round, body.attempt) == attempt,
            Body::AbortNotice(body) => (body.task, body.round, body.attempt) == attempt,
            Body::DeliveredShares(body) => Some(body.sid) == self.sid,
            Body::ShareSet(body) => Some(body.sid) == self.sid,
            Body::UploadStored(body) => Some(body.sid2) == self.sid2,
            Body::SurvivorSet(body) => Some(body.sid2) == self.sid2,
            Body::Certificate(body) => Some(body.set.sid2) == self.sid2,
            Body::ShareRequest(body) => Some(body.sid2) == self.sid2,
            _ => false,
        }
    }

    fn learn(&mut self, answer: Option<&Message>, message: &Message) {
        if let Some(Body::SealedShares(shares)) = answer.map(|answer| &answer.body) {
            self.sid = Some(shares.sid);
        }
        if let (Body::ShareSet(set), Some(sid)) = (&message.body, &self.sid) {
            self.sid2 = Some(second_sid(sid, &set.shared));
        }
    }
}

/// The next message of the coordinator.
pub async fn next(ends: &mut Ends) -> Message {
    let frame = timeout(PATIENCE, ends.2.recv())
        .await
        .expect("a message comes");
    let frame = frame.unwrap().expect("the coordinator goes on");
    Message::decode(&frame, &Caps::of_roster(255)).unwrap()
}

/// A member brought by hand to the point where it is to upload.
pub async fn ready(
    federation: &Federation,
    house: &House,
    slot: u8,
) -> (Site, Ends, Message, Vec<u8>) {
    let mut site = federation.site(slot);
    let mut ends = site.connect(house.address).await;
    loop {
        let message = next(&mut ends).await;
        if let Some(answer) = site.handle(&message) {
            ends.1.send(answer.encode().into()).await.unwrap();
        }
        if let Some((header, bytes)) = site.due(&message) {
            return (site, ends, header, bytes);
        }
    }
}

/// Kind of the next fault the coordinator finds.
pub async fn fault_notice(ends: &mut Ends) -> String {
    loop {
        if let Body::FaultNotice(notice) = next(ends).await.body {
            return String::from_utf8(notice.kind).unwrap();
        }
    }
}

/// Goes on as an honest member until the round has a sum.
pub async fn finish(site: &mut Site, ends: &mut Ends, house: &mut House) -> Found {
    let result = house.result();
    tokio::pin!(result);
    loop {
        tokio::select! {
            found = &mut result => return found,
            message = next(ends) => {
                if let Some(answer) = site.handle(&message) {
                    ends.1.send(answer.encode().into()).await.unwrap();
                }
            }
        }
    }
}

/// Streams header and body as a member should.
pub async fn send_upload(
    connection: &Connection,
    header: &Message,
    bytes: &[u8],
) -> Result<(), WriteError> {
    let mut upload = connection.open_upload(header.encode().into()).await?;
    upload.write(bytes).await?;
    upload.finish().await
}

/// A task that sums `dim` integers below 1000, tolerating `missing` silent members.
pub fn task(task: &str, dim: u64, missing: u32) -> TaskConfig {
    task_with(task, dim, missing, "")
}

pub fn task_with(task: &str, dim: u64, missing: u32, more: &str) -> TaskConfig {
    let text = format!(
        "version = 1\nname = \"{task}\"\ncorrupt = 0\ndropout = {missing}\n{more}\n\
         [encoding]\nkind = \"integer\"\nmin = 0\nmax = 999\n\n\
         [[tensors]]\nname = \"counts\"\nshape = [{dim}]\ndtype = \"u16\"\n"
    );
    TaskConfig {
        rounds: Some(1),
        deadlines: deadlines(30_000),
        ..TaskConfig::new(Task::from_toml(&text).unwrap())
    }
}

/// The same time for every phase.
pub fn deadlines(ms: u32) -> Deadlines {
    Deadlines {
        advertise_ms: ms,
        share_ms: ms,
        accept_ms: ms,
        upload_ms: ms,
        confirm_ms: ms,
        reveal_ms: ms,
    }
}

/// What a member contributes.
pub fn values(slot: u32, round: Round, dim: u64) -> Vec<u16> {
    let first = u64::from(slot) * 131 + round.0 * 17;
    (0..dim)
        .map(|at| ((first + at * 7) % 1000) as u16)
        .collect()
}

/// Digest of the plain sum, computed apart from the protocol.
pub fn plain_sum(survivors: &[u32], round: Round, dim: u64) -> String {
    let mut sum = vec![0_i64; dim as usize];
    for slot in survivors {
        for (sum, value) in sum.iter_mut().zip(values(*slot, round, dim)) {
            *sum += i64::from(value);
        }
    }
    hex::encode(sha256_of_values(&sum))
}

/// Number of files in a folder.
pub fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

pub fn identity(seed: u8) -> Identity {
    Identity::from_secret_bytes(&[seed.wrapping_add(1); 32])
}

fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

fn now() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

const AUTHORITY: u8 = 200;
pub const COORDINATOR: u8 = 201;
