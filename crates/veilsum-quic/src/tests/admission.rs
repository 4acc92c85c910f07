//! Who is let in, and what the others are told.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;

use super::*;
use crate::{CloseCode, Closed, KeyError};

// spec: [quic.admission], [quic.pinned]
#[tokio::test]
async fn a_member_is_let_in_and_both_sides_know_each_other() {
    let house = House::open(Limits::default());
    let (mut member, mut peer) = house.join(1).await;
    assert_eq!(*member.link.peer_key(), public(0));
    assert_eq!(*peer.link.peer_key(), public(1));
    member.link.send(Bytes::from_static(b"up")).await.unwrap();
    peer.link.send(Bytes::from_static(b"down")).await.unwrap();
    assert_eq!(peer.frames.recv().await.unwrap().unwrap(), "up");
    assert_eq!(member.frames.recv().await.unwrap().unwrap(), "down");
}

// spec: [quic.refusal]
#[tokio::test]
async fn a_stranger_is_told_that_its_key_is_not_on_the_roster() {
    let house = House::open(Limits::default());
    let error = house.try_join(9).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotOnRoster), "{error:?}");
    assert_eq!(
        error.to_string(),
        "your key is not on the roster of this coordinator"
    );
    assert_eq!(house.server.stats().connections, 0);
}

// spec: [quic.admission]
#[tokio::test]
async fn the_roster_of_the_moment_decides() {
    let house = House::open(Limits::default());
    let (member, _peer) = house.join(1).await;
    house.roster.remove(1);
    drop(member);
    let error = house.try_join(1).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotOnRoster), "{error:?}");
    house.roster.add(1);
    house.join(1).await;
}

// spec: [quic.admission]
#[tokio::test]
async fn a_connected_member_that_leaves_the_roster_is_closed_and_no_other() {
    let house = House::open(Limits::default());
    let (gone, _gone_peer) = house.join(1).await;
    let (stays, mut peer) = house.join(2).await;
    house.roster.remove(1);
    house.server.enforce_admission();
    assert_eq!(
        gone.link.closed().await,
        Closed::ByPeer(CloseCode::NotOnRoster)
    );
    stays.link.send(Bytes::from_static(b"here")).await.unwrap();
    assert_eq!(peer.frames.recv().await.unwrap().unwrap(), "here");
}

/// Answers no at the second question of the same connection.
struct LeavesMeanwhile(AtomicUsize);

impl Admission for LeavesMeanwhile {
    fn admits(&self, _: &[u8; 32]) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == 0
    }
}

// spec: [quic.admission]
#[tokio::test]
async fn a_member_that_leaves_the_roster_during_the_handshake_is_refused() {
    let admission = Arc::new(LeavesMeanwhile(AtomicUsize::new(0)));
    let server = ServerEndpoint::bind(localhost(), &key(0), admission, Limits::default()).unwrap();
    let error = join_at(server.local_addr().unwrap(), 1).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotOnRoster), "{error:?}");
    assert_eq!(server.stats().admitted, 0);
}

// spec: [quic.pinned]
#[tokio::test]
async fn a_wrong_coordinator_is_named_with_both_keys() {
    let house = House::open(Limits::default());
    let client = ClientEndpoint::new(localhost()).unwrap();
    let error = client
        .connect(house.address, &key(1), public(7), Limits::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, ConnectError::WrongCoordinator { .. }),
        "{error:?}"
    );
    assert!(
        text.contains(&hex::encode(public(0))) && text.contains(&hex::encode(public(7))),
        "{text}"
    );
    assert_eq!(house.server.stats().connections, 0);
}

// spec: [quic.canonical]
#[tokio::test]
async fn a_coordinator_key_of_small_order_is_refused_before_any_packet() {
    let client = ClientEndpoint::new(localhost()).unwrap();
    let nobody = "127.0.0.1:9".parse().unwrap();
    let error = client
        .connect(nobody, &key(1), [0; 32], Limits::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::BadWantedKey {
                error: KeyError::SmallOrder,
                ..
            }
        ),
        "{error:?}"
    );
}

// spec: [quic.handshake-time]
#[tokio::test]
async fn silence_is_reported_with_the_address_and_the_time() {
    let silent = std::net::UdpSocket::bind(localhost()).unwrap();
    let address = silent.local_addr().unwrap();
    let client = ClientEndpoint::new(localhost()).unwrap();
    let limits = Limits {
        handshake_timeout: SOON,
        ..Limits::default()
    };
    let error = client
        .connect(address, &key(1), public(0), limits.clone())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no answer from {address} within 300ms")
    );
    drop(silent);
    let error = client
        .connect(address, &key(1), public(0), limits)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::NoAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_of_another_family_is_an_error_not_a_wait() {
    let client = ClientEndpoint::new(localhost()).unwrap();
    let limits = Limits {
        handshake_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let other = "[::1]:9".parse().unwrap();
    let error = client
        .connect(other, &key(1), public(0), limits)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Unusable { .. }), "{error:?}");
}
