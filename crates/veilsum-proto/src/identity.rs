//! Who somebody is: Ed25519 identities of the authority, the coordinator and the members.
//!
//! Not for secrets of a round (those are fresh per attempt and live in memory only) and not for file permissions (whoever
//! writes the file sets them). One key authenticates the QUIC connection and signs protocol messages; every signature of
//! the protocol starts from a [`Label`], so none can pass for another. `spec/roster-task.md`, section "Identities".

use crate::label::Label;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use std::fmt;
use std::str::FromStr;
use tls_codec::{DeserializeBytes, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// The secret key of one party.
///
/// # Security
///
/// Whoever holds it is this party: it can join in its name, sign survivor sets, or (the authority's) sign rosters. There
/// is one of it, in one place in memory, wiped when dropped:
///
/// ```compile_fail,E0308
/// # use veilsum_proto::identity::Identity;
/// fn copy(identity: &Identity) -> Identity {
///     identity.clone()
/// }
/// ```
pub struct Identity(Box<SigningKey>);

impl Identity {
    /// A fresh identity.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut());
        Self::from_secret_bytes(&secret)
    }

    /// The identity of a 32-byte secret (the seed of RFC 8032, section 5.1.5). Every value is one.
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Self {
        Self(Box::new(SigningKey::from_bytes(secret)))
    }

    /// Reads what [`Identity::to_file_text`] wrote. Empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when a line is missing, is not the one expected there, or follows the last; when a key is not
    /// 64 hex digits; when the public key is not that of the secret key (a damaged or pieced-together file).
    // spec: [identity.file]
    pub fn from_file_text(text: &str) -> Result<Self, KeyFileError> {
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        if lines.next() != Some(FILE_HEADER) {
            return Err(KeyFileError::Header);
        }
        let public = field(lines.next(), "public")?.parse::<PublicKey>()?;
        let secret = secret_from_hex(field(lines.next(), "secret")?)?;
        let identity = Self::from_secret_bytes(&secret);
        if lines.next().is_some() {
            return Err(KeyFileError::LeftOver);
        }
        if identity.public() != public {
            return Err(KeyFileError::Mismatch {
                found: public,
                wanted: identity.public(),
            });
        }
        Ok(identity)
    }

    /// The key as a text file: a comment, a header line, the public key and the secret key in hex.
    ///
    /// # Security
    ///
    /// The text holds the secret key: it belongs into a file that only its owner can read, and nowhere else.
    // spec: [identity.file]
    pub fn to_file_text(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::encode(self.0.as_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(512));
        for part in [
            "# Secret key of a Veilsum identity. Whoever can read this file is this identity: keep it to yourself.\n",
            "# The public key is the one to hand to the authority of the federation.\n",
            FILE_HEADER,
            "\npublic ",
            &self.public().to_string(),
            "\nsecret ",
            &secret,
            "\n",
        ] {
            text.push_str(part);
        }
        text
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Ed25519 over `label.prefix(parts)`. Parts are fixed-length or carry their own length ([`Label::prefix`]).
    // spec: [identity.context]
    pub fn sign(&self, label: Label, parts: &[&[u8]]) -> Signature {
        Signature(self.0.sign(&label.prefix(parts)).to_bytes())
    }

    /// The key pair itself, for the TLS endpoint.
    ///
    /// # Security
    ///
    /// Only for TLS, which signs under contexts of its own (RFC 8446, section 4.4.3). Messages are signed by
    /// [`Identity::sign`] alone: a signature without a label could be passed off as another.
    pub fn signing_key(&self) -> &SigningKey {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self; // a new field must be decided on here
        write!(f, "Identity({}, ..)", self.public())
    }
}

/// Public key of one party: a canonical encoding of a point on the curve that is not of small order.
///
/// Written as 64 hex digits in files and logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes in 32 bytes as a key.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotCanonical`] when the y coordinate is 2^255 - 19 or above, [`KeyError::NotOnCurve`] when no point
    /// has it, [`KeyError::Weak`] when the point is of small order (a signature under such a key proves nothing).
    // spec: [identity.key]
    pub fn parse(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_canonical(bytes) {
            return Err(KeyError::NotCanonical);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotOnCurve)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self(*bytes))
    }

    /// A key that nobody checked, for tests that count keys.
    #[cfg(test)]
    pub(crate) fn stand_in(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature over `label.prefix(parts)`, strictly (no small-order points, canonical scalar).
    ///
    /// # Errors
    ///
    /// [`BadSignature`] when it is not this key's signature over exactly this label and these parts.
    // spec: [identity.strict]
    pub fn verify(
        &self,
        label: Label,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let verifier = self.verifier().ok_or(BadSignature)?;
        verifier.verify(label, parts, signature)
    }

    /// The key, ready to check many signatures; `None` only for bytes that are no key.
    pub fn verifier(&self) -> Option<Verifier> {
        let key = VerifyingKey::from_bytes(&self.0).ok()?;
        Some(Verifier(Box::new(key)))
    }
}

