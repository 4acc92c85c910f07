//! What is of another attempt, session, slot or task is refused, and leaves the member where it was.

use super::*;
use crate::bitmap::{Bitmap, BitmapError};
use crate::ids::{Hash, Sid, Sid2};
use crate::message::{Adverts, DeliveredShares, UNSIGNED, UploadStored};
use crate::session::SetError;

/// Four members and what is due to slot 0 after so many closed phases, as it is sent.
fn due_after(phases: u32) -> (House, Attempted, Message) {
    let mut house = House::new();
    let mut attempt = house.attempt(0);
    for _ in 0..phases {
        house.trip(&mut attempt);
        attempt.close();
    }
    let message = attempt.due(0);
    (house, attempt, message)
}

/// All have uploaded; what is due to slot 0 is the set of survivors.
fn uploaded() -> (House, Attempted) {
    let mut house = House::new();
    let mut attempt = house.attempt(0);
    ready(&mut house, &mut attempt);
    (0..MEMBERS).for_each(|slot| house.upload(&mut attempt, slot).unwrap());
    attempt.close();
    (house, attempt)
}

/// The certificate stands with slot 0; its reveal is with the coordinator.
fn revealing() -> (House, Attempted) {
    let (mut house, mut attempt) = uploaded();
    house.trip(&mut attempt);
    attempt.close();
    house.trip(&mut attempt);
    (house, attempt)
}

fn is_of_another_session(outcome: Result<Reply, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::OtherSession { .. }))
}

fn invited(house: &House, open: &Open) -> Result<Member, Refusal> {
    let (roster, identity) = (house.roster.clone(), house.identities[0].clone());
    Member::invited(open, roster, identity, Floors::default(), &house.ledgers[0])
}

// spec: [open.task]
#[test]
fn a_task_that_does_not_decode_or_fit_the_roster_is_no_invitation() {
    let mut house = House::new();
    let open = house.attempt(0).context.open();
    house.ledgers[0] = MemoryLedger::default();
    assert!(invited(&house, &open).is_ok());
    let mut cut_short = open.clone();
    cut_short.task.pop();
    assert!(invited(&house, &cut_short).is_err());
    let crowded = TaskSpec {
        cohort: Some(MEMBERS + 1),
        ..task()
    };
    let crowded = Open {
        task: Task::new(crowded).unwrap().encode().to_vec(),
        ..open
    };
    assert!(invited(&house, &crowded).is_err());
}

// spec: [open.again] [join.ledger]
#[test]
fn an_invitation_that_was_answered_is_refused_when_it_comes_again() {
    let mut house = House::new();
    let open = house.attempt(0).context.open();
    assert!(matches!(
        invited(&house, &open),
        Err(Refusal::Forbidden(LedgerRefusal::OldAttempt { .. }))
    ));
}

// spec: [advert.attempt]
#[test]
fn adverts_of_another_task_round_or_attempt_are_refused() {
    let (mut house, mut attempt, message) = due_after(0);
    let Body::Adverts(adverts) = &message.body else {
        panic!("{message:?}");
    };
    let other = |change: fn(&mut Adverts)| {
        let mut adverts = adverts.clone();
        change(&mut adverts);
        Message::new(adverts)
    };
    for changed in [
        other(|adverts| adverts.task.0[0] ^= 1),
        other(|adverts| adverts.round.0 += 1),
        other(|adverts| adverts.attempt.0 += 1),
    ] {
        let outcome = house.give(&mut attempt, 0, &changed);
        assert!(is_of_another_session(outcome));
    }
    assert!(house.give(&mut attempt, 0, &message).is_ok());
}

// spec: [share.delivered]
#[test]
fn deliveries_of_another_session_of_strangers_or_out_of_order_are_refused_whole() {
    let (mut house, mut attempt, message) = due_after(1);
    let Body::DeliveredShares(delivered) = &message.body else {
        panic!("{message:?}");
    };
    let foreign = DeliveredShares {
        sid: Sid([9; 32]),
        ..delivered.clone()
    };
    let outcome = house.give(&mut attempt, 0, &Message::new(foreign));
    assert!(is_of_another_session(outcome));
    let mut own = delivered.clone();
    own.shares[0].from = Slot(0);
    let mut twice = delivered.clone();
    twice.shares.insert(0, twice.shares[0].clone());
    let mut reversed = delivered.clone();
    reversed.shares.reverse();
    for wrong in [own, twice, reversed] {
        let outcome = house.give(&mut attempt, 0, &Message::new(wrong));
        assert!(matches!(outcome, Err(Refusal::Delivered(_))));
    }
    assert!(house.give(&mut attempt, 0, &message).is_ok());
}

// spec: [share.set-session] [share.set-once]
#[test]
fn a_share_set_of_another_session_is_refused_before_the_first_and_ends_the_session_after_it() {
    let (mut house, mut attempt, message) = due_after(2);
    let Body::ShareSet(set) = &message.body else {
        panic!("{message:?}");
    };
    let mut foreign = set.clone();
    foreign.sid.0[0] ^= 1;
    let foreign = Message::new(foreign);
    assert!(is_of_another_session(house.give(&mut attempt, 0, &foreign)));
    assert!(house.give(&mut attempt, 0, &message).is_ok());
    assert!(house.give(&mut attempt, 0, &foreign).is_err());
    assert_eq!(attempt.members[0].phase(), "closed");
}

