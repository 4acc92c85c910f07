//! What travels between member and coordinator: one file per phase, sealed into [`Message`].
//!
//! Not for deciding what a message means in a round: that is done by the machines. Here bytes become values or errors.
//! The layout is TLS presentation language, `spec/wire.md`. Decoding works on a slice, never allocates more than the slice
//! holds, refuses left-over bytes and everything that would not encode to the same bytes again.

mod advert;
mod borrowed;
mod caps;
mod confirm;
mod notice;
mod open;
mod reveal;
mod share;
#[cfg(test)]
mod tests;
mod upload;

pub use advert::{Advert, Adverts, ProvenAdvert};
pub(crate) use borrowed::{
    BorrowedAdvert, BorrowedAdverts, BorrowedShare, BorrowedShares, Spliced,
};
pub use caps::Caps;
pub use confirm::{Certificate, Confirmation, SignedSlot, SurvivorSet};
pub use notice::{AbortNotice, FaultNotice, Receipt};
pub use open::{Deadlines, Open};
pub use reveal::{
    PairSeedReveal, Reveal, RevealedSeed, ShareAnswer, ShareRequest, ShareWanted, Shares,
};
pub use share::{
    Accept, Cut, CutReason, DeliveredShare, DeliveredShares, SealedShare, SealedShares, ShareSet,
    sign_shares,
};
pub use upload::{UploadHeader, UploadStored};

use crate::identity::Signature;
use crate::label::{SUITE, VERSION};
use std::io::{self, ErrorKind, Write};
use tls_codec::{
    DeserializeBytes as _, Serialize as _, TlsDeserializeBytes, TlsSerialize, TlsSize,
};

/// In place of a signature until the fields are signed.
pub const UNSIGNED: Signature = Signature([0; 64]);

/// One control message with the version and suite it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Message {
    version: u16,
    suite: u16,
    /// Content.
    pub body: Body,
}

/// Content of a message; the number is its type on the wire.
// spec: [wire.types]
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Body {
    /// Coordinator to member: a round begins.
    #[tls_codec(discriminant = 1)]
    Open(Open),
    /// Member to coordinator: fresh keys.
    #[tls_codec(discriminant = 2)]
    Advert(Advert),
    /// Coordinator to member: who advertised, with the neighbours' adverts.
    #[tls_codec(discriminant = 3)]
    Adverts(Adverts),
    /// Member to coordinator: sealed shares for its neighbours.
    #[tls_codec(discriminant = 4)]
    SealedShares(SealedShares),
    /// Coordinator to member: the neighbours' parts for it.
    #[tls_codec(discriminant = 5)]
    DeliveredShares(DeliveredShares),
    /// Member to coordinator: which edges it cuts.
    #[tls_codec(discriminant = 6)]
    Accept(Accept),
    /// Coordinator to member: the Share set, with the accepts that cut it.
    #[tls_codec(discriminant = 7)]
    ShareSet(ShareSet),
    /// Member to coordinator: what the masked update that follows is.
    #[tls_codec(discriminant = 8)]
    UploadHeader(UploadHeader),
    /// Coordinator to member: the masked update is whole.
    #[tls_codec(discriminant = 9)]
    UploadStored(UploadStored),
    /// Coordinator to a member of the electorate: sign these survivors.
    #[tls_codec(discriminant = 10)]
    SurvivorSet(SurvivorSet),
    /// Member to coordinator: its signature.
    #[tls_codec(discriminant = 11)]
    Confirmation(Confirmation),
    /// Coordinator to survivor: the certificate.
    #[tls_codec(discriminant = 12)]
    Certificate(Certificate),
    /// Member to coordinator: its own self seed and the pair seeds of dropped neighbours.
    #[tls_codec(discriminant = 13)]
    Reveal(Reveal),
    /// Coordinator to survivor: shares wanted.
    #[tls_codec(discriminant = 14)]
    ShareRequest(ShareRequest),
    /// Member to coordinator: the shares.
    #[tls_codec(discriminant = 15)]
    Shares(Shares),
    /// Coordinator to member: the signed result.
    #[tls_codec(discriminant = 16)]
    Receipt(Receipt),
    /// Coordinator to member: the attempt is over without a sum.
    #[tls_codec(discriminant = 17)]
    AbortNotice(AbortNotice),
    /// Coordinator to member: what it found wrong in a message.
    #[tls_codec(discriminant = 18)]
    FaultNotice(FaultNotice),
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// The bytes end early, are left over, or a field has no such value.
    #[error("message of type {kind} cannot be read: {reason}")]
    Malformed {
        /// Type byte found, 0 when there is none.
        kind: u8,
        /// What the decoder met.
        reason: String,
    },
    /// Another protocol version.
    #[error("message has version {got}, this is version {want}")]
    Version {
        /// Version found.
        got: u16,
        /// Version wanted.
        want: u16,
    },
    /// Another suite.
    #[error("message has suite {got}, this round uses suite {want}")]
    Suite {
        /// Suite found.
        got: u16,
        /// Suite wanted.
        want: u16,
    },
    /// Longer than any message of its type can be in this round.
    #[error("message of type {kind} has {got} bytes, at most {want} fit this round")]
    TooLong {
        /// Type byte.
        kind: u8,
        /// Bytes found.
        got: usize,
        /// Bytes allowed.
        want: usize,
    },
    /// A length or a value is written in more bytes than needed.
    #[error("message of type {kind} is not in canonical form")]
    NotCanonical {
        /// Type byte.
        kind: u8,
    },
}