/// A public key whose point is there already: finding it takes a tenth of a check.
#[derive(Clone, Debug)]
pub struct Verifier(Box<VerifyingKey>);

impl Verifier {
    /// As [`PublicKey::verify`].
    ///
    /// # Errors
    ///
    /// As [`PublicKey::verify`].
    // spec: [identity.strict]
    pub fn verify(
        &self,
        label: Label,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        let verified = self.0.verify_strict(&label.prefix(parts), &signature);
        verified.map_err(|_| BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::NotHex {
            found: text.chars().count(),
        })?;
        Self::parse(&bytes)
    }
}

impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl DeserializeBytes for PublicKey {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (key, rest) = <[u8; 32]>::tls_deserialize_bytes(bytes)?;
        let key = Self::parse(&key)
            .map_err(|error| tls_codec::Error::DecodingError(error.to_string()))?;
        Ok((key, rest))
    }
}

/// An Ed25519 signature as it travels; says nothing until [`PublicKey::verify`] accepts it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Signature(pub [u8; 64]);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

/// Why bytes or text are not a usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not 64 hex digits.
    #[error("public key is not 64 hex digits (found {found} characters)")]
    NotHex {
        /// Characters found.
        found: usize,
    },
    /// The encoding is not the shortest residue.
    #[error("public key is not canonical: its y coordinate is not below 2^255 - 19")]
    NotCanonical,
    /// No point of the curve has this encoding.
    #[error("public key is not a point of the curve")]
    NotOnCurve,
    /// The point is of small order.
    #[error("public key is a point of small order")]
    Weak,
}

/// The signature is not this key's over this label and these parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

/// Why a text is not a secret key file. Never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// The first line is another.
    #[error("not a secret key file: its first line is not `{FILE_HEADER}`")]
    Header,
    /// A line is missing or is another.
    #[error("secret key file lacks the line `{name} ...` where it belongs")]
    Missing {
        /// First word of the line wanted.
        name: &'static str,
    },
    /// The public key is none.
    #[error("secret key file: {0}")]
    Public(#[from] KeyError),
    /// The secret key is not 64 hex digits.
    #[error("secret key file: the secret key is not 64 hex digits (found {found} characters)")]
    Secret {
        /// Characters found.
        found: usize,
    },
    /// The two keys do not belong together.
    #[error("secret key file says its public key is {found}, that of its secret key is {wanted}")]
    Mismatch {
        /// Public key in the file.
        found: PublicKey,
        /// Public key of the secret key.
        wanted: PublicKey,
    },
    /// More lines follow.
    #[error("secret key file has lines after the secret key")]
    LeftOver,
}

/// Whether y, the low 255 bits, is below p = 2^255 - 19. The other non-canonical encodings (x = 0 with the sign bit set)
/// are of y = 1 and y = -1, both of small order.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *low < 0xed
}

fn field<'a>(line: Option<&'a str>, name: &'static str) -> Result<&'a str, KeyFileError> {
    line.and_then(|line| line.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix(' '))
        .map(str::trim)
        .ok_or(KeyFileError::Missing { name })
}

fn secret_from_hex(text: &str) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, secret.as_mut()).map_err(|_| KeyFileError::Secret {
        found: text.chars().count(),
    })?;
    Ok(secret)
}

