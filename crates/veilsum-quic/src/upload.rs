//! Not storage: where the bytes go is the application's. An upload is one unidirectional stream of the
//! member: a header frame, opaque here, then raw bytes, as many as the application agrees to after it has
//! seen the header. They are handed on as they come; nothing is collected.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{ReadError, RecvStream};
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    close::{Closed, StreamCode},
    control::Link,
    frame::{FrameDecoder, FrameError, read_frame},
    pace::Pace,
    server::Peer,
};

/// Why an upload is not whole. The connection lives on unless it says `Closed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UploadError {
    /// The header announces more than the limit.
    #[error("upload header has {found} bytes, wanted at most {wanted}")]
    HeaderTooLarge {
        /// Bytes announced.
        found: usize,
        /// The limit.
        wanted: usize,
    },
    /// The stream ended inside the header.
    #[error("upload ended after {found} of {wanted} bytes of its header")]
    HeaderTruncated {
        /// Bytes that came, length included.
        found: usize,
        /// Bytes of the header, length included; 4 if not even the length came.
        wanted: usize,
    },
    /// The stream ended before the agreed length.
    #[error("upload has {found} bytes, wanted {wanted}")]
    TooShort {
        /// Bytes that came.
        found: u64,
        /// Bytes agreed to.
        wanted: u64,
    },
    /// Bytes came beyond the agreed length.
    #[error("upload has more than the {wanted} bytes wanted")]
    TooLong {
        /// Bytes agreed to.
        wanted: u64,
    },
    /// The sender kept the reader waiting for longer than the lowest rate allows.
    #[error("upload brought {found} bytes in {waited:?} of waiting, wanted {rate} bytes a second")]
    TooSlow {
        /// Bytes that came.
        found: u64,
        /// Time spent waiting for them.
        waited: Duration,
        /// The lowest rate, in bytes a second.
        rate: u64,
    },
    /// The deadline came before the last byte.
    #[error("upload has {found} of {wanted} bytes at its deadline")]
    Late {
        /// Bytes that came.
        found: u64,
        /// Bytes agreed to.
        wanted: u64,
    },
    /// The sender gave up.
    #[error("upload was given up by its sender after {found} bytes: {code}")]
    Abandoned {
        /// Bytes that came.
        found: u64,
        /// The sender's code.
        code: StreamCode,
    },
    /// The upload has already failed or ended.
    #[error("upload has already ended")]
    Ended,
    /// The connection is gone.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Peer {
    /// The next upload the member opens. Cancel-safe. No byte of it has been read yet, so that a member
    /// who dawdles over one header holds up nobody, not even its own next upload.
    ///
    /// # Errors
    ///
    /// How the connection ended.
    pub async fn accept_upload(&self) -> Result<PendingUpload, Closed> {
        let stream = self.quinn().accept_uni().await?;
        Ok(PendingUpload {
            link: Link::clone(self),
            stream,
        })
    }
}

/// An upload whose header has not been read.
#[derive(Debug)]
pub struct PendingUpload {
    link: Link,
    stream: RecvStream,
}

impl PendingUpload {
    /// Reads the header, within [`Limits::upload_grace`](crate::Limits::upload_grace).
    ///
    /// # Errors
    ///
    /// [`UploadError::HeaderTooLarge`], [`UploadError::HeaderTruncated`], [`UploadError::TooSlow`],
    /// [`UploadError::Abandoned`], [`UploadError::Closed`]; the first and third stop the stream.
    // spec: [upload.header]
    pub async fn header(mut self) -> Result<IncomingUpload, UploadError> {
        let (grace, limit) = (self.link.limits().upload_grace, self.link.limits().header);
        let mut decoder = FrameDecoder::default();
        let read = read_frame(&mut self.stream, &mut decoder, || limit);
        let Ok(read) = timeout(grace, read).await else {
            stop(&mut self.stream, StreamCode::TooSlow);
            let rate = self.link.limits().min_upload_rate;
            return Err(UploadError::TooSlow {
                found: 0,
                waited: grace,
                rate,
            });
        };
        match read {
            Ok(Some(header)) => Ok(IncomingUpload {
                header,
                link: self.link,
                stream: self.stream,
            }),
            Ok(None) => Err(UploadError::HeaderTruncated {
                found: 0,
                wanted: 4,
            }),
            Err(FrameError::TooLarge { found, wanted }) => {
                stop(&mut self.stream, StreamCode::HeaderTooLarge);
                Err(UploadError::HeaderTooLarge { found, wanted })
            }
            Err(FrameError::Truncated { found, wanted }) => {
                Err(UploadError::HeaderTruncated { found, wanted })
            }
            Err(FrameError::Reset(code)) => Err(UploadError::Abandoned { found: 0, code }),
            Err(FrameError::Ended) => Err(UploadError::Ended),
            Err(FrameError::Closed(closed)) => Err(UploadError::Closed(closed)),
        }
    }
}

/// An upload whose header is here and whose body waits for a decision. Dropping it stops the stream.
#[derive(Debug)]
pub struct IncomingUpload {
    /// The header, opaque to this crate.
    pub header: Bytes,
    link: Link,
    stream: RecvStream,
}

