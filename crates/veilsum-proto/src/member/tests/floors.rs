//! What a site demands, floor by floor, each just met and just missed.

use super::*;
use crate::ledger::Reuse;
use veilsum_dp::{Adjacency, Unit};
use veilsum_encode::Clip;

/// Noise for members, after zero-out; with these words in place of others.
fn noisy(replaced: &[(&str, &str)]) -> RoundContext {
    let mut text = NOISY.to_owned();
    for (from, to) in replaced {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    context(Task::from_toml(&text).unwrap(), 1)
}

/// Noise for examples, of a norm of one half.
fn for_examples() -> RoundContext {
    noisy(&[
        (
            r#"unit = "member""#,
            r#"unit = "example", example_clip = { l2 = 0.5 }"#,
        ),
        (r#"dtype = "f32""#, r#"dtype = "f64""#),
    ])
}

fn quiet() -> RoundContext {
    context(Task::new(task()).unwrap(), 1)
}

fn context(task: Task, round: u64) -> RoundContext {
    RoundContext::new(
        task,
        House::new().roster,
        Round(round),
        Attempt(0),
        ModelDigest([0; 32]),
        Deadlines::default(),
    )
    .unwrap()
}

fn bounds(per_round: Option<f64>, per_task: Option<f64>, total: Option<f64>) -> Bounds {
    Bounds {
        delta: 1e-6,
        per_round,
        per_task,
        total,
    }
}

fn with_bounds(bounds: Bounds) -> PrivacyFloors {
    PrivacyFloors {
        bounds: vec![bounds],
        example_clip: ExampleClip::Checked,
        ..PrivacyFloors::default()
    }
}

fn check(floors: &PrivacyFloors, context: &RoundContext) -> Result<(), &'static str> {
    floors.check(context.noise.as_deref()).map_err(name)
}

/// The floor that was missed.
fn name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Policy { what, .. } => what,
        Refusal::OverBudget { of, .. } => of,
        other => panic!("{other}"),
    }
}

// spec: [join.policy]
#[test]
fn a_task_is_at_or_above_the_sites_floors() {
    let context = quiet();
    let (survivors, corrupt) = (context.parameters.f, 1);
    let floors = |survivors, corrupt| Floors {
        survivors,
        corrupt,
        ..Floors::default()
    };
    let check = |floors: Floors| floors.check(&context).map_err(name);
    assert_eq!(check(floors(survivors, corrupt)), Ok(()));
    assert_eq!(
        check(floors(survivors + 1, corrupt)),
        Err("floor of the task")
    );
    let more = check(floors(survivors, corrupt + 1));
    assert_eq!(more, Err("corrupt members tolerated"));
    let required = PrivacyFloors {
        required: true,
        ..PrivacyFloors::default()
    };
    let private = check(Floors {
        privacy: required,
        ..floors(survivors, corrupt)
    });
    assert_eq!(private, Err("differential privacy"));
}

// spec: [open.task-drawn]
#[test]
fn a_site_that_refuses_unlisted_tasks_refuses_one_with_nothing_drawn() {
    let (context, drawn) = (quiet(), "task that the roster does not list");
    for (unlisted, outcome) in [
        (UnlistedTasks::Refused, Err(drawn)),
        (UnlistedTasks::Undrawn, Ok(())),
        (UnlistedTasks::Any, Ok(())),
    ] {
        let floors = Floors {
            unlisted,
            ..Floors::default()
        };
        assert_eq!(
            floors.check(&context).map_err(name),
            outcome,
            "{unlisted:?}"
        );
    }
}

// spec: [join.privacy]
#[test]
fn without_noise_no_demand_for_privacy_is_met() {
    let context = quiet();
    assert_eq!(check(&PrivacyFloors::default(), &context), Ok(()));
    let none = PrivacyFloors::default;
    let demands = [
        PrivacyFloors {
            required: true,
            ..none()
        },
        PrivacyFloors {
            unit: Some(Unit::Example),
            ..none()
        },
        PrivacyFloors {
            adjacency: Some(Adjacency::ZeroOut),
            ..none()
        },
        with_bounds(bounds(None, None, Some(1e9))),
    ];
    for floors in demands {
        assert_eq!(check(&floors, &context), Err("differential privacy"));
    }
}

