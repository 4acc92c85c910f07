//! Not a request-response protocol: frames go both ways on one stream, in order, and what they mean is
//! the application's. All frames of a connection are written by one task, so they never interleave;
//! reading keeps its state outside the future, so it may stand in a `select!`.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::{
    ALPN,
    close::{self, CloseCode, Closed},
    frame::{FrameDecoder, FrameError, head, read_frame},
    limits::{Limits, MAX_FRAME},
};

/// One authenticated connection, seen from either side. Clones are handles of the same connection.
///
/// When the last handle, receiver, upload and fetch of a connection are dropped it is closed with
/// [`CloseCode::Done`], queued frames and all; to be sure of delivery, await [`Link::finish`] first.
#[derive(Clone, Debug)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connection: quinn::Connection,
    peer_key: [u8; 32],
    outgoing: mpsc::Sender<Outgoing>,
    frame_limit: AtomicUsize,
    limits: Arc<Limits>,
    close_code: OnceLock<CloseCode>,
}

#[derive(Debug)]
enum Outgoing {
    Frame { head: Bytes, body: Bytes },
    Finish(oneshot::Sender<()>),
}

/// Why a frame was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The body is longer than a length of 32 bits can say.
    #[error("frame has {found} bytes, wanted at most {wanted}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// The most.
        wanted: usize,
    },
    /// The queue is full, the peer takes its frames too slowly.
    #[error("send queue holds {wanted} frames, the most it may")]
    QueueFull {
        /// Length of the queue.
        wanted: usize,
    },
    /// This side has finished its control stream.
    #[error("control stream is finished")]
    Finished,
    /// The connection is gone.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Link {
    /// The coordinator's side: opens the control stream, on which nothing is said yet.
    // spec: [control.open]
    pub(crate) async fn open(
        connection: quinn::Connection,
        peer_key: [u8; 32],
        limits: Arc<Limits>,
    ) -> Result<(Self, ControlReceiver), Closed> {
        let (send, recv) = connection.open_bi().await?;
        Ok(Self::new(connection, peer_key, send, recv, limits))
    }

    /// Tells the member that it is let in. The queue is new and holds at least one frame, so this fails
    /// only with the connection.
    // spec: [control.hello]
    pub(crate) fn say_hello(&self) -> Result<(), Closed> {
        match self.try_send(Bytes::from_static(ALPN)) {
            Err(SendError::Closed(closed)) => Err(closed),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The member's side: takes the control stream and waits for the hello; `None` if what came is none.
    // spec: [control.hello]
    pub(crate) async fn accept(
        connection: quinn::Connection,
        peer_key: [u8; 32],
        limits: Arc<Limits>,
    ) -> Result<Option<(Self, ControlReceiver)>, FrameError> {
        let (send, recv) = connection.accept_bi().await.map_err(Closed::from)?;
        let (link, mut receiver) = Self::new(connection, peer_key, send, recv, limits);
        let hello = read_frame(&mut receiver.stream, &mut receiver.decoder, || ALPN.len()).await?;
        if hello.as_deref() == Some(ALPN) {
            return Ok(Some((link, receiver)));
        }
        link.close(CloseCode::ProtocolError);
        Ok(None)
    }

    fn new(
        connection: quinn::Connection,
        peer_key: [u8; 32],
        send: SendStream,
        recv: RecvStream,
        limits: Arc<Limits>,
    ) -> (Self, ControlReceiver) {
        let (outgoing, queue) = mpsc::channel(limits.send_queue);
        tokio::spawn(write_frames(connection.clone(), send, queue));
        let link = Self(Arc::new(Inner {
            connection,
            peer_key,
            outgoing,
            frame_limit: AtomicUsize::new(limits.frame),
            limits,
            close_code: OnceLock::new(),
        }));
        let receiver = ControlReceiver {
            link: link.clone(),
            stream: recv,
            decoder: FrameDecoder::default(),
        };
        (link, receiver)
    }

    /// Queues a frame; waits while the queue is full. A frame is queued whole or, if the future is
    /// dropped before, not at all.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLarge`] above 2^32 - 1 bytes; [`SendError::Finished`] after [`Link::finish`];
    /// [`SendError::Closed`] once the connection is gone.
    pub async fn send(&self, body: Bytes) -> Result<(), SendError> {
        let frame = outgoing(body)?;
        self.0.outgoing.send(frame).await.map_err(|_| self.unsent())
    }

    /// Queues a frame at once or not at all, for senders that must not wait for a slow peer.
    ///
    /// # Errors
    ///
    /// As [`Link::send`], and [`SendError::QueueFull`] where that one would wait.
    pub fn try_send(&self, body: Bytes) -> Result<(), SendError> {
        let wanted = self.0.limits.send_queue;
        self.0
            .outgoing
            .try_send(outgoing(body)?)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendError::QueueFull { wanted },
                mpsc::error::TrySendError::Closed(_) => self.unsent(),
            })
    }

    /// Ends this side's frames and waits until the peer's QUIC stack has acknowledged them all.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection ended before; [`SendError::Finished`] if called twice.
    pub async fn finish(&self) -> Result<(), SendError> {
        let (done, acknowledged) = oneshot::channel();
        let finish = Outgoing::Finish(done);
        self.0
            .outgoing
            .send(finish)
            .await
            .map_err(|_| self.unsent())?;
        acknowledged.await.map_err(|_| self.unsent())
    }

    /// Sets the largest frame taken in from now on; the application knows what the phase needs.
    pub fn set_frame_limit(&self, bytes: usize) {
        self.0.frame_limit.store(bytes, Ordering::Relaxed);
    }

    /// The largest frame taken in.
    pub fn frame_limit(&self) -> usize {
        self.0.frame_limit.load(Ordering::Relaxed)
    }

    /// Ends the connection at once and tells the peer why. Frames still queued are lost.
    pub fn close(&self, code: CloseCode) {
        self.0.close(code);
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> Closed {
        self.0.connection.closed().await.into()
    }

    /// How the connection ended, if it has.
    pub fn close_reason(&self) -> Option<Closed> {
        self.0.connection.close_reason().map(Closed::from)
    }

    /// The code this side closed with, if it was this side.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.0.close_code.get().copied()
    }

    /// The Ed25519 key the peer proved in the handshake.
    pub fn peer_key(&self) -> &[u8; 32] {
        &self.0.peer_key
    }

    /// Where the peer is now; it may move.
    pub fn remote_address(&self) -> std::net::SocketAddr {
        self.0.connection.remote_address()
    }

    /// The round-trip time as of now.
    pub fn rtt(&self) -> std::time::Duration {
        self.0.connection.rtt()
    }

    pub(crate) fn quinn(&self) -> &quinn::Connection {
        &self.0.connection
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn downgrade(&self) -> WeakLink {
        WeakLink(Arc::downgrade(&self.0))
    }

    /// Why the writing task no longer takes frames.
    fn unsent(&self) -> SendError {
        self.close_reason()
            .map_or(SendError::Finished, SendError::Closed)
    }
}

