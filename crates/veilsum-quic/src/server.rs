//! Not the coordinator: rounds, phases and quotas live above. This is its door: it binds the port, lets
//! members in by the current roster, holds the number of connections, and hands over each as a [`Peer`].

use std::{
    io,
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ed25519_dalek::SigningKey;
use quinn::{Endpoint, Incoming, TokioRuntime, ValidationTokenConfig, VarInt};
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    close::{self, CloseCode, Closed},
    control::{ControlReceiver, Link},
    identity::parse_spki,
    limits::{Limits, LimitsError},
    registry::Registry,
    reset::endpoint_config,
    socket, tls,
    tls::TlsError,
    verifier::Admission,
};

/// Why the coordinator's port could not be opened.
#[derive(Debug, Error)]
pub enum BindError {
    /// The operating system refused the address.
    #[error("cannot bind {address}: {source}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The limits contradict themselves.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The coordinator's endpoint. Dropping it closes every connection with [`CloseCode::ShuttingDown`].
#[derive(Debug)]
pub struct ServerEndpoint {
    endpoint: Endpoint,
    house: Arc<House>,
    ready: Mutex<mpsc::Receiver<(Peer, ControlReceiver)>>,
    acceptor: JoinHandle<()>,
}

/// A member that has proved a key of the current roster. Clones are handles of the same connection.
#[derive(Clone, Debug)]
pub struct Peer {
    link: Link,
}

/// What the door has seen since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections held now.
    pub connections: usize,
    /// Connections handed over or waiting to be.
    pub admitted: u64,
    /// Handshakes that failed, keys not on the roster included.
    pub refused: u64,
    /// First packets answered with a demand to prove the address.
    pub retried: u64,
    /// Connections closed for a newer one of the same identity.
    pub replaced: u64,
    /// Connections turned away because the house was full.
    pub turned_away: u64,
}

impl ServerEndpoint {
    /// Opens the port and starts to let members in. Port 0 takes any free one. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError::Socket`] if the address is taken or not ours; [`BindError::Limits`] if the limits
    /// contradict themselves.
    ///
    /// # Security
    ///
    /// `admission` is asked for every connection; it must answer from the roster of that moment.
    pub fn bind(
        address: SocketAddr,
        identity: &SigningKey,
        admission: Arc<dyn Admission>,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let config = server_config(identity, admission.clone(), &limits)?;
        let refused = |source| BindError::Socket { address, source };
        let socket = socket::bind(address, limits.socket_buffer).map_err(refused)?;
        let runtime = Arc::new(TokioRuntime);
        let settings = endpoint_config(identity);
        let endpoint = Endpoint::new(settings, Some(config), socket, runtime).map_err(refused)?;
        let house = Arc::new(House::new(admission, limits));
        let (ready_tx, ready_rx) = mpsc::channel(READY);
        let acceptor = tokio::spawn(let_in(endpoint.clone(), house.clone(), ready_tx));
        Ok(Self {
            endpoint,
            house,
            ready: Mutex::new(ready_rx),
            acceptor,
        })
    }

    /// The next member let in, with its frames; `None` after [`ServerEndpoint::close`]. Cancel-safe.
    pub async fn accept(&self) -> Option<(Peer, ControlReceiver)> {
        self.ready.lock().await.recv().await
    }

    /// Asks the admission again for every live connection and closes those it no longer admits. To be
    /// called when the roster has changed.
    // spec: [quic.admission]
    pub fn enforce_admission(&self) {
        let gone = self
            .house
            .registry
            .select(|key| !self.house.admission.admits(key));
        gone.iter()
            .for_each(|link| link.close(CloseCode::NotOnRoster));
    }

    /// Lets nobody in any more, closes every connection with [`CloseCode::ShuttingDown`] and waits, for
    /// three seconds at most, until the members know.
    pub async fn close(&self) {
        self.shut();
        // members that are gone cannot answer; they find out by silence
        if timeout(FAREWELL, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("some members did not acknowledge the end");
        }
    }

    /// The address members connect to.
    ///
    /// # Errors
    ///
    /// What the operating system says of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// What the door has seen since the start.
    pub fn stats(&self) -> ServerStats {
        self.house.stats()
    }

    fn shut(&self) {
        for link in self.house.registry.select(|_| true) {
            link.close(CloseCode::ShuttingDown);
        }
        let code = CloseCode::ShuttingDown;
        self.endpoint
            .close(VarInt::from_u32(code.number()), code.text().as_bytes());
    }
}

impl Drop for ServerEndpoint {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.shut();
    }
}

