//! Not for members and coordinators: nothing here knows a hello, a frame or a limit of an upload. It is quinn under the
//! settings, keys and sockets of this crate, and no more: what uploads are measured against.

use std::{net::SocketAddr, sync::Arc};

use ed25519_dalek::{SigningKey, VerifyingKey};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};

use crate::{
    Admission, BindError, Limits, server::server_config, socket, tls, verifier::PinnedVerifier,
};

pub use crate::client::SERVER_NAME;

/// The coordinator's endpoint without its door.
///
/// # Errors
///
/// As [`ServerEndpoint::bind`](crate::ServerEndpoint::bind).
pub fn server(
    address: SocketAddr,
    identity: &SigningKey,
    admission: Arc<dyn Admission>,
    limits: &Limits,
) -> Result<Endpoint, BindError> {
    endpoint(
        address,
        Some(server_config(identity, admission, limits)?),
        limits,
    )
}

/// A member's endpoint; it connects to the holder of `coordinator_key` under [`SERVER_NAME`].
///
/// # Errors
///
/// As [`ClientEndpoint::new`](crate::ClientEndpoint::new), and if the limits contradict themselves.
pub fn client(
    address: SocketAddr,
    identity: &SigningKey,
    coordinator_key: VerifyingKey,
    limits: &Limits,
) -> Result<Endpoint, BindError> {
    let verifier = Arc::new(PinnedVerifier::new(coordinator_key));
    let mut config = ClientConfig::new(tls::quic_client(tls::client(identity, verifier)?)?);
    config.transport_config(limits.client_transport()?);
    let mut endpoint = endpoint(address, None, limits)?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

fn endpoint(
    address: SocketAddr,
    config: Option<ServerConfig>,
    limits: &Limits,
) -> Result<Endpoint, BindError> {
    let refused = |source| BindError::Socket { address, source };
    let socket = socket::bind(address, limits.socket_buffer).map_err(refused)?;
    let (settings, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
    Endpoint::new(settings, config, socket, runtime).map_err(refused)
}
