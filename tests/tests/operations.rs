//! Whole rounds in virtual time from lists of operations: random ones, kept ones, and what the judge makes of broken rules.
//!
//! More of them: `cargo run --release -p veilsum-tests --example operations -- --lists 1000000 --seed 1`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::message::{
    Body, Confirmation, Message, Reveal, RevealedSeed, SignedSlot, SurvivorSet,
};
use veilsum_sim::knowledge::Finding;
use veilsum_sim::ops::{
    Doubles, Forgery, Link, NoDoubles, Noise, Operation, OperationList, Outcome, Publication,
    Setting, Shape, Stages, Values, Violation, draw, shrink,
};

/// Random lists of one run; `VEILSUM_LISTS` and `VEILSUM_SEED` ask for others.
const LISTS: u64 = 20_000;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn list(setting: Setting, operations: impl IntoIterator<Item = Operation>) -> OperationList {
    OperationList {
        fact: String::new(),
        setting,
        seed: 1,
        operations: operations.into_iter().collect(),
    }
}

/// Shortest list that breaks the same promise, as a message that can be kept.
fn shortened(stages: &Stages, list: &OperationList, violation: &Violation) -> String {
    let shortest = shrink(
        list,
        &mut |list| matches!(stages.run(list, &mut NoDoubles), Err(found) if found.kind() == violation.kind()),
    );
    format!(
        "seed {}: {violation}\nkeep as tests/ops/NAME.json:\n{}",
        list.seed,
        shortest.to_json()
    )
}

// spec: [finish.unmask] [finish.surplus] [finish.noise] [confirm.set] [confirm.once] [confirm.quorum] [confirm.record] [reveal.record]
// spec: [reveal.chain] [reveal.self-of-survivor] [reveal.root-of-dropped] [reveal.direct] [upload.duplicate] [upload.reuse]
// spec: [upload.charge] [join.ledger] [join.closed] [attempt.superseded] [attempt.retry] [close.record] [message.fault]
// spec: [message.second] [share.exclude] [reveal.verify] [recover.verify] [recover.late]
#[test]
fn random_lists_break_no_promise() {
    let (lists, seed) = (
        from_environment("VEILSUM_LISTS", LISTS),
        from_environment("VEILSUM_SEED", 1),
    );
    let (stages, next) = (Stages::default(), AtomicU64::new(0));
    let work = || {
        let mut reached = BTreeMap::<&'static str, u64>::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= lists {
                return reached;
            }
            let list = draw(seed.wrapping_add(index));
            match stages.run(&list, &mut NoDoubles) {
                Ok(outcome) => count(&mut reached, &outcome),
                Err(violation) => panic!("{}", shortened(&stages, &list, &violation)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut reached = BTreeMap::new();
    std::thread::scope(|scope| {
        let workers = (0..threads).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        for worker in workers {
            for (what, count) in worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            {
                *reached.entry(what).or_insert(0) += count;
            }
        }
    });
    println!("{lists} lists from seed {seed}: {reached:#?}");
    if lists >= LISTS {
        for what in [
            "sum",
            "too_few_adverts",
            "too_few_shares",
            "too_few_updates",
            "below_quorum",
            "missing_shares",
            "sum_out_of_range",
            "coordinator_restarted",
        ] {
            assert!(
                reached.contains_key(what),
                "no list ended in {what}: {reached:?}"
            );
        }
        assert!(
            reached["sum"] > lists / 3,
            "few lists have a sum: {reached:?}"
        );
    }
}

fn count(reached: &mut BTreeMap<&'static str, u64>, outcome: &Outcome) {
    for end in &outcome.ends {
        let what = end
            .result
            .as_ref()
            .map_or_else(|abort| abort.kind(), |_| "sum");
        *reached.entry(what).or_default() += 1;
    }
}

/// A kept list may say how its attempts end and who is blamed.
#[test]
fn every_kept_list_breaks_no_promise() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == "json"));
    let files = files.collect::<Vec<PathBuf>>();
    assert!(!files.is_empty());
    let stages = Stages::default();
    for path in files {
        let name = path.display();
        let text = std::fs::read_to_string(&path).unwrap();
        let (list, ends, blamed) = kept(&text);
        assert!(
            !list.fact.is_empty(),
            "{name}: a kept list says what it shows"
        );
        match stages.run(&list, &mut NoDoubles) {
            Err(violation) => panic!("{name}: {}: {violation}", list.fact),
            Ok(outcome) => {
                let found = outcome.ends.iter().map(|end| match &end.result {
                    Ok((survivors, _)) => {
                        let slots = survivors.iter().map(|slot| slot.0).collect::<Vec<_>>();
                        format!("sum of {slots:?}")
                    }
                    Err(abort) => abort.kind().to_owned(),
                });
                let found = found.collect::<Vec<_>>();
                assert_eq!(ends.unwrap_or(found.clone()), found, "{name}");
                let faults = outcome
                    .faults
                    .iter()
                    .map(|(slot, kind)| format!("{slot} {kind}"));
                let faults = faults.collect::<Vec<_>>();
                assert_eq!(blamed.unwrap_or(faults.clone()), faults, "{name}");
            }
        }
    }
}

