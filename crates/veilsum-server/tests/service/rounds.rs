//! Whole rounds: everybody stays, somebody vanishes in each phase, too many vanish, several rounds, several tasks.

use veilsum_proto::{
    coordinator::PhaseName,
    ids::{Attempt, Round},
    label::Label,
    message::{Body, Message},
};
use veilsum_quic::PartialBlob;
use veilsum_server::{Event, Gather, ServerError};

use crate::support::*;

// spec: [service.publish.receipt] [service.close.early]
async fn happy(n: u8, dim: u64) {
    let federation = Federation::new(n);
    let mut house = federation.serve(vec![task("counts", dim, 1)]);
    let members = federation.join_all(house.address, 0..n);
    let everybody = (0..u32::from(n)).collect::<Vec<_>>();
    let (round, attempt, survivors, sum) = house.result().await;
    assert_eq!((round, attempt), (Round(1), Attempt(0)));
    assert_eq!(survivors, everybody);
    assert_eq!(sum, plain_sum(&everybody, Round(1), dim));
    for member in &members {
        member.until(|seen| seen.receipts.len() == 1).await;
        assert!(member.look(|seen| seen.receipts[0].1), "certified");
        assert_eq!(member.look(|seen| seen.refusals.clone()), [""; 0]);
        assert!(member.look(|seen| seen.faults.is_empty()));
    }
    house.service.finished().await.unwrap();
    house.service.shutdown().await;
}

#[tokio::test]
async fn three_members_get_the_exact_sum() {
    happy(3, 10).await;
}

#[tokio::test]
async fn five_members_get_the_exact_sum_of_a_vector_of_many_blocks() {
    happy(5, 100_000).await;
}

/// A round in which member 1 does `act` when it gets `when`.
async fn round_with(when: &'static str, act: Act) -> (House, Vec<Running>, Vec<u32>) {
    let federation = Federation::new(4);
    let mut config = task("counts", 5000, 1);
    config.deadlines = deadlines(4000);
    config.gather.members = Some(4);
    let mut house = federation.serve(vec![config]);
    let mut members = federation.join_all(house.address, [0, 2, 3]);
    members.push(federation.site(1).run(house.address, move |message| {
        if message.body.name() == when {
            act
        } else {
            Act::Go
        }
    }));
    let (round, attempt, survivors, sum) = house.result().await;
    assert_eq!((round, attempt), (Round(1), Attempt(0)));
    assert_eq!(sum, plain_sum(&survivors, Round(1), 5000));
    (house, members, survivors)
}

// spec: [service.close.deadline]
#[tokio::test]
async fn a_member_that_vanishes_in_advertise_is_not_in_the_sum() {
    assert_eq!(round_with("Open", Act::Vanish).await.2, [0, 2, 3]);
}

#[tokio::test]
async fn a_member_that_vanishes_in_share_is_not_in_the_sum() {
    assert_eq!(round_with("Adverts", Act::Vanish).await.2, [0, 2, 3]);
}

#[tokio::test]
async fn a_member_that_vanishes_in_accept_is_not_in_the_sum() {
    assert_eq!(
        round_with("DeliveredShares", Act::Vanish).await.2,
        [0, 2, 3]
    );
}

#[tokio::test]
async fn a_member_that_vanishes_in_upload_is_not_in_the_sum() {
    assert_eq!(round_with("ShareSet", Act::Vanish).await.2, [0, 2, 3]);
}

// spec: [service.stage.whole]
#[tokio::test]
async fn a_member_that_vanishes_mid_upload_is_not_in_the_sum() {
    assert_eq!(
        round_with("ShareSet", Act::VanishMidUpload).await.2,
        [0, 2, 3]
    );
}

