//! What lets a coordinator that came back tell its members that their connections are gone.
//!
//! QUIC calls it a stateless reset (RFC 9000 section 10.3): to a packet of a connection that it does not know, an endpoint answers
//! with a token that only it could have made. A process that starts again has to make the same tokens, so their key follows from
//! the identity, and nothing is stored.

use std::sync::Arc;

use aws_lc_rs::hmac;
use ed25519_dalek::SigningKey;
use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;

/// An endpoint whose tokens and connection ids any later endpoint of the same identity knows.
///
/// # Security
///
/// Whoever has the reset key can end connections of this endpoint, and nothing else; it tells nothing of the identity's secret.
// spec: [quic.reset]
pub(crate) fn endpoint_config(identity: &SigningKey) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(derived(identity, RESET_LABEL)));
    let tag = hmac::sign(&derived(identity, IDS_LABEL), &[]);
    let ids = tag.as_ref().first_chunk().copied();
    let ids = u64::from_be_bytes(ids.unwrap_or_default());
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(ids)));
    config
}

/// A key for one use: HMAC-SHA-256 of a label under the identity's secret.
fn derived(identity: &SigningKey, label: &[u8]) -> hmac::Key {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, identity.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, label).as_ref())
}

/// Key of the tokens.
const RESET_LABEL: &[u8] = b"veilsum/1 quic reset";
/// Key by which connection ids are recognised.
const IDS_LABEL: &[u8] = b"veilsum/1 quic ids";
