//! Not a file server: there are no names, only SHA-256 digests. A member asks on a bidirectional stream for
//! a range of the blob with a digest; the coordinator answers with a status, the blob's whole length and
//! the bytes of the range. A range that broke off is asked for again from where it broke. A member that says
//! which blob it has may be answered with a delta, which from then on is a blob of its own.

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

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
    partial::length,
    server::Peer,
};

/// Where the coordinator's blobs are.
pub trait BlobSource: Send + Sync {
    /// The blob with a SHA-256 digest, if there is one. Must not block: say where the blob is, it is read
    /// later in pieces. Asked for every range, also after a broken connection.
    fn open(&self, digest: &[u8; 32]) -> Option<Blob>;

    /// A delta that leads from the blob with digest `have` to the one with digest `wanted`; `None` if the whole blob is to be
    /// served. Asked whenever a member says that it has `have`, be that true or invented. It may take its time, but must not
    /// block; when half of [`Limits::stall_timeout`](crate::Limits::stall_timeout) is over, the future is dropped and the
    /// whole blob served. [`BlobSource::open`] must know a delta by its own digest from then on.
    fn delta<'a>(&'a self, have: &'a [u8; 32], wanted: &'a [u8; 32]) -> MakesDelta<'a> {
        let (_, _) = (have, wanted);
        Box::pin(std::future::ready(None))
    }

    /// Learns that so many bytes of the blob or delta with `digest` were handed to a connection.
    fn sent(&self, digest: &[u8; 32], bytes: u64) {
        let (_, _) = (digest, bytes);
    }
}

/// A delta in the making.
pub type MakesDelta<'a> = Pin<Box<dyn Future<Output = Option<Delta>> + Send + 'a>>;

/// A delta to serve: bytes that the member makes the blob of which it asked for out of the one it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// What this crate never looks into.
    pub bytes: Bytes,
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
    /// A whole blob that the member has, from which a delta may lead; the offset is then 0.
    pub(crate) have: Option<[u8; 32]>,
}

impl Request {
    /// Bytes of the longest request.
    pub(crate) const MOST: usize = 80;

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(Self::MOST);
        bytes.put_slice(&self.digest);
        bytes.put_u64(self.offset);
        bytes.put_u64(self.length);
        bytes.put_slice(self.have.as_ref().map_or(&[], |have| have.as_slice()));
        bytes.freeze()
    }

    /// `None` unless `bytes` are one request and nothing else.
    // spec: [blob.request]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let have = match rest {
            [] => None,
            rest => Some(*<&[u8; 32]>::try_from(rest).ok()?),
        };
        let offset = u64::from_be_bytes(*offset);
        (have.is_none() || offset == 0).then(|| Self {
            digest: *digest,
            offset,
            length: u64::from_be_bytes(*length),
            have,
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
    /// The first range of a delta follows; `total` is the delta's length, `digest` its own.
    Delta { total: u64, digest: [u8; 32] },
}

impl Reply {
    /// Bytes of the longest reply, before the range.
    pub(crate) const MOST: usize = Self::SHORT + 32;
    const SHORT: usize = 9;

    /// Bytes of a reply that starts with this one, before the range.
    pub(crate) fn size(status: u8) -> usize {
        match status {
            DELTA => Self::MOST,
            _ => Self::SHORT,
        }
    }

    fn encode(self) -> Bytes {
        let (status, total) = match self {
            Self::Found { total } => (0, total),
            Self::Unknown => (1, 0),
            Self::BeyondEnd { total } => (2, total),
            Self::Delta { total, .. } => (DELTA, total),
        };
        let mut bytes = BytesMut::with_capacity(Self::MOST);
        bytes.put_u8(status);
        bytes.put_u64(total);
        if let Self::Delta { digest, .. } = self {
            bytes.put_slice(&digest);
        }
        bytes.freeze()
    }

    /// `None` for a status that is none, an unknown blob with a length, or bytes that are too few or too many.
    // spec: [blob.reply]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (status, rest) = bytes.split_first()?;
        let (total, rest) = rest.split_first_chunk::<8>()?;
        match (*status, u64::from_be_bytes(*total), rest) {
            (0, total, []) => Some(Self::Found { total }),
            (1, 0, []) => Some(Self::Unknown),
            (2, total, []) => Some(Self::BeyondEnd { total }),
            (DELTA, total, digest) => Some(Self::Delta {
                total,
                digest: *<&[u8; 32]>::try_from(digest).ok()?,
            }),
            _ => None,
        }
    }
}

/// Status of a reply with a delta.
const DELTA: u8 = 3;

