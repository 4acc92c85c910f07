//! Not a file server: there are no names, only SHA-256 digests. A member asks on a bidirectional stream for
//! a range of the blob with a digest; the coordinator answers with a status, the blob's whole length and
//! the bytes of the range. A range that broke off is asked for again from where it broke.

use std::{io, path::PathBuf, sync::Arc};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use thiserror::Error;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, SeekFrom},
    task::JoinSet,
    time::timeout,
};

use crate::{
    close::{Closed, StreamCode},
    control::Link,
    server::Peer,
};

/// Where the coordinator's blobs are.
pub trait BlobSource: Send + Sync {
    /// The blob with a SHA-256 digest, if there is one. Must not block: say where the blob is, it is read
    /// later in pieces. Asked for every range, also after a broken connection.
    fn open(&self, digest: &[u8; 32]) -> Option<Blob>;
}

impl<F: Fn(&[u8; 32]) -> Option<Blob> + Send + Sync> BlobSource for F {
    fn open(&self, digest: &[u8; 32]) -> Option<Blob> {
        self(digest)
    }
}

/// A blob to serve. Its bytes must not change while it is served under its digest.
#[derive(Clone, Debug)]
pub enum Blob {
    /// Bytes in memory, shared by all who fetch them.
    Memory(Bytes),
    /// A file, read in pieces for each who fetches it.
    File(PathBuf),
}

impl Peer {
    /// Answers the member's blob requests until the connection ends and says how it ended; meant for a task of its own. At most
    /// [`Limits::fetches`](crate::Limits::fetches) are answered at once. Dropping the future breaks off
    /// what is under way.
    pub async fn serve_blobs(&self, source: Arc<dyn BlobSource>) -> Closed {
        let mut answers = JoinSet::new();
        loop {
            let (send, recv) = match self.quinn().accept_bi().await {
                Ok(stream) => stream,
                Err(error) => return error.into(),
            };
            while answers.try_join_next().is_some() {}
            answers.spawn(answer(Link::clone(self), source.clone(), send, recv));
        }
    }
}

/// What a member asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) digest: [u8; 32],
    pub(crate) offset: u64,
    /// The most bytes to send.
    pub(crate) length: u64,
}

impl Request {
    /// Bytes of a request, always.
    pub(crate) const SIZE: usize = 48;

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(Self::SIZE);
        bytes.put_slice(&self.digest);
        bytes.put_u64(self.offset);
        bytes.put_u64(self.length);
        bytes.freeze()
    }

    /// `None` unless `bytes` are one request and nothing else.
    // spec: [blob.request]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        rest.is_empty().then(|| Self {
            digest: *digest,
            offset: u64::from_be_bytes(*offset),
            length: u64::from_be_bytes(*length),
        })
    }
}

/// What goes before the bytes of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The range follows; `total` is the length of the whole blob.
    Found { total: u64 },
    /// There is no blob with this digest.
    Unknown,
    /// The offset lies beyond the blob's end.
    BeyondEnd { total: u64 },
}

impl Reply {
    /// Bytes of a reply before the range, always.
    pub(crate) const SIZE: usize = 9;

    fn encode(self) -> Bytes {
        let (status, total) = match self {
            Self::Found { total } => (0, total),
            Self::Unknown => (1, 0),
            Self::BeyondEnd { total } => (2, total),
        };
        let mut bytes = BytesMut::with_capacity(Self::SIZE);
        bytes.put_u8(status);
        bytes.put_u64(total);
        bytes.freeze()
    }

    /// `None` for a status that is none, or an unknown blob with a length.
    // spec: [blob.reply]
    pub(crate) fn decode(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let mut bytes = bytes.as_slice();
        match (bytes.get_u8(), bytes.get_u64()) {
            (0, total) => Some(Self::Found { total }),
            (1, 0) => Some(Self::Unknown),
            (2, total) => Some(Self::BeyondEnd { total }),
            _ => None,
        }
    }
}

