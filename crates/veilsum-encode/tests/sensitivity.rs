//! What one example or one member can change in the integers, against the bounds that a plan states.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use proptest::prelude::*;
use support::{float_plan, integer_plan, quantize_floats};
use veilsum_dp::{Adjacency, Rational, Sensitivity, SensitivityError, Unit};
use veilsum_encode::{Clip, FloatEncoding, Plan, PlanError, Range};

fn encoding(clip: Clip, rotation: bool) -> FloatEncoding {
    FloatEncoding {
        rotation,
        ..FloatEncoding::new(clip, 10)
    }
}

fn derive(plan: &Plan, unit: Unit, adjacency: Adjacency, clip: Option<Clip>) -> Sensitivity {
    plan.sensitivity(unit, adjacency, clip).unwrap()
}

fn assert_within(differences: &[i64], found: &Sensitivity) {
    let sum = |power: u32| -> u64 {
        let powers = differences.iter().map(|x| x.unsigned_abs().pow(power));
        powers.sum()
    };
    let largest = differences.iter().map(|x| x.unsigned_abs()).max().unwrap();
    assert!(Rational::integer(sum(1)) <= *found.l1(), "l1 {}", sum(1));
    assert!(
        Rational::integer(sum(2)) <= *found.l2_squared(),
        "l2 squared {}, wanted {}",
        sum(2),
        found.l2_squared()
    );
    assert!(Rational::integer(largest) <= *found.per_coordinate());
}

/// Scales a vector into a clip, by division.
fn within(mut values: Vec<f64>, clip: Clip) -> Vec<f64> {
    let norm = match clip {
        Clip::L1(_) => values.iter().map(|x| x.abs()).sum(),
        Clip::L2(_) => values.iter().map(|x| x * x).sum::<f64>().sqrt(),
        Clip::LInf(_) => values.iter().fold(0.0_f64, |most, x| most.max(x.abs())),
    };
    let factor = clip.bound() / norm;
    if factor < 1.0 {
        values.iter_mut().for_each(|x| *x *= factor);
    }
    values
}

fn minus(a: &[i64], b: &[i64]) -> Vec<i64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// All pairs of an example clip and a clip that brings no two vectors further apart.
const PAIRS: [(Clip, Clip); 4] = [
    (Clip::L2(0.25), Clip::L2(1.5)),
    (Clip::L2(0.25), Clip::LInf(0.1)),
    (Clip::L1(0.25), Clip::LInf(0.1)),
    (Clip::LInf(0.03), Clip::LInf(0.1)),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With the same rounding, adding or replacing one example moves the integers by no more than stated.
    // spec: [noise.sensitivity.rounding] [noise.sensitivity.example] [noise.sensitivity.drift]
    #[test]
    fn an_example_moves_a_member_within_the_bounds(
        pair in 0..PAIRS.len(),
        rotation in any::<bool>(),
        rest in prop::collection::vec(-1.0..1.0_f64, 40),
        one in prop::collection::vec(-1.0..1.0_f64, 40),
        other in prop::collection::vec(-1.0..1.0_f64, 40),
        sparse in 0..40_usize,
        scale in prop::sample::select(vec![0.01, 0.2, 1.0, 30.0]),
        seed in any::<u64>(),
    ) {
        let (example, clip) = PAIRS[pair];
        let plan = float_plan(40, encoding(clip, rotation), 10);
        let spike = |mut values: Vec<f64>| {
            values.iter_mut().skip(sparse).for_each(|x| *x = 0.0);
            values.iter_mut().for_each(|x| *x *= 40.0);
            within(values, example)
        };
        let (one, other) = (spike(one), spike(other));
        let with = |part: &[f64]| {
            let sum: Vec<f64> = rest.iter().zip(part).map(|(rest, x)| rest * scale + x).collect();
            quantize_floats(&plan, &sum, 1, seed).values().to_vec()
        };
        let (one, other, none) = (with(&one), with(&other), with(&[0.0; 40]));
        let bounds = |adjacency| derive(&plan, Unit::Example, adjacency, Some(example));
        assert_within(&minus(&one, &none), &bounds(Adjacency::ZeroOut));
        assert_within(&minus(&one, &other), &bounds(Adjacency::Replace));
    }

    /// Members are rounded each on its own.
    // spec: [noise.sensitivity.derived]
    #[test]
    fn a_member_moves_the_sum_within_the_bounds(
        which in 0..3_usize,
        rotation in any::<bool>(),
        conditional in any::<bool>(),
        one in prop::collection::vec(-1.0..1.0_f64, 50),
        other in prop::collection::vec(-1.0..1.0_f64, 50),
        scale in prop::sample::select(vec![0.001, 0.05, 1.0, 100.0]),
        seeds in any::<(u64, u64)>(),
        weight in 1..4_u32,
    ) {
        let clip = [Clip::L1(1.5), Clip::L2(0.5), Clip::LInf(0.2)][which];
        let encoding = FloatEncoding { precision_bits: 6, ..encoding(clip, rotation) }.weighted(3);
        let encoding = if conditional && which == 1 { encoding.conditional() } else { encoding };
        let plan = float_plan(50, encoding, 10);
        let scaled = |values: Vec<f64>| values.iter().map(|x| x * scale).collect::<Vec<_>>();
        let one = quantize_floats(&plan, &scaled(one), weight, seeds.0);
        let other = quantize_floats(&plan, &scaled(other), 3, seeds.1);
        let bounds = |adjacency| derive(&plan, Unit::Member, adjacency, None);
        assert_within(one.values(), &bounds(Adjacency::ZeroOut));
        assert_within(&minus(one.values(), other.values()), &bounds(Adjacency::Replace));
    }
}

