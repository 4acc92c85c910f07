//! What the handshake agrees on, and what it must never leave behind.

use std::sync::atomic::Ordering;

use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
    server::StoresServerSessions,
};

use super::*;
use crate::{Closed, FrameError};

// spec: [quic.alpn]
#[tokio::test]
async fn a_member_of_another_protocol_is_refused() {
    let house = House::open(Limits::default());
    for protocols in [vec![], vec![b"h3".to_vec()]] {
        let refused = Raw::connect(house.address, 1, |tls| tls.alpn_protocols = protocols).await;
        let closed = Closed::from(refused.err().unwrap());
        assert_eq!(closed, Closed::Transport { code: 0x178 });
    }
    assert_eq!(house.server.stats().admitted, 0);
}

// spec: [quic.alpn]
#[tokio::test]
async fn a_coordinator_of_another_protocol_is_named_so() {
    for protocols in [vec![], vec![b"h3".to_vec()]] {
        let server = raw_server(|tls| tls.alpn_protocols = protocols);
        let address = server.local_addr().unwrap();
        let accept = async move { server.accept().await.unwrap().await.map(|_| ()) };
        let connect = join_at(address, 1);
        let (_, outcome) = tokio::join!(accept, connect);
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, ConnectError::WrongProtocol { .. }),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!("{address} does not speak veilsum/1")
        );
    }
}

// spec: [quic.admission]
#[tokio::test]
async fn a_member_without_a_key_is_refused() {
    let house = House::open(Limits::default());
    let verifier = Arc::new(PinnedVerifier::new(parse_key(&public(0)).unwrap()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![crate::ALPN.to_vec()];
    let refused = match raw_connect_with(house.address, config).await {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    };
    assert!(matches!(
        Closed::from(refused),
        Closed::Transport { code: 0x100.. }
    ));
    assert_eq!(house.roster.asked.load(Ordering::Relaxed), 0);
}

/// Counts what a greedy member could keep.
#[derive(Debug, Default)]
struct Greedy {
    tickets: AtomicUsize,
}

impl ClientSessionStore for Greedy {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.tickets.fetch_add(1, Ordering::Relaxed);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

// spec: [quic.no-resumption]
#[tokio::test]
async fn the_coordinator_gives_no_ticket_and_checks_the_key_of_every_connection() {
    let house = House::open(Limits::default());
    let store = Arc::new(Greedy::default());
    for connection in 1..=2 {
        let resumption = Resumption::store(store.clone());
        let change = |tls: &mut rustls::ClientConfig| {
            tls.resumption = resumption;
            tls.enable_early_data = true;
        };
        let connecting = raw_connecting(house.address, 1, change);
        let connecting = connecting
            .into_0rtt()
            .err()
            .expect("no early data without a ticket");
        let quinn = connecting.await.unwrap();
        // tickets would have come with the handshake, before the hello
        let mut hello = quinn.accept_bi().await.unwrap().1;
        let mut bytes = [0; HELLO.len()];
        hello.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, HELLO);
        assert_eq!(store.tickets.load(Ordering::Relaxed), 0);
        // in the handshake and before the connection is handed over
        assert_eq!(house.roster.asked.load(Ordering::Relaxed), 2 * connection);
    }
}

/// A coordinator that would resume.
#[derive(Debug, Default)]
struct Tempting {
    put: AtomicUsize,
    asked: AtomicUsize,
}

impl StoresServerSessions for Tempting {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        self.put.fetch_add(1, Ordering::Relaxed);
        true
    }
    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        None
    }
    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        None
    }
    fn can_cache(&self) -> bool {
        true
    }
}

// spec: [quic.no-resumption]
#[tokio::test]
async fn a_member_keeps_no_ticket_even_of_a_coordinator_that_gives_some() {
    let store = Arc::new(Tempting::default());
    let kept = store.clone();
    let server = raw_server(|tls| {
        tls.session_storage = kept;
        tls.send_tls13_tickets = 2;
    });
    let address = server.local_addr().unwrap();
    // one configuration for both, more than `connect` ever shares between two connections
    let verifier = Arc::new(PinnedVerifier::new(parse_key(&public(0)).unwrap()));
    let config = tls::client(&key(1), verifier).unwrap();
    for _ in 0..2 {
        let greet = async {
            let connection = server.accept().await.unwrap().await.unwrap();
            let (mut send, recv) = connection.open_bi().await.unwrap();
            send.write_all(HELLO).await.unwrap();
            (connection, send, recv)
        };
        let hear = async {
            let connection = raw_connect_with(address, config.clone()).await.unwrap();
            let mut hello = connection.accept_bi().await.unwrap().1;
            hello.read_exact(&mut [0; HELLO.len()]).await.unwrap();
            connection
        };
        let _held = tokio::join!(greet, hear);
    }
    assert!(
        store.put.load(Ordering::Relaxed) >= 2,
        "the test's server gives tickets"
    );
    assert_eq!(store.asked.load(Ordering::Relaxed), 0);
}

// spec: [control.hello]
#[tokio::test]
async fn a_first_frame_that_is_not_the_hello_is_refused() {
    for hello in [
        b"\0\0\0\x09veilsum/2".as_slice(),
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0",
    ] {
        let server = raw_server(|_| {});
        let address = server.local_addr().unwrap();
        let greet = async {
            let connection = server.accept().await.unwrap().await.unwrap();
            let (mut send, recv) = connection.open_bi().await.unwrap();
            send.write_all(hello).await.unwrap();
            send.finish().unwrap();
            (connection, recv)
        };
        let connect = join_at(address, 1);
        let (_held, outcome) = tokio::join!(greet, connect);
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, ConnectError::NoHello),
            "{hello:?}: {error:?}"
        );
    }
}

// spec: [quic.streams]
#[tokio::test]
async fn a_coordinator_may_open_the_control_stream_and_nothing_else() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let quinn = peer.link.quinn();
    assert!(tokio::time::timeout(SOON, quinn.open_bi()).await.is_err());
    assert!(tokio::time::timeout(SOON, quinn.open_uni()).await.is_err());
    assert_eq!(member.link.close_reason(), None);
}

// spec: [quic.streams]
#[tokio::test]
async fn a_member_may_open_as_many_streams_as_the_limits_say() {
    let house = House::open(Limits {
        uploads: 2,
        fetches: 1,
        ..Limits::default()
    });
    let (raw, peer) = house.join_raw(1).await;
    let _uploads = (
        raw.connection.open_uni().await.unwrap(),
        raw.connection.open_uni().await.unwrap(),
    );
    assert!(
        tokio::time::timeout(SOON, raw.connection.open_uni())
            .await
            .is_err()
    );
    let _fetch = raw.connection.open_bi().await.unwrap();
    assert!(
        tokio::time::timeout(SOON, raw.connection.open_bi())
            .await
            .is_err()
    );
    assert_eq!(peer.link.close_reason(), None);
}

#[tokio::test]
async fn a_connection_that_ends_is_no_end_of_frames() {
    let house = House::open(Limits::default());
    let (member, mut peer) = house.join(1).await;
    member.link.close(crate::CloseCode::Refused);
    let error = peer.frames.recv().await.unwrap_err();
    assert_eq!(
        error,
        FrameError::Closed(Closed::ByPeer(crate::CloseCode::Refused))
    );
}
