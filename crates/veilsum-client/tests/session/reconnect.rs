//! Lines that break.

use std::time::Duration;

use veilsum_client::Event;
use veilsum_proto::coordinator::PhaseName;
use veilsum_quic::Limits;

use crate::coordinator::{Break, House, roster, until};
use crate::member::Setup;

/// Runs a round in which slot 0's line breaks as scripted; the coordinator waits for it.
async fn round_with(breaks: &[Break]) -> House {
    let house = House::open(roster(1));
    house.break_line(breaks);
    house.round(1, 0, None);
    let members = [1, 2, 3].map(|seed| Setup::new(&house, seed).run());
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap_or_else(|error| panic!("{error} {:?}", ended.log.events));
        assert_eq!(ended.log.asked.len(), 1);
        assert!(ended.log.results[0].certified, "{breaks:?}");
        assert_eq!(ended.log.results[0].survivors.len(), 3, "{breaks:?}");
    }
    assert_eq!(house.connections(), 3 + breaks.len(), "{breaks:?}");
    house
}

// spec: [reconnect.same-bytes]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_lost_with_the_line_comes_again_with_the_same_bytes() {
    for name in ["Advert", "SealedShares", "Accept", "Confirmation", "Reveal"] {
        let house = round_with(&[Break::Before(name)]).await;
        let sent = house.sent_by_first(name);
        assert_eq!(sent.len(), 2, "{name}");
        assert_eq!(sent[0], sent[1], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_lost_with_the_line_comes_again() {
    for name in ["Advert", "SealedShares", "Accept", "Confirmation", "Reveal"] {
        let house = round_with(&[Break::After(name)]).await;
        let sent = house.sent_by_first(name);
        assert!(sent.iter().all(|again| *again == sent[0]), "{name}");
    }
}

// spec: [reconnect.same-bytes] [upload.keep] [upload.stream]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_cut_twice_is_of_the_same_bytes_three_times() {
    let house = round_with(&[Break::Within(500), Break::Within(7000)]).await;
    let sent = house.sent_by_first("masked update");
    assert_eq!(sent.len(), 3);
    assert!(sent[0].len() >= 500 && sent[2].len() > sent[1].len());
    assert!(sent[2].starts_with(&sent[0]) && sent[2].starts_with(&sent[1]));
    let headers = house.sent_by_first("UploadHeader");
    assert_eq!(headers.len(), 3);
    assert!(headers.iter().all(|header| *header == headers[0]));
}

// spec: [confirm.after-upload]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_notice_of_storage_does_not_cost_the_signature() {
    let house = round_with(&[Break::Stored]).await;
    assert_eq!(house.sent_by_first("masked update").len(), 1);
    assert_eq!(house.sent_by_first("Confirmation").len(), 1);
}

// spec: [model.fetch] [model.verify]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_fetched_on_where_its_line_broke() {
    let limits = Limits {
        blob_range: 100_000,
        ..Limits::default()
    };
    let house = House::open_with(roster(1), limits);
    house.inner.lock().break_asks = true;
    let model = (0..3_000_000_u32)
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<_>>();
    house.round(1, 0, Some(&model));
    let members = [1, 2, 3].map(|seed| Setup::new(&house, seed).run());
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        assert_eq!(ended.log.asked.len(), 1);
        assert!(ended.log.asked[0].model.as_deref() == Some(model.as_slice()));
        assert_eq!(ended.refusals(), []);
    }
    assert_eq!(house.connections(), 6);
    // 120 ranges of the model, 3 that broke, and the sum; from the start again it would be 90 more
    let asks = house.inner.lock().asks[&veilsum_proto::ids::Slot(0)];
    assert!((121..=130).contains(&asks), "{asks}");
}

// spec: [model.verify]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_not_the_promised_one_is_not_trained_on() {
    let house = House::open(roster(1));
    house.round(1, 0, Some(b"the model"));
    for blob in house.inner.lock().blobs.values_mut() {
        *blob = veilsum_quic::Blob::Memory("another model".into());
    }
    let member = Setup::new(&house, 1).run();
    until("the refusal", || member.refused("model_wrong_digest")).await;
    member.stop.stop();
    let (_, ended) = member.end().await;
    assert!(ended.log.asked.is_empty() && ended.sent().is_empty());
}

// spec: [reconnect.backoff]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_not_there_is_tried_again_with_growing_waits() {
    let house = House::open(roster(1));
    let mut setup = Setup::new(&house, 1);
    // a port where nobody answers
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    setup.config.coordinator = silent.local_addr().unwrap().to_string();
    setup.config.limits.handshake_timeout = Duration::from_millis(50);
    let member = setup.run();
    let waits = |events: &[Event]| {
        let waits = events.iter().filter_map(|event| match event {
            Event::Reconnecting { in_ms } => Some(*in_ms),
            _ => None,
        });
        waits.collect::<Vec<_>>()
    };
    until("four tries", || waits(&member.events()).len() >= 4).await;
    member.stop.stop();
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    let waits = waits(&ended.log.events);
    assert!(
        (10..=20).contains(&waits[0]) && (20..=40).contains(&waits[1]),
        "{waits:?}"
    );
    assert!(
        (40..=80).contains(&waits[2]) && (50..=100).contains(&waits[3]),
        "{waits:?}"
    );
    assert!(ended.log.events.iter().any(|event| matches!(
        event, Event::Disconnected { reason } if reason.contains("no answer")
    )));
}

// spec: [reconnect.replaced]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_with_the_same_key_ends_the_first() {
    let house = House::open(roster(1));
    let first = Setup::new(&house, 1).run();
    until("the first", || house.connections() == 1).await;
    let second = Setup::new(&house, 1).run();
    let (outcome, _) = first.end().await;
    assert_eq!(outcome.unwrap_err().kind(), "replaced");
    second.stop.stop();
    second.end().await.0.unwrap();
    assert_eq!(house.phase(), None::<PhaseName>);
}
