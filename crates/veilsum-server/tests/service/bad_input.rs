//! Members that lie, or talk nonsense. Each test ends with the exact sum of the honest ones, or with the liar's own place
//! in it, once it behaves.

use veilsum_proto::{
    ids::{Round, Sid, Sid2, Slot},
    message::{
        Accept, Advert, Body, Confirmation, FaultNotice, Message, SignedSlot, UNSIGNED,
        UploadHeader,
    },
};
use veilsum_quic::{ClientEndpoint, CloseCode, Closed, ConnectError, FrameError, Limits};
use veilsum_server::Event;

use crate::support::*;

/// A round of three in which member 2, invited and not yet heard, sends what `bad` makes of its good advert, is told of the
/// fault, and then goes on as it should.
async fn one_fault(bad: impl FnOnce(&Site, Advert) -> Vec<u8>) -> FaultNotice {
    let federation = Federation::new(3);
    let mut config = task("counts", 100, 0);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let members = federation.join_all(house.address, [0, 1]);
    let mut site = federation.site(2);
    let mut ends = site.connect(house.address).await;
    let good = site.handle(&next(&mut ends).await).unwrap();
    let Body::Advert(advert) = good.body.clone() else {
        panic!("the answer to an invitation is an advert");
    };
    ends.1.send(bad(&site, advert).into()).await.unwrap();
    let Body::FaultNotice(notice) = next(&mut ends).await.body else {
        panic!("wanted a fault notice");
    };
    let kind = String::from_utf8(notice.kind.clone()).unwrap();
    let told = house
        .event(|event| match event {
            Event::Fault { id, kind, name, .. } => Some((*id, kind.clone(), name.clone())),
            _ => None,
        })
        .await;
    assert_eq!((told.0, told.1, told.2.as_str()), (Slot(2), kind, "site-2"));
    ends.1.send(good.encode().into()).await.unwrap();
    let (.., survivors, sum) = follow(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
    for member in members {
        assert!(member.look(|seen| seen.faults.is_empty() && seen.refusals.is_empty()));
    }
    notice
}

/// Goes on as an honest member, uploads included.
async fn follow(site: &mut Site, ends: &mut Ends, house: &mut House) -> Found {
    let result = house.result();
    tokio::pin!(result);
    loop {
        tokio::select! {
            found = &mut result => return found,
            message = next(ends) => site.answer(&ends.1, &message).await,
        }
    }
}

/// What is done to a good message, and what the coordinator says to it.
type Change<T> = (fn(&mut T), &'static str);

fn kind(notice: &FaultNotice) -> &str {
    std::str::from_utf8(&notice.kind).unwrap()
}

// spec: [service.fault]
#[tokio::test]
async fn garbage_is_named_and_forgiven() {
    let notice = one_fault(|_, _| b"no message at all".to_vec()).await;
    assert_eq!(kind(&notice), "version");
    let notice = one_fault(|_, _| vec![]).await;
    assert_eq!(kind(&notice), "malformed");
}

#[tokio::test]
async fn truncated_and_overlong_messages_are_named_and_forgiven() {
    let cut = |_: &Site, advert: Advert| {
        let mut bytes = Message::new(advert).encode();
        bytes.pop();
        bytes
    };
    assert_eq!(kind(&one_fault(cut).await), "malformed");
    let more = |_: &Site, advert: Advert| [Message::new(advert).encode(), vec![0]].concat();
    assert_eq!(kind(&one_fault(more).await), "malformed");
    let long = |_: &Site, advert: Advert| [Message::new(advert).encode(), vec![0; 100]].concat();
    let notice = one_fault(long).await;
    assert_eq!(kind(&notice), "too_long");
    let text = std::str::from_utf8(&notice.text).unwrap().to_owned();
    assert!(text.contains("at most"), "{text}");
}

#[tokio::test]
async fn a_wrong_signature_is_named_and_forgiven() {
    let bad = |_: &Site, mut advert: Advert| {
        advert.signature = UNSIGNED;
        Message::new(advert).encode()
    };
    assert_eq!(kind(&one_fault(bad).await), "signature");
}

#[tokio::test]
async fn a_message_in_anothers_name_is_named_and_forgiven() {
    let bad = |_: &Site, mut advert: Advert| {
        advert.slot = Slot(0);
        Message::new(advert).encode()
    };
    assert_eq!(kind(&one_fault(bad).await), "other_slot");
}

// spec: [service.route]
#[tokio::test]
async fn messages_of_another_task_round_attempt_or_session_are_named_and_forgiven() {
    let change: [Change<Advert>; 3] = [
        (|advert| advert.task.0[0] ^= 1, "Advert is for another task"),
        (|advert| advert.round.0 += 1, "Advert is for another round"),
        (
            |advert| advert.attempt.0 += 1,
            "Advert is for another attempt",
        ),
    ];
    for (change, text) in change {
        let notice = one_fault(|_, mut advert| {
            change(&mut advert);
            Message::new(advert).encode()
        })
        .await;
        assert_eq!(
            (kind(&notice), &notice.text[..]),
            ("other_session", text.as_bytes())
        );
    }
    let stranger = one_fault(|site, _| {
        let accept = Accept {
            sid: Sid([9; 32]),
            slot: site.slot,
            cuts: vec![],
            signature: UNSIGNED,
        };
        Message::new(accept).encode()
    });
    assert_eq!(kind(&stranger.await), "other_session");
    let stranger = one_fault(|site, _| {
        let confirmation = Confirmation {
            sid2: Sid2([9; 32]),
            signed: SignedSlot {
                slot: site.slot,
                signature: UNSIGNED,
            },
        };
        Message::new(confirmation).encode()
    });
    assert_eq!(kind(&stranger.await), "other_session");
}

// spec: [service.route] [service.header]
#[tokio::test]
async fn messages_that_do_not_belong_on_the_control_stream_are_named_and_forgiven() {
    let coordinators = one_fault(|_, _| {
        let notice = FaultNotice {
            kind: b"you".to_vec(),
            text: b"no, you".to_vec(),
        };
        // the longest notice is longer than what members send
        Message::new(notice).encode()
    });
    assert_eq!(kind(&coordinators.await), "wrong_phase");
    let header = one_fault(|site, _| {
        let header = UploadHeader {
            sid: Sid([1; 32]),
            sid2: Sid2([1; 32]),
            slot: site.slot,
            limbs: 1,
            signature: UNSIGNED,
        };
        Message::new(header).encode()
    });
    assert_eq!(kind(&header.await), "wrong_phase");
}

/// A round of four that tolerates one, in which member 3 does its worst and the others do not notice.
async fn without_the_fourth(
    worst: impl AsyncFnOnce(&Federation, &mut House) -> Vec<Running>,
) -> Vec<u32> {
    let federation = Federation::new(4);
    let mut config = task("counts", 100, 1);
    config.deadlines = deadlines(4000);
    config.gather.members = Some(4);
    let mut house = federation.serve(vec![config]);
    let members = federation.join_all(house.address, [0, 1, 2]);
    let _kept = worst(&federation, &mut house).await;
    let (.., survivors, sum) = house.result().await;
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
    for member in members {
        assert!(member.look(|seen| seen.faults.is_empty() && seen.refusals.is_empty()));
    }
    survivors
}

// spec: [service.frame]
#[tokio::test]
async fn a_frame_longer_than_any_message_costs_the_connection_of_its_sender_alone() {
    let survivors = without_the_fourth(async |federation, house| {
        let mut ends = federation.site(3).connect(house.address).await;
        next(&mut ends).await;
        ends.1.send(vec![0; 1 << 20].into()).await.unwrap();
        let closed = ends.1.closed().await;
        assert_eq!(closed, Closed::ByPeer(CloseCode::FrameTooLarge));
        vec![]
    });
    assert_eq!(survivors.await, [0, 1, 2]);
}

// spec: [service.fault.limit]
#[tokio::test]
async fn a_member_with_nothing_but_faults_loses_its_connection() {
    let survivors = without_the_fourth(async |federation, house| {
        let mut ends = federation.site(3).connect(house.address).await;
        next(&mut ends).await;
        let mut faults = 0;
        loop {
            // fails once the connection is gone, which the next read shows
            let _ = ends.1.send(b"nonsense".to_vec().into()).await;
            match ends.2.recv().await {
                Ok(Some(_)) => faults += 1,
                Ok(None) => panic!("wanted a refusal"),
                Err(error) => {
                    let refused = FrameError::Closed(Closed::ByPeer(CloseCode::Refused));
                    assert_eq!(error, refused, "after {faults}");
                    break;
                }
            }
        }
        assert!(faults <= 65, "{faults}");
        vec![]
    });
    assert_eq!(survivors.await, [0, 1, 2]);
}

// spec: [service.late]
#[tokio::test]
async fn repeats_and_stragglers_are_nobodys_fault() {
    let federation = Federation::new(3);
    let mut config = task("counts", 100, 0);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let _members = federation.join_all(house.address, [0, 1]);
    let mut site = federation.site(2);
    let mut ends = site.connect(house.address).await;
    let mut sent: Vec<Message> = Vec::new();
    let result = house.result();
    tokio::pin!(result);
    let (.., survivors, sum) = loop {
        let message = tokio::select! {
            found = &mut result => break found,
            message = next(&mut ends) => message,
        };
        assert!(!matches!(message.body, Body::FaultNotice(_)), "{message:?}");
        // everything said so far is said again before each answer
        for old in &sent {
            ends.1.send(old.encode().into()).await.unwrap();
        }
        if let Some(answer) = site.handle(&message) {
            ends.1.send(answer.encode().into()).await.unwrap();
            sent.push(answer);
        }
        if let Some((header, bytes)) = site.due(&message) {
            send_upload(&ends.1, &header, &bytes).await.unwrap();
        }
    };
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
}

// spec: [service.fault]
#[tokio::test]
async fn a_second_different_advert_is_named_and_the_first_counts() {
    let federation = Federation::new(3);
    let mut config = task("counts", 100, 0);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let _members = [0, 1].map(|slot| {
        // so that Advertise stays open
        federation
            .site(slot)
            .run(house.address, |message| match message.body.name() {
                "Open" => Act::Dawdle(500),
                _ => Act::Go,
            })
    });
    let mut site = federation.site(2);
    let mut ends = site.connect(house.address).await;
    let good = site.handle(&next(&mut ends).await).unwrap();
    ends.1.send(good.encode().into()).await.unwrap();
    let Body::Advert(mut other) = good.body.clone() else {
        panic!("the answer to an invitation is an advert");
    };
    other.seal_key[0] ^= 1;
    let other = Message::new(other.signed(&federation.members[2]));
    ends.1.send(other.encode().into()).await.unwrap();
    assert_eq!(fault_notice(&mut ends).await, "second_message");
    let (.., survivors, sum) = follow(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
}

// spec: [service.header]
#[tokio::test]
async fn uploads_that_open_with_nonsense_are_named_and_a_right_one_still_counts() {
    let federation = Federation::new(3);
    let mut config = task("counts", 100, 0);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let _members = federation.join_all(house.address, [0, 1]);
    let (mut site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    let Body::UploadHeader(good) = header.body.clone() else {
        panic!("wanted a header");
    };
    let change: [Change<UploadHeader>; 4] = [
        (|header| header.limbs = u64::MAX, "wrong_length"),
        (|header| header.slot = Slot(1), "other_slot"),
        (|header| header.sid2.0[0] ^= 1, "other_session"),
        (|header| header.sid.0[0] ^= 1, "other_session"),
    ];
    for (change, wanted) in change {
        let mut bad = good.clone();
        change(&mut bad);
        let bad = Message::new(bad.signed(&federation.members[2]));
        // the stop may come before or after the end of the stream is acknowledged
        let _ = send_upload(&ends.1, &bad, &bytes).await;
        assert_eq!(fault_notice(&mut ends).await, wanted);
    }
    let forged = Message::new(UploadHeader {
        signature: UNSIGNED,
        ..good
    });
    let _ = send_upload(&ends.1, &forged, &bytes).await;
    assert_eq!(fault_notice(&mut ends).await, "signature");
    let mut nonsense = ends.1.open_upload(vec![7; 20].into()).await.unwrap();
    let _ = nonsense.write(&bytes).await;
    assert_eq!(fault_notice(&mut ends).await, "version");
    send_upload(&ends.1, &header, &bytes).await.unwrap();
    let (.., survivors, sum) = finish(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
}

// spec: [service.admission]
#[tokio::test]
async fn a_key_that_is_not_on_the_roster_does_not_come_in() {
    let federation = Federation::new(3);
    let house = federation.serve(vec![task("counts", 10, 0)]);
    let client = ClientEndpoint::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let coordinator = *federation.roster.coordinator().as_bytes();
    let stranger = identity(77);
    let key = stranger.signing_key();
    let refused = client
        .connect(house.address, key, coordinator, Limits::default())
        .await;
    assert!(matches!(refused, Err(ConnectError::NotOnRoster)));
}

// spec: [service.slow]
#[tokio::test]
async fn a_member_that_does_not_read_loses_its_connection_and_holds_up_nobody() {
    let federation = Federation::new(4);
    let mut server = federation.config();
    server.limits.send_queue = 4;
    let mut config = task("counts", 100, 1);
    config.deadlines = deadlines(4000);
    config.gather.members = Some(4);
    let mut house = federation.serve_with(server, vec![config]);
    let members = federation.join_all(house.address, [0, 1, 2]);
    let client = ClientEndpoint::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let narrow = Limits {
        stream_window: 200,
        ..Limits::default()
    };
    let coordinator = *federation.roster.coordinator().as_bytes();
    let key = federation.members[3].signing_key();
    let connected = client
        .connect(house.address, key, coordinator, narrow)
        .await;
    let (connection, _unread) = connected.unwrap();
    // before, the round would wait for a fourth member
    house.phase("advertise").await;
    for _ in 0..40 {
        // fails once the connection is gone
        let _ = connection.send(b"nonsense".to_vec().into()).await;
    }
    assert_eq!(
        connection.closed().await,
        Closed::ByPeer(CloseCode::TooSlow)
    );
    assert_eq!(house.result().await.2, [0, 1, 2]);
    for member in members {
        assert!(member.look(|seen| seen.faults.is_empty() && seen.refusals.is_empty()));
    }
}
