//! What noise costs a member: charged once, before its update is recorded, and refused when too little is left.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use veilsum_dp::{Adjacency, Unit};
use veilsum_encode::Clip;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot, TaskDigest, UpdateDigest};
use veilsum_proto::ledger::{Entry, Ledger as _, Limit, MemoryLedger};
use veilsum_proto::member::{Bounds, ExampleClip, PrivacyFloors};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::task::NoiseSpec;
use veilsum_tests::{Play, Setup, skellam};

/// Bits of members, eight each, under noise worth an epsilon below 1.
fn setup() -> Setup {
    Setup {
        coordinates: 8,
        bits: 1,
        ..Setup::new(7, 1, 2).noised(skellam("400"))
    }
}

fn play(privacy: PrivacyFloors) -> Play {
    let mut play = Play::new(&setup(), &[]);
    play.players.get_mut(&Slot(0)).unwrap().floors.privacy = privacy;
    play.invite(0).unwrap();
    play
}

/// Epsilon of so many rounds.
fn epsilon(rounds: u64) -> f64 {
    let play = Play::new(&setup(), &[]);
    play.context.noise.as_ref().unwrap().total(rounds).epsilon
}

/// At the delta of the task.
const BOUNDS: Bounds = Bounds {
    delta: 1e-6,
    per_round: None,
    per_task: None,
    total: None,
};

fn bounded(bounds: Bounds) -> PrivacyFloors {
    PrivacyFloors {
        example_clip: ExampleClip::Checked,
        bounds: vec![bounds],
        ..PrivacyFloors::default()
    }
}

/// A little above: a total counts at an order fixed before.
fn above(epsilon: f64) -> f64 {
    epsilon * 1.02
}

/// The attempt ends in Upload, after all but three uploaded.
fn abort_in_upload(play: &mut Play) {
    play.run_to(PhaseName::Upload);
    play.silent.extend([Slot(4), Slot(5), Slot(6)]);
    play.act_all();
    play.close();
    assert_eq!(play.abort().unwrap().kind(), "too_few_updates");
}

fn acts(play: &Play) -> Vec<&'static str> {
    let entries = play.players[&Slot(0)].ledger.entries().iter();
    let acts = entries.map(|entry| match entry {
        Entry::Advert { .. } => "advert",
        Entry::Charged { .. } => "charged",
        Entry::Update { .. } => "update",
        Entry::Signed { .. } => "signed",
        Entry::Certified { .. } => "certified",
        Entry::Closed { .. } => "closed",
    });
    acts.collect()
}

/// The ledger as a restarted member reads it.
fn restart(play: &mut Play) {
    let player = play.players.get_mut(&Slot(0)).unwrap();
    let mut ledger = MemoryLedger::default();
    for entry in player.ledger.entries() {
        let line = serde_json::to_string(entry).unwrap();
        let entry = serde_json::from_str::<Entry>(&line).unwrap();
        ledger.record(entry).unwrap();
    }
    assert_eq!(ledger.entries(), player.ledger.entries());
    player.ledger = ledger;
}

/// A charge of another task for the same noise.
fn invented(play: &Play, digest: u8, delta: f64) -> Entry {
    Entry::Charged {
        task: TaskDigest([digest; 32]),
        round: Round(1),
        release: Box::new(play.context.noise.as_ref().unwrap().release().clone()),
        delta,
    }
}

fn record(play: &mut Play, entry: Entry) {
    let player = play.players.get_mut(&Slot(0)).unwrap();
    player.ledger.record(entry).unwrap();
}

fn is_over(refused: Result<(), Refusal>, budget: &str) -> bool {
    match refused {
        Err(refusal @ Refusal::OverBudget { of, .. }) => {
            assert_eq!(refusal.kind(), "over_budget");
            of == budget
        }
        Err(refusal) => panic!("{refusal}"),
        Ok(()) => false,
    }
}

// spec: [upload.charge] [noise.budget.once] [ledger.durable]
#[test]
fn a_round_is_charged_once_before_its_update_whatever_its_attempts_and_restarts() {
    let privacy = bounded(Bounds {
        per_task: Some(epsilon(1)),
        total: Some(above(epsilon(1))),
        ..BOUNDS
    });
    let mut play = play(privacy);
    abort_in_upload(&mut play);
    assert_eq!(acts(&play), ["advert", "charged", "update"]);
    restart(&mut play);
    // The budget is spent, and the round goes on: it was charged.
    assert!(play.reopen(1, 1).is_empty());
    play.assert_exact(0..7);
    let acts = acts(&play);
    assert_eq!(
        acts[..5],
        ["advert", "charged", "update", "advert", "update"]
    );
    assert_eq!(acts.iter().filter(|act| **act == "charged").count(), 1);

    let state = play.players[&Slot(0)].ledger.state().unwrap();
    let noise = play.context.noise.as_ref().unwrap();
    let task = &play.context.task_digest;
    assert_eq!(state.charged(task, Round(1)), Some(noise.release()));
    assert_eq!(state.spent(task, 1e-6), Some(noise.statement()));
    let limit = Limit {
        unit: Unit::Member,
        epsilon: noise.statement().epsilon,
        delta: 1e-6,
    };
    // at an order that is fixed by the limit, not the best of all
    let (total, one) = (state.spent_total(limit).unwrap(), noise.statement());
    assert!(total.epsilon >= one.epsilon && total.epsilon < one.epsilon * 2.0);
    assert_eq!(state.spent(&TaskDigest([1; 32]), 1e-6), None);
}

