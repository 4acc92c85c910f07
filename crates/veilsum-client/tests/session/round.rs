//! Whole rounds over real QUIC.

use veilsum_client::{Event, rounding_rng};
use veilsum_encode::{Tensor, TensorData, Update, Weight, contribute};
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::identity::Signature;
use veilsum_proto::ids::{Attempt, Hash, Round, Sid, Sid2, Slot};
use veilsum_proto::message::{Message, Receipt};

use crate::coordinator::{COORDINATES, House, identity, roster, task, until};
use crate::member::{Ended, Setup};

/// The weighted sum that members 1, 2 and 3 should give, from their integers made again.
fn wanted_sum(round: u64, attempt: u32) -> Vec<i64> {
    let task = task();
    let plan = task.plan(3).unwrap();
    let mut wanted = vec![0; COORDINATES];
    for seed in 1..=3_u8 {
        let value = f32::from(seed) / 10.0 + round as f32 / 100.0;
        let tensor = Tensor {
            shape: vec![COORDINATES as u64],
            data: TensorData::F32(vec![value; COORDINATES]),
        };
        let update = Update::new(task.manifest(), [("w".to_owned(), tensor)].into()).unwrap();
        let (digest, round, attempt) = (task.digest(), Round(round), Attempt(attempt));
        let mut rng = rounding_rng(&[seed; 32], &digest, round, attempt);
        let weight = Weight::new(u32::from(seed)).unwrap();
        let (own, _) = contribute(update, &plan, weight, &[0; 32], &mut rng).unwrap();
        let own = veilsum_encode::PackedSum::new(own.into_blocks(), 1);
        let own = own.unpack(&plan).unwrap();
        for (sum, own) in wanted.iter_mut().zip(own.values()) {
            *sum += own;
        }
    }
    wanted
}

pub fn check_result(ended: &Ended, round: u64, attempt: u32) {
    let result = ended.log.results.last().unwrap();
    assert_eq!(
        (result.round, result.attempt),
        (Round(round), Attempt(attempt))
    );
    assert_eq!(result.survivors, [Slot(0), Slot(1), Slot(2)]);
    assert_eq!(result.weight_sum, 6);
    assert!(result.certified);
    assert_eq!(result.sum.values(), wanted_sum(round, attempt));
    let TensorData::F32(mean) = &result.mean["w"].data else {
        panic!("mean is {:?}", result.mean["w"].data);
    };
    let wanted = (0.1 + 0.4 + 0.9) / 6.0 + round as f32 / 100.0;
    assert!(mean.iter().all(|mean| (mean - wanted).abs() < 1e-3));
}

// spec: [member.observer] [member.blocking] [result.fetch] [result.decode] [result.certified]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_get_the_exact_sum_and_tell_what_they_do() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let members = [1, 2, 3].map(|seed| Setup::new(&house, seed).run());
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 1, 0);
        assert_eq!(ended.log.asked.len(), 1);
        assert_eq!(ended.refusals(), []);
        let phases = [
            "open",
            "advertise",
            "share",
            "accept",
            "upload",
            "confirm",
            "reveal",
        ];
        assert_eq!(ended.phases(), phases);
        let sent = [
            "Advert",
            "SealedShares",
            "Accept",
            "UploadHeader",
            "Confirmation",
            "Reveal",
        ];
        assert_eq!(ended.sent(), sent);
        let progress = ended.log.events.iter().filter_map(|event| match event {
            Event::Uploading { sent, total, .. } => Some((*sent, *total)),
            _ => None,
        });
        let progress = progress.collect::<Vec<_>>();
        let total = task().plan(3).unwrap().packed_bytes() as u64;
        assert_eq!(progress.first(), Some(&(0, total)));
        assert!(
            progress[1].0 > 0 && progress[1].0 < total,
            "an upload has a middle"
        );
        assert_eq!(progress.last(), Some(&(total, total)));
        let result = ended.log.results.last().unwrap();
        assert!(ended.log.events.iter().any(|event| matches!(
            event,
            Event::Result { sum_sha256, weight_sum: 6, file: None, .. }
                if *sum_sha256 == hex::encode(result.sum_sha256)
        )));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_follow_each_other_over_one_connection() {
    let house = House::open(roster(1));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.rounds = 3;
        setup.run()
    });
    for round in 1..4 {
        house.round(round, 0, None);
        until("the result", || {
            let mut logs = members.iter().map(|member| member.log.lock().unwrap());
            logs.all(|log| log.results.len() == round as usize)
        })
        .await;
    }
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 3, 0);
    }
    assert_eq!(house.connections(), 3);
}

// spec: [join.after-result]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_round_is_joined_only_after_the_result_of_the_earlier_one() {
    let house = House::open(roster(1));
    let members = [1, 2, 3].map(|seed| {
        let mut setup = Setup::new(&house, seed);
        setup.rounds = 2;
        setup.run()
    });
    house.round(1, 0, None);
    until("the sum", || house.phase() == Some(PhaseName::Finished)).await;
    house.round(2, 0, None);
    for member in members {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        let order = ended.log.events.iter().filter_map(|event| match event {
            Event::Phase { round, phase, .. } if *phase == "advertise" => {
                Some(("advertise", round.0))
            }
            Event::Result { round, .. } => Some(("result", round.0)),
            _ => None,
        });
        let wanted = [
            ("advertise", 1),
            ("result", 1),
            ("advertise", 2),
            ("result", 2),
        ];
        assert_eq!(order.collect::<Vec<_>>(), wanted);
    }
}