impl Deref for Peer {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

/// What the tasks at the door share.
struct House {
    admission: Arc<dyn Admission>,
    limits: Arc<Limits>,
    handshakes: Arc<Semaphore>,
    registry: Registry,
    admitted: AtomicU64,
    refused: AtomicU64,
    retried: AtomicU64,
    replaced: AtomicU64,
    turned_away: AtomicU64,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl House {
    fn new(admission: Arc<dyn Admission>, limits: Limits) -> Self {
        Self {
            admission,
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            registry: Registry::new(limits.connections_per_identity, limits.connections),
            limits: Arc::new(limits),
            admitted: AtomicU64::default(),
            refused: AtomicU64::default(),
            retried: AtomicU64::default(),
            replaced: AtomicU64::default(),
            turned_away: AtomicU64::default(),
        }
    }

    fn stats(&self) -> ServerStats {
        ServerStats {
            connections: self.registry.len(),
            admitted: self.admitted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            replaced: self.replaced.load(Ordering::Relaxed),
            turned_away: self.turned_away.load(Ordering::Relaxed),
        }
    }

    fn handshakes_under_way(&self) -> usize {
        let free = self.handshakes.available_permits();
        self.limits.handshakes.saturating_sub(free)
    }

    /// From the first packet to a registered connection that has said hello.
    async fn handshake(
        self: &Arc<Self>,
        incoming: Incoming,
    ) -> Result<(Peer, ControlReceiver), Refused> {
        let connection = incoming
            .accept()
            .map_err(Closed::from)?
            .await
            .map_err(Closed::from)?;
        let key = peer_key(&connection).ok_or(Refused::NoKey)?;
        let (link, receiver) = Link::open(connection, key, self.limits.clone()).await?;
        self.register(&link)?;
        link.say_hello()?; // only now: a member that hears it holds a place
        Ok((Peer { link }, receiver))
    }

    fn register(self: &Arc<Self>, link: &Link) -> Result<(), Refused> {
        let Ok((ticket, older)) = self.registry.admit(link) else {
            link.close(CloseCode::TooManyConnections); // spec: [quic.full]
            count(&self.turned_away);
            return Err(Refused::Full);
        };
        for old in older {
            old.close(CloseCode::Replaced); // spec: [quic.replace]
            count(&self.replaced);
        }
        let (house, connection, key) = (self.clone(), link.quinn().clone(), *link.peer_key());
        tokio::spawn(async move {
            connection.closed().await;
            house.registry.remove(&key, ticket);
        });
        // the roster may have changed since the handshake asked; from here on `enforce_admission` sees
        // the connection. spec: [quic.admission]
        if !self.admission.admits(link.peer_key()) {
            link.close(CloseCode::NotOnRoster);
            return Err(Refused::NotOnRoster);
        }
        Ok(())
    }
}

/// Why a connection did not come through the door. Only logged: the peer was told by a close code.
#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error("peer has shown no canonical key")]
    NoKey,
    #[error("house is full")]
    Full,
    #[error("key has left the roster during the handshake")]
    NotOnRoster,
}

/// Takes first packets until the endpoint closes.
async fn let_in(
    endpoint: Endpoint,
    house: Arc<House>,
    ready: mpsc::Sender<(Peer, ControlReceiver)>,
) {
    while let Some(incoming) = endpoint.accept().await {
        // spec: [quic.retry]
        if house.handshakes_under_way() >= house.limits.retry_from && incoming.may_retry() {
            if incoming.retry().is_ok() {
                count(&house.retried);
            }
            continue;
        }
        let Ok(permit) = house.handshakes.clone().acquire_owned().await else {
            return;
        };
        tokio::spawn(welcome(incoming, house.clone(), permit, ready.clone()));
    }
}

async fn welcome(
    incoming: Incoming,
    house: Arc<House>,
    permit: OwnedSemaphorePermit,
    ready: mpsc::Sender<(Peer, ControlReceiver)>,
) {
    let address = incoming.remote_address();
    // spec: [quic.handshake-time]
    let outcome = timeout(house.limits.handshake_timeout, house.handshake(incoming)).await;
    drop(permit);
    match outcome {
        Ok(Ok(member)) => {
            count(&house.admitted);
            // nobody accepts any more: dropping the member closes its connection
            let _ = ready.send(member).await;
        }
        Ok(Err(reason)) => {
            count(&house.refused);
            tracing::debug!(%address, %reason, "connection refused");
        }
        Err(_) => {
            count(&house.refused);
            tracing::debug!(%address, "handshake took too long");
        }
    }
}

/// The key that TLS has verified, parsed once more so that it is canonical by this crate's own rule.
fn peer_key(connection: &quinn::Connection) -> Option<[u8; 32]> {
    let shown = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    let key = shown.first().and_then(|der| parse_spki(der).ok());
    if key.is_none() {
        close::close(connection, CloseCode::ProtocolError);
    }
    key.map(|key| key.to_bytes())
}

pub(crate) fn server_config(
    identity: &SigningKey,
    admission: Arc<dyn Admission>,
    limits: &Limits,
) -> Result<quinn::ServerConfig, BindError> {
    let crypto = tls::quic_server(tls::server(identity, admission)?)?;
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0); // nothing outlives a connection; spec: [quic.no-resumption]
    let mut config = quinn::ServerConfig::with_crypto(crypto);
    config
        .transport_config(limits.server_transport()?)
        .validation_token_config(tokens)
        .max_incoming(INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER_TOTAL);
    Ok(config)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Members let in that wait for `accept`; further ones wait in their own tasks.
const READY: usize = 16;

/// First packets that wait for a free handshake; quinn refuses what comes beyond.
const INCOMING: usize = 4096;

/// Bytes kept of one connection that waits for a free handshake, and of all of them.
const INCOMING_BUFFER: u64 = 16 << 10;
const INCOMING_BUFFER_TOTAL: u64 = 16 << 20;

/// How long [`ServerEndpoint::close`] waits for acknowledgements.
const FAREWELL: Duration = Duration::from_secs(3);
