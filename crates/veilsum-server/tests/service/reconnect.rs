//! Members that lose their connection and come back in the middle of a round.

use veilsum_proto::{
    ids::Round,
    message::{Body, Message},
};

use crate::support::*;

/// Member 1 gets `when`, loses its connection before it answers, and comes back.
async fn back_in(when: &'static str, act: Act) {
    let federation = Federation::new(3);
    let mut config = task("counts", 20_000, 0);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let members = federation.join_all(house.address, [0, 2]);
    let mut lost = false;
    let back = federation
        .site(1)
        .run(house.address, move |message: &Message| {
            let first = message.body.name() == when && !std::mem::replace(&mut lost, true);
            if first { act } else { Act::Go }
        });
    let (round, _, survivors, sum) = house.result().await;
    assert_eq!((round, &survivors[..]), (Round(1), &[0, 1, 2][..]));
    assert_eq!(sum, plain_sum(&survivors, Round(1), 20_000));
    back.until(|seen| seen.receipts.len() == 1).await;
    assert!(back.look(|seen| seen.receipts[0].1), "certified");
    for member in members.iter().chain([&back]) {
        assert_eq!(member.look(|seen| seen.refusals.clone()), [""; 0]);
        assert!(member.look(|seen| seen.faults.is_empty()));
    }
}

// spec: [service.pending]
#[tokio::test]
async fn a_member_that_comes_back_in_advertise_is_asked_again() {
    back_in("Open", Act::Reconnect).await;
}

#[tokio::test]
async fn a_member_that_comes_back_in_share_is_asked_again() {
    back_in("Adverts", Act::Reconnect).await;
}

#[tokio::test]
async fn a_member_that_comes_back_in_accept_is_asked_again() {
    back_in("DeliveredShares", Act::Reconnect).await;
}

#[tokio::test]
async fn a_member_that_comes_back_in_upload_is_asked_again() {
    back_in("ShareSet", Act::Reconnect).await;
}

// spec: [service.stage.newest] [service.stage.clean]
#[tokio::test]
async fn a_member_that_lost_its_upload_sends_the_same_bytes_again() {
    back_in("ShareSet", Act::ReconnectMidUpload).await;
}

/// It comes back in Confirm without having heard that its update is stored; without that it signs nothing.
// spec: [service.pending]
#[tokio::test]
async fn a_member_that_missed_that_its_update_is_stored_hears_it_before_it_is_asked_to_sign() {
    back_in("UploadStored", Act::Reconnect).await;
}

#[tokio::test]
async fn a_member_that_comes_back_in_confirm_is_asked_again() {
    back_in("SurvivorSet", Act::Reconnect).await;
}

#[tokio::test]
async fn a_member_that_comes_back_in_reveal_is_asked_again() {
    back_in("Certificate", Act::Reconnect).await;
}

// spec: [service.publish.again]
#[tokio::test]
async fn a_member_that_missed_the_receipt_gets_it_when_it_comes_back() {
    let federation = Federation::new(3);
    let mut house = federation.serve(vec![task("counts", 10, 0)]);
    let _members = federation.join_all(house.address, [0, 1]);
    let mut lost = false;
    let back = federation
        .site(2)
        .run(house.address, move |message: &Message| {
            let first = message.body.name() == "Receipt" && !std::mem::replace(&mut lost, true);
            if first { Act::Reconnect } else { Act::Go }
        });
    house.result().await;
    back.until(|seen| seen.receipts.len() == 1).await;
}

/// It was away when the first round ended and when the second one opened.
// spec: [service.publish.behind]
#[tokio::test]
async fn a_member_that_comes_back_in_the_next_round_hears_first_how_the_last_one_ended() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 1);
    config.rounds = Some(2);
    config.gather.members = Some(2);
    config.deadlines.upload_ms = 3000;
    let mut house = federation.serve(vec![config]);
    let _members = [0, 1].map(|slot| {
        let site = federation.site(slot);
        // the second round waits in Advertise
        site.run(house.address, |message| match &message.body {
            Body::Open(open) if open.round == Round(2) => Act::Ignore,
            _ => Act::Go,
        })
    });
    let away = federation.site(2).run(house.address, |message: &Message| {
        match message.body.name() == "ShareSet" {
            true => Act::VanishMidUpload,
            false => Act::Go,
        }
    });
    assert_eq!(house.result().await.0, Round(1));
    house.phase("advertise").await;
    let mut ends = federation.site(2).connect(house.address).await;
    let Body::Receipt(receipt) = next(&mut ends).await.body else {
        panic!("wanted the receipt of the last round first");
    };
    assert_eq!(receipt.round, Round(1));
    let Body::Open(open) = next(&mut ends).await.body else {
        panic!("wanted the round that is open");
    };
    assert_eq!(open.round, Round(2));
    drop(away);
}
