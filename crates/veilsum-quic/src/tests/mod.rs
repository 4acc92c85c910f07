//! Not unit tests: here real endpoints meet over loopback, honest ones and ones that lie.

mod admission;
mod blob;
mod control;
mod door;
mod forgery;
mod protocol;
mod upload;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ed25519_dalek::SigningKey;

use crate::{
    Admission, ClientEndpoint, ConnectError, Connection, ControlReceiver, Limits, Peer,
    ServerEndpoint, identity::parse_key, tls, verifier::PinnedVerifier,
};

/// The identity of a member; 0 is the coordinator's.
fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> [u8; 32] {
    key(seed).verifying_key().to_bytes()
}

fn localhost() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A roster that may change, and counts how often it was asked.
#[derive(Default)]
struct Roster {
    keys: Mutex<BTreeSet<[u8; 32]>>,
    asked: AtomicUsize,
}

impl Admission for Roster {
    fn admits(&self, key: &[u8; 32]) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.keys.lock().unwrap().contains(key)
    }
}

impl Roster {
    fn add(&self, seed: u8) {
        self.keys.lock().unwrap().insert(public(seed));
    }

    fn remove(&self, seed: u8) {
        self.keys.lock().unwrap().remove(&public(seed));
    }
}

/// A coordinator's endpoint with members 1, 2 and 3 on the roster.
struct House {
    server: Arc<ServerEndpoint>,
    roster: Arc<Roster>,
    address: SocketAddr,
}

impl House {
    fn open(limits: Limits) -> Self {
        let roster = Arc::new(Roster::default());
        (1..=3).for_each(|seed| roster.add(seed));
        let server = ServerEndpoint::bind(localhost(), &key(0), roster.clone(), limits).unwrap();
        let address = server.local_addr().unwrap();
        Self {
            server: Arc::new(server),
            roster,
            address,
        }
    }

    async fn try_join(&self, seed: u8) -> Result<(Connection, ControlReceiver), ConnectError> {
        join_at(self.address, seed).await
    }

    /// Both ends of a member's connection.
    async fn join(&self, seed: u8) -> (End<Connection>, End<Peer>) {
        let (member, coordinator) = tokio::join!(self.try_join(seed), self.server.accept());
        let (member, coordinator) = (member.unwrap(), coordinator.unwrap());
        assert_eq!(*coordinator.0.peer_key(), public(seed));
        (End::new(member), End::new(coordinator))
    }

    /// A member that proves its key and then keeps to no rule, with the stream of its frames.
    async fn join_raw(&self, seed: u8) -> (Raw, End<Peer>) {
        let (raw, coordinator) = tokio::join!(
            Raw::connect(self.address, seed, |_| {}),
            self.server.accept()
        );
        (raw.unwrap(), End::new(coordinator.unwrap()))
    }
}

async fn join_at(
    address: SocketAddr,
    seed: u8,
) -> Result<(Connection, ControlReceiver), ConnectError> {
    let client = ClientEndpoint::new(localhost()).unwrap();
    client
        .connect(address, &key(seed), public(0), Limits::default())
        .await
}

/// A connection with its receiver.
struct End<T> {
    link: T,
    frames: ControlReceiver,
}

impl<T> End<T> {
    fn new((link, frames): (T, ControlReceiver)) -> Self {
        Self { link, frames }
    }
}

/// quinn without this crate's manners.
struct Raw {
    connection: quinn::Connection,
    send: quinn::SendStream,
    recv: quinn::RecvStream,
}

impl Raw {
    async fn connect(
        address: SocketAddr,
        seed: u8,
        change: impl FnOnce(&mut rustls::ClientConfig),
    ) -> Result<Self, quinn::ConnectionError> {
        let connection = raw_connecting(address, seed, change).await?;
        let (send, recv) = connection.accept_bi().await?;
        Ok(Self {
            connection,
            send,
            recv,
        })
    }
}

fn raw_connecting(
    address: SocketAddr,
    seed: u8,
    change: impl FnOnce(&mut rustls::ClientConfig),
) -> quinn::Connecting {
    let verifier = Arc::new(PinnedVerifier::new(parse_key(&public(0)).unwrap()));
    let mut config = tls::client(&key(seed), verifier).unwrap();
    change(&mut config);
    raw_connect_with(address, config)
}

fn raw_connect_with(address: SocketAddr, config: rustls::ClientConfig) -> quinn::Connecting {
    let endpoint = quinn::Endpoint::client(localhost()).unwrap();
    let config = quinn::ClientConfig::new(tls::quic_client(config).unwrap());
    endpoint
        .connect_with(config, address, "coordinator.veilsum")
        .unwrap()
}

/// A coordinator that keeps to no rule.
fn raw_server(change: impl FnOnce(&mut rustls::ServerConfig)) -> quinn::Endpoint {
    let mut config = tls::server(&key(0), Arc::new(|_: &[u8; 32]| true)).unwrap();
    change(&mut config);
    let config = quinn::ServerConfig::with_crypto(tls::quic_server(config).unwrap());
    quinn::Endpoint::server(config, localhost()).unwrap()
}

/// What the coordinator's hello looks like on the wire.
const HELLO: &[u8] = b"\0\0\0\x09veilsum/1";

const SOON: Duration = Duration::from_millis(300);
