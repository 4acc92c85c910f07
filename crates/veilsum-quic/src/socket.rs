//! Not for anything but the UDP socket under an endpoint, with buffers as large as the kernel grants: the default ones lose packets
//! under load. Ten members on loopback get 0.90 of the rate out of 208 KiB, for 1.14 of the processor time (benches/RESULTS.md, QUIC).

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Binds a UDP socket and asks for `buffer` bytes each way; a smaller grant is no error.
pub(crate) fn bind(address: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // one socket for both families where the system allows it
        if let Err(error) = socket.set_only_v6(false) {
            tracing::debug!(%error, "socket stays ipv6 only");
        }
    }
    for (way, set) in [
        ("receive", socket.set_recv_buffer_size(buffer)),
        ("send", socket.set_send_buffer_size(buffer)),
    ] {
        if let Err(error) = set {
            tracing::debug!(%error, way, buffer, "kernel refused the socket buffer");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