fn kept(text: &str) -> (OperationList, Option<Vec<String>>, Option<Vec<String>>) {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    let fields = value.as_object_mut().unwrap();
    let mut texts = |name: &str| Some(serde_json::from_value(fields.remove(name)?).unwrap());
    let (ends, blamed) = (texts("ends"), texts("blamed"));
    let list = OperationList::from_json(&value.to_string()).unwrap();
    (list, ends, blamed)
}

#[test]
fn a_list_gives_the_same_every_time_and_reads_back_from_its_text() {
    for seed in 0..60 {
        let list = draw(seed);
        assert_eq!(list, draw(seed));
        let read = OperationList::from_json(&list.to_json()).unwrap();
        assert_eq!(read, list);
        let (one, other) = (Stages::default(), Stages::default());
        assert_eq!(
            one.run(&list, &mut NoDoubles),
            other.run(&read, &mut NoDoubles),
            "seed {seed}"
        );
    }
}

/// Nothing happens: every round of every kind of federation has a sum over everybody.
#[test]
fn an_empty_list_ends_in_sums_over_everybody() {
    let noised = |noise| Setting {
        noise: Some(noise),
        ..Setting::complete(5, 1, 1)
    };
    let ring = |members, degree, missing| Setting {
        shape: Shape::Ring(degree),
        ..Setting::complete(members, 1, missing)
    };
    let settings = [
        Setting {
            rounds: 3,
            ..Setting::complete(3, 0, 1)
        },
        Setting::complete(8, 2, 2),
        Setting {
            values: Values::WeightedFloats,
            ..Setting::complete(4, 1, 1)
        },
        Setting {
            cohort: Some(4),
            ..Setting::complete(7, 1, 1)
        },
        noised(Noise::DropoutExact),
        noised(Noise::Shared),
        ring(12, 4, 0),
        ring(18, 6, 1),
        ring(24, 8, 2),
    ];
    let stages = Stages::default();
    for setting in settings {
        let outcome = stages
            .run(&list(setting.clone(), []), &mut NoDoubles)
            .unwrap();
        assert_eq!(outcome.ends.len() as u64, setting.rounds);
        for end in outcome.ends {
            let (survivors, _) = end.result.unwrap();
            assert_eq!(
                survivors.len() as u32,
                setting.cohort.unwrap_or(setting.members),
                "{setting:?}"
            );
        }
        assert_eq!((outcome.faults, outcome.refusals), (vec![], vec![]));
    }
}

// --- the judge can fail

/// A coordinator that leaves survivors out of the sum whose masks it had to rebuild.
struct LeavesOut;

impl Doubles for LeavesOut {
    fn publish(&mut self, publication: &mut Publication) {
        if !publication.recovered.is_empty() {
            publication.sum.iter_mut().for_each(|total| *total -= 1);
        }
    }
}

/// Members that sign every set they are asked to.
#[derive(Default)]
struct SignsAnything(BTreeSet<(Slot, [u8; 32])>);

impl Doubles for SignsAnything {
    fn answer(&mut self, slot: Slot, identity: &Identity, message: &Message) -> Option<Message> {
        let Body::SurvivorSet(set) = &message.body else {
            return None;
        };
        // the first one of a session goes through the machine
        (!self.0.insert((slot, set.sid2.0))).then(|| signed(slot, set, identity))
    }
}

fn signed(slot: Slot, set: &SurvivorSet, identity: &Identity) -> Message {
    let signature = set.sign(identity);
    Message::new(Confirmation {
        sid2: set.sid2,
        signed: SignedSlot { slot, signature },
    })
}

/// Members that answer with their seeds when they are asked to sign.
struct RevealsUnasked;

impl Doubles for RevealsUnasked {
    fn answer(&mut self, slot: Slot, _: &Identity, message: &Message) -> Option<Message> {
        let Body::SurvivorSet(set) = &message.body else {
            return None;
        };
        Some(Message::new(Reveal {
            sid2: set.sid2,
            slot,
            self_seed: RevealedSeed::new(&[7; 32]),
            pair_seeds: Vec::new(),
            chain_value: None,
        }))
    }
}

