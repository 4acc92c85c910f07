//! How many come in, who gives way, and what noise at the door does to those inside.

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::*;
use crate::{CloseCode, Closed};

// spec: [quic.replace]
#[tokio::test]
async fn a_member_that_reconnects_replaces_its_older_connection() {
    let house = House::open(Limits::default());
    let (old, old_peer) = house.join(1).await;
    let (new, mut new_peer) = house.join(1).await;
    assert_eq!(old.link.closed().await, Closed::ByPeer(CloseCode::Replaced));
    assert_eq!(old_peer.link.closed().await, Closed::ByUs);
    assert_eq!(old_peer.link.close_code(), Some(CloseCode::Replaced));
    new.link.send(Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(new_peer.frames.recv().await.unwrap().unwrap(), "new");
    assert_eq!(house.server.stats().replaced, 1);
}

// spec: [quic.replace]
#[tokio::test]
async fn with_room_for_two_the_third_connection_closes_the_first_only() {
    let house = House::open(Limits {
        connections_per_identity: 2,
        ..Limits::default()
    });
    let (first, _peer_1) = house.join(1).await;
    let (second, _peer_2) = house.join(1).await;
    let (other, _peer_other) = house.join(2).await;
    assert_eq!(first.link.close_reason(), None);
    let (third, _peer_3) = house.join(1).await;
    assert_eq!(
        first.link.closed().await,
        Closed::ByPeer(CloseCode::Replaced)
    );
    for alive in [&second, &other, &third] {
        assert_eq!(alive.link.close_reason(), None);
    }
}

// spec: [quic.full]
#[tokio::test]
async fn a_full_house_turns_others_away_and_never_a_member_it_holds() {
    let house = House::open(Limits {
        connections: 2,
        connections_per_identity: 2,
        ..Limits::default()
    });
    let (first, _peer_1) = house.join(1).await;
    let (second, _peer_2) = house.join(2).await;
    let error = house.try_join(3).await.unwrap_err();
    assert!(matches!(error, ConnectError::Busy), "{error:?}");
    assert_eq!(house.server.stats().turned_away, 1);
    let (again, _peer_again) = house.join(1).await;
    assert_eq!(
        first.link.closed().await,
        Closed::ByPeer(CloseCode::Replaced)
    );
    drop(second);
    while house.server.stats().connections > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.join(3).await;
    assert_eq!(again.link.close_reason(), None);
}

// spec: [quic.retry]
#[tokio::test]
async fn under_load_an_address_must_be_proved_and_an_honest_one_is() {
    let house = House::open(Limits {
        retry_from: 0,
        ..Limits::default()
    });
    house.join(1).await;
    assert_eq!(house.server.stats().retried, 1);
    assert_eq!(house.server.stats().admitted, 1);
}

/// The first packet of a member that will never send a second one.
async fn first_packet() -> Vec<u8> {
    let catch = tokio::net::UdpSocket::bind(localhost()).await.unwrap();
    let _connecting = raw_connecting(catch.local_addr().unwrap(), 1, |_| {});
    let mut packet = vec![0; 2048];
    let length = catch.recv(&mut packet).await.unwrap();
    packet.truncate(length);
    packet
}

// spec: [quic.handshake-time], [quic.retry]
#[tokio::test]
async fn handshakes_that_never_end_hold_others_up_for_their_time_only() {
    let limits = Limits {
        handshakes: 1,
        retry_from: 99,
        handshake_timeout: SOON,
        ..Limits::default()
    };
    let house = House::open(limits);
    let packet = first_packet().await;
    let socket = tokio::net::UdpSocket::bind(localhost()).await.unwrap();
    socket.send_to(&packet, house.address).await.unwrap();
    tokio::time::sleep(SOON / 3).await;
    house.join(2).await;
    assert_eq!(house.server.stats().refused, 1);
}

#[tokio::test]
async fn garbage_at_the_port_disturbs_nobody() {
    let house = House::open(Limits::default());
    let (member, mut peer) = house.join(1).await;
    let noise = tokio::net::UdpSocket::bind(localhost()).await.unwrap();
    let mut state = 1_u32;
    for round in 0..300_usize {
        let mut packet: Vec<u8> = (0..round * 4)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        if let Some(first) = packet.first_mut() {
            *first |= 0xc0; // a long header, the way handshakes begin
        }
        let _ = noise.send_to(&packet, house.address).await;
    }
    member
        .link
        .send(Bytes::from_static(b"still here"))
        .await
        .unwrap();
    assert_eq!(peer.frames.recv().await.unwrap().unwrap(), "still here");
    house.join(2).await;
    assert_eq!(house.server.stats().admitted, 2);
}

// spec: [quic.close]
#[tokio::test]
async fn a_coordinator_that_goes_down_says_so_and_accepts_no_more() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    house.server.close().await;
    assert_eq!(
        member.link.closed().await,
        Closed::ByPeer(CloseCode::ShuttingDown)
    );
    assert_eq!(peer.link.close_code(), Some(CloseCode::ShuttingDown));
    assert!(house.server.accept().await.is_none());
}

