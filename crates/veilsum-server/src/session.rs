//! A connected member: its frames, its uploads, its blob requests. Not its part in a round, which outlives the connection.

use std::{convert::Infallible, sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use veilsum_proto::{
    fault::FaultKind,
    identity::PublicKey,
    ids::Slot,
    message::{Body, Message},
};
use veilsum_quic::{CloseCode, Closed, ControlReceiver, Peer};

use crate::{
    directory::Ticket,
    event::Event,
    routes::{Destination, Incoming},
    shared::{Complaint, Shared, frame_limit},
    upload,
};

/// Serves one connection to its end.
pub(crate) async fn run(shared: Arc<Shared>, peer: Peer, frames: ControlReceiver) {
    let key = PublicKey::parse(peer.peer_key());
    let Some(slot) = key.ok().and_then(|key| shared.roster.slot_of(&key)) else {
        return peer.close(CloseCode::NotOnRoster);
    };
    if shared.directory.has_to_wait(slot, Instant::now()) {
        return peer.close(CloseCode::Refused);
    }
    // spec: [service.frame]
    peer.set_frame_limit(frame_limit(&shared.caps));
    let ticket = shared.directory.enter(slot, peer.clone());
    let name = shared.name_of(slot);
    tracing::info!(%slot, %name, address = %peer.remote_address(), "connected");
    shared.emit(&Event::Connected {
        id: slot,
        name: name.clone(),
    });
    let closed = tokio::select! {
        never = read_frames(&shared, slot, ticket, frames) => match never {},
        closed = take_uploads(&shared, slot, &peer) => closed,
        closed = peer.serve_blobs(Arc::new(shared.blobs.clone())) => closed,
        closed = peer.closed() => closed,
    };
    tracing::info!(%slot, %name, %closed, "disconnected");
    if shared.directory.leave(slot, ticket) {
        shared.emit(&Event::Disconnected { id: slot, name });
    }
}

/// Asks for what is due to the member, then takes its frames as long as they come.
async fn read_frames(
    shared: &Shared,
    slot: Slot,
    ticket: Ticket,
    mut frames: ControlReceiver,
) -> Infallible {
    // spec: [service.pending]
    for mailbox in shared.routes.all() {
        mailbox.send(Incoming::Connected(slot, ticket)).await;
    }
    loop {
        match frames.recv().await {
            Ok(Some(frame)) => receive(shared, slot, frame).await,
            // it has said all it had to say, or its connection is ending; others see to that
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

async fn receive(shared: &Shared, slot: Slot, frame: Bytes) {
    match route(shared, &frame) {
        Ok((message, Destination::Open(mailbox))) => {
            mailbox.count(frame.len());
            let incoming = Incoming::Message {
                from: slot,
                message,
            };
            mailbox.send(incoming).await;
        }
        Ok((message, Destination::Over)) => {
            tracing::debug!(%slot, message = message.body.name(), "too late");
        }
        Ok((_, Destination::Nowhere(kind))) | Err(kind) => {
            shared.blame(Complaint::of(slot, &kind));
        }
    }
}

fn route(shared: &Shared, frame: &[u8]) -> Result<(Message, Destination), FaultKind> {
    let message = Message::decode(frame, &shared.caps)?;
    // spec: [service.header]
    if let Body::UploadHeader(_) = &message.body {
        return Err(FaultKind::WrongPhase {
            got: message.body.name(),
            phase: "the control stream",
        });
    }
    let destination = shared.routes.find(&message);
    Ok((message, destination))
}

/// Takes uploads until the connection ends; those under way end with it.
// spec: [service.stage.clean]
async fn take_uploads(shared: &Arc<Shared>, slot: Slot, peer: &Peer) -> Closed {
    let mut uploads = JoinSet::new();
    loop {
        let pending = match peer.accept_upload().await {
            Ok(pending) => pending,
            Err(closed) => return closed,
        };
        while uploads.try_join_next().is_some() {}
        let shared = shared.clone();
        uploads.spawn(async move { upload::take(&shared, slot, pending).await });
    }
}
