//! The hook: the model a round starts from, the sum it ends with.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use veilsum_encode::TensorData;
use veilsum_proto::{
    coordinator::PhaseName,
    ids::{Round, Slot},
    message::{Body, Message},
};
use veilsum_quic::{FetchError, PartialBlob, PartialSync, Synced};
use veilsum_server::{
    DownloadBytes, Event, ModelDeltas, RoundAbort, RoundResult, TaskConfig, TaskHook, Turn,
};

use crate::support::*;

/// A learner that notes what it is told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }
}

impl TaskHook for Notes {
    fn base_model(&mut self, round: Round) -> Option<Bytes> {
        Some(model(round))
    }

    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        let TensorData::F64(mean) = &result.mean().unwrap()["counts"].data else {
            panic!("the mean of integers is f64");
        };
        let sum = result.integers.values();
        assert_eq!(mean[3], sum[3] as f64 / result.weight as f64);
        assert_eq!(result.sum_sha256, result.integers.sha256());
        assert!(result.upload_bytes > 0 && !result.wall.is_zero());
        self.add(format!("finished {} {:?}", result.round, result.vanished));
        match result.round {
            Round(2) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn aborted(&mut self, abort: &RoundAbort) {
        self.add(format!(
            "aborted {} {} {}",
            abort.round, abort.reason, abort.retries
        ));
    }
}

fn model(round: Round) -> Bytes {
    Bytes::from(format!("model of round {round}"))
}

// spec: [service.model]
#[tokio::test]
async fn each_round_starts_from_the_hooks_model_and_ends_at_the_hook() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 1);
    config.rounds = None;
    config.gather.members = Some(3);
    let notes = Notes::default();
    let mut house = federation
        .try_serve(federation.config(), vec![(config, Box::new(notes.clone()))])
        .unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let bases = seen.clone();
    let mut members = federation.join_all(house.address, [0, 1]);
    members.push(federation.site(2).run(house.address, move |message| {
        if let Body::Open(open) = &message.body {
            bases.lock().unwrap().push(open.base_model.0);
        }
        Act::Go
    }));
    house.service.finished().await.unwrap();
    assert_eq!(*notes.0.lock().unwrap(), ["finished 1 []", "finished 2 []"]);
    let wanted = [1, 2].map(|round| <[u8; 32]>::from(Sha256::digest(model(Round(round)))));
    let mut found = seen.lock().unwrap().clone();
    found.dedup(); // an invitation may come twice
    assert_eq!(found, wanted);
    let (_client, connection, _frames) = {
        members.pop();
        federation.site(2).connect(house.address).await
    };
    let mut blob = PartialBlob::in_memory(wanted[1]);
    connection.fetch(&mut blob, 1000).await.unwrap();
    assert_eq!(blob.into_bytes().unwrap(), model(Round(2)));
    house.service.shutdown().await;
}

#[tokio::test]
async fn the_hook_learns_who_vanished_and_what_was_aborted() {
    let federation = Federation::new(5);
    let mut config = task("counts", 10, 2);
    config.deadlines = deadlines(2500);
    config.rounds = Some(1);
    config.gather.members = Some(5);
    let notes = Notes::default();
    let mut house = federation
        .try_serve(federation.config(), vec![(config, Box::new(notes.clone()))])
        .unwrap();
    let mut members = federation.join_all(house.address, [0, 4]);
    // in the first attempt three of five advertise nothing; in the second, one vanishes in Share, one in Reveal
    members.extend([1, 2].map(|slot| {
        let mut first = true;
        federation
            .site(slot)
            .run(house.address, move |message: &Message| {
                let open = matches!(message.body, Body::Open(_)) && std::mem::take(&mut first);
                match message.body.name() {
                    _ if open => Act::Ignore,
                    "Certificate" if slot == 2 => Act::Vanish,
                    _ => Act::Go,
                }
            })
    }));
    members.push(federation.site(3).run(house.address, {
        let mut count = 0;
        move |message: &Message| match message.body.name() {
            "Adverts" => Act::Vanish,
            "Open" => {
                count += 1;
                if count == 1 { Act::Ignore } else { Act::Go }
            }
            _ => Act::Go,
        }
    }));
    let (.., survivors, _) = house.result().await;
    assert_eq!(survivors, [0, 1, 2, 4]);
    house.service.finished().await.unwrap();
    let vanished = vec![(Slot(2), PhaseName::Reveal), (Slot(3), PhaseName::Share)];
    let wanted = [
        "aborted 1 too_few_adverts true".to_owned(),
        format!("finished 1 {vanished:?}"),
    ];
    assert_eq!(*notes.0.lock().unwrap(), wanted);
}

/// A learner whose model is the last one with a word more.
struct Adds(Arc<Mutex<Vec<DownloadBytes>>>);

impl TaskHook for Adds {
    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        Some(newest())
    }

    fn deltas(&self) -> Option<Arc<dyn ModelDeltas>> {
        Some(Arc::new(Appended))
    }

    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        self.0.lock().unwrap().push(result.download_bytes);
        ControlFlow::Break(())
    }
}

struct Appended;

impl ModelDeltas for Appended {
    fn delta(&self, from: &[u8; 32], to: &[u8; 32]) -> Option<Bytes> {
        assert_eq!(*to, sha256(&newest()));
        (*from == sha256(&[b'a'; 10_000])).then(|| "and more".into())
    }
}

