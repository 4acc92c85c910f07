//! Blobs: fetched whole, in ranges, over several connections, and not at all.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use super::*;
use crate::{
    Blob, BlobSource, Closed, Delta, FetchError, MakesDelta, PartialBlob, PartialSync, StreamCode,
    Synced,
};

fn model(size: u32) -> (Bytes, [u8; 32]) {
    let bytes: Bytes = (0..size)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let digest = Sha256::digest(&bytes).into();
    (bytes, digest)
}

/// Serves `blob` under `digest`, whether that is its digest or not.
fn serve(peer: &Peer, digest: [u8; 32], blob: Blob) -> JoinHandle<Closed> {
    serve_with(
        peer,
        Arc::new(move |wanted: &[u8; 32]| (*wanted == digest).then(|| blob.clone())),
    )
}

fn serve_with(peer: &Peer, source: Arc<dyn BlobSource>) -> JoinHandle<Closed> {
    let peer = peer.clone();
    tokio::spawn(async move { peer.serve_blobs(source).await })
}

// spec: [blob.range], [blob.digest]
#[tokio::test]
async fn blobs_of_memory_and_files_arrive_whole_in_several_ranges() {
    let house = House::open(Limits {
        blob_range: 700_001,
        ..Limits::default()
    });
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 1, 3_000_000] {
        let (bytes, digest) = model(size);
        let path = folder.path().join("served");
        std::fs::write(&path, &bytes).unwrap();
        for blob in [Blob::Memory(bytes.clone()), Blob::File(path)] {
            let (member, peer) = house.join(1).await;
            serve(&peer.link, digest, blob);
            let mut part = PartialBlob::in_memory(digest);
            member.link.fetch(&mut part, 3_000_000).await.unwrap();
            assert_eq!(
                (part.downloaded(), part.total()),
                (size.into(), Some(size.into()))
            );
            assert_eq!(part.into_bytes().unwrap(), bytes);
        }
    }
}

// spec: [blob.reply]
#[tokio::test]
async fn an_unknown_blob_is_named_by_its_digest() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    serve(&peer.link, [1; 32], Blob::Memory(Bytes::new()));
    let mut part = PartialBlob::in_memory([2; 32]);
    let error = member.link.fetch(&mut part, 10).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("coordinator has no blob {}", "02".repeat(32))
    );
    assert!(!part.is_whole());
    assert_eq!(part.into_bytes(), None);
}

// spec: [blob.size]
#[tokio::test]
async fn a_blob_over_the_members_limit_is_refused_before_its_bytes_come() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let (bytes, digest) = model(1001);
    serve(&peer.link, digest, Blob::Memory(bytes));
    let mut part = PartialBlob::in_memory(digest);
    let error = member.link.fetch(&mut part, 1000).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::TooLarge {
                found: 1001,
                wanted: 1000
            }
        ),
        "{error:?}"
    );
    assert_eq!(part.downloaded(), 0);
    member.link.fetch(&mut part, 1001).await.unwrap();
}

// spec: [blob.digest]
#[tokio::test]
async fn other_bytes_under_a_digest_are_refused_and_forgotten() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let (bytes, digest) = model(1000);
    let mut lie = bytes.to_vec();
    lie[999] ^= 1;
    let server = serve(&peer.link, digest, Blob::Memory(lie.into()));
    let mut part = PartialBlob::in_memory(digest);
    let error = member.link.fetch(&mut part, 1000).await.unwrap_err();
    assert!(
        matches!(error, FetchError::WrongDigest { wanted, .. } if wanted == digest),
        "{error:?}"
    );
    assert_eq!(part.received(), 0);
    server.abort();
    serve(&peer.link, digest, Blob::Memory(bytes.clone()));
    member.link.fetch(&mut part, 1000).await.unwrap();
    assert_eq!(part.into_bytes().unwrap(), bytes);
}

/// Tells when the range of this number has been asked for.
struct Tells {
    bytes: Bytes,
    ranges: AtomicUsize,
    tell_at: usize,
    told: Arc<Notify>,
}

impl BlobSource for Tells {
    fn open(&self, _: &[u8; 32]) -> Option<Blob> {
        if self.ranges.fetch_add(1, Ordering::Relaxed) == self.tell_at {
            self.told.notify_one();
        }
        Some(Blob::Memory(self.bytes.clone()))
    }
}

