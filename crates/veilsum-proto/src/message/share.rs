//! Sealed shares, the parts delivered to neighbours, accepts with cuts, and the Share set.

use crate::bitmap::Bitmap;
use crate::identity::{Identity, Signature};
use crate::ids::{Hash, Sid, Slot};
use crate::label::Label;
use crate::side_by_side::SideBySide;
use tls_codec::{DeserializeBytes, Error, TlsDeserializeBytes, TlsSerialize, TlsSize, TlsVarInt};

/// Bytes of a sealed pair of shares: two canonical scalars and the AES-GCM tag.
pub const SEALED_BYTES: usize = 80;

/// What one dealer sends through the coordinator to one neighbour.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize)]
pub struct SealedShare {
    /// Neighbour it is for.
    pub to: Slot,
    /// Share of the root seed and share of the self seed under a directional single-use key.
    pub ciphertext: [u8; SEALED_BYTES],
    /// Digest of the root seed's share.
    pub root_digest: Hash,
    /// Digest of the self seed's share.
    pub self_digest: Hash,
    /// Hash of the pair seed of this edge, as the dealer computes it.
    pub pair_hash: Hash,
}

impl SealedShare {
    /// Leaf in the dealer's tree.
    pub fn leaf(&self, sid: &Sid, from: Slot) -> Hash {
        self.with_leaf(sid, from, |fields| Label::ShareLeaf.hash(fields))
    }

    /// Adds what [`SealedShare::leaf`] is the hash of.
    pub(crate) fn push_leaf(&self, sid: &Sid, from: Slot, leaves: &mut SideBySide) {
        self.with_leaf(sid, from, |fields| leaves.push(Label::ShareLeaf, fields));
    }

    fn with_leaf<T>(&self, sid: &Sid, from: Slot, job: impl FnOnce(&[&[u8]]) -> T) -> T {
        job(&[
            sid.as_bytes(),
            &from.0.to_be_bytes(),
            &self.to.0.to_be_bytes(),
            &self.ciphertext,
            self.root_digest.as_bytes(),
            self.self_digest.as_bytes(),
            self.pair_hash.as_bytes(),
        ])
    }

    /// Reads the fields off their bytes, in their order; `None` when there are fewer.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (to, bytes) = bytes.split_first_chunk()?;
        let (ciphertext, bytes) = bytes.split_first_chunk()?;
        let (root_digest, bytes) = bytes.split_first_chunk()?;
        let (self_digest, bytes) = bytes.split_first_chunk()?;
        let pair_hash = bytes.first_chunk()?;
        Some(Self {
            to: Slot(u32::from_be_bytes(*to)),
            ciphertext: *ciphertext,
            root_digest: Hash(*root_digest),
            self_digest: Hash(*self_digest),
            pair_hash: Hash(*pair_hash),
        })
    }

    /// Blocks of SHA-256 that a leaf is.
    pub(crate) const LEAF_BLOCKS: usize = 4;

    /// Bytes of a part on the wire.
    const BYTES: usize = 4 + SEALED_BYTES + 3 * 32;
}

impl DeserializeBytes for SealedShare {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (part, rest) = bytes
            .split_at_checked(Self::BYTES)
            .ok_or(Error::EndOfStream)?;
        Ok((Self::read(part).ok_or(Error::EndOfStream)?, rest))
    }
}

/// Member to coordinator, once per session, the same bytes on resend: its shares for all neighbours.
///
/// The signature covers the root of a tree with one leaf per neighbour in U1, ascending by slot; a neighbour without a part
/// (its key was unusable) has the empty leaf, so that the lack is proven too.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize)]
pub struct SealedShares {
    /// Session.
    pub sid: Sid,
    /// Dealer.
    pub slot: Slot,
    /// Parts, ascending by `to`.
    pub parts: Vec<SealedShare>,
    /// Over the root of the parts.
    pub signature: Signature,
}