/// Why one request was not answered to its end.
#[derive(Debug, Error)]
enum ServeError {
    #[error("request is malformed")]
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
    let request = timeout(stall, recv.read_to_end(Request::MOST)).await;
    let request = request.map_err(|_| ServeError::Stalled)?;
    let request = request
        .ok()
        .and_then(|bytes| Request::decode(&bytes))
        .ok_or(ServeError::Malformed)?;
    let mut range = Range::of(source, &request, link).await?;
    write(send, range.reply.encode(), stall).await?;
    while let Some(piece) = range.next().await? {
        let bytes = length(&piece);
        write(send, piece, stall).await?;
        source.sent(&range.digest, bytes);
    }
    // fails if the member has stopped the stream, which is its right
    let _ = send.finish();
    Ok(())
}

async fn write(send: &mut SendStream, piece: Bytes, stall: Duration) -> Result<(), ServeError> {
    let sent = timeout(stall, send.write_chunk(piece)).await;
    Ok(sent.map_err(|_| ServeError::Stalled)??)
}

/// A delta, if the member has something that one leads from and one is there in time.
// spec: [blob.delta] [blob.delta.time]
async fn delta(source: &dyn BlobSource, request: &Request, patience: Duration) -> Option<Delta> {
    let making = source.delta(request.have.as_ref()?, &request.digest);
    timeout(patience, making).await.ok().flatten()
}

/// The bytes that answer one request.
struct Range {
    /// SHA-256 of the whole that they are a range of.
    digest: [u8; 32],
    reply: Reply,
    rest: Rest,
}

enum Rest {
    Memory(Bytes),
    File { file: File, left: u64 },
}

impl Range {
    async fn of(source: &dyn BlobSource, request: &Request, link: &Link) -> io::Result<Self> {
        let cap = link.limits().blob_range;
        let patience = link.limits().stall_timeout.checked_div(2);
        if let Some(delta) = delta(source, request, patience.unwrap_or_default()).await {
            return Ok(Self::of_delta(delta, request.length.min(cap)));
        }
        match source.open(&request.digest) {
            Some(blob) => Self::open(blob, request, cap).await,
            None => Ok(Self::none(request, Reply::Unknown)),
        }
    }

    fn of_delta(delta: Delta, most: u64) -> Self {
        let Delta { digest, mut bytes } = delta;
        let total = length(&bytes);
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Self {
            digest,
            reply: Reply::Delta { total, digest },
            rest: Rest::Memory(bytes),
        }
    }

    fn none(request: &Request, reply: Reply) -> Self {
        Self {
            digest: request.digest,
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
            return Ok(Self::none(request, Reply::BeyondEnd { total }));
        };
        let rest = opened
            .cut(request.offset, left.min(request.length).min(cap))
            .await?;
        Ok(Self {
            digest: request.digest,
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
            Self::Memory(bytes) => length(bytes),
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
        for length in (0..=200).filter(|length| ![48, 80].contains(length)) {
            assert_eq!(Request::decode(&vec![0; length]), None, "{length}");
        }
    }

    // spec: [blob.request]
    #[test]
    fn a_request_with_a_blob_at_hand_starts_at_the_beginning() {
        let request = Request {
            digest: [1; 32],
            offset: 0,
            length: 9,
            have: Some([2; 32]),
        };
        assert_eq!(Request::decode(&request.encode()), Some(request));
        let later = Request {
            offset: 1,
            ..request
        };
        assert_eq!(Request::decode(&later.encode()), None);
    }

    // spec: [blob.reply]
    #[test]
    fn unknown_statuses_are_refused() {
        assert_eq!(Reply::decode(&[4, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Reply::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 9]), None);
        assert_eq!(Reply::decode(&[3, 0, 0, 0, 0, 0, 0, 0, 9]), None);
        assert_eq!(Reply::decode(&[0; 41]), None);
        for reply in [
            Reply::Found { total: 5 },
            Reply::Unknown,
            Reply::BeyondEnd { total: u64::MAX },
            Reply::Delta {
                total: 7,
                digest: [8; 32],
            },
        ] {
            let bytes = reply.encode();
            assert_eq!(bytes.len(), Reply::size(bytes[0]));
            assert_eq!(Reply::decode(&bytes), Some(reply));
            assert_eq!(Reply::decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    async fn read(blob: Blob, offset: u64, length: u64, cap: u64) -> (Reply, Vec<u8>) {
        let request = Request {
            digest: [0; 32],
            offset,
            length,
            have: None,
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

        #[test]
        fn any_bytes_are_refused_or_encode_back(mut bytes in proptest::collection::vec(any::<u8>(), 0..100), from_start: bool) {
            if from_start && let Some(offset) = bytes.get_mut(32..40) {
                offset.fill(0);
            }
            if let Some(request) = Request::decode(&bytes) {
                prop_assert_eq!(request.encode(), bytes.clone());
            }
            if let Some(status) = bytes.first_mut() {
                *status %= 5;
            }
            if let Some(reply) = Reply::decode(&bytes) {
                prop_assert_eq!(reply.encode(), bytes);
            }
        }
    }
}