// spec: [join.privacy]
#[test]
fn the_weaker_unit_and_adjacency_do_not_meet_the_stricter() {
    let (zero_out, examples) = (noisy(&[]), for_examples());
    let replace = noisy(&[(
        r#"unit = "member""#,
        r#"unit = "member", adjacency = "replace""#,
    )]);
    let floors = |unit, adjacency| PrivacyFloors {
        unit,
        adjacency,
        example_clip: ExampleClip::Checked,
        ..PrivacyFloors::default()
    };
    let member = floors(Some(Unit::Member), None);
    assert_eq!(check(&member, &examples), Err("unit of privacy"));
    assert_eq!(check(&member, &zero_out), Ok(()));
    let example = floors(Some(Unit::Example), None);
    assert_eq!(check(&example, &examples), Ok(()));
    assert_eq!(check(&example, &zero_out), Ok(()));
    let strict = floors(None, Some(Adjacency::Replace));
    assert_eq!(check(&strict, &zero_out), Err("adjacency of privacy"));
    assert_eq!(check(&strict, &replace), Ok(()));
    let loose = floors(None, Some(Adjacency::ZeroOut));
    assert_eq!(check(&loose, &zero_out), Ok(()));
    assert_eq!(check(&loose, &replace), Ok(()));
}

// spec: [join.example-clip]
#[test]
fn the_clip_of_a_task_is_of_the_norm_that_is_kept_to_and_not_below_it() {
    let kept = |clip| ExampleClip::Kept(clip);
    let cases = [
        (ExampleClip::Checked, true),
        (ExampleClip::Unknown, false),
        (kept(Clip::L2(0.4)), true),
        (kept(Clip::L2(0.5)), true),
        (kept(Clip::L2(0.6)), false),
        (kept(Clip::LInf(0.4)), false),
        (kept(Clip::LInf(0.6)), false),
    ];
    for (example_clip, met) in cases {
        let floors = PrivacyFloors {
            example_clip,
            ..PrivacyFloors::default()
        };
        let outcome = check(&floors, &for_examples());
        assert_eq!(outcome.is_ok(), met, "{example_clip:?}: {outcome:?}");
        assert_eq!(check(&floors, &noisy(&[])), Ok(()), "members have no clip");
    }
}

// spec: [join.example-clip]
#[test]
fn of_two_clips_kept_to_the_larger_counts_and_of_two_norms_nothing_is_known() {
    let kept = |clip| ExampleClip::Kept(clip);
    let (small, large) = (kept(Clip::L2(1.0)), kept(Clip::L2(2.0)));
    let (checked, unknown) = (ExampleClip::Checked, ExampleClip::Unknown);
    let of = |one, other| {
        let of = |example_clip| PrivacyFloors {
            example_clip,
            ..PrivacyFloors::default()
        };
        of(one).and(of(other)).example_clip
    };
    let cases = [
        (small, large, large),
        (small, kept(Clip::LInf(1.0)), unknown),
        (small, checked, small),
        (small, unknown, small),
        (checked, unknown, checked),
        (unknown, unknown, unknown),
    ];
    for (one, other, both) in cases {
        assert_eq!(of(one, other), both);
        assert_eq!(of(other, one), both);
    }
}

// spec: [join.privacy]
#[test]
fn floors_of_two_sides_together_are_the_stricter_of_each() {
    let lax = PrivacyFloors {
        unit: Some(Unit::Example),
        adjacency: Some(Adjacency::ZeroOut),
        bounds: vec![bounds(Some(1.0), None, None)],
        ..PrivacyFloors::default()
    };
    let strict = PrivacyFloors {
        required: true,
        unit: Some(Unit::Member),
        adjacency: Some(Adjacency::Replace),
        bounds: vec![Bounds {
            delta: 1e-9,
            ..bounds(None, None, Some(2.0))
        }],
        ..PrivacyFloors::default()
    };
    for both in [
        lax.clone().and(strict.clone()),
        strict.clone().and(lax.clone()),
    ] {
        assert!(both.required);
        assert_eq!(both.unit, strict.unit);
        assert_eq!(both.adjacency, strict.adjacency);
        assert_eq!(both.bounds.len(), 2);
        assert_eq!(both.delta(), Some(1e-9));
    }
    let alone = lax.clone().and(PrivacyFloors::default());
    assert_eq!(alone, lax, "no demand changes none");
    assert_eq!(PrivacyFloors::default().delta(), None);
}

