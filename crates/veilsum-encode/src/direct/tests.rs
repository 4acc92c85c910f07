use half::{bf16, f16};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use veilsum_dp::NoiseBound;

use super::*;
use crate::{Dtype, FloatEncoding, Manifest, Tensor, TensorSpec, Tensors};

/// Tensors of the given types, each of so many values that are no round numbers.
fn tensors(of: &[(Dtype, usize)], spread: f64) -> (Manifest, Tensors) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut value = || (rng.next_u64() as f64 / u64::MAX as f64 - 0.5) * spread;
    let (mut specs, mut tensors) = (Vec::new(), Tensors::new());
    for (index, (dtype, count)) in of.iter().enumerate() {
        let values: Vec<f64> = (0..*count).map(|_| value()).collect();
        let data = match dtype {
            Dtype::F16 => TensorData::F16(values.iter().map(|x| f16::from_f64(*x)).collect()),
            Dtype::Bf16 => TensorData::Bf16(values.iter().map(|x| bf16::from_f64(*x)).collect()),
            Dtype::F32 => TensorData::F32(values.iter().map(|x| *x as f32).collect()),
            _ => TensorData::F64(values),
        };
        let (name, shape) = (format!("t{index}"), vec![*count as u64]);
        specs.push(TensorSpec {
            name: name.clone(),
            shape: shape.clone(),
            dtype: data.dtype(),
        });
        tensors.insert(name, Tensor { shape, data });
    }
    (Manifest::new(specs).unwrap(), tensors)
}

fn dtype() -> impl Strategy<Value = Dtype> {
    prop_oneof![
        Just(Dtype::F16),
        Just(Dtype::Bf16),
        Just(Dtype::F32),
        Just(Dtype::F64)
    ]
}

