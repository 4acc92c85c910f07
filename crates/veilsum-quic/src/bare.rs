//! Not for members and coordinators: nothing here knows a hello, a frame or a limit of an upload. It is quinn under the
//! settings, keys and sockets of this crate, and no more: what uploads are measured against, and where one setting at a time is
//! turned to see what it is worth.

use std::{net::SocketAddr, sync::Arc};

use ed25519_dalek::{SigningKey, VerifyingKey};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig};

use crate::{
    Admission, BindError, Limits, server::server_config, socket, tls, verifier::PinnedVerifier,
};

pub use crate::client::SERVER_NAME;

/// Turns settings away from what this crate sets; [`as_they_are`] leaves them.
pub type Turn = fn(&mut TransportConfig);

/// Turns nothing.
pub fn as_they_are(_: &mut TransportConfig) {}

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
    turn: Turn,
) -> Result<Endpoint, BindError> {
    let mut config = server_config(identity, admission, limits)?;
    turned(&mut config.transport, turn);
    endpoint(address, Some(config), limits)
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
    turn: Turn,
) -> Result<Endpoint, BindError> {
    let verifier = Arc::new(PinnedVerifier::new(coordinator_key));
    let mut config = ClientConfig::new(tls::quic_client(tls::client(identity, verifier)?)?);
    let mut transport = limits.client_transport()?;
    turned(&mut transport, turn);
    config.transport_config(transport);
    let mut endpoint = endpoint(address, None, limits)?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

fn turned(transport: &mut Arc<TransportConfig>, turn: Turn) {
    // made a moment ago, and nobody else's
    if let Some(transport) = Arc::get_mut(transport) {
        turn(transport);
    }
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
