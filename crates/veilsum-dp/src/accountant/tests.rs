use super::*;
use crate::testing::{mass, number};
use crate::{
    Adjacency, Clip, Cohort, Encoded, Family, Law, NoisePlan, NoiseStream, Rounding, Sampler,
    Sensitivity, Sharing,
};
use veilsum_math::KeystreamKey;

#[derive(Deserialize)]
struct Row {
    name: String,
    law: Law,
    clip: Clip,
    coordinates: u64,
    shares: u32,
    rounds: u64,
    delta: f64,
    epsilon: f64,
    relation: String,
    sampling: Option<Sampling>,
}

pub(super) fn integers(clip: Clip, coordinates: u64, adjacency: Adjacency) -> Sensitivity {
    Sensitivity::derive(&Encoded {
        unit: Unit::Member,
        adjacency,
        clip,
        whole: None,
        scale: number("1"),
        levels: None,
        coordinates,
        rotated: false,
        rounding: Rounding::Exact,
        max_weight: 1,
    })
    .unwrap()
}

fn one_step(law: Law, unit: Unit) -> Release {
    let encoded = Encoded {
        unit,
        adjacency: Adjacency::ZeroOut,
        clip: Clip::L2(number("1")),
        whole: None,
        scale: number("1"),
        levels: None,
        coordinates: 1,
        rotated: false,
        rounding: Rounding::Exact,
        max_weight: 1,
    };
    let sensitivity = Sensitivity::derive(&encoded).unwrap();
    Release::new(law, 1, &sensitivity, Rational::power_of_half(90))
}

fn after(release: &Release, rounds: u64, delta: f64) -> Statement {
    let mut accountant = Accountant::new(release.unit());
    accountant.compose(release, rounds).unwrap();
    accountant.statement(delta)
}

