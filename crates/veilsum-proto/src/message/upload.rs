//! The signed header of a masked update; the vector itself follows as raw little-endian limbs, not as a message.

use crate::identity::{Identity, Signature};
use crate::ids::{Sid, Sid2, Slot};
use crate::label::Label;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Member to coordinator, before its masked update; later, inside share requests, to the holders of its shares (R3).
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UploadHeader {
    /// Session.
    pub sid: Sid,
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Who uploads.
    pub slot: Slot,
    /// Length of the masked update in 64-bit limbs.
    pub limbs: u64,
    /// Over all of the above.
    pub signature: Signature,
}

impl UploadHeader {
    /// Signs the fields of `self`, whatever its signature was.
    pub fn signed(mut self, identity: &Identity) -> Self {
        self.signature = identity.sign(Label::SignUpload, &[&self.content()]);
        self
    }

    /// Bytes under the signature.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.sid.as_bytes());
        bytes.extend_from_slice(self.sid2.as_bytes());
        bytes.extend_from_slice(&self.slot.0.to_be_bytes());
        bytes.extend_from_slice(&self.limbs.to_be_bytes());
        bytes
    }
}

/// Coordinator to member: its masked update is whole and will not be lost.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UploadStored {
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Who uploaded.
    pub slot: Slot,
}
