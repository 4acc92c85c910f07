//! Whole rounds over real QUIC beyond the matrix: the ring, a cohort, weighted floats, two tasks at once, members that come
//! back, a coordinator that dies in the middle of a round, and updates that are offered twice.

#![expect(
    clippy::unwrap_used,
    reason = "support of tests: a failure here is a failed test"
)]

use std::time::Duration;

use veilsum_client::{Event, Policy};
use veilsum_encode::{
    Clip, Dtype, Encoding, FloatEncoding, Manifest, TensorSpec, sha256_of_values,
};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::message::Deadlines;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{Task, TaskSpec};
use veilsum_server::{Gather, TaskConfig};
use veilsum_sim::Vanish;
use veilsum_tests::quic::{
    Federation, House, How, Inputs, Runner, Site, Sum, Trap, deadlines, flat, integer_task,
    plain_integers, plain_mean, reencoded,
};

/// Phases wait for everybody they expect.
const PATIENT: Duration = Duration::from_secs(60);

/// `rounds` rounds that open when `members` are connected.
fn rounds(spec: TaskSpec, rounds: u64, members: u32) -> TaskConfig {
    let mut config = TaskConfig::new(Task::new(spec).unwrap());
    config.rounds = Some(rounds);
    config.gather = Gather {
        members: Some(members),
        wait: PATIENT,
    };
    config.deadlines = deadlines(PATIENT);
    config
}

fn slots(slots: impl IntoIterator<Item = u32>) -> Vec<Slot> {
    slots.into_iter().map(Slot).collect()
}

fn all_but(federation: &Federation, gone: &[u32]) -> Vec<Slot> {
    let all = federation.slots();
    all.filter(|slot| !gone.contains(&slot.0)).collect()
}

fn join(federation: &Federation, house: &House, slot: u32, inputs: Inputs) -> Runner {
    Site::new(federation, house, Slot(slot), inputs).run(federation)
}

fn join_all(federation: &Federation, house: &House, inputs: Inputs) -> Vec<Runner> {
    let all = federation.slots();
    all.map(|slot| join(federation, house, slot.0, inputs))
        .collect()
}

/// The sum of a round of integers is the plain one, at the coordinator and at every one of the members.
fn check_integers(sum: &Sum, inputs: Inputs, members: &[&Runner]) {
    let plain = plain_integers(inputs, sum);
    assert_eq!(sum.integers, plain, "a wrong sum");
    assert_eq!(sum.sha256, sha256_of_values(&plain));
    for member in members {
        let result = member.result(sum.task.name().as_str(), sum.round.0);
        assert_eq!(result.survivors, sum.survivors);
        assert_eq!(result.sum.values(), plain, "a wrong sum at {}", member.slot);
        assert_eq!(result.sum_sha256, sum.sha256);
    }
}

fn refused(member: &Runner, wanted: &str) -> Option<String> {
    member.log.look(|log| {
        log.events.iter().find_map(|event| match event {
            Event::Refused { kind, text } if kind == wanted => Some(text.clone()),
            _ => None,
        })
    })
}

fn sent_in(member: &Runner, wanted: u64) -> bool {
    member.saw(|event| matches!(event, Event::Sending { round, .. } if *round == Round(wanted)))
}

#[test]
fn two_hundred_and_six_members_sum_exactly_on_the_ring_with_drop_outs_in_three_phases() {
    let federation = Federation::new(206, 41);
    let mut config = rounds(integer_task("ring", 500, 4, 8), 1, 206);
    config.deadlines.upload_ms = 12_000;
    config.deadlines.reveal_ms = 12_000;
    let parameters = config.task.parameters(206).unwrap();
    assert!(!parameters.is_complete() && parameters.has_committee());
    let house = House::open(&federation, vec![config]);
    let trap = |slot: Slot| match slot.0 {
        7 => Some(Trap::new(Vanish::Upload, How::Hang)),
        90 => Some(Trap::new(Vanish::MidUpload, How::Crash)),
        91 => Some(Trap::new(Vanish::MidUpload, How::Hang)),
        150 => Some(Trap::new(Vanish::Reveal, How::Crash)),
        205 => Some(Trap::new(Vanish::Reveal, How::Hang)),
        _ => None,
    };
    let inputs = Inputs::of(41);
    let members = federation.slots().map(|slot| {
        let mut site = Site::new(&federation, &house, slot, inputs);
        site.trap = trap(slot);
        site.run(&federation)
    });
    let members = members.collect::<Vec<_>>();
    let sum = house.sum("ring", 1);
    assert_eq!(sum.survivors, all_but(&federation, &[7, 90, 91]));
    let here = members.iter().filter(|member| trap(member.slot).is_none());
    check_integers(&sum, inputs, &here.collect::<Vec<_>>());
    let gone = members.iter().filter(|member| trap(member.slot).is_some());
    gone.for_each(Runner::vanish);
    let (uploads, reveals) = (PhaseName::Upload, PhaseName::Reveal);
    let vanished = [
        (7, uploads),
        (90, uploads),
        (91, uploads),
        (150, reveals),
        (205, reveals),
    ];
    assert_eq!(
        sum.vanished,
        vanished.map(|(slot, phase)| (Slot(slot), phase))
    );
}