impl IncomingUpload {
    /// Agrees to exactly `length` bytes, which must be here by `deadline` if there is one.
    pub fn accept(self, length: u64, deadline: Option<Instant>) -> UploadBody {
        let pace = Pace::new(
            self.link.limits().upload_grace,
            self.link.limits().min_upload_rate,
        );
        UploadBody {
            link: self.link,
            stream: self.stream,
            length,
            received: 0,
            deadline,
            pace,
        }
    }

    /// Wants none of it; the sender learns the code.
    pub fn refuse(mut self, code: StreamCode) {
        stop(&mut self.stream, code);
    }
}

/// The bytes of an upload. Dropping it before the end stops the stream.
#[derive(Debug)]
pub struct UploadBody {
    link: Link,
    stream: RecvStream,
    length: u64,
    received: u64,
    deadline: Option<Instant>,
    pace: Pace,
}

impl UploadBody {
    /// The next 1 to `max` bytes; `None` once exactly the agreed bytes have come and the sender has ended
    /// the stream, so `None` is the proof of a whole upload. Cancel-safe.
    ///
    /// Only time in this call counts against the sender: a reader that does not read holds nobody to
    /// account.
    ///
    /// # Errors
    ///
    /// [`UploadError::TooShort`], [`UploadError::TooLong`], [`UploadError::TooSlow`], [`UploadError::Late`],
    /// [`UploadError::Abandoned`], [`UploadError::Closed`]: see there. The stream is over after each.
    // spec: [upload.length]
    pub async fn read_chunk(&mut self, max: usize) -> Result<Option<Bytes>, UploadError> {
        let rest = self.length.saturating_sub(self.received);
        let most = usize::try_from(rest).unwrap_or(usize::MAX).min(max).max(1);
        let read = async |stream: &mut RecvStream| stream.read_chunk(most, true).await;
        let Some(chunk) = self.in_time(read).await? else {
            return self.end().map(|()| None);
        };
        self.take(chunk.bytes.len())?;
        Ok(Some(chunk.bytes))
    }

    /// As [`UploadBody::read_chunk`], but puts all that is here into `chunks`, from the first on and at most as many as there are
    /// places, and says how many it has put: one turn at the connection's lock for many datagrams. The pieces are those of the
    /// datagrams, uncopied.
    ///
    /// # Errors
    ///
    /// As [`UploadBody::read_chunk`].
    ///
    /// # Security
    ///
    /// A piece keeps all datagrams alive that the system delivered together with it, and the sender decides how little of them is
    /// the piece. Whoever keeps bytes for longer than a moment copies them.
    // spec: [upload.length]
    pub async fn read_chunks(
        &mut self,
        chunks: &mut [Bytes],
    ) -> Result<Option<usize>, UploadError> {
        let read = async |stream: &mut RecvStream| stream.read_chunks(chunks).await;
        let Some(count) = self.in_time(read).await? else {
            return self.end().map(|()| None);
        };
        let bytes = chunks.iter().take(count).map(Bytes::len);
        self.take(bytes.fold(0, usize::saturating_add))?;
        Ok(Some(count))
    }

    /// Gives up reading; the sender learns the code.
    pub fn refuse(mut self, code: StreamCode) {
        stop(&mut self.stream, code);
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The member that sends.
    pub fn peer_key(&self) -> &[u8; 32] {
        self.link.peer_key()
    }

    /// Counts bytes that came; more than were agreed to are the end.
    fn take(&mut self, count: usize) -> Result<(), UploadError> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let received = self.received.saturating_add(count);
        if received > self.length {
            stop(&mut self.stream, StreamCode::TooLong);
            return Err(UploadError::TooLong {
                wanted: self.length,
            });
        }
        self.received = received;
        Ok(())
    }

    // spec: [upload.rate], [upload.deadline]
    async fn in_time<T>(
        &mut self,
        read: impl AsyncFnOnce(&mut RecvStream) -> Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, UploadError> {
        let (found, wanted) = (self.received, self.length);
        let by_rate = self.pace.left(found);
        let by_deadline = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = by_deadline.map_or(by_rate, |by_deadline| by_deadline.min(by_rate));
        let waiting = self.pace.wait();
        let read = timeout(left, read(&mut self.stream)).await;
        drop(waiting);
        match read {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(ReadError::Reset(code))) => {
                let code = StreamCode::from_wire(code);
                Err(UploadError::Abandoned { found, code })
            }
            Ok(Err(ReadError::ConnectionLost(error))) => Err(Closed::from(error).into()),
            Ok(Err(_)) => Err(UploadError::Ended),
            Err(_) => {
                stop(&mut self.stream, StreamCode::TooSlow);
                Err(match by_deadline {
                    Some(by_deadline) if by_deadline <= by_rate => {
                        UploadError::Late { found, wanted }
                    }
                    _ => UploadError::TooSlow {
                        found,
                        waited: self.pace.waited(),
                        rate: self.pace.rate(),
                    },
                })
            }
        }
    }

    fn end(&self) -> Result<(), UploadError> {
        let (found, wanted) = (self.received, self.length);
        if found < wanted {
            return Err(UploadError::TooShort { found, wanted });
        }
        Ok(())
    }
}

fn stop(stream: &mut RecvStream, code: StreamCode) {
    let _ = stream.stop(code.wire()); // fails if it is over already
}