// spec: [upload.after-set] [upload.plan-length]
#[test]
fn nothing_is_masked_before_a_share_set_or_of_another_length() {
    let (mut house, mut attempt, _) = due_after(2);
    assert!(matches!(
        house.upload(&mut attempt, 0),
        Err(Refusal::WrongPhase { .. })
    ));
    house.trip(&mut attempt);
    let mut wide = task();
    wide.encoding = Encoding::Integer {
        min: 0,
        max: i64::MAX / 8,
    };
    let wide = RoundContext::new(
        Task::new(wide).unwrap(),
        house.roster.clone(),
        Round(7),
        Attempt(0),
        ModelDigest([0; 32]),
        Deadlines::default(),
    );
    let longer = contribution(&wide.unwrap(), 1);
    let before = house.ledgers[0].entries().len();
    let member = &mut attempt.members[0];
    let outcome = member.upload(longer, UpdateDigest([1; 32]), &mut house.ledgers[0]);
    assert!(matches!(outcome, Err(Refusal::WrongLength { .. })));
    assert_eq!(house.ledgers[0].entries().len(), before);
    assert!(house.upload(&mut attempt, 0).is_ok());
}

// spec: [upload.stored] [confirm.after-upload]
#[test]
fn only_the_word_for_the_own_slot_and_share_set_says_that_an_update_is_whole() {
    let mut house = House::new();
    let mut attempt = house.attempt(0);
    ready(&mut house, &mut attempt);
    let contribution = contribution(&attempt.context, 1);
    let (ledger, member) = house.of(&mut attempt, 0);
    member
        .upload(contribution, UpdateDigest([0; 32]), ledger)
        .unwrap();
    let sid2 = *attempt.coordinator.as_ref().unwrap().sid2().unwrap();
    let stored = |sid2, slot| Message::new(UploadStored { sid2, slot });
    for foreign in [stored(sid2, Slot(1)), stored(Sid2([9; 32]), Slot(0))] {
        let outcome = house.give(&mut attempt, 0, &foreign);
        assert!(is_of_another_session(outcome));
        assert_eq!(attempt.members[0].phase(), "uploading");
    }
    house.give(&mut attempt, 0, &stored(sid2, Slot(0))).unwrap();
    assert_eq!(attempt.members[0].phase(), "uploaded");
}

// spec: [confirm.session]
#[test]
fn survivors_of_another_session_are_not_signed() {
    let (mut house, mut attempt) = uploaded();
    let message = attempt.due(0);
    let Body::SurvivorSet(set) = &message.body else {
        panic!("{message:?}");
    };
    let (mut first, mut second) = (set.clone(), set.clone());
    first.sid.0[0] ^= 1;
    second.sid2.0[0] ^= 1;
    for foreign in [first, second] {
        let outcome = house.give(&mut attempt, 0, &Message::new(foreign));
        assert!(is_of_another_session(outcome));
    }
    assert!(house.give(&mut attempt, 0, &message).is_ok());
}

// spec: [reveal.own-peers]
#[test]
fn no_share_is_given_of_the_member_itself_for_another_share_set_or_after_the_end() {
    let (mut house, mut attempt) = revealing();
    let sid2 = *attempt.coordinator.as_ref().unwrap().sid2().unwrap();
    let request = |sid2, wanted| Message::new(ShareRequest { sid2, wanted });
    let none = request(sid2, Vec::new());
    assert!(house.give(&mut attempt, 0, &none).is_ok());
    let foreign = request(Sid2([9; 32]), Vec::new());
    assert!(is_of_another_session(house.give(&mut attempt, 0, &foreign)));
    for slot in [0, MEMBERS] {
        let root = request(sid2, vec![ShareWanted::RootSeed(Slot(slot))]);
        let outcome = house.give(&mut attempt, 0, &root);
        assert!(matches!(outcome, Err(Refusal::ShareRequest { .. })));
    }
    attempt.members[0].close(&mut house.ledgers[0]).unwrap();
    let outcome = house.give(&mut attempt, 0, &none);
    assert!(matches!(outcome, Err(Refusal::Closed)));
}

// spec: [receipt.check] [bitmap.exact]
#[test]
fn a_receipt_for_a_set_that_is_none_of_the_roster_closes_nothing() {
    let (mut house, mut attempt) = uploaded();
    let context = attempt.context.clone();
    let receipt = |survivors: Bitmap| {
        let receipt = Receipt {
            task: context.task_digest,
            round: context.round,
            attempt: context.attempt,
            sid: Sid([1; 32]),
            sid2: Sid2([2; 32]),
            survivors,
            sum: Hash([3; 32]),
            signature: UNSIGNED,
        };
        receipt.signed(&house.coordinator)
    };
    let beyond = Message::new(receipt(Bitmap::of(8, [0, 1, 7].map(Slot))));
    let inside = Message::new(receipt(Bitmap::of(MEMBERS, [0, 1, 2].map(Slot))));
    assert!(matches!(
        house.give(&mut attempt, 0, &beyond),
        Err(Refusal::Set(SetError::Bitmap(
            BitmapError::BeyondRoster { .. }
        )))
    ));
    assert_eq!(attempt.members[0].phase(), "uploaded");
    let outcome = house.give(&mut attempt, 0, &inside).unwrap();
    assert!(matches!(
        outcome,
        Reply::Result {
            certified: false,
            ..
        }
    ));
}
