use super::*;
use crate::testing::number;
use proptest::prelude::*;

fn member(clip: Clip, scale: &str, coordinates: u64, rounding: Rounding) -> Encoded {
    Encoded {
        unit: Unit::Member,
        adjacency: Adjacency::ZeroOut,
        clip,
        whole: None,
        scale: number(scale),
        levels: None,
        coordinates,
        rotated: false,
        rounding,
        max_weight: 1,
    }
}

#[test]
fn integers_have_the_norms_of_their_clip() {
    let counts = member(Clip::L1(number("3")), "1", 100, Rounding::Exact);
    let found = Sensitivity::derive(&counts).unwrap();
    assert_eq!(*found.l1(), number("3"));
    assert_eq!(*found.l2_squared(), number("9"));
    let vector = member(Clip::L2(number("10")), "1", 25, Rounding::Exact);
    let found = Sensitivity::derive(&vector).unwrap();
    assert_eq!(
        (found.l1(), found.l2_squared()),
        (&number("50"), &number("100"))
    );
    let bits = member(Clip::Linf(number("1")), "1", 40, Rounding::Exact);
    let found = Sensitivity::derive(&bits).unwrap();
    assert_eq!(
        (found.l1(), found.l2_squared()),
        (&number("40"), &number("40"))
    );
}

// spec: [noise.sensitivity.margin]
#[test]
fn stochastic_rounding_adds_the_root_of_the_coordinates() {
    let vector = member(Clip::L2(number("1")), "1000", 10_000, Rounding::Stochastic);
    let found = Sensitivity::derive(&vector).unwrap();
    // 1000 (1 + 2^-32) + 100, squared and rounded down.
    assert_eq!(*found.l2_squared(), number("1210000"));
    assert!(*found.l1() <= number("110000"));
    assert_eq!(*found.per_coordinate(), number("1001"));
}

// spec: [noise.sensitivity.conditional]
#[test]
fn conditional_rounding_costs_a_quarter_a_coordinate() {
    let rounding = Rounding::Conditional {
        log_inverse_beta: number("1/2"),
    };
    let mut vector = member(Clip::L2(number("1")), "1000", 10_000, rounding);
    let found = Sensitivity::derive(&vector).unwrap();
    // 1000^2 + 2500 + (1000 + 50), and the margin.
    assert_eq!(*found.l2_squared(), number("1003550"));
    vector.unit = Unit::Example;
    assert_eq!(
        Sensitivity::derive(&vector),
        Err(SensitivityError::ConditionalByExample)
    );
}

#[test]
fn replacing_doubles_and_weights_multiply() {
    let mut vector = member(Clip::L2(number("2")), "50", 64, Rounding::Stochastic);
    let zero_out = Sensitivity::derive(&vector).unwrap();
    vector.adjacency = Adjacency::Replace;
    vector.max_weight = 5;
    let found = Sensitivity::derive(&vector).unwrap();
    assert_eq!(*found.l2_squared(), zero_out.l2_squared() * &number("100"));
    assert_eq!(*found.l1(), zero_out.l1() * &number("10"));
    assert_eq!(
        *found.per_coordinate(),
        zero_out.per_coordinate() * &number("10")
    );
}

/// The errors of the vector's floats count, however short the example.
// spec: [noise.sensitivity.drift]
#[test]
fn an_example_in_a_long_vector_drifts_with_the_vector() {
    let mut example = member(Clip::L2(number("1")), "1", 4, Rounding::Stochastic);
    example.unit = Unit::Example;
    let l2_squared = |example: &Encoded| Sensitivity::derive(example).unwrap().l2_squared().clone();
    // (1 + 2)^2, and a margin.
    assert_eq!(l2_squared(&example), number("9"));
    let long = Rational::integer(1 << 32);
    example.whole = Some(Clip::L2(long.clone()));
    // (1 + 1 + 2)^2
    assert_eq!(l2_squared(&example), number("16"));
    example.whole = Some(Clip::Linf(long));
    // (1 + 2 + 2)^2, which four coordinates that move by 4 could exceed
    assert_eq!(l2_squared(&example), number("25"));
    example.rounding = Rounding::Exact;
    assert_eq!(l2_squared(&example), number("1"));
}

/// Half the extent of integers may be no integer; twice it is.
// spec: [noise.sensitivity.derived]
#[test]
fn integers_that_are_replaced_move_by_their_extent() {
    let mut bit = member(Clip::Linf(number("1/2")), "1", 3, Rounding::Exact);
    bit.adjacency = Adjacency::Replace;
    let found = Sensitivity::derive(&bit).unwrap();
    assert_eq!(
        (found.l1(), found.l2_squared()),
        (&number("3"), &number("3"))
    );
}

#[test]
fn a_rotation_spreads_one_coordinate_over_all() {
    let mut vector = member(Clip::L1(number("9")), "1", 16, Rounding::Exact);
    vector.rotated = true;
    let found = Sensitivity::derive(&vector).unwrap();
    assert_eq!(*found.l1(), number("36"));
}

proptest! {
    /// Whatever the values and however they round, the integers are within the bounds.
    // spec: [noise.sensitivity.derived]
    #[test]
    fn rounded_vectors_stay_within_the_bounds(
        values in prop::collection::vec(-400i64..=400, 1..12),
        up in prop::collection::vec(any::<bool>(), 12),
        weight in 1u32..4,
    ) {
        // Values in quarters of a step.
        let rounded: Vec<i64> = values.iter().zip(&up).map(|(v, up)| {
            let floor = v.div_euclid(4);
            let moved = *up && v.rem_euclid(4) != 0;
            (floor + i64::from(moved)) * i64::from(weight)
        }).collect();
        let whole = |x: u64| Rational::new(x, 4).unwrap();
        let l1: u64 = values.iter().map(|v| v.unsigned_abs()).sum();
        let linf = values.iter().map(|v| v.unsigned_abs()).max().unwrap();
        let l2 = Rational::integer(values.iter().map(|v| v.unsigned_abs().pow(2)).sum()).sqrt_up();
        let quarter = Rational::new(1, 4).unwrap();
        for clip in [Clip::L1(whole(l1)), Clip::Linf(whole(linf)), Clip::L2(&l2 * &quarter)] {
            let mut encoded = member(clip, "1", values.len() as u64, Rounding::Stochastic);
            encoded.max_weight = weight;
            let found = Sensitivity::derive(&encoded).unwrap();
            let sum = |power: u32| Rational::integer(rounded.iter().map(|v| v.unsigned_abs().pow(power)).sum());
            prop_assert!(sum(1) <= *found.l1());
            prop_assert!(sum(2) <= *found.l2_squared());
            let most = rounded.iter().map(|v| v.unsigned_abs()).max().unwrap();
            prop_assert!(Rational::integer(most) <= *found.per_coordinate());
        }
    }
}