// spec: [join.delta]
#[test]
fn one_round_costs_at_most_its_bound() {
    let context = noisy(&[]);
    let cost = context.noise.as_ref().unwrap().statement().epsilon;
    assert!(cost.is_finite() && cost > 0.0);
    for (most, outcome) in [
        (cost, Ok(())),
        (cost * 0.999, Err("privacy of one round")),
        (f64::INFINITY, Ok(())),
    ] {
        let floors = with_bounds(bounds(Some(most), None, None));
        assert_eq!(check(&floors, &context), outcome, "{most}");
    }
    // what protects examples says nothing of members, and nothing is within no bound
    let floors = PrivacyFloors {
        unit: Some(Unit::Member),
        ..with_bounds(bounds(Some(f64::INFINITY), None, None))
    };
    assert_eq!(check(&floors, &for_examples()), Err("unit of privacy"));
}

// spec: [upload.reuse]
#[test]
fn only_a_cost_that_is_bounded_over_rounds_covers_a_second_use_of_an_update() {
    let reuse = |context: &RoundContext, bounds: Bounds, allowed| {
        let floors = Floors {
            privacy: with_bounds(bounds),
            reuse_update: allowed,
            ..Floors::default()
        };
        floors.reuse(context)
    };
    let (quiet, noisy) = (quiet(), noisy(&[]));
    let (total, task) = (bounds(None, None, Some(1.0)), bounds(None, Some(1.0), None));
    let cases = [
        (&noisy, bounds(None, Some(1.0), Some(1.0)), Reuse::WithNoise),
        (&noisy, total, Reuse::WithNoise),
        (&noisy, task, Reuse::OfTask),
        (&noisy, bounds(Some(1.0), None, None), Reuse::Never),
        (&quiet, total, Reuse::Never),
        (&quiet, task, Reuse::Never),
    ];
    for (context, bounds, wanted) in cases {
        assert_eq!(reuse(context, bounds, false), wanted, "{bounds:?}");
        assert_eq!(reuse(context, bounds, true), Reuse::Allowed);
    }
}

// spec: [join.budget]
#[test]
fn a_round_is_charged_once_and_within_every_budget() {
    let (first, second) = (noisy(&[]), {
        let mut next = noisy(&[]);
        next.round = Round(2);
        next
    });
    let cost = first.noise.as_ref().unwrap().statement().epsilon;
    let none = LedgerState::default();
    let charged = |floors: &PrivacyFloors, context: &RoundContext, state: &LedgerState| {
        floors.must_charge(context, state).map_err(name)
    };
    let mut ledger = MemoryLedger::default();
    let noise = first.noise.as_ref().unwrap();
    ledger
        .record(Entry::Charged {
            task: first.task_digest,
            round: first.round,
            release: Box::new(noise.release().clone()),
            delta: noise.delta(),
        })
        .unwrap();
    let spent = ledger.state().unwrap();
    // The total is taken at the one order that suits its limit best, which is not always that of a single round.
    for (of, room) in [("this task", 1.0), ("all tasks together", 10.0)] {
        let budget = |most| match of {
            "this task" => bounds(None, Some(most), None),
            _ => bounds(None, None, Some(most)),
        };
        let floors = |times: f64| with_bounds(budget(cost * times));
        assert_eq!(charged(&floors(room), &first, &none), Ok(true), "{of}");
        assert_eq!(charged(&floors(0.999), &first, &none), Err(of));
        let again = charged(&floors(0.999), &first, spent);
        assert_eq!(again, Ok(false), "once is enough");
        let next = charged(&floors(1.0), &second, spent);
        assert_eq!(next, Err(of), "a second round");
        assert_eq!(charged(&floors(20.0), &second, spent), Ok(true), "{of}");
        let without = charged(&floors(0.999), &quiet(), &none);
        assert_eq!(without, Ok(false), "without noise");
    }
}

/// Noise for examples costs members what nothing bounds: only examples count, and they do.
// spec: [join.budget]
#[test]
fn noise_for_examples_is_charged_to_examples() {
    let context = for_examples();
    let cost = context.noise.as_ref().unwrap().statement().epsilon;
    let none = LedgerState::default();
    let total = |most| with_bounds(bounds(None, None, Some(most)));
    assert!(total(cost * 10.0).must_charge(&context, &none).unwrap());
    let short = total(cost * 0.999).must_charge(&context, &none);
    assert_eq!(short.map_err(name), Err("all tasks together"));
}