// spec: [join.budget] [noise.budget.stop]
#[test]
fn a_round_that_would_exceed_the_budget_of_its_task_is_not_joined() {
    let between = (epsilon(1) + epsilon(2)) / 2.0;
    let privacy = bounded(Bounds {
        per_task: Some(between),
        ..BOUNDS
    });
    let mut play = play(privacy);
    for (slot, player) in &mut play.players {
        // the others bound nothing, and bring the same numbers again
        player.floors.reuse_update = *slot != Slot(0);
    }
    play.assert_exact(0..7);
    let refused = play.reopen(2, 0);
    assert_eq!(refused.keys().collect::<Vec<_>>(), [&Slot(0)]);
    assert!(is_over(play.invite(0), "this task"));
    let text = play.invite(0).unwrap_err().to_string();
    let would_be = format!("{}", play.context.noise.as_ref().unwrap().total(2));
    assert_eq!(
        text,
        format!(
            "{would_be} would be spent on this task with this round, this site's budget is epsilon {between}"
        )
    );
    play.assert_exact(1..7);
}

/// A coordinator may invent tasks: the total counts them all, at the site's delta, whatever theirs.
// spec: [join.budget] [join.delta]
#[test]
fn all_tasks_count_together_whatever_their_names_and_deltas() {
    let budget = |epsilon| {
        bounded(Bounds {
            total: Some(epsilon),
            ..BOUNDS
        })
    };
    for delta in [1e-6, 0.9999] {
        let mut play = play(budget((epsilon(2) + epsilon(3)) / 2.0));
        for (digest, joins) in [(1, true), (2, false)] {
            let entry = invented(&play, digest, delta);
            record(&mut play, entry);
            assert_eq!(play.invite(0).is_ok(), joins, "{digest}");
        }
        assert!(is_over(play.invite(0), "all tasks together"));
    }
}

/// Hiding a member hides its examples, which change its part into another, not into zeros.
// spec: [join.budget] [noise.account.unit] [noise.account.examples]
#[test]
fn rounds_for_members_cost_examples_as_soon_as_examples_count() {
    let other = example_play();
    let budget = above(epsilon(1));
    let privacy = || {
        bounded(Bounds {
            total: Some(budget),
            ..BOUNDS
        })
    };
    assert!(play(privacy()).invite(0).is_ok());
    let mut play = play(PrivacyFloors::default());
    play.players.get_mut(&Slot(0)).unwrap().floors.privacy = privacy();
    let entry = invented(&other, 1, 1e-6);
    record(&mut play, entry);
    assert!(is_over(play.invite(0), "all tasks together"));
    // a site that names examples counts them from the start
    let mut play = self::play(PrivacyFloors::default());
    play.players.get_mut(&Slot(0)).unwrap().floors.privacy = PrivacyFloors {
        unit: Some(Unit::Example),
        ..privacy()
    };
    assert!(is_over(play.invite(0), "all tasks together"));
}

/// Two rounds that were joined while there was enough for one of them.
// spec: [join.budget] [upload.charge]
#[test]
fn the_budget_is_asked_again_before_the_upload_and_a_refusal_records_nothing() {
    let mut play = play(bounded(Bounds {
        total: Some(above(epsilon(1))),
        ..BOUNDS
    }));
    play.run_to(PhaseName::Upload);
    let entry = invented(&play, 1, 1e-6);
    record(&mut play, entry);
    let due = play.due(0).unwrap();
    play.tell(0, due).unwrap();
    let refused = play.upload(0).map(|_| ());
    assert!(is_over(refused, "all tasks together"));
    assert_eq!(
        acts(&play),
        ["advert", "charged"],
        "the charge is the other task's"
    );
    play.silent.insert(Slot(0));
    play.assert_exact(1..7);
}

