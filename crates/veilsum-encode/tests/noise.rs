//! Noise on the way of an update: added once by the member, its surplus taken off the sum, to the bit.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use support::{integer_plan, manifest, rng, sample, tensors};
use veilsum_dp::{
    BaseSeed, ChainValue, Cohort, Law, MemberNoise, NoiseBound, NoiseContext, NoisePlan,
    NoiseSecrets, NoiseStream, Sampler, Sharing, Surplus,
};
use veilsum_encode::{
    Clip, DecodeError, Dtype, EncodeError, Encoding, FloatEncoding, IntegerSum, PackedSum, Plan,
    Quantized, TensorData, Update, Weight, contribute, contribute_with_noise,
};
use veilsum_math::ring::Blocks;

/// Noise plans of several sizes, with samplers compiled a second time.
static PLANS: LazyLock<Vec<Noise>> = LazyLock::new(|| {
    [(1, 0, 0), (3, 1, 1), (6, 3, 2), (20, 18, 1)]
        .map(|(members, tolerated, corrupt)| {
            let cohort = Cohort::new(members, tolerated, corrupt).unwrap();
            Noise::new("90", cohort, Sharing::DropoutExact)
        })
        .into()
});

/// A noise plan, and the parts of it computed on another way: one sampler per part, one key per part.
struct Noise {
    plan: NoisePlan,
    parts: Vec<Sampler>,
}

impl Noise {
    fn new(variance: &str, cohort: Cohort, sharing: Sharing) -> Self {
        let law = Law::skellam(variance.parse().unwrap()).unwrap();
        let plan = NoisePlan::derive(law, cohort, sharing).unwrap();
        let laws = std::iter::once(plan.base()).chain(plan.components());
        let parts = laws.map(|law| Sampler::compile(law).unwrap()).collect();
        Self { plan, parts }
    }

    /// What stays of a member's noise with so many components.
    fn kept(&self, slot: u32, components: usize, out: &mut [i64]) {
        let context = context(slot);
        let mut keys = vec![BaseSeed::new(base_seed(slot)).key(&context)];
        let mut value = ChainValue::new(chain_seed(slot));
        for index in 1..=components as u32 {
            keys.push(value.component_key(&context, index));
            value = value.next(&context, index);
        }
        for (part, key) in self.parts.iter().zip(keys) {
            part.add(&NoiseStream::new(key), 0, out);
        }
    }

    fn member(&self, slot: u32) -> MemberNoise {
        self.plan.member_noise(&secrets(slot))
    }

    fn surplus(&self, slot: u32, dropped: u32) -> Option<Surplus> {
        let level = self.plan.level(dropped).unwrap();
        let secrets = secrets(slot);
        let end = self.plan.chain_end(&secrets);
        let revealed = self.plan.reveal(&secrets, level)?;
        Some(
            self.plan
                .surplus(&revealed, &end, &context(slot), level)
                .unwrap(),
        )
    }

    fn float_plan(&self, coordinates: usize) -> Plan {
        let encoding = Encoding::Float(FloatEncoding::new(Clip::L2(2.0), 12).rotated());
        let manifest = manifest(coordinates, Dtype::F64);
        let enrolled = self.plan.cohort().members();
        Plan::derive(&manifest, &encoding, enrolled, self.plan.bound()).unwrap()
    }
}

fn context(slot: u32) -> NoiseContext {
    NoiseContext {
        task: [7; 32],
        round: 3,
        attempt: 0,
        slot,
    }
}

fn base_seed(slot: u32) -> [u8; 32] {
    [slot as u8 + 1; 32]
}

fn chain_seed(slot: u32) -> [u8; 32] {
    [slot as u8 + 101; 32]
}

fn secrets(slot: u32) -> NoiseSecrets {
    let base = BaseSeed::new(base_seed(slot));
    NoiseSecrets::new(context(slot), base, ChainValue::new(chain_seed(slot)))
}

fn update(plan: &Plan, slot: u32) -> Update {
    let values = sample(plan.coordinates() as usize, slot.into());
    Update::new(plan.manifest(), tensors(TensorData::F64(values))).unwrap()
}

fn quantized(plan: &Plan, slot: u32) -> Quantized {
    let clipped = update(plan, slot).clip(plan).unwrap();
    let mut rng = rng(slot.into());
    clipped
        .quantize(plan, Weight::ONE, &support::SEED, &mut rng)
        .unwrap()
}

