//! Not other messages: the two large ones of a coordinator, as it writes them for a thousand members, out of what it holds for
//! all of them. Field for field what the messages of their names are.

use super::{Advert, DeliveredShare, DeliveredShares, SealedShare, header};
use crate::bitmap::Bitmap;
use crate::identity::Signature;
use crate::ids::{Attempt, Hash, Round, Sid, Slot, TaskDigest};
use crate::merkle::Siblings;
use std::hint::black_box;
use std::io::Write;
use tls_codec::{Error, Serialize, Size, TlsSerialize, TlsSize, TlsVarInt};

/// [`Adverts`](super::Adverts), whose neighbours are encoded already: every one of theirs gets the same bytes.
#[derive(Clone, Debug, TlsSize, TlsSerialize)]
pub(crate) struct BorrowedAdverts<'a> {
    pub(crate) task: TaskDigest,
    pub(crate) round: Round,
    pub(crate) attempt: Attempt,
    pub(crate) advertised: &'a Bitmap,
    pub(crate) root: Hash,
    pub(crate) own_proof: Siblings<'a>,
    pub(crate) neighbours: Spliced<'a>,
}

/// [`DeliveredShares`](super::DeliveredShares), whose parts and proofs stay with their dealers.
#[derive(Clone, Debug, TlsSize, TlsSerialize)]
pub(crate) struct BorrowedShares<'a> {
    pub(crate) sid: &'a Sid,
    pub(crate) shares: Vec<BorrowedShare<'a>>,
}

/// [`DeliveredShare`](super::DeliveredShare).
#[derive(Clone, Debug, TlsSize, TlsSerialize)]
pub(crate) struct BorrowedShare<'a> {
    pub(crate) from: Slot,
    pub(crate) part: Option<&'a SealedShare>,
    pub(crate) proof: Siblings<'a>,
    pub(crate) signature: &'a Signature,
}

/// [`ProvenAdvert`](super::ProvenAdvert).
#[derive(Clone, Debug, TlsSize, TlsSerialize)]
pub(crate) struct BorrowedAdvert<'a> {
    pub(crate) advert: &'a Advert,
    pub(crate) proof: Siblings<'a>,
}

/// A list of entries that are encoded one by one.
#[derive(Clone, Debug)]
pub(crate) struct Spliced<'a>(pub(crate) Vec<&'a [u8]>);

impl BorrowedAdverts<'_> {
    /// Bytes of the message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        encoded(3, self)
    }
}

impl BorrowedShares<'_> {
    /// Bytes of the message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Parts and proofs lie all over the memory. Read first, and written afterwards, they come together, not one after the other.
        let read = self.shares.iter().map(BorrowedShare::read);
        black_box(read.fold(0, u8::wrapping_add));
        encoded(5, self)
    }

    /// The message itself.
    pub(crate) fn owned(&self) -> DeliveredShares {
        DeliveredShares {
            sid: *self.sid,
            shares: self.shares.iter().map(BorrowedShare::owned).collect(),
        }
    }
}

impl BorrowedShare<'_> {
    /// Reads a byte of each piece.
    fn read(&self) -> u8 {
        let part = self.part.map_or(0, |part| {
            let (ciphertext, digests) = (&part.ciphertext, [&part.root_digest, &part.pair_hash]);
            let digests = digests.map(first).into_iter().fold(0, u8::wrapping_add);
            ciphertext.first().unwrap_or(&0).wrapping_add(digests)
        });
        self.proof.map(first).fold(part, u8::wrapping_add)
    }

    pub(crate) fn owned(&self) -> DeliveredShare {
        DeliveredShare {
            from: self.from,
            part: self.part.cloned(),
            proof: self.proof.copied().collect(),
            signature: *self.signature,
        }
    }
}

impl BorrowedAdvert<'_> {
    /// Bytes of the entry.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Writing to a Vec cannot fail, and no list of ours comes near 2^62 bytes.
        self.tls_serialize_detached().unwrap_or_default()
    }
}

/// A message of type `kind`, as [`Message::encode`](super::Message::encode) writes it.
// spec: [wire.types]
fn encoded(kind: u8, body: &impl Serialize) -> Vec<u8> {
    let header = header(kind);
    let mut bytes = Vec::with_capacity(header.len().saturating_add(body.tls_serialized_len()));
    bytes.extend_from_slice(&header);
    // Writing to a Vec cannot fail, and no list of ours comes near 2^62 bytes.
    match body.tls_serialize(&mut bytes) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

impl Size for Siblings<'_> {
    fn tls_serialized_len(&self) -> usize {
        list_len(self.len().saturating_mul(size_of::<Hash>()))
    }
}

impl Serialize for Siblings<'_> {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        let bytes = self.len().saturating_mul(size_of::<Hash>());
        write_list(
            writer,
            bytes,
            self.map(|sibling| sibling.as_bytes().as_slice()),
        )
    }
}

impl Size for Spliced<'_> {
    fn tls_serialized_len(&self) -> usize {
        list_len(self.bytes())
    }
}

impl Serialize for Spliced<'_> {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        write_list(writer, self.bytes(), self.0.iter().copied())
    }
}

impl Spliced<'_> {
    fn bytes(&self) -> usize {
        self.0.iter().map(|entry| entry.len()).sum()
    }
}

fn first(hash: &Hash) -> u8 {
    let [first, ..] = hash.as_bytes();
    *first
}

/// Bytes of a list of `bytes` bytes with its length.
// spec: [wire.lengths]
fn list_len(bytes: usize) -> usize {
    let length = length(bytes).map_or(0, |length| length.tls_serialized_len());
    bytes.saturating_add(length)
}

fn write_list<'a, W: Write>(
    writer: &mut W,
    bytes: usize,
    entries: impl Iterator<Item = &'a [u8]>,
) -> Result<usize, Error> {
    let length = length(bytes)?.tls_serialize(writer)?;
    for entry in entries {
        writer.write_all(entry)?;
    }
    Ok(length.saturating_add(bytes))
}

fn length(bytes: usize) -> Result<TlsVarInt, Error> {
    let bytes = u64::try_from(bytes).map_err(|_| Error::InvalidVectorLength)?;
    TlsVarInt::try_from(bytes)
}