// spec: [upload.charge]
#[test]
fn a_round_charged_with_another_release_is_refused() {
    let mut play = play(PrivacyFloors::default());
    let entry = Entry::Charged {
        task: play.context.task_digest,
        round: Round(1),
        release: Box::new(
            example_play()
                .context
                .noise
                .as_ref()
                .unwrap()
                .release()
                .clone(),
        ),
        delta: 1e-6,
    };
    record(&mut play, entry);
    assert_eq!(play.invite(0).unwrap_err().kind(), "other_release");
}

// spec: [upload.reuse]
#[test]
fn an_update_may_be_used_again_where_bounded_noise_covers_every_use() {
    let mut play = Play::new(&setup(), &[]);
    for player in play.players.values_mut() {
        player.floors.privacy = bounded(Bounds {
            per_task: Some(1e3),
            ..BOUNDS
        });
    }
    for slot in 0..7 {
        play.invite(slot).unwrap();
    }
    play.assert_exact(0..7);
    assert!(play.reopen(2, 0).is_empty());
    // The same rows once more.
    play.assert_exact(0..7);
    // Member 0's was also in a round without noise; so it is left out of the third.
    assert!(play.reopen(3, 0).is_empty());
    play.run_to(PhaseName::Upload);
    let (_, digest) = digest_of(&play, 0);
    let entry = Entry::Update {
        task: TaskDigest([5; 32]),
        round: Round(1),
        attempt: play.context.attempt,
        update: digest,
    };
    record(&mut play, entry);
    let due = play.due(0).unwrap();
    play.tell(0, due).unwrap();
    assert_eq!(play.upload(0).unwrap_err().kind(), "update_used");
    play.silent.insert(Slot(0));
    play.assert_exact(1..7);
}

/// A coordinator may invent tasks: a bound for each of them covers no second use in another.
// spec: [upload.reuse]
#[test]
fn a_bound_for_each_task_covers_no_use_in_two_of_them() {
    for (bounds, is_taken) in [
        (
            Bounds {
                per_task: Some(1e3),
                ..BOUNDS
            },
            false,
        ),
        (
            Bounds {
                total: Some(1e3),
                ..BOUNDS
            },
            true,
        ),
    ] {
        let mut play = Play::new(&setup(), &[]);
        play.players.get_mut(&Slot(0)).unwrap().floors.privacy = bounded(bounds);
        play.invite(0).unwrap();
        let (task, round) = (TaskDigest([5; 32]), Round(1));
        let attempt = play.context.attempt;
        play.run_to(PhaseName::Upload);
        let (_, update) = digest_of(&play, 0);
        let release = Box::new(play.context.noise.as_ref().unwrap().release().clone());
        record(
            &mut play,
            Entry::Charged {
                task,
                round,
                release,
                delta: 1e-6,
            },
        );
        record(
            &mut play,
            Entry::Update {
                task,
                round,
                attempt,
                update,
            },
        );
        let due = play.due(0).unwrap();
        play.tell(0, due).unwrap();
        assert_eq!(play.upload(0).is_ok(), is_taken, "{bounds:?}");
    }
}

/// The coordinator says how much noise there is: without a bound of the site's it may be next to none.
// spec: [upload.reuse]
#[test]
fn noise_without_a_bound_covers_no_second_use() {
    let mut play = Play::new(&setup(), &[]);
    play.assert_exact(0..7);
    assert!(play.reopen(2, 0).is_empty());
    play.run_to(PhaseName::Upload);
    let due = play.due(0).unwrap();
    play.tell(0, due).unwrap();
    assert_eq!(play.upload(0).unwrap_err().kind(), "update_used");
}

fn digest_of(play: &Play, slot: u32) -> (u32, UpdateDigest) {
    let noise = play.players[&Slot(slot)].machine.as_ref().unwrap().noise();
    let (_, digest) = play.contribution_with(play.row(slot), noise.as_ref());
    (slot, digest)
}

// --- floors

/// The same noise for single examples, of which each moves a coordinate by one.
fn example_play() -> Play {
    let noise = NoiseSpec {
        unit: Unit::Example,
        adjacency: Adjacency::Replace,
        example_clip: Some(Clip::L2(1.0)),
        ..skellam("400")
    };
    Play::new(&setup().noised(noise), &[])
}

fn policy(refused: Result<(), Refusal>) -> Option<(&'static str, String)> {
    match refused {
        Err(Refusal::Policy { what, got, .. }) => Some((what, got)),
        Err(refusal) => panic!("{refusal}"),
        Ok(()) => None,
    }
}

fn judged(mut play: Play, privacy: PrivacyFloors) -> Option<(&'static str, String)> {
    play.players.get_mut(&Slot(0)).unwrap().floors.privacy = privacy;
    policy(play.invite(0))
}