#[test]
fn a_cohort_of_the_roster_sums_exactly_and_nobody_else_is_asked() {
    let federation = Federation::new(12, 42);
    let mut spec = integer_task("cohort", 300, 1, 1);
    spec.cohort = Some(7);
    let mut config = rounds(spec, 2, 12);
    config.deadlines.share_ms = 3_000;
    let cohorts = [1, 2].map(|round| cohort(&federation, &config.task, round));
    assert_ne!(cohorts[0], cohorts[1]);
    // whoever hangs would be waited for in the second round
    let mut first_only = cohorts[0].iter().filter(|slot| !cohorts[1].contains(slot));
    let gone = *first_only.next().unwrap();
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(42);
    let members = federation.slots().map(|slot| {
        let mut site = Site::new(&federation, &house, slot, inputs);
        site.trap = (slot == gone).then(|| Trap::new(Vanish::Share, How::Hang));
        site.run(&federation)
    });
    let members = members.collect::<Vec<_>>();
    for (round, cohort) in [1, 2].into_iter().zip(&cohorts) {
        let sum = house.sum("cohort", round);
        let survivors = cohort.iter().filter(|slot| **slot != gone).copied();
        let survivors = survivors.collect::<Vec<_>>();
        assert_eq!(sum.survivors, survivors);
        let here = members
            .iter()
            .filter(|member| survivors.contains(&member.slot));
        check_integers(&sum, inputs, &here.collect::<Vec<_>>());
        let others = members
            .iter()
            .filter(|member| !cohort.contains(&member.slot));
        others.for_each(|member| assert!(!sent_in(member, round), "member {}", member.slot));
    }
}

fn cohort(federation: &Federation, task: &Task, round: u64) -> Vec<Slot> {
    let (roster, round) = (federation.roster().clone(), Round(round));
    let (model, times) = (ModelDigest([0; 32]), Deadlines::default());
    let context = RoundContext::new(task.clone(), roster, round, Attempt(0), model, times);
    context.unwrap().graph.population().slots().collect()
}

#[test]
fn the_mean_of_weighted_rotated_floats_is_the_plain_one_within_a_quantisation_step() {
    let federation = Federation::new(6, 43);
    let mut spec = integer_task("floats", 1, 1, 1);
    let tensor = |name: &str, shape: &[u64]| TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
        dtype: Dtype::F64,
    };
    spec.manifest = Manifest::new(vec![tensor("w", &[37, 10]), tensor("b", &[10])]).unwrap();
    let encoding = FloatEncoding::new(Clip::L2(10.0), BITS)
        .rotated()
        .weighted(50);
    spec.encoding = Encoding::Float(encoding);
    let mut config = rounds(spec, 1, 6);
    config.deadlines.upload_ms = 3_000;
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(43);
    let members = federation.slots().map(|slot| {
        let mut site = Site::new(&federation, &house, slot, inputs);
        site.trap = (slot == Slot(4)).then(|| Trap::new(Vanish::MidUpload, How::Crash));
        site.run(&federation)
    });
    let members = members.collect::<Vec<_>>();
    let sum = house.sum("floats", 1);
    assert_eq!(sum.survivors, slots([0, 1, 2, 3, 5]));
    let plain = reencoded(inputs, &sum);
    assert_eq!(sum.integers, plain, "a wrong sum");
    assert_eq!(sum.sha256, sha256_of_values(&plain));
    assert_eq!(sum.weight, 1 + 2 + 3 + 4 + 6);
    // each rounding errs by less than a step, a weighted mean of them too, and a rotation keeps the length of the error
    let step = sum.plan.range().unwrap() / f64::from((1 << (BITS - 1)) - 1);
    let longest = step * (sum.plan.padded_coordinates() as f64).sqrt();
    let wanted = plain_mean(inputs, &sum);
    let error = |mean: Vec<f64>| {
        assert_eq!(mean.len(), wanted.len());
        let squares = mean.iter().zip(&wanted).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let length = wanted.iter().map(|value| value * value).sum::<f64>().sqrt();
    assert!(
        longest < length / 10.0,
        "a bound that would hold for zeros too"
    );
    let found = error(flat(sum.mean.clone()));
    assert!(
        found <= longest,
        "found an error of {found}, wanted at most {longest}"
    );
    for member in members.iter().filter(|member| member.slot != Slot(4)) {
        let result = member.result("floats", 1);
        assert_eq!(
            (result.sum_sha256, result.weight_sum),
            (sum.sha256, sum.weight)
        );
        assert_eq!(result.mean, sum.mean);
        assert!(!member.saw(|event| matches!(event, Event::Saturated { .. })));
    }
}

