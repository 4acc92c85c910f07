//! A coordinator of three members that goes on as soon as nobody is waited for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{AbortNotice, Body, Caps, Deadlines, Message};
use veilsum_proto::roster::{Roster, RosterDraft};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;
use veilsum_quic::{
    Blob, BlobSource, CloseCode, ControlReceiver, Delta, IncomingUpload, Limits, MakesDelta, Peer,
    ServerEndpoint,
};

pub const COORDINATES: usize = 4000;

/// Ranges at which a line breaks, if asked to.
pub const BREAKING_ASKS: [usize; 3] = [30, 60, 90];

pub const TASK: &str = r#"
version = 1
name = "test"
corrupt = 1
dropout = 0

[encoding]
kind = "float"
clip = { linf = 1.0 }
precision_bits = 16
max_weight = 10

[[tensors]]
name = "w"
shape = [4000]
dtype = "f32"
"#;

pub fn task() -> Task {
    Task::from_toml(TASK).unwrap()
}

pub fn identity(seed: u8) -> Identity {
    Identity::from_secret_bytes(&[seed; 32])
}

/// Authority 100, coordinator 0, members 1, 2 and 3 in slots 0, 1 and 2.
pub fn roster(randomness: u64) -> Arc<Roster> {
    let (authority, coordinator) = (identity(100), identity(0));
    let name = "test".parse().unwrap();
    let mut draft = RosterDraft::new(name, authority.public(), coordinator.public());
    for seed in 1..=3 {
        let name = format!("member{seed}").parse().unwrap();
        draft.add(name, identity(seed).public()).unwrap();
    }
    let mut rng = ChaCha20Rng::seed_from_u64(randomness);
    Arc::new(draft.sign(&authority, &mut rng).unwrap())
}

