//! Packed sums: any limbs unpack to integers that pack back to the same limbs, or to an error in words.

use crate::source::{Source, expand};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use veilsum_dp::NoiseBound;
use veilsum_encode::{
    Clip, Dtype, Encoding, FloatEncoding, IntegerSum, Manifest, PackedSum, Plan, Range, Rounding,
    Tensor, TensorData, TensorSpec, Update, Weight, contribute,
};
use veilsum_math::{BLOCK_LIMBS, Blocks};

/// Any plan that can be derived, any limbs.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let Some(plan) = plan(&mut source) else {
        return;
    };
    let contributors = match source.below(8) {
        0 => u32::from_le_bytes(source.array()),
        1 => 1,
        number => (number as u32).min(plan.enrolled()),
    };
    let possible = source.below(4) != 0;
    let limbs = match possible {
        true => possible_limbs(&plan, contributors, &mut source),
        false => any_limbs(&plan, &mut source),
    };
    match PackedSum::new(Blocks::from_limbs(limbs.clone()), contributors).unpack(&plan) {
        Ok(sum) => check(&plan, &sum, &limbs),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let counted = (1..=plan.enrolled()).contains(&contributors);
            assert!(!(possible && counted), "a possible sum is refused: {error}");
        }
    }
}

fn check(plan: &Plan, sum: &IntegerSum, limbs: &[u64]) {
    assert_eq!(sum.values().len() as u64, plan.padded_coordinates());
    // A lane may be as wide as 64 bits, so that it is no `i64`; the value is one.
    let offset = i64::from(sum.contributors()).wrapping_mul(plan.offset());
    let lanes = sum.values().iter();
    let lanes = lanes.map(|value| value.wrapping_add(offset).cast_unsigned());
    let weight = (plan.max_weight() > 1).then_some(sum.weight());
    let packed = packed(plan, lanes.chain(weight));
    assert!(packed == limbs, "what unpacks does not pack back");
    let again = sum.pack(plan).expect("a sum within its lanes");
    assert!(again.blocks().limbs() == limbs && again.contributors() == sum.contributors());
    let seed = [3; 32];
    sum.mean(plan, &seed).expect("the same plan");
    sum.sum(plan, &seed).expect("the same plan");
    if sum.contributors() == 1 {
        check_against_member(plan, sum, limbs);
    }
}

/// A sum of one is what a member would have contributed.
fn check_against_member(plan: &Plan, sum: &IntegerSum, limbs: &[u64]) {
    let (Encoding::Integer { .. }, 0) = (plan.encoding(), plan.noise_bound().get()) else {
        return;
    };
    let data = TensorData::I64(sum.values().to_vec());
    let shape = plan.manifest().tensors()[0].shape.clone();
    let tensors = BTreeMap::from([("x".to_owned(), Tensor { shape, data })]);
    let update = Update::new(plan.manifest(), tensors).expect("values of the plan");
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let (contribution, _) =
        contribute(update, plan, Weight::ONE, &[3; 32], &mut rng).expect("values in range");
    assert!(contribution.into_blocks().limbs() == limbs);
}

