//! The survivors, the signatures over them, and the certificate.

use crate::bitmap::Bitmap;
use crate::identity::{Identity, Signature};
use crate::ids::{Sid, Sid2, Slot};
use crate::label::Label;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Coordinator to each survivor of the electorate: sign that these are the survivors.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct SurvivorSet {
    /// Session.
    pub sid: Sid,
    /// Session with the Share set.
    pub sid2: Sid2,
    /// S.
    pub survivors: Bitmap,
}

impl SurvivorSet {
    /// Signature over (session, second session, survivors).
    pub fn sign(&self, identity: &Identity) -> Signature {
        identity.sign(Label::SignConfirm, &[&self.content()])
    }

    /// Bytes under the signature.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.sid.as_bytes());
        bytes.extend_from_slice(self.sid2.as_bytes());
        bytes.extend_from_slice(self.survivors.as_bytes());
        bytes
    }
}

/// Member to coordinator: its one signature of this (task, round).
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Confirmation {
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Signer and signature.
    pub signed: SignedSlot,
}

/// One signature of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct SignedSlot {
    /// Signer.
    pub slot: Slot,
    /// Over [`SurvivorSet::content`].
    pub signature: Signature,
}

/// Coordinator to every survivor: the survivors, certified by the quorum.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Certificate {
    /// What was signed.
    pub set: SurvivorSet,
    /// At least q signatures, ascending by slot.
    pub signatures: Vec<SignedSlot>,
}
