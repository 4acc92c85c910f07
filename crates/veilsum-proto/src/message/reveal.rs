//! What survivors hand out once the certificate stands.
//!
//! # Security
//!
//! These messages carry seeds and shares. They travel inside the authenticated channel to the coordinator only, and their
//! `Debug` hides the content.

use crate::ids::{Sid2, Slot};
use crate::message::UploadHeader;
use std::fmt;
use std::io::Write;
use tls_codec::{
    DeserializeBytes, Error, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Thirty-two bytes that were secret until the certificate. Boxed, so that a message that is moved, and a list of them that
/// grows while it is read, leave no copy behind.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RevealedSeed(Box<[u8; 32]>);

impl RevealedSeed {
    /// A copy of these bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut boxed = Box::new([0; 32]);
        boxed.copy_from_slice(bytes);
        Self(boxed)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Size for RevealedSeed {
    fn tls_serialized_len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for RevealedSeed {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        writer.write_all(self.0.as_slice())?;
        Ok(self.0.len())
    }
}

// From the bytes of the message straight into the box.
impl DeserializeBytes for RevealedSeed {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (seed, rest) = bytes.split_first_chunk().ok_or(Error::EndOfStream)?;
        Ok((Self::new(seed), rest))
    }
}

// spec: [wire.debug]
impl fmt::Debug for RevealedSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("RevealedSeed(..)")
    }
}

/// Member to coordinator: what it owes under the certificate.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Reveal {
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Who reveals.
    pub slot: Slot,
    /// Its own self seed, a canonical scalar.
    pub self_seed: RevealedSeed,
    /// Pair seeds with the neighbours it masked with that are not survivors, ascending by slot.
    pub pair_seeds: Vec<PairSeedReveal>,
    /// Value of its noise chain that opens the surplus; absent when all noise stays, and in tasks without dropout-exact
    /// noise (R12).
    pub chain_value: Option<RevealedSeed>,
}

/// Pair seed with one dropped neighbour.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct PairSeedReveal {
    /// The dropped neighbour.
    pub slot: Slot,
    /// The pair seed.
    pub seed: RevealedSeed,
}

/// Coordinator to the holders of shares of members that went silent. May name any number of members, and be repeated.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ShareRequest {
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Shares wanted.
    pub wanted: Vec<ShareWanted>,
}

/// One share wanted: never both kinds of one member.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum ShareWanted {
    /// Self seed of a survivor, asked for with its own upload header.
    #[tls_codec(discriminant = 1)]
    SelfSeed(UploadHeader),
    /// Root seed of a member of U2 that is no survivor.
    #[tls_codec(discriminant = 2)]
    RootSeed(Slot),
}

/// Member to coordinator: the shares it was asked for and may give.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Shares {
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Holder.
    pub slot: Slot,
    /// Shares, in the order of the request.
    pub answers: Vec<ShareAnswer>,
}

/// One share given out: never both kinds of one member.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum ShareAnswer {
    /// Share of the self seed of a survivor.
    #[tls_codec(discriminant = 1)]
    SelfSeed(Slot, RevealedSeed),
    /// Share of the root seed of a member of U2 that is no survivor.
    #[tls_codec(discriminant = 2)]
    RootSeed(Slot, RevealedSeed),
}