/// Where a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// This message came, and is lost with the line.
    Before(&'static str),
    /// This message was taken in, and what follows from it is lost.
    After(&'static str),
    /// So many bytes of the masked update came.
    Within(usize),
    /// The masked update is stored, the notice of it is lost.
    Stored,
}

/// What a member sent, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub slot: Slot,
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

pub struct House {
    pub address: SocketAddr,
    pub roster: Arc<Roster>,
    pub inner: Arc<Inner>,
}

pub struct Inner {
    server: ServerEndpoint,
    roster: Arc<Roster>,
    pub state: Mutex<State>,
}

pub struct State {
    machine: Option<Coordinator>,
    /// Word of storage for each member whose update is whole.
    stored: BTreeMap<Slot, Message>,
    peers: BTreeMap<Slot, Peer>,
    pub blobs: BTreeMap<[u8; 32], Blob>,
    /// What is offered to a member that has a blob and wants another, and is served from then on.
    pub deltas: BTreeMap<([u8; 32], [u8; 32]), Delta>,
    /// Bytes of blobs and deltas that were sent.
    pub blob_bytes: u64,
    /// Sent to every member of the round, now and on each connection.
    last: Option<Message>,
    pub sent: Vec<Sent>,
    /// Breaks of slot 0's line to come.
    pub breaks: Vec<Break>,
    pub connections: usize,
    /// Ranges of blobs that each member asked for.
    pub asks: BTreeMap<Slot, usize>,
    /// Whether slot 0's line breaks at [`BREAKING_ASKS`].
    pub break_asks: bool,
    /// Sent first on every connection.
    pub greeting: Vec<Bytes>,
}

impl House {
    pub fn open(roster: Arc<Roster>) -> Self {
        Self::open_with(roster, Limits::default())
    }

    pub fn open_with(roster: Arc<Roster>, limits: Limits) -> Self {
        let admitted = roster.clone();
        let admission = move |key: &[u8; 32]| {
            veilsum_proto::identity::PublicKey::parse(key)
                .is_ok_and(|key| admitted.slot_of(&key).is_some())
        };
        let coordinator = identity(0);
        let server = ServerEndpoint::bind(
            "127.0.0.1:0".parse().unwrap(),
            coordinator.signing_key(),
            Arc::new(admission),
            limits,
        )
        .unwrap();
        let address = server.local_addr().unwrap();
        let state = Mutex::new(State {
            machine: None,
            stored: BTreeMap::new(),
            peers: BTreeMap::new(),
            blobs: BTreeMap::new(),
            deltas: BTreeMap::new(),
            blob_bytes: 0,
            last: None,
            sent: Vec::new(),
            breaks: Vec::new(),
            connections: 0,
            asks: BTreeMap::new(),
            break_asks: false,
            greeting: Vec::new(),
        });
        let inner = Arc::new(Inner {
            server,
            roster: roster.clone(),
            state,
        });
        tokio::spawn(inner.clone().welcome());
        Self {
            address,
            roster,
            inner,
        }
    }

    /// Opens an attempt and tells whoever is there.
    pub fn round(&self, round: u64, attempt: u32, model: Option<&[u8]>) {
        self.round_of(task(), round, attempt, model);
    }

    pub fn round_of(&self, task: Task, round: u64, attempt: u32, model: Option<&[u8]>) {
        self.round_within(Deadlines::default(), task, round, attempt, model);
    }

    pub fn round_within(
        &self,
        deadlines: Deadlines,
        task: Task,
        round: u64,
        attempt: u32,
        model: Option<&[u8]>,
    ) {
        let digest = model.map_or([0; 32], |model| {
            let digest = Sha256::digest(model).into();
            let blob = Blob::Memory(Bytes::copy_from_slice(model));
            self.inner.lock().blobs.insert(digest, blob);
            digest
        });
        let context = RoundContext::new(
            task,
            self.roster.clone(),
            Round(round),
            Attempt(attempt),
            ModelDigest(digest),
            deadlines,
        );
        let mut state = self.inner.lock();
        state.machine = Some(Coordinator::open(Arc::new(context.unwrap())));
        state.stored.clear();
        state.last = None;
        state.broadcast();
    }

    /// Ends the attempt in the coordinator's words.
    pub fn abort(&self, round: u64, attempt: u32) {
        let mut state = self.inner.lock();
        state.machine = None;
        state.last = Some(Message::new(AbortNotice {
            task: task().digest(),
            round: Round(round),
            attempt: Attempt(attempt),
            reason: b"too_few_updates".to_vec(),
            text: b"upload: too few\x1b[2J".to_vec(),
        }));
        state.broadcast();
    }

    /// Sends a message to everybody, whatever is due.
    pub fn tell(&self, message: Message) {
        let state = self.inner.lock();
        for peer in state.peers.values() {
            peer.try_send(message.encode().into()).unwrap();
        }
    }

    /// As [`House::tell`], to those whose line stands at the moment; for what may be said twice.
    pub fn tell_who_listens(&self, message: &Message) {
        let state = self.inner.lock();
        for peer in state.peers.values() {
            let _ = peer.try_send(message.encode().into());
        }
    }

    pub fn phase(&self) -> Option<PhaseName> {
        self.inner.lock().machine.as_ref().map(Coordinator::phase)
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.inner.lock().sent.clone()
    }

    /// Everything slot 0 sent of one kind.
    pub fn sent_by_first(&self, name: &str) -> Vec<Vec<u8>> {
        let sent = self.sent().into_iter();
        let own = sent.filter(|sent| sent.slot == Slot(0) && sent.name == name);
        own.map(|sent| sent.bytes).collect()
    }

    pub fn break_line(&self, at: &[Break]) {
        self.inner.lock().breaks = at.to_vec();
    }

    pub fn connections(&self) -> usize {
        self.inner.lock().connections
    }
}

impl Inner {
    pub fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn disconnect(&self, slot: Slot) {
        let peer = self.lock().peers.remove(&slot);
        if let Some(peer) = peer {
            peer.close(CloseCode::Internal);
        }
    }

    async fn welcome(self: Arc<Self>) {
        while let Some((peer, receiver)) = self.server.accept().await {
            let key = veilsum_proto::identity::PublicKey::parse(peer.peer_key()).unwrap();
            let slot = self.roster.slot_of(&key).unwrap();
            let mut state = self.lock();
            state.connections += 1;
            state.greeting.iter().for_each(|bytes| {
                peer.try_send(bytes.clone()).unwrap();
            });
            state.peers.insert(slot, peer.clone());
            state.greet(slot);
            drop(state);
            let inner = self.clone();
            let source = Arc::new(Source { inner, slot });
            let serving = peer.clone();
            tokio::spawn(async move { serving.serve_blobs(source).await });
            tokio::spawn(self.clone().listen(slot, receiver));
            tokio::spawn(self.clone().take_uploads(slot, peer));
        }
    }

    /// One range of a blob is asked for; the line may break with it.
    fn asked(&self, slot: Slot, digest: &[u8; 32]) -> Option<Blob> {
        let mut state = self.lock();
        let asks = state.asks.entry(slot).or_default();
        *asks += 1;
        let breaks = slot == Slot(0) && BREAKING_ASKS.contains(asks) && state.break_asks;
        let deltas = state.deltas.values();
        let delta = deltas.into_iter().find(|delta| delta.digest == *digest);
        let delta = delta.map(|delta| Blob::Memory(delta.bytes.clone()));
        let blob = state.blobs.get(digest).cloned().or(delta);
        drop(state);
        if breaks {
            self.disconnect(slot);
        }
        blob
    }

    async fn listen(self: Arc<Self>, slot: Slot, mut receiver: ControlReceiver) {
        while let Ok(Some(frame)) = receiver.recv().await {
            let message = Message::decode(&frame, &Caps::of_roster(3)).unwrap();
            let name = message.body.name();
            self.lock().sent.push(Sent {
                slot,
                name,
                bytes: frame.to_vec(),
            });
            if self.breaks(slot, Break::Before(name)) {
                return;
            }
            let mut state = self.lock();
            let taken = state
                .machine
                .as_mut()
                .map(|machine| machine.receive(slot, &message));
            drop(state);
            if let Some(Err(fault)) = taken {
                panic!("{fault}");
            }
            if self.breaks(slot, Break::After(name)) {
                self.lock().go_on();
                return;
            }
            self.lock().go_on();
        }
    }

    async fn take_uploads(self: Arc<Self>, slot: Slot, peer: Peer) {
        while let Ok(pending) = peer.accept_upload().await {
            let Ok(upload) = pending.header().await else {
                continue;
            };
            self.clone().take_upload(slot, &peer, upload).await;
        }
    }

    async fn take_upload(self: Arc<Self>, slot: Slot, peer: &Peer, upload: IncomingUpload) {
        let header = Message::decode(&upload.header, &Caps::of_roster(3)).unwrap();
        let Body::UploadHeader(fields) = &header.body else {
            panic!("{} in place of a header", header.body.name());
        };
        let length = fields.limbs * 8;
        self.lock().sent.push(Sent {
            slot,
            name: "UploadHeader",
            bytes: upload.header.to_vec(),
        });
        let mut body = upload.accept(length, None);
        let mut bytes = Vec::new();
        let mut broken = false;
        while let Ok(Some(piece)) = body.read_chunk(100).await {
            bytes.extend_from_slice(&piece);
            let within = self.lock().breaks.first().copied();
            if let Some(Break::Within(most)) = within
                && bytes.len() >= most
                && self.breaks(slot, Break::Within(most))
            {
                broken = true;
                break;
            }
        }
        self.lock().sent.push(Sent {
            slot,
            name: "masked update",
            bytes: bytes.clone(),
        });
        if broken || bytes.len() as u64 != length {
            return;
        }
        let mut state = self.lock();
        let Some(machine) = state.machine.as_mut() else {
            return;
        };
        machine.receive(slot, &header).unwrap();
        let update = MaskedUpdate::from_le_bytes(&bytes).unwrap();
        let stored = machine.receive_update(slot, &update).unwrap();
        state.stored.insert(slot, Message::new(stored.clone()));
        drop(state);
        if !self.breaks(slot, Break::Stored) {
            let _ = peer.try_send(Message::new(stored).encode().into());
        }
        self.lock().go_on();
    }

    /// Breaks the line of slot 0 if that is what comes next in the script.
    fn breaks(&self, slot: Slot, at: Break) -> bool {
        let mut state = self.lock();
        if slot != Slot(0) || state.breaks.first() != Some(&at) {
            return false;
        }
        state.breaks.remove(0);
        drop(state);
        self.disconnect(slot);
        true
    }
}

/// The blobs as one member may have them.
struct Source {
    inner: Arc<Inner>,
    slot: Slot,
}

impl BlobSource for Source {
    fn open(&self, digest: &[u8; 32]) -> Option<Blob> {
        self.inner.asked(self.slot, digest)
    }

    fn delta<'a>(&'a self, have: &'a [u8; 32], wanted: &'a [u8; 32]) -> MakesDelta<'a> {
        let state = self.inner.lock();
        let delta = state.deltas.get(&(*have, *wanted)).cloned();
        Box::pin(std::future::ready(delta))
    }

    fn sent(&self, _: &[u8; 32], bytes: u64) {
        self.inner.lock().blob_bytes += bytes;
    }
}

