use super::*;
use crate::table::TABLE_BYTES_MAX;
use crate::testing::{follows, number};

fn context(slot: u32) -> NoiseContext {
    NoiseContext {
        task: [0x54; 32],
        round: 7,
        attempt: 1,
        slot,
    }
}

fn secrets(slot: u32) -> NoiseSecrets {
    let mut base = [0xb0; 32];
    base[..4].copy_from_slice(&slot.to_be_bytes());
    let mut first = [0xc0; 32];
    first[..4].copy_from_slice(&slot.to_be_bytes());
    NoiseSecrets::new(context(slot), BaseSeed::new(base), ChainValue::new(first))
}

fn exact(target: Law, members: u32, tolerated: u32, corrupt: u32) -> NoisePlan {
    let cohort = Cohort::new(members, tolerated, corrupt).unwrap();
    NoisePlan::derive(target, cohort, Sharing::DropoutExact).unwrap()
}

fn skellam(variance: &str) -> Law {
    Law::skellam(number(variance)).unwrap()
}

/// The sum of all survivors' noise with the surplus of all but the last `silent` of them removed.
fn sum_of(plan: &NoisePlan, dropped: u32, silent: u32, coordinates: usize) -> Vec<i64> {
    let level = plan.level(dropped).unwrap();
    let members = plan.cohort().members();
    let mut sum = vec![0; coordinates];
    for slot in dropped..members {
        let secrets = secrets(slot);
        plan.draw(&plan.member_noise(&secrets), 0, &mut sum);
        if slot < members - silent
            && let Some(revealed) = plan.reveal(&secrets, level)
        {
            let end = plan.chain_end(&secrets);
            let surplus = plan
                .surplus(&revealed, &end, &context(slot), level)
                .unwrap();
            plan.remove(std::slice::from_ref(&surplus), 0, &mut sum);
        }
    }
    sum
}

// spec: [noise.plan.factor] [noise.plan.levels] [noise.plan.shares]
#[test]
fn base_and_components_add_up_to_the_share_at_every_level() {
    for (n, t, c) in [
        (10, 3, 1),
        (100, 30, 10),
        (1000, 300, 50),
        (5, 0, 2),
        (100_000, 17, 1),
    ] {
        let cohort = Cohort::new(n, t, c).unwrap();
        let levels = cohort.levels();
        assert_eq!(levels.len() as u32, t.min(16) + 1);
        assert_eq!(*levels.last().unwrap(), t);
        assert!(levels.is_sorted_by(|a, b| a < b));
        let (mut sum, components) = cohort.exact_shares(&levels);
        let inflation = Rational::new(u64::from(n - t), u64::from(n - t - c)).unwrap();
        assert_eq!(cohort.inflation(), inflation);
        for (level, component) in levels[1..].iter().zip(&components) {
            sum = &sum + component;
            assert_eq!(&sum * &Rational::integer(u64::from(n - level)), inflation);
        }
    }
}

/// The example of the rules: the published 1 / (1 - c/n) would leave 0.952 of the target here.
// spec: [noise.plan.factor]
#[test]
fn honest_survivors_alone_carry_the_target_for_every_drop_out() {
    let (n, t, c) = (100, 30, 10);
    let plan = exact(skellam("1000"), n, t, c);
    for dropped in 0..=t {
        let per_member = plan
            .kept(dropped, 0)
            .unwrap()
            .fraction()
            .checked_div(&Rational::integer(u64::from(n - dropped)))
            .unwrap();
        let honest = &per_member * &Rational::integer(u64::from(n - dropped - c));
        assert!(honest >= Rational::integer(1), "{dropped}");
    }
}

// spec: [noise.plan.level] [noise.kept.stated]
#[test]
fn kept_noise_is_the_target_or_the_stated_excess_above() {
    let plan = exact(skellam("100"), 1000, 300, 10);
    let most = Rational::new(300_u64.div_ceil(16) - 1, 700).unwrap();
    let mut largest = Rational::zero();
    for dropped in 0..=300 {
        let kept = plan.kept(dropped, 0).unwrap();
        assert!(*kept.excess() <= most, "{dropped}");
        largest = std::cmp::max(largest, kept.excess().clone());
    }
    assert!(largest > number("0.02"));
    let plan = exact(skellam("100"), 50, 16, 3);
    for dropped in 0..=16 {
        let kept = plan.kept(dropped, 0).unwrap();
        assert!(kept.excess().is_zero());
        assert_eq!(kept.variance().upper, number("3400/31"));
    }
    assert_eq!(
        plan.level(17),
        Err(NoisePlanError::TooManyDropped {
            found: 17,
            tolerated: 16
        })
    );
}

#[test]
fn surplus_that_nobody_removed_is_stated() {
    let plan = exact(skellam("100"), 10, 4, 0);
    let kept = plan.kept(0, 2).unwrap();
    // Two members keep 1/6 instead of 1/10 of the target.
    assert_eq!(*kept.fraction(), number("34/30"));
    assert_eq!(*kept.excess(), number("4/30"));
}

