//! Sums of packed contributions are packed sums, for every lane width.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use proptest::prelude::*;
use support::{float_plan, integer_plan, quantize_floats, quantize_integers};
use veilsum_encode::{Clip, DecodeError, FloatEncoding, IntegerSum, PackedSum, Plan};
use veilsum_math::ring::Blocks;

fn sum_of(plan: &Plan, members: &[Vec<i64>]) -> PackedSum {
    let mut sum = Blocks::zeroed(plan.limbs());
    for values in members {
        sum.add(
            &quantize_integers(plan, values)
                .pack(plan)
                .unwrap()
                .into_blocks(),
        )
        .unwrap();
    }
    PackedSum::new(sum, members.len() as u32)
}

/// A plan of exactly `bits` bits a lane for `enrolled` members, below and above zero alike.
fn plan_of_width(bits: u8, enrolled: u32, coordinates: usize) -> Plan {
    let extent = (((1_u128 << bits) - 1) / u128::from(enrolled)) as i128;
    // At 64 bits the largest sum must still be an i64.
    let extent = extent.min((i64::MAX / i64::from(enrolled)) as i128 * 2);
    let min = -(extent / 2);
    integer_plan(coordinates, min as i64, (min + extent) as i64, enrolled)
}

/// A plan and members within it, around the block border.
fn cases() -> impl Strategy<Value = (Plan, Vec<Vec<i64>>)> {
    (1..=64_u8, 1..=9_u32, 0..3_usize, 0..40_usize)
        .prop_map(|(bits, enrolled, blocks, beyond)| {
            let enrolled = enrolled.min(2_u32.saturating_pow(u32::from(bits)) - 1);
            let coordinates = blocks * (262_144 / usize::from(bits)) + beyond;
            plan_of_width(bits, enrolled, coordinates.clamp(1, 30_000))
        })
        .prop_flat_map(|plan| {
            let members = 1..=plan.enrolled() as usize;
            (Just(plan), prop::collection::vec(any::<u64>(), members))
        })
        .prop_map(|(plan, seeds)| {
            let members = seeds
                .iter()
                .map(|&seed| values_within(&plan, seed))
                .collect();
            (plan, members)
        })
}

fn values_within(plan: &Plan, seed: u64) -> Vec<i64> {
    let value = |x: f64| {
        let lane = ((x + 1.0) / 2.0 * plan.lane_max() as f64) as u64;
        (i128::from(lane.min(plan.lane_max())) - i128::from(plan.offset())) as i64
    };
    support::sample(plan.coordinates() as usize, seed)
        .into_iter()
        .map(value)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sum_of_packed_is_packed_sum((plan, members) in cases()) {
        let sum = sum_of(&plan, &members).unpack(&plan).unwrap();
        for (i, &found) in sum.values().iter().enumerate() {
            let wanted: i64 = members.iter().map(|values| values[i]).sum();
            prop_assert_eq!(found, wanted, "coordinate {}", i);
        }
        prop_assert_eq!(sum.weight(), members.len() as u64);
    }

    // Whatever the limbs, decoding ends; and if it ends in a sum, packing that sum's lanes gives the limbs back.
    #[test]
    fn decoding_is_total_and_loses_nothing(
        bits in 1..=64_u8,
        coordinates in 1..300_usize,
        contributors in any::<u32>(),
        noise in prop::collection::vec(any::<u64>(), 310),
        zeros in any::<u64>(),
        length in prop::option::of(0..310_usize),
    ) {
        let enrolled = 3.min(2_u32.saturating_pow(u32::from(bits)) - 1);
        let plan = plan_of_width(bits, enrolled, coordinates);
        let limbs: Vec<u64> = noise.iter().map(|limb| limb & zeros).take(length.unwrap_or(plan.limbs())).collect();
        for contributors in [contributors, contributors % 5] {
            let packed = PackedSum::new(Blocks::from_limbs(limbs.clone()), contributors);
            let Ok(sum) = packed.unpack(&plan) else { continue };
            let lanes: Vec<u64> =
                sum.values().iter().map(|v| v.wrapping_add(plan.offset() * i64::from(contributors)) as u64).collect();
            prop_assert_eq!(pack_slowly(&lanes, plan.lane_bits(), plan.limbs()), limbs.clone());
        }
    }
}

