//! Not a certificate chain: nothing is issued, nothing expires. Two verifiers that hold a raw public key
//! against the one wanted key (member) or against the current roster (coordinator).

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ed25519_dalek::{Signature, VerifyingKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    PeerMisbehaved, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::identity::{KeyError, parse_spki};

/// The current roster, as the handshake sees it.
///
/// Asked in the coordinator's handshake of every connection, and once more before a connection is handed
/// over, so a roster that changes takes effect at the next connection. Must answer fast and must not
/// block: it runs inside the endpoint's task.
///
/// # Security
///
/// What this admits may open streams; everything else ends in the handshake.
pub trait Admission: Send + Sync {
    /// Whether the roster of this moment holds the Ed25519 key.
    fn admits(&self, key: &[u8; 32]) -> bool;
}

impl<F: Fn(&[u8; 32]) -> bool + Send + Sync> Admission for F {
    fn admits(&self, key: &[u8; 32]) -> bool {
        self(key)
    }
}

/// The coordinator's check of a member's key.
pub(crate) struct RosterVerifier {
    admission: Arc<dyn Admission>,
}

impl RosterVerifier {
    pub(crate) fn new(admission: Arc<dyn Admission>) -> Self {
        Self { admission }
    }
}

impl std::fmt::Debug for RosterVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RosterVerifier(..)")
    }
}

impl ClientCertVerifier for RosterVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    // spec: [quic.admission]
    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let key = only_key(key, rest)?;
        if self.admission.admits(key.as_bytes()) {
            Ok(ClientCertVerified::assertion())
        } else {
            // becomes the alert `access_denied`; spec: [quic.refusal]
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The member's check of the coordinator's key. It keeps what it found, so that the error can name it.
#[derive(Debug)]
pub(crate) struct PinnedVerifier {
    wanted: VerifyingKey,
    found: OnceLock<[u8; 32]>,
    refused: Mutex<Option<KeyError>>,
}

impl PinnedVerifier {
    pub(crate) fn new(wanted: VerifyingKey) -> Self {
        Self {
            wanted,
            found: OnceLock::new(),
            refused: Mutex::new(None),
        }
    }

    /// The key the other side showed, once the handshake has come that far.
    pub(crate) fn found(&self) -> Option<[u8; 32]> {
        self.found.get().copied()
    }

    /// Why the other side's key was refused before it could be compared.
    pub(crate) fn refused(&self) -> Option<KeyError> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for PinnedVerifier {
    // spec: [quic.pinned]
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Err(error) = parse_spki(key) {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        let key = only_key(key, rest)?;
        self.found.get_or_init(|| key.to_bytes());
        if key == self.wanted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A raw public key stands alone; there is no chain behind it.
fn only_key(key: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<VerifyingKey, Error> {
    if !rest.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    parse_spki(key).map_err(|_| CertificateError::BadEncoding.into())
}

/// The strict rules of Ed25519, as for every signature of the project.
// spec: [quic.strict]
fn verify_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let key = only_key(key, &[])?;
    let signature = Signature::from_slice(signed.signature());
    signature
        .and_then(|signature| key.verify_strict(message, &signature))
        .map(|()| HandshakeSignatureValid::assertion())
        .map_err(|_| CertificateError::BadSignature.into())
}
