//! Clip, rotation, rounding and weights, from floats to integers and back to means.

mod support;

use half::{bf16, f16};
use proptest::prelude::*;
use support::{SEED, float_plan, floats, manifest, quantize_floats, rng, sample, tensors};
use veilsum_dp::NoiseBound;
use veilsum_dp::{Adjacency, Rational, Unit};
use veilsum_encode::{
    Clip, Dtype, EncodeError, Encoding, FloatEncoding, Manifest, PackedSum, Plan, Range, Tensor,
    TensorData, TensorSpec, Update, Weight, contribute,
};
use veilsum_math::ring::Blocks;

const LINF: FloatEncoding = FloatEncoding::new(Clip::LInf(1.0), 16);

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

// spec: [encode.round.unbiased]
#[test]
fn rounding_is_unbiased() {
    // A hundred thousand draws of each value, on a grid of step 1: five deviations of the mean are below 0.008.
    const DRAWS: usize = 100_000;
    let plan = float_plan(DRAWS, FloatEncoding::new(Clip::LInf(127.0), 8), 10);
    for value in [
        0.5,
        -0.5,
        0.25,
        0.9,
        1.0 / 3.0,
        -2.75,
        41.999,
        -126.999,
        1e-3,
    ] {
        let quantized = quantize_floats(&plan, &[value; DRAWS], 1, 7);
        let mean = quantized.values().iter().sum::<i64>() as f64 / DRAWS as f64;
        assert!(
            (mean - value).abs() < 0.008,
            "{value} became {mean} on average"
        );
        let floor = value.floor() as i64;
        assert!(
            quantized
                .values()
                .iter()
                .all(|&q| q == floor || q == floor + 1),
            "never to a far neighbour"
        );
    }
}

// spec: [encode.round.unbiased]
#[test]
fn grid_points_stay_where_they_are() {
    let plan = float_plan(255, FloatEncoding::new(Clip::LInf(127.0), 8), 10);
    let values: Vec<f64> = (-127..=127).map(f64::from).collect();
    let wanted: Vec<i64> = (-127..=127).collect();
    assert_eq!(quantize_floats(&plan, &values, 1, 3).values(), wanted);
}

// spec: [encode.round.random]
#[test]
fn the_same_rng_state_gives_the_same_integers() {
    let plan = float_plan(10_000, FloatEncoding::new(Clip::L2(20.0), 12).rotated(), 10);
    let values = sample(10_000, 1);
    let (one, two, other) = (
        quantize_floats(&plan, &values, 1, 5),
        quantize_floats(&plan, &values, 1, 5),
        quantize_floats(&plan, &values, 1, 6),
    );
    assert_eq!(one.values(), two.values());
    assert_ne!(one.values(), other.values());
}

// spec: [encode.clip.l2]
#[test]
fn a_long_update_is_scaled_to_the_norm_and_reported() {
    let plan = float_plan(2, FloatEncoding::new(Clip::L2(1.0), 40), 10);
    let quantized = quantize_floats(&plan, &[3.0, -4.0], 1, 0);
    let step = 1.0 / ((1_i64 << 39) - 1) as f64;
    let back: Vec<f64> = quantized
        .values()
        .iter()
        .map(|&q| q as f64 * step)
        .collect();
    assert!(
        (back[0] - 0.6).abs() < 1e-11 && (back[1] + 0.8).abs() < 1e-11,
        "{back:?}"
    );
    assert_eq!(quantized.clipping().clipped_norm, Some(5.0));
    let short = quantize_floats(&plan, &[0.6, 0.8], 1, 0);
    assert_eq!(short.clipping().clipped_norm, None);
}

// spec: [encode.clip.l2]
#[test]
fn a_norm_whose_square_overflows_is_clipped_too() {
    let plan = float_plan(3, FloatEncoding::new(Clip::L2(1.0), 40), 10);
    let quantized = quantize_floats(&plan, &[f64::MAX, -f64::MAX, 1.0], 1, 0);
    let step = 1.0 / ((1_i64 << 39) - 1) as f64;
    let back: Vec<f64> = quantized
        .values()
        .iter()
        .map(|&q| q as f64 * step)
        .collect();
    assert!(
        (norm(&back) - 1.0).abs() < 1e-9 && (back[0] + back[1]).abs() < 1e-9,
        "{back:?}"
    );
    assert_eq!(quantized.saturated(), 0);
}