// spec: [blob.resume]
#[tokio::test]
async fn a_fetch_resumes_over_a_new_connection_and_takes_each_byte_once() {
    let house = House::open(Limits {
        blob_range: 100_000,
        ..Limits::default()
    });
    let (bytes, digest) = model(2_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    let parts = [
        PartialBlob::in_memory(digest),
        PartialBlob::in_file(digest, &path).await.unwrap(),
    ];
    for mut part in parts {
        let told = Arc::new(Notify::new());
        let (ranges, tell_at) = (AtomicUsize::new(0), 7);
        let source = Arc::new(Tells {
            bytes: bytes.clone(),
            ranges,
            tell_at,
            told: told.clone(),
        });
        let (member, peer) = house.join(1).await;
        serve_with(&peer.link, source.clone());
        let breaks = async {
            told.notified().await;
            peer.link.close(crate::CloseCode::Internal);
        };
        let (fetched, ()) = tokio::join!(member.link.fetch(&mut part, 2_000_000), breaks);
        assert!(matches!(fetched, Err(FetchError::Closed(_))), "{fetched:?}");
        let kept = part.received();
        assert!((700_000..2_000_000).contains(&kept), "{kept}");
        assert_eq!(part.downloaded(), kept);

        let (member, peer) = house.join(1).await;
        serve_with(&peer.link, source);
        member.link.fetch(&mut part, 2_000_000).await.unwrap();
        assert!(part.is_whole());
        assert_eq!(part.downloaded(), 2_000_000);
        if let Some(held) = part.into_bytes() {
            assert_eq!(held, bytes);
        }
    }
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

// spec: [blob.resume]
#[tokio::test]
async fn a_file_is_gone_on_with_by_another_process_and_by_a_cancelled_call() {
    let house = House::open(Limits::default());
    let (bytes, digest) = model(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    std::fs::write(&path, &bytes[..300_000]).unwrap();
    let mut part = PartialBlob::in_file(digest, &path).await.unwrap();
    assert_eq!(part.received(), 300_000);
    let (member, peer) = house.join(1).await;
    serve(&peer.link, digest, Blob::Memory(bytes.clone()));
    for _ in 0..20 {
        let _ = timeout(
            Duration::from_micros(200),
            member.link.fetch(&mut part, 1_000_000),
        )
        .await;
    }
    member.link.fetch(&mut part, 1_000_000).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

// spec: [blob.resume]
#[tokio::test]
async fn a_file_longer_than_the_blob_starts_over() {
    let house = House::open(Limits::default());
    let (bytes, digest) = model(1000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    std::fs::write(&path, [7; 1001]).unwrap();
    let mut part = PartialBlob::in_file(digest, &path).await.unwrap();
    let (member, peer) = house.join(1).await;
    serve(&peer.link, digest, Blob::Memory(bytes.clone()));
    let error = member.link.fetch(&mut part, 5000).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::LengthChanged {
                found: 1000,
                wanted: 1001
            }
        ),
        "{error:?}"
    );
    member.link.fetch(&mut part, 5000).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

// spec: [blob.request]
#[tokio::test]
async fn a_malformed_request_is_reset_and_the_connection_lives_on() {
    let house = House::open(Limits {
        stall_timeout: SOON,
        ..Limits::default()
    });
    let (raw, peer) = house.join_raw(1).await;
    serve(&peer.link, [0; 32], Blob::Memory(Bytes::new()));
    for (bytes, ends, code) in [
        (vec![0; 47], true, StreamCode::Malformed),
        (vec![0; 49], true, StreamCode::Malformed),
        (vec![0; 79], true, StreamCode::Malformed),
        (vec![0; 81], true, StreamCode::Malformed),
        (vec![1; 80], true, StreamCode::Malformed),
        (vec![0; 48], false, StreamCode::TooSlow),
    ] {
        let (mut send, mut recv) = raw.connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        if ends {
            send.finish().unwrap();
        }
        let error = recv.read_to_end(100).await.unwrap_err();
        let reset = quinn::ReadError::Reset(code.wire());
        assert_eq!(error, quinn::ReadToEndError::Read(reset));
    }
    assert_eq!(peer.link.close_reason(), None);
}

/// A member that asks for a blob.
async fn fetch_from_liar(reply: &[u8]) -> FetchError {
    hear_from_liar(reply, None).await.unwrap_err()
}

/// A member that has a blob and asks for another, of 10 bytes at most, while the coordinator answers its one request
/// with `reply`.
async fn hear_from_liar(reply: &[u8], have: Option<[u8; 32]>) -> Result<Synced, FetchError> {
    let server = raw_server(|_| {});
    let address = server.local_addr().unwrap();
    let lie = async {
        let connection = server.accept().await.unwrap().await.unwrap();
        let (mut control, recv) = connection.open_bi().await.unwrap();
        control.write_all(HELLO).await.unwrap();
        let (mut send, _recv) = connection.accept_bi().await.unwrap();
        send.write_all(reply).await.unwrap();
        send.finish().unwrap();
        let _ = send.stopped().await;
        (connection, control, recv)
    };
    let fetch = async {
        let connect = join_at(address, 1);
        let (member, _frames) = connect.await.unwrap();
        let mut part = PartialSync::new(PartialBlob::in_memory([0; 32]), have);
        member.sync(&mut part, 10).await
    };
    tokio::join!(lie, fetch).1
}

// spec: [blob.reply]
#[tokio::test]
async fn replies_of_a_lying_coordinator_are_malformed() {
    let head = |total: u8| [0, 0, 0, 0, 0, 0, 0, 0, total];
    let longer = [head(4).as_slice(), &[1; 11]].concat();
    let unasked = [&[3, 0, 0, 0, 0, 0, 0, 0, 4], &[7; 32][..], &[1; 4]].concat();
    let cases = [
        &b""[..],
        b"\0\0\0",
        &[9; 9],
        &head(4),
        &longer,
        &unasked,
        &unasked[..9],
        &unasked[..40],
    ];
    for reply in cases {
        let error = fetch_from_liar(reply).await;
        assert!(
            matches!(error, FetchError::Malformed { .. }),
            "{reply:?}: {error:?}"
        );
    }
    let huge = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(
        fetch_from_liar(&huge).await,
        FetchError::TooLarge { .. }
    ));
}

#[tokio::test]
async fn a_blob_whose_file_is_gone_is_the_coordinators_fault() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    serve(&peer.link, [3; 32], Blob::File("/nowhere/at/all".into()));
    let mut part = PartialBlob::in_memory([3; 32]);
    let error = member.link.fetch(&mut part, 10).await.unwrap_err();
    let code = StreamCode::Internal;
    assert!(
        matches!(error, FetchError::BrokenOff { offset: 0, code: found } if found == code),
        "{error:?}"
    );
}

/// Has a blob, and a delta towards it from one other.
struct Versions {
    wanted: (Bytes, [u8; 32]),
    delta: (Bytes, [u8; 32]),
    have: [u8; 32],
    sent: Mutex<BTreeMap<[u8; 32], u64>>,
    ranges: AtomicUsize,
    told: Arc<Notify>,
    /// Never has a delta ready.
    ponders: bool,
}

impl Versions {
    fn new(blob: u32, delta: u32) -> Self {
        Self {
            wanted: model(blob),
            delta: model(delta),
            have: [9; 32],
            sent: Mutex::default(),
            ranges: AtomicUsize::new(0),
            told: Arc::default(),
            ponders: false,
        }
    }

    fn sent_of(&self, digest: &[u8; 32]) -> u64 {
        self.sent.lock().unwrap().get(digest).copied().unwrap_or(0)
    }

    fn part(&self, have: [u8; 32]) -> PartialSync {
        PartialSync::new(PartialBlob::in_memory(self.wanted.1), Some(have))
    }
}

impl BlobSource for Versions {
    fn open(&self, digest: &[u8; 32]) -> Option<Blob> {
        if self.ranges.fetch_add(1, Ordering::Relaxed) == 7 {
            self.told.notify_one();
        }
        let all = [&self.wanted, &self.delta];
        let found = all.into_iter().find(|(_, known)| known == digest)?;
        Some(Blob::Memory(found.0.clone()))
    }

    fn delta<'a>(&'a self, have: &'a [u8; 32], wanted: &'a [u8; 32]) -> MakesDelta<'a> {
        Box::pin(async move {
            if self.ponders {
                std::future::pending::<()>().await;
            }
            let known = *have == self.have && *wanted == self.wanted.1;
            known.then(|| Delta {
                digest: self.delta.1,
                bytes: self.delta.0.clone(),
            })
        })
    }

    fn sent(&self, digest: &[u8; 32], bytes: u64) {
        *self.sent.lock().unwrap().entry(*digest).or_default() += bytes;
    }
}

