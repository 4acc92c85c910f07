//! What members compute: FedSGD, FedProx, private gradients, fewer coordinates, and the hospitals.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use veilsum_encode::{TensorData, Tensors};
use veilsum_learn::{
    ClippedSum, DpSgd, ErrorFeedback, ExampleClip, Examples, GradientTrainer, LocalSgd,
    LocalTrainer, Model, Network, Norms, Outcome, RunSeed, Sampling, ServerOptimizer, ServerSgd,
    ServerState, Subset, TrainError, Trainer, WeightedMean, cancer, digits, dp_sgd, evaluate,
    plain_round,
};

const SOFTMAX: Network = Network::Softmax {
    inputs: 64,
    classes: 10,
};
const MLP: Network = Network::Mlp {
    inputs: 64,
    hidden: 16,
    classes: 10,
};

#[test]
fn fedsgd_of_members_is_gradient_descent_on_all_examples() {
    // spec: [local.fedsgd]
    for network in [SOFTMAX, MLP] {
        let parts = parts(5);
        let model = trained(network);
        let mut trainers: Vec<GradientTrainer> = parts
            .iter()
            .cloned()
            .map(|part| GradientTrainer::new(part).unwrap())
            .collect();
        let mut mean = WeightedMean::new(model.tensors());
        for trainer in &mut trainers {
            let update = trainer.train(&model, 1).unwrap();
            mean.add(&update.delta, update.examples).unwrap();
        }
        let federated = ServerSgd { step_size: 0.5 }
            .apply(&model, &mean.mean().unwrap())
            .unwrap();
        // One step of the built-in descent with a batch of all examples.
        let all = digits::load().unwrap();
        let settings = LocalSgd {
            learning_rate: 0.5,
            epochs: 1,
            batch_size: u32::MAX,
        };
        let mut pooled = LocalTrainer::new(all, settings, RunSeed(1), 0).unwrap();
        let pooled = plain_round(&model, [&mut pooled], 1).unwrap();
        let difference = veilsum_learn::difference(federated.tensors(), pooled.tensors()).unwrap();
        assert!(
            Norms::of(&difference).max_abs < 1e-6,
            "{:?}",
            Norms::of(&difference)
        );
    }
}

#[test]
fn fedprox_reduces_the_drift_of_members() {
    // spec: [local.fedprox]
    for network in [SOFTMAX, MLP] {
        let model = trained(network);
        let drift = |mu: f32| -> f64 {
            let members = members(8).into_iter();
            let norms = members.map(|member| {
                let mut member = member.with_proximal(mu).unwrap();
                Norms::of(&member.train(&model, 1).unwrap().delta).l2
            });
            norms.sum()
        };
        let drifts = [0.0, 0.1, 0.5, 2.0].map(drift);
        println!("{network:?}: {drifts:?}");
        assert!(drifts.is_sorted_by(|more, less| more > less), "{drifts:?}");
        assert!(drifts[3] < 0.7 * drifts[0], "{drifts:?}");
    }
}

#[test]
fn fedprox_without_weight_is_fedavg_bit_for_bit() {
    // spec: [local.fedavg] [local.fedprox]
    let model = trained(MLP);
    for (plain, proximal) in members(3).into_iter().zip(members(3)) {
        let mut proximal = proximal.with_proximal(0.0).unwrap();
        assert!({ plain }.train(&model, 2) == proximal.train(&model, 2));
    }
    for found in [-1.0, f32::NAN, 4.1] {
        let refused = members(1).remove(0).with_proximal(found);
        assert!(matches!(refused, Err(TrainError::Proximal { .. })));
    }
}

#[test]
fn clipped_sum_is_that_of_a_loop_over_single_examples() {
    // spec: [dp.example-clip]
    let examples = digits::load()
        .unwrap()
        .split_by_label(20, RunSeed(2))
        .unwrap()
        .remove(0);
    for network in [SOFTMAX, MLP] {
        let model = trained(network);
        for median in [ExampleClip::L2, ExampleClip::L1] {
            let clip = median(median_norm(&model, &examples, median(1.0)));
            let (wanted, clipped) = loop_sum(&model, &examples, clip);
            let found = sum(&model, &examples, clip);
            assert!(
                clipped > 0 && (clipped as usize) < examples.len(),
                "{network:?} {clip:?}: {clipped}"
            );
            assert_eq!(
                (found.examples as usize, found.clipped),
                (examples.len(), clipped)
            );
            for (found, wanted) in flat(&found.descent).iter().zip(wanted) {
                assert!(
                    (found - wanted).abs() < 2e-6,
                    "{network:?} {clip:?}: {found} {wanted}"
                );
            }
        }
    }
}

