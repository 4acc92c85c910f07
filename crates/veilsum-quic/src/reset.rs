//! What lets a coordinator that came back tell its members that their connections are gone.
//!
//! QUIC calls it a stateless reset (RFC 9000 section 10.3): to a packet of a connection that it does not know, an endpoint answers
//! with a token that only it could have made. A process that starts again has to make the same tokens, so their key follows from
//! the identity, and nothing is stored.

use std::sync::Arc;

use aws_lc_rs::hmac;
use ed25519_dalek::SigningKey;
use quinn::EndpointConfig;
use quinn_proto::RandomConnectionIdGenerator;

/// An endpoint whose tokens any later endpoint of the same identity makes again.
///
/// # Security
///
/// Whoever has the reset key can end connections of this endpoint, and nothing else; it tells nothing of the identity's secret.
/// Connection ids are 64 random bits, so that none comes twice: a token that someone was told for one connection fits no other.
// spec: [quic.reset]
pub(crate) fn endpoint_config(identity: &SigningKey) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(reset_key(identity)));
    config.cid_generator(|| Box::new(RandomConnectionIdGenerator::default()));
    config
}

/// HMAC-SHA-256 of the label under the identity's secret.
fn reset_key(identity: &SigningKey) -> hmac::Key {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, identity.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, LABEL).as_ref())
}

const LABEL: &[u8] = b"veilsum/1 quic reset";
