//! Not a general TLS set-up: TLS 1.3 alone, one ALPN, raw public keys on both sides, and nothing that
//! outlives a connection. A resumed session would skip the key check, so there are no tickets, no
//! session store and no 0-RTT on either side.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use rustls::{
    client::{AlwaysResolvesClientRawPublicKeys, Resumption},
    crypto::{CryptoProvider, aws_lc_rs},
    server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage},
};
use thiserror::Error;

use crate::{
    ALPN,
    identity::certified,
    verifier::{Admission, PinnedVerifier, RosterVerifier},
};

/// The crypto provider lacks what TLS 1.3 over QUIC needs. A fault of the build, never of a peer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TlsError {
    /// rustls refused the configuration.
    #[error("tls refused the configuration: {0}")]
    Config(#[from] rustls::Error),
    /// No cipher suite for the first packets.
    #[error("tls has no cipher suite for initial packets, wanted TLS13_AES_128_GCM_SHA256")]
    NoInitialSuite,
}

impl From<NoInitialCipherSuite> for TlsError {
    fn from(_: NoInitialCipherSuite) -> Self {
        Self::NoInitialSuite
    }
}

/// The coordinator's side.
pub(crate) fn server(
    key: &SigningKey,
    admission: Arc<dyn Admission>,
) -> Result<rustls::ServerConfig, TlsError> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(RosterVerifier::new(admission)))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(
            key,
        ))));
    config.alpn_protocols = vec![ALPN.to_vec()]; // spec: [quic.alpn]
    // spec: [quic.no-resumption]
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    Ok(config)
}

/// The member's side.
pub(crate) fn client(
    key: &SigningKey,
    verifier: Arc<PinnedVerifier>,
) -> Result<rustls::ClientConfig, TlsError> {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // spec: [quic.pinned]: a raw public key has no chain, the verifier compares the key itself
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(
            key,
        ))));
    config.alpn_protocols = vec![ALPN.to_vec()]; // spec: [quic.alpn]
    config.enable_sni = false;
    // spec: [quic.no-resumption]
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

pub(crate) fn quic_server(config: rustls::ServerConfig) -> Result<Arc<QuicServerConfig>, TlsError> {
    Ok(Arc::new(QuicServerConfig::try_from(config)?))
}

pub(crate) fn quic_client(config: rustls::ClientConfig) -> Result<Arc<QuicClientConfig>, TlsError> {
    Ok(Arc::new(QuicClientConfig::try_from(config)?))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
