//! Uploads that are whole, and all the ways in which they are not.

use std::time::Instant;

use bytes::Bytes;
use tokio::time::timeout;

use super::*;
use crate::{StreamCode, UploadBody, UploadError, WriteError};

const HEADER: Bytes = Bytes::from_static(b"whose update");

async fn body(peer: &Peer, length: u64) -> UploadBody {
    let upload = peer.accept_upload().await.unwrap().header().await.unwrap();
    assert_eq!(upload.header, HEADER);
    upload.accept(length, None)
}

async fn read_all(body: &mut UploadBody) -> Result<Vec<u8>, UploadError> {
    let (mut bytes, mut chunks) = (Vec::new(), vec![Bytes::new(); 7]);
    while let Some(count) = body.read_chunks(&mut chunks).await? {
        assert!((1..=7).contains(&count));
        chunks[..count]
            .iter()
            .for_each(|chunk| bytes.extend_from_slice(chunk));
    }
    Ok(bytes)
}

async fn read_in_pieces(body: &mut UploadBody) -> Result<Vec<u8>, UploadError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.read_chunk(50_000).await? {
        assert!(!chunk.is_empty() && chunk.len() <= 50_000);
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Sends the header and `bytes`, then ends the upload.
async fn send(member: &Connection, bytes: Vec<u8>) -> Result<(), WriteError> {
    let mut upload = member.open_upload(HEADER).await?;
    upload.write(&bytes).await?;
    upload.finish().await
}

// spec: [upload.header], [upload.length]
#[tokio::test]
async fn whole_uploads_arrive_byte_for_byte() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    for size in [0, 1, 5_000_000] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let receive = async { read_all(&mut body(&peer.link, size as u64).await).await };
        let (sent, received) = tokio::join!(send(&member.link, bytes.clone()), receive);
        assert_eq!(sent, Ok(()));
        assert_eq!(received.unwrap(), bytes);
        let receive = async { read_in_pieces(&mut body(&peer.link, size as u64).await).await };
        let (sent, received) = tokio::join!(send(&member.link, bytes.clone()), receive);
        assert_eq!(sent, Ok(()));
        assert_eq!(received.unwrap(), bytes);
    }
}

// spec: [upload.length]
#[tokio::test]
async fn an_upload_one_byte_too_short_is_not_whole() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let receive = async { read_all(&mut body(&peer.link, 10_001).await).await };
    let (_, received) = tokio::join!(send(&member.link, vec![1; 10_000]), receive);
    assert_eq!(
        received,
        Err(UploadError::TooShort {
            found: 10_000,
            wanted: 10_001
        })
    );
    assert_eq!(member.link.close_reason(), None);
}

// spec: [upload.length]
#[tokio::test]
async fn an_upload_one_byte_too_long_is_stopped_and_its_sender_told() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let mut upload = member.link.open_upload(HEADER).await.unwrap();
    upload.write(&[1; 10_001]).await.unwrap();
    let received = read_all(&mut body(&peer.link, 10_000).await).await;
    assert_eq!(received, Err(UploadError::TooLong { wanted: 10_000 }));
    let told = loop {
        match upload.write(&[1; 1000]).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(told, WriteError::Stopped(StreamCode::TooLong));
    assert_eq!(member.link.close_reason(), None);
}

