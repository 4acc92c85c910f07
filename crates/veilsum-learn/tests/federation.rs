//! Federations of plain members on the digits: how well they learn, how large their updates are, how long it takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use cpu_time::ProcessTime;
use veilsum_learn::{
    AverageError, LocalSgd, LocalTrainer, Model, Network, Norms, RunSeed, TrainError, TrainTest,
    Trainer, digits, evaluate, plain_round, train_pooled,
};

const SOFTMAX: Network = Network::Softmax {
    inputs: 64,
    classes: 10,
};
const MLP: Network = Network::Mlp {
    inputs: 64,
    hidden: 32,
    classes: 10,
};
const ROUNDS: u64 = 10;

#[test]
fn pooled_training_passes_093() {
    for (network, wanted) in [(SOFTMAX, 0.93), (MLP, 0.95)] {
        let TrainTest { train, test } = data(RunSeed(1));
        let model =
            train_pooled(first(network), train, LocalSgd::DIGITS, RunSeed(1), ROUNDS).unwrap();
        let accuracy = evaluate(&model, &test).unwrap().accuracy;
        println!("pooled {network:?}: {accuracy:.4}");
        assert!(
            accuracy > wanted,
            "{network:?} found {accuracy}, wanted above {wanted}"
        );
    }
}

#[test]
fn twelve_members_split_by_label_pass_090_in_ten_rounds() {
    for network in [SOFTMAX, MLP] {
        for seed in (1..=5).map(RunSeed) {
            let model = (1..=ROUNDS).fold(
                (first(network), members(12, seed)),
                |(model, mut members), round| {
                    (plain_round(&model, &mut members, round).unwrap(), members)
                },
            );
            let found = evaluate(&model.0, &data(seed).test).unwrap();
            println!(
                "{network:?} {seed:?}: accuracy {:.4}, loss {:.4}",
                found.accuracy, found.loss
            );
            assert!(
                found.accuracy > 0.90,
                "{network:?} {seed:?} found {}",
                found.accuracy
            );
        }
    }
}

#[test]
fn local_training_of_twelve_members_for_ten_rounds_takes_under_three_seconds() {
    let (mut model, mut members) = (first(SOFTMAX), members(12, RunSeed(1)));
    let start = ProcessTime::now();
    for round in 1..=ROUNDS {
        model = plain_round(&model, &mut members, round).unwrap();
    }
    let spent = start.elapsed();
    println!("spent {spent:?}");
    assert!(spent.as_secs_f64() < 3.0, "spent {spent:?}");
}

#[test]
fn softmax_updates_stay_within_the_documented_clip() {
    for (count, seeds) in [(3, 1..=3), (12, 1..=5), (30, 1..=2)] {
        for seed in seeds.map(RunSeed) {
            let (mut model, mut members) = (first(SOFTMAX), members(count, seed));
            for round in 1..=ROUNDS {
                let (l2, max_abs) = largest_norms(&mut members, &model, round);
                println!(
                    "{count} members, {seed:?}, round {round}: l2 {l2:.2}, max abs {max_abs:.3}"
                );
                assert!(
                    l2 < digits::CLIP_L2 && max_abs < digits::CLIP_MAX_ABS,
                    "{l2}, {max_abs}"
                );
                model = plain_round(&model, &mut members, round).unwrap();
            }
        }
    }
}

#[test]
fn same_seed_member_and_round_give_the_same_bits() {
    let model = first(MLP);
    let train =
        |seed, member: usize, round| members(12, seed)[member].train(&model, round).unwrap();
    let update = train(RunSeed(1), 2, 3);
    assert!(update == train(RunSeed(1), 2, 3));
    assert!(update != train(RunSeed(2), 2, 3));
    assert!(update != train(RunSeed(1), 3, 3));
    assert!(update != train(RunSeed(1), 2, 4));
}

#[test]
fn training_a_round_does_not_change_the_next() {
    let model = first(SOFTMAX);
    let mut used = members(12, RunSeed(1));
    used[0].train(&model, 1).unwrap();
    assert!(used[0].train(&model, 2) == members(12, RunSeed(1))[0].train(&model, 2));
}