// spec: [join.privacy]
#[test]
fn a_task_without_noise_is_refused_by_every_floor_that_only_noise_can_meet() {
    let none = PrivacyFloors::default();
    let without = || Play::new(&Setup::new(7, 1, 2), &[]);
    assert_eq!(judged(without(), none.clone()), None);
    let demands = [
        PrivacyFloors {
            required: true,
            ..none.clone()
        },
        PrivacyFloors {
            unit: Some(Unit::Example),
            ..none.clone()
        },
        PrivacyFloors {
            adjacency: Some(Adjacency::ZeroOut),
            ..none.clone()
        },
        bounded(Bounds {
            per_round: Some(1e9),
            ..BOUNDS
        }),
        bounded(Bounds {
            per_task: Some(1e9),
            ..BOUNDS
        }),
        bounded(Bounds {
            // a total is counted at the one order that suits it, which for a boundless one is below 2, where nothing is known of Skellam
            total: Some(20.0),
            ..BOUNDS
        }),
    ];
    for demand in demands {
        let wanted = Some(("differential privacy", "none".to_owned()));
        assert_eq!(judged(without(), demand.clone()), wanted);
        assert_eq!(judged(play(none.clone()), demand), None);
    }
}

// spec: [join.privacy]
#[test]
fn member_is_the_stricter_unit() {
    let of = |unit| PrivacyFloors {
        unit: Some(unit),
        example_clip: ExampleClip::Checked,
        ..PrivacyFloors::default()
    };
    let member = || play(PrivacyFloors::default());
    let refused = Some(("unit of privacy", "example".to_owned()));
    assert_eq!(judged(member(), of(Unit::Member)), None);
    assert_eq!(judged(member(), of(Unit::Example)), None);
    assert_eq!(judged(example_play(), of(Unit::Example)), None);
    assert_eq!(judged(example_play(), of(Unit::Member)), refused);
}

// spec: [join.privacy]
#[test]
fn replace_is_the_stricter_adjacency() {
    let of = |adjacency| PrivacyFloors {
        adjacency: Some(adjacency),
        example_clip: ExampleClip::Checked,
        ..PrivacyFloors::default()
    };
    let member = || play(PrivacyFloors::default());
    let refused = Some(("adjacency of privacy", "zero-out".to_owned()));
    assert_eq!(judged(member(), of(Adjacency::Replace)), refused);
    assert_eq!(judged(member(), of(Adjacency::ZeroOut)), None);
    assert_eq!(judged(example_play(), of(Adjacency::Replace)), None);
}

// spec: [join.example-clip]
#[test]
fn examples_are_protected_only_where_somebody_keeps_to_their_clip() {
    let of = |example_clip| PrivacyFloors {
        example_clip,
        ..PrivacyFloors::default()
    };
    let judged = |clip| judged(example_play(), of(clip));
    let refused = Some(("example clip", "l2 of 1".to_owned()));
    assert_eq!(judged(ExampleClip::Unknown), refused);
    assert_eq!(judged(ExampleClip::Kept(Clip::L1(1.0))), refused);
    assert_eq!(judged(ExampleClip::Kept(Clip::L2(1.01))), refused);
    for clip in [Clip::L2(1.0), Clip::L2(0.5)] {
        assert_eq!(judged(ExampleClip::Kept(clip)), None);
    }
    assert_eq!(judged(ExampleClip::Checked), None);
    let kept = ExampleClip::Kept(Clip::L2(1.01));
    let both = of(kept).and(of(ExampleClip::Checked));
    assert_eq!(both.example_clip, kept);
}

// spec: [join.privacy] [join.delta]
#[test]
fn one_round_may_cost_so_much_at_the_sites_delta() {
    let most = |epsilon, delta| {
        bounded(Bounds {
            delta,
            per_round: Some(epsilon),
            ..BOUNDS
        })
    };
    let member = || play(PrivacyFloors::default());
    let one = epsilon(1);
    assert_eq!(judged(member(), most(one, 1e-6)), None);
    for floor in [
        most(one * 0.999, 1e-6),
        most(one, 1e-9),
        most(f64::NAN, 1e-6),
        // No epsilon stands at a delta that is no probability.
        most(1e300, 2.0),
        // Of two sides each has its word.
        most(one, 1e-6).and(most(one, 1e-9)),
    ] {
        let (what, got) = judged(member(), floor).unwrap();
        assert_eq!(what, "privacy of one round");
        assert!(got.ends_with("per member"), "{got}");
    }
    assert_eq!(judged(member(), most(one * 0.999, 1e-3)), None);
    // The task's delta has no say.
    let mut noise = skellam("400");
    noise.delta = "0.9999".parse().unwrap();
    let near_one = Play::new(&setup().noised(noise), &[]);
    let noise = near_one.context.noise.as_ref().unwrap();
    assert_eq!(noise.statement().epsilon, 0.0);
    let (what, _) = judged(near_one, most(one * 0.999, 1e-6)).unwrap();
    assert_eq!(what, "privacy of one round");
}