impl InvalidMessage {
    /// Stable name, for logs and exit codes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Version { .. } => "version",
            Self::Suite { .. } => "suite",
            Self::TooLong { .. } => "too_long",
            Self::NotCanonical { .. } => "not_canonical",
        }
    }
}

impl Message {
    /// Wraps a body under this version and suite.
    pub fn new(body: impl Into<Body>) -> Self {
        Self {
            version: VERSION,
            suite: SUITE,
            body: body.into(),
        }
    }

    /// Bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        // Writing to a Vec cannot fail, and no vector of ours comes near 2^62 bytes.
        self.tls_serialize_detached().unwrap_or_default()
    }

    /// Reads one message that fills `bytes`, of a length that `caps` allows for its type.
    ///
    /// # Errors
    ///
    /// [`InvalidMessage`] for every sequence of bytes that [`Message::encode`] does not produce, or that is too long.
    pub fn decode(bytes: &[u8], caps: &Caps) -> Result<Self, InvalidMessage> {
        let header = Header::read(bytes)?;
        // spec: [wire.cap]
        let want = caps.bytes_of(header.kind);
        if want == 0 {
            return Err(InvalidMessage::Malformed {
                kind: header.kind,
                reason: "there is no such type".into(),
            });
        }
        if bytes.len() > want {
            return Err(InvalidMessage::TooLong {
                kind: header.kind,
                got: bytes.len(),
                want,
            });
        }
        // spec: [wire.leftover] [wire.lengths]
        let message = Self::tls_deserialize_exact_bytes(bytes).map_err(|error| {
            InvalidMessage::Malformed {
                kind: header.kind,
                reason: error.to_string(),
            }
        })?;
        // spec: [wire.canonical]
        if !message.is_encoded_as(bytes) {
            return Err(InvalidMessage::NotCanonical { kind: header.kind });
        }
        Ok(message)
    }

    /// Whether [`Message::encode`] gives these bytes; written nowhere.
    fn is_encoded_as(&self, bytes: &[u8]) -> bool {
        let mut compared = Compared { rest: bytes };
        self.tls_serialize(&mut compared).is_ok() && compared.rest.is_empty()
    }
}

/// A writer that holds what is written against bytes that are there already.
struct Compared<'a> {
    rest: &'a [u8],
}

impl Write for Compared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = self.rest.strip_prefix(bytes);
        self.rest = rest.ok_or(ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Version, suite and type, as they stand before a body.
fn header(kind: u8) -> [u8; 5] {
    let ([v1, v0], [s1, s0]) = (VERSION.to_be_bytes(), SUITE.to_be_bytes());
    [v1, v0, s1, s0, kind]
}

/// The five bytes before a body.
struct Header {
    kind: u8,
}

impl Header {
    // spec: [wire.version]
    fn read(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let Some(&[v1, v0, s1, s0, kind]) = bytes.first_chunk::<5>() else {
            return Err(InvalidMessage::Malformed {
                kind: 0,
                reason: format!("{} bytes, a message has at least 5", bytes.len()),
            });
        };
        let (version, suite) = (u16::from_be_bytes([v1, v0]), u16::from_be_bytes([s1, s0]));
        if version != VERSION {
            return Err(InvalidMessage::Version {
                got: version,
                want: VERSION,
            });
        }
        if suite != SUITE {
            return Err(InvalidMessage::Suite {
                got: suite,
                want: SUITE,
            });
        }
        Ok(Self { kind })
    }
}

macro_rules! bodies {
    ($($name:ident),+ $(,)?) => {$(
        impl From<$name> for Body {
            fn from(body: $name) -> Self {
                Self::$name(body)
            }
        }
    )+

        impl Body {
            /// Name of the message, as in `spec/wire.md`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }
        }
    };
}

bodies!(
    Open,
    Advert,
    Adverts,
    SealedShares,
    DeliveredShares,
    Accept,
    ShareSet,
    UploadHeader,
    UploadStored,
    SurvivorSet,
    Confirmation,
    Certificate,
    Reveal,
    ShareRequest,
    Shares,
    Receipt,
    AbortNotice,
    FaultNotice,
);
