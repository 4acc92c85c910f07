//! The way of an update and back: the quick way and the long one make the same contribution, contributions add up to the sum of
//! their integers, and its mean is that of the clipped values to one step of the grid.

use crate::source::{Source, expand};
use crate::sum::plan;
use half::{bf16, f16};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use veilsum_encode::{
    Clip, Dtype, Encoding, FloatEncoding, IntegerSum, PackedSum, Plan, Report, Tensor, TensorData,
    Tensors, Update, Weight, contribute,
};
use veilsum_math::Blocks;

/// Any plan that can be derived, any values, a few members.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let Some(plan) = plan(&mut source) else {
        return;
    };
    let members = (1 + source.below(3) as u32).min(plan.enrolled());
    let sent = (0..members).map(|member| Sent::draw(&plan, member, &mut source));
    let Some(sent) = sent.collect::<Option<Vec<_>>>() else {
        return;
    };
    let mut blocks = Blocks::zeroed(plan.limbs());
    for one in &sent {
        let limbs = Blocks::from_limbs(one.limbs.clone());
        blocks.add(&limbs).expect("the length of the plan");
    }
    let sum = PackedSum::new(blocks, members).unpack(&plan);
    let sum = sum.expect("honest contributions are a possible sum");
    let integers = (0..sum.values().len()).map(|at| sent.iter().map(|one| one.integers[at]).sum());
    assert_eq!(sum.values(), integers.collect::<Vec<i64>>());
    let weights = sent.iter().map(|one| u64::from(one.weight.get()));
    assert_eq!(sum.weight(), weights.sum::<u64>());
    match plan.encoding() {
        Encoding::Integer { .. } => integers_are_exact(&plan, &sum, &sent),
        Encoding::Float(encoding) => floats_are_near(&plan, encoding, &sum, &sent),
    }
}

/// What one member sends.
struct Sent {
    values: Vec<f64>,
    integers: Vec<i64>,
    limbs: Vec<u64>,
    weight: Weight,
    report: Report,
}

impl Sent {
    /// `None` if its values or its plan are refused.
    fn draw(plan: &Plan, member: u32, source: &mut Source) -> Option<Self> {
        let heaviest = plan.max_weight() as usize;
        let weight = Weight::new(1 + source.below(heaviest) as u32).expect("not 0");
        let data = data(plan, source);
        let values = floats(&data);
        let update = || Update::for_plan(plan, tensors(plan, data.clone()));
        let (quick, long) = (told(update())?, told(update())?);
        let rng = || ChaCha20Rng::seed_from_u64(member.into());
        let quick = told(contribute(quick, plan, weight, &SEED, &mut rng()));
        let clipped = long.clip(plan).expect("the plan of the update");
        let quantized = clipped.quantize(plan, weight, &SEED, &mut rng());
        let quantized = quantized.expect("the plan of the update");
        let integers = quantized.values().to_vec();
        let Some((quick, report)) = quick else {
            assert!(plan.has_noise(), "only noise is missing");
            assert!(quantized.pack(plan).is_err(), "packed without its noise");
            return None;
        };
        assert_eq!(report.saturated, quantized.saturated());
        assert_eq!(report.clipped_norm, quantized.clipping().clipped_norm);
        let limbs = quick.into_blocks().into_limbs();
        let long = quantized.pack(plan).expect("no noise is wanted");
        assert!(
            limbs == long.into_blocks().limbs(),
            "two contributions of one update"
        );
        Some(Self {
            values,
            integers,
            limbs,
            weight,
            report,
        })
    }
}

fn integers_are_exact(plan: &Plan, sum: &IntegerSum, sent: &[Sent]) {
    let Encoding::Integer { min, max } = *plan.encoding() else {
        return;
    };
    for one in sent {
        assert!(one.integers.iter().all(|value| (min..=max).contains(value)));
    }
    let total = sum.sum(plan, &SEED).expect("the same plan");
    let TensorData::I64(total) = &total["x"].data else {
        panic!("integers come back as integers");
    };
    assert_eq!(total, sum.values());
}