// spec: [encode.clip.l1]
#[test]
fn a_long_update_is_scaled_to_the_sum_of_magnitudes_and_reported() {
    let plan = float_plan(3, FloatEncoding::new(Clip::L1(1.0), 40), 10);
    let step = 1.0 / ((1_i64 << 39) - 1) as f64;
    for (values, wanted, norm) in [
        ([3.0, -4.0, 1.0], [0.375, -0.5, 0.125], 8.0),
        ([f64::MAX, -f64::MAX, 1.0], [0.5, -0.5, 0.0], f64::INFINITY),
    ] {
        let quantized = quantize_floats(&plan, &values, 1, 0);
        for (found, wanted) in quantized.values().iter().zip(wanted) {
            assert!((*found as f64 * step - wanted).abs() < 1e-11);
        }
        assert_eq!(quantized.clipping().clipped_norm, Some(norm));
        assert_eq!(quantized.saturated(), 0);
    }
    let short = quantize_floats(&plan, &[0.5, -0.25, 0.25], 1, 0);
    assert_eq!(short.clipping().clipped_norm, None);
}

// spec: [encode.clip.linf]
#[test]
fn large_coordinates_are_cut_and_counted() {
    let plan = float_plan(4, LINF, 10);
    let quantized = quantize_floats(&plan, &[1.0, -7.0, 1.000_001, 0.0], 1, 0);
    assert_eq!(quantized.values(), [32_767, -32_767, 32_767, 0]);
    assert_eq!(quantized.clipping().clipped_coordinates, 2);
    assert_eq!(quantized.saturated(), 0, "the clip cut them, not the range");
}