#[tokio::test]
async fn a_member_that_vanishes_in_confirm_is_a_survivor() {
    assert_eq!(round_with("SurvivorSet", Act::Vanish).await.2, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_member_that_vanishes_in_reveal_is_a_survivor() {
    assert_eq!(round_with("Certificate", Act::Vanish).await.2, [0, 1, 2, 3]);
}

// spec: [service.retry] [service.abort]
#[tokio::test]
async fn too_few_updates_abort_the_attempt_and_the_next_one_may_succeed() {
    let federation = Federation::new(3);
    let mut config = task("counts", 100, 1);
    config.deadlines = deadlines(4000);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    // in the first attempt nobody but member 0 uploads
    let mut members = federation.join_all(house.address, [0]);
    members.extend([1, 2].map(|slot| {
        let mut first = true;
        federation.site(slot).run(house.address, move |message| {
            let is_first = matches!(message.body, Body::ShareSet(_)) && std::mem::take(&mut first);
            if is_first { Act::Ignore } else { Act::Go }
        })
    }));
    let abort = house.abort().await;
    assert_eq!(abort, (Round(1), Attempt(0), "too_few_updates".to_owned()));
    members[0].until(|seen| seen.aborts.len() == 1).await;
    let (round, attempt, survivors, sum) = house.result().await;
    assert_eq!((round, attempt, survivors.len()), (Round(1), Attempt(1), 3));
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
}

// spec: [service.retry]
#[tokio::test]
async fn attempts_end_with_the_tasks_number_and_the_next_round_has_the_next_number() {
    let federation = Federation::new(3);
    let mut config = task_with("counts", 10, 1, "max_attempts = 2");
    config.deadlines = deadlines(300);
    config.rounds = Some(2);
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let silent = |slot| federation.site(slot).run(house.address, |_| Act::Ignore);
    let _members = [silent(0), silent(1), silent(2)];
    for (round, attempt) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let reason = "too_few_adverts".to_owned();
        assert_eq!(
            house.abort().await,
            (Round(round), Attempt(attempt), reason)
        );
    }
    house.service.finished().await.unwrap();
}

// spec: [service.confirm.hold] [service.retry]
#[tokio::test]
async fn below_the_quorum_confirm_is_held_open_for_reveals_time_and_ends_the_round() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 0);
    config.deadlines.confirm_ms = 500;
    config.deadlines.reveal_ms = 1500;
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let mut members = federation.join_all(house.address, [0]);
    members.extend([1, 2].map(|slot| {
        federation.site(slot).run(house.address, |message| {
            if matches!(message.body, Body::SurvivorSet(_)) {
                Act::Ignore
            } else {
                Act::Go
            }
        })
    }));
    house.phase("confirm").await;
    let start = std::time::Instant::now();
    let abort = house.abort().await;
    assert_eq!(abort, (Round(1), Attempt(0), "below_quorum".to_owned()));
    assert!(start.elapsed().as_millis() >= 1900, "{:?}", start.elapsed());
    house.service.finished().await.unwrap();
}

// spec: [service.confirm.hold]
#[tokio::test]
async fn a_signature_after_confirms_deadline_still_makes_the_quorum() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 0);
    config.deadlines.confirm_ms = 500;
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let mut members = federation.join_all(house.address, [0]);
    members.extend([1, 2].map(|slot| {
        federation.site(slot).run(house.address, |message| {
            if matches!(message.body, Body::SurvivorSet(_)) {
                Act::Dawdle(1000)
            } else {
                Act::Go
            }
        })
    }));
    let (.., survivors, sum) = house.result().await;
    assert_eq!(sum, plain_sum(&survivors, Round(1), 10));
}

/// It was silent when shares were asked for first, and holds one of a member that stays silent.
// spec: [recover.targets] [recover.silent]
#[tokio::test]
async fn a_survivor_that_reveals_late_is_asked_for_the_shares_that_are_missing() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 1);
    config.deadlines.reveal_ms = 4000;
    config.gather.members = Some(3);
    let mut house = federation.serve(vec![config]);
    let acts = [(0, Act::Go), (1, Act::Dawdle(6000)), (2, Act::Vanish)];
    let _members = acts.map(|(slot, act)| {
        // the certificate comes again in Recover
        let mut acts = [act].into_iter();
        federation
            .site(slot)
            .run(house.address, move |message| match message.body {
                Body::Certificate(_) => acts.next().unwrap_or(Act::Go),
                _ => Act::Go,
            })
    });
    let (.., survivors, sum) = house.result().await;
    assert_eq!(survivors, [0, 1, 2]);
    assert_eq!(sum, plain_sum(&survivors, Round(1), 10));
}

