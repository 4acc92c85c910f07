//! How a round ends, and what the coordinator found wrong.

use crate::bitmap::Bitmap;
use crate::identity::{Identity, Signature};
use crate::ids::{Attempt, Hash, Round, Sid, Sid2, TaskDigest};
use crate::label::Label;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Coordinator to members: the signed result of a round. The sum itself is a blob named by its digest.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Receipt {
    /// Task.
    pub task: TaskDigest,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Session.
    pub sid: Sid,
    /// Session with the Share set.
    pub sid2: Sid2,
    /// Whose contributions the sum holds.
    pub survivors: Bitmap,
    /// SHA-256 of the packed sum as little-endian limbs.
    pub sum: Hash,
    /// The coordinator's, over all of the above.
    pub signature: Signature,
}

impl Receipt {
    /// Signs the fields of `self`, whatever its signature was.
    pub fn signed(mut self, identity: &Identity) -> Self {
        self.signature = identity.sign(Label::SignReceipt, &[&self.content()]);
        self
    }

    /// Bytes under the signature.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(self.task.as_bytes());
        bytes.extend_from_slice(&self.round.0.to_be_bytes());
        bytes.extend_from_slice(&self.attempt.0.to_be_bytes());
        bytes.extend_from_slice(self.sid.as_bytes());
        bytes.extend_from_slice(self.sid2.as_bytes());
        bytes.extend_from_slice(self.sum.as_bytes());
        bytes.extend_from_slice(self.survivors.as_bytes());
        bytes
    }
}

/// Coordinator to members: this attempt ends without a sum.
///
/// It is a bare word: a member erases the secrets of the attempt and concludes nothing else from it.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct AbortNotice {
    /// Task.
    pub task: TaskDigest,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Machine-readable reason, ASCII, as in [`crate::abort::Abort::kind`].
    pub reason: Vec<u8>,
    /// The reason in words, UTF-8.
    pub text: Vec<u8>,
}

/// Coordinator to one member: a message of it was refused. Says what was found and wanted.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct FaultNotice {
    /// Machine-readable kind, ASCII, as in [`crate::fault::Fault::kind`].
    pub kind: Vec<u8>,
    /// The fault in words, UTF-8.
    pub text: Vec<u8>,
}
