//! Domain separation: every hash, key and signature of the protocol starts from one of these labels.
//!
//! `spec/crypto.md` section "Labels" lists what each separates. A label the list does not have does not exist.

use crate::ids::Hash;
use sha2::{Digest as _, Sha256};
use veilsum_dp::plan::{BASE_LABEL, CHAIN_LABEL, COMPONENT_LABEL};

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
    /// Keystream key of a member's base noise. Used in `veilsum-dp`.
    NoiseBase,
    /// Next value of a member's noise chain. Used in `veilsum-dp`.
    NoiseChain,
    /// Keystream key of a component of a member's noise. Used in `veilsum-dp`.
    NoiseComponent,
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
            Self::NoiseBase => BASE_LABEL,
            Self::NoiseChain => CHAIN_LABEL,
            Self::NoiseComponent => COMPONENT_LABEL,
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
    /// (`spec/crypto.md`, "Labels").
    // spec: [label.prefix]
    pub fn prefix(self, parts: &[&[u8]]) -> Vec<u8> {
        let text = self.text().as_bytes();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Vec::with_capacity(length.saturating_add(text.len()).saturating_add(1));
        bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(text);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// SHA-256 over [`Label::prefix`].
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        let text = self.text().as_bytes();
        hasher.update([u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        hasher.update(text);
        for part in parts {
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    // spec: [label.prefix]
    #[test]
    fn every_label_of_the_spec_is_here_and_no_other() {
        let spec = include_str!("../../../spec/crypto.md");
        let (_, table) = spec.split_once("## 3. Labels").unwrap();
        let (table, _) = table.split_once("## 4.").unwrap();
        let names = |line: &str| -> Vec<String> {
            let cell = line.split('|').nth(1).unwrap_or_default();
            let names = cell.split('`').skip(1).step_by(2).map(|name| {
                let name = name.trim_start_matches("veilsum/1 ");
                format!("veilsum/1 {name}")
            });
            names.collect()
        };
        let rows = table
            .lines()
            .filter(|line| line.starts_with("| `veilsum/1 "));
        let listed: Vec<String> = rows.flat_map(names).collect();
        let here: BTreeSet<String> = ALL.iter().map(|label| label.text().to_owned()).collect();
        assert_eq!(here.len(), ALL.len(), "two labels are the same");
        assert_eq!(listed.len(), ALL.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), here);
    }

    const ALL: [Label; 32] = [
        Label::Task,
        Label::Roster,
        Label::Session,
        Label::SecondSession,
        Label::Survivors,
        Label::SelfSeedCommitment,
        Label::RootShareDigest,
        Label::SelfShareDigest,
        Label::PairSeedHash,
        Label::AdvertLeaf,
        Label::ShareLeaf,
        Label::EmptyLeaf,
        Label::Node,
        Label::Ring,
        Label::Committee,
        Label::Cohort,
        Label::Rotation,
        Label::MaskKey,
        Label::PairSeed,
        Label::PairMask,
        Label::SelfMask,
        Label::ShareSeal,
        Label::NoiseBase,
        Label::NoiseChain,
        Label::NoiseComponent,
        Label::SignRoster,
        Label::SignAdvert,
        Label::SignShares,
        Label::SignAccept,
        Label::SignUpload,
        Label::SignConfirm,
        Label::SignReceipt,
    ];
}