// spec: [blob.delta], [blob.delta.ranges]
#[tokio::test]
async fn a_delta_comes_in_ranges_and_bytes_sent_are_counted_by_digest() {
    let house = House::open(Limits {
        blob_range: 100_001,
        ..Limits::default()
    });
    let versions = Arc::new(Versions::new(2_000_000, 700_000));
    let (member, peer) = house.join(1).await;
    serve_with(&peer.link, versions.clone());
    let mut part = versions.part([9; 32]);
    assert_eq!(
        member.link.sync(&mut part, 2_000_000).await.unwrap(),
        Synced::Delta
    );
    assert_eq!(part.downloaded(), 700_000);
    assert_eq!(versions.sent_of(&versions.delta.1), 700_000);
    assert_eq!(part.take_delta().unwrap(), versions.delta.0);

    // what the member makes of it is not the blob
    let mut part = versions.part([9; 32]);
    member.link.sync(&mut part, 2_000_000).await.unwrap();
    assert!(part.may_be_delta());
    part.refuse_delta();
    assert!(!part.may_be_delta());
    assert_eq!(
        member.link.sync(&mut part, 2_000_000).await.unwrap(),
        Synced::Whole
    );
    assert_eq!(part.downloaded(), 2_700_000);
    assert_eq!(versions.sent_of(&versions.wanted.1), 2_000_000);
    assert_eq!(part.into_whole().into_bytes().unwrap(), versions.wanted.0);
}

