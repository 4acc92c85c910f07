//! Coordinators that die in the middle of a round, and what the next one knows.

use std::time::Duration;

use veilsum_proto::ids::{Attempt, Round};
use veilsum_server::{NoModel, ServerError, StoreError, TaskConfig, TaskHook};

use crate::support::*;

/// A new process takes over as soon as the dead one's lock is gone.
async fn restart(federation: &Federation, task: &TaskConfig) -> House {
    loop {
        let tasks = vec![(task.clone(), Box::new(NoModel) as Box<dyn TaskHook>)];
        match federation.try_serve(federation.config(), tasks) {
            Ok(house) => return house,
            Err(ServerError::Store(StoreError::InUse { .. })) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn three() -> TaskConfig {
    let mut config = task("counts", 100, 0);
    config.gather.members = Some(3);
    config
}

// spec: [service.restart] [service.round.grow] [service.publish.again]
#[tokio::test]
async fn a_restart_ends_the_open_round_by_name_and_goes_on_with_the_next_number() {
    let federation = Federation::new(3);
    let config = three();
    let mut house = federation.serve(vec![config.clone()]);
    let members = [0, 1, 2].map(|slot| federation.site(slot).run(house.address, |_| Act::Ignore));
    house.phase("advertise").await;
    members[0].until(|_| true).await;
    drop((house, members));
    let mut house = restart(&federation, &config).await;
    let abort = house.abort().await;
    assert_eq!(
        abort,
        (Round(1), Attempt(0), "coordinator_restarted".to_owned())
    );
    let first = federation.join_all(house.address, [0]);
    first[0]
        .until(|seen| {
            seen.aborts
                .iter()
                .any(|abort| abort.reason == b"coordinator_restarted")
        })
        .await;
    let _others = federation.join_all(house.address, [1, 2]);
    let (round, attempt, survivors, sum) = house.result().await;
    assert_eq!((round, attempt), (Round(2), Attempt(0)));
    assert_eq!(sum, plain_sum(&survivors, Round(2), 100));
    house.service.finished().await.unwrap();
    house.service.shutdown().await;
    // nothing is open any more
    let mut house = restart(&federation, &config).await;
    let _members = federation.join_all(house.address, 0..3);
    assert_eq!(house.result().await.0, Round(3));
}

// spec: [service.restart] [service.publish.again]
#[tokio::test]
async fn the_member_whose_arrival_opens_the_next_round_learns_first_how_the_last_one_ended() {
    let federation = Federation::new(3);
    let config = three();
    let mut house = federation.serve(vec![config.clone()]);
    let members = [0, 1, 2].map(|slot| federation.site(slot).run(house.address, |_| Act::Ignore));
    house.phase("advertise").await;
    drop((house, members));
    let mut house = restart(&federation, &config).await;
    let _others = federation.join_all(house.address, [0, 1]);
    let last = federation.join_all(house.address, [2]);
    assert_eq!(house.result().await.0, Round(2));
    let reasons = last[0].look(|seen| {
        let reasons = seen.aborts.iter().map(|abort| abort.reason.clone());
        reasons.collect::<Vec<_>>()
    });
    assert_eq!(reasons, [b"coordinator_restarted"]);
}

// spec: [service.fix]
#[tokio::test]
async fn share_set_and_survivors_are_on_disk_before_their_phases_begin() {
    let federation = Federation::new(3);
    let config = three();
    let fixed = federation
        .state()
        .join("open")
        .join(format!("{}.json", config.task.digest()));
    let read = || -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(&fixed).unwrap()).unwrap()
    };
    let mut house = federation.serve(vec![config]);
    // nobody answers what follows, so that nothing is overwritten while it is read
    let quiet = |slot| {
        federation
            .site(slot)
            .run(house.address, |message| match message.body.name() {
                "ShareSet" => Act::Dawdle(500),
                "SurvivorSet" => Act::Ignore,
                _ => Act::Go,
            })
    };
    let _members = [quiet(0), quiet(1), quiet(2)];
    house.phase("upload").await;
    assert_eq!(
        (&read()["shared"], &read()["survivors"]),
        (&"07".into(), &serde_json::Value::Null)
    );
    house.phase("confirm").await;
    assert_eq!(
        (&read()["shared"], &read()["survivors"]),
        (&"07".into(), &"07".into())
    );
}

// spec: [service.fix]
#[tokio::test]
async fn a_set_that_cannot_be_recorded_is_never_sent() {
    let federation = Federation::new(3);
    let mut config = three();
    config.rounds = Some(1);
    let name = format!(".{}.json.tmp", config.task.digest());
    let blocked = federation.state().join("open").join(name);
    let mut house = federation.serve(vec![config]);
    std::fs::create_dir(&blocked).unwrap();
    let members = federation.join_all(house.address, 0..3);
    let abort = house.abort().await;
    assert_eq!(
        abort,
        (Round(1), Attempt(0), "state_not_durable".to_owned())
    );
    assert!(members[0].look(|seen| seen.receipts.is_empty()));
    std::fs::remove_dir(&blocked).unwrap();
    let (round, attempt, survivors, sum) = house.result().await;
    assert_eq!((round, attempt > Attempt(0)), (Round(1), true));
    assert_eq!(sum, plain_sum(&survivors, Round(1), 100));
}

// spec: [service.round.durable]
#[tokio::test]
async fn a_round_that_cannot_be_recorded_does_not_open_until_it_can() {
    let federation = Federation::new(3);
    let mut house = federation.serve(vec![three()]);
    let blocked = federation.state().join(".rounds.json.tmp");
    std::fs::create_dir(&blocked).unwrap();
    let members = federation.join_all(house.address, 0..3);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(members[0].look(|seen| seen.opens), 0);
    std::fs::remove_dir(&blocked).unwrap();
    assert_eq!(house.result().await.0, Round(1));
}

// spec: [service.lock]
#[tokio::test]
async fn two_services_do_not_share_a_state_folder() {
    let federation = Federation::new(3);
    let _house = federation.serve(vec![three()]);
    let tasks = vec![(three(), Box::new(NoModel) as Box<dyn TaskHook>)];
    let error = federation
        .try_serve(federation.config(), tasks)
        .err()
        .unwrap();
    assert!(
        matches!(error, ServerError::Store(StoreError::InUse { .. })),
        "{error}"
    );
}