/// Why one request was not answered to its end.
#[derive(Debug, Error)]
enum ServeError {
    #[error("request is malformed, wanted {} bytes", Request::SIZE)]
    Malformed,
    #[error("member takes or sends nothing")]
    Stalled,
    #[error("cannot read the blob: {0}")]
    Source(#[from] io::Error),
    #[error("stream is over: {0}")]
    Stream(#[from] quinn::WriteError),
}

impl ServeError {
    fn code(&self) -> StreamCode {
        match self {
            Self::Malformed => StreamCode::Malformed,
            Self::Stalled => StreamCode::TooSlow,
            Self::Source(_) => StreamCode::Internal,
            Self::Stream(_) => StreamCode::Abandoned,
        }
    }
}

async fn answer(
    link: Link,
    source: Arc<dyn BlobSource>,
    mut send: SendStream,
    mut recv: RecvStream,
) {
    if let Err(error) = serve(&link, source.as_ref(), &mut send, &mut recv).await {
        tracing::debug!(%error, "blob request broken off");
        let code = error.code().wire();
        // both fail only where the stream is over already
        let _ = send.reset(code);
        let _ = recv.stop(code);
    }
}

async fn serve(
    link: &Link,
    source: &dyn BlobSource,
    send: &mut SendStream,
    recv: &mut RecvStream,
) -> Result<(), ServeError> {
    let stall = link.limits().stall_timeout;
    let request = timeout(stall, recv.read_to_end(Request::SIZE)).await;
    let request = request.map_err(|_| ServeError::Stalled)?;
    let request = request
        .ok()
        .and_then(|bytes| Request::decode(&bytes))
        .ok_or(ServeError::Malformed)?;
    let mut range = match source.open(&request.digest) {
        Some(blob) => Range::open(blob, &request, link.limits().blob_range).await?,
        None => Range::none(Reply::Unknown),
    };
    let mut next = Some(range.reply.encode());
    while let Some(piece) = next {
        let sent = timeout(stall, send.write_chunk(piece)).await;
        sent.map_err(|_| ServeError::Stalled)??;
        next = range.next().await?;
    }
    // fails if the member has stopped the stream, which is its right
    let _ = send.finish();
    Ok(())
}

/// The bytes that answer one request.
struct Range {
    reply: Reply,
    rest: Rest,
}

enum Rest {
    Memory(Bytes),
    File { file: File, left: u64 },
}

impl Range {
    fn none(reply: Reply) -> Self {
        Self {
            reply,
            rest: Rest::Memory(Bytes::new()),
        }
    }

    /// Cuts the range out of `blob`, of `cap` bytes at most.
    // spec: [blob.range]
    async fn open(blob: Blob, request: &Request, cap: u64) -> io::Result<Self> {
        let opened = match blob {
            Blob::Memory(bytes) => Rest::Memory(bytes),
            Blob::File(path) => {
                let file = File::open(path).await?;
                let left = file.metadata().await?.len();
                Rest::File { file, left }
            }
        };
        let total = opened.len();
        let Some(left) = total.checked_sub(request.offset) else {
            return Ok(Self::none(Reply::BeyondEnd { total }));
        };
        let rest = opened
            .cut(request.offset, left.min(request.length).min(cap))
            .await?;
        Ok(Self {
            reply: Reply::Found { total },
            rest,
        })
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.rest {
            Rest::Memory(bytes) if bytes.is_empty() => Ok(None),
            Rest::Memory(bytes) => Ok(Some(bytes.split_to(PIECE.min(bytes.len())))),
            Rest::File { left: 0, .. } => Ok(None),
            Rest::File { file, left } => {
                let most = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
                let mut piece = BytesMut::with_capacity(most);
                let count = file
                    .take(u64::try_from(most).unwrap_or(0))
                    .read_buf(&mut piece)
                    .await?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into()); // the file has shrunk
                }
                *left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                Ok(Some(piece.freeze()))
            }
        }
    }
}

impl Rest {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File { left, .. } => *left,
        }
    }

    /// `offset + length` lies within.
    async fn cut(self, offset: u64, length: u64) -> io::Result<Self> {
        match self {
            Self::Memory(mut bytes) => {
                bytes.advance(
                    usize::try_from(offset)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len()),
                );
                bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                Ok(Self::Memory(bytes))
            }
            Self::File { mut file, .. } => {
                file.seek(SeekFrom::Start(offset)).await?;
                Ok(Self::File { file, left: length })
            }
        }
    }
}

/// Bytes read and sent at once.
const PIECE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // spec: [blob.request]
    #[test]
    fn requests_of_other_lengths_are_refused() {
        assert_eq!(Request::decode(&[0; 47]), None);
        assert_eq!(Request::decode(&[0; 49]), None);
    }

    // spec: [blob.reply]
    #[test]
    fn unknown_statuses_are_refused() {
        assert_eq!(Reply::decode(&[3, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Reply::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 9]), None);
        for reply in [
            Reply::Found { total: 5 },
            Reply::Unknown,
            Reply::BeyondEnd { total: u64::MAX },
        ] {
            let bytes = reply.encode();
            assert_eq!(
                Reply::decode(bytes.as_ref().try_into().unwrap()),
                Some(reply)
            );
        }
    }

    async fn read(blob: Blob, offset: u64, length: u64, cap: u64) -> (Reply, Vec<u8>) {
        let request = Request {
            digest: [0; 32],
            offset,
            length,
        };
        let mut range = Range::open(blob, &request, cap).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = range.next().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        (range.reply, bytes)
    }

    // spec: [blob.range]
    #[tokio::test]
    async fn memory_and_file_give_the_same_ranges() {
        let bytes: Vec<u8> = (0..600_000_u32).flat_map(u32::to_be_bytes).collect();
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &bytes).unwrap();
        let total = bytes.len() as u64;
        let cases = [
            (0, total),
            (1, 300_000),
            (total - 1, 9),
            (total, 9),
            (5, 0),
            (7, u64::MAX),
        ];
        for (offset, length) in cases {
            let memory = read(Blob::Memory(bytes.clone().into()), offset, length, u64::MAX).await;
            let file = read(Blob::File(path.path().into()), offset, length, u64::MAX).await;
            let end = offset.saturating_add(length).min(total);
            assert_eq!(
                memory,
                (
                    Reply::Found { total },
                    bytes[offset as usize..end as usize].to_vec()
                )
            );
            assert_eq!(memory, file);
        }
        let beyond = read(Blob::Memory(bytes.clone().into()), total + 1, 1, u64::MAX).await;
        assert_eq!(beyond, (Reply::BeyondEnd { total }, vec![]));
        assert_eq!(
            read(Blob::Memory(bytes.into()), 0, u64::MAX, 10)
                .await
                .1
                .len(),
            10
        );
    }

    proptest! {
        #[test]
        fn requests_decode_to_what_encodes_back(bytes in proptest::collection::vec(any::<u8>(), 48)) {
            prop_assert_eq!(Request::decode(&bytes).unwrap().encode(), bytes);
        }
    }
}