/// Any plan that can be derived over one tensor, `x`.
pub(crate) fn plan(source: &mut Source) -> Option<Plan> {
    let coordinates = match source.below(16) {
        0..4 => 1 + source.below(3),
        4..14 => 1 + source.below(250),
        // Around the border of the first block for some widths; rare, since they take a hundred times as long.
        14 => 4093 + source.below(8),
        _ => 13_100 + source.below(16),
    };
    let encoding = match source.below(4) {
        0 => Encoding::Integer {
            min: source.number() as i64,
            max: source.number() as i64,
        },
        1 => {
            let (min, width) = (i64::from(source.byte()) - 128, source.number());
            let width = width >> (1 + source.below(63));
            Encoding::Integer {
                min,
                max: min.saturating_add_unsigned(width),
            }
        }
        _ => Encoding::Float(float(source)),
    };
    let dtype = match encoding {
        Encoding::Integer { .. } => Dtype::I64,
        Encoding::Float(_) => [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16][source.below(4)],
    };
    let tensor = TensorSpec {
        name: "x".into(),
        shape: vec![coordinates as u64],
        dtype,
    };
    let manifest = Manifest::new(vec![tensor]).expect("one tensor with coordinates");
    let enrolled = match source.below(3) {
        0 => u32::from_le_bytes(source.array()),
        _ => u32::from(source.byte()),
    };
    let noise = match source.below(3) {
        0 => NoiseBound::new(source.number() >> source.below(64)),
        _ => NoiseBound::NONE,
    };
    Plan::derive(&manifest, &encoding, enrolled, noise)
        .map_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

fn float(source: &mut Source) -> FloatEncoding {
    let bound = match source.below(3) {
        0 => f64::from_bits(source.number()),
        _ => f64::from(source.byte()) / 16.0,
    };
    let (clip, rounding) = match source.below(4) {
        0 => (Clip::L2(bound), Rounding::Stochastic),
        1 => (Clip::LInf(bound), Rounding::Stochastic),
        2 => (Clip::L1(bound), Rounding::Stochastic),
        _ => (Clip::L2(bound), Rounding::Conditional),
    };
    FloatEncoding {
        clip,
        rounding,
        precision_bits: source.byte() % 56,
        rotation: source.below(2) == 0,
        range: match source.below(4) {
            0 => Range::Auto,
            1 => Range::Full,
            2 => Range::Spread {
                deviations: source.byte(),
            },
            _ => Range::Fixed(f64::from_bits(source.number())),
        },
        max_weight: match source.below(3) {
            0 => u32::from_le_bytes(source.array()),
            _ => 1,
        },
    }
}

/// The bytes that are left, over and over; sometimes of another length than the plan's.
fn any_limbs(plan: &Plan, source: &mut Source) -> Vec<u64> {
    let length = match source.below(4) {
        0 => source.below(64),
        _ => plan.limbs(),
    };
    let mut rest = source.rest().to_vec();
    rest.resize(rest.len().next_multiple_of(8).max(8), 0);
    let limbs = rest
        .as_chunks()
        .0
        .iter()
        .map(|limb| u64::from_le_bytes(*limb));
    limbs.cycle().take(length).collect()
}

/// Lanes that so many members can add.
fn possible_limbs(plan: &Plan, contributors: u32, source: &mut Source) -> Vec<u64> {
    let contributors = u64::from(contributors.clamp(1, plan.enrolled()));
    let most = contributors * plan.lane_max();
    let words = expand(source.number()).map(|word| match word % 8 {
        0 => 0,
        1 => most,
        _ => (u128::from(word) % (u128::from(most) + 1)) as u64,
    });
    let heaviest = contributors * u64::from(plan.max_weight());
    let weight = contributors + source.number() % (heaviest - contributors + 1);
    let weight = (plan.max_weight() > 1).then_some(weight);
    let coordinates = words.take(plan.padded_coordinates() as usize);
    packed(plan, coordinates.chain(weight))
}

/// The definition of the packed form, bit by bit.
fn packed(plan: &Plan, lanes: impl Iterator<Item = u64>) -> Vec<u64> {
    let layout = plan.layout();
    let (bits, per_block) = (
        usize::from(layout.lane_bits()),
        layout.lanes_per_block() as usize,
    );
    let mut limbs = vec![0; layout.limbs()];
    for (index, lane) in lanes.enumerate() {
        let first = index / per_block * BLOCK_LIMBS * 64 + index % per_block * bits;
        for bit in (0..bits).filter(|bit| lane >> bit & 1 == 1) {
            limbs[(first + bit) / 64] |= 1 << ((first + bit) % 64);
        }
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_reach_a_sum() {
        let seeds = crate::seeds::all();
        let (_, seeds) = seeds.iter().find(|(target, _)| *target == "sum").unwrap();
        for wanted in ["integers", "integers-wide", "weighted"] {
            let (_, bytes) = seeds.iter().find(|(name, _)| name == wanted).unwrap();
            let mut source = Source::new(bytes);
            let plan = plan(&mut source).expect(wanted);
            assert_eq!(plan.max_weight() > 1, wanted == "weighted");
            assert_eq!(plan.blocks() > 1, wanted == "integers-wide");
            assert!(source.below(8) > 1 && source.below(4) != 0, "{wanted}");
        }
    }
}