#[test]
fn one_example_moves_the_sum_by_at_most_the_clip() {
    // spec: [dp.example-clip]
    let model = trained(MLP);
    for part in parts(900).into_iter().take(60) {
        for clip in [0.01, 0.5, 3.0] {
            let l2 = Norms::of(&sum(&model, &one(&part, 0), ExampleClip::L2(clip)).descent).l2;
            let l1: f64 = flat(&sum(&model, &one(&part, 0), ExampleClip::L1(clip)).descent)
                .iter()
                .map(|value| value.abs())
                .sum();
            assert!(l2 <= clip && l1 <= clip, "{l2} {l1} {clip}");
        }
    }
}

#[test]
fn sums_of_members_are_the_central_sum() {
    // spec: [dp.example-clip]
    let model = trained(SOFTMAX);
    let clip = ExampleClip::L2(0.5);
    let central = flat(&sum(&model, &digits::load().unwrap(), clip).descent);
    let mut federated = vec![0.0; central.len()];
    for part in parts(6) {
        for (total, value) in federated
            .iter_mut()
            .zip(flat(&sum(&model, &part, clip).descent))
        {
            *total += value;
        }
    }
    for (central, federated) in central.iter().zip(federated) {
        // Gradients are computed in f32, in other batches.
        assert!((central - federated).abs() < 1e-5, "{central} {federated}");
    }
}

#[test]
fn private_gradients_without_noise_learn_the_digits() {
    let parts = parts(6);
    let test = digits::load().unwrap();
    let mut model = first(SOFTMAX);
    let mut server =
        ServerState::new(ServerOptimizer::Sgd { momentum: 0.9 }, model.tensors()).unwrap();
    let settings = DpSgd {
        clip: ExampleClip::L2(1.0),
        sampling: Sampling::Poisson { rate: 0.3 },
    };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..30 {
        let mut total = vec![0.0; 650];
        for part in &parts {
            let sum = settings.sum(&model, part, &mut rng).unwrap();
            total
                .iter_mut()
                .zip(flat(&sum.descent))
                .for_each(|(total, value)| *total += value);
        }
        let sum = unflat(&total, &sum(&model, &test, settings.clip).descent);
        let mean = dp_sgd::divide(&sum, 0.3 * test.len() as f64, model.tensors()).unwrap();
        model = server.step(&model, &mean, 0.5).unwrap();
    }
    let found = evaluate(&model, &test).unwrap();
    assert!(found.accuracy > 0.88, "{found:?}");
}

#[test]
fn poisson_draws_follow_the_generator_and_the_rate() {
    let examples = digits::load().unwrap();
    let model = first(SOFTMAX);
    let drawn = |rate, seed| {
        let settings = DpSgd {
            clip: ExampleClip::L2(1.0),
            sampling: Sampling::Poisson { rate },
        };
        settings
            .sum(&model, &examples, &mut ChaCha20Rng::seed_from_u64(seed))
            .unwrap()
    };
    assert!(drawn(0.2, 1) == drawn(0.2, 1));
    assert!(drawn(0.2, 1) != drawn(0.2, 2));
    // 359 wanted with deviation 17.
    assert!(drawn(0.2, 1).examples.abs_diff(359) < 100);
    assert_eq!(drawn(1.0, 1).examples, 1797);
    for (clip, rate) in [(0.0, 0.5), (f64::NAN, 0.5), (1.0, 0.0), (1.0, 1.5)] {
        let settings = DpSgd {
            clip: ExampleClip::L1(clip),
            sampling: Sampling::Poisson { rate },
        };
        let refused = settings.sum(&model, &examples, &mut ChaCha20Rng::seed_from_u64(1));
        assert!(matches!(refused, Err(TrainError::Setting(_))));
    }
}

#[test]
fn accuracy_against_bytes() {
    // spec: [subset.memory]
    let accuracy = |share: usize, keep: f64| -> f64 {
        let runs = (1..=3).map(|seed| with_subset(RunSeed(seed), share, keep));
        runs.sum::<f64>() / 3.0
    };
    let mut rows = Vec::new();
    for keep in [1.0, 0.0] {
        rows.push([1, 2, 4, 8, 16].map(|share| accuracy(share, keep)));
        println!("memory {keep}: {:.3?}", rows.last().unwrap());
    }
    let [full, _, quarter, eighth, sixteenth] = rows[0];
    assert!(quarter > full - 0.02 && eighth > full - 0.06, "{rows:?}");
    assert!(sixteenth > rows[1][4] + 0.05, "{rows:?}");
}

