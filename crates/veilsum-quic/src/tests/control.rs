//! Frames: order, limits, back-pressure, and peers that lie about their length.

use bytes::Bytes;
use tokio::time::timeout;

use super::*;
use crate::{CloseCode, Closed, FrameError, SendError};

// spec: [control.order]
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_many_tasks_never_interleave() {
    let house = House::open(Limits::default());
    let (mut member, peer) = house.join(1).await;
    for task in 0..8_u8 {
        let peer = peer.link.clone();
        tokio::spawn(async move {
            for size in 0..50_usize {
                peer.send(vec![task; 1 + size * 997].into()).await.unwrap();
            }
        });
    }
    let mut next = [0_usize; 8];
    for _ in 0..400 {
        let frame = member.frames.recv().await.unwrap().unwrap();
        let task = frame[0];
        assert!(frame.iter().all(|byte| *byte == task));
        assert_eq!(
            frame.len(),
            1 + next[task as usize] * 997,
            "order within a task"
        );
        next[task as usize] += 1;
    }
}

// spec: [control.limit]
#[tokio::test]
async fn an_oversize_frame_closes_only_its_connection() {
    let house = House::open(Limits {
        frame: 1000,
        ..Limits::default()
    });
    let (bad, mut bad_peer) = house.join(1).await;
    let (good, mut good_peer) = house.join(2).await;
    bad.link.send(vec![0; 1001].into()).await.unwrap();
    good.link.send(vec![0; 1000].into()).await.unwrap();
    let error = bad_peer.frames.recv().await.unwrap_err();
    assert_eq!(
        error,
        FrameError::TooLarge {
            found: 1001,
            wanted: 1000
        }
    );
    assert_eq!(
        bad.link.closed().await,
        Closed::ByPeer(CloseCode::FrameTooLarge)
    );
    assert_eq!(good_peer.frames.recv().await.unwrap().unwrap().len(), 1000);
    assert_eq!(good.link.close_reason(), None);
}

// spec: [control.limit]
#[tokio::test]
async fn the_application_may_move_the_frame_limit_of_a_connection() {
    let house = House::open(Limits {
        frame: 10,
        ..Limits::default()
    });
    let (member, mut peer) = house.join(1).await;
    peer.link.set_frame_limit(3 << 20);
    member.link.send(vec![7; 3 << 20].into()).await.unwrap();
    assert_eq!(peer.frames.recv().await.unwrap().unwrap(), vec![7; 3 << 20]);
    peer.link.set_frame_limit(5);
    member.link.send(vec![7; 6].into()).await.unwrap();
    let error = peer.frames.recv().await.unwrap_err();
    assert_eq!(
        error,
        FrameError::TooLarge {
            found: 6,
            wanted: 5
        }
    );
}

// spec: [control.allocation], [control.truncated]
#[tokio::test]
async fn a_length_without_a_body_waits_and_then_is_a_truncated_frame() {
    let house = House::open(Limits::default());
    let (mut raw, mut peer) = house.join_raw(1).await;
    peer.link.set_frame_limit(usize::MAX);
    raw.send.write_all(&[0xff; 4]).await.unwrap();
    assert!(timeout(SOON, peer.frames.recv()).await.is_err());
    raw.send.finish().unwrap();
    let error = peer.frames.recv().await.unwrap_err();
    assert_eq!(
        error,
        FrameError::Truncated {
            found: 4,
            wanted: (1 << 32) + 3
        }
    );
    assert_eq!(peer.link.close_code(), Some(CloseCode::ProtocolError));
}

// spec: [control.truncated]
#[tokio::test]
async fn a_truncated_frame_closes_the_connection() {
    let house = House::open(Limits::default());
    let (mut raw, mut peer) = house.join_raw(1).await;
    raw.send.write_all(b"\0\0\0\x05abc").await.unwrap();
    raw.send.finish().unwrap();
    let error = peer.frames.recv().await.unwrap_err();
    assert_eq!(
        error,
        FrameError::Truncated {
            found: 7,
            wanted: 9
        }
    );
    let closed = Closed::from(raw.connection.closed().await);
    assert_eq!(closed, Closed::ByPeer(CloseCode::ProtocolError));
}

// spec: [control.truncated]
#[tokio::test]
async fn a_reset_control_stream_closes_the_connection() {
    let house = House::open(Limits::default());
    let (mut raw, mut peer) = house.join_raw(1).await;
    raw.send.reset(9_u32.into()).unwrap();
    assert!(matches!(
        peer.frames.recv().await,
        Err(FrameError::Reset(_))
    ));
    assert_eq!(peer.link.close_code(), Some(CloseCode::ProtocolError));
}

