//! Fresh keys of a member, and who advertised.

use crate::bitmap::Bitmap;
use crate::identity::{Identity, Signature};
use crate::ids::{Attempt, Hash, RosterDigest, Round, Slot, TaskDigest};
use crate::label::Label;
use tls_codec::{Serialize as _, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Member to coordinator, and from there to its neighbours: the public half of the secrets of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Advert {
    /// Task.
    pub task: TaskDigest,
    /// Roster.
    pub roster: RosterDigest,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Who advertises.
    pub slot: Slot,
    /// X25519 key under which neighbours seal shares for this member.
    pub seal_key: [u8; 32],
    /// X25519 key from which pair seeds come; derived from the root seed.
    pub mask_key: [u8; 32],
    /// Commitment to the self seed.
    pub commitment: Hash,
    /// End of the noise chain; absent in tasks without the dropout-exact plan (R12).
    pub chain_end: Option<Hash>,
    /// Over all of the above.
    pub signature: Signature,
}

impl Advert {
    /// Signs the fields of `self`, whatever its signature was.
    pub fn signed(mut self, identity: &Identity) -> Self {
        self.signature = identity.sign(Label::SignAdvert, &[&self.content()]);
        self
    }

    /// Bytes under the signature.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.task.as_bytes());
        bytes.extend_from_slice(self.roster.as_bytes());
        bytes.extend_from_slice(&self.round.0.to_be_bytes());
        bytes.extend_from_slice(&self.attempt.0.to_be_bytes());
        bytes.extend_from_slice(&self.slot.0.to_be_bytes());
        bytes.extend_from_slice(&self.seal_key);
        bytes.extend_from_slice(&self.mask_key);
        bytes.extend_from_slice(self.commitment.as_bytes());
        bytes.push(u8::from(self.chain_end.is_some()));
        if let Some(end) = &self.chain_end {
            bytes.extend_from_slice(end.as_bytes());
        }
        bytes
    }

    /// Leaf in the tree over adverts: the whole signed advert.
    pub fn leaf(&self) -> Hash {
        Label::AdvertLeaf.hash(&[&self.tls_serialize_detached().unwrap_or_default()])
    }
}

/// Coordinator to each member in U1: who advertised, its own proof, and its neighbours' adverts.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Adverts {
    /// Task.
    pub task: TaskDigest,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// U1: slots whose advert arrived.
    pub advertised: Bitmap,
    /// Root of the tree over adverts by slot.
    pub root: Hash,
    /// Proof of the member's own leaf; empty in the complete graph, where the member rebuilds the root.
    pub own_proof: Vec<Hash>,
    /// Adverts of the neighbours in U1, ascending by slot; in the complete graph of all others.
    pub neighbours: Vec<ProvenAdvert>,
}

/// An advert with its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct ProvenAdvert {
    /// The signed advert.
    pub advert: Advert,
    /// Siblings up to the root; empty in the complete graph.
    pub proof: Vec<Hash>,
}
