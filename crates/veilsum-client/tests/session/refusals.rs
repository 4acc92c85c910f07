//! What a member does not do, and what it says then.

use std::sync::Arc;

use bytes::Bytes;
use veilsum_client::{Client, FileLedger, Policy};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Sid2, Slot, TaskDigest};
use veilsum_proto::message::{FaultNotice, Message, UploadStored};
use veilsum_proto::task::Task;

use crate::coordinator::{House, TASK, identity, roster, until};
use crate::member::{Ended, Setup};

/// Runs member 1 against a round until it ends by itself with an error of this kind; returns the error's text.
async fn ends_with(kind: &str, house: &House, setup: Setup) -> (String, Ended) {
    house.round(1, 0, None);
    let (outcome, ended) = setup.run().end().await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(ended.sent().is_empty(), "{:?}", ended.sent());
    assert!(ended.log.asked.is_empty());
    (error.to_string(), ended)
}

// spec: [member.authority]
#[tokio::test]
async fn a_roster_of_another_authority_is_not_used() {
    let house = House::open(roster(1));
    let mut setup = Setup::new(&house, 1);
    setup.config.policy = Policy::new(identity(99).public());
    let ledger = FileLedger::open(setup.folder.path().join("ledger")).unwrap();
    let error = Client::new(setup.config, ledger).unwrap_err();
    assert_eq!(error.kind(), "authority");
    let (found, wanted) = (identity(100).public(), identity(99).public());
    let text = error.to_string();
    assert!(
        text.contains(&found.to_string()) && text.contains(&wanted.to_string()),
        "{text}"
    );
}

// spec: [member.own-key]
#[tokio::test]
async fn a_key_that_is_not_on_the_own_roster_is_named() {
    let house = House::open(roster(1));
    let mut setup = Setup::new(&house, 1);
    setup.config.identity = Arc::new(identity(42));
    let ledger = FileLedger::open(setup.folder.path().join("ledger")).unwrap();
    let error = Client::new(setup.config, ledger).unwrap_err();
    assert_eq!(error.kind(), "not_on_own_roster");
    assert!(
        error
            .to_string()
            .contains(&identity(42).public().to_string())
    );
}

// spec: [ledger.key]
#[tokio::test]
async fn a_ledger_of_another_key_is_not_used() {
    let house = House::open(roster(2));
    let (first, second) = (Setup::new(&house, 1), Setup::new(&house, 2));
    let ledger = FileLedger::open(first.folder.path().join("ledger")).unwrap();
    let error = Client::new(second.config, ledger).unwrap_err();
    assert_eq!(error.kind(), "other_ledger");
    let text = error.to_string();
    for key in [identity(1).public(), identity(2).public()] {
        assert!(text.contains(&key.to_string()), "{text}");
    }
}

// spec: [member.permanent]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_coordinator_does_not_know_ends_the_member() {
    let house = House::open(roster(1));
    let mut setup = Setup::new(&house, 1);
    let stranger = Arc::new(identity(42));
    setup.config.roster = roster_with(&stranger);
    setup.new_ledger(&stranger.public());
    setup.config.identity = stranger;
    let (text, _) = ends_with("not_on_roster", &house, setup).await;
    assert!(
        text.contains("your key is not on the roster of this coordinator"),
        "{text}"
    );
}

fn roster_with(stranger: &Identity) -> Arc<veilsum_proto::roster::Roster> {
    let mut draft = Arc::unwrap_or_clone(roster(1)).into_draft();
    draft
        .add("stranger".parse().unwrap(), stranger.public())
        .unwrap();
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(3);
    Arc::new(draft.sign(&identity(100), &mut rng).unwrap())
}

// spec: [member.permanent]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_under_another_roster_ends_the_member() {
    let house = House::open(roster(1));
    let mut setup = Setup::new(&house, 1);
    setup.config.roster = roster(2);
    let (text, _) = ends_with("roster", &house, setup).await;
    assert!(text.contains(&roster(1).digest().to_string()), "{text}");
    assert!(text.contains(&roster(2).digest().to_string()), "{text}");
}

// spec: [join.judge] [policy.task] [policy.encoding] [policy.clip] [policy.sum]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_below_a_floor_is_refused_with_what_was_found_and_wanted() {
    let cases: [(&str, &str); 7] = [
        (
            "min_survivors = 4",
            "floor of the task is 3, this site wants at least 4",
        ),
        (
            "min_corrupt = 2",
            "corrupt members tolerated is 1, this site wants at least 2",
        ),
        (
            "[privacy]\nrequired = true",
            "differential privacy is none, this site wants a task with noise",
        ),
        (
            "encodings = [\"integer\"]",
            "encoding is float, this site wants integer",
        ),
        ("max_clip = 0.5", "clip is 1, this site wants at most 0.5"),
        ("tasks = [\"other\"]", "this site wants other"),
        (
            "max_sum_bytes = 31999",
            "size of the sum is 4000 coordinates of 8 bytes, this site wants at most 31999 bytes",
        ),
    ];
    let runs = cases.map(|(line, wanted)| async move {
        let house = House::open(roster(1));
        let mut setup = Setup::new(&house, 1);
        let authority = identity(100).public();
        let text = format!("version = 1\nauthority = \"{authority}\"\n{line}\n");
        setup.config.policy = Policy::from_toml(&text).unwrap();
        let (text, ended) = ends_with("policy", &house, setup).await;
        assert!(text.contains(wanted), "{text}");
        assert_eq!(ended.refusals().len(), 1);
        assert_eq!(ended.refusals()[0].0, "policy");
    });
    for run in runs.map(tokio::spawn) {
        run.await.unwrap();
    }
}

