//! Bytes of whole contributions, computed by a separate program written from `spec/encoding.md`.
//!
//! They tie down every step: clip, signs, transform, range, rounding, weight, offset, packing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::convert::Infallible;

use half::f16;
use rand_chacha::rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use support::{float_plan, tensors};
use veilsum_dp::NoiseBound;
use veilsum_encode::{
    Clip, Dtype, Encoding, FloatEncoding, Manifest, PackedSum, Plan, Tensor, TensorData,
    TensorSpec, Update, Weight, contribute,
};

/// Hands out one rounding key.
struct RoundingKey([u8; 32]);

impl TryRng for RoundingKey {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("a contribution draws 32 bytes at once")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("a contribution draws 32 bytes at once")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for RoundingKey {}

fn small_update() -> (Plan, Update) {
    let value = |i: u64| ((i * 37 % 101) as f32 - 50.0) / 64.0;
    let spec = |name: &str, shape: &[u64], dtype| TensorSpec {
        name: name.into(),
        shape: shape.into(),
        dtype,
    };
    let manifest = Manifest::new(vec![
        spec("weight", &[4, 20], Dtype::F16),
        spec("bias", &[10], Dtype::F32),
    ])
    .unwrap();
    let encoding = FloatEncoding::new(Clip::L2(3.0), 8).rotated().weighted(5);
    let plan = Plan::derive(&manifest, &Encoding::Float(encoding), 3, NoiseBound::NONE).unwrap();
    let bias = TensorData::F32((0..10).map(value).collect());
    let weight = TensorData::F16((10..90).map(|i| f16::from_f32(value(i))).collect());
    let tensors = [
        (
            "bias".to_owned(),
            Tensor {
                shape: vec![10],
                data: bias,
            },
        ),
        (
            "weight".to_owned(),
            Tensor {
                shape: vec![4, 20],
                data: weight,
            },
        ),
    ];
    let update = Update::new(&manifest, tensors.into()).unwrap();
    (plan, update)
}

// spec: [encode.lane.offset]
#[test]
fn a_small_contribution_has_these_bytes() {
    let (plan, update) = small_update();
    assert_eq!(
        (plan.rotation_rows(), plan.lanes(), plan.lane_bits()),
        (Some(32), 97, 12)
    );
    let mut rng = RoundingKey(std::array::from_fn(|i| i as u8));
    let weight = Weight::new(4).unwrap();
    let (contribution, report) = contribute(update, &plan, weight, &[0x52; 32], &mut rng).unwrap();
    assert_eq!(
        (report.saturated, report.clipped_norm),
        (0, Some(4.321_435_489_221_145_5))
    );
    let blocks = contribution.into_blocks();
    assert_eq!(hex::encode(blocks.to_le_bytes()), SMALL);
    let sum = PackedSum::new(blocks, 1).unpack(&plan).unwrap();
    assert_eq!(
        (sum.values()[..4].to_vec(), sum.weight()),
        (vec![32, -16, -272, -92], 4)
    );
    assert_eq!(hex::encode(sum.sha256()), SMALL_SUM);
}

// spec: [encode.digest.manifest] [encode.digest.plan] [encode.digest.update]
#[test]
fn digests_are_these() {
    let (plan, update) = small_update();
    assert_eq!(hex::encode(plan.manifest().digest()), MANIFEST);
    assert_eq!(hex::encode(plan.digest()), PLAN);
    assert_eq!(hex::encode(update.digest()), UPDATE);
}

// spec: [encode.clip.order] [encode.float]
#[test]
fn a_contribution_of_several_blocks_has_this_digest() {
    let encoding = FloatEncoding::new(Clip::L2(30.0), 16).rotated();
    let plan = float_plan(50_000, encoding, 1_000);
    assert_eq!((plan.rotation_rows(), plan.blocks()), (Some(4096), 6));
    let values = (0..50_000_u64)
        .map(|i| ((i * 7_919 % 20_011) as f64 - 10_000.0) / 4_096.0)
        .collect();
    let update = Update::new(plan.manifest(), tensors(TensorData::F64(values))).unwrap();
    let mut rng = RoundingKey([2; 32]);
    let (contribution, report) =
        contribute(update, &plan, Weight::ONE, &[1; 32], &mut rng).unwrap();
    assert_eq!(report.clipped_norm, Some(315.359_990_044_724_44));
    assert_eq!(
        hex::encode(Sha256::digest(contribution.into_blocks().to_le_bytes())),
        LARGE
    );
}

/// 97 lanes of 12 bits, little-endian, in 19 limbs.
const SMALL: &str = concat!(
    "9bb2266bf1216f722afb722597f22d2b32306f722a7f722123322ae37229bbb22343f22497722027f22bbb7229b3f22d",
    "aff22d1332247372204bb227bb7122d7722b1772228372239372293bb21e2733263bf22a733228f3722af33222fff121",
    "c37229cfb226cfb22fa3b2201f7328dfb22cd7b22babb2209f322547722c67f22de7712ef371256372266b722e7ff22a",
    "0400000000000000",
);
const SMALL_SUM: &str = "b6835cf058b77c5418dcc7fdf035d05952e49bc70fee9cdad45ed5c8e9914075";
const MANIFEST: &str = "fef271830673a04399e317a29580bb2625fbddfcbe14fb72ad49b77b583085d0";
const PLAN: &str = "da53e43bbe125fb1f5cf95f51038bc1fd3c0c42e62496861ee78f81827ef40dc";
const UPDATE: &str = "5ed54b6cd6faa35861fe9d6b9099a4f513bcef7abd3794a6ada9e6b78280de9e";
const LARGE: &str = "a2281cecf4f30b1fa13732e09b25bc6df63bb7ae3d35bb205673b2c28895c8b3";