/// Rounding moves a coordinate by less than a step, and rotation turns lengths into lengths.
fn floats_are_near(plan: &Plan, encoding: &FloatEncoding, sum: &IntegerSum, sent: &[Sent]) {
    let range = plan.range().expect("a range of floats");
    let levels = (1u64 << (encoding.precision_bits - 1)) - 1;
    let step = range / levels as f64;
    let mean = sum.mean(plan, &SEED).expect("the same plan");
    let mean = floats(&mean["x"].data);
    assert!(mean.iter().all(|value| value.is_finite()));
    let rotated = encoding.rotation;
    if rotated && sent.iter().any(|one| one.report.saturated > 0) {
        return;
    }
    let mut wanted = vec![0.0; mean.len()];
    for one in sent {
        let part = f64::from(one.weight.get()) / sum.weight() as f64;
        for (wanted, value) in wanted.iter_mut().zip(clipped(encoding.clip, &one.values)) {
            *wanted += part
                * if rotated {
                    value
                } else {
                    value.clamp(-range, range)
                };
        }
    }
    let errors = mean.iter().zip(&wanted).map(|(found, wanted)| {
        // What the element type itself cannot say, of a mean that may be a step larger than what was wanted.
        let size = wanted.abs().max(found.abs());
        let coarse = match plan.manifest().tensors()[0].dtype {
            Dtype::F64 => 1e-9 * range,
            Dtype::F32 => size * 2f64.powi(-23) + f64::from(f32::MIN_POSITIVE),
            Dtype::F16 => size * 2f64.powi(-10) + 2f64.powi(-24),
            _ => size * 2f64.powi(-7) + f64::from(f32::MIN_POSITIVE),
        };
        ((found - wanted).abs() - coarse - 1e-9 * range).max(0.0)
    });
    let errors = errors.collect::<Vec<_>>();
    let coarse = matches!(plan.manifest().tensors()[0].dtype, Dtype::F16);
    if coarse && wanted.iter().any(|value| value.abs() > 65_000.0) {
        return; // beyond what the type holds
    }
    match rotated {
        false => {
            let worst = errors.iter().copied().fold(0.0, f64::max);
            assert!(worst <= step * (1.0 + 1e-6), "{worst} for steps of {step}");
        }
        true => {
            let worst = errors
                .iter()
                .map(|error| error / step)
                .map(|error| error * error);
            let most = plan.padded_coordinates() as f64 * (1.0 + 1e-6);
            let worst = worst.sum::<f64>();
            assert!(worst <= most, "{worst} squared steps for {most}");
        }
    }
}

/// The clip by its definition, for values of any size.
fn clipped(clip: Clip, values: &[f64]) -> Vec<f64> {
    let largest = values
        .iter()
        .fold(0f64, |most, value| most.max(value.abs()));
    let relative = values.iter().map(|value| (value / largest).abs());
    let (norm, bound) = match clip {
        Clip::LInf(bound) => {
            let held = values.iter().map(|value| value.clamp(-bound, bound));
            return held.collect();
        }
        Clip::L1(bound) => (relative.sum::<f64>(), bound),
        Clip::L2(bound) => (
            relative.map(|value| value * value).sum::<f64>().sqrt(),
            bound,
        ),
    };
    // Compared as `norm > bound / largest`, since the norm itself may be no number.
    match largest > 0.0 && norm > bound / largest {
        true => values
            .iter()
            .map(|value| value / largest * (bound / norm))
            .collect(),
        false => values.to_vec(),
    }
}

/// Near the bounds as a rule; else any bits.
fn data(plan: &Plan, source: &mut Source) -> TensorData {
    let (seed, kind) = (u64::from(source.byte()), source.below(4));
    let spread = f64::from(source.byte()) / 16.0;
    let words = expand(seed).take(plan.coordinates() as usize);
    let words = words.collect::<Vec<_>>();
    let (bound, range) = match plan.encoding() {
        Encoding::Float(float) => match float.clip {
            Clip::L1(bound) | Clip::L2(bound) | Clip::LInf(bound) => (bound, (0, 0)),
        },
        Encoding::Integer { min, max } => (1.0, (*min, *max)),
    };
    let near = words.iter().map(|word| match kind {
        0 => f64::from_bits(*word),
        1 => 0.0,
        2 => [bound, -bound, 2.0 * bound, bound / 3.0][(word % 4) as usize],
        _ => bound * spread * (*word as i64 as f64 / 2f64.powi(63)),
    });
    match plan.manifest().tensors()[0].dtype {
        Dtype::F32 => TensorData::F32(near.map(|value| value as f32).collect()),
        Dtype::F64 => TensorData::F64(near.collect()),
        Dtype::F16 => TensorData::F16(near.map(f16::from_f64).collect()),
        Dtype::Bf16 => TensorData::Bf16(near.map(bf16::from_f64).collect()),
        _ => {
            let (min, max) = range;
            let width = max.wrapping_sub(min).cast_unsigned();
            let integers = words.iter().map(|word| match kind {
                0 => *word as i64,
                1 => min,
                2 => max,
                _ => min.wrapping_add_unsigned(word % width.max(1)),
            });
            TensorData::I64(integers.collect())
        }
    }
}

fn tensors(plan: &Plan, data: TensorData) -> Tensors {
    let spec = &plan.manifest().tensors()[0];
    let shape = spec.shape.clone();
    Tensors::from([(spec.name.clone(), Tensor { shape, data })])
}

fn floats(data: &TensorData) -> Vec<f64> {
    match data {
        TensorData::F32(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::F64(values) => values.clone(),
        TensorData::F16(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::Bf16(values) => values.iter().copied().map(f64::from).collect(),
        _ => Vec::new(),
    }
}

fn told<T>(outcome: Result<T, impl std::fmt::Display>) -> Option<T> {
    outcome
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

const SEED: [u8; 32] = [3; 32];