const FILE_HEADER: &str = "veilsum-secret-key-v1";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;
    use tls_codec::Serialize as _;

    fn identity(seed: u64) -> Identity {
        Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    fn bytes_of(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn the_public_key_is_that_of_rfc_8032() {
        let secret = bytes_of("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        assert_eq!(
            Identity::from_secret_bytes(&secret).public().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert_eq!(Identity::from_secret_bytes(&secret).0.to_bytes(), secret);
    }

    // spec: [identity.context]
    #[test]
    fn a_signature_holds_for_its_label_parts_and_key_only() {
        let signature = identity(1).sign(Label::SignAdvert, &[b"ab", b"c"]);
        let key = identity(1).public();
        assert_eq!(
            key.verify(Label::SignAdvert, &[b"ab", b"c"], &signature),
            Ok(())
        );
        for (key, label, part) in [
            (key, Label::SignShares, b"abc"),
            (key, Label::SignAdvert, b"abd"),
            (identity(2).public(), Label::SignAdvert, b"abc"),
        ] {
            assert_eq!(key.verify(label, &[part], &signature), Err(BadSignature));
        }
    }

    #[test]
    fn a_signature_without_a_label_is_refused() {
        let identity = identity(1);
        let bare = Signature(identity.signing_key().sign(b"abc").to_bytes());
        assert_eq!(
            identity
                .public()
                .verify(Label::SignAdvert, &[b"abc"], &bare),
            Err(BadSignature)
        );
    }

    // spec: [identity.strict]
    #[test]
    fn a_signature_with_a_scalar_above_the_group_order_is_refused() {
        let signature = identity(1).sign(Label::SignAdvert, &[b"abc"]);
        let order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut moved = signature.0;
        let mut carry = 0;
        for (byte, add) in moved[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(
            identity(1)
                .public()
                .verify(Label::SignAdvert, &[b"abc"], &signature),
            Ok(())
        );
        assert_eq!(
            identity(1)
                .public()
                .verify(Label::SignAdvert, &[b"abc"], &Signature(moved)),
            Err(BadSignature)
        );
    }

    // spec: [identity.key]
    #[test]
    fn points_of_small_order_are_no_keys() {
        for (text, why) in [
            (
                "0100000000000000000000000000000000000000000000000000000000000000",
                KeyError::Weak,
            ),
            (
                "0100000000000000000000000000000000000000000000000000000000000080",
                KeyError::Weak,
            ),
            (
                "0000000000000000000000000000000000000000000000000000000000000000",
                KeyError::Weak,
            ),
            (
                "0000000000000000000000000000000000000000000000000000000000000080",
                KeyError::Weak,
            ),
            (
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                KeyError::Weak,
            ),
            (
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                KeyError::Weak,
            ),
            (
                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                KeyError::Weak,
            ),
            (
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                KeyError::Weak,
            ),
        ] {
            assert_eq!(PublicKey::parse(&bytes_of(text)), Err(why), "{text}");
        }
    }

    // spec: [identity.key]
    #[test]
    fn non_canonical_encodings_are_no_keys() {
        // y = p + 0 .. p + 18 in both signs
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                bytes[0] = low;
                bytes[31] = high;
                assert_eq!(PublicKey::parse(&bytes), Err(KeyError::NotCanonical));
            }
        }
    }

    // spec: [identity.key]
    #[test]
    fn an_encoding_off_the_curve_is_no_key() {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert_eq!(PublicKey::parse(&bytes), Err(KeyError::NotOnCurve));
        assert_eq!(
            "abc".parse::<PublicKey>(),
            Err(KeyError::NotHex { found: 3 })
        );
    }

    #[test]
    fn a_weak_key_on_the_wire_is_refused() {
        assert!(PublicKey::tls_deserialize_bytes(&[0; 32]).is_err());
        assert!(PublicKey::tls_deserialize_bytes(&[0; 31]).is_err());
        let key = identity(3).public();
        let bytes = key.tls_serialize_detached().unwrap();
        assert_eq!(PublicKey::tls_deserialize_exact_bytes(&bytes), Ok(key));
    }

    // spec: [identity.file]
    #[test]
    fn a_key_file_comes_back() {
        let identity = identity(4);
        let text = identity.to_file_text();
        let back = Identity::from_file_text(&text).unwrap();
        assert_eq!(back.0.to_bytes(), identity.0.to_bytes());
        assert!(text.contains(&identity.public().to_string()));
    }

    // spec: [identity.file]
    #[test]
    fn a_broken_key_file_says_what_is_wrong() {
        let text = identity(5).to_file_text().to_string();
        let secret = hex::encode(identity(5).0.to_bytes());
        let other = identity(6).public().to_string();
        let public = identity(5).public().to_string();
        for (broken, why) in [
            (String::new(), KeyFileError::Header),
            (secret.clone(), KeyFileError::Header),
            (
                text.replace("secret ", "secrets "),
                KeyFileError::Missing { name: "secret" },
            ),
            (
                text.replace("public ", "pub "),
                KeyFileError::Missing { name: "public" },
            ),
            (
                text.replace(&secret, &secret[2..]),
                KeyFileError::Secret { found: 62 },
            ),
            (text.clone() + "more\n", KeyFileError::LeftOver),
            (
                text.replace(&public, &other),
                KeyFileError::Mismatch {
                    found: identity(6).public(),
                    wanted: identity(5).public(),
                },
            ),
        ] {
            let error = Identity::from_file_text(&broken).unwrap_err();
            assert_eq!(error, why);
            assert!(
                !error.to_string().contains(&secret[2..]),
                "an error quotes the secret"
            );
        }
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let shown = format!("{:?}", identity(7));
        assert!(!shown.contains(&hex::encode(identity(7).0.to_bytes())));
    }

    proptest! {
        #[test]
        fn what_parses_is_what_dalek_writes(bytes: [u8; 32]) {
            if let Ok(key) = PublicKey::parse(&bytes) {
                let point = VerifyingKey::from_bytes(&bytes).unwrap().to_edwards();
                prop_assert_eq!(&point.compress().0, key.as_bytes());
                prop_assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
            }
        }
    }
}
