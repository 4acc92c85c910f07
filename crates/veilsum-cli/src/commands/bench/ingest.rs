//! Uploads over QUIC on loopback, beside bare quinn under the same settings.
//!
//! Both sides, all members included, share the cores of this machine: the rate is that of a transfer, not of a coordinator.

use super::args::Step;
use super::report::Row;
use super::round::stuck;
use super::timing::{Pairs, rate};
use crate::exit::Failure;
use crate::runtime;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use veilsum_math::BLOCK_BYTES;
use veilsum_proto::masked::Accumulator;
use veilsum_quic::{ClientEndpoint, Connection, Limits, Peer, ServerEndpoint, bare};
use veilsum_server::ingest::{Staged, Staging};

/// Uploads of all members at once.
pub(super) fn ingest(quick: bool) -> Result<Row, Failure> {
    let members = if quick { 30 } else { 100 };
    let repetitions = if quick { 3 } else { 9 };
    let pairs = runtime::start()?.block_on(pairs(members, repetitions))?;
    let what = format!(
        "{members} members upload {UPLOAD} bytes each over QUIC on loopback, added up; limit: bare quinn with the same settings",
    );
    Ok(Row::rate(Step::Ingest, &pairs, 0.90, what))
}

async fn pairs(members: usize, repetitions: usize) -> Result<Pairs, Failure> {
    let ours = Ours::connect(members).await?;
    let bare = Bare::connect(members).await?;
    let update = Bytes::from(vec![0x5a; UPLOAD]);
    let bytes = members * UPLOAD;
    // once for nothing: windows and caches are cold
    ours.upload(&update).await?;
    bare.upload(&update).await?;
    let mut pairs = Pairs::default();
    for _ in 0..repetitions {
        let limit = rate(bytes, bare.upload(&update).await?);
        pairs.push(rate(bytes, ours.upload(&update).await?), limit);
    }
    Ok(pairs)
}

/// Members and coordinator as they are.
struct Ours {
    links: Vec<(Connection, Peer)>,
    staging: Staging,
    /// What keeps ports and streams open.
    _open: Box<dyn Send>,
}

impl Ours {
    async fn connect(members: usize) -> Result<Self, Failure> {
        let limits = Limits::default();
        let everybody = Arc::new(|_: &[u8; 32]| true);
        let server = ServerEndpoint::bind(loopback(), &key(0), everybody, limits.clone());
        let server = server.map_err(stuck)?;
        let address = server.local_addr().map_err(stuck)?;
        let coordinator = key(0).verifying_key().to_bytes();
        let (mut links, mut open) = (Vec::new(), Vec::new());
        for index in 1..=members {
            let endpoint = ClientEndpoint::new(loopback()).map_err(stuck)?;
            let identity = key(index);
            let connecting = endpoint.connect(address, &identity, coordinator, limits.clone());
            let (member, peer) = tokio::join!(connecting, server.accept());
            let ((connection, frames), (peer, control)) = (
                member.map_err(stuck)?,
                peer.ok_or_else(|| stuck("no peer"))?,
            );
            links.push((connection, peer));
            open.push((endpoint, frames, control));
        }
        Ok(Self {
            links,
            staging: Staging::in_memory((members * UPLOAD) as u64),
            _open: Box::new((server, open)),
        })
    }

    async fn upload(&self, update: &Bytes) -> Result<Duration, Failure> {
        let (whole_ones, added) = mpsc::channel(self.links.len());
        let mut tasks = JoinSet::new();
        let start = Instant::now();
        for (connection, peer) in self.links.iter().cloned() {
            tasks.spawn(send(connection, update.clone()));
            tasks.spawn(take(peer, self.staging.clone(), whole_ones.clone()));
        }
        drop(whole_ones);
        tasks.spawn(add(added));
        whole(tasks, start).await
    }
}

async fn send(connection: Connection, update: Bytes) -> Result<(), Failure> {
    let header = Bytes::from_static(&[7; 200]);
    let mut upload = connection.open_upload(header).await.map_err(stuck)?;
    for block in blocks(update) {
        upload.write_bytes(block).await.map_err(stuck)?;
    }
    upload.finish().await.map_err(stuck)
}

/// Pieces of an update as they are handed to QUIC, uncopied.
fn blocks(mut update: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let next = update.split_to(BLOCK_BYTES.min(update.len()));
        (!next.is_empty()).then_some(next)
    })
}

/// Staged until whole, by what the coordinator does it with.
async fn take(
    peer: Peer,
    staging: Staging,
    whole_ones: mpsc::Sender<Staged>,
) -> Result<(), Failure> {
    let pending = peer.accept_upload().await.map_err(stuck)?;
    let incoming = pending.header().await.map_err(stuck)?;
    let body = incoming.accept(UPLOAD as u64, None);
    let staged = staging.take(body, UPLOAD as u64).await.map_err(stuck)?;
    whole_ones.send(staged).await.map_err(stuck)
}