// spec: [control.open]
#[tokio::test]
async fn a_member_that_stops_the_control_stream_is_closed() {
    let house = House::open(Limits::default());
    let (mut raw, peer) = house.join_raw(1).await;
    raw.recv.stop(0_u32.into()).unwrap();
    let closed = async {
        while peer.link.send(Bytes::from_static(b"hear me")).await.is_ok() {
            tokio::task::yield_now().await;
        }
        raw.connection.closed().await
    };
    let closed = timeout(Duration::from_secs(10), closed).await.unwrap();
    assert_eq!(
        Closed::from(closed),
        Closed::ByPeer(CloseCode::ProtocolError)
    );
}

#[tokio::test]
async fn a_cancelled_recv_loses_no_byte() {
    let house = House::open(Limits::default());
    let (mut raw, mut peer) = house.join_raw(1).await;
    let body: Vec<u8> = (0..60).collect();
    let bytes = [60_u32.to_be_bytes().as_slice(), &body].concat();
    let dribble = tokio::spawn(async move {
        for byte in bytes {
            raw.send.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        raw
    });
    let mut cancelled = 0;
    let frame = loop {
        match timeout(Duration::from_millis(3), peer.frames.recv()).await {
            Ok(frame) => break frame.unwrap().unwrap(),
            Err(_) => cancelled += 1,
        }
    };
    assert_eq!(frame, body);
    assert!(cancelled > 0, "the test has cancelled nothing");
    dribble.await.unwrap();
}

// spec: [control.order]
#[tokio::test]
async fn a_member_that_does_not_read_fills_its_own_queue_only() {
    let house = House::open(Limits {
        send_queue: 4,
        ..Limits::default()
    });
    let (raw, slow) = house.join_raw(1).await;
    let (mut member, quick) = house.join(2).await;
    let frame = Bytes::from(vec![0; 1 << 20]);
    let full = loop {
        match slow.link.try_send(frame.clone()) {
            Ok(()) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => break error,
        }
    };
    assert_eq!(full, SendError::QueueFull { wanted: 4 });
    assert!(
        timeout(SOON, slow.link.send(frame.clone())).await.is_err(),
        "send waits"
    );
    quick.link.send(frame.clone()).await.unwrap();
    assert_eq!(member.frames.recv().await.unwrap().unwrap(), frame);
    drop(raw);
}

#[tokio::test]
async fn finish_delivers_every_frame_and_then_the_end() {
    let house = House::open(Limits::default());
    let (member, mut peer) = house.join(1).await;
    let sender = tokio::spawn(async move {
        for number in 0..200_u8 {
            member.link.send(vec![number; 5000].into()).await.unwrap();
        }
        member.link.finish().await.unwrap();
        let late = member.link.send(Bytes::new()).await;
        assert_eq!(late, Err(SendError::Finished));
        member
    });
    for number in 0..200_u8 {
        assert_eq!(
            peer.frames.recv().await.unwrap().unwrap(),
            vec![number; 5000]
        );
    }
    assert_eq!(peer.frames.recv().await, Ok(None));
    // the other way is still open
    let mut member = sender.await.unwrap();
    peer.link
        .send(Bytes::from_static(b"farewell"))
        .await
        .unwrap();
    assert_eq!(member.frames.recv().await.unwrap().unwrap(), "farewell");
}

#[tokio::test]
async fn sending_into_a_closed_connection_says_how_it_closed() {
    let house = House::open(Limits::default());
    let (member, peer) = house.join(1).await;
    peer.link.close(CloseCode::Refused);
    let reason = Closed::ByPeer(CloseCode::Refused);
    assert_eq!(member.link.closed().await, reason);
    // the writing task may still take a frame or two before it notices
    let error = loop {
        match member.link.send(Bytes::from_static(b"late")).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error, SendError::Closed(reason));
}

// spec: [quic.windows]
#[tokio::test]
async fn uploads_that_nobody_reads_hold_no_frame_back() {
    let house = House::open(Limits {
        uploads: 3,
        stream_window: 64 << 10,
        ..Limits::default()
    });
    let (raw, mut peer) = house.join_raw(1).await;
    let mut uploads = Vec::new();
    for _ in 0..3 {
        let mut upload = raw.connection.open_uni().await.unwrap();
        let stuck = timeout(SOON, upload.write_all(&vec![0; 1 << 20])).await;
        assert!(stuck.is_err(), "the window is full");
        uploads.push(upload);
    }
    let mut send = raw.send;
    send.write_all(b"\0\0\0\x04word").await.unwrap();
    let frame = timeout(Duration::from_secs(10), peer.frames.recv())
        .await
        .unwrap();
    assert_eq!(frame.unwrap().unwrap(), "word");
}