// spec: [upload.rate]
#[tokio::test]
async fn a_slow_upload_is_cut_while_that_of_another_member_goes_on() {
    let limits = Limits {
        upload_grace: SOON,
        min_upload_rate: 1_000_000,
        ..Limits::default()
    };
    let house = House::open(limits);
    let (slow, slow_peer) = house.join(1).await;
    let (quick, quick_peer) = house.join(2).await;
    let mut upload = slow.link.open_upload(HEADER).await.unwrap();
    let dribble = async {
        loop {
            if let Err(error) = upload.write(&[0; 10]).await {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let cut = async {
        let mut body = body(&slow_peer.link, 1_000_000).await;
        read_all(&mut body).await.unwrap_err()
    };
    let whole = async { read_all(&mut body(&quick_peer.link, 3_000_000).await).await };
    let (told, cut, sent, whole) =
        tokio::join!(dribble, cut, send(&quick.link, vec![5; 3_000_000]), whole);
    assert!(
        matches!(
            cut,
            UploadError::TooSlow {
                rate: 1_000_000,
                ..
            }
        ),
        "{cut:?}"
    );
    assert_eq!(told, WriteError::Stopped(StreamCode::TooSlow));
    assert_eq!((sent, whole.unwrap().len()), (Ok(()), 3_000_000));
    assert_eq!(slow.link.close_reason(), None);
}

// spec: [upload.rate]
#[tokio::test]
async fn a_reader_that_pauses_does_not_blame_the_sender() {
    let house = House::open(Limits {
        upload_grace: SOON,
        min_upload_rate: u64::MAX,
        ..Limits::default()
    });
    let (member, peer) = house.join(1).await;
    let sender = async { send(&member.link, vec![2; 100_000]).await };
    let receive = async {
        let mut body = body(&peer.link, 100_000).await;
        let first = body.read_chunk(10).await.unwrap().unwrap();
        tokio::time::sleep(SOON * 2).await;
        first.len() + read_all(&mut body).await.unwrap().len()
    };
    assert_eq!(tokio::join!(sender, receive), (Ok(()), 100_000));
}

// spec: [upload.rate]
#[tokio::test]
async fn cancelled_reads_count_against_the_sender_all_the_same() {
    let house = House::open(Limits {
        upload_grace: SOON,
        ..Limits::default()
    });
    let (member, peer) = house.join(1).await;
    let _silent = member.link.open_upload(HEADER).await.unwrap();
    let mut body = body(&peer.link, 100).await;
    let started = Instant::now();
    let error = loop {
        if let Ok(read) = timeout(SOON / 10, body.read_chunk(10)).await {
            break read.unwrap_err();
        }
        assert!(
            started.elapsed() < SOON * 20,
            "cancelling has made the upload immortal"
        );
    };
    assert!(
        matches!(error, UploadError::TooSlow { found: 0, .. }),
        "{error:?}"
    );
}

// spec: [upload.deadline]
#[tokio::test]
async fn the_deadline_cuts_an_upload_of_any_rate() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let mut upload = member.link.open_upload(HEADER).await.unwrap();
    upload.write(&[3; 60]).await.unwrap();
    let pending = peer.link.accept_upload().await.unwrap();
    let mut body = pending
        .header()
        .await
        .unwrap()
        .accept(100, Some(Instant::now() + SOON));
    let error = read_all(&mut body).await.unwrap_err();
    assert_eq!(
        error,
        UploadError::Late {
            found: 60,
            wanted: 100
        }
    );
}

// spec: [upload.header]
#[tokio::test]
async fn a_header_over_the_limit_is_stopped_unread() {
    let house = House::open(Limits {
        header: 100,
        ..Limits::default()
    });
    let (raw, peer) = house.join_raw(1).await;
    let mut upload = raw.connection.open_uni().await.unwrap();
    upload.write_all(&[0xff; 4]).await.unwrap();
    let error = peer
        .link
        .accept_upload()
        .await
        .unwrap()
        .header()
        .await
        .unwrap_err();
    assert_eq!(
        error,
        UploadError::HeaderTooLarge {
            found: 0xffff_ffff,
            wanted: 100
        }
    );
    let code = upload.stopped().await.unwrap().unwrap();
    assert_eq!(code, StreamCode::HeaderTooLarge.wire());
}

// spec: [upload.header]
#[tokio::test]
async fn a_header_that_ends_early_or_never_comes_is_named() {
    let house = House::open(Limits {
        upload_grace: SOON,
        ..Limits::default()
    });
    let (raw, peer) = house.join_raw(1).await;
    let header = async || {
        peer.link
            .accept_upload()
            .await
            .unwrap()
            .header()
            .await
            .unwrap_err()
    };
    for (bytes, found, wanted) in [(b"\0".as_slice(), 1, 4), (b"\0\0\0\x09abc", 7, 13)] {
        let mut upload = raw.connection.open_uni().await.unwrap();
        upload.write_all(bytes).await.unwrap();
        upload.finish().unwrap();
        assert_eq!(
            header().await,
            UploadError::HeaderTruncated { found, wanted }
        );
    }
    let mut empty = raw.connection.open_uni().await.unwrap();
    empty.finish().unwrap();
    assert_eq!(
        header().await,
        UploadError::HeaderTruncated {
            found: 0,
            wanted: 4
        }
    );
    let mut silent = raw.connection.open_uni().await.unwrap();
    silent.write_all(b"\0").await.unwrap();
    assert!(matches!(
        header().await,
        UploadError::TooSlow { found: 0, .. }
    ));
}

// spec: [upload.header]
#[tokio::test]
async fn a_slow_header_does_not_hold_up_the_next_upload() {
    let house = House::open(Limits::default());
    let (raw, peer) = house.join_raw(1).await;
    let mut slow = raw.connection.open_uni().await.unwrap();
    slow.write_all(b"\0").await.unwrap();
    let slow_header = peer.link.accept_upload().await.unwrap().header();
    let mut quick = raw.connection.open_uni().await.unwrap();
    quick.write_all(b"\0\0\0\x02hi").await.unwrap();
    let header = peer
        .link
        .accept_upload()
        .await
        .unwrap()
        .header()
        .await
        .unwrap()
        .header;
    assert_eq!(header, "hi");
    drop(slow_header);
}

// spec: [upload.abandon]
#[tokio::test]
async fn a_dropped_sender_has_given_up_not_ended() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let mut upload = member.link.open_upload(HEADER).await.unwrap();
    upload.write(&[4; 50]).await.unwrap();
    let mut body = body(&peer.link, 50).await;
    assert_eq!(body.read_chunk(50).await.unwrap().unwrap().len(), 50);
    drop(upload);
    let error = body.read_chunk(50).await.unwrap_err();
    assert_eq!(
        error,
        UploadError::Abandoned {
            found: 50,
            code: StreamCode::Abandoned
        }
    );
}

#[tokio::test]
async fn a_refused_upload_tells_its_sender_the_code() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let upload = member.link.open_upload(HEADER).await.unwrap();
    peer.link
        .accept_upload()
        .await
        .unwrap()
        .header()
        .await
        .unwrap()
        .refuse(StreamCode::Refused);
    // the stop must be here before the end is sent, or there is nothing left to stop
    tokio::time::sleep(SOON).await;
    let error = upload.finish().await.unwrap_err();
    assert_eq!(error, WriteError::Stopped(StreamCode::Refused));
}

#[tokio::test]
async fn an_upload_of_a_lost_connection_says_how_it_was_lost() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    let upload = member.link.open_upload(HEADER).await.unwrap();
    let mut body = body(&peer.link, 50).await;
    member.link.close(crate::CloseCode::Internal);
    let reason = crate::Closed::ByPeer(crate::CloseCode::Internal);
    assert_eq!(body.read_chunk(50).await, Err(UploadError::Closed(reason)));
    drop(upload);
}

#[tokio::test]
async fn an_own_header_over_the_limit_is_refused_before_it_is_sent() {
    let house = House::open(Limits::default());
    let (member, _peer) = house.join(1).await;
    let error = member
        .link
        .open_upload(vec![0; 4097].into())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        WriteError::HeaderTooLarge {
            found: 4097,
            wanted: 4096
        }
    );
}