fn clip() -> impl Strategy<Value = Clip> {
    let bound = 0.01..1000.0;
    prop_oneof![
        bound.clone().prop_map(Clip::L1),
        bound.clone().prop_map(Clip::L2),
        bound.prop_map(Clip::LInf)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_is_the_contribution_of_the_long_way(
        of in proptest::collection::vec((dtype(), 1..9000_usize), 1..5),
        clip in clip(),
        bits in 2..=24_u8,
        enrolled in 1..2000_u32,
        (max_weight, weight) in (1..50_u32).prop_flat_map(|max| (Just(max), 1..=max)),
        spread in prop_oneof![Just(1e-3), Just(1.0), Just(1e4)],
    ) {
        let (manifest, tensors) = tensors(&of, spread);
        let encoding = Encoding::Float(FloatEncoding::new(clip, bits).weighted(max_weight));
        let plan = Plan::derive(&manifest, &encoding, enrolled, NoiseBound::NONE).unwrap();
        let weight = Weight::new(weight).unwrap();
        let update = || Update::new(&manifest, tensors.clone()).unwrap();

        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let made = contribute(update(), &plan, weight, &mut rng).unwrap();
        let (contribution, report) = made.expect("nothing here needs the long way");

        let mut again = ChaCha20Rng::seed_from_u64(3);
        let long = update().clip(&plan).unwrap();
        let clipping = long.clipping();
        let long = long.quantize(&plan, weight, &[0; 32], &mut again).unwrap();
        prop_assert_eq!(report.saturated, long.saturated());
        prop_assert_eq!(report.clipped_norm, clipping.clipped_norm);
        prop_assert_eq!(report.clipped_coordinates, clipping.clipped_coordinates);
        let long = long.pack(&plan).unwrap().into_blocks();
        prop_assert!(contribution.into_blocks() == long);
        prop_assert_eq!(rng.next_u64(), again.next_u64(), "the same randomness was drawn");
    }

    #[test]
    fn a_rounding_that_is_sure_is_the_exact_one(
        value in prop_oneof![-40.0..40.0, -1e9..1e9, -1e-12..1e-12],
        random: u64,
        near in -3..=3_i64,
    ) {
        let fraction = value - f64::floor(value);
        let threshold = (fraction * 2.0_f64.powi(64)) as u64;
        for random in [random, threshold.wrapping_add_signed(near), threshold.wrapping_add_signed(near << 12)] {
            let (rounded, sure) = round(value, random);
            let exact = round_stochastically(value, random);
            prop_assert!(!sure || rounded as i64 == exact, "{value} {random} {rounded} {exact}");
        }
        let (_, sure) = round(value, threshold.wrapping_add(1 << 20));
        prop_assert!(sure || threshold > u64::MAX - (1 << 20), "hardly ever unsure");
    }
}

#[test]
fn every_width_of_registers_gives_the_same_sums_and_lanes() {
    let of = [Dtype::F32, Dtype::F16, Dtype::F64, Dtype::Bf16].map(|dtype| (dtype, 5001));
    let (manifest, tensors) = tensors(&of, 3.0);
    for clip in [Clip::L1(100.0), Clip::L2(1.0), Clip::LInf(0.7)] {
        let encoding = Encoding::Float(FloatEncoding::new(clip, 14).weighted(9));
        let plan = Plan::derive(&manifest, &encoding, 30, NoiseBound::NONE).unwrap();
        let update = Update::new(&manifest, tensors.clone()).unwrap();
        let mut all = Width::available().into_iter().map(|width| {
            let weight = Weight::new(7).unwrap();
            let (encoder, _) = Encoder::of(&update, &plan, weight).unwrap().unwrap();
            let sum = encoder.values.sum(|x| x * x, width).to_bits();
            let rounding = Keystream::new(KeystreamKey::new([5; 32]));
            let (blocks, counts) = Encoder { width, ..encoder }.encode(&plan, &rounding);
            (sum, blocks, counts.saturated, counts.clipped)
        });
        let widest = all.next().unwrap();
        assert!(all.all(|other| other == widest), "{clip:?}");
    }
}

#[test]
fn what_cannot_be_sure_is_decided_exactly() {
    // 1/2 exactly: up for all 2^63 numbers below the threshold
    for (random, up) in [
        (0, true),
        ((1 << 63) - 1, true),
        (1 << 63, false),
        (u64::MAX, false),
    ] {
        assert_eq!(round_stochastically(0.5, random), i64::from(up));
    }
    assert!(!round(0.5, (1 << 63) - 1).1, "too close for 52 bits");
    assert!(!round(0.5, 1 << 63).1);
    // -2^-60 has a fraction of 1, as far as f64 can say
    assert!(!round(-(2.0_f64.powi(-60)), u64::MAX).1);
}

#[test]
fn rotation_conditional_rounding_and_integers_go_the_long_way() {
    let (manifest, tensors) = tensors(&[(Dtype::F32, 100)], 1.0);
    let float = FloatEncoding::new(Clip::L2(1.0), 16);
    for encoding in [float.rotated(), float.conditional()] {
        let encoding = Encoding::Float(encoding);
        let plan = Plan::derive(&manifest, &encoding, 10, NoiseBound::NONE).unwrap();
        let update = Update::new(&manifest, tensors.clone()).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let made = contribute(update, &plan, Weight::ONE, &mut rng).unwrap();
        assert!(made.is_err());
    }
}

#[test]
fn a_norm_beyond_squares_goes_the_long_way() {
    let (manifest, mut tensors) = tensors(&[(Dtype::F64, 3)], 1.0);
    for tensor in tensors.values_mut() {
        tensor.data = TensorData::F64(vec![1e300, -1e300, 1.0]);
    }
    let encoding = Encoding::Float(FloatEncoding::new(Clip::L2(1.0), 16));
    let plan = Plan::derive(&manifest, &encoding, 10, NoiseBound::NONE).unwrap();
    let update = Update::new(&manifest, tensors).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    assert!(
        contribute(update, &plan, Weight::ONE, &mut rng)
            .unwrap()
            .is_err()
    );
}
