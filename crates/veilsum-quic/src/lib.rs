//! Not for the protocol: this crate knows no round, no message and no slot. Frames, upload headers
//! and blobs are opaque bytes here, and a peer is its 32-byte Ed25519 key.
//!
//! It is where bytes meet quinn: endpoints that authenticate both sides by raw public keys in TLS 1.3,
//! admission by the current roster, one control stream of length-prefixed frames, uploads that are
//! streamed and measured, blobs fetched by digest in ranges, and the limits and close codes of all of
//! it. The rules stand in `spec/transport.md`; each is cited at the line that obeys it.
//!
//! | side | starts with | holds |
//! |---|---|---|
//! | coordinator | [`ServerEndpoint::bind`] | a [`Peer`] and a [`ControlReceiver`] per member |
//! | member | [`ClientEndpoint::connect`] | a [`Connection`] and a [`ControlReceiver`] |
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

#[doc(hidden)]
pub mod bare;
mod blob;
mod client;
mod close;
mod control;
mod fetch;
mod frame;
mod identity;
mod limits;
mod pace;
mod partial;
mod registry;
mod reset;
mod sender;
mod server;
mod socket;
mod sync;
#[cfg(test)]
mod tests;
mod tls;
mod upload;
mod verifier;

pub use blob::{Blob, BlobSource, Delta, MakesDelta};
pub use client::{ClientEndpoint, ConnectError, Connection};
pub use close::{CloseCode, Closed, StreamCode};
pub use control::{ControlReceiver, Link, SendError};
pub use fetch::FetchError;
pub use frame::FrameError;
pub use identity::KeyError;
pub use limits::{Limits, LimitsError};
pub use partial::PartialBlob;
pub use sender::{UploadSender, WriteError};
pub use server::{BindError, Peer, ServerEndpoint, ServerStats};
pub use sync::{PartialSync, Synced};
pub use tls::TlsError;
pub use upload::{IncomingUpload, PendingUpload, UploadBody, UploadError};
pub use verifier::Admission;

/// The application protocol both sides must name in the handshake.
pub const ALPN: &[u8] = b"veilsum/1";
