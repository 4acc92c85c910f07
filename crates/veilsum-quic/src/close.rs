//! Not for errors of a single call: this module names why a connection or a stream ended, with numbers
//! that both sides and all versions share.

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use thiserror::Error;

/// Why a connection was closed. The numbers are application error codes of QUIC and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum CloseCode {
    /// Nothing is wrong, this side has no more to say.
    Done = 0x00,
    /// The member's key is not, or no longer, on the roster.
    NotOnRoster = 0x01,
    /// The same identity has opened a newer connection.
    Replaced = 0x02,
    /// The coordinator goes down.
    ShuttingDown = 0x03,
    /// The peer sent bytes that the transport's rules do not allow.
    ProtocolError = 0x04,
    /// A frame announced more bytes than the limit.
    FrameTooLarge = 0x05,
    /// The coordinator holds as many connections as it may.
    TooManyConnections = 0x06,
    /// The peer did not do in time what it had to do.
    TooSlow = 0x07,
    /// The application refuses to go on with this peer.
    Refused = 0x08,
    /// This side failed; the peer is not to blame.
    Internal = 0x09,
}

impl CloseCode {
    /// All codes, in order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::NotOnRoster,
        Self::Replaced,
        Self::ShuttingDown,
        Self::ProtocolError,
        Self::FrameTooLarge,
        Self::TooManyConnections,
        Self::TooSlow,
        Self::Refused,
        Self::Internal,
    ];

    /// The code of a number, if there is one.
    // spec: [quic.close]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|code| u64::from(code.number()) == number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The text on the wire and for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotOnRoster => "your key is not on the roster of this coordinator",
            Self::Replaced => "replaced by a newer connection of the same key",
            Self::ShuttingDown => "the coordinator is shutting down",
            Self::ProtocolError => "protocol error",
            Self::FrameTooLarge => "frame larger than the limit",
            Self::TooManyConnections => "the coordinator holds as many connections as it may",
            Self::TooSlow => "too slow",
            Self::Refused => "refused by the application",
            Self::Internal => "internal error",
        }
    }
}

impl std::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// Why one stream was stopped or reset while its connection lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum StreamCode {
    /// The sender gave the stream up, or the receiver lost interest.
    Abandoned = 0x00,
    /// The header announced more bytes than the limit.
    HeaderTooLarge = 0x01,
    /// More bytes came than the receiver had agreed to.
    TooLong = 0x02,
    /// The stream ended before all the bytes agreed to.
    TooShort = 0x03,
    /// Bytes came below the lowest rate, or after the deadline.
    TooSlow = 0x04,
    /// The application does not want this stream.
    Refused = 0x05,
    /// The stream does not open with what the rules ask for.
    Malformed = 0x06,
    /// This side failed; the peer is not to blame.
    Internal = 0x07,
}

impl StreamCode {
    /// All codes, in order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Abandoned,
        Self::HeaderTooLarge,
        Self::TooLong,
        Self::TooShort,
        Self::TooSlow,
        Self::Refused,
        Self::Malformed,
        Self::Internal,
    ];

    /// The code of a number, if there is one.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|code| u64::from(code.number()) == number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The text for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::HeaderTooLarge => "header larger than the limit",
            Self::TooLong => "more bytes than agreed",
            Self::TooShort => "fewer bytes than agreed",
            Self::TooSlow => "too slow",
            Self::Refused => "refused by the application",
            Self::Malformed => "malformed",
            Self::Internal => "internal error",
        }
    }

    /// The code of a number from the network; a number of a later version reads as `Abandoned`.
    pub(crate) fn from_wire(number: VarInt) -> Self {
        Self::from_number(number.into_inner()).unwrap_or(Self::Abandoned)
    }

    pub(crate) fn wire(self) -> VarInt {
        VarInt::from_u32(self.number())
    }
}

impl std::fmt::Display for StreamCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Closed {
    /// The peer closed it and said why.
    #[error("closed by the peer: {0}")]
    ByPeer(CloseCode),
    /// The peer closed it with a number this version does not know.
    #[error("closed by the peer with code {code:#x}, known are 0x0 to 0x9")]
    ByPeerUnknown {
        /// The number found.
        code: u64,
    },
    /// This side closed it; [`Link::close_code`](crate::Link::close_code) has the reason.
    #[error("closed by this side")]
    ByUs,
    /// Nothing was heard from the peer for the idle time.
    #[error("nothing heard from the peer for the idle time")]
    TimedOut,
    /// The peer has no memory of this connection; it has likely restarted.
    #[error("the peer does not know this connection, it has likely restarted")]
    Forgotten,
    /// One side's QUIC or TLS refused the other.
    #[error("transport error {code:#x}")]
    Transport {
        /// Transport error code of RFC 9000 section 20.1; TLS alerts are 0x100 and up.
        code: u64,
    },
}

impl Closed {
    /// The code of the peer, where it gave a known one.
    pub fn code(&self) -> Option<CloseCode> {
        match self {
            Self::ByPeer(code) => Some(*code),
            Self::ByPeerUnknown { .. }
            | Self::ByUs
            | Self::TimedOut
            | Self::Forgotten
            | Self::Transport { .. } => None,
        }
    }
}

impl From<ConnectionError> for Closed {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let code = close.error_code.into_inner();
                CloseCode::from_number(code).map_or(Self::ByPeerUnknown { code }, Self::ByPeer)
            }
            // spec: [quic.refusal]
            ConnectionError::ConnectionClosed(close)
                if u64::from(close.error_code) == ACCESS_DENIED =>
            {
                Self::ByPeer(CloseCode::NotOnRoster)
            }
            ConnectionError::ConnectionClosed(close) => Self::Transport {
                code: close.error_code.into(),
            },
            ConnectionError::TransportError(error) => Self::Transport {
                code: error.code.into(),
            },
            ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => Self::Transport {
                code: TransportErrorCode::INTERNAL_ERROR.into(),
            },
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::ByUs,
        }
    }
}

/// Closes `connection` with a code of ours and its text.
pub(crate) fn close(connection: &quinn::Connection, code: CloseCode) {
    connection.close(VarInt::from_u32(code.number()), code.text().as_bytes());
}

/// The alert `access_denied` (49), with which the coordinator's TLS refuses a key, as a transport error of
/// QUIC (RFC 9001 section 4.8).
const ACCESS_DENIED: u64 = 0x100 + 49;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_one_to_one() {
        for (place, code) in CloseCode::ALL.into_iter().enumerate() {
            assert_eq!(code.number() as usize, place);
            assert_eq!(CloseCode::from_number(place as u64), Some(code));
        }
        for (place, code) in StreamCode::ALL.into_iter().enumerate() {
            assert_eq!(code.number() as usize, place);
            assert_eq!(StreamCode::from_number(place as u64), Some(code));
        }
        assert_eq!(CloseCode::from_number(CloseCode::ALL.len() as u64), None);
        assert_eq!(CloseCode::from_number(u64::MAX), None);
    }

    // spec: [quic.close]
    #[test]
    fn the_spec_lists_every_code_with_its_number_and_text() {
        let spec = include_str!("../../../spec/transport.md");
        for code in CloseCode::ALL {
            let row = format!("| {:#04x} | {} |", code.number(), code.text());
            assert!(spec.contains(&row), "spec lacks {row:?}");
        }
        for code in StreamCode::ALL {
            let row = format!("| {:#04x} | {} |", code.number(), code.text());
            assert!(spec.contains(&row), "spec lacks {row:?}");
        }
    }
}