// spec: [contributor.task]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contributor_for_one_task_joins_no_other_that_nobody_signed() {
    let house = House::open(roster(1));
    let mut setup = Setup::new(&house, 1);
    setup.config.only_unlisted_task = Some(TaskDigest([9; 32]));
    let (text, _) = ends_with("policy", &house, setup).await;
    assert!(
        text.contains("task that the roster does not list"),
        "{text}"
    );
    // its own, or one that the policy pins
    let own = Task::from_toml(TASK).unwrap().digest();
    let pins = format!(
        "version = 1\nauthority = \"{}\"\ntasks = [\"{own}\"]\n",
        identity(100).public()
    );
    for (only, policy) in [(own, None), (TaskDigest([9; 32]), Some(pins))] {
        let house = House::open(roster(1));
        let mut setup = Setup::new(&house, 1);
        setup.config.only_unlisted_task = Some(only);
        if let Some(text) = policy {
            setup.config.policy = Policy::from_toml(&text).unwrap();
        }
        let member = setup.run();
        house.round(1, 0, None);
        until("the advert", || !house.sent_by_first("Advert").is_empty()).await;
        member.stop.stop();
        member.end().await.0.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_task_does_not_end_a_member_that_has_another() {
    let house = House::open(roster(1));
    let other = Task::from_toml(&TASK.replace("\"test\"", "\"other\"")).unwrap();
    house.round_of(other, 0, 0, None);
    let mut setup = Setup::new(&house, 1);
    let authority = identity(100).public();
    let text = format!("version = 1\nauthority = \"{authority}\"\ntasks = [\"test\"]\n");
    setup.config.policy = Policy::from_toml(&text).unwrap();
    let member = setup.run();
    until("the refusal", || member.refused("policy")).await;
    house.round(1, 0, None);
    until("the advert", || house.sent().len() == 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    member.stop.stop();
    member.end().await.0.unwrap();
}

// spec: [policy.rounds]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_rounds_are_joined_than_the_day_has() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let members = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.config.policy.rounds_per_day = (seed == 1).then_some(1);
        setup.rounds = 2;
        setup.run()
    });
    until("the result", || {
        let mut logs = members.iter().map(|member| member.log.lock().unwrap());
        logs.all(|log| log.results.len() == 1)
    })
    .await;
    house.round(2, 0, None);
    let [first, second, third] = members;
    until("the refusal", || first.refused("policy")).await;
    for member in [first, second, third] {
        member.stop.stop();
        member.end().await.0.unwrap();
    }
    assert_eq!(house.sent_by_first("Advert").len(), 1);
}

// spec: [attempt.same-model]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_attempt_from_another_model_is_refused() {
    let house = House::open(roster(1));
    house.round(1, 0, Some(b"first"));
    let member = Setup::new(&house, 1).run();
    until("the advert", || house.sent().len() == 1).await;
    house.round(1, 1, Some(b"second"));
    until("the refusal", || member.refused("model")).await;
    member.stop.stop();
    member.end().await.0.unwrap();
    assert_eq!(house.sent_by_first("Advert").len(), 1);
}

// spec: [attempt.erase]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_does_not_stand_leaves_the_earlier_attempt_alone() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let member = Setup::new(&house, 1).run();
    until("the advert", || house.sent().len() == 1).await;
    // attempt 3 of a task that allows attempts 0 to 2, while the machine of attempt 0 goes on
    let machine = house.inner.lock().take_machine();
    house.round(1, 3, None);
    until("the refusal", || member.refused("last_attempt")).await;
    house.inner.lock().put_machine(machine);
    let others = [2, 3].map(|seed| Setup::new(&house, seed).run());
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    assert!(ended.log.results[0].certified);
    for other in others {
        other.end().await.0.unwrap();
    }
}

// spec: [member.pinned]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_coordinator_at_the_address_gets_nothing() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut setup = Setup::new(&house, 1);
    let mut draft = Arc::unwrap_or_clone(roster(1)).into_draft();
    draft.set_coordinator(identity(77).public());
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(3);
    setup.config.roster = Arc::new(draft.sign(&identity(100), &mut rng).unwrap());
    let member = setup.run();
    let wanted = identity(77).public().to_string();
    until("the reason", || {
        member.has(|event| {
            matches!(
                event, veilsum_client::Event::Disconnected { reason } if reason.contains(&wanted)
            )
        })
    })
    .await;
    member.stop.stop();
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    assert!(ended.sent().is_empty());
    assert_eq!(house.connections(), 0);
}