/// The bound is met: two vectors a hair apart can differ by one step everywhere.
// spec: [noise.sensitivity.rounding]
#[test]
fn the_rounding_of_a_sum_costs_a_step_a_coordinate() {
    let coordinates = 2_000;
    let encoding = FloatEncoding {
        range: Range::Fixed(127.0),
        ..FloatEncoding::new(Clip::LInf(100.0), 8)
    };
    let plan = float_plan(coordinates, encoding, 10);
    let example = Clip::LInf(0.5);
    let found = derive(&plan, Unit::Example, Adjacency::ZeroOut, Some(example));
    let at = |value: f64| {
        let values = vec![value; coordinates];
        quantize_floats(&plan, &values, 1, 4).values().to_vec()
    };
    // From 7.75 to 8.25: rounded up with probability 3/4 and 1/4; no coordinate moves by 2, and half of them by 1.
    let moved = minus(&at(8.25), &at(7.75));
    assert!(moved.iter().all(|x| (0..=1).contains(x)));
    let count = moved.iter().filter(|x| **x == 1).count();
    assert!((850..1_150).contains(&count), "{count}");
    assert_within(&moved, &found);
    assert_eq!(*found.per_coordinate(), Rational::integer(1));
    assert_eq!(*found.l1(), Rational::integer(coordinates as u64));
}

// spec: [noise.sensitivity.example]
#[test]
fn clips_that_may_lengthen_differences_are_refused() {
    let clips = [Clip::L1(1.0), Clip::L2(1.0), Clip::LInf(1.0)];
    for whole in clips {
        let plan = float_plan(10, encoding(whole, false), 10);
        for example in clips {
            let found = plan.sensitivity(Unit::Example, Adjacency::ZeroOut, Some(example));
            let allowed = matches!(
                (example, whole),
                (_, Clip::LInf(_)) | (Clip::L2(_), Clip::L2(_))
            );
            let refused = PlanError::ExampleClipNorm {
                example: example.norm(),
                whole: whole.norm(),
            };
            assert_eq!(found.err(), (!allowed).then_some(refused));
        }
    }
}

