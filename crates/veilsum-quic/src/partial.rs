//! Not a cache: one blob on its way, which outlives the connections it comes over.

use std::{io, path::Path};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom},
};

use crate::fetch::FetchError;

/// A blob on its way: what has come of it, in memory or in a file. It outlives connections.
#[derive(Debug)]
pub struct PartialBlob {
    digest: [u8; 32],
    hasher: Sha256,
    received: u64,
    downloaded: u64,
    total: Option<u64>,
    whole: bool,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Memory(Vec<u8>),
    File(File),
}

impl PartialBlob {
    /// Nothing yet, to be collected in memory.
    pub fn in_memory(digest: [u8; 32]) -> Self {
        Self::new(digest, Sink::Memory(Vec::new()))
    }

    /// Goes on with the file at `path`, which is made if it is not there. What it holds is taken for the
    /// start of the blob; the digest at the end tells if it was.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, made or read.
    pub async fn in_file(digest: [u8; 32], path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).await?;
        let (mut hasher, mut received, mut piece) =
            (Sha256::new(), 0_u64, Vec::with_capacity(PIECE));
        while (&mut file).take(PIECE_U64).read_to_end(&mut piece).await? > 0 {
            hasher.update(&piece);
            received = received.saturating_add(length(&piece));
            piece.clear();
        }
        let mut blob = Self::new(digest, Sink::File(file));
        (blob.hasher, blob.received) = (hasher, received);
        Ok(blob)
    }

    fn new(digest: [u8; 32], sink: Sink) -> Self {
        Self {
            digest,
            hasher: Sha256::new(),
            received: 0,
            downloaded: 0,
            total: None,
            whole: false,
            sink,
        }
    }

    /// The SHA-256 digest of the whole.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Bytes held, from the blob's start.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes taken from the network for it over all connections.
    pub fn downloaded(&self) -> u64 {
        self.downloaded
    }

    /// The blob's length, once the coordinator has named it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether every byte is here and the digest is right.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether nothing is known of it but its digest.
    pub(crate) fn is_untouched(&self) -> bool {
        self.received == 0 && self.total.is_none() && !self.whole
    }

    /// The bytes of a whole blob in memory; `None` if it is not whole or in a file.
    pub fn into_bytes(self) -> Option<Bytes> {
        match self.sink {
            Sink::Memory(bytes) if self.whole => Some(bytes.into()),
            Sink::Memory(_) | Sink::File(_) => None,
        }
    }

    /// Makes the sink hold exactly `received` bytes, whatever a dropped call has left behind.
    pub(crate) async fn settle(&mut self) -> io::Result<()> {
        let received = self.received;
        match &mut self.sink {
            Sink::Memory(bytes) => bytes.truncate(usize::try_from(received).unwrap_or(usize::MAX)),
            Sink::File(file) => {
                file.set_len(received).await?;
                file.seek(SeekFrom::Start(received)).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Memory(held) => held.extend_from_slice(bytes), // grows with what came
            Sink::File(file) => file.write_all(bytes).await?,
        }
        self.hasher.update(bytes);
        self.received = self.received.saturating_add(length(bytes));
        self.downloaded = self.downloaded.saturating_add(length(bytes));
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Memory(_) => Ok(()),
            Sink::File(file) => file.flush().await,
        }
    }

    /// Takes the length the coordinator names.
    // spec: [blob.size]
    pub(crate) fn learn(&mut self, total: u64, max_size: u64) -> Result<(), FetchError> {
        if total > max_size {
            return Err(FetchError::TooLarge {
                found: total,
                wanted: max_size,
            });
        }
        let wanted = self.total.unwrap_or(total.max(self.received));
        if total != wanted {
            self.start_over();
            return Err(FetchError::LengthChanged {
                found: total,
                wanted,
            });
        }
        self.total = Some(total);
        Ok(())
    }

    /// Holds the digest against the bytes.
    // spec: [blob.digest]
    pub(crate) fn verify(&mut self) -> Result<(), FetchError> {
        let found: [u8; 32] = self.hasher.clone().finalize().into();
        self.whole = found == self.digest;
        if self.whole {
            return Ok(());
        }
        self.start_over();
        let wanted = self.digest;
        Err(FetchError::WrongDigest { found, wanted })
    }

    pub(crate) fn start_over(&mut self) {
        self.hasher = Sha256::new();
        self.received = 0;
        self.total = None;
        self.whole = false;
    }
}

pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Bytes of a file read at once.
const PIECE: usize = 256 << 10;
const PIECE_U64: u64 = PIECE as u64;
