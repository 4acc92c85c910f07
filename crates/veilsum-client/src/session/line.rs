//! The connection: made, read, lost, made again.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use veilsum_proto::message::Message;
use veilsum_proto::session::RoundContext;
use veilsum_quic::{
    BindError, ClientEndpoint, CloseCode, Closed, ConnectError, Connection, ControlReceiver,
    FrameError, SendError,
};

use super::{Happening, Session};
use crate::{ClientError, Event, MemberConfig};

/// A live connection.
pub(super) struct Line {
    /// Tells what came over this line from what came over earlier ones.
    pub(super) id: u64,
    pub(super) endpoint: ClientEndpoint,
    pub(super) connection: Connection,
    since: Instant,
}

/// How a try to connect ended.
pub(super) struct Dialed(Result<(ClientEndpoint, Connection, ControlReceiver), DialError>);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("cannot find {host}: {reason}")]
    Unresolved { host: String, reason: String },
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// A line that is gone.
pub(super) struct Lost {
    line: u64,
    closed: Option<Closed>,
    reason: String,
}

impl Session {
    /// Starts a try to connect after a wait.
    pub(super) fn dial(&mut self, after: Duration) {
        let (config, outbox) = (self.config.clone(), self.outbox.clone());
        self.tasks.spawn(async move {
            sleep(after).await;
            let dialed = Dialed(dial(&config).await);
            // the session may be over
            let _ = outbox.send(Happening::Dialed(Box::new(dialed))).await;
        });
    }

    pub(super) async fn dialed(&mut self, dialed: Dialed) -> Result<(), ClientError> {
        let (endpoint, connection, receiver) = match dialed.0 {
            Ok(parts) => parts,
            Err(error) => return self.not_dialed(error),
        };
        self.lines = self.lines.saturating_add(1);
        let id = self.lines;
        let most = self.caps.largest().min(MOST_FRAME);
        connection.set_frame_limit(most.max(self.config.limits.frame));
        let address = connection.remote_address().to_string();
        self.tasks.spawn(read(id, receiver, self.outbox.clone()));
        self.line = Some(Line {
            id,
            endpoint,
            connection,
            since: Instant::now(),
        });
        self.watcher.tell(&Event::Connected { address });
        self.resume().await
    }

    pub(super) fn lost(&mut self, lost: Lost) -> Result<(), ClientError> {
        let Some(line) = self.line.take_if(|line| line.id == lost.line) else {
            return Ok(());
        };
        // spec: [reconnect.backoff]
        if line.since.elapsed() >= STEADY {
            self.failures = 0;
        }
        match lost.closed.and_then(|closed| closed.code()) {
            Some(CloseCode::NotOnRoster) => return Err(ClientError::NotOnRoster),
            // spec: [reconnect.replaced]
            Some(CloseCode::Replaced) => return Err(ClientError::Replaced),
            _ => {}
        }
        self.again(lost.reason);
        Ok(())
    }

    pub(super) fn is_on(&self, line: u64) -> bool {
        self.line.as_ref().is_some_and(|live| live.id == line)
    }

    /// Queues a message, if there is a line. What cannot be queued is asked for again after the next connection.
    pub(super) fn send(&self, context: &RoundContext, message: &Message) {
        self.send_bytes(context, message.body.name(), message.encode().into());
    }

    pub(super) fn send_bytes(&self, context: &RoundContext, name: &'static str, bytes: Bytes) {
        let Some(line) = &self.line else { return };
        self.watcher.sending(context, name);
        match line.connection.try_send(bytes) {
            Ok(()) | Err(SendError::Closed(_) | SendError::Finished) => {}
            // a coordinator that takes no frames must not hold up deadlines
            Err(SendError::QueueFull { .. } | SendError::TooLarge { .. }) => {
                line.connection.close(CloseCode::TooSlow);
            }
        }
    }

    fn not_dialed(&mut self, error: DialError) -> Result<(), ClientError> {
        match error {
            DialError::Connect(ConnectError::NotOnRoster) => Err(ClientError::NotOnRoster),
            DialError::Connect(
                error @ (ConnectError::BadWantedKey { .. }
                | ConnectError::Limits(_)
                | ConnectError::Tls(_)),
            ) => Err(ClientError::Connect(error)),
            DialError::Connect(ConnectError::Closed(Closed::ByPeer(CloseCode::Replaced))) => {
                Err(ClientError::Replaced)
            }
            DialError::Bind(error) => Err(ClientError::Bind(error)),
            error => {
                self.again(error.to_string());
                Ok(())
            }
        }
    }

    // spec: [reconnect.backoff]
    fn again(&mut self, reason: String) {
        self.watcher.tell(&Event::Disconnected { reason });
        let delay = self.config.backoff.delay(self.failures, rand::random());
        self.failures = self.failures.saturating_add(1);
        let in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.watcher.tell(&Event::Reconnecting { in_ms });
        self.dial(delay);
    }
}

/// Tries every address of the coordinator's name.
async fn dial(
    config: &MemberConfig,
) -> Result<(ClientEndpoint, Connection, ControlReceiver), DialError> {
    let host = config.coordinator.clone();
    let unresolved = |reason: String| DialError::Unresolved {
        host: host.clone(),
        reason,
    };
    let addresses = tokio::net::lookup_host(&config.coordinator)
        .await
        .map_err(|error| unresolved(error.to_string()))?;
    let mut last = unresolved("the name has no address".into());
    for address in addresses {
        let endpoint = ClientEndpoint::new(any_port(address))?;
        let connected = endpoint.connect(
            address,
            config.identity.signing_key(),
            // spec: [member.pinned]
            *config.roster.coordinator().as_bytes(),
            config.limits.clone(),
        );
        match connected.await {
            Ok((connection, receiver)) => return Ok((endpoint, connection, receiver)),
            Err(ConnectError::NotOnRoster) => return Err(ConnectError::NotOnRoster.into()),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn any_port(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

async fn read(line: u64, mut receiver: ControlReceiver, outbox: mpsc::Sender<Happening>) {
    let lost = loop {
        match receiver.recv().await {
            Ok(Some(frame)) => {
                let frame = Happening::Frame { line, frame };
                if outbox.send(frame).await.is_err() {
                    return;
                }
            }
            Ok(None) => break (None, "the coordinator ended its control stream".to_owned()),
            Err(error) => {
                let closed = match &error {
                    FrameError::Closed(closed) => Some(*closed),
                    FrameError::TooLarge { .. }
                    | FrameError::Truncated { .. }
                    | FrameError::Reset(_)
                    | FrameError::Ended => None,
                };
                break (closed, error.to_string());
            }
        }
    };
    let (closed, reason) = lost;
    let lost = Lost {
        line,
        closed,
        reason,
    };
    let _ = outbox.send(Happening::Lost(lost)).await; // the session may be over
}

/// A line that has lived so long was a good one: the next try to connect comes soon.
const STEADY: Duration = Duration::from_secs(10);

/// Most bytes of a frame, however large the roster.
const MOST_FRAME: usize = 64 << 20;