// spec: [member.deadline]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_deadline_an_attempt_is_erased_without_a_message_or_a_line() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut setup = Setup::new(&house, 1);
    setup.config.policy.longest_attempt = std::time::Duration::from_millis(600);
    let member = setup.run();
    until("the advert", || house.sent().len() == 1).await;
    let roster = house.roster.clone();
    drop(house);
    until("the abort", || member.log.lock().unwrap().aborts.len() == 1).await;
    member.stop.stop();
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    let abort = &ended.log.aborts[0];
    assert_eq!(
        (abort.reason.as_str(), abort.phase),
        ("deadline", "advertise")
    );
    let ledger = std::fs::read_to_string(ended.folder.path().join("ledger")).unwrap();
    assert!(
        ledger
            .lines()
            .last()
            .unwrap()
            .contains("\"act\":\"closed\"")
    );
    assert_eq!(roster.len(), 3);
}

// spec: [join.no-update] [join.order]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contributor_without_an_update_sends_no_advert() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut setup = Setup::new(&house, 1);
    setup.fails = true;
    let member = setup.run();
    until("the refusal", || member.refused("contributor")).await;
    member.stop.stop();
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    assert!(ended.sent().is_empty());
    assert_eq!(
        ended.refusals()[0].1,
        "contributor has no update: trainer has no data"
    );
    assert_eq!(
        FileLedger::open(ended.folder.path().join("ledger"))
            .unwrap()
            .entries(),
        0
    );
}

// spec: [join.no-update]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_does_not_fit_sends_no_advert() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut setup = Setup::new(&house, 1);
    setup.value = f32::NAN;
    let member = setup.run();
    until("the refusal", || member.refused("update")).await;
    member.stop.stop();
    assert!(member.end().await.1.sent().is_empty());
}

// spec: [member.undecodable] [member.plain-text]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_is_told_and_the_line_lives_on() {
    let house = House::open(roster(1));
    house.inner.lock().greeting = vec![
        Bytes::from_static(b"nonsense"),
        Bytes::new(),
        Message::new(UploadStored {
            sid2: Sid2([7; 32]),
            slot: Slot(0),
        })
        .encode()
        .into(),
        Message::new(FaultNotice {
            kind: b"late\n".to_vec(),
            text: b"too\x07 late".to_vec(),
        })
        .encode()
        .into(),
    ];
    house.round(1, 0, None);
    let members = [1, 2, 3].map(|seed| Setup::new(&house, seed).run());
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        let kinds = ended.refusals().into_iter().map(|(kind, _)| kind);
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            ["version", "malformed", "other_session"]
        );
        assert!(ended.log.events.contains(&veilsum_client::Event::Fault {
            kind: "late".into(),
            text: "too late".into(),
        }));
        assert_eq!(ended.log.results.len(), 1);
    }
    assert_eq!(house.connections(), 3);
}

// spec: [join.ledger] [ledger.chain]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_member_joins_neither_the_old_attempt_nor_the_signed_round() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let member = Setup::new(&house, 1).run();
    until("the advert", || house.sent().len() == 1).await;
    member.stop.stop();
    let (_, ended) = member.end().await;
    // restarted, the same attempt is open
    house.round(1, 0, None);
    let member = Setup::in_folder(&house, 1, ended.folder).run();
    until("the refusal", || member.refused("old_attempt")).await;
    // the next attempt may be joined, and is signed
    house.round(1, 1, None);
    let others = [2, 3].map(|seed| Setup::new(&house, seed).run());
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    for other in others {
        other.end().await.0.unwrap();
    }
    // restarted again: the round is closed for this member, whatever attempt is opened
    house.round(1, 2, None);
    let member = Setup::in_folder(&house, 1, ended.folder).run();
    until("the refusal", || member.refused("round_closed")).await;
    member.stop.stop();
    let (_, ended) = member.end().await;
    assert!(ended.sent().is_empty());
    // and its update goes into no other round
    let mut setup = Setup::in_folder(&house, 1, ended.folder);
    setup.fixed = true;
    house.round(2, 0, None);
    let member = setup.run();
    until("the refusal", || member.refused("update_used")).await;
    member.stop.stop();
    let (_, ended) = member.end().await;
    assert!(ended.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_be_written_ends_the_member_before_it_acts() {
    let house = House::open(roster(1));
    let setup = Setup::new(&house, 1);
    let folder = setup.folder.path().to_path_buf();
    let member = setup.run();
    until("the connection", || house.connections() == 1).await;
    // the mark cannot be replaced any more
    std::fs::create_dir(folder.join("ledger.mark.new")).unwrap();
    house.round(1, 0, None);
    let (outcome, ended) = member.end().await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), "ledger", "{error}");
    assert!(ended.sent().is_empty());
}