/// Bits of a quantised float.
const BITS: u8 = 12;

#[test]
fn two_tasks_of_the_same_members_at_once_both_sum_exactly() {
    let federation = Federation::new(5, 44);
    let tasks = [("left", 300), ("right", 9_000)];
    let configs = tasks.map(|(name, coordinates)| {
        let mut config = rounds(integer_task(name, coordinates, 1, 1), 3, 5);
        config.results = Some(federation.results());
        config
    });
    let house = House::open(&federation, configs.to_vec());
    let inputs = Inputs::of(44);
    let members = join_all(&federation, &house, inputs);
    let here = members.iter().collect::<Vec<_>>();
    for round in 1..=3 {
        for (name, _) in tasks {
            let sum = house.sum(name, round);
            assert_eq!(sum.survivors, slots(0..5));
            check_integers(&sum, inputs, &here);
            let packed = federation
                .results()
                .join(format!("{name}-r{round}-sum.bin"));
            let bytes = std::fs::metadata(packed).unwrap().len();
            assert_eq!(bytes, sum.plan.packed_bytes() as u64);
        }
    }
    assert_eq!(house.faults(), []);
    house.shut();
}

#[test]
fn a_member_that_crashes_in_round_one_is_back_in_round_two() {
    let federation = Federation::new(6, 45);
    let mut config = rounds(integer_task("three", 300, 1, 1), 3, 6);
    config.deadlines.accept_ms = 4_000;
    let house = House::open(&federation, vec![config]);
    let inputs = Inputs::of(45);
    let site = |slot| Site::new(&federation, &house, Slot(slot), inputs);
    let trap = Trap::new(Vanish::Accept, How::Crash);
    let crashing = site(2).trapped(trap).run(&federation);
    let others = [0, 1, 3, 4, 5].map(|slot| join(&federation, &house, slot, inputs));
    crashing.vanish();
    // the same member, with the same key and ledger, in a new process
    let back = site(2).run(&federation);
    let first = house.sum("three", 1);
    assert_eq!(first.survivors, slots([0, 1, 3, 4, 5]));
    assert_eq!(first.vanished, [(Slot(2), PhaseName::Accept)]);
    let others = others.iter().collect::<Vec<_>>();
    check_integers(&first, inputs, &others);
    let all = others.into_iter().chain([&back]).collect::<Vec<_>>();
    for round in [2, 3] {
        let sum = house.sum("three", round);
        assert_eq!(sum.survivors, slots(0..6));
        check_integers(&sum, inputs, &all);
    }
    // its secrets of round 1 died with it: it has vanished from that session for good
    assert!(!sent_in(&back, 1));
    assert!(crashing.log.look(|log| log.results.is_empty()));
    assert_eq!(house.faults(), []);
}

