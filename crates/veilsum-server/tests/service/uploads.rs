//! Uploads on their way: budgets, slow senders, wrong lengths, doubles.

use std::time::Duration;

use veilsum_proto::{
    ids::Round,
    message::{Body, Message},
};
use veilsum_quic::{Limits, WriteError};

use crate::support::*;

const DIM: u64 = 50_000;

// spec: [service.stage.budget] [service.stage.clean]
#[tokio::test]
async fn with_a_tiny_budget_uploads_spill_to_files_and_the_sum_is_exact() {
    let federation = Federation::new(3);
    let mut server = federation.config();
    server.staging_budget = 1000;
    let mut house = federation.serve_with(server, vec![config(0)]);
    let staging = federation.state().join("staging");
    let _members = federation.join_all(house.address, [0, 1]);
    let (mut site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let mut upload = ends.1.open_upload(header.encode().into()).await.unwrap();
    upload.write(first).await.unwrap();
    let spilled = async {
        while files(&staging) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let spilled = tokio::time::timeout(Duration::from_secs(30), spilled).await;
    spilled.expect("nothing was spilled");
    upload.write(rest).await.unwrap();
    upload.finish().await.unwrap();
    let (.., survivors, sum) = finish(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
    assert_eq!(files(&staging), 0);
}

// spec: [service.stage.wait]
#[tokio::test]
async fn with_room_for_one_upload_the_others_wait_their_turn() {
    let federation = Federation::new(5);
    let counts = task("counts", DIM, 1);
    let bytes = counts.task.plan(5).unwrap().packed_bytes() as u64;
    let mut config = federation.config();
    (config.staging_budget, config.spill_budget) = (bytes, 0);
    let mut house = federation.serve_with(config, vec![counts]);
    let _members = federation.join_all(house.address, 0..5);
    let (.., survivors, sum) = house.result().await;
    assert_eq!(survivors, [0, 1, 2, 3, 4]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
}

fn config(missing: u32) -> veilsum_server::TaskConfig {
    let mut config = task("counts", DIM, missing);
    config.gather.members = Some(3);
    config
}

// spec: [service.stage.whole]
#[tokio::test]
async fn a_sender_slower_than_the_lowest_rate_is_not_in_the_sum() {
    let federation = Federation::new(3);
    let mut server = federation.config();
    server.limits = Limits {
        upload_grace: Duration::from_millis(300),
        min_upload_rate: 1 << 20,
        ..Limits::default()
    };
    let mut counts = config(1);
    counts.deadlines.upload_ms = 5000;
    let mut house = federation.serve_with(server, vec![counts]);
    let _members = federation.join_all(house.address, [0, 1]);
    let (_site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    let mut upload = ends.1.open_upload(header.encode().into()).await.unwrap();
    upload.write(&bytes[..1000]).await.unwrap();
    assert_eq!(fault_notice(&mut ends).await, "too_slow");
    let (.., survivors, sum) = house.result().await;
    assert_eq!(survivors, [0, 1]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
}

// spec: [service.stage.whole]
#[tokio::test]
async fn an_upload_that_is_not_whole_at_the_deadline_is_late_and_not_in_the_sum() {
    let federation = Federation::new(3);
    let mut counts = config(1);
    counts.deadlines.upload_ms = 2000;
    let mut house = federation.serve(vec![counts]);
    let _members = federation.join_all(house.address, [0, 1]);
    let (_site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    let mut upload = ends.1.open_upload(header.encode().into()).await.unwrap();
    upload.write(&bytes[..bytes.len() - 1]).await.unwrap();
    assert_eq!(fault_notice(&mut ends).await, "late");
    assert_eq!(house.result().await.2, [0, 1]);
}

// spec: [service.stage.whole] [service.fault]
#[tokio::test]
async fn short_and_long_uploads_are_named_and_a_right_one_still_counts() {
    let federation = Federation::new(3);
    let mut house = federation.serve(vec![config(0)]);
    let _members = federation.join_all(house.address, [0, 1]);
    let (mut site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    let short = &bytes[..bytes.len() - 8];
    send_upload(&ends.1, &header, short).await.unwrap();
    assert_eq!(fault_notice(&mut ends).await, "wrong_length");
    let long = [&bytes[..], &[0]].concat();
    // the stop may come before or after the end of the stream is acknowledged
    let _ = send_upload(&ends.1, &header, &long).await;
    assert_eq!(fault_notice(&mut ends).await, "wrong_length");
    send_upload(&ends.1, &header, &bytes).await.unwrap();
    let (.., survivors, sum) = finish(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
}

// spec: [service.stage.newest]
#[tokio::test]
async fn a_newer_upload_of_the_same_member_takes_the_place_of_the_older() {
    let federation = Federation::new(3);
    let mut house = federation.serve(vec![config(0)]);
    let _members = federation.join_all(house.address, [0, 1]);
    let (mut site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    let mut older = ends.1.open_upload(header.encode().into()).await.unwrap();
    older.write(&bytes[..1000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    send_upload(&ends.1, &header, &bytes).await.unwrap();
    let (.., survivors, sum) = finish(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
    let ended = older.finish().await;
    assert!(matches!(ended, Err(WriteError::Stopped(_))), "{ended:?}");
}

// spec: [service.stage.again]
#[tokio::test]
async fn a_second_upload_after_the_first_is_stored_is_answered_and_not_added() {
    let federation = Federation::new(3);
    let mut house = federation.serve(vec![config(0)]);
    let _first = federation.join_all(house.address, [0]);
    let _slow = federation
        .site(1)
        .run(house.address, |message| match message.body {
            // so that Upload stays open
            Body::ShareSet(_) => Act::Dawdle(1500),
            _ => Act::Go,
        });
    let (mut site, mut ends, header, bytes) = ready(&federation, &house, 2).await;
    send_upload(&ends.1, &header, &bytes).await.unwrap();
    let Body::UploadStored(stored) = next(&mut ends).await.body else {
        panic!("wanted UploadStored");
    };
    site.handle(&Message::new(stored.clone()));
    let _ = send_upload(&ends.1, &header, &bytes).await;
    let Body::UploadStored(again) = next(&mut ends).await.body else {
        panic!("wanted UploadStored again");
    };
    assert_eq!(again, stored);
    let (.., survivors, sum) = finish(&mut site, &mut ends, &mut house).await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), DIM));
}