/// The definition, bit by bit, for less than a block.
fn pack_slowly(lanes: &[u64], bits: u8, limbs: usize) -> Vec<u64> {
    let mut out = vec![0_u64; limbs];
    for (j, lane) in lanes.iter().enumerate() {
        for i in 0..usize::from(bits) {
            let at = j * usize::from(bits) + i;
            out[at / 64] |= (lane >> i & 1) << (at % 64);
        }
    }
    out
}

// spec: [encode.plan.bits] [encode.plan.bound]
#[test]
fn all_enrolled_members_at_their_largest_fit_and_one_bit_less_would_not() {
    for bits in 1..=64_u8 {
        for enrolled in [1, 2, 3, 7, 100] {
            if u128::from(enrolled) >= 1 << bits {
                continue;
            }
            let plan = plan_of_width(bits, enrolled, 70);
            let largest = (i128::from(plan.lane_max()) - i128::from(plan.offset())) as i64;
            let least = -plan.offset();
            let row: Vec<i64> = (0..70)
                .map(|i| if i % 3 == 0 { least } else { largest })
                .collect();
            let sum = sum_of(&plan, &vec![row.clone(); enrolled as usize])
                .unpack(&plan)
                .unwrap();
            let wanted: Vec<i64> = row.iter().map(|v| v * i64::from(enrolled)).collect();
            assert_eq!(sum.values(), wanted, "{bits} bits, {enrolled} members");
            let bound = u128::from(plan.lane_max()) * u128::from(enrolled);
            assert!(
                bound >= 1 << (plan.lane_bits() - 1),
                "{} bits would do",
                plan.lane_bits() - 1
            );
        }
    }
}

#[test]
fn every_width_from_1_to_64_is_reached() {
    for bits in 1..=64 {
        assert_eq!(plan_of_width(bits, 1, 1).lane_bits(), bits);
    }
}

// spec: [encode.decode.offset]
#[test]
fn fewer_contributors_than_enrolled_still_sum_exactly() {
    let plan = integer_plan(5, -100, 100, 50);
    let members = vec![vec![-100, -1, 0, 1, 100]; 7];
    let sum = sum_of(&plan, &members).unpack(&plan).unwrap();
    assert_eq!(sum.values(), [-700, -7, 0, 7, 700]);
    assert_eq!((sum.contributors(), sum.weight()), (7, 7));
}

// spec: [encode.decode.contributors]
#[test]
fn no_contributors_and_more_than_enrolled_are_refused() {
    let plan = integer_plan(5, 0, 10, 3);
    for found in [0, 4, u32::MAX] {
        let packed = PackedSum::new(Blocks::zeroed(plan.limbs()), found);
        assert_eq!(
            packed.unpack(&plan),
            Err(DecodeError::Contributors { found, enrolled: 3 })
        );
    }
}

// spec: [encode.decode.length]
#[test]
fn other_lengths_are_refused() {
    let plan = integer_plan(100, 0, 10, 3);
    for found in [0, plan.limbs() - 1, plan.limbs() + 1] {
        let packed = PackedSum::new(Blocks::zeroed(found), 1);
        assert_eq!(
            packed.unpack(&plan),
            Err(DecodeError::Length {
                found,
                wanted: plan.limbs()
            })
        );
    }
}

// spec: [encode.decode.padding]
#[test]
fn padding_bits_are_refused_in_every_block() {
    // 5 bits a lane: 4 bits of padding in a full block.
    let plan = integer_plan(60_000, 0, 10, 3);
    assert_eq!((plan.lane_bits(), plan.blocks()), (5, 2));
    let sum = |limb: usize, bit: u32| {
        let mut blocks = Blocks::zeroed(plan.limbs());
        blocks.limbs_mut()[limb] = 1 << bit;
        PackedSum::new(blocks, 3).unpack(&plan)
    };
    for bit in 60..64 {
        assert_eq!(sum(4095, bit), Err(DecodeError::Padding { block: 0 }));
    }
    assert!(sum(4095, 59).is_ok());
    let used = (60_000 - plan.layout().lanes_per_block()) * 5 % 64;
    assert_eq!(
        sum(plan.limbs() - 1, used as u32),
        Err(DecodeError::Padding { block: 1 })
    );
    assert!(sum(plan.limbs() - 1, used as u32 - 1).is_ok());
}