fn newest() -> Bytes {
    [&[b'a'; 10_000], &b"and more"[..]].concat().into()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

// spec: [service.model.delta] [service.model.count]
#[tokio::test]
async fn a_member_that_names_its_model_gets_a_delta_and_the_bytes_are_counted() {
    let federation = Federation::new(3);
    let mut config = task("counts", 10, 1);
    config.gather.members = Some(3);
    let counts = Arc::default();
    let mut house = federation
        .try_serve(
            federation.config(),
            vec![(config, Box::new(Adds(Arc::clone(&counts))))],
        )
        .unwrap();
    let _members = federation.join_all(house.address, [0, 1]);
    let (_client, connection, _frames) = federation.site(2).connect(house.address).await;
    let wanted = sha256(&newest());
    let cases = [
        (sha256(&[b'a'; 10_000]), Synced::Delta),
        (sha256(b"of another federation"), Synced::Whole),
        (wanted, Synced::Whole),
    ];
    for (have, by) in cases {
        let mut part = PartialSync::new(PartialBlob::in_memory(wanted), Some(have));
        // the model is there before the round gathers
        let synced = loop {
            match connection.sync(&mut part, 20_000).await {
                Err(FetchError::Unknown { .. }) => tokio::time::sleep(SOON).await,
                synced => break synced.unwrap(),
            }
        };
        assert_eq!(synced, by);
        match by {
            Synced::Delta => assert_eq!(part.take_delta().unwrap(), "and more"),
            Synced::Whole => assert_eq!(part.into_whole().into_bytes().unwrap(), newest()),
        }
    }
    drop(connection);
    let _last = federation.join_all(house.address, [2]);
    house.service.finished().await.unwrap();
    let wanted = DownloadBytes {
        full: 2 * newest().len() as u64,
        delta: 8,
    };
    assert_eq!(*counts.lock().unwrap(), [wanted]);
}

const SOON: std::time::Duration = std::time::Duration::from_millis(10);

/// A learner that takes its time.
struct Ponderer;

impl TaskHook for Ponderer {
    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        std::thread::sleep(std::time::Duration::from_secs(3));
        None
    }

    fn finished(&mut self, _: &RoundResult<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

// spec: [service.blocking] [service.tasks.apart]
#[tokio::test]
async fn a_hook_that_ponders_holds_up_no_other_task() {
    let federation = Federation::new(3);
    let tasks: Vec<(_, Box<dyn TaskHook>)> = vec![
        (task("pondering", 10, 1), Box::new(Ponderer)),
        (task("quick", 10, 1), Box::new(veilsum_server::NoModel)),
    ];
    let mut house = federation.try_serve(federation.config(), tasks).unwrap();
    let _members = federation.join_all(house.address, 0..3);
    let first = |event: &Event| match event {
        Event::Result { task, .. } => Some(task.as_str().to_owned()),
        _ => None,
    };
    assert_eq!(house.event(first).await, "quick");
    assert_eq!(house.event(first).await, "pondering");
}

/// Follows another task: a round of its own after every second of the other's, under the same number.
struct Follower {
    followed: watch::Receiver<Option<Round>>,
    over: Arc<Mutex<bool>>,
}

impl TaskHook for Follower {
    fn turn(&mut self, next: Round) -> Turn {
        let mut followed = self.followed.clone();
        let found = *followed.borrow_and_update();
        match found {
            Some(round) if round >= next && round.0.is_multiple_of(2) => Turn::Round(round),
            Some(Round(4)) => Turn::Over,
            _ => Turn::Wait(Box::pin(async move {
                let _ = followed.changed().await;
            })),
        }
    }

    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        None
    }

    fn finished(&mut self, _: &RoundResult<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn over(&mut self) {
        *self.over.lock().unwrap() = true;
    }
}

/// Tells the rounds that are over.
struct Leader(watch::Sender<Option<Round>>);

impl TaskHook for Leader {
    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        None
    }

    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        self.0.send_replace(Some(result.round));
        // so that no number passes before the follower has seen it
        std::thread::sleep(SOON * 50);
        ControlFlow::Continue(())
    }
}

type Hooked = (TaskConfig, Box<dyn TaskHook>);

fn led(rounds: u64) -> (Vec<Hooked>, Arc<Mutex<bool>>) {
    let (leader, followed) = watch::channel(None);
    let over = Arc::default();
    let follower = Follower {
        followed,
        over: Arc::clone(&over),
    };
    let mut led = task("following", 10, 1);
    led.rounds = None;
    let mut leads = task("leading", 10, 1);
    leads.rounds = Some(rounds);
    let tasks: Vec<(_, Box<dyn TaskHook>)> =
        vec![(leads, Box::new(Leader(leader))), (led, Box::new(follower))];
    (tasks, over)
}

// spec: [service.round.turn]
#[tokio::test]
async fn a_hook_chooses_the_numbers_of_rounds_waits_for_another_task_and_ends_its_own() {
    let federation = Federation::new(3);
    let (tasks, over) = led(4);
    let mut house = federation.try_serve(federation.config(), tasks).unwrap();
    let _members = federation.join_all(house.address, 0..3);
    let mut rounds = Vec::new();
    while rounds.len() < 2 {
        let round = house.event(|event| match event {
            Event::Result { task, round, .. } if task.as_str() == "following" => Some(*round),
            _ => None,
        });
        rounds.push(round.await);
    }
    assert_eq!(rounds, [Round(2), Round(4)]);
    house.service.finished().await.unwrap();
    assert!(*over.lock().unwrap());
}

// spec: [service.round.turn] [service.shutdown]
#[tokio::test]
async fn a_task_that_waits_ends_with_the_service_and_is_not_told_that_it_is_over() {
    let federation = Federation::new(3);
    let (tasks, over) = led(1);
    let mut house = federation.try_serve(federation.config(), tasks).unwrap();
    let _members = federation.join_all(house.address, 0..3);
    house.result().await;
    house.service.shutdown().await;
    assert!(!*over.lock().unwrap());
}