// spec: [noise.plan.shared]
#[test]
fn the_fewest_honest_shares_sum_to_the_target() {
    let cohort = Cohort::new(20, 5, 3).unwrap();
    let target = Law::discrete_laplace(number("3")).unwrap();
    let plan = NoisePlan::derive(target.clone(), cohort, Sharing::Shared).unwrap();
    assert_eq!(*plan.base(), target.share(&number("1/12")).unwrap());
    assert_eq!((plan.components().len(), plan.honest_shares()), (0, 12));
    assert_eq!(*plan.kept(5, 0).unwrap().fraction(), number("15/12"));
    let local = NoisePlan::derive(target.clone(), cohort, Sharing::Local).unwrap();
    assert_eq!((local.base(), local.honest_shares()), (&target, 1));
}

// spec: [noise.plan.gaussian]
#[test]
fn discrete_gaussian_is_never_removed() {
    let cohort = Cohort::new(10, 2, 1).unwrap();
    let target = Law::discrete_gaussian(number("100")).unwrap();
    let derive = |sharing| NoisePlan::derive(target.clone(), cohort, sharing);
    assert_eq!(
        derive(Sharing::DropoutExact).unwrap_err(),
        NoisePlanError::NotDivisible
    );
    assert!(derive(Sharing::Shared).is_ok());
}

