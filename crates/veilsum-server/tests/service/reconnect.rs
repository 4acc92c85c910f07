//! Members that lose their connection and come back in the middle of a round.

use veilsum_proto::{ids::Round, message::Message};

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
