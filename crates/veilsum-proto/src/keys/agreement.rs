//! X25519 agreement that refuses keys which do not contribute.

use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};

/// A Diffie-Hellman value of two contributing keys.
pub struct Agreed(SharedSecret);

impl Agreed {
    /// The 32 bytes, input keying material only.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// A public key that does not contribute to the agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("X25519 public key does not contribute: the shared secret is zero whatever our key")]
pub struct NotContributory;

/// X25519, refusing the all-zero result.
///
/// # Errors
///
/// [`NotContributory`] for the low-order points of Curve25519 and its twist, also in non-canonical encodings.
// spec: [key.contributory]
pub(super) fn agree(secret: &StaticSecret, public: &[u8; 32]) -> Result<Agreed, NotContributory> {
    let shared = secret.diffie_hellman(&PublicKey::from(*public));
    if shared.was_contributory() {
        Ok(Agreed(shared))
    } else {
        Err(NotContributory)
    }
}
