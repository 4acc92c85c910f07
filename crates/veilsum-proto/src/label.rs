//! Domain separation: every hash, key and signature of the protocol starts from one of these labels.
//!
//! `spec/protocol.md` section "Labels" lists what each separates. A label the list does not have does not exist.

use crate::ids::Hash;
use sha2::{Digest as _, Sha256};

/// Protocol version in every message and every session id.
pub const VERSION: u16 = 1;

/// The one suite: X25519, Ed25519, AES-256-CTR, AES-256-GCM, HKDF-SHA-256, SHA-256.
pub const SUITE: u16 = 1;

/// What a hash, key or signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    // digests
    /// Digest of a task.
    Task,
    /// Digest of a roster.
    Roster,
    /// First session id.
    Session,
    /// Second session id.
    SecondSession,
    /// Digest of a survivor set.
    Survivors,
    /// Commitment to a self seed.
    SelfSeedCommitment,
    /// Digest of one share of a root seed.
    RootShareDigest,
    /// Digest of one share of a self seed.
    SelfShareDigest,
    /// Hash by which both ends of an edge state their pair seed.
    PairSeedHash,
    /// Leaf of a Merkle tree over adverts.
    AdvertLeaf,
    /// Leaf of a Merkle tree over the sealed shares of one dealer.
    ShareLeaf,
    /// Leaf that stands for nothing.
    EmptyLeaf,
    /// Inner node of a Merkle tree.
    Node,
    // public randomness
    /// Ring positions.
    Ring,
    /// The Confirm electorate of a ring.
    Committee,
    /// The slots that take part in a round with client sampling.
    Cohort,
    /// Rotation shared by all members of a round.
    Rotation,
    // keys
    /// Mask key from a root seed.
    MaskKey,
    /// Pair seed from a Diffie-Hellman value of mask keys.
    PairSeed,
    /// Keystream key of a pair mask.
    PairMask,
    /// Keystream key of a self mask.
    SelfMask,
    /// Directional key that seals shares.
    ShareSeal,
    // signatures
    /// Signature of the authority over a roster.
    SignRoster,
    /// Signature over an advert.
    SignAdvert,
    /// Signature over the root of a member's sealed shares.
    SignShares,
    /// Signature over an accept.
    SignAccept,
    /// Signature over an upload header.
    SignUpload,
    /// Signature over a survivor set.
    SignConfirm,
    /// Signature of the coordinator over a result.
    SignReceipt,
}

impl Label {
    /// The bytes of the label, ASCII.
    pub fn text(self) -> &'static str {
        match self {
            Self::Task => "veilsum/1 task",
            Self::Roster => "veilsum/1 roster",
            Self::Session => "veilsum/1 session",
            Self::SecondSession => "veilsum/1 second session",
            Self::Survivors => "veilsum/1 survivors",
            Self::SelfSeedCommitment => "veilsum/1 self seed commitment",
            Self::RootShareDigest => "veilsum/1 root share digest",
            Self::SelfShareDigest => "veilsum/1 self share digest",
            Self::PairSeedHash => "veilsum/1 pair seed hash",
            Self::AdvertLeaf => "veilsum/1 advert leaf",
            Self::ShareLeaf => "veilsum/1 share leaf",
            Self::EmptyLeaf => "veilsum/1 empty leaf",
            Self::Node => "veilsum/1 node",
            Self::Ring => "veilsum/1 ring",
            Self::Committee => "veilsum/1 committee",
            Self::Cohort => "veilsum/1 cohort",
            Self::Rotation => "veilsum/1 rotation",
            Self::MaskKey => "veilsum/1 mask key",
            Self::PairSeed => "veilsum/1 pair seed",
            Self::PairMask => "veilsum/1 pair mask",
            Self::SelfMask => "veilsum/1 self mask",
            Self::ShareSeal => "veilsum/1 share seal",
            Self::SignRoster => "veilsum/1 sign roster",
            Self::SignAdvert => "veilsum/1 sign advert",
            Self::SignShares => "veilsum/1 sign shares",
            Self::SignAccept => "veilsum/1 sign accept",
            Self::SignUpload => "veilsum/1 sign upload",
            Self::SignConfirm => "veilsum/1 sign confirm",
            Self::SignReceipt => "veilsum/1 sign receipt",
        }
    }

    /// `label_length (u8) || label || part_1 || part_2 ...`.
    ///
    /// Parts are fixed-length or carry their own length, so the whole is injective for a given label
    /// (`spec/protocol.md`, "Labels").
    // spec: [label.prefix]
    pub fn prefix(self, parts: &[&[u8]]) -> Vec<u8> {
        let text = self.text().as_bytes();
        let mut bytes = vec![u8::try_from(text.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(text);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// SHA-256 over [`Label::prefix`].
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(self.prefix(&[]));
        for part in parts {
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }
}