#[test]
fn hospitals_learn_together_what_none_learns_alone() {
    let network = Network::Softmax {
        inputs: 30,
        classes: 2,
    };
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for seed in (1..=5).map(RunSeed) {
        let (parts, test) = cancer::federation(seed).unwrap();
        let mut members: Vec<LocalTrainer> = (0..)
            .zip(&parts)
            .map(|(member, part)| {
                LocalTrainer::new(part.clone(), cancer::LOCAL, seed, member).unwrap()
            })
            .collect();
        let rounds = |members: &mut [LocalTrainer]| {
            let mut model = first(network);
            for round in 1..=20 {
                model = plain_round(&model, members.iter_mut(), round).unwrap();
            }
            evaluate(&model, &test).unwrap().accuracy
        };
        together.push(rounds(&mut members));
        alone.push(
            (0..5)
                .map(|hospital| rounds(&mut members[hospital..=hospital]))
                .sum::<f64>()
                / 5.0,
        );
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    println!("together {together:.3?}, alone on average {alone:.3?}");
    assert!(together.iter().all(|accuracy| *accuracy > 0.93));
    assert!(mean(&together) > 0.96 && mean(&together) > mean(&alone) + 0.01);
}

#[test]
fn every_server_optimiser_learns_the_hospitals() {
    let network = Network::Mlp {
        inputs: 30,
        hidden: 8,
        classes: 2,
    };
    let (parts, test) = cancer::federation(RunSeed(1)).unwrap();
    let adaptive = |name| match name {
        "adagrad" => ServerOptimizer::Adagrad {
            beta1: 0.0,
            tau: 1e-2,
        },
        "adam" => ServerOptimizer::Adam {
            beta1: 0.9,
            beta2: 0.99,
            tau: 1e-2,
        },
        _ => ServerOptimizer::Yogi {
            beta1: 0.9,
            beta2: 0.99,
            tau: 1e-2,
        },
    };
    for (optimizer, rate) in [
        (ServerOptimizer::FEDAVG, 1.0),
        (ServerOptimizer::Sgd { momentum: 0.7 }, 0.5),
        (adaptive("adagrad"), 0.1),
        (adaptive("adam"), 0.05),
        (adaptive("yogi"), 0.05),
    ] {
        let mut members: Vec<LocalTrainer> = (0..)
            .zip(&parts)
            .map(|(member, part)| {
                LocalTrainer::new(part.clone(), cancer::LOCAL, RunSeed(1), member).unwrap()
            })
            .collect();
        let mut model = first(network);
        let mut server = ServerState::new(optimizer, model.tensors()).unwrap();
        for round in 1..=25 {
            let mut mean = WeightedMean::new(model.tensors());
            for member in &mut members {
                let update = member.train(&model, round).unwrap();
                mean.add(&update.delta, update.examples).unwrap();
            }
            model = server.step(&model, &mean.mean().unwrap(), rate).unwrap();
        }
        let found = evaluate(&model, &test).unwrap();
        println!("{optimizer:?}: {found:.3?}");
        assert!(found.accuracy > 0.93, "{optimizer:?}: {found:?}");
    }
}

/// Accuracy after 20 rounds of 12 members that send one of `share` coordinates.
fn with_subset(seed: RunSeed, share: usize, keep: f64) -> f64 {
    let data = digits::load().unwrap().split_test(20, seed).unwrap();
    let settings = LocalSgd {
        learning_rate: 0.1,
        epochs: 1,
        ..LocalSgd::DIGITS
    };
    let mut members: Vec<(LocalTrainer, ErrorFeedback)> = (0..)
        .zip(data.train.split_by_label(12, seed).unwrap())
        .map(|(member, part)| {
            let trainer = LocalTrainer::new(part, settings, seed, member).unwrap();
            (trainer, ErrorFeedback::new(650, keep).unwrap())
        })
        .collect();
    let mut model = first(SOFTMAX);
    for round in 1..=20 {
        let subset = Subset::draw(seed, round, 650, 650_usize.div_ceil(share)).unwrap();
        let mut mean = WeightedMean::new(&subset.form());
        for (trainer, feedback) in &mut members {
            let update = trainer.train(&model, round).unwrap();
            let offer = feedback.offer(&update.delta, &subset).unwrap();
            mean.add(offer.sent(), update.examples).unwrap();
            feedback.settle(offer, Outcome::Summed);
        }
        let mean = subset
            .scatter(&mean.mean().unwrap(), model.tensors())
            .unwrap();
        model = ServerSgd::FEDAVG.apply(&model, &mean).unwrap();
    }
    evaluate(&model, &data.test).unwrap().accuracy
}

/// Each example's gradient by FedSGD on it alone, clipped and added up.
fn loop_sum(model: &Model, examples: &Examples, clip: ExampleClip) -> (Vec<f64>, u32) {
    let (ExampleClip::L2(bound) | ExampleClip::L1(bound)) = clip;
    // the room that sums of floats have below the clip
    let bound = bound * (1.0 - 2_f64.powi(-19));
    let (mut total, mut clipped) = (vec![0.0; flat(model.tensors()).len()], 0);
    for gradient in loop_gradients(model, examples) {
        let norm = norm(&gradient, clip);
        clipped += u32::from(norm > bound);
        let scale = (bound / norm).min(1.0);
        total
            .iter_mut()
            .zip(gradient)
            .for_each(|(total, value)| *total += scale * value);
    }
    (total, clipped)
}

fn loop_gradients(model: &Model, examples: &Examples) -> Vec<Vec<f64>> {
    let singles = (0..examples.len()).map(|row| {
        let mut trainer = GradientTrainer::new(one(examples, row)).unwrap();
        flat(&trainer.train(model, 1).unwrap().delta)
    });
    singles.collect()
}

/// A norm between the two in the middle, so that half of the examples are clipped.
fn median_norm(model: &Model, examples: &Examples, clip: ExampleClip) -> f64 {
    let gradients = loop_gradients(model, examples);
    let mut norms = Vec::from_iter(gradients.iter().map(|gradient| norm(gradient, clip)));
    norms.sort_by(f64::total_cmp);
    let middle = norms.len() / 2;
    (norms[middle - 1] + norms[middle]) / 2.0
}

fn norm(gradient: &[f64], clip: ExampleClip) -> f64 {
    match clip {
        ExampleClip::L2(_) => gradient
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt(),
        ExampleClip::L1(_) => gradient.iter().map(|value| value.abs()).sum(),
    }
}

fn sum(model: &Model, examples: &Examples, clip: ExampleClip) -> ClippedSum {
    let settings = DpSgd {
        clip,
        sampling: Sampling::All,
    };
    settings
        .sum(model, examples, &mut ChaCha20Rng::seed_from_u64(1))
        .unwrap()
}

fn one(examples: &Examples, row: usize) -> Examples {
    let features = examples.features().select(ndarray::Axis(0), &[row]);
    Examples::new(features, vec![examples.labels()[row]], examples.classes()).unwrap()
}

fn flat(tensors: &Tensors) -> Vec<f64> {
    let values = tensors.values().flat_map(|tensor| match &tensor.data {
        TensorData::F32(values) => values.iter().copied().map(f64::from).collect(),
        TensorData::F64(values) => values.clone(),
        other => panic!("found {}, wanted floats", other.dtype()),
    });
    values.collect()
}

fn unflat(values: &[f64], like: &Tensors) -> Tensors {
    let (mut tensors, mut start) = (like.clone(), 0);
    for tensor in tensors.values_mut() {
        let end = start + tensor.data.len();
        tensor.data = TensorData::F64(values[start..end].to_vec());
        start = end;
    }
    tensors
}

fn parts(count: usize) -> Vec<Examples> {
    digits::load()
        .unwrap()
        .split_by_label(count.min(810), RunSeed(1))
        .unwrap()
}

fn members(count: usize) -> Vec<LocalTrainer> {
    (0..)
        .zip(parts(count))
        .map(|(member, part)| {
            LocalTrainer::new(part, LocalSgd::DIGITS, RunSeed(1), member).unwrap()
        })
        .collect()
}

fn first(network: Network) -> Model {
    Model::new(0, network.init(RunSeed(1))).unwrap()
}

/// A model that knows a little, so that no gradient is degenerate.
fn trained(network: Network) -> Model {
    let settings = LocalSgd {
        learning_rate: 0.1,
        epochs: 1,
        batch_size: 50,
    };
    let mut member = LocalTrainer::new(digits::load().unwrap(), settings, RunSeed(1), 0).unwrap();
    plain_round(&first(network), [&mut member], 1).unwrap()
}