#[test]
fn cohorts_without_an_honest_survivor_are_refused() {
    assert!(matches!(
        Cohort::new(10, 8, 2),
        Err(NoisePlanError::NoHonestSurvivor { .. })
    ));
    assert!(matches!(
        Cohort::new(u32::MAX, 0, 0),
        Err(NoisePlanError::TooManyMembers { .. })
    ));
    assert!(Cohort::new(10, u32::MAX, u32::MAX).is_err());
    assert!(serde_json::from_str::<Cohort>(r#"{"members":3,"tolerated":2,"corrupt":1}"#).is_err());
}

/// False alarm rate 3e-9 a case, over fixed seeds.
// spec: [noise.member.adds] [noise.reveal.subtract]
#[test]
fn the_sum_has_the_target_law_for_every_drop_out() {
    let laplace = Law::discrete_laplace(number("3")).unwrap();
    for (target, n, t, c) in [
        (skellam("20"), 8, 4, 1),
        (laplace, 6, 3, 0),
        (skellam("9"), 5, 0, 1),
    ] {
        let plan = exact(target.clone(), n, t, c);
        let law = target.share(&plan.cohort().inflation()).unwrap();
        for dropped in 0..=t {
            follows(&law, &sum_of(&plan, dropped, 0, 40_000));
        }
    }
}

/// Above 16 drop-outs the levels are coarser; the law is that of the stated excess.
#[test]
fn the_sum_has_the_stated_law_between_levels() {
    let plan = exact(skellam("30"), 44, 20, 2);
    for dropped in [0, 1, 2, 7, 19, 20] {
        let kept = plan.kept(dropped, 0).unwrap();
        let law = skellam("30").share(kept.fraction()).unwrap();
        follows(&law, &sum_of(&plan, dropped, 0, 10_000));
    }
}

// spec: [noise.kept.stated]
#[test]
fn the_surplus_of_silent_members_stays_in_as_stated() {
    let plan = exact(skellam("20"), 6, 3, 0);
    let kept = plan.kept(1, 2).unwrap();
    let law = skellam("20").share(kept.fraction()).unwrap();
    follows(&law, &sum_of(&plan, 1, 2, 40_000));
}

/// Each share of a member has its own law.
#[test]
fn every_component_of_one_member_has_its_law() {
    let plan = exact(skellam("60"), 5, 3, 0);
    let noise = plan.member_noise(&secrets(2));
    let streams = noise.streams();
    for (part, stream) in plan.parts().zip(streams) {
        let mut out = vec![0; 50_000];
        part.sampler.add(stream, 0, &mut out);
        follows(&part.law, &out);
    }
}

// spec: [noise.reveal.checked] [noise.chain.end]
#[test]
fn a_value_off_the_chain_removes_nothing() {
    let plan = exact(skellam("20"), 8, 4, 1);
    let secrets = secrets(3);
    let end = plan.chain_end(&secrets);
    let level = plan.level(1).unwrap();
    let revealed = plan.reveal(&secrets, level).unwrap();
    assert!(plan.surplus(&revealed, &end, &context(3), level).is_ok());

    let not_on_chain = |value: &ChainValue, slot, level| {
        assert_eq!(
            plan.surplus(value, &end, &context(slot), level)
                .unwrap_err(),
            SurplusError::NotOnChain
        );
    };
    let mut forged = *revealed.expose();
    forged[31] ^= 1;
    not_on_chain(&ChainValue::new(forged), 3, level);
    not_on_chain(&revealed, 4, level);
    not_on_chain(&revealed, 3, plan.level(2).unwrap());
    not_on_chain(&revealed, 3, plan.level(0).unwrap());
}

// spec: [noise.reveal.one]
#[test]
fn nothing_is_revealed_when_all_noise_stays() {
    let plan = exact(skellam("20"), 8, 4, 1);
    let secrets = secrets(3);
    let level = plan.level(4).unwrap();
    assert_eq!(level.components(), 4);
    assert!(plan.reveal(&secrets, level).is_none());
    let end = plan.chain_end(&secrets);
    let value = ChainValue::new(*end.as_bytes());
    assert_eq!(
        plan.surplus(&value, &end, &context(3), level).unwrap_err(),
        SurplusError::NothingToRemove
    );
}

#[test]
fn revealed_values_lie_further_on_the_chain_the_more_members_vanished() {
    let plan = exact(skellam("20"), 8, 4, 1);
    let secrets = secrets(0);
    let one = plan.reveal(&secrets, plan.level(1).unwrap()).unwrap();
    let two = plan.reveal(&secrets, plan.level(2).unwrap()).unwrap();
    assert_eq!(one.next(&context(0), 2).expose(), two.expose());
}

// spec: [noise.reveal.one] [noise.reveal.subtract]
#[test]
fn what_stays_is_what_was_drawn_less_the_surplus() {
    let plan = exact(skellam("20"), 8, 4, 1);
    for dropped in 0..=4 {
        let level = plan.level(dropped).unwrap();
        let noise = plan.member_noise(&secrets(5));
        let (mut kept, mut removed) = ([0; 64], [0; 64]);
        plan.draw_kept(&noise, level, 7, &mut kept);
        plan.draw(&noise, 7, &mut removed);
        let by_reference = plan.reveal(&secrets(5), level);
        let revealed = plan.reveal_once(secrets(5).into_chain(), level);
        assert_eq!(
            revealed.as_ref().map(ChainValue::expose),
            by_reference.as_ref().map(ChainValue::expose)
        );
        if let Some(revealed) = revealed {
            let end = plan.chain_end(&secrets(5));
            let surplus = plan.surplus(&revealed, &end, &context(5), level);
            plan.remove(&[surplus.unwrap()], 7, &mut removed);
        }
        assert_eq!(kept, removed, "{dropped}");
    }
    let chain = secrets(1).into_chain();
    assert!(!format!("{chain:?}").contains("192"), "{chain:?}");
}

// spec: [noise.plan.bound] [noise.plan.distance]
#[test]
fn bound_and_distance_count_every_component() {
    let plan = exact(skellam("5000"), 100, 30, 10);
    let clamps = plan
        .parts()
        .map(|part| part.sampler.bound().get())
        .sum::<u64>();
    assert_eq!(plan.bound().get(), clamps);
    assert_eq!(plan.components().len(), 16);
    assert!(
        plan.parts()
            .all(|part| part.sampler.table_bytes() <= TABLE_BYTES_MAX)
    );
    let per_draw: Rational = plan
        .parts()
        .map(|part| part.sampler.distance().clone())
        .sum();
    assert_eq!(
        plan.tv_total(1 << 20),
        &per_draw * &Rational::integer(100 << 20)
    );
    assert!(plan.tv_total(1 << 20) < Rational::power_of_half(78));
    let mut out = vec![0; 2000];
    plan.draw(&plan.member_noise(&secrets(9)), 0, &mut out);
    assert!(out.iter().all(|value| value.unsigned_abs() <= clamps));
}

#[test]
fn members_with_equal_seeds_but_other_slots_draw_other_noise() {
    let plan = exact(skellam("500"), 8, 4, 1);
    let mut drawn = [vec![0; 64], vec![0; 64]];
    for (slot, out) in drawn.iter_mut().enumerate() {
        let secrets = NoiseSecrets::new(
            context(slot as u32),
            BaseSeed::new([1; 32]),
            ChainValue::new([2; 32]),
        );
        plan.draw(&plan.member_noise(&secrets), 0, out);
    }
    let [one, other] = drawn;
    assert_ne!(one, other);
}

#[test]
fn secrets_do_not_show_their_content() {
    let text = format!("{:?} {:?}", secrets(1), ChainValue::new([0xab; 32]));
    assert!(!text.contains("ab, ab") && !text.contains("171") && !text.contains("176"));
}

// spec: [noise.reveal.subtract]
#[test]
fn surpluses_come_off_together_as_one_by_one() {
    let plan = exact(skellam("300"), 6, 3, 1);
    let level = plan.level(1).unwrap();
    let surplus: Vec<Surplus> = (1..6)
        .map(|slot| {
            let secrets = secrets(slot);
            let revealed = plan.reveal(&secrets, level).unwrap();
            let end = plan.chain_end(&secrets);
            plan.surplus(&revealed, &end, &context(slot), level)
                .unwrap()
        })
        .collect();
    for (slot, surplus) in (1..).zip(&surplus) {
        assert_eq!(
            (surplus.context(), surplus.level()),
            (&context(slot), level)
        );
        assert!(plan.has_components_of_surplus(surplus));
        assert!(!exact(skellam("300"), 6, 2, 1).has_components_of_surplus(surplus));
    }
    let (mut together, mut one_by_one) = (vec![0; 100], vec![0; 100]);
    plan.remove(&surplus, 7, &mut together);
    for surplus in &surplus {
        plan.remove(std::slice::from_ref(surplus), 7, &mut one_by_one);
    }
    assert_eq!(together, one_by_one);
}
