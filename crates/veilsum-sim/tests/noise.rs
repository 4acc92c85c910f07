//! Rounds of float tasks with noise: rotated, clipped, rounded, noised, masked, unmasked, cleaned; exact to the last integer.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use veilsum_encode::{Tensor, TensorData, Weight};
use veilsum_proto::ids::Slot;
use veilsum_proto::task::Task;
use veilsum_sim::{
    Brought, Federation, Honest, RunOptions, Script, Summed, Tamper, Updates, Vanish,
};

const COORDINATES: usize = 300;

/// Floats of which each member's norm is below 1.
struct Floats;

impl Updates for Floats {
    fn of(&self, slot: Slot) -> Option<Brought> {
        let value = |index: usize| {
            let phase = f64::from(slot.0) + index as f64 / 7.0;
            phase.sin() / 20.0
        };
        let tensor = Tensor {
            shape: vec![COORDINATES as u64],
            data: TensorData::F64((0..COORDINATES).map(value).collect()),
        };
        Some(Brought {
            tensors: BTreeMap::from([("w".to_owned(), tensor)]),
            weight: Weight::ONE,
            rounding: ChaCha20Rng::seed_from_u64(slot.0.into()),
        })
    }
}

fn task(noise: &str) -> Task {
    let text = format!(
        r#"version = 1
name = "noised"
corrupt = 1
dropout = 2

[encoding]
kind = "float"
clip = {{ l2 = 1.0 }}
precision_bits = 12
rotation = true

[noise]
delta = 0.000001
{noise}

[[tensors]]
name = "w"
shape = [{COORDINATES}]
dtype = "f64"
"#
    );
    Task::from_toml(&text).unwrap()
}

fn run(noise: &str, script: Script, tamper: &mut dyn Tamper) -> Summed {
    let federation = Federation::new(8, 3).unwrap();
    let options = RunOptions {
        script,
        ..RunOptions::default()
    };
    federation
        .run_updates(&task(noise), &Floats, &options, tamper)
        .unwrap()
}

const MEMBER: &str = "law = \"skellam\"\nparameter = 4000000\nunit = \"member\"";
const EXAMPLE: &str = "law = \"skellam\"\nparameter = 40000\nunit = \"example\"\nadjacency = \"replace\"\nexample_clip = { l2 = 0.01 }";
const GAUSSIAN: &str = "law = \"gaussian\"\nparameter = 4000000\nunit = \"member\"";

// spec: [finish.surplus] [finish.noise] [upload.noise]
#[test]
fn the_sum_of_floats_is_exact_with_the_noise_that_stays() {
    for noise in [MEMBER, EXAMPLE, GAUSSIAN] {
        for late in [None, Some(Vanish::Confirm), Some(Vanish::Reveal)] {
            let late = late.map(|vanish| (Slot(6), vanish));
            let script = Script::of(late.into_iter().chain([(Slot(2), Vanish::MidUpload)]));
            let Summed { report, tensors } = run(noise, script, &mut Honest);
            assert_eq!(report.abort, None, "{noise}");
            assert!(report.exact, "{noise}");
            assert!(tensors.is_some());
            let stated = report.noise.unwrap();
            let removable = noise != GAUSSIAN && late.is_some();
            assert_eq!(stated.unremoved, [Slot(6)][usize::from(!removable)..]);
            assert_eq!(stated.statement.delta, 1e-6);
            assert!(stated.statement.epsilon.is_finite(), "{}", stated.statement);
        }
    }
}

/// The mean is that of the floats, up to noise of the stated deviation.
// spec: [finish.noise] [noise.kept.stated]
#[test]
fn the_mean_is_as_far_off_as_stated() {
    let Summed { report, tensors } = run(MEMBER, Script::default(), &mut Honest);
    let tensors = tensors.unwrap();
    let Some(TensorData::F64(mean)) = tensors.get("w").map(|tensor| &tensor.data) else {
        panic!("no floats");
    };
    let rows = (0..8).map(|slot| Floats.of(Slot(slot)).unwrap().tensors);
    let mut plain = vec![0.0; COORDINATES];
    for row in rows {
        let TensorData::F64(row) = &row["w"].data else {
            panic!("no floats");
        };
        for (total, value) in plain.iter_mut().zip(row) {
            *total += *value / 8.0;
        }
    }
    let off = mean.iter().zip(&plain);
    let off = off.map(|(found, wanted)| (found - wanted).powi(2));
    let found = (off.sum::<f64>() / COORDINATES as f64).sqrt();
    let plan = task(MEMBER).plan(8).unwrap();
    let kept = report.noise.unwrap().kept;
    let stated = kept.deviation_of_mean(8, &plan.step().unwrap()).unwrap();
    let stated = stated.to_f64_up();
    // 300 coordinates: six deviations are a quarter.
    assert!((found / stated - 1.0).abs() < 0.25, "{found} of {stated}");
}
