//! What the tests of the crate share.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(dead_code, reason = "each test binary uses a part")]

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use veilsum_dp::NoiseBound;
use veilsum_encode::{
    Dtype, Encoding, FloatEncoding, Manifest, Plan, Quantized, Tensor, TensorData, TensorSpec,
    Tensors, Update, Weight,
};

pub const SEED: [u8; 32] = [42; 32];

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A manifest of the one tensor `w`.
pub fn manifest(coordinates: usize, dtype: Dtype) -> Manifest {
    Manifest::new(vec![TensorSpec {
        name: "w".into(),
        shape: vec![coordinates as u64],
        dtype,
    }])
    .unwrap()
}

pub fn tensors(data: TensorData) -> Tensors {
    [(
        "w".to_owned(),
        Tensor {
            shape: vec![data.len() as u64],
            data,
        },
    )]
    .into()
}

pub fn integer_plan(coordinates: usize, min: i64, max: i64, enrolled: u32) -> Plan {
    let manifest = manifest(coordinates, Dtype::I64);
    Plan::derive(
        &manifest,
        &Encoding::Integer { min, max },
        enrolled,
        NoiseBound::NONE,
    )
    .unwrap()
}

pub fn float_plan(coordinates: usize, encoding: FloatEncoding, enrolled: u32) -> Plan {
    let manifest = manifest(coordinates, Dtype::F64);
    Plan::derive(
        &manifest,
        &Encoding::Float(encoding),
        enrolled,
        NoiseBound::NONE,
    )
    .unwrap()
}

pub fn quantize_integers(plan: &Plan, values: &[i64]) -> Quantized {
    quantize(plan, TensorData::I64(values.to_vec()), 1, 0)
}

pub fn quantize_floats(plan: &Plan, values: &[f64], weight: u32, seed: u64) -> Quantized {
    quantize(plan, TensorData::F64(values.to_vec()), weight, seed)
}

fn quantize(plan: &Plan, data: TensorData, weight: u32, seed: u64) -> Quantized {
    let update = Update::new(plan.manifest(), tensors(data)).unwrap();
    let weight = Weight::new(weight).unwrap();
    update
        .clip(plan)
        .unwrap()
        .quantize(plan, weight, &SEED, &mut rng(seed))
        .unwrap()
}

pub fn floats(tensors: &Tensors) -> &[f64] {
    match &tensors["w"].data {
        TensorData::F64(values) => values,
        other => panic!("found {other:?}, wanted f64"),
    }
}

/// Values between -1 and 1 that look random.
pub fn sample(len: usize, seed: u64) -> Vec<f64> {
    (0..len as u64)
        .map(|i| {
            let mut x = (i ^ seed << 40)
                .wrapping_add(1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((x ^ x >> 31) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
        .collect()
}