/// By hand, for the parts: a coordinator reads tens of thousands of them, all of one length, so the list is as long as it gets
/// from the first.
impl DeserializeBytes for SealedShares {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (sid, bytes) = Sid::tls_deserialize_bytes(bytes)?;
        let (slot, bytes) = Slot::tls_deserialize_bytes(bytes)?;
        let (length, bytes) = TlsVarInt::tls_deserialize_bytes(bytes)?;
        // spec: [wire.lengths]
        let length = usize::try_from(length.value()).map_err(|_| Error::InvalidVectorLength)?;
        let (list, bytes) = bytes.split_at_checked(length).ok_or(Error::EndOfStream)?;
        let entries = list.chunks(SealedShare::BYTES);
        // as many as bytes are there
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            parts.push(SealedShare::read(entry).ok_or(Error::EndOfStream)?);
        }
        let (signature, bytes) = Signature::tls_deserialize_bytes(bytes)?;
        let shares = Self {
            sid,
            slot,
            parts,
            signature,
        };
        Ok((shares, bytes))
    }
}

/// Signature of a dealer over the root of its parts.
pub fn sign_shares(identity: &Identity, sid: &Sid, slot: Slot, root: &Hash) -> Signature {
    identity.sign(
        Label::SignShares,
        &[sid.as_bytes(), &slot.0.to_be_bytes(), root.as_bytes()],
    )
}

/// Coordinator to each member: the parts that its neighbours dealt to it.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct DeliveredShares {
    /// Session.
    pub sid: Sid,
    /// One entry per neighbour whose Share arrived, ascending by dealer.
    pub shares: Vec<DeliveredShare>,
}

/// One dealer's part for the receiver, or the proof that there is none.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct DeliveredShare {
    /// Dealer.
    pub from: Slot,
    /// The part; absent when the dealer signed an empty leaf at the receiver's position.
    pub part: Option<SealedShare>,
    /// Siblings up to the dealer's root.
    pub proof: Vec<Hash>,
    /// The dealer's signature over the root.
    pub signature: Signature,
}

/// Member to coordinator, once per session: it holds its neighbours' shares, except over the edges it cuts.
// spec: [accept.no-secret]
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Accept {
    /// Session.
    pub sid: Sid,
    /// Who accepts.
    pub slot: Slot,
    /// Edges cut, ascending by slot; may be empty.
    pub cuts: Vec<Cut>,
    /// Over all of the above.
    pub signature: Signature,
}

impl Accept {
    /// Signs the fields of `self`, whatever its signature was.
    pub fn signed(mut self, identity: &Identity) -> Self {
        self.signature = identity.sign(Label::SignAccept, &[&self.content()]);
        self
    }

    /// Bytes under the signature.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.sid.as_bytes());
        bytes.extend_from_slice(&self.slot.0.to_be_bytes());
        for cut in &self.cuts {
            bytes.extend_from_slice(&cut.slot.0.to_be_bytes());
            bytes.push(cut.reason as u8);
        }
        bytes
    }
}

/// One edge that a member cuts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
pub struct Cut {
    /// The other end.
    pub slot: Slot,
    /// Why.
    pub reason: CutReason,
}

/// Why a member cuts an edge; each rests on something the other end signed (R5). Reason b of the rule, the other end's own
/// accept, is not listed in an accept: it is known only afterwards.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
#[repr(u8)]
pub enum CutReason {
    /// (a) Its signed Share lacks a part for this member, or contradicts the pair-seed hash.
    PairSeed = 1,
    /// (c) A share that it signed does not open, or is not the one its digest names.
    Share = 3,
    /// (d) A key in its signed advert is non-contributory or a copy.
    Key = 4,
}

/// Coordinator to each member of U2: the Share set and the accepts that cut the receiver.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ShareSet {
    /// Session.
    pub sid: Sid,
    /// U2.
    pub shared: Bitmap,
    /// Accepts of neighbours that cut the receiver, ascending by slot.
    pub accepts: Vec<Accept>,
}
