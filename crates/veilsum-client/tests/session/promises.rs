//! Updates that are promised: the member shares while they are made.

use std::sync::atomic::Ordering;

use veilsum_client::{Asked, Event, FileLedger};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::Round;
use veilsum_proto::ledger::Ledger as _;
use veilsum_proto::message::{Deadlines, FaultNotice, Message};

use crate::coordinator::{House, roster, task, until};
use crate::member::{Ended, Member, Setup};
use crate::round::check_result;

type Spoil = fn(&mut Setup);

const BEFORE_THE_UPDATE: [&str; 3] = ["Advert", "SealedShares", "Accept"];

fn promising(house: &House, seed: u8) -> Setup {
    let mut setup = Setup::new(house, seed);
    setup.promises = true;
    setup.held.store(true, Ordering::Relaxed);
    setup
}

fn times(ended: &Ended, message: &str) -> usize {
    let sent = ended.sent().into_iter();
    sent.filter(|sent| *sent == message).count()
}

async fn results(members: &[Member], wanted: usize) {
    until("the results", || {
        let done = |member: &Member| member.log.lock().unwrap().results.len() == wanted;
        members.iter().all(done)
    })
    .await;
}

// spec: [join.promise]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promised_update_is_made_while_the_member_shares() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let late = promising(&house, 1);
    let held = late.held.clone();
    let members = [late, Setup::new(&house, 2), Setup::new(&house, 3)].map(Setup::run);
    until("Upload", || house.phase() == Some(PhaseName::Upload)).await;
    let sends = |member: &Member| {
        member.has(|event| {
            matches!(
                event,
                Event::Sending {
                    message: "UploadHeader",
                    ..
                }
            )
        })
    };
    until("the others' updates", || members[1..].iter().all(sends)).await;
    assert!(!sends(&members[0]));
    held.store(false, Ordering::Relaxed);
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 1, 0);
        assert_eq!(ended.log.asked.len(), 1);
        assert_eq!(ended.refusals(), []);
        assert_eq!(ended.sent()[..3], BEFORE_THE_UPDATE);
        assert_eq!(times(&ended, "UploadHeader"), 1);
    }
}

// spec: [join.promise.broken]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_promised_update_fails_has_vanished_after_share_and_says_no_more() {
    let breaks: [(&str, Spoil); 2] = [
        ("contributor", |setup| setup.fails = true),
        ("update", |setup| setup.value = f32::NAN),
    ];
    for (kind, spoil) in breaks {
        let house = House::open(roster(1));
        house.round(1, 0, None);
        let mut setup = promising(&house, 1);
        spoil(&mut setup);
        let held = setup.held.clone();
        let others = [2, 3].map(|seed| Setup::new(&house, seed).run());
        let member = setup.run();
        until("Upload", || house.phase() == Some(PhaseName::Upload)).await;
        held.store(false, Ordering::Relaxed);
        until("the refusal", || member.refused(kind)).await;
        // neither in this attempt nor in a further one
        house.round(1, 1, None);
        house.tell_who_listens(&notice());
        until("the notice", || told(&member)).await;
        member.stop.stop();
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        assert_eq!(ended.sent(), BEFORE_THE_UPDATE, "{kind}");
        assert_eq!(ended.log.asked.len(), 1);
        let ledger = FileLedger::open(ended.folder.path().join("ledger")).unwrap();
        let state = ledger.state().unwrap();
        assert!(!state.has_update(&task().digest(), Round(1)));
        for other in others {
            other.kill();
        }
    }
}

/// An update is compared with those of other rounds when it is here; by then the member has advertised.
// spec: [join.promise.broken] [join.promise]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promised_update_that_was_used_before_is_not_contributed() {
    for ended in refused_in_the_second_round(|setup| setup.fixed = true).await {
        assert_eq!(times(&ended, "UploadHeader"), 1);
        assert_eq!(ended.log.results.len(), 1);
    }
}

/// What the ledger goes by is known before the answer, and asked for before the advert.
// spec: [join.promise] [answer.once]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promised_answer_to_a_question_that_was_answered_sends_no_advert() {
    let ask = |setup: &mut Setup| setup.question = |_| Some(Asked::new([7; 32]));
    for ended in refused_in_the_second_round(ask).await {
        assert_eq!(times(&ended, "Advert"), 1);
    }
}

/// Members that contribute to one round and are refused by their ledgers in the next.
async fn refused_in_the_second_round(set: Spoil) -> Vec<Ended> {
    let house = House::open(roster(1));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = promising(&house, seed);
        setup.held.store(false, Ordering::Relaxed);
        setup.rounds = 9;
        set(&mut setup);
        setup.run()
    });
    house.round(1, 0, None);
    results(&members, 1).await;
    house.round(2, 0, None);
    until("the refusals", || {
        members.iter().all(|member| member.refused("update_used"))
    })
    .await;
    let mut all = Vec::new();
    for member in members {
        member.stop.stop();
        all.push(member.end().await.1);
    }
    all
}

/// An update that takes all of Advertise's time has as much for its way.
// spec: [join.promise]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promise_does_not_count_where_upload_is_shorter_than_twice_advertise() {
    let house = House::open(roster(1));
    let mut deadlines = Deadlines::default();
    deadlines.upload_ms = 2 * deadlines.advertise_ms - 1;
    house.round_within(deadlines, task(), 1, 0, None);
    let late = promising(&house, 1);
    let held = late.held.clone();
    let members = [late, Setup::new(&house, 2), Setup::new(&house, 3)].map(Setup::run);
    let [late, ..] = &members;
    until("the question", || late.log.lock().unwrap().asked.len() == 1).await;
    // what happens is taken in order: after this the promise has been
    house.tell_who_listens(&notice());
    until("the notice", || told(late)).await;
    assert!(!late.has(|event| matches!(event, Event::Sending { .. })));
    held.store(false, Ordering::Relaxed);
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 1, 0);
    }
}

fn notice() -> Message {
    Message::new(FaultNotice {
        kind: b"test".to_vec(),
        text: b"nothing".to_vec(),
    })
}

fn told(member: &Member) -> bool {
    member.has(|event| matches!(event, Event::Fault { kind, .. } if kind == "test"))
}
