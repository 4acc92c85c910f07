//! Server optimisers against values computed by another program, and against each other.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use veilsum_encode::{Tensor, TensorData, Tensors};
use veilsum_learn::{Model, OptimizerError, ServerOptimizer, ServerSgd, ServerState};

const GOLDEN: &str = include_str!("data/optimizers.csv");
const MEANS: [[f64; 3]; 4] = [
    [0.3, -0.2, 0.0],
    [0.1, 0.4, -1e-3],
    [-0.5, 0.25, 2.0],
    [0.05, 0.0, -1.0],
];
const RATES: [f64; 4] = [0.1, 0.2, 0.2, 0.05];
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.99;
const TAU: f64 = 1e-3;

#[test]
fn weights_are_those_of_the_published_formulas() {
    // spec: [optimizer.step]
    for line in GOLDEN.lines() {
        let (name, values) = line.split_once(',').unwrap();
        let wanted: Vec<f64> = values
            .split(',')
            .map(|value| value.parse().unwrap())
            .collect();
        let (mut model, mut state) = start(optimizer(name));
        for (round, (mean, rate)) in MEANS.iter().zip(RATES).enumerate() {
            model = state.step(&model, &of(mean), rate).unwrap();
            let found = values_of(&model);
            for (found, wanted) in found.iter().zip(&wanted[3 * round..]) {
                assert!(
                    (found - wanted).abs() <= 1e-15 * wanted.abs().max(1.0),
                    "{name} {round}: {found} {wanted}"
                );
            }
        }
        assert_eq!((model.version(), state.steps()), (4, 4));
    }
}

#[test]
fn sgd_without_momentum_is_fedavg_bit_for_bit() {
    let (first, mut state) = start(ServerOptimizer::FEDAVG);
    for mean in MEANS {
        let found = state.step(&first, &of(&mean), 1.0).unwrap();
        let wanted = ServerSgd::FEDAVG.apply(&first, &of(&mean)).unwrap();
        assert_eq!(found.id(), wanted.id());
    }
}

#[test]
fn momentum_of_a_constant_mean_is_a_geometric_sum() {
    let (mut model, mut state) = start(ServerOptimizer::Sgd { momentum: 0.5 });
    for _ in 0..60 {
        model = state.step(&model, &of(&[1.0, -1.0, 0.0]), 0.01).unwrap();
    }
    // Steps 2 - 2^-k each, so 120 - 2 in the limit, times the rate.
    let found = values_of(&model);
    for (found, wanted) in found.iter().zip([0.5 + 1.18, -1.0 - 1.18, 2.0]) {
        assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
    }
}

#[test]
fn adaptive_steps_hardly_depend_on_the_scale_of_the_mean() {
    for name in ["adagrad", "adam", "yogi"] {
        let moved = |scale: f64| {
            let (first, mut state) = start(optimizer(name));
            let mean = of(&[scale, scale, scale]);
            values_of(&state.step(&first, &mean, 0.1).unwrap())[0] - 0.5
        };
        assert!((moved(1e3) / moved(1e2) - 1.0).abs() < 1e-3, "{name}");
    }
}

#[test]
fn state_goes_on_after_its_bytes_with_the_same_bits() {
    // spec: [optimizer.state]
    for name in ["sgd", "adagrad", "adam", "yogi"] {
        let (mut model, mut state) = start(optimizer(name));
        for mean in &MEANS[..2] {
            model = state.step(&model, &of(mean), 0.1).unwrap();
        }
        let bytes = state.to_bytes().unwrap();
        let mut resumed = ServerState::from_bytes(&bytes).unwrap();
        assert_eq!((&resumed, resumed.digest()), (&state, state.digest()));
        let wanted = state.step(&model, &of(&MEANS[2]), 0.1).unwrap();
        let found = resumed.step(&model, &of(&MEANS[2]), 0.1).unwrap();
        assert_eq!(
            (found.id(), resumed.digest()),
            (wanted.id(), state.digest())
        );
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(
                ServerState::from_bytes(&changed).is_err(),
                "{name} byte {at}"
            );
            assert!(
                ServerState::from_bytes(&bytes[..at]).is_err(),
                "{name} {at} bytes"
            );
        }
    }
}

#[test]
fn refused_steps_leave_the_state_as_it_was() {
    let (model, mut state) = start(optimizer("adam"));
    let before = state.clone();
    let other = Tensors::from([("v".to_owned(), of(&[1.0]).remove("w").unwrap())]);
    for (mean, rate) in [
        (of(&[1.0, 2.0]), 0.1),
        (other, 0.1),
        (of(&[f64::NAN, 0.0, 0.0]), 0.1),
        (of(&[1e200, 0.0, 0.0]), 0.1),
        (of(&[1.0, 0.0, 0.0]), f64::INFINITY),
    ] {
        assert!(state.step(&model, &mean, rate).is_err());
        assert_eq!(state, before);
    }
    let last = Model::new(u64::MAX, model.tensors().clone()).unwrap();
    let refused = state.step(&last, &of(&[0.0; 3]), 0.1);
    assert!(matches!(refused, Err(OptimizerError::LastVersion { .. })));
    assert_eq!(state, before);
}

#[test]
fn settings_out_of_range_are_refused() {
    let tensors = of(&[0.0]);
    for optimizer in [
        ServerOptimizer::Sgd { momentum: 1.0 },
        ServerOptimizer::Adam {
            beta1: -0.1,
            beta2: 0.9,
            tau: 1e-3,
        },
        ServerOptimizer::Yogi {
            beta1: 0.9,
            beta2: f64::NAN,
            tau: 1e-3,
        },
        ServerOptimizer::Adagrad {
            beta1: 0.0,
            tau: 0.0,
        },
    ] {
        assert!(
            ServerState::new(optimizer, &tensors).is_err(),
            "{optimizer:?}"
        );
    }
}

fn optimizer(name: &str) -> ServerOptimizer {
    match name {
        "sgd" => ServerOptimizer::Sgd { momentum: 0.8 },
        "adagrad" => ServerOptimizer::Adagrad {
            beta1: BETA1,
            tau: TAU,
        },
        "adam" => ServerOptimizer::Adam {
            beta1: BETA1,
            beta2: BETA2,
            tau: TAU,
        },
        _ => ServerOptimizer::Yogi {
            beta1: BETA1,
            beta2: BETA2,
            tau: TAU,
        },
    }
}

fn start(optimizer: ServerOptimizer) -> (Model, ServerState) {
    let first = Model::new(0, of(&[0.5, -1.0, 2.0])).unwrap();
    let state = ServerState::new(optimizer, first.tensors()).unwrap();
    (first, state)
}

fn of(values: &[f64]) -> Tensors {
    let tensor = Tensor {
        shape: vec![values.len() as u64],
        data: TensorData::F64(values.to_vec()),
    };
    Tensors::from([("w".to_owned(), tensor)])
}

fn values_of(model: &Model) -> Vec<f64> {
    match &model.tensors()["w"].data {
        TensorData::F64(values) => values.clone(),
        other => panic!("found {}, wanted f64", other.dtype()),
    }
}