impl State {
    pub fn take_machine(&mut self) -> Option<Coordinator> {
        self.machine.take()
    }

    /// The machine again, with what is due under it told to everybody.
    pub fn put_machine(&mut self, machine: Option<Coordinator>) {
        self.machine = machine;
        self.broadcast();
    }

    /// Closes phases for as long as nobody is waited for.
    fn go_on(&mut self) {
        while let Some(machine) = self.machine.take() {
            if matches!(machine.phase(), PhaseName::Finished | PhaseName::Aborted)
                || !machine.waits_for().is_empty()
            {
                self.machine = Some(machine);
                return;
            }
            let mut faults = Vec::new();
            let machine = machine.close(&mut faults);
            assert!(faults.is_empty(), "{faults:?}");
            if let Coordinator::Finished(finished) = &machine {
                let receipt = finished.receipt(&identity(0));
                let blob = finished.sum().packed().blocks().to_le_bytes();
                self.blobs.insert(receipt.sum.0, Blob::Memory(blob.into()));
                self.last = Some(Message::new(receipt));
            }
            assert_ne!(machine.phase(), PhaseName::Aborted, "{machine:?}");
            self.machine = Some(machine);
            self.broadcast();
        }
    }

    fn broadcast(&mut self) {
        for slot in self.peers.keys().copied().collect::<Vec<_>>() {
            self.greet(slot);
        }
    }

    /// What `slot` should have by now.
    fn greet(&self, slot: Slot) {
        let due = self
            .machine
            .as_ref()
            .and_then(|machine| machine.message_for(slot));
        // once Upload is over, a member that comes back may have missed that its update is stored
        let after_upload = self
            .machine
            .as_ref()
            .is_some_and(|machine| machine.phase() > PhaseName::Upload);
        let stored = self.stored.get(&slot).filter(|_| after_upload);
        for message in stored.into_iter().chain(&due).chain(&self.last) {
            let _ = self.peers[&slot].try_send(message.encode().into());
        }
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come in time");
}
