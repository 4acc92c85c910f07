//! Not for signing protocol messages. Here an Ed25519 identity becomes a raw public key of TLS
//! (RFC 7250), and bytes from a handshake become a key that is canonical or refused.

use std::{fmt, sync::Arc};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    pki_types::{CertificateDer, SubjectPublicKeyInfoDer},
    sign::{self, CertifiedKey},
};
use thiserror::Error;

/// Why 32 bytes, or the key a peer showed, are no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not the one DER form of an Ed25519 key (RFC 8410).
    #[error(
        "public key info of {found} bytes is not an ed25519 key, wanted the 44 bytes of RFC 8410"
    )]
    NotEd25519 {
        /// Bytes found.
        found: usize,
    },
    /// Not the canonical encoding of a point on the curve.
    #[error("key is not the canonical encoding of a curve point")]
    NotCanonical,
    /// A point of small order, under which signatures prove nothing.
    #[error("key is a point of small order")]
    SmallOrder,
}

/// Parses a key, refusing what is not canonical or of small order.
// spec: [quic.canonical]
pub(crate) fn parse_key(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotCanonical)?;
    if key.to_edwards().compress().as_bytes() != bytes {
        return Err(KeyError::NotCanonical);
    }
    if key.is_weak() {
        return Err(KeyError::SmallOrder);
    }
    Ok(key)
}

/// Parses the raw public key a peer showed in the handshake.
// spec: [quic.canonical]
pub(crate) fn parse_spki(der: &[u8]) -> Result<VerifyingKey, KeyError> {
    let refused = KeyError::NotEd25519 { found: der.len() };
    let key = der.strip_prefix(SPKI_PREFIX).ok_or(refused)?;
    parse_key(key.try_into().map_err(|_| refused)?)
}

/// The key whose DER form is `parse_spki`'s input.
fn spki(key: &VerifyingKey) -> Vec<u8> {
    [SPKI_PREFIX, key.as_bytes()].concat()
}

/// What rustls shows and signs with in a handshake.
pub(crate) fn certified(key: &SigningKey) -> Arc<CertifiedKey> {
    let public = CertificateDer::from(spki(&key.verifying_key()));
    let secret = Arc::new(TlsKey(Arc::new(key.clone())));
    Arc::new(CertifiedKey::new(vec![public], secret))
}

/// An identity as rustls wants it.
///
/// # Security
///
/// The secret stays in dalek's type, which wipes itself; no DER copy of it is ever made.
#[derive(Clone)]
struct TlsKey(Arc<SigningKey>);

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self; // a new field must be decided on here
        f.write_str("TlsKey(..)")
    }
}

impl sign::SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(spki(&self.0.verifying_key()).into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl sign::Signer for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// DER of `SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }` up to the key.
const SPKI_PREFIX: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::EncodePublicKey;
    use proptest::prelude::*;

    use super::*;

    fn identity(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn public_key_info_is_the_standard_der() {
        let key = identity(7).verifying_key();
        assert_eq!(spki(&key), key.to_public_key_der().unwrap().as_bytes());
        assert_eq!(parse_spki(&spki(&key)).unwrap(), key);
    }

    // spec: [quic.canonical]
    #[test]
    fn points_of_small_order_are_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert_eq!(parse_key(&identity_point), Err(KeyError::SmallOrder));
        assert_eq!(parse_key(&[0; 32]), Err(KeyError::SmallOrder)); // order 4
        let order_8 =
            hex::decode("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        let order_8: [u8; 32] = order_8.unwrap().try_into().unwrap();
        assert_eq!(parse_key(&order_8), Err(KeyError::SmallOrder));
    }

    // spec: [quic.canonical]
    #[test]
    fn non_canonical_points_are_refused() {
        // y = p + 3, p + 4, ..: what decompresses at all names a point that has a shorter name
        for low in 0xf0..=0xff_u8 {
            let mut bytes = [0xff; 32];
            bytes[0] = low;
            bytes[31] = 0x7f;
            assert_eq!(parse_key(&bytes), Err(KeyError::NotCanonical), "{low:#x}");
        }
        // x = 0 with the sign bit set
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes[31] = 0x80;
        assert_eq!(parse_key(&bytes), Err(KeyError::NotCanonical));
    }

    // spec: [quic.canonical]
    #[test]
    fn other_key_types_and_lengths_are_refused() {
        let good = spki(&identity(7).verifying_key());
        let mut x25519 = good.clone();
        x25519[8] = 0x6e;
        assert_eq!(parse_spki(&x25519), Err(KeyError::NotEd25519 { found: 44 }));
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(parse_spki(&longer), Err(KeyError::NotEd25519 { found: 45 }));
        assert_eq!(
            parse_spki(&good[..43]),
            Err(KeyError::NotEd25519 { found: 43 })
        );
        assert_eq!(parse_spki(&[]), Err(KeyError::NotEd25519 { found: 0 }));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", certified(&identity(7)));
        assert!(
            !shown.contains("7, 7") && !shown.contains("0707"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(key) = parse_spki(&bytes) {
                prop_assert_eq!(spki(&key), bytes);
            }
        }
    }
}