/// The noised sum of slots `dropped..n`, and what their updates and the noise that stays add up to if the last `silent` of
/// them reveal nothing.
fn sum_and_wanted(noise: &Noise, plan: &Plan, dropped: u32, silent: u32) -> (IntegerSum, Vec<i64>) {
    let members = noise.plan.cohort().members();
    let level = noise.plan.level(dropped).unwrap().components();
    let all = noise.parts.len() - 1;
    let mut blocks = Blocks::zeroed(plan.limbs());
    let mut wanted = vec![0; plan.padded_coordinates() as usize];
    for slot in dropped..members {
        let (contribution, _) = contribute_with_noise(
            update(plan, slot),
            plan,
            Weight::ONE,
            &support::SEED,
            &noise.plan,
            &noise.member(slot),
            &mut rng(slot.into()),
        )
        .unwrap();
        assert_eq!(contribution.noise(), Some(&context(slot)));
        blocks.add(&contribution.into_blocks()).unwrap();
        let plain = quantized(plan, slot);
        for (wanted, value) in wanted.iter_mut().zip(plain.values()) {
            *wanted += value;
        }
        let stays = if slot < members - silent { level } else { all };
        noise.kept(slot, stays, &mut wanted);
    }
    let sum = PackedSum::new(blocks, members - dropped)
        .unpack(plan)
        .unwrap();
    (sum, wanted)
}

fn surpluses(noise: &Noise, dropped: u32, silent: u32) -> Vec<Surplus> {
    let members = noise.plan.cohort().members();
    (dropped..members - silent)
        .filter_map(|slot| noise.surplus(slot, dropped))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    // spec: [encode.sum.remove] [encode.sum.pack] [noise.member.adds] [noise.reveal.subtract]
    #[test]
    fn sum_less_surplus_is_the_sum_of_what_stays_to_the_bit(
        which in 0..4_usize,
        coordinates in 1..300_usize,
        dropped in any::<u32>(),
        silent in any::<u32>(),
    ) {
        let noise = &PLANS[which];
        let cohort = noise.plan.cohort();
        let dropped = dropped % (cohort.tolerated() + 1);
        let silent = silent % (cohort.members() - dropped);
        let plan = noise.float_plan(coordinates);
        let (mut sum, wanted) = sum_and_wanted(noise, &plan, dropped, silent);
        sum.remove(&plan, &noise.plan, &surpluses(noise, dropped, silent)).unwrap();
        prop_assert_eq!(sum.values(), &wanted);
        let packed = sum.pack(&plan).unwrap();
        prop_assert_eq!(packed.contributors(), sum.contributors());
        prop_assert_eq!(packed.unpack(&plan).unwrap(), sum);
    }
}

/// Pages of noise meet without a gap or an overlap, whatever thread draws them.
// spec: [noise.draw.seek]
#[test]
fn a_vector_of_several_pages_loses_its_surplus_too() {
    let noise = &PLANS[2];
    let plan = noise.float_plan(50_000);
    let (mut sum, wanted) = sum_and_wanted(noise, &plan, 1, 1);
    assert_ne!(sum.values(), wanted);
    sum.remove(&plan, &noise.plan, &surpluses(noise, 1, 1))
        .unwrap();
    assert_eq!(sum.values(), wanted);
}

#[test]
fn all_noise_stays_where_all_that_may_vanish_did() {
    let noise = &PLANS[2];
    let plan = noise.float_plan(100);
    let (mut sum, wanted) = sum_and_wanted(noise, &plan, 3, 0);
    assert_eq!(surpluses(noise, 3, 0).len(), 0);
    sum.remove(&plan, &noise.plan, &[]).unwrap();
    assert_eq!(sum.values(), wanted);
}

// spec: [encode.noise.once] [encode.noise.bound]
#[test]
fn a_contribution_carries_its_noise_once_or_is_not_packed() {
    let noise = &PLANS[1];
    let plan = noise.float_plan(10);
    assert_eq!(
        quantized(&plan, 0).pack(&plan).unwrap_err(),
        EncodeError::NoiseMissing
    );
    let plain = contribute(
        update(&plan, 0),
        &plan,
        Weight::ONE,
        &support::SEED,
        &mut rng(0),
    );
    assert_eq!(plain.unwrap_err(), EncodeError::NoiseMissing);
    let mut twice = quantized(&plan, 0);
    twice
        .add_noise(&plan, &noise.plan, &noise.member(0))
        .unwrap();
    let once = twice.values().to_vec();
    assert_eq!(
        twice.add_noise(&plan, &noise.plan, &noise.member(0)),
        Err(EncodeError::NoiseTwice)
    );
    assert_eq!(twice.values(), once, "a refusal changes nothing");
    assert_eq!(twice.pack(&plan).unwrap().noise(), Some(&context(0)));
}

