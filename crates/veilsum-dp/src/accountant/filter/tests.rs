use super::super::tests::integers;
use super::*;
use crate::enclosure::Enclosure;
use crate::testing::number;
use crate::{Adjacency, Clip, Law, Rational, Unit};

fn release(variance: &str, clip: Clip, coordinates: u64, tv: Rational) -> Release {
    let law = Law::skellam(number(variance)).unwrap();
    let sensitivity = integers(clip, coordinates, Adjacency::ZeroOut);
    Release::new(law, 1, &sensitivity, tv)
}

fn one_step(variance: &str, tv: u32) -> Release {
    let clip = Clip::L2(number("1"));
    release(variance, clip, 1, Rational::power_of_half(tv))
}

fn spent(releases: &[(Release, u64)]) -> Accountant {
    let mut accountant = Accountant::new(Unit::Member);
    for (release, rounds) in releases {
        accountant.compose(release, *rounds).unwrap();
    }
    accountant
}

/// Releases that differ in noise, clip, coordinates and rounds.
fn mixed() -> Vec<(Release, u64)> {
    let clips = [Clip::L2(number("7/3")), Clip::L1(number("5"))];
    let variances = ["400", "1000000/7", "12345.678", "30"];
    let tv = || Rational::power_of_half(104);
    let releases = variances.into_iter().enumerate().map(|(index, variance)| {
        let clip = clips[index % 2].clone();
        (
            release(variance, clip, 1 + index as u64 * 999, tv()),
            3_u64.pow(index as u32),
        )
    });
    releases.collect()
}

/// The sum of the Skellam bounds at a whole order, exactly.
fn exact_divergence(releases: &[(Release, u64)], order: u64) -> Rational {
    let whole = Rational::integer;
    let one = |(release, rounds): &(Release, u64)| {
        let Law::Skellam { variance } = release.law() else {
            unreachable!("all of them are Skellam")
        };
        let (l1, l2) = (release.l1(), release.l2_squared());
        let over = |number: Rational, divisor: &Rational| number.checked_div(divisor).unwrap();
        let first = over(&whole(order) * l2, &(&whole(2) * variance));
        let near = &(&whole(2 * order - 1) * l2) + &(&whole(6) * l1);
        let near = over(near, &(&whole(4) * &variance.squared()));
        let far = over(&whole(3) * l1, &(&whole(2) * variance));
        &whole(*rounds) * &(&first + &near.min(far))
    };
    releases
        .iter()
        .map(one)
        .fold(Rational::zero(), |sum, next| &sum + &next)
}

/// `exp(-(a - 1) (epsilon - divergence))`, which the conversion wants at most `delta a (a / (a - 1))^(a - 1)`.
fn exponential(order: u64, epsilon: &Rational, divergence: &Rational) -> Enclosure {
    let power = |gap: &Rational| Enclosure::exp_negative(&(&Rational::integer(order - 1) * gap));
    match epsilon.checked_sub(divergence) {
        Some(gap) => power(&gap),
        None => Enclosure::integer(1).over(&power(&divergence.checked_sub(epsilon).unwrap())),
    }
}

fn wanted(order: u64, delta: &Rational) -> Rational {
    let ratio = Rational::new(order, order - 1).unwrap();
    let power = (1..order).fold(Rational::integer(1), |power, _| &power * &ratio);
    &(&Rational::integer(order) * delta) * &power
}

// spec: [noise.account.rounding] [noise.account.adaptive]
#[test]
fn cost_of_mixed_releases_is_never_below_the_exact_one_and_within_a_part_in_ten_thousand_million() {
    let releases = mixed();
    let accountant = spent(&releases);
    let slack = Rational::new(1, 10_000_000_000).unwrap();
    for order in [2, 3, 10, 16, 63, 128, 1024] {
        let divergence = exact_divergence(&releases, order);
        for delta in [1e-2, 1e-5, 1e-6, 1e-12] {
            let level = Level {
                epsilon: 8.0,
                delta,
                order: order as f64,
                is_capped: false,
            };
            let found = level.cost(&accountant);
            // what is left of delta beside the tables, exactly
            let rest = &Rational::from_f64(delta).unwrap() * &number("1048575/1048576");
            let wanted = wanted(order, &rest);
            let cost = Rational::from_f64(found).unwrap();
            let proven = exponential(order, &cost, &divergence);
            assert!(proven.upper() <= wanted, "{order} {delta}: {found}");
            let gap = &slack * &(&cost + &Rational::integer(1));
            let less = cost.checked_sub(&gap).unwrap();
            let refuted = exponential(order, &less, &divergence);
            assert!(
                refuted.lower() > wanted,
                "{order} {delta}: {found} is far above"
            );
        }
    }
}