#[test]
fn a_coordinator_that_dies_aborts_its_open_round_by_name_and_members_go_on_with_the_next() {
    let federation = Federation::new(5, 46);
    let config = rounds(integer_task("phoenix", 300, 1, 1), 2, 5);
    let house = House::open(&federation, vec![config.clone()]);
    let inputs = Inputs::of(46);
    let members = federation.slots().map(|slot| {
        let site = Site::new(&federation, &house, slot, inputs).with(|config| {
            // a dead coordinator says nothing; this is how it is noticed
            config.limits.idle_timeout = Duration::from_secs(3);
            config.limits.keep_alive = Duration::from_millis(500);
        });
        // one who never uploads holds the round open, over the coordinator's death
        match slot {
            Slot(3) => site
                .trapped(Trap::new(Vanish::Upload, How::Crash))
                .run(&federation),
            _ => site.run(&federation),
        }
    });
    let members = members.collect::<Vec<_>>();
    house.phase(PhaseName::Upload, 1);
    members[3].vanish();
    let address = house.address;
    drop(house);
    let house = House::open_at(&federation, address, vec![config]);
    assert_eq!(house.address, address);
    let reason = "coordinator_restarted".to_owned();
    let found = house.end("phoenix", 1).map(|sum| sum.survivors);
    assert_eq!(found, Err((reason.clone(), "any".into())));
    let back = join(&federation, &house, 3, inputs);
    let sum = house.sum("phoenix", 2);
    assert_eq!(sum.survivors, slots(0..5));
    let stayed = members.iter().filter(|member| member.slot != Slot(3));
    let here = stayed.clone().chain([&back]).collect::<Vec<_>>();
    check_integers(&sum, inputs, &here);
    for member in stayed {
        assert_eq!(member.abort(1).reason, reason, "member {}", member.slot);
        let results = member.log.look(|log| log.results.len());
        assert_eq!(results, 1, "member {}", member.slot);
    }
}

/// Two rounds of five members that are over; the members still run.
struct Offered {
    twice: Runner,
    others: Vec<Runner>,
    inputs: Inputs,
    /// Of round 2.
    sum: Sum,
    _house: House,
}

/// Two rounds in which member 0 offers one update twice, under `policy`.
fn offered_twice(federation: &Federation, policy: impl FnOnce(&mut Policy)) -> Offered {
    let mut config = rounds(integer_task("twice", 300, 1, 1), 2, 5);
    config.deadlines.advertise_ms = 4_000;
    let house = House::open(federation, vec![config]);
    let inputs = Inputs::of(47);
    let site = Site::new(federation, &house, Slot(0), inputs.fixed());
    let twice = site
        .with(|config| policy(&mut config.policy))
        .run(federation);
    let others = (1..5).map(|slot| join(federation, &house, slot, inputs));
    let others = others.collect::<Vec<_>>();
    assert_eq!(house.sum("twice", 1).survivors, slots(0..5));
    let sum = house.sum("twice", 2);
    let results = others.iter().map(|member| member.result("twice", 2));
    results.for_each(|result| assert_eq!(result.sum.values(), sum.integers));
    assert_eq!(house.faults(), []);
    twice.result("twice", 1);
    Offered {
        twice,
        others,
        inputs,
        sum,
        _house: house,
    }
}

#[test]
fn an_update_that_was_used_is_refused_in_the_next_round_and_nothing_of_the_member_is_sent() {
    let federation = Federation::new(5, 47);
    let offered = offered_twice(&federation, |_| {});
    let Offered {
        twice,
        others,
        inputs,
        sum,
        _house,
    } = &offered;
    let text = refused(twice, "update_used").expect("a refusal");
    assert!(text.starts_with("update already used in round 1"), "{text}");
    assert!(!sent_in(twice, 2));
    assert_eq!(sum.survivors, slots(1..5));
    check_integers(sum, *inputs, &others.iter().collect::<Vec<_>>());
}

#[test]
fn an_update_goes_into_two_rounds_under_a_policy_that_allows_it() {
    let federation = Federation::new(5, 47);
    let offered = offered_twice(&federation, |policy| policy.reuse_update = true);
    let (twice, sum, inputs) = (&offered.twice, &offered.sum, offered.inputs);
    assert_eq!(refused(twice, "update_used"), None);
    assert_eq!(sum.survivors, slots(0..5));
    let only = |slots: Vec<Slot>| Sum {
        survivors: slots,
        ..sum.clone()
    };
    let again = plain_integers(inputs.fixed(), &only(slots([0])));
    let fresh = plain_integers(inputs, &only(slots(1..5)));
    let plain = again.iter().zip(fresh).map(|(a, b)| a + b);
    assert_eq!(sum.integers, plain.collect::<Vec<_>>());
    assert_eq!(twice.result("twice", 2).sum.values(), sum.integers);
}
