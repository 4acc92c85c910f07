//! What the way through integers costs: FedAvg over clipped, rotated, quantised and exactly summed updates against FedAvg over floats.
//!
//! Masks change no integer, so these sums are those of masked rounds.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use veilsum_dp::NoiseBound;
use veilsum_encode::{IntegerSum, Plan, Tensors, Update, Weight};
use veilsum_learn::job::{
    Algorithm, CoordinatorHalf, DataSpec, EncodingSpec, EvaluationSpec, Job, JobSpec, LocalSpec,
    MemberHalf, ModelSpec, Split,
};
use veilsum_learn::{Outcome, WeightedMean};

/// Points of accuracy, in percent, that bits may cost.
const ALLOWED: [(u8, f64); 2] = [(16, 0.5), (8, 1.0)];

#[test]
fn digits_iid_and_not_lose_at_most_what_is_allowed() {
    // spec: [job.encoding]
    for split in [Split::Iid, Split::ByLabel, Split::Dirichlet(0.3)] {
        let spec = JobSpec {
            local: LocalSpec {
                epochs: 3,
                batch_size: 10,
                rate: 0.5,
                weighted: true,
            },
            ..JobSpec::new(10, 8, DataSpec::digits(split), Algorithm::FedAvg {})
        };
        compare(&format!("digits, {split:?}"), &spec, 1..=3);
    }
}

#[test]
fn a_perceptron_on_the_digits_loses_at_most_what_is_allowed() {
    let spec = JobSpec {
        model: ModelSpec::Mlp(24),
        local: LocalSpec {
            epochs: 3,
            batch_size: 10,
            rate: 0.3,
            weighted: true,
        },
        ..JobSpec::new(
            10,
            8,
            DataSpec::digits(Split::Dirichlet(0.5)),
            Algorithm::FedAvg {},
        )
    };
    compare("digits, perceptron", &spec, 1..=2);
}

#[test]
fn hospitals_lose_at_most_what_is_allowed() {
    for split in [Split::Hospitals, Split::Iid, Split::Dirichlet(0.3)] {
        let spec = JobSpec {
            local: LocalSpec {
                epochs: 5,
                batch_size: 16,
                rate: 0.05,
                weighted: true,
            },
            ..JobSpec::new(5, 15, DataSpec::cancer(split), Algorithm::FedAvg {})
        };
        compare(&format!("cancer, {split:?}"), &spec, 1..=4);
    }
}

/// For every seed the accuracies are as near as is allowed.
fn compare(name: &str, spec: &JobSpec, seeds: std::ops::RangeInclusive<u64>) {
    for seed in seeds {
        let job = |bits| {
            let spec = JobSpec {
                seed,
                evaluation: EvaluationSpec {
                    every: 0,
                    ..EvaluationSpec::default()
                },
                encoding: EncodingSpec {
                    bits: Some(bits),
                    ..EncodingSpec::default()
                },
                ..spec.clone()
            };
            Job::new(spec).unwrap()
        };
        let plain = train(&job(16), plain_mean);
        for (bits, allowed) in ALLOWED {
            let secure = train(&job(bits), secure_mean);
            println!("{name}, seed {seed}: plain {plain:.2}, {bits} bits {secure:.2}");
            assert!(
                plain - secure <= allowed,
                "{name}, seed {seed}, {bits} bits: {secure} against {plain}"
            );
        }
    }
}

/// Accuracy on the test set, in percent.
fn train(job: &Job, mean: impl Fn(&Job, u64, Vec<(Tensors, u32)>) -> Tensors) -> f64 {
    let mut coordinator = CoordinatorHalf::start(job).unwrap();
    let members = (0..job.spec().members).map(|member| MemberHalf::new(job, member).unwrap());
    let mut members: Vec<MemberHalf> = members.collect();
    while coordinator.ending().is_none() {
        let (round, bytes) = (coordinator.next_round(), coordinator.model_bytes().unwrap());
        let brought = members.iter_mut().map(|member| {
            let brought = member.contribute(&bytes, round).unwrap();
            member.settle(round, Outcome::Summed);
            (brought.tensors, brought.weight)
        });
        let brought = brought.collect();
        coordinator.take(round, &mean(job, round, brought)).unwrap();
    }
    100.0 * coordinator.judge().unwrap().unwrap().accuracy
}

fn plain_mean(job: &Job, _: u64, brought: Vec<(Tensors, u32)>) -> Tensors {
    let mut mean = WeightedMean::new(&job.contribution_form());
    for (tensors, weight) in brought {
        mean.add(&tensors, weight).unwrap();
    }
    mean.mean().unwrap()
}

/// Clip, rotate, round, add as integers, decode.
fn secure_mean(job: &Job, round: u64, brought: Vec<(Tensors, u32)>) -> Tensors {
    let parts = job.task().unwrap();
    let enrolled = job.spec().members;
    let plan = Plan::derive(&parts.manifest, &parts.encoding, enrolled, NoiseBound::NONE).unwrap();
    let seed = [round as u8; 32];
    let mut sum = vec![0; plan.padded_coordinates() as usize];
    let mut total = 0;
    for (member, (tensors, weight)) in (0..).zip(brought) {
        let mut rng = ChaCha20Rng::seed_from_u64(round * 1000 + member);
        let clipped = Update::new(plan.manifest(), tensors)
            .unwrap()
            .clip(&plan)
            .unwrap();
        let weight = Weight::new(weight).unwrap();
        let quantized = clipped.quantize(&plan, weight, &seed, &mut rng).unwrap();
        sum.iter_mut()
            .zip(quantized.values())
            .for_each(|(sum, value)| *sum += value);
        total += u64::from(weight.get());
    }
    IntegerSum::new(&plan, sum, enrolled, total)
        .unwrap()
        .mean(&plan, &seed)
        .unwrap()
}