/// Members that give a value of their noise chain too many, whatever the certificate says.
struct GivesAnyChainValue;

impl Doubles for GivesAnyChainValue {
    fn answer(&mut self, slot: Slot, _: &Identity, message: &Message) -> Option<Message> {
        let Body::Certificate(certificate) = &message.body else {
            return None;
        };
        Some(Message::new(Reveal {
            sid2: certificate.set.sid2,
            slot,
            self_seed: RevealedSeed::new(&[7; 32]),
            pair_seeds: Vec::new(),
            chain_value: Some(RevealedSeed::new(&[8; 32])),
        }))
    }
}

/// A coordinator that blames whoever sends the same twice.
#[derive(Default)]
struct BlamesRepeats(BTreeSet<Vec<u8>>);

impl Doubles for BlamesRepeats {
    fn blames(&mut self, _: Slot, message: &Message) -> bool {
        !self.0.insert(message.encode())
    }
}

/// The short form of the first random list that breaks this promise with these doubles.
fn found<D: Doubles>(kind: &str, doubles: impl Fn() -> D) -> OperationList {
    let stages = Stages::default();
    let mut fails = |list: &OperationList| match stages.run(list, &mut doubles()) {
        Err(violation) => violation.kind() == kind,
        Ok(_) => false,
    };
    let list = (0..2000).map(draw).find(|list| fails(list));
    let shortest = shrink(&list.unwrap(), &mut fails);
    let honest = stages.run(&shortest, &mut NoDoubles);
    assert_eq!(honest.err(), None, "without the double nothing is wrong");
    println!("{kind}\n{}", shortest.to_json());
    shortest
}

// spec: [finish.unmask]
#[test]
fn a_sum_without_one_of_its_survivors_is_noticed() {
    let shortest = found("wrong_sum", || LeavesOut);
    assert!(shortest.operations.len() <= 3, "{}", shortest.to_json());
    assert_eq!(shortest.setting.members, 3);
}

// spec: [confirm.once]
#[test]
fn a_member_that_signs_twice_is_noticed() {
    let shortest = found("signed_twice", SignsAnything::default);
    assert!(shortest.operations.len() <= 4, "{}", shortest.to_json());
}

/// What no look at one message tells: each of these reveals is one that some certificate would ask for.
// spec: [reveal.certificate]
#[test]
fn a_sum_that_nobody_certified_is_noticed() {
    let shortest = found("known", || RevealsUnasked);
    assert!(shortest.operations.len() <= 2, "{}", shortest.to_json());
    let stages = Stages::default();
    let everybody = |members| (0..members).map(Slot).collect();
    assert_eq!(
        stages.run(&shortest, &mut RevealsUnasked).unwrap_err(),
        Violation::Known(Finding::NotCertified {
            round: Round(1),
            members: everybody(shortest.setting.members),
            certified: None,
        })
    );
}

// spec: [reveal.chain] [noise.reveal.one]
#[test]
fn a_value_that_is_not_of_the_certified_level_is_noticed() {
    let shortest = found("known", || GivesAnyChainValue);
    assert!(shortest.operations.len() <= 2, "{}", shortest.to_json());
    let stages = Stages::default();
    let found = stages.run(&shortest, &mut GivesAnyChainValue).unwrap_err();
    assert!(
        matches!(found, Violation::Known(Finding::ChainValue { .. })),
        "{found}"
    );
}

// spec: [message.second]
#[test]
fn blame_for_a_repeated_message_is_noticed() {
    let shortest = found("honest_blamed", BlamesRepeats::default);
    assert!(shortest.operations.len() <= 4, "{}", shortest.to_json());
}

/// What shrinking finds by hand: the one message that matters.
#[test]
fn a_lie_about_one_set_is_refused_by_the_real_member() {
    let forge = Operation::Forge {
        link: Link::to_member(1),
        forgery: Forgery::Toggle { slot: 2 },
        beside: true,
    };
    // before it comes the word that its update is whole
    let stored = Operation::Delay {
        link: Link::to_member(1),
        ms: 0,
    };
    let operations = [Operation::Advance { ms: 75 }, stored, forge];
    let stages = Stages::default();
    let list = list(Setting::complete(4, 0, 1), operations);
    let outcome = stages.run(&list, &mut NoDoubles).unwrap();
    assert_eq!(outcome.refusals, [(Slot(1), "second_message")]);
    assert!(outcome.ends[0].result.is_ok());
    assert_eq!(
        stages
            .run(&list, &mut SignsAnything::default())
            .unwrap_err()
            .kind(),
        "signed_twice"
    );
}
