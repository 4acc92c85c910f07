//! Not a cache: it fetches one blob, by digest, as far as the connection carries, and goes on where it
//! stopped over the next one. The digest is checked over all bytes at the end; nothing is whole before.

use std::io;

use bytes::Bytes;
use quinn::{ReadError, RecvStream};
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    blob::{Reply, Request},
    client::Connection,
    close::{Closed, StreamCode},
    partial::{PartialBlob, length},
};

/// Why a blob is not whole. Unless it says that it starts over, what has come is kept for the next call.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The coordinator has no such blob.
    #[error("coordinator has no blob {}", hex::encode(digest))]
    Unknown {
        /// The digest asked for.
        digest: [u8; 32],
    },
    /// The blob is longer than the member wants.
    #[error("blob has {found} bytes, wanted at most {wanted}")]
    TooLarge {
        /// Its length.
        found: u64,
        /// The most.
        wanted: u64,
    },
    /// All bytes are here and are not those of the digest; the partial blob starts over.
    #[error(
        "blob has digest {}, wanted {}",
        hex::encode(found),
        hex::encode(wanted)
    )]
    WrongDigest {
        /// SHA-256 of what came.
        found: [u8; 32],
        /// The digest asked for.
        wanted: [u8; 32],
    },
    /// The coordinator names another length than before, or one below what has come; starts over.
    #[error("blob has {found} bytes, earlier replies said {wanted}")]
    LengthChanged {
        /// The length now.
        found: u64,
        /// The length before, or the bytes that have come.
        wanted: u64,
    },
    /// A range ended without a byte, or with more than were asked for, or its reply is none.
    #[error("reply of the coordinator at offset {offset} is malformed")]
    Malformed {
        /// The offset asked for.
        offset: u64,
    },
    /// The coordinator broke the range off.
    #[error("coordinator broke the blob off at offset {offset}: {code}")]
    BrokenOff {
        /// Bytes that have come.
        offset: u64,
        /// The coordinator's code.
        code: StreamCode,
    },
    /// Nothing came for the stall time.
    #[error("blob stalled at offset {offset}")]
    Stalled {
        /// Bytes that have come.
        offset: u64,
    },
    /// The file of the partial blob cannot be written; starts over.
    #[error("cannot keep the blob: {0}")]
    Disk(#[from] io::Error),
    /// The connection is gone.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Connection {
    /// Fetches what is missing of a blob, range by range, and checks its digest. After an error it may be
    /// called again, over this or another connection, and goes on where it stopped.
    ///
    /// # Errors
    ///
    /// See [`FetchError`]. A blob longer than `max_size` is refused before its bytes come.
    pub async fn fetch(&self, blob: &mut PartialBlob, max_size: u64) -> Result<(), FetchError> {
        if blob.is_whole() {
            return Ok(());
        }
        let fetched = self.fetch_ranges(blob, max_size).await;
        let kept = blob.flush().await;
        if matches!(fetched, Err(FetchError::Disk(_))) || kept.is_err() {
            blob.start_over();
        }
        fetched?;
        kept?;
        blob.verify()
    }

    async fn fetch_ranges(&self, blob: &mut PartialBlob, max_size: u64) -> Result<(), FetchError> {
        blob.settle().await?;
        while blob.total().is_none_or(|total| blob.received() < total) {
            self.fetch_range(blob, max_size).await?;
        }
        Ok(())
    }

    /// One request and its reply. Every byte that has come is kept, however the reply ends.
    async fn fetch_range(&self, blob: &mut PartialBlob, max_size: u64) -> Result<(), FetchError> {
        let start = blob.received();
        let request = Request {
            digest: *blob.digest(),
            offset: start, // spec: [blob.resume]
            length: blob.total().unwrap_or(max_size).saturating_sub(start),
            have: None,
        };
        let mut range = RangeReader::ask(self, request).await?;
        match range.reply().await? {
            Reply::Found { total } => blob.learn(total, max_size)?,
            // spec: [blob.reply]
            Reply::Delta { .. } => return Err(range.malformed()),
            Reply::Unknown => {
                return Err(FetchError::Unknown {
                    digest: *blob.digest(),
                });
            }
            Reply::BeyondEnd { total } => {
                blob.start_over();
                return Err(FetchError::LengthChanged {
                    found: total,
                    wanted: start,
                });
            }
        }
        range.take(blob).await
    }
}

/// The reply to one request, as it comes.
pub(crate) struct RangeReader<'a> {
    connection: &'a Connection,
    stream: RecvStream,
    request: Request,
    received: u64,
}