// spec: [blob.delta]
#[tokio::test]
async fn a_member_with_another_blob_gets_the_whole_one() {
    let house = House::open(Limits::default());
    let versions = Arc::new(Versions::new(50_000, 100));
    let (member, peer) = house.join(1).await;
    serve_with(&peer.link, versions.clone());
    let mut part = versions.part([8; 32]);
    let synced = member.link.sync(&mut part, 2_000_000).await.unwrap();
    assert_eq!(synced, Synced::Whole);
    assert_eq!(part.into_whole().into_bytes().unwrap(), versions.wanted.0);
}

// spec: [blob.delta.time]
#[tokio::test]
async fn a_delta_that_takes_too_long_is_not_waited_for() {
    let house = House::open(Limits {
        stall_timeout: SOON,
        ..Limits::default()
    });
    let mut versions = Versions::new(50_000, 100);
    versions.ponders = true;
    let (member, peer) = house.join(1).await;
    let mut part = versions.part([9; 32]);
    serve_with(&peer.link, Arc::new(versions));
    let synced = member.link.sync(&mut part, 2_000_000).await.unwrap();
    assert_eq!(synced, Synced::Whole);
}

// spec: [blob.delta.ranges], [blob.resume]
#[tokio::test]
async fn a_delta_resumes_over_a_new_connection_and_takes_each_byte_once() {
    let house = House::open(Limits {
        blob_range: 100_000,
        ..Limits::default()
    });
    let versions = Arc::new(Versions::new(3_000_000, 2_000_000));
    let (member, peer) = house.join(1).await;
    serve_with(&peer.link, versions.clone());
    let mut part = versions.part([9; 32]);
    let breaks = async {
        versions.told.notified().await;
        peer.link.close(crate::CloseCode::Internal);
    };
    let (synced, ()) = tokio::join!(member.link.sync(&mut part, 3_000_000), breaks);
    assert!(matches!(synced, Err(FetchError::Closed(_))), "{synced:?}");
    let kept = part.delta().unwrap().received();
    assert!((700_000..2_000_000).contains(&kept), "{kept}");

    let (member, peer) = house.join(1).await;
    serve_with(&peer.link, versions.clone());
    let synced = member.link.sync(&mut part, 3_000_000).await.unwrap();
    assert_eq!((synced, part.downloaded()), (Synced::Delta, 2_000_000));
    assert_eq!(part.take_delta().unwrap(), versions.delta.0);
}

// spec: [blob.delta.ranges], [blob.size], [blob.digest]
#[tokio::test]
async fn deltas_of_a_lying_coordinator_are_refused() {
    let offer =
        |total: u8, bytes: &[u8]| [&[3, 0, 0, 0, 0, 0, 0, 0, total], &[7; 32][..], bytes].concat();
    let have = Some([1; 32]);
    let other = hear_from_liar(&offer(4, &[1; 4]), have).await;
    assert!(matches!(other, Err(FetchError::WrongDigest { wanted, .. }) if wanted == [7; 32]));
    let large = hear_from_liar(&offer(11, &[]), have).await;
    assert!(matches!(
        large,
        Err(FetchError::TooLarge {
            found: 11,
            wanted: 10
        })
    ));
    let empty = hear_from_liar(&offer(4, &[]), have).await;
    assert!(matches!(empty, Err(FetchError::Malformed { .. })));
    let longer = hear_from_liar(&offer(4, &[1; 11]), have).await;
    assert!(matches!(longer, Err(FetchError::Malformed { .. })));
    let beyond = hear_from_liar(&[2, 0, 0, 0, 0, 0, 0, 0, 9], have).await;
    assert!(matches!(beyond, Err(FetchError::Malformed { .. })));
    for cut in [1, 9, 40] {
        let short = hear_from_liar(&offer(4, &[])[..cut], have).await;
        assert!(matches!(short, Err(FetchError::Malformed { .. })), "{cut}");
    }
}