// spec: [encode.decode.lane]
#[test]
fn a_lane_beyond_the_contributors_is_refused() {
    let plan = integer_plan(60_000, 0, 10, 3);
    let per_block = plan.layout().lanes_per_block();
    let mut blocks = Blocks::zeroed(plan.limbs());
    blocks.limbs_mut()[4096] = 21 << 5;
    let lane = per_block + 1;
    let wanted = Err(DecodeError::Lane {
        lane,
        found: 21,
        most: 20,
    });
    assert_eq!(PackedSum::new(blocks, 2).unpack(&plan), wanted);
    let mut blocks = Blocks::zeroed(plan.limbs());
    blocks.limbs_mut()[4096] = 20 << 5;
    assert_eq!(
        PackedSum::new(blocks, 2).unpack(&plan).unwrap().values()[lane as usize],
        20
    );
}

// spec: [encode.decode.weight] [encode.lane.weight]
#[test]
fn weights_that_so_many_members_cannot_have_are_refused() {
    let plan = float_plan(3, FloatEncoding::new(Clip::LInf(1.0), 8).weighted(10), 5);
    let mut sum = Blocks::zeroed(plan.limbs());
    for weight in [10, 10] {
        sum.add(
            &quantize_floats(&plan, &[1.0, -1.0, 0.0], weight, 0)
                .pack(&plan)
                .unwrap()
                .into_blocks(),
        )
        .unwrap();
    }
    assert_eq!(PackedSum::new(sum, 2).unpack(&plan).unwrap().weight(), 20);
    let one = IntegerSum::new(&plan, vec![0; 3], 1, 11);
    assert_eq!(
        one,
        Err(DecodeError::Weight {
            found: 11,
            least: 1,
            most: 10
        })
    );
    let none = PackedSum::new(Blocks::zeroed(plan.limbs()), 1).unpack(&plan);
    assert_eq!(
        none,
        Err(DecodeError::Weight {
            found: 0,
            least: 1,
            most: 10
        })
    );
}

#[test]
fn the_weight_lane_may_start_a_block_of_its_own() {
    // Full blocks of coordinates, then one lane.
    let encoding = FloatEncoding::new(Clip::LInf(1.0), 8).weighted(3);
    let per_block = float_plan(1, encoding, 5).layout().lanes_per_block() as usize;
    let plan = float_plan(per_block * 2, encoding, 5);
    assert_eq!((plan.blocks(), plan.limbs()), (3, 2 * 4096 + 1));
    let quantized = quantize_floats(&plan, &support::sample(per_block * 2, 1), 3, 0);
    let values = quantized.values().to_vec();
    let sum = PackedSum::new(quantized.pack(&plan).unwrap().into_blocks(), 1)
        .unpack(&plan)
        .unwrap();
    assert_eq!((sum.values(), sum.weight()), (&*values, 3));
}

#[test]
fn a_stored_sum_of_another_length_is_refused() {
    let plan = integer_plan(3, 0, 10, 3);
    assert_eq!(
        IntegerSum::new(&plan, vec![0; 4], 1, 1),
        Err(DecodeError::Values {
            found: 4,
            wanted: 3
        })
    );
    assert_eq!(
        IntegerSum::new(&plan, vec![0; 3], 0, 0),
        Err(DecodeError::Contributors {
            found: 0,
            enrolled: 3
        })
    );
}

#[test]
fn a_sum_decodes_under_its_own_plan_only() {
    let (one, two) = (integer_plan(3, 0, 10, 3), integer_plan(3, 0, 11, 3));
    let sum = IntegerSum::new(&one, vec![1, 2, 3], 1, 1).unwrap();
    assert_eq!(sum.mean(&two, &support::SEED), Err(DecodeError::OtherPlan));
    assert_eq!(sum.sum(&two, &support::SEED), Err(DecodeError::OtherPlan));
}

// spec: [encode.digest.sum]
#[test]
fn sum_digest_is_sha256_of_little_endian_words() {
    let plan = integer_plan(3, -10, 10, 3);
    let sum = IntegerSum::new(&plan, vec![1, -1, 0x0102], 1, 1).unwrap();
    // python3: hashlib.sha256(struct.pack('<3q', 1, -1, 0x0102)).hexdigest()
    let wanted = "5f5a8dc17e27614e2cc2da1ed6a68d2e842f0858b7ea5080b8a6f511a0024be3";
    assert_eq!(hex::encode(sum.sha256()), wanted);
}