impl<'a> RangeReader<'a> {
    pub(crate) async fn ask(
        connection: &'a Connection,
        request: Request,
    ) -> Result<Self, FetchError> {
        let (mut send, stream) = connection.quinn().open_bi().await.map_err(Closed::from)?;
        let range = Self {
            connection,
            stream,
            request,
            received: 0,
        };
        match send.write_chunk(request.encode()).await {
            Ok(()) => {}
            Err(quinn::WriteError::Stopped(code)) => {
                return Err(range.broken_off(StreamCode::from_wire(code)));
            }
            Err(quinn::WriteError::ConnectionLost(error)) => return Err(Closed::from(error).into()),
            Err(quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected) => {
                return Err(range.malformed());
            }
        }
        let _ = send.finish(); // fails if the coordinator has stopped it, which the reply tells
        Ok(range)
    }

    pub(crate) async fn reply(&mut self) -> Result<Reply, FetchError> {
        let mut head = [0; Reply::MOST];
        let (mut have, mut wanted) = (0_usize, 1);
        while let Some(missing) = head
            .get_mut(have..wanted)
            .filter(|missing| !missing.is_empty())
        {
            let bytes = read(self.connection, &mut self.stream, missing.len()).await;
            let bytes = bytes
                .map_err(|error| self.named(error))?
                .ok_or(self.malformed())?;
            missing
                .iter_mut()
                .zip(&bytes)
                .for_each(|(to, from)| *to = *from);
            have = have.saturating_add(bytes.len());
            wanted = head.first().map_or(wanted, |status| Reply::size(*status));
        }
        let head = head.get(..wanted).and_then(Reply::decode);
        head.ok_or(self.malformed())
    }

    /// Adds the bytes of the range to `blob`, which the range begins at the end of. Every byte that has come is kept, however
    /// the range ends.
    pub(crate) async fn take(&mut self, blob: &mut PartialBlob) -> Result<(), FetchError> {
        let start = blob.received();
        while let Some(bytes) = self.next(PIECE).await? {
            blob.append(&bytes).await?;
        }
        let missing = blob.total().is_some_and(|total| blob.received() < total);
        if missing && blob.received() == start {
            return Err(FetchError::Malformed { offset: start });
        }
        Ok(())
    }

    /// The next bytes of the range; more than were asked for are an error.
    async fn next(&mut self, max: usize) -> Result<Option<Bytes>, FetchError> {
        let left = self.request.length.saturating_sub(self.received);
        let most = usize::try_from(left).unwrap_or(max).min(max).max(1);
        let bytes = read(self.connection, &mut self.stream, most).await;
        let bytes = bytes.map_err(|error| self.named(error))?;
        if bytes.is_some() && left == 0 {
            return Err(self.malformed());
        }
        self.received = self
            .received
            .saturating_add(bytes.as_ref().map_or(0, |bytes| length(bytes)));
        Ok(bytes)
    }

    fn named(&self, error: RangeError) -> FetchError {
        match error {
            RangeError::Stalled => FetchError::Stalled {
                offset: self.offset(),
            },
            RangeError::Read(ReadError::Reset(code)) => {
                self.broken_off(StreamCode::from_wire(code))
            }
            RangeError::Read(ReadError::ConnectionLost(error)) => Closed::from(error).into(),
            RangeError::Read(
                ReadError::ClosedStream
                | ReadError::IllegalOrderedRead
                | ReadError::ZeroRttRejected,
            ) => self.malformed(),
        }
    }

    fn broken_off(&self, code: StreamCode) -> FetchError {
        let offset = self.offset();
        FetchError::BrokenOff { offset, code }
    }

    pub(crate) fn malformed(&self) -> FetchError {
        FetchError::Malformed {
            offset: self.offset(),
        }
    }

    fn offset(&self) -> u64 {
        self.request.offset.saturating_add(self.received)
    }
}

enum RangeError {
    Stalled,
    Read(ReadError),
}

async fn read(
    connection: &Connection,
    stream: &mut RecvStream,
    most: usize,
) -> Result<Option<Bytes>, RangeError> {
    let stall = connection.limits().stall_timeout;
    match timeout(stall, stream.read_chunk(most, true)).await {
        Ok(Ok(chunk)) => Ok(chunk.map(|chunk| chunk.bytes)),
        Ok(Err(error)) => Err(RangeError::Read(error)),
        Err(_) => Err(RangeError::Stalled),
    }
}

/// Bytes taken at once.
const PIECE: usize = 256 << 10;