// spec: [encode.noise.bound]
#[test]
fn noise_of_another_plan_is_refused() {
    let (noise, other) = (&PLANS[1], &PLANS[2]);
    let plan = noise.float_plan(10);
    let mut values = quantized(&plan, 0);
    assert_eq!(
        values.add_noise(&plan, &other.plan, &other.member(0)),
        Err(EncodeError::NoiseBound {
            found: other.plan.bound(),
            wanted: noise.plan.bound()
        })
    );
    assert_eq!(
        values.add_noise(&plan, &noise.plan, &other.member(0)),
        Err(EncodeError::OtherNoise)
    );
    let longer = noise.float_plan(11);
    assert_eq!(
        values.add_noise(&longer, &noise.plan, &noise.member(0)),
        Err(EncodeError::OtherPlan)
    );
    let silent = integer_plan(10, 0, 9, 3);
    let mut plain = support::quantize_integers(&silent, &[1; 10]);
    assert_eq!(
        plain.add_noise(&silent, &noise.plan, &noise.member(0)),
        Err(EncodeError::NoiseBound {
            found: noise.plan.bound(),
            wanted: NoiseBound::NONE
        })
    );
    assert_eq!(plain.pack(&silent).unwrap().noise(), None);
}

// spec: [encode.sum.remove]
#[test]
fn surplus_that_cannot_be_in_the_sum_is_refused_and_changes_nothing() {
    let noise = &PLANS[2];
    let plan = noise.float_plan(10);
    let (mut sum, _) = sum_and_wanted(noise, &plan, 1, 0);
    let before = sum.clone();
    let of = |slots: &[(u32, u32)]| -> Vec<Surplus> {
        let one = |(slot, dropped): &(u32, u32)| noise.surplus(*slot, *dropped).unwrap();
        slots.iter().map(one).collect()
    };
    let twice = of(&[(1, 1), (2, 1), (1, 1)]);
    assert_eq!(
        sum.remove(&plan, &noise.plan, &twice),
        Err(DecodeError::SurplusTwice { slot: 1 })
    );
    let levels = of(&[(1, 1), (2, 0)]);
    assert_eq!(
        sum.remove(&plan, &noise.plan, &levels),
        Err(DecodeError::MixedSurplus)
    );
    let many = of(&[(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]);
    assert_eq!(
        sum.remove(&plan, &noise.plan, &many),
        Err(DecodeError::TooMuchSurplus {
            found: 6,
            contributors: 5
        })
    );
    let foreign = [PLANS[3].surplus(1, 1).unwrap()];
    assert_eq!(
        sum.remove(&plan, &noise.plan, &foreign),
        Err(DecodeError::OtherNoise)
    );
    assert_eq!(
        sum.remove(&plan, &PLANS[3].plan, &foreign),
        Err(DecodeError::NoiseBound {
            found: PLANS[3].plan.bound(),
            wanted: noise.plan.bound()
        })
    );
    assert_eq!(
        sum.remove(&noise.float_plan(11), &noise.plan, &of(&[(1, 1)])),
        Err(DecodeError::OtherPlan)
    );
    assert_eq!(sum, before);
    sum.remove(&plan, &noise.plan, &of(&[(1, 1)])).unwrap();
    assert_ne!(sum, before);
    let once = sum.clone();
    assert_eq!(
        sum.remove(&plan, &noise.plan, &of(&[(2, 1)])),
        Err(DecodeError::RemovedTwice)
    );
    assert_eq!(sum, once);
}

// spec: [encode.sum.pack]
#[test]
fn a_sum_beyond_its_contributors_is_not_packed() {
    let plan = integer_plan(3, -10, 20, 5);
    let sum = |values: [i64; 3]| IntegerSum::new(&plan, values.into(), 2, 2).unwrap();
    let fits = sum([-20, 40, 0]);
    assert_eq!(fits.pack(&plan).unwrap().unpack(&plan).unwrap(), fits);
    for found in [-21, 41, i64::MIN, i64::MAX] {
        let refused = DecodeError::Value {
            coordinate: 1,
            found,
            least: -20,
            most: 40,
        };
        assert_eq!(sum([0, found, found]).pack(&plan), Err(refused));
    }
    let other = integer_plan(3, -10, 21, 5);
    assert_eq!(fits.pack(&other), Err(DecodeError::OtherPlan));
}

/// A full 64-bit lane is packed again as it was; the weight lane too.
// spec: [encode.sum.pack]
#[test]
fn wide_lanes_and_weights_pack_again() {
    let plan = integer_plan(3, -i64::MAX, i64::MAX, 1);
    assert_eq!(plan.lane_bits(), 64);
    let values = vec![i64::MAX, -i64::MAX, 5];
    let sum = IntegerSum::new(&plan, values, 1, 1).unwrap();
    assert_eq!(sum.pack(&plan).unwrap().unpack(&plan).unwrap(), sum);
    let weighted = FloatEncoding::new(Clip::LInf(1.0), 8).weighted(9);
    let plan = support::float_plan(40_000, weighted, 5);
    let sum = IntegerSum::new(&plan, vec![-77; 40_000], 3, 21).unwrap();
    assert_eq!(sum.pack(&plan).unwrap().unpack(&plan).unwrap(), sum);
}

/// Members that fill their lanes and lie about their noise cannot make removal leave `i64`.
// spec: [encode.plan.bound]
#[test]
fn the_widest_plan_with_noise_has_room_for_removal() {
    let noise = &PLANS[1];
    let bound = noise.plan.bound().get() as i64;
    let most = (i64::MAX - 6 * bound) / 3;
    let derive = |max| {
        let encoding = Encoding::Integer { min: max - 3, max };
        Plan::derive(&manifest(4, Dtype::I64), &encoding, 3, noise.plan.bound())
    };
    assert!(derive(most + 1).is_err());
    let plan = derive(most).unwrap();
    let largest = vec![3 * (most + bound); 4];
    let mut sum = IntegerSum::new(&plan, largest.clone(), 3, 3).unwrap();
    let surplus: Vec<Surplus> = (0..3).map(|slot| noise.surplus(slot, 0).unwrap()).collect();
    sum.remove(&plan, &noise.plan, &surplus).unwrap();
    for (after, before) in sum.values().iter().zip(&largest) {
        assert!(after.abs_diff(*before) <= 3 * bound.unsigned_abs());
    }
}

#[test]
fn local_and_shared_noise_is_added_too() {
    for sharing in [Sharing::Local, Sharing::Shared] {
        let noise = Noise::new("500", Cohort::new(4, 1, 1).unwrap(), sharing);
        let plan = noise.float_plan(64);
        let (sum, wanted) = sum_and_wanted(&noise, &plan, 0, 0);
        assert_eq!(sum.values(), wanted);
    }
}

// spec: [encode.noise.values] [encode.integer.range]
#[test]
fn under_noise_no_value_makes_a_member_absent() {
    let noise = &PLANS[1];
    let float = noise.float_plan(8);
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let given = [bad[0], 0.5, bad[1], -0.25, bad[2], f64::MAX, 0.0, 1.0];
    let held = given.map(|value| if value.is_finite() { value } else { 0.0 });
    let rounded = |values: [f64; 8]| {
        let update = Update::for_plan(&float, tensors(TensorData::F64(values.into()))).unwrap();
        let clipped = update.clip(&float).unwrap();
        let mut rng = rng(1);
        clipped
            .quantize(&float, Weight::ONE, &support::SEED, &mut rng)
            .unwrap()
    };
    let (found, wanted) = (rounded(given), rounded(held));
    assert_eq!(found.values(), wanted.values());
    assert_eq!((found.saturated(), wanted.saturated()), (3, 0));

    let manifest = manifest(4, Dtype::I64);
    let encoding = Encoding::Integer { min: -2, max: 9 };
    let integer = Plan::derive(&manifest, &encoding, 3, noise.plan.bound()).unwrap();
    let data = TensorData::I64(vec![i64::MIN, -2, 9, 10]);
    let update = Update::for_plan(&integer, tensors(data)).unwrap();
    let (_, report) = contribute_with_noise(
        update,
        &integer,
        Weight::ONE,
        &support::SEED,
        &noise.plan,
        &noise.member(0),
        &mut rng(0),
    )
    .unwrap();
    assert_eq!(report.saturated, 2);

    // without noise they are refused, whatever the update was made for
    let plain = Plan::derive(float.manifest(), float.encoding(), 3, NoiseBound::NONE);
    let plain = plain.unwrap();
    let tensors = || tensors(TensorData::F64(given.into()));
    assert!(Update::for_plan(&plain, tensors()).is_err());
    assert!(Update::new(float.manifest(), tensors()).is_err());
    let update = Update::for_plan(&float, tensors()).unwrap();
    assert!(matches!(update.clip(&plain), Err(EncodeError::Update(_))));
}
