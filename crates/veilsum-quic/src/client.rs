//! Not the member's session: retry, back-off and policy live above. This is one authenticated connection to
//! one coordinator, and an error for each way in which it cannot be had.

use std::{io, net::SocketAddr, ops::Deref, sync::Arc, time::Duration};

use ed25519_dalek::SigningKey;
use quinn::{ConnectionError, Endpoint, EndpointConfig, TokioRuntime, TransportErrorCode, VarInt};
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    close::{CloseCode, Closed},
    control::{ControlReceiver, Link},
    frame::FrameError,
    identity::{KeyError, parse_key},
    limits::{Limits, LimitsError},
    server::BindError,
    socket,
    tls::{self, TlsError},
    verifier::PinnedVerifier,
};

/// Why there is no connection to the coordinator.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The coordinator does not know the member's key, or no longer.
    #[error("your key is not on the roster of this coordinator")]
    NotOnRoster,
    /// Someone else answers at the coordinator's address.
    #[error(
        "coordinator shows key {}, wanted {}",
        hex::encode(found),
        hex::encode(wanted)
    )]
    WrongCoordinator {
        /// The key the other side showed.
        found: [u8; 32],
        /// The key of the signed roster.
        wanted: [u8; 32],
    },
    /// The key wanted of the coordinator is none.
    #[error("wanted coordinator key {}: {error}", hex::encode(wanted))]
    BadWantedKey {
        /// The bytes given.
        wanted: [u8; 32],
        /// What is wrong with them.
        error: KeyError,
    },
    /// The other side showed something that is no key.
    #[error("coordinator shows a bad key: {0}")]
    BadFoundKey(KeyError),
    /// Nobody listens there, or the way is blocked.
    #[error("no answer from {address} within {after:?}")]
    NoAnswer {
        /// The address tried.
        address: SocketAddr,
        /// How long.
        after: Duration,
    },
    /// QUIC is spoken there, but another protocol or version of it.
    #[error("{address} does not speak veilsum/1")]
    WrongProtocol {
        /// The address tried.
        address: SocketAddr,
    },
    /// The handshake succeeded, the coordinator's first frame is not its hello.
    #[error("first frame of the coordinator is not its hello, wanted veilsum/1")]
    NoHello,
    /// The coordinator has no room for a further connection now.
    #[error("coordinator is full or busy, try again later")]
    Busy,
    /// The connection ended before the hello for another reason.
    #[error(transparent)]
    Closed(Closed),
    /// The address or this endpoint cannot be used.
    #[error("cannot connect to {address}: {source}")]
    Unusable {
        /// The address tried.
        address: SocketAddr,
        /// What quinn said.
        source: quinn::ConnectError,
    },
    /// The limits contradict themselves.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A member's UDP port, from which it may connect any number of times.
#[derive(Clone, Debug)]
pub struct ClientEndpoint {
    endpoint: Endpoint,
}

/// A member's connection to its coordinator. Clones are handles of the same connection.
#[derive(Clone, Debug)]
pub struct Connection {
    link: Link,
}

impl ClientEndpoint {
    /// Opens a port; `[::]:0` or `0.0.0.0:0` take any free one. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError::Socket`] if the address is taken or not ours.
    pub fn new(bind: SocketAddr) -> Result<Self, BindError> {
        let refused = |source| BindError::Socket {
            address: bind,
            source,
        };
        let socket = socket::bind(bind, Limits::default().socket_buffer).map_err(refused)?;
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            None,
            socket,
            Arc::new(TokioRuntime),
        );
        Ok(Self {
            endpoint: endpoint.map_err(refused)?,
        })
    }

    /// Connects as `identity` to the coordinator at `address` that holds `coordinator_key`, and waits for
    /// its hello: only then is it certain that the member was let in, because in TLS 1.3 the member's side
    /// of the handshake ends before the coordinator has seen the member's key.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NotOnRoster`], [`ConnectError::WrongCoordinator`], [`ConnectError::NoAnswer`],
    /// [`ConnectError::WrongProtocol`], [`ConnectError::Busy`]: see there.
    ///
    /// # Security
    ///
    /// `coordinator_key` comes from the roster that the authority signed, never from the network.
    pub async fn connect(
        &self,
        address: SocketAddr,
        identity: &SigningKey,
        coordinator_key: [u8; 32],
        limits: Limits,
    ) -> Result<(Connection, ControlReceiver), ConnectError> {
        let wanted = parse_key(&coordinator_key).map_err(|error| ConnectError::BadWantedKey {
            wanted: coordinator_key,
            error,
        })?;
        let verifier = Arc::new(PinnedVerifier::new(wanted));
        let crypto = tls::quic_client(tls::client(identity, verifier.clone())?)?;
        let mut config = quinn::ClientConfig::new(crypto);
        config.transport_config(limits.client_transport()?);
        let attempt = Attempt {
            address,
            coordinator_key,
            verifier,
        };
        let after = limits.handshake_timeout;
        // spec: [quic.handshake-time]
        timeout(after, attempt.run(&self.endpoint, config, limits))
            .await
            .unwrap_or(Err(ConnectError::NoAnswer { address, after }))
    }

    /// The address of this port.
    ///
    /// # Errors
    ///
    /// What the operating system says of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Closes every connection of this port with [`CloseCode::Done`] and waits, for three seconds at most,
    /// until the other sides know.
    pub async fn close(&self) {
        let code = CloseCode::Done;
        self.endpoint
            .close(VarInt::from_u32(code.number()), code.text().as_bytes());
        if timeout(FAREWELL, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("the coordinator did not acknowledge the end");
        }
    }
}