// spec: [service.round.grow] [service.publish.file] [service.publish.private]
#[tokio::test]
async fn rounds_follow_each_other_and_each_leaves_receipt_and_sum() {
    let federation = Federation::new(3);
    let folder = federation.folder.path().join("results");
    let mut config = task("counts", 500, 1);
    config.rounds = Some(3);
    config.results = Some(folder.clone());
    let mut house = federation.serve(vec![config]);
    let members = federation.join_all(house.address, 0..3);
    for round in 1..=3 {
        let found = house.result().await;
        assert_eq!(
            (found.0, &found.3),
            (Round(round), &plain_sum(&found.2, Round(round), 500))
        );
        let text = std::fs::read(folder.join(format!("counts-r{round}.json"))).unwrap();
        let receipt: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(receipt["sum_sha256"], found.3);
        assert_eq!(receipt["survivor_ids"], serde_json::json!(found.2));
        let sum = std::fs::read(folder.join(format!("counts-r{round}-sum.bin"))).unwrap();
        use sha2::Digest as _;
        assert_eq!(receipt["sum"], hex::encode(sha2::Sha256::digest(sum)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let sum = std::fs::metadata(folder.join(format!("counts-r{round}-sum.bin")));
            assert_eq!(sum.unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    house.service.finished().await.unwrap();
    members[0].until(|seen| seen.receipts.len() == 3).await;
    assert_eq!(files(&folder), 6);
}

// spec: [service.tasks.apart]
#[tokio::test]
async fn two_tasks_run_at_once_and_a_silent_member_of_one_holds_up_only_that_one() {
    let federation = Federation::new(3);
    let mut slow = task("slow", 50, 1);
    slow.gather.members = Some(3);
    let mut fast = task("fast", 80, 1);
    fast.gather.members = Some(3);
    let slow_digest = slow.task.digest();
    let mut house = federation.serve(vec![slow, fast]);
    let mut members = federation.join_all(house.address, [0, 1]);
    let (release, held) = std::sync::mpsc::channel::<()>();
    // member 2 never advertises for the slow task
    members.push(federation.site(2).run(house.address, move |message| {
        let _keep = &held;
        match &message.body {
            Body::Open(open) if task_of(open) == slow_digest => Act::Ignore,
            _ => Act::Go,
        }
    }));
    let name = house
        .event(|event| match event {
            Event::Result { task, .. } => Some(task.as_str().to_owned()),
            _ => None,
        })
        .await;
    assert_eq!(name, "fast");
    drop(release);
}

#[tokio::test]
async fn two_tasks_run_at_once_and_both_sums_are_exact() {
    let federation = Federation::new(3);
    let dims = [("one", 300_u64), ("two", 700)];
    let tasks = dims.map(|(name, dim)| {
        let mut config = task(name, dim, 1);
        config.rounds = Some(2);
        config
    });
    let mut house = federation.serve(tasks.to_vec());
    let _members = federation.join_all(house.address, 0..3);
    for _ in 0..4 {
        let (task, round, survivors, sum) = house
            .event(|event| match event {
                Event::Result {
                    task,
                    round,
                    survivor_ids,
                    sum_sha256,
                    ..
                } => {
                    let survivors = survivor_ids.iter().map(|slot| slot.0).collect::<Vec<_>>();
                    Some((
                        task.as_str().to_owned(),
                        *round,
                        survivors,
                        sum_sha256.clone(),
                    ))
                }
                _ => None,
            })
            .await;
        let dim = dims.iter().find(|(name, _)| *name == task).unwrap().1;
        assert_eq!(sum, plain_sum(&survivors, round, dim), "{task} {round}");
    }
    house.service.finished().await.unwrap();
}

fn task_of(open: &veilsum_proto::message::Open) -> veilsum_proto::ids::TaskDigest {
    veilsum_proto::task::Task::decode(&open.task)
        .unwrap()
        .digest()
}

// spec: [service.round.last]
#[tokio::test]
async fn the_last_round_of_the_roster_is_the_last_round() {
    let federation = Federation::with_last_round(3, 2);
    let mut config = task("counts", 10, 1);
    config.rounds = None;
    let mut house = federation.serve(vec![config]);
    let _members = federation.join_all(house.address, 0..3);
    assert_eq!(house.result().await.0, Round(1));
    assert_eq!(house.result().await.0, Round(2));
    house.service.finished().await.unwrap();
}

// spec: [service.gather]
#[tokio::test]
async fn a_round_opens_when_the_wanted_members_are_there_or_after_the_wait_with_the_floor() {
    let federation = Federation::new(4);
    let mut config = task("counts", 10, 1);
    config.deadlines = deadlines(2000);
    config.gather = Gather {
        members: Some(4),
        wait: std::time::Duration::from_millis(700),
    };
    let mut house = federation.serve(vec![config]);
    let start = std::time::Instant::now();
    let _members = federation.join_all(house.address, 0..3);
    house.phase("advertise").await;
    assert!(start.elapsed().as_millis() >= 500, "{:?}", start.elapsed());
    assert_eq!(house.result().await.2, [0, 1, 2]);
}

// spec: [service.gather]
#[tokio::test]
async fn a_round_does_not_open_below_the_floor() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 1);
    config.gather.wait = std::time::Duration::ZERO;
    let mut house = federation.serve(vec![config]);
    let _members = federation.join_all(house.address, [0]);
    let opened = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        house.phase("advertise"),
    );
    assert!(opened.await.is_err());
}

// spec: [service.identity] [service.tasks]
#[tokio::test]
async fn what_cannot_run_is_refused_at_the_start() {
    let federation = Federation::new(3);
    let refused = |config, tasks: Vec<_>| {
        let tasks = tasks.into_iter().map(|task| (task, hook()));
        federation.try_serve(config, tasks.collect()).err().unwrap()
    };
    let config = federation.config();
    assert!(matches!(
        refused(config.clone(), vec![]),
        ServerError::NoTask
    ));
    let twice = vec![task("counts", 10, 1), task("counts", 20, 1)];
    assert!(matches!(
        refused(config.clone(), twice),
        ServerError::SameTask { .. }
    ));
    let misfit = vec![task("counts", 10, 3)];
    assert!(matches!(
        refused(config.clone(), misfit),
        ServerError::Task { .. }
    ));
    let mut small = config;
    (small.staging_budget, small.spill_budget) = (100, 1000);
    let large = vec![task("counts", 10_000, 1)];
    assert!(matches!(refused(small, large), ServerError::Budget { .. }));
}

fn hook() -> Box<dyn veilsum_server::TaskHook> {
    Box::new(veilsum_server::NoModel)
}

// spec: [service.publish.blob] [service.publish.again]
#[tokio::test]
async fn a_member_that_comes_after_the_round_gets_receipt_and_sum() {
    let federation = Federation::new(3);
    let mut config = task("counts", 200, 1);
    config.deadlines = deadlines(3000);
    let mut house = federation.serve(vec![config]);
    let _members = federation.join_all(house.address, [0, 1]);
    let (.., survivors, _) = house.result().await;
    assert_eq!(survivors, [0, 1]);
    let (_client, connection, mut frames) = federation.site(2).connect(house.address).await;
    let frame = frames.recv().await.unwrap().unwrap();
    let caps = veilsum_proto::message::Caps::of_roster(3);
    let Body::Receipt(receipt) = Message::decode(&frame, &caps).unwrap().body else {
        panic!("wanted the receipt");
    };
    let coordinator = federation.roster.coordinator();
    coordinator
        .verify(
            Label::SignReceipt,
            &[&receipt.content()],
            &receipt.signature,
        )
        .unwrap();
    let mut blob = PartialBlob::in_memory(*receipt.sum.as_bytes());
    connection.fetch(&mut blob, 1 << 20).await.unwrap();
    assert!(blob.is_whole());
}

// spec: [service.shutdown] [service.abort.phase]
#[tokio::test]
async fn a_shutdown_aborts_open_rounds_by_name_and_tells_the_members() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 1);
    config.gather.members = Some(2);
    let mut house = federation.serve(vec![config]);
    let members = federation.join_all(house.address, [0, 1]);
    house.phase("advertise").await;
    members[0].until(|seen| seen.opens >= 1).await;
    let House {
        service,
        mut events,
        ..
    } = house;
    service.shutdown().await;
    let mut reasons = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Abort { reason, phase, .. } = event {
            reasons.push((reason, phase));
        }
    }
    let wanted = ("shutdown".to_owned(), "advertise".to_owned());
    assert_eq!(reasons, [wanted]);
    members[0]
        .until(|seen| seen.aborts.iter().any(|abort| abort.reason == b"shutdown"))
        .await;
    assert!(
        federation
            .serve(vec![task("counts", 10, 1)])
            .event(|event| match event {
                Event::Listening { .. } => Some(true),
                Event::Abort { .. } => Some(false),
                _ => None,
            })
            .await
    );
}

#[test]
fn phases_have_the_names_of_the_protocol() {
    let event = Event::Phase {
        task: veilsum_proto::roster::Name::try_from("digits".to_owned()).unwrap(),
        round: Round(3),
        attempt: Attempt(1),
        phase: PhaseName::Upload,
    };
    let text = r#"{"event":"phase","task":"digits","round":3,"attempt":1,"phase":"upload"}"#;
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
}