/// Why those are refused.
// spec: [noise.sensitivity.example]
#[test]
fn scaling_into_a_ball_lengthens_differences_in_other_norms() {
    fn l1(x: &[f64]) -> f64 {
        x.iter().map(|x| x.abs()).sum()
    }
    fn l2(x: &[f64]) -> f64 {
        x.iter().map(|x| x * x).sum::<f64>().sqrt()
    }
    fn linf(x: &[f64]) -> f64 {
        x.iter().fold(0.0, |most, x| most.max(x.abs()))
    }
    let lengthened = |before: &[f64], step: &[f64], whole: Clip, norm: fn(&[f64]) -> f64| {
        let after: Vec<f64> = before.iter().zip(step).map(|(x, step)| x + step).collect();
        let (before, after) = (within(before.to_vec(), whole), within(after, whole));
        let moved: Vec<f64> = before.iter().zip(&after).map(|(a, b)| a - b).collect();
        norm(&moved) / norm(step)
    };
    let axis = |x: f64, at: usize| {
        let mut vector = [0.0; 20];
        vector[at] = x;
        vector
    };
    let corner = axis(1.0, 0);
    for norm in [l1, l2] {
        assert!(lengthened(&corner, &axis(0.2, 1), Clip::L1(1.0), norm) > 1.1);
    }
    let even = [1.0 / 20.0_f64.sqrt(); 20];
    assert!(lengthened(&even, &axis(0.2, 1), Clip::L2(1.0), l1) > 1.5);
    let mut all = [0.3; 20];
    all[0] = 0.0;
    for whole in [Clip::L1(1.0), Clip::L2(1.0)] {
        assert!(lengthened(&corner, &all, whole, linf) > 1.1);
    }
    assert!(lengthened(&even, &axis(0.2, 1), Clip::L2(1.0), l2) <= 1.0);
}

#[test]
fn units_and_example_clips_go_together() {
    let plan = float_plan(10, encoding(Clip::L2(1.0), true), 10);
    let found = |unit, clip| plan.sensitivity(unit, Adjacency::ZeroOut, clip).err();
    assert_eq!(
        found(Unit::Example, None),
        Some(PlanError::ExampleClipMissing)
    );
    assert_eq!(
        found(Unit::Member, Some(Clip::L2(1.0))),
        Some(PlanError::ExampleClipOfMember)
    );
    assert_eq!(
        found(Unit::Example, Some(Clip::L2(0.0))),
        Some(PlanError::Clip { found: 0.0 })
    );
    let conditional = float_plan(10, encoding(Clip::L2(1.0), true).conditional(), 10);
    assert_eq!(
        conditional.sensitivity(Unit::Example, Adjacency::ZeroOut, Some(Clip::L2(1.0))),
        Err(PlanError::Sensitivity(
            SensitivityError::ConditionalByExample
        ))
    );
}

// spec: [noise.sensitivity.derived]
#[test]
fn integers_move_by_their_range() {
    let plan = integer_plan(4, -3, 9, 10);
    let found = derive(&plan, Unit::Member, Adjacency::ZeroOut, None);
    assert_eq!(*found.per_coordinate(), Rational::integer(9));
    assert_eq!(*found.l1(), Rational::integer(36));
    let found = derive(&plan, Unit::Member, Adjacency::Replace, None);
    assert_eq!(*found.per_coordinate(), Rational::integer(12));
    assert_eq!(*found.l2_squared(), Rational::integer(4 * 144));
    // A histogram: one example counts in one bin.
    let one = derive(
        &plan,
        Unit::Example,
        Adjacency::ZeroOut,
        Some(Clip::L1(1.0)),
    );
    assert_eq!(
        (one.l1(), one.l2_squared()),
        (&Rational::integer(1), &Rational::integer(1))
    );
    let bit = integer_plan(1, 0, 1, 10);
    let found = derive(&bit, Unit::Member, Adjacency::Replace, None);
    assert_eq!(*found.l1(), Rational::integer(1));
}

#[test]
fn a_step_is_the_range_over_the_levels() {
    let encoding = FloatEncoding {
        range: Range::Fixed(0.5),
        ..FloatEncoding::new(Clip::LInf(1.0), 8)
    };
    let plan = float_plan(3, encoding, 10);
    assert_eq!(plan.step(), Rational::new(1, 254));
    assert_eq!(integer_plan(3, 0, 1, 10).step(), None);
    let found = derive(&plan, Unit::Member, Adjacency::ZeroOut, None);
    assert_eq!(*found.per_coordinate(), Rational::integer(127), "saturates");
}

// spec: [noise.sensitivity.whole]
#[test]
fn an_example_of_integers_that_cannot_move_by_one_is_refused() {
    let plan = integer_plan(4, -3, 9, 10);
    for clip in [Clip::L1(0.5), Clip::L2(0.999), Clip::LInf(0.25)] {
        let found = plan.sensitivity(Unit::Example, Adjacency::ZeroOut, Some(clip));
        let refused = PlanError::ExampleClipBelowOne {
            found: clip.bound(),
        };
        assert_eq!(found, Err(refused));
    }
}