impl Deref for Connection {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

/// One attempt to connect, with what its errors name.
struct Attempt {
    address: SocketAddr,
    coordinator_key: [u8; 32],
    verifier: Arc<PinnedVerifier>,
}

impl Attempt {
    async fn run(
        &self,
        endpoint: &Endpoint,
        config: quinn::ClientConfig,
        limits: Limits,
    ) -> Result<(Connection, ControlReceiver), ConnectError> {
        let address = self.address;
        let connecting = endpoint
            .connect_with(config, address, SERVER_NAME)
            .map_err(|source| ConnectError::Unusable { address, source })?;
        let connection = connecting
            .await
            .map_err(|error| self.failed(error, &limits))?;
        let accepted = Link::accept(
            connection.clone(),
            self.coordinator_key,
            Arc::new(limits.clone()),
        )
        .await;
        match accepted {
            Ok(Some((link, receiver))) => Ok((Connection { link }, receiver)),
            Ok(None) => Err(ConnectError::NoHello),
            Err(error) => Err(match (connection.close_reason(), error) {
                (Some(reason), FrameError::Closed(_)) => self.failed(reason, &limits),
                (_, FrameError::Closed(closed)) => ConnectError::Closed(closed),
                (_, FrameError::TooLarge { .. } | FrameError::Truncated { .. }) => {
                    ConnectError::NoHello
                }
                (_, FrameError::Reset(_) | FrameError::Ended) => ConnectError::NoHello,
            }),
        }
    }

    /// Finds the error a person can act on.
    fn failed(&self, error: ConnectionError, limits: &Limits) -> ConnectError {
        let address = self.address;
        match &error {
            // spec: [quic.pinned]
            ConnectionError::TransportError(_) => {
                if let Some(error) = self.verifier.refused() {
                    return ConnectError::BadFoundKey(error);
                }
                let wanted = self.coordinator_key;
                if let Some(found) = self.verifier.found().filter(|found| *found != wanted) {
                    return ConnectError::WrongCoordinator { found, wanted };
                }
            }
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                return ConnectError::Busy;
            }
            ConnectionError::VersionMismatch => return ConnectError::WrongProtocol { address },
            ConnectionError::TimedOut => {
                let after = limits.idle_timeout;
                return ConnectError::NoAnswer { address, after };
            }
            _ => {}
        }
        match Closed::from(error) {
            Closed::ByPeer(CloseCode::NotOnRoster) => ConnectError::NotOnRoster, // spec: [quic.refusal]
            Closed::ByPeer(CloseCode::TooManyConnections) => ConnectError::Busy, // spec: [quic.full]
            // spec: [quic.alpn]
            Closed::Transport { code } if code == NO_APPLICATION_PROTOCOL => {
                ConnectError::WrongProtocol { address }
            }
            closed => ConnectError::Closed(closed),
        }
    }
}

/// rustls asks for a name; it is neither sent nor checked, the coordinator is its key.
pub const SERVER_NAME: &str = "coordinator.veilsum";

/// The alert `no_application_protocol` (120) as a transport error of QUIC (RFC 9001 section 4.8).
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;

/// How long [`ClientEndpoint::close`] waits for acknowledgements.
const FAREWELL: Duration = Duration::from_secs(3);