/// Adds up what is whole, on another thread while others come, as the coordinator's round does.
async fn add(mut whole_ones: mpsc::Receiver<Staged>) -> Result<(), Failure> {
    let mut sum = Accumulator::new(UPLOAD / 8);
    let mut batch = Vec::new();
    while whole_ones.recv_many(&mut batch, BATCH).await > 0 {
        let updates = std::mem::take(&mut batch);
        let adding = spawn_blocking(move || add_up(&mut sum, updates).map(|()| sum));
        sum = adding.await.map_err(stuck)??;
    }
    Ok(())
}

fn add_up(sum: &mut Accumulator, updates: Vec<Staged>) -> Result<(), Failure> {
    for staged in updates {
        let added = staged.into_update(UPLOAD / 8, |update| sum.add(update));
        added.map_err(stuck)?.map_err(stuck)?;
    }
    Ok(())
}

/// The same keys, sockets and windows, and nothing else: bytes are read and forgotten.
struct Bare {
    links: Vec<(quinn::Connection, quinn::Connection)>,
    /// What keeps ports open.
    _open: Vec<quinn::Endpoint>,
}

impl Bare {
    async fn connect(members: usize) -> Result<Self, Failure> {
        let limits = Limits::default();
        let everybody = Arc::new(|_: &[u8; 32]| true);
        let server = bare::server(loopback(), &key(0), everybody, &limits, bare::as_they_are);
        let server = server.map_err(stuck)?;
        let address = server.local_addr().map_err(stuck)?;
        let coordinator = key(0).verifying_key();
        let (mut links, mut open) = (Vec::new(), Vec::new());
        for index in 1..=members {
            let client = bare::client(
                loopback(),
                &key(index),
                coordinator,
                &limits,
                bare::as_they_are,
            );
            let client = client.map_err(stuck)?;
            let connecting = client.connect(address, bare::SERVER_NAME).map_err(stuck)?;
            let accepting = async {
                let incoming = server.accept().await.ok_or_else(|| stuck("no peer"))?;
                incoming.await.map_err(stuck)
            };
            let (member, peer) = tokio::join!(connecting, accepting);
            links.push((member.map_err(stuck)?, peer?));
            open.push(client);
        }
        open.push(server);
        Ok(Self { links, _open: open })
    }

    async fn upload(&self, update: &Bytes) -> Result<Duration, Failure> {
        let mut tasks = JoinSet::new();
        let start = Instant::now();
        for (member, peer) in self.links.iter().cloned() {
            tasks.spawn(send_bare(member, update.clone()));
            tasks.spawn(take_bare(peer));
        }
        whole(tasks, start).await
    }
}

async fn send_bare(connection: quinn::Connection, update: Bytes) -> Result<(), Failure> {
    let mut stream = connection.open_uni().await.map_err(stuck)?;
    for block in blocks(update) {
        stream.write_chunk(block).await.map_err(stuck)?;
    }
    stream.finish().map_err(stuck)?;
    stream.stopped().await.map(drop).map_err(stuck)
}

async fn take_bare(connection: quinn::Connection) -> Result<(), Failure> {
    let mut stream = connection.accept_uni().await.map_err(stuck)?;
    let (mut bytes, mut chunks) = (0, vec![Bytes::new(); CHUNKS]);
    while let Some(count) = stream.read_chunks(&mut chunks).await.map_err(stuck)? {
        bytes += chunks.iter().take(count).map(Bytes::len).sum::<usize>();
    }
    match bytes {
        UPLOAD => Ok(()),
        _ => Err(stuck(format_args!("{bytes} bytes came"))),
    }
}

/// Waits for all ends of all uploads.
async fn whole(
    mut tasks: JoinSet<Result<(), Failure>>,
    start: Instant,
) -> Result<Duration, Failure> {
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(stuck)??;
    }
    Ok(start.elapsed())
}

fn key(index: usize) -> SigningKey {
    let mut seed = [3; 32];
    for (place, byte) in seed.iter_mut().zip(index.to_le_bytes()) {
        *place = byte;
    }
    SigningKey::from_bytes(&seed)
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Bytes of an upload: a vector of 900 000 lanes of 24 bits.
const UPLOAD: usize = 2_700_000;

/// Datagrams taken off a stream at once, as the coordinator takes them.
const CHUNKS: usize = 64;

/// Updates added up at once at most, as the coordinator adds them.
const BATCH: usize = 64;