// spec: [quic.reset]
#[test]
fn a_coordinator_that_was_killed_and_comes_back_tells_its_members() {
    let killed = Runtime::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let house = killed.block_on(async { House::open(Limits::default()) });
    let (address, roster) = (house.address, house.roster.clone());
    let limits = Limits {
        keep_alive: Duration::from_millis(100),
        ..Limits::default()
    };
    let patience = limits.idle_timeout / 2;
    let (member, accepted) = runtime.block_on(async {
        let client = ClientEndpoint::new(localhost()).unwrap();
        let (key, coordinator) = (key(1), public(0));
        let (member, accepted) = tokio::join!(
            client.connect(address, &key, coordinator, limits),
            house.server.accept()
        );
        (End::new(member.unwrap()), accepted.unwrap())
    });
    // nothing of this runtime runs any more, so nobody is told goodbye
    killed.shutdown_timeout(Duration::from_secs(10));
    drop((house, accepted));
    runtime.block_on(async {
        let _back = ServerEndpoint::bind(address, &key(0), roster, Limits::default()).unwrap();
        let closed = timeout(patience, member.link.closed()).await;
        assert_eq!(closed, Ok(Closed::Forgotten));
    });
}

#[tokio::test]
async fn dropping_the_endpoint_closes_its_connections() {
    let house = House::open(Limits::default());
    let (member, _peer) = house.join(1).await;
    drop(house);
    assert_eq!(
        member.link.closed().await,
        Closed::ByPeer(CloseCode::ShuttingDown)
    );
}

#[tokio::test]
async fn the_application_may_close_one_identity() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let (other, _other_peer) = house.join(2).await;
    peer.link.close(CloseCode::Refused);
    assert_eq!(
        member.link.closed().await,
        Closed::ByPeer(CloseCode::Refused)
    );
    assert_eq!(other.link.close_reason(), None);
}

#[tokio::test]
async fn a_dropped_connection_is_done_and_forgotten() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    drop(member);
    assert_eq!(peer.link.closed().await, Closed::ByPeer(CloseCode::Done));
    let forgotten = async {
        while house.server.stats().connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), forgotten).await.unwrap();
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let house = House::open(Limits::default());
    let again = ServerEndpoint::bind(
        house.address,
        &key(0),
        Arc::new(Roster::default()),
        Limits::default(),
    );
    let error = again.unwrap_err().to_string();
    assert!(error.contains(&house.address.to_string()), "{error}");
}

#[tokio::test]
async fn a_member_that_vanishes_is_noticed_by_its_silence() {
    let house = House::open(Limits {
        idle_timeout: SOON,
        ..Limits::default()
    });
    // a raw member keeps nothing alive
    let (raw, peer) = house.join_raw(1).await;
    assert_eq!(peer.link.closed().await, Closed::TimedOut);
    drop(raw);
}