/// Epsilon by Google's dp-accounting, `tests/python/accountant_vectors.py`.
// spec: [noise.account.conversion] [noise.account.compose] [noise.account.skellam] [noise.account.gaussian]
// spec: [noise.account.laplace] [noise.account.outside] [noise.account.orders]
#[test]
fn epsilon_is_that_of_dp_accounting_within_a_percent_and_never_below() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../tests/data/accountant.json")).unwrap();
    assert!(rows.len() > 30);
    let mut wrong = Vec::new();
    for row in rows {
        let adjacency = match row.sampling {
            Some(Sampling::WithoutReplacement { .. }) => Adjacency::Replace,
            _ => Adjacency::ZeroOut,
        };
        let sensitivity = integers(row.clip.clone(), row.coordinates, adjacency);
        let release = Release::new(row.law.clone(), row.shares, &sensitivity, Rational::zero());
        let found = match row.sampling {
            None => after(&release, row.rounds, row.delta),
            Some(sampling) => against_outside(&release, sampling, row.rounds, row.delta).unwrap(),
        };
        let ratio = found.epsilon / row.epsilon;
        println!(
            "{:24} {:10.6} {:10.6} {ratio:.6}",
            row.name, row.epsilon, found.epsilon
        );
        let right = match row.relation.as_str() {
            "close" => (1.0..1.01).contains(&ratio),
            "coarse" => (1.0..1.03).contains(&ratio),
            "near" => (0.9999..1.01).contains(&ratio),
            _ => ratio >= 1.0,
        };
        if !right {
            wrong.push((row.name, row.law, found.epsilon, row.epsilon));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// `D_a(P || Q)` of the shifted law against the law, summed over the masses of one coordinate.
fn exact_divergence(law: &Law, shift: usize, order: f64) -> f64 {
    let masses = mass(law, 2048);
    let at = |x: i64| masses[x.unsigned_abs() as usize];
    let shift = shift as i64;
    let reach = masses.iter().take_while(|mass| **mass > 1e-60).count() as i64 - shift - 1;
    let terms = (-reach..=reach).map(|x| at(x) * (at(x - shift) / at(x)).powf(order));
    terms.sum::<f64>().ln() / (order - 1.0)
}

// spec: [noise.account.skellam] [noise.account.gaussian] [noise.account.laplace]
#[test]
fn bounds_are_never_below_the_exact_divergence() {
    for law in [
        Law::skellam(number("30")).unwrap(),
        Law::skellam(number("200")).unwrap(),
        Law::discrete_gaussian(number("25")).unwrap(),
        Law::discrete_laplace(number("6")).unwrap(),
    ] {
        for shift in [1u64, 2, 5] {
            let clip = Clip::L2(Rational::integer(shift));
            let sensitivity = integers(clip, 1, Adjacency::ZeroOut);
            let release = Release::new(law.clone(), 1, &sensitivity, Rational::zero());
            for order in [1.5, 2.0, 3.0, 8.0, 20.0] {
                let exact = exact_divergence(&law, shift as usize, order);
                let bound = renyi::divergence(&release, order);
                assert!(
                    bound >= exact * (1.0 - 1e-9),
                    "{law:?} {shift} {order}: {bound} {exact}"
                );
                assert!(
                    bound <= exact * 2.0,
                    "{law:?} {shift} {order}: {bound} {exact}"
                );
            }
        }
    }
}

#[test]
fn splitting_the_l1_sensitivity_over_coordinates_never_costs_more() {
    let law = Law::discrete_laplace(number("3")).unwrap();
    for order in [1.1, 2.0, 16.0] {
        let whole = exact_divergence(&law, 6, order);
        for split in [vec![3, 3], vec![1, 5], vec![2, 2, 2], vec![1; 6]] {
            let parts: f64 = split
                .iter()
                .map(|part| exact_divergence(&law, *part, order))
                .sum();
            assert!(parts <= whole);
        }
    }
}

// spec: [noise.account.distance]
#[test]
fn the_distance_of_tables_costs_delta() {
    let exact = one_step(Law::skellam(number("100")).unwrap(), Unit::Member);
    let epsilon = after(&exact, 1, 1e-6).epsilon;
    assert!(epsilon > 0.2);
    let sensitivity = integers(Clip::L2(number("1")), 1, Adjacency::ZeroOut);
    let release = |tv: &str| {
        Release::new(
            Law::skellam(number("100")).unwrap(),
            1,
            &sensitivity,
            number(tv),
        )
    };
    let small = after(&release("1e-7"), 1, 1e-6).epsilon;
    assert!(small > epsilon && small < epsilon * 1.1);
    assert_eq!(after(&release("1e-6"), 1, 1e-6).epsilon, f64::INFINITY);
    // Tables are finite, so nothing holds with delta 0.
    assert_eq!(after(&exact, 1, 0.0).epsilon, f64::INFINITY);
}

// spec: [noise.account.unit]
#[test]
fn examples_and_members_are_never_added() {
    let mut accountant = Accountant::new(Unit::Member);
    let release = one_step(Law::skellam(number("100")).unwrap(), Unit::Example);
    assert_eq!(
        accountant.compose(&release, 1),
        Err(UnitMismatch {
            found: Unit::Example,
            wanted: Unit::Member
        })
    );
    assert!(
        after(&release, 1, 1e-5)
            .to_string()
            .ends_with("per example")
    );
}

// spec: [noise.account.outside]
#[test]
fn sampling_is_only_ever_stated_against_outsiders() {
    let release = one_step(Law::skellam(number("100")).unwrap(), Unit::Member);
    let sampled = against_outside(&release, Sampling::Poisson { rate: 0.05 }, 10, 1e-6).unwrap();
    assert_eq!(sampled.observer, Observer::Outside);
    assert!(sampled.epsilon < after(&release, 10, 1e-6).epsilon / 2.0);
    assert!(
        sampled
            .to_string()
            .contains("who do not see who takes part")
    );
    let whole = against_outside(&release, Sampling::Poisson { rate: 1.0 }, 10, 1e-6).unwrap();
    assert!((whole.epsilon / after(&release, 10, 1e-6).epsilon - 1.0).abs() < 1e-9);
    for rate in [0.0, -1.0, 1.5, f64::NAN] {
        assert!(against_outside(&release, Sampling::Poisson { rate }, 1, 1e-6).is_err());
    }
    assert_eq!(
        against_outside(
            &release,
            Sampling::WithoutReplacement { rate: 0.1 },
            1,
            1e-6
        ),
        Err(OutsideError::Adjacency)
    );
}

// spec: [noise.calibrate]
#[test]
fn calibrated_noise_meets_the_target_and_little_less_would_not() {
    let cohort = Cohort::new(50, 10, 5).unwrap();
    let vector = integers(Clip::L2(number("50")), 1000, Adjacency::ZeroOut);
    let counts = integers(Clip::L1(number("2")), 1000, Adjacency::ZeroOut);
    for (family, sharing, sensitivity) in [
        (Family::Skellam, Sharing::DropoutExact, &vector),
        (Family::Polya, Sharing::DropoutExact, &counts),
        (Family::DiscreteGaussian, Sharing::Shared, &vector),
        (Family::DiscreteGaussian, Sharing::Local, &vector),
    ] {
        let target = Target {
            epsilon: 2.0,
            delta: 1e-6,
            rounds: 20,
        };
        let found = calibrate(family, sensitivity, cohort, sharing, target).unwrap();
        assert!(
            found.total.epsilon <= 2.0 && found.total.epsilon > 1.99,
            "{:?}",
            found.total
        );
        assert!(found.round.epsilon < found.total.epsilon);
        let less = found.plan.target().share(&number("0.99"));
        let less = match (family, less) {
            (Family::Polya, _) => match found.plan.target() {
                Law::Polya { scale, .. } => Law::discrete_laplace(scale * &number("0.99")).unwrap(),
                _ => unreachable!(),
            },
            (_, less) => less.unwrap(),
        };
        let release = Release::new(
            less,
            found.plan.honest_shares(),
            sensitivity,
            Rational::zero(),
        );
        assert!(after(&release, 20, 1e-6).epsilon > 2.0, "{family:?}");
    }
    let target = Target {
        epsilon: 1e-12,
        delta: 1e-6,
        rounds: 1 << 40,
    };
    assert!(calibrate(Family::Skellam, &vector, cohort, Sharing::Local, target).is_err());
}

/// A distinguisher that knows the law guesses from draws of the sampler whether one unit took part. The lower bound of
/// epsilon it proves (at false alarm rate 1e-9, by Hoeffding's bound on both error rates) stays below the claim, and
/// comes near enough to it to notice noise of half the scale.
#[test]
fn an_audit_of_drawn_noise_stays_below_the_claimed_epsilon() {
    let count = 400_000;
    let bound = |law: &Law, shift: i64, delta: f64| {
        let sampler = Sampler::compile(law).unwrap();
        let drawn = |key: u8| {
            let mut out = vec![0i64; count];
            sampler.add(&NoiseStream::new(KeystreamKey::new([key; 32])), 0, &mut out);
            out
        };
        let (with, without) = (drawn(1), drawn(2));
        let slack = (20.8 / (2.0 * count as f64)).sqrt();
        let rate = |values: &[i64], shift: i64, least: i64| {
            values
                .iter()
                .filter(|value| **value + shift >= least)
                .count() as f64
                / count as f64
        };
        (-30..30i64)
            .map(|least| {
                let hit = rate(&with, shift, least) - slack - delta;
                let alarm = rate(&without, 0, least) + slack;
                if hit > 0.0 { (hit / alarm).ln() } else { 0.0 }
            })
            .fold(0.0, f64::max)
    };
    for (law, shift) in [
        (Law::discrete_laplace(number("3")).unwrap(), 3),
        (Law::skellam(number("18")).unwrap(), 3),
        (Law::discrete_gaussian(number("18")).unwrap(), 3),
    ] {
        let sensitivity = integers(Clip::L2(number("3")), 1, Adjacency::ZeroOut);
        let release = Release::new(law.clone(), 1, &sensitivity, Rational::power_of_half(108));
        let delta = 1e-3;
        let claimed = after(&release, 1, delta).epsilon;
        let found = bound(&law, shift, delta);
        assert!(
            found <= claimed,
            "{law:?}: audited {found}, claimed {claimed}"
        );
        assert!(
            found > claimed / 3.0,
            "{law:?}: audited {found}, claimed {claimed}"
        );
    }
    // Noise of half the scale is caught.
    let thin = bound(&Law::discrete_laplace(number("1.5")).unwrap(), 3, 0.0);
    assert!(thin > 1.0, "{thin}");
}

#[test]
fn a_plan_states_its_release() {
    let cohort = Cohort::new(10, 3, 1).unwrap();
    let plan = NoisePlan::derive(
        Law::skellam(number("1000")).unwrap(),
        cohort,
        Sharing::DropoutExact,
    )
    .unwrap();
    let sensitivity = integers(Clip::L2(number("10")), 64, Adjacency::ZeroOut);
    let release = Release::of(&plan, &sensitivity);
    assert_eq!(*release.tv(), plan.tv_total(64));
    assert_eq!(release.law(), plan.target());
    assert_eq!(release.pure_epsilon(), None);
    let deviation = plan
        .kept(0, 0)
        .unwrap()
        .deviation_of_mean(10, &number("0.01"))
        .unwrap();
    // sqrt(1000 * 7/6) / 10 * 0.01
    assert!((deviation.to_f64_up() - 0.034_156_502_553_198_66).abs() < 1e-12);
}

// spec: [noise.account.adaptive]
#[test]
fn a_filter_is_never_below_the_least_over_orders_and_close_above_it() {
    let (budget, delta) = (4.0, 1e-6);
    let filter = Filter::new(budget, delta);
    let release = one_step(Law::skellam(number("400")).unwrap(), Unit::Member);
    let mut near = 0;
    for rounds in [1, 10, 100, 200, 220, 240, 400] {
        let mut accountant = Accountant::new(Unit::Member);
        accountant.compose(&release, rounds).unwrap();
        let (cost, least) = (filter.cost(&accountant), accountant.statement(delta));
        assert!(cost.epsilon >= least.epsilon, "{rounds}");
        assert_eq!(
            filter.cost(&accountant).epsilon,
            cost.epsilon,
            "the order does not move"
        );
        // near its budget it loses next to nothing
        if (3.5..4.0).contains(&least.epsilon) {
            near += 1;
            assert!(
                cost.epsilon < least.epsilon * 1.01,
                "{rounds}: {}",
                cost.epsilon
            );
        }
    }
    assert!(near > 0, "found no number of rounds near the budget");
    let admitted = |fits: &dyn Fn(&Accountant) -> bool| {
        (1..5_000)
            .take_while(|rounds| {
                let mut accountant = Accountant::new(Unit::Member);
                accountant.compose(&release, *rounds).unwrap();
                fits(&accountant)
            })
            .count()
    };
    let by_filter = admitted(&|accountant| filter.cost(accountant).epsilon <= budget);
    let least = admitted(&|accountant| accountant.statement(delta).epsilon <= budget);
    assert!(
        by_filter <= least && by_filter * 50 > least * 49,
        "{by_filter} {least}"
    );
    let repeating = Filter::repeating(budget, delta, &release);
    let by_first = admitted(&|accountant| repeating.cost(accountant).epsilon <= budget);
    assert!(by_filter <= by_first && by_first <= least && least - by_first <= 1);
}

// spec: [noise.account.adaptive]
#[test]
fn a_filter_without_a_delta_admits_nothing() {
    let accountant = Accountant::new(Unit::Member);
    for delta in [0.0, 1.0, 2.0, f64::NAN] {
        let cost = Filter::new(1.0, delta).cost(&accountant);
        assert_eq!(cost.epsilon, f64::INFINITY);
    }
}

// spec: [noise.account.examples]
#[test]
fn a_round_for_members_costs_an_example_the_way_there_and_back() {
    let law = Law::skellam(number("400")).unwrap();
    let member = one_step(law.clone(), Unit::Member);
    let example = member.for_unit(Unit::Example).unwrap();
    assert_eq!(example.unit(), Unit::Example);
    assert_eq!(*example.l1(), member.l1() * &number("2"));
    assert_eq!(*example.l2_squared(), member.l2_squared() * &number("4"));
    assert_eq!(example.for_unit(Unit::Member), None);
    assert_eq!(member.for_unit(Unit::Member), Some(member.clone()));
    let replace = integers(Clip::L2(number("1")), 1, Adjacency::Replace);
    let replace = Release::new(law, 1, &replace, Rational::power_of_half(90));
    let example = replace.for_unit(Unit::Example).unwrap();
    assert_eq!(example.l2_squared(), replace.l2_squared());
}
