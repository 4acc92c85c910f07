//! Every choice of what a lying coordinator shows to whom in complete graphs of 4 to 6 members, thousands of drawn ones in a
//! ring: what honest members refuse leaves the knowledge model clean. Without any one of the central rules it does not.

use rand::RngExt as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use veilsum_tests::Setup;
use veilsum_tests::views::{
    Broken, Cohort, Strategy, View, assert_same, draw, exhaust, outcome, replay, sample, wide_ring,
};

/// `n` members of which the last is corrupt and one may be absent.
fn complete(n: u32, floor: Option<u32>) -> Cohort {
    with_corrupt(n, 1, floor)
}

/// `n` members of which the last `c` are corrupt and one may be absent.
fn with_corrupt(n: u32, c: u32, floor: Option<u32>) -> Cohort {
    let mut setup = Setup::new(n, c, 1);
    setup.floor = floor;
    setup.attempts = 1;
    setup.coordinates = 4;
    Cohort::new(&setup, (1 << n) - (1 << (n - c)))
}

/// Two corrupt members, both in the committee, side by side or apart.
fn ring(seed: u64) -> Cohort {
    let cohort = Cohort::new(&wide_ring(seed), 0);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let electors = (0..36).filter(|slot| cohort.electors() >> slot & 1 == 1);
    let electors = electors.collect::<Vec<_>>();
    let first = electors[rng.random_range(0..electors.len())];
    let second = match seed % 2 {
        0 => cohort.neighbours(first).trailing_zeros(),
        _ => electors[rng.random_range(0..electors.len())],
    };
    Cohort::new(&wide_ring(seed), 1 << first | 1 << second)
}

// spec: [confirm.once] [confirm.set] [share.set] [session.sid] [session.sid2] [reveal.certificate] [reveal.header]
#[test]
fn no_views_in_a_complete_graph_of_4_to_6_tell_more_than_the_one_certified_sum() {
    let cases = [
        (4, 0, None),
        (4, 1, None),
        (5, 1, None),
        (5, 1, Some(3)),
        (5, 2, None),
        (6, 2, None),
    ];
    for (n, c, floor) in cases {
        let search = exhaust(&with_corrupt(n, c, floor), Broken::Nothing);
        println!("n={n} c={c} floor {floor:?}: {search}");
        assert_eq!(search.broken, 0, "n={n} c={c}: {search}");
        assert!(search.sums > 0, "n={n} c={c}: some end in the one sum");
    }
}

// spec: [graph.window] [confirm.once] [confirm.set] [session.sid2] [reveal.certificate] [reveal.header]
#[test]
fn no_drawn_views_in_a_ring_tell_more_than_the_one_certified_sum() {
    for seed in 0..4 {
        let search = sample(&ring(seed), Broken::Nothing, 4000, seed);
        println!("ring {seed}: {search}");
        assert_eq!(search.broken, 0, "seed {seed}: {search}");
        assert!(search.sums > 0, "seed {seed}: {search}");
    }
}

/// The search is no idle one: each rule left out is a promise broken, in the complete graph or in the ring.
#[test]
fn each_rule_left_out_is_found_to_break_a_promise() {
    for broken in Broken::ALL {
        let drawn = (0..4).map(|seed| sample(&ring(seed), broken, 300, seed).broken);
        let drawn = drawn.sum::<u64>();
        let every = match broken {
            Broken::SignsTwice => 0,
            _ => {
                exhaust(&complete(4, None), broken).broken
                    + exhaust(&complete(5, None), broken).broken
            }
        };
        println!("{broken:?}: {drawn} of 1200 in rings, {every} in complete graphs");
        assert!(drawn + every > 0, "{broken:?} is not noticed");
        let in_ring = matches!(
            broken,
            Broken::SignsTwice | Broken::LocalCertificate | Broken::ThinWindows | Broken::NoHeader
        );
        assert!(!in_ring || drawn > 0, "{broken:?} is not noticed in a ring");
    }
}

/// Every view of one member, those that it refuses too, while the others are shown what is true.
// spec: [share.set] [confirm.check] [confirm.set] [reveal.record]
#[test]
fn machines_refuse_and_answer_as_the_search_says_whatever_one_member_is_shown() {
    let cohort = complete(4, None);
    let all = cohort.all();
    let truth = View {
        advertised: all,
        shared: all,
        asked: [Some(all), None],
    };
    for shared in 0..=all {
        for survivors in (0..=all).map(Some).chain([None]) {
            let mut views = vec![truth; 4];
            views[0] = View {
                advertised: all,
                shared,
                asked: [survivors, None],
            };
            check(&cohort, &Strategy { views });
        }
    }
}

#[test]
fn machines_refuse_and_answer_as_the_search_says_under_drawn_views() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for n in [4, 5] {
        let cohort = complete(n, Some(3));
        let all = cohort.all();
        // Few sets, so that some are signed by many.
        let mut pool = vec![all, all, all];
        for _ in 0..150 {
            pool.truncate(3);
            pool.extend((0..3).map(|_| all & !(1 << rng.random_range(0..n))));
            pool.push(rng.random_range(0..=all));
            let one = |rng: &mut ChaCha20Rng| pool[rng.random_range(0..pool.len())];
            let views = (0..n).map(|_| View {
                advertised: all,
                shared: one(&mut rng),
                asked: [Some(one(&mut rng)), Some(one(&mut rng))],
            });
            let views = views.collect();
            check(&cohort, &Strategy { views });
        }
    }
    for seed in 0..2 {
        let cohort = ring(seed);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..12 {
            check(&cohort, &draw(&cohort, &mut rng));
        }
    }
}

fn check(cohort: &Cohort, strategy: &Strategy) {
    let play = replay(cohort, strategy);
    play.tap.assert_safe();
    let facts = outcome(cohort, strategy, Broken::Nothing);
    assert_same(cohort, facts.as_ref(), &play);
}
