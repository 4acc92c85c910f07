//! Keys that are shown and not held.

use ed25519_dalek::Signer as _;
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    client::AlwaysResolvesClientRawPublicKeys,
    pki_types::CertificateDer,
    server::AlwaysResolvesServerRawPublicKeys,
    sign::{self, CertifiedKey},
};

use super::*;
use crate::{Closed, identity::certified};

/// Shows one key and signs as it likes.
#[derive(Clone, Copy, Debug)]
struct Forger(fn(&[u8]) -> Vec<u8>);

impl Forger {
    fn certified(self, shown: CertificateDer<'static>) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(vec![shown], Arc::new(self)))
    }
}

impl sign::SigningKey for Forger {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn sign::Signer>> {
        Some(Box::new(*self))
    }
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl sign::Signer for Forger {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok((self.0)(message))
    }
    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

fn honest(message: &[u8]) -> Vec<u8> {
    key(1).sign(message).to_bytes().to_vec()
}

fn of_another_key(message: &[u8]) -> Vec<u8> {
    key(9).sign(message).to_bytes().to_vec()
}

fn over_another_message(message: &[u8]) -> Vec<u8> {
    honest(&message[1..])
}

/// S + group order: the same equation holds, the strict rules do not.
fn malleated(message: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = honest(message);
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    signature
}

fn cut(message: &[u8]) -> Vec<u8> {
    honest(message)[..63].to_vec()
}

fn shown(seed: u8) -> CertificateDer<'static> {
    certified(&key(seed)).cert[0].clone()
}

async fn join_as(house: &House, key: Arc<CertifiedKey>) -> Result<Raw, Closed> {
    let change = |tls: &mut rustls::ClientConfig| {
        tls.client_auth_cert_resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(key));
    };
    Raw::connect(house.address, 1, change)
        .await
        .map_err(Closed::from)
}

/// Alert `decrypt_error` (51).
const BAD_SIGNATURE: Closed = Closed::Transport { code: 0x133 };

/// Alert `bad_certificate` (42).
const BAD_KEY: Closed = Closed::Transport { code: 0x12a };

// spec: [quic.strict]
#[tokio::test]
async fn who_shows_a_members_key_without_its_secret_is_refused() {
    let house = House::open(Limits::default());
    assert!(
        join_as(&house, Forger(honest).certified(shown(1)))
            .await
            .is_ok()
    );
    for forged in [of_another_key, over_another_message, malleated, cut] {
        let refused = join_as(&house, Forger(forged).certified(shown(1))).await;
        assert_eq!(refused.err(), Some(BAD_SIGNATURE));
    }
    assert_eq!(house.server.stats().admitted, 1);
}

// spec: [quic.canonical]
#[tokio::test]
async fn who_shows_something_that_is_no_key_is_refused() {
    let house = House::open(Limits::default());
    let spki = shown(1).to_vec();
    let small_order = [&spki[..12], &[0; 32]].concat();
    let not_canonical = [&spki[..12], &[0xff; 31], &[0x7f]].concat();
    let too_long = [spki.as_slice(), &[0]].concat();
    for bytes in [
        small_order,
        not_canonical,
        too_long,
        vec![],
        b"certificate".to_vec(),
    ] {
        let refused = join_as(&house, Forger(honest).certified(bytes.clone().into())).await;
        // an empty key is refused by TLS itself
        let code = refused.err().unwrap();
        assert!(code == BAD_KEY || bytes.is_empty(), "{bytes:?}: {code:?}");
    }
    assert_eq!(house.server.stats().admitted, 0);
}

// spec: [quic.strict], [quic.pinned]
#[tokio::test]
async fn who_shows_the_coordinators_key_without_its_secret_is_refused() {
    let server = raw_server(|tls| {
        let forged = Forger(of_another_key).certified(shown(0));
        tls.cert_resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(forged));
    });
    let connect = join_at(server.local_addr().unwrap(), 1);
    let accept = async { server.accept().await.unwrap().await.map(|_| ()) };
    let (outcome, _) = tokio::join!(connect, accept);
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, ConnectError::Closed(BAD_SIGNATURE)),
        "{error:?}"
    );
}

// spec: [quic.canonical]
#[tokio::test]
async fn a_coordinator_that_shows_no_key_is_named_so() {
    let server = raw_server(|tls| {
        let no_key = Forger(honest).certified(b"certificate".to_vec().into());
        tls.cert_resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(no_key));
    });
    let connect = join_at(server.local_addr().unwrap(), 1);
    let accept = async { server.accept().await.unwrap().await.map(|_| ()) };
    let (outcome, _) = tokio::join!(connect, accept);
    let error = outcome.unwrap_err();
    assert!(matches!(error, ConnectError::BadFoundKey(_)), "{error:?}");
}
