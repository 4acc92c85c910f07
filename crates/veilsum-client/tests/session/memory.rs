//! How much a coordinator can make a member hold.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use veilsum_client::Event;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round};
use veilsum_proto::message::{AbortNotice, Message};
use veilsum_proto::task::Task;

use crate::coordinator::{Break, House, TASK, roster, until};
use crate::member::{Member, Setup};

fn named(name: &str) -> Task {
    Task::from_toml(&TASK.replace("\"test\"", &format!("{name:?}"))).unwrap()
}

fn asked(member: &Member) -> Vec<(String, u64)> {
    let log = member.log.lock().unwrap();
    let asked = log.asked.iter();
    asked
        .map(|info| (info.task.name().to_string(), info.round.0))
        .collect()
}

// spec: [site.tasks] [site.forget]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_task_waits_until_one_of_those_held_is_over() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut setup = Setup::new(&house, 1);
    setup.config.policy.max_open_tasks = 1;
    let member = setup.run();
    until("the advert", || house.sent_by_first("Advert").len() == 1).await;
    house.round_of(named("other"), 1, 0, None);
    until("the refusal", || member.refused("too_many_tasks")).await;
    assert_eq!(asked(&member), [("test".to_owned(), 1)]);
    house.abort(1, 0);
    until("the abort", || {
        member.has(|event| matches!(event, Event::Abort { .. }))
    })
    .await;
    house.round_of(named("other"), 1, 0, None);
    until("the other advert", || {
        house.sent_by_first("Advert").len() == 2
    })
    .await;
    assert_eq!(
        asked(&member),
        [("test".to_owned(), 1), ("other".to_owned(), 1)]
    );
    // the round that made room is forgotten, its update with it
    house.inner.lock().take_machine();
    house.round(1, 1, None);
    until("the second refusal", || {
        let events = member.events();
        let refused = events.iter().filter(
            |event| matches!(event, Event::Refused { kind, .. } if kind == "too_many_tasks"),
        );
        refused.count() == 2
    })
    .await;
    member.stop.stop();
    member.end().await.0.unwrap();
}

/// A coordinator that makes a member forget a round after Upload and opens it again learns nothing of whether a new update is the same.
// spec: [attempt.forgotten] [site.forget]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_was_forgotten_after_its_upload_is_not_asked_for_again() {
    let house = House::open(roster(1));
    house.break_line(&[Break::Within(100); 20]);
    house.round(1, 0, None);
    let [member, second, third] = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.config.policy.max_open_tasks = 1;
        setup.run()
    });
    until("a begun upload", || {
        !house.sent_by_first("masked update").is_empty()
    })
    .await;
    house.break_line(&[]);
    house.abort(1, 0);
    let aborts = || {
        let events = member.events();
        let aborts = events
            .iter()
            .filter(|event| matches!(event, Event::Abort { .. }));
        aborts.count()
    };
    until("the abort", || aborts() == 1).await;
    // one that is sent again over a new line has the same bytes
    let adverts = || {
        let sent = house.sent_by_first("Advert").into_iter();
        sent.collect::<BTreeSet<_>>().len()
    };
    // alone, so that the next round stays where the member's advert is
    for other in [second, third] {
        other.stop.stop();
        other.end().await.0.unwrap();
    }
    // another round, since the same update would be refused there
    house.round_of(named("other"), 2, 0, None);
    until("the other advert", || adverts() >= 2).await;
    house.inner.lock().take_machine();
    let notice = Message::new(AbortNotice {
        task: named("other").digest(),
        round: Round(2),
        attempt: Attempt(0),
        reason: b"too_few_updates".to_vec(),
        text: Vec::new(),
    });
    // the line may just be made anew
    until("the other abort", || {
        house.tell_who_listens(&notice);
        aborts() == 2
    })
    .await;
    let before = adverts();
    house.round(1, 1, None);
    until("the refusal", || member.refused("update_forgotten")).await;
    let names = [("test".to_owned(), 1), ("other".to_owned(), 2)];
    assert_eq!((asked(&member), adverts()), (names.to_vec(), before));
    member.stop.stop();
    member.end().await.0.unwrap();
}

// spec: [site.one-update]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_that_were_superseded_before_the_contributor_was_free_are_not_asked_for() {
    let house = House::open(roster(1));
    house.round(1, 0, Some(b"model 1"));
    let setup = Setup::new(&house, 1);
    let held = setup.held.clone();
    held.store(true, Ordering::Relaxed);
    let member = setup.run();
    until("the first ask", || asked(&member).len() == 1).await;
    for round in 2..=5 {
        let model = format!("model {round}");
        house.round(round, 0, Some(model.as_bytes()));
        until("the round", || {
            member
                .has(|event| matches!(event, Event::Phase { round: found, .. } if found.0 == round))
        })
        .await;
    }
    held.store(false, Ordering::Relaxed);
    until("the advert", || house.sent_by_first("Advert").len() == 1).await;
    assert_eq!(
        asked(&member),
        [("test".to_owned(), 1), ("test".to_owned(), 5)]
    );
    member.stop.stop();
    member.end().await.0.unwrap();
}

// spec: [site.one-update]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_asked_for_before_its_round_was_forgotten_does_not_go_into_the_same_round_opened_again()
 {
    let house = House::open(roster(1));
    house.round(1, 0, Some(b"old model"));
    let setup = Setup::new(&house, 1);
    let held = setup.held.clone();
    held.store(true, Ordering::Relaxed);
    let member = setup.run();
    until("the first ask", || asked(&member).len() == 1).await;
    let opened = |wanted: u64| {
        let events = member.events();
        let opened = events.iter().filter(
            |event| matches!(event, Event::Phase { round, phase: "open", .. } if round.0 == wanted),
        );
        opened.count()
    };
    house.round(2, 0, Some(b"other model"));
    until("the later round", || opened(2) == 1).await;
    house.round(1, 0, Some(b"new model"));
    until("the round again", || opened(1) == 2).await;
    held.store(false, Ordering::Relaxed);
    until("an advert", || !house.sent_by_first("Advert").is_empty()).await;
    let models = || {
        let log = member.log.lock().unwrap();
        let models = log.asked.iter().map(|info| info.model.clone().unwrap());
        models.collect::<Vec<_>>()
    };
    until("the ask for the new model", || {
        models().iter().any(|model| model[..] == *b"new model")
    })
    .await;
    member.stop.stop();
    member.end().await.0.unwrap();
}

// spec: [upload.prepare]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contribution_is_made_before_anything_is_asked_of_it() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut setup = Setup::new(&house, 1);
    setup.value = 5.0;
    let member = setup.run();
    until("the clipping", || {
        member.has(|event| matches!(event, Event::Saturated { .. }))
    })
    .await;
    assert_eq!(house.phase(), Some(PhaseName::Advertise));
    assert_eq!(house.sent().len(), 1);
    member.stop.stop();
    member.end().await.0.unwrap();
}