// spec: [attempt.erase] [attempt.same-update]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_attempt_has_fresh_secrets_and_the_same_update() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    // the third member is late, so that the first attempt cannot end
    let early = [1, 2].map(|seed| Setup::new(&house, seed).run());
    until("two adverts", || house.sent().len() == 2).await;
    house.abort(1, 0);
    until("the abort", || {
        early
            .iter()
            .all(|member| member.log.lock().unwrap().aborts.len() == 1)
    })
    .await;
    house.round(1, 1, None);
    let late = Setup::new(&house, 3).run();
    for member in early {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 1, 1);
        assert_eq!(
            ended.log.asked.len(),
            1,
            "the contributor is asked once a round"
        );
        let abort = &ended.log.aborts[0];
        assert_eq!(
            (abort.reason.as_str(), abort.phase),
            ("too_few_updates", "advertise")
        );
        assert_eq!(
            abort.text, "upload: too few[2J",
            "no control character reaches a terminal"
        );
    }
    late.end().await.0.unwrap();
    let adverts = house.sent_by_first("Advert");
    assert_eq!(adverts.len(), 2);
    assert_ne!(adverts[0], adverts[1]);
}

// spec: [attempt.erase]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_attempt_gives_way_without_an_abort() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let early = [1, 2].map(|seed| Setup::new(&house, seed).run());
    until("two adverts", || house.sent().len() == 2).await;
    house.round(1, 1, None);
    let late = Setup::new(&house, 3).run();
    for member in early.into_iter().chain([late]) {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 1, 1);
        let ledger = std::fs::read_to_string(ended.folder.path().join("ledger")).unwrap();
        let acts = ledger.lines().skip(1).map(|line| {
            let line = serde_json::from_str::<serde_json::Value>(line).unwrap();
            line["entry"]["act"].as_str().unwrap().to_owned()
        });
        let acts = acts.collect::<Vec<_>>();
        let second = ["advert", "update", "signed", "closed"];
        let first = &acts[..acts.len() - second.len()];
        assert_eq!(acts[first.len()..], second);
        assert!(
            first.is_empty() || first == ["advert", "closed"],
            "{first:?}"
        );
    }
}

/// As a member that was suspended after Upload: the coordinator went on without it and tells it nothing but the next Open.
// spec: [round.superseded]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_round_ends_the_earlier_one_and_its_late_receipt_is_ignored() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let early = [1, 2].map(|seed| Setup::new(&house, seed).run());
    until("two adverts", || house.sent().len() == 2).await;
    house.round(2, 0, None);
    until("the end of the earlier round", || {
        let mut logs = early.iter().map(|member| member.log.lock().unwrap());
        logs.all(|log| log.aborts.len() == 1)
    })
    .await;
    let receipt = Receipt {
        task: task().digest(),
        round: Round(1),
        attempt: Attempt(0),
        sid: Sid([1; 32]),
        sid2: Sid2([2; 32]),
        survivors: Bitmap::of(3, [Slot(1), Slot(2)]),
        sum: Hash([3; 32]),
        signature: Signature([0; 64]),
    };
    house.tell(Message::new(receipt.signed(&identity(0))));
    let late = Setup::new(&house, 3).run();
    for member in early {
        let (outcome, ended) = member.end().await;
        outcome.unwrap();
        check_result(&ended, 2, 0);
        assert_eq!(ended.refusals(), []);
        assert_eq!((ended.log.results.len(), ended.log.aborts.len()), (1, 1));
        let abort = &ended.log.aborts[0];
        assert_eq!((abort.round, abort.attempt), (Round(1), Attempt(0)));
        assert_eq!(
            (abort.reason.as_str(), abort.phase),
            ("superseded", "advertise")
        );
        assert_eq!(
            abort.text,
            "the coordinator opened round 2, this member was not in the result of round 1"
        );
        let told = |event: &Event| {
            matches!(
                event,
                Event::Abort {
                    round: Round(1),
                    ..
                }
            )
        };
        let joined = |event: &Event| {
            matches!(
                event,
                Event::Phase {
                    round: Round(2),
                    ..
                }
            )
        };
        let events = &ended.log.events;
        assert!(events.iter().position(told) < events.iter().position(joined));
        let ledger = std::fs::read_to_string(ended.folder.path().join("ledger")).unwrap();
        let acts = ledger.lines().skip(1).map(|line| {
            let line = serde_json::from_str::<serde_json::Value>(line).unwrap();
            line["entry"]["act"].as_str().unwrap().to_owned()
        });
        let first = acts.take(3).collect::<Vec<_>>();
        assert_eq!(first, ["advert", "closed", "advert"]);
    }
    late.end().await.0.unwrap();
}

// spec: [upload.saturated]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saturated_coordinates_are_told() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let mut members = [1, 2, 3].map(|seed| Setup::new(&house, seed));
    members[0].value = 5.0;
    let [first, second, third] = members.map(Setup::run);
    let (_, ended) = first.end().await;
    let told = ended.log.events.iter().any(|event| {
        matches!(
            event,
            Event::Saturated {
                clipped: 4000,
                coordinates: 4000,
                ..
            }
        )
    });
    assert!(told, "{:?}", ended.log.events);
    let (_, ended) = second.end().await;
    let told = |event: &Event| matches!(event, Event::Saturated { .. });
    assert!(!ended.log.events.iter().any(told));
    third.end().await.0.unwrap();
}

// spec: [member.stop]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_member_and_records_the_erasure() {
    let house = House::open(roster(1));
    house.round(1, 0, None);
    let member = Setup::new(&house, 1).run();
    until("the advert", || house.sent().len() == 1).await;
    member.stop.stop();
    let (outcome, ended) = member.end().await;
    outcome.unwrap();
    let ledger = std::fs::read_to_string(ended.folder.path().join("ledger")).unwrap();
    assert!(
        ledger
            .lines()
            .last()
            .unwrap()
            .contains("\"act\":\"closed\"")
    );
}