// spec: [encode.round.saturated]
#[test]
fn coordinates_outside_a_fixed_range_saturate_and_are_counted() {
    let plan = float_plan(
        4,
        FloatEncoding {
            range: Range::Fixed(0.5),
            ..LINF
        },
        10,
    );
    let quantized = quantize_floats(&plan, &[0.5, 0.51, -0.9, 0.0], 1, 0);
    assert_eq!(quantized.values(), [32_767, 32_767, -32_767, 0]);
    assert_eq!(quantized.saturated(), 2);
    let update = Update::new(
        plan.manifest(),
        tensors(TensorData::F64(vec![0.5, 0.51, -0.9, 2.0])),
    )
    .unwrap();
    let (_, report) = contribute(update, &plan, Weight::ONE, &SEED, &mut rng(0)).unwrap();
    assert_eq!(
        (
            report.saturated,
            report.clipped_coordinates,
            report.clipped_norm
        ),
        (3, 1, None)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    // spec: [encode.plan.range]
    #[test]
    fn nothing_saturates_in_the_full_range(
        values in prop::collection::vec(-1e3..1e3_f64, 1..600),
        which in 0..3_usize,
        rotation in any::<bool>(),
        spike in any::<bool>(),
    ) {
        let mut values = values;
        if spike {
            values.iter_mut().skip(1).for_each(|x| *x = 0.0);
        }
        let clip = [Clip::L1(2.5), Clip::L2(2.5), Clip::LInf(2.5)][which];
        let encoding = FloatEncoding { rotation, range: Range::Full, ..FloatEncoding::new(clip, 20) };
        let plan = float_plan(values.len(), encoding, 10);
        prop_assert_eq!(quantize_floats(&plan, &values, 1, 0).saturated(), 0);
    }

    // What is decoded differs from the clipped update by less than a step per coordinate, rotated by the square root
    // of that in the norm.
    #[test]
    fn decoding_a_single_update_gives_it_back(
        len in 1..3_000_usize,
        seed in 0..1_000_u64,
        rotation in any::<bool>(),
        weight in 1..=4_u32,
    ) {
        let encoding = FloatEncoding { rotation, ..FloatEncoding::new(Clip::LInf(1.0), 24) }.weighted(4);
        let plan = float_plan(len, encoding, 10);
        let values = sample(len, seed);
        let quantized = quantize_floats(&plan, &values, weight, seed);
        let sum = PackedSum::new(quantized.pack(&plan).unwrap().into_blocks(), 1).unpack(&plan).unwrap();
        let mean = sum.mean(&plan, &SEED).unwrap();
        let error: Vec<f64> = floats(&mean).iter().zip(&values).map(|(a, b)| a - b).collect();
        let step = plan.range().unwrap() / ((1 << 23) - 1) as f64;
        prop_assert!(norm(&error) <= 1.01 * step * (plan.padded_coordinates() as f64).sqrt());
    }
}

/// A vector whose coordinates lie halfway between integers, on the edge of its clip: the case in which rounding adds most
/// to the norm, and in which a fortieth of all roundings is above the bound.
// spec: [encode.round.conditional]
#[test]
fn conditional_rounding_stays_within_its_bound_where_plain_rounding_does_not() {
    let (coordinates, half) = (1_000, 0.5);
    let clip = Clip::L2(half * 1_000_f64.sqrt());
    let plain = FloatEncoding {
        range: Range::Fixed(127.0),
        ..FloatEncoding::new(clip, 8)
    };
    let norms = |encoding: FloatEncoding| -> Vec<u64> {
        let plan = float_plan(coordinates, encoding, 10);
        let one = |seed| -> u64 {
            let rounded = quantize_floats(&plan, &vec![half; coordinates], 1, seed);
            rounded
                .values()
                .iter()
                .map(|q| q.unsigned_abs().pow(2))
                .sum()
        };
        (0..400).map(one).collect()
    };
    let plan = float_plan(coordinates, plain.conditional(), 10);
    let found = plan
        .sensitivity(Unit::Member, Adjacency::ZeroOut, None)
        .unwrap();
    // 250 + 250 + sqrt(1000) (1/2 + 1/2)
    assert_eq!(*found.l2_squared(), Rational::integer(531));
    let above = norms(plain).iter().filter(|norm| **norm > 531).count();
    assert!((1..40).contains(&above), "{above} of 400");
    let conditional = norms(plain.conditional());
    assert!(conditional.iter().all(|norm| *norm <= 531));
    assert_eq!(
        conditional
            .iter()
            .zip(norms(plain))
            .filter(|(a, b)| *a != b)
            .count(),
        above,
        "the others are as without the condition"
    );
}

/// Where redrawing is rare, mean and variance are those of stochastic rounding: z and f (1 - f).
// spec: [encode.round.conditional]
#[test]
fn conditional_rounding_keeps_mean_and_variance() {
    let (coordinates, z) = (1_000, 0.3);
    let encoding = FloatEncoding {
        range: Range::Fixed(127.0),
        ..FloatEncoding::new(Clip::L2(z * 1_000_f64.sqrt()), 8)
    };
    let plan = float_plan(coordinates, encoding.conditional(), 10);
    let (mut sum, mut squares) = (0.0, 0.0);
    for seed in 0..400 {
        let rounded = quantize_floats(&plan, &vec![z; coordinates], 1, seed);
        for q in rounded.values() {
            let error = *q as f64 - z;
            sum += error;
            squares += error * error;
        }
    }
    let draws = 400_000.0_f64;
    // 6.1 deviations: false alarm 1e-9 each. Error^2 is 0.49 or 0.09, a spread of 0.4 times that of the draw.
    let deviation = (0.3 * 0.7 / draws).sqrt();
    assert!((sum / draws).abs() < 6.1 * deviation, "{}", sum / draws);
    let variance = squares / draws;
    assert!(
        (variance - 0.21).abs() < 6.1 * 0.4 * deviation,
        "{variance}"
    );
}

// spec: [encode.plan.range]
#[test]
fn six_deviations_hold_a_rotated_update_at_its_clip() {
    // Layers of very different scale, as gradients have.
    let mut values = sample(200_000, 1);
    values[..1_000].iter_mut().for_each(|x| *x *= 30.0);
    for clip in [Clip::L2(1.0), Clip::LInf(1.0)] {
        let plan = float_plan(values.len(), FloatEncoding::new(clip, 12).rotated(), 10);
        assert_eq!(
            quantize_floats(&plan, &values, 1, 0).saturated(),
            0,
            "{clip:?}"
        );
    }
    // One coordinate with all the energy is the case that the range does not hold; it is counted.
    let mut spike = vec![0.0; 200_000];
    spike[77] = 1.0;
    let plan = float_plan(
        spike.len(),
        FloatEncoding::new(Clip::L2(1.0), 12).rotated(),
        10,
    );
    assert_eq!(quantize_floats(&plan, &spike, 1, 0).saturated(), 4096);
}

#[test]
fn rotation_makes_a_long_update_precise() {
    let values: Vec<f64> = sample(4_096, 3).iter().map(|x| x / 64.0).collect();
    let error = |encoding: FloatEncoding| {
        let plan = float_plan(values.len(), encoding, 10);
        let packed = quantize_floats(&plan, &values, 1, 1).pack(&plan).unwrap();
        let sum = PackedSum::new(packed.into_blocks(), 1)
            .unpack(&plan)
            .unwrap();
        let mean = sum.mean(&plan, &SEED).unwrap();
        norm(
            &floats(&mean)
                .iter()
                .zip(&values)
                .map(|(a, b)| a - b)
                .collect::<Vec<_>>(),
        )
    };
    // The range of a rotated coordinate is 6 / 64 of the clip, so the grid is ten times finer.
    let plain = FloatEncoding::new(Clip::L2(1.0), 8);
    assert!(error(plain.rotated()) < error(plain) / 8.0);
}

// spec: [encode.weight.product] [encode.decode.mean]
#[test]
fn means_are_weighted() {
    let plan = float_plan(
        2,
        FloatEncoding::new(Clip::LInf(1.0), 32).weighted(1_000),
        10,
    );
    let mut sum = Blocks::zeroed(plan.limbs());
    for (values, weight) in [([1.0, 0.0], 1), ([0.5, -1.0], 999), ([0.0, 1.0], 1_000)] {
        sum.add(
            &quantize_floats(&plan, &values, weight, 2)
                .pack(&plan)
                .unwrap()
                .into_blocks(),
        )
        .unwrap();
    }
    let sum = PackedSum::new(sum, 3).unpack(&plan).unwrap();
    assert_eq!((sum.contributors(), sum.weight()), (3, 2_000));
    let mean = sum.mean(&plan, &SEED).unwrap();
    assert!((floats(&mean)[0] - 500.5 / 2_000.0).abs() < 1e-8);
    assert!((floats(&mean)[1] - 1.0 / 2_000.0).abs() < 1e-8);
    let total = sum.sum(&plan, &SEED).unwrap();
    assert!((floats(&total)[0] - 500.5).abs() < 1e-5);
}

// spec: [encode.weight.range]
#[test]
fn weights_above_the_largest_are_refused() {
    let refuse = |encoding, weight| {
        let plan = float_plan(2, encoding, 10);
        let update = Update::new(plan.manifest(), tensors(TensorData::F64(vec![0.0; 2]))).unwrap();
        contribute(
            update,
            &plan,
            Weight::new(weight).unwrap(),
            &SEED,
            &mut rng(0),
        )
        .unwrap_err()
    };
    assert_eq!(refuse(LINF, 2), EncodeError::Weight { found: 2, most: 1 });
    assert_eq!(
        refuse(LINF.weighted(9), 10),
        EncodeError::Weight { found: 10, most: 9 }
    );
    assert_eq!(Weight::new(0), None);
}

// spec: [encode.decode.dtype]
#[test]
fn means_come_back_in_the_types_of_the_manifest() {
    let spec = |name: &str, dtype| TensorSpec {
        name: name.into(),
        shape: vec![1, 2],
        dtype,
    };
    let manifest = Manifest::new(vec![
        spec("f32", Dtype::F32),
        spec("f64", Dtype::F64),
        spec("f16", Dtype::F16),
        spec("bf16", Dtype::Bf16),
    ])
    .unwrap();
    let encoding = FloatEncoding::new(Clip::LInf(2.0), 40);
    let plan = Plan::derive(&manifest, &Encoding::Float(encoding), 4, NoiseBound::NONE).unwrap();
    let values = [0.75, -1.625];
    let tensor = |data| Tensor {
        shape: vec![1, 2],
        data,
    };
    let given: veilsum_encode::Tensors = [
        (
            "f32".to_owned(),
            tensor(TensorData::F32(values.map(|x| x as f32).into())),
        ),
        ("f64".to_owned(), tensor(TensorData::F64(values.into()))),
        (
            "f16".to_owned(),
            tensor(TensorData::F16(values.map(f16::from_f64).into())),
        ),
        (
            "bf16".to_owned(),
            tensor(TensorData::Bf16(values.map(bf16::from_f64).into())),
        ),
    ]
    .into();
    let mut sum = Blocks::zeroed(plan.limbs());
    for seed in 0..2 {
        let update = Update::new(&manifest, given.clone()).unwrap();
        let (contribution, _) =
            contribute(update, &plan, Weight::ONE, &SEED, &mut rng(seed)).unwrap();
        sum.add(&contribution.into_blocks()).unwrap();
    }
    let mut mean = PackedSum::new(sum, 2)
        .unpack(&plan)
        .unwrap()
        .mean(&plan, &SEED)
        .unwrap();
    let exact = mean.insert("f64".to_owned(), given["f64"].clone()).unwrap();
    assert_eq!(mean, given, "but for the one type finer than the grid");
    let TensorData::F64(exact) = exact.data else {
        panic!("wanted f64")
    };
    assert!(exact.iter().zip(values).all(|(a, b)| (a - b).abs() < 1e-11));
}

/// The range is the choice of whoever starts the task: a refusal would tell, task by task, where a member's largest value lies.
// spec: [encode.integer.range]
#[test]
fn integers_outside_their_range_are_held_to_it_and_counted() {
    let spec = |name: &str, dtype| TensorSpec {
        name: name.into(),
        shape: vec![3],
        dtype,
    };
    let manifest = Manifest::new(vec![spec("a", Dtype::U64), spec("b", Dtype::I8)]).unwrap();
    let encoding = Encoding::Integer { min: -5, max: 100 };
    let plan = Plan::derive(&manifest, &encoding, 4, NoiseBound::NONE).unwrap();
    let held = |a: [u64; 3], b: [i8; 3]| {
        let tensor = |data| Tensor {
            shape: vec![3],
            data,
        };
        let tensors = [
            ("a".to_owned(), tensor(TensorData::U64(a.into()))),
            ("b".to_owned(), tensor(TensorData::I8(b.into()))),
        ];
        let update = Update::new(&manifest, tensors.into()).unwrap();
        let clipped = update.clip(&plan).unwrap();
        let quantized = clipped
            .quantize(&plan, Weight::ONE, &[0; 32], &mut rng(1))
            .unwrap();
        let saturated = quantized.saturated();
        assert_eq!(quantized.clipping().replaced, saturated);
        (quantized.values().to_vec(), saturated)
    };
    let within = held([0, 1, 100], [-5, 0, 100]);
    assert_eq!(within, (vec![0, 1, 100, -5, 0, 100], 0));
    let outside = held([101, 1, u64::MAX], [-6, i8::MIN, i8::MAX]);
    assert_eq!(outside, (vec![100, 1, 100, -5, -5, 100], 5));
}

// spec: [encode.dtype.rule] [encode.decode.sum]
#[test]
fn every_integer_type_is_summed_as_it_is() {
    let data = [
        TensorData::I8(vec![-3, 7]),
        TensorData::I16(vec![-3, 7]),
        TensorData::I32(vec![-3, 7]),
        TensorData::I64(vec![-3, 7]),
        TensorData::U8(vec![3, 7]),
        TensorData::U16(vec![3, 7]),
        TensorData::U32(vec![3, 7]),
        TensorData::U64(vec![3, 7]),
    ];
    for data in data {
        let manifest = manifest(2, data.dtype());
        let encoding = Encoding::Integer { min: -10, max: 10 };
        let plan = Plan::derive(&manifest, &encoding, 4, NoiseBound::NONE).unwrap();
        let mut sum = Blocks::zeroed(plan.limbs());
        for _ in 0..3 {
            let update = Update::new(&manifest, tensors(data.clone())).unwrap();
            let (contribution, _) =
                contribute(update, &plan, Weight::ONE, &SEED, &mut rng(0)).unwrap();
            sum.add(&contribution.into_blocks()).unwrap();
        }
        let sum = PackedSum::new(sum, 3).unpack(&plan).unwrap();
        let first = if matches!(
            data.dtype(),
            Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64
        ) {
            -9
        } else {
            9
        };
        assert_eq!(
            sum.sum(&plan, &SEED).unwrap()["w"].data,
            TensorData::I64(vec![first, 21])
        );
        assert_eq!(
            floats(&sum.mean(&plan, &SEED).unwrap()),
            [first as f64 / 3.0, 7.0]
        );
    }
}

#[test]
fn values_of_another_manifest_or_plan_are_refused() {
    let (one, two) = (float_plan(2, LINF, 10), float_plan(2, LINF, 11));
    let other = float_plan(3, LINF, 10);
    let update = || Update::new(one.manifest(), tensors(TensorData::F64(vec![0.0; 2]))).unwrap();
    assert_eq!(
        update().clip(&other).unwrap_err(),
        EncodeError::OtherManifest
    );
    let clipped = || update().clip(&one).unwrap();
    assert_eq!(
        clipped()
            .quantize(&two, Weight::ONE, &SEED, &mut rng(0))
            .unwrap_err(),
        EncodeError::OtherPlan
    );
    let quantized = clipped()
        .quantize(&one, Weight::ONE, &SEED, &mut rng(0))
        .unwrap();
    assert_eq!(quantized.pack(&two).unwrap_err(), EncodeError::OtherPlan);
}

#[test]
fn secrets_show_nothing() {
    let plan = float_plan(2, LINF, 10);
    let update = Update::new(plan.manifest(), tensors(TensorData::F64(vec![0.625; 2]))).unwrap();
    let clipped = update.clip(&plan).unwrap();
    assert_eq!(format!("{clipped:?}"), "Clipped(..)");
    let quantized = clipped
        .quantize(&plan, Weight::ONE, &SEED, &mut rng(0))
        .unwrap();
    assert_eq!(format!("{quantized:?}"), "Quantized(..)");
    assert_eq!(
        format!("{:?}", quantized.pack(&plan).unwrap()),
        "Contribution(1 limbs, ..)"
    );
}