impl Inner {
    fn close(&self, code: CloseCode) {
        if self.connection.close_reason().is_none() && self.close_code.set(code).is_ok() {
            close::close(&self.connection, code);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(CloseCode::Done);
    }
}

/// A handle that does not keep the connection.
#[derive(Debug)]
pub(crate) struct WeakLink(Weak<Inner>);

impl WeakLink {
    pub(crate) fn upgrade(&self) -> Option<Link> {
        self.0.upgrade().map(Link)
    }
}

/// The peer's frames, in order.
#[derive(Debug)]
pub struct ControlReceiver {
    link: Link,
    stream: RecvStream,
    decoder: FrameDecoder,
}

impl ControlReceiver {
    /// The next frame, or `None` after the peer has finished. Cancel-safe: a dropped call loses no byte.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`], [`FrameError::Truncated`] and [`FrameError::Reset`] blame the peer and
    /// close the connection; [`FrameError::Closed`] says how the connection ended.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Self {
            link,
            stream,
            decoder,
        } = self;
        let frame = read_frame(stream, decoder, || link.frame_limit()).await;
        match &frame {
            Err(FrameError::TooLarge { .. }) => link.close(CloseCode::FrameTooLarge), // spec: [control.limit]
            Err(FrameError::Truncated { .. } | FrameError::Reset(_)) => {
                link.close(CloseCode::ProtocolError); // spec: [control.truncated]
            }
            Ok(_) | Err(FrameError::Closed(_) | FrameError::Ended) => {}
        }
        frame
    }
}

/// The one task that writes a connection's frames.
// spec: [control.order]
async fn write_frames(
    connection: quinn::Connection,
    mut stream: SendStream,
    mut queue: mpsc::Receiver<Outgoing>,
) {
    // before uploads and blobs; a failure means that the stream has ended, which the writes tell
    let _ = stream.set_priority(1);
    loop {
        let next = tokio::select! {
            next = queue.recv() => next,
            _ = connection.closed() => return, // so that `send` fails from now on
        };
        let Some(next) = next else { return };
        match next {
            Outgoing::Frame { head, body } => {
                match stream.write_all_chunks(&mut [head, body]).await {
                    Ok(()) => {}
                    // a peer that no longer listens to the control stream; spec: [control.open]
                    Err(quinn::WriteError::Stopped(_)) => {
                        return close::close(&connection, CloseCode::ProtocolError);
                    }
                    Err(_) => return,
                }
            }
            Outgoing::Finish(done) => {
                queue.close();
                if stream.finish().is_ok() && matches!(stream.stopped().await, Ok(None)) {
                    let _ = done.send(()); // nobody has to wait
                }
                return;
            }
        }
    }
}

fn outgoing(body: Bytes) -> Result<Outgoing, SendError> {
    let head = head(&body).ok_or(SendError::TooLarge {
        found: body.len(),
        wanted: MAX_FRAME,
    })?;
    Ok(Outgoing::Frame { head, body })
}