#[test]
fn update_counts_the_examples_of_its_member() {
    let parts = data(RunSeed(1))
        .train
        .split_by_label(12, RunSeed(1))
        .unwrap();
    for (part, mut member) in parts.iter().zip(members(12, RunSeed(1))) {
        assert_eq!(
            member.train(&first(SOFTMAX), 1).unwrap().examples as usize,
            part.len()
        );
    }
}

#[test]
fn survivors_alone_make_a_round() {
    let (model, mut members) = (first(SOFTMAX), members(12, RunSeed(1)));
    let survivors = members
        .iter_mut()
        .enumerate()
        .filter(|(slot, _)| slot % 2 == 0)
        .map(|(_, member)| member);
    let half = plain_round(&model, survivors, 1).unwrap();
    assert_eq!(half.version(), 1);
    assert_ne!(
        half.digest(),
        plain_round(&model, &mut members, 1).unwrap().digest()
    );
}

#[test]
fn round_without_members_is_refused() {
    let none: [&mut LocalTrainer; 0] = [];
    assert_eq!(
        plain_round(&first(SOFTMAX), none, 1),
        Err(AverageError::NoWeight)
    );
}

#[test]
fn diverging_training_names_the_tensor() {
    let settings = LocalSgd {
        learning_rate: 1e38,
        ..LocalSgd::DIGITS
    };
    let mut member = LocalTrainer::new(data(RunSeed(1)).train, settings, RunSeed(1), 0).unwrap();
    assert!(matches!(
        member.train(&first(MLP), 1),
        Err(TrainError::Diverged { .. })
    ));
}

#[test]
fn model_about_other_examples_is_refused() {
    let other = Model::new(
        0,
        Network::Softmax {
            inputs: 63,
            classes: 10,
        }
        .init(RunSeed(1)),
    )
    .unwrap();
    let wanted = TrainError::Foreign {
        features: 64,
        labels: 10,
        inputs: 63,
        classes: 10,
    };
    assert_eq!(
        members(12, RunSeed(1))[0].train(&other, 1),
        Err(wanted.clone())
    );
    assert_eq!(evaluate(&other, &data(RunSeed(1)).test), Err(wanted));
}

#[test]
fn settings_that_train_nothing_are_refused() {
    let base = LocalSgd::DIGITS;
    for settings in [
        LocalSgd {
            learning_rate: 0.0,
            ..base
        },
        LocalSgd {
            learning_rate: f32::INFINITY,
            ..base
        },
        LocalSgd { epochs: 0, ..base },
        LocalSgd {
            batch_size: 0,
            ..base
        },
    ] {
        let refused = LocalTrainer::new(data(RunSeed(1)).test, settings, RunSeed(1), 0);
        assert!(
            matches!(refused, Err(TrainError::Settings { settings: found }) if found == settings)
        );
    }
}

#[test]
fn first_model_knows_nothing() {
    let found = evaluate(&first(SOFTMAX), &data(RunSeed(1)).test).unwrap();
    assert_eq!(found.accuracy, 0.0, "a tie is not a right answer");
    assert!(
        (found.loss - 10_f64.ln()).abs() < 1e-6,
        "found {}",
        found.loss
    );
}

fn largest_norms(members: &mut [LocalTrainer], model: &Model, round: u64) -> (f64, f64) {
    members
        .iter_mut()
        .fold((0.0, 0.0), |(l2, max_abs), member| {
            let norms = Norms::of(&member.train(model, round).unwrap().delta);
            (norms.l2.max(l2), norms.max_abs.max(max_abs))
        })
}

fn data(seed: RunSeed) -> TrainTest {
    digits::load().unwrap().split_test(20, seed).unwrap()
}

fn members(count: usize, seed: RunSeed) -> Vec<LocalTrainer> {
    let parts = data(seed).train.split_by_label(count, seed).unwrap();
    (0..)
        .zip(parts)
        .map(|(member, part)| LocalTrainer::new(part, LocalSgd::DIGITS, seed, member).unwrap())
        .collect()
}

fn first(network: Network) -> Model {
    Model::new(0, network.init(RunSeed(1))).unwrap()
}