// spec: [noise.account.rounding]
#[test]
fn tables_are_affordable_only_if_exactly_so() {
    let level = Level {
        epsilon: 3.0,
        delta: 1e-6,
        order: 16.0,
        is_capped: false,
    };
    // exp(3) from both sides
    let exponential = Enclosure::integer(1).over(&Enclosure::exp_negative(&number("3")));
    let part = &Rational::from_f64(1e-6).unwrap() * &Rational::power_of_half(20);
    let most = |factor: Rational| {
        part.checked_div(&(&Rational::integer(1) + &factor))
            .unwrap()
    };
    let clip = || Clip::L2(number("1"));
    let cost = |tv: Rational| level.cost(&spent(&[(release("400", clip(), 1, tv), 1)]));
    let above = most(exponential.lower());
    assert_eq!(cost(above), f64::INFINITY);
    let below = &most(exponential.upper()) * &number("0.9999999999");
    assert!(cost(below) < 3.0);
}

// spec: [noise.account.largest]
#[test]
fn every_budget_however_large_admits_releases_that_keep_to_it() {
    let release = one_step("400", 104);
    for budget in [
        0.5,
        1.0,
        8.0,
        16.0,
        17.0,
        30.0,
        38.0,
        40.0,
        1e3,
        1e9,
        f64::MAX,
    ] {
        let filter = Filter::new(budget, 1e-6);
        let one = filter.cost(&spent(&[(release.clone(), 1)])).epsilon;
        assert!(one <= budget && one > 0.0, "{budget}: {one}");
        let repeating = Filter::repeating(budget, 1e-6, &release);
        let one = repeating.cost(&spent(&[(release.clone(), 1)])).epsilon;
        assert!(one <= budget && one > 0.0, "{budget}: {one}");
        let all = filter
            .cost(&spent(&[(release.clone(), 10_000_000)]))
            .epsilon;
        assert!(
            all > budget || budget == f64::MAX && all == f64::INFINITY,
            "{budget}: {all}"
        );
    }
}

// spec: [noise.account.largest]
#[test]
fn a_budget_above_the_largest_admits_as_many_rounds_as_the_largest() {
    let release = one_step("2", 112);
    let largest = Filter::largest(1e-6);
    let rounds = |budget: f64| {
        let filter = Filter::new(budget, 1e-6);
        let fits = |rounds| filter.cost(&spent(&[(release.clone(), rounds)])).epsilon <= budget;
        (1..1_000).take_while(|rounds| fits(*rounds)).count()
    };
    let most = rounds(largest);
    assert!(most > 10 && most < 999, "{most}");
    for budget in [40.0, 1e9] {
        assert_eq!(rounds(budget), most);
    }
    assert!(rounds(largest / 2.0) < most);
}

// spec: [noise.account.largest]
#[test]
fn a_large_budget_is_of_use_to_a_large_model_too() {
    // a million coordinates, a hundred members, a thousand rounds
    let release = one_step("400", 70);
    let cost = |budget| {
        Filter::new(budget, 1e-6)
            .cost(&spent(&[(release.clone(), 1)]))
            .epsilon
    };
    for budget in [8.0, 16.0, 20.0, 1e9] {
        assert!(cost(budget) < 8.0, "{budget}");
    }
    // nothing can be said of tables that are further away
    let far = one_step("400", 40);
    for budget in [8.0, 20.0, 1e9] {
        let cost = Filter::new(budget, 1e-6)
            .cost(&spent(&[(far.clone(), 1)]))
            .epsilon;
        assert_eq!(cost, f64::INFINITY);
    }
}

// spec: [noise.account.largest]
#[test]
fn two_ways_at_once_have_half_of_delta_each_and_one_has_all() {
    for epsilon in [0.5, 8.0, 16.0] {
        let filter = Filter::new(epsilon, 1e-6);
        assert_eq!((filter.wide.delta, filter.narrow), (1e-6, None));
    }
    for epsilon in [17.0, 30.0, 1e9] {
        let filter = Filter::new(epsilon, 1e-6);
        let narrow = filter.narrow.unwrap();
        assert_eq!(filter.wide.delta + narrow.delta, 1e-6);
        assert_eq!(narrow.delta, 0.5e-6);
        assert!(narrow.epsilon < filter.wide.epsilon);
    }
}
