//! Strategies in a ring: drawn, but after the patterns of the attacks that are known.

use crate::setup::Setup;
use crate::views::cohort::{Cohort, Set, bit, slots};
use crate::views::member::View;
use crate::views::strategy::Strategy;
use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha20Rng;
use veilsum_proto::parameters::GraphChoice;

/// A ring small enough to attack by the hundred thousand: 36 members of degree 12, of which 2 may be corrupt and 2 absent; a
/// committee signs. The floor is the lowest there is, so the windows are all that keeps sets large.
pub fn wide_ring(seed: u64) -> Setup {
    let mut setup = Setup::new(36, 2, 2).seeded(seed);
    setup.graph = GraphChoice::Degree(12);
    setup.floor = Some(4);
    setup.attempts = 1;
    setup
}

/// What to show to whom.
pub fn draw(cohort: &Cohort, rng: &mut ChaCha20Rng) -> Strategy {
    match rng.random_range(0..5) {
        0 => bands(cohort, rng),
        1 => apart(cohort, rng),
        2 => isolated(cohort, rng),
        _ => mixed(cohort, rng),
    }
}

/// A few Share sets and survivor sets, shown to the arcs of the ring, or to anybody.
fn mixed(cohort: &Cohort, rng: &mut ChaCha20Rng) -> Strategy {
    let all = cohort.all();
    let mut shared = vec![all];
    for _ in 0..rng.random_range(0..3) {
        shared.push(thinned(cohort, all, rng));
    }
    let mut sets = Vec::new();
    for _ in 0..rng.random_range(1..=3) {
        let inside = *shared.choose(rng).unwrap();
        let outer = if rng.random_bool(0.1) { all } else { inside };
        sets.push((inside, thinned(cohort, outer, rng)));
    }
    let order = positions(cohort);
    let by_arc = rng.random_bool(0.5);
    let cuts = [
        rng.random_range(0..order.len()),
        rng.random_range(0..order.len()),
    ];
    show(cohort, |slot| {
        let position = order.iter().position(|other| *other == slot).unwrap();
        let arc = cuts.iter().filter(|cut| position >= **cut).count();
        let first = match by_arc {
            true => sets[arc % sets.len()],
            false => *sets.choose(rng).unwrap(),
        };
        let second = sets.choose(rng).filter(|set| set.0 == first.0);
        let asked = rng.random_bool(0.9);
        View {
            advertised: all,
            shared: first.0,
            asked: [asked.then_some(first.1), second.map(|set| set.1)],
        }
    })
}

/// Two bands of the ring are said to have dropped out: what is between them would be summed alone (R2).
fn bands(cohort: &Cohort, rng: &mut ChaCha20Rng) -> Strategy {
    let all = cohort.all();
    let windows = cohort.windows();
    let gone = [windows.choose(rng).unwrap(), windows.choose(rng).unwrap()];
    let spared = rng.random_range(0..3);
    let mut bands = slots(gone[0] | gone[1]).collect::<Vec<_>>();
    bands.shuffle(rng);
    let gone = bands
        .iter()
        .skip(spared)
        .fold(0, |set, slot| set | bit(*slot));
    // Corrupt members in a band may say they are there.
    let survivors = all & !gone
        | if rng.random_bool(0.5) {
            cohort.corrupt
        } else {
            0
        };
    everybody(cohort, all, survivors)
}

/// One member is shown every other slot as its Share set, everybody else that just these dropped out (R3).
fn apart(cohort: &Cohort, rng: &mut ChaCha20Rng) -> Strategy {
    let (all, order) = (cohort.all(), positions(cohort));
    let victim = rng.random_range(0..order.len());
    let half = order.iter().enumerate().fold(0, |set, (position, slot)| {
        let even = (position + order.len() - victim) % 2 == 0;
        set | if even { bit(*slot) } else { 0 }
    });
    let victim = bit(order[victim]);
    let survivors = all & !half
        | victim
        | if rng.random_bool(0.5) {
            cohort.corrupt
        } else {
            0
        };
    let mut strategy = everybody(cohort, all, survivors);
    let view = &mut strategy.views[victim.trailing_zeros() as usize];
    (view.shared, view.asked) = (half | victim, [None; 2]);
    strategy
}

/// A victim and a few of its neighbours are shown that all others around it dropped out, these that the victim and the few
/// did (R1).
fn isolated(cohort: &Cohort, rng: &mut ChaCha20Rng) -> Strategy {
    let all = cohort.all();
    let honest = cohort.honest().collect::<Vec<_>>();
    let victim = *honest.choose(rng).unwrap();
    let mut around = slots(cohort.neighbours(victim)).collect::<Vec<_>>();
    around.shuffle(rng);
    let few = rng.random_range(1..=around.len() / 2);
    let with = around[..few]
        .iter()
        .fold(bit(victim), |set, slot| set | bit(*slot));
    let own = all & !(cohort.neighbours(victim) & !with & !cohort.corrupt);
    let others = all & !(with & !cohort.corrupt);
    show(cohort, |slot| View {
        advertised: all,
        shared: all,
        asked: match with & bit(slot) {
            0 => [Some(others), Some(own)],
            _ => [Some(own), Some(others)],
        },
    })
}

fn everybody(cohort: &Cohort, shared: Set, survivors: Set) -> Strategy {
    show(cohort, |_| View {
        advertised: cohort.all(),
        shared,
        asked: [Some(survivors), None],
    })
}

fn show(cohort: &Cohort, view: impl FnMut(u32) -> View) -> Strategy {
    Strategy {
        views: (0..cohort.members()).map(view).collect(),
    }
}

/// Slots in ring order.
fn positions(cohort: &Cohort) -> Vec<u32> {
    let order = cohort.context.graph.ring_order().expect("it is a ring");
    order.iter().map(|slot| slot.0).collect()
}

/// Some slots less; mostly as many as the windows allow to lack, rarely more.
fn thinned(cohort: &Cohort, set: Set, rng: &mut ChaCha20Rng) -> Set {
    let mut slots = slots(set).collect::<Vec<_>>();
    slots.shuffle(rng);
    slots.truncate(rng.random_range(0..=slots.len() / 2));
    let reckless = rng.random_bool(0.1);
    slots.into_iter().fold(set, |set, slot| {
        let less = set & !bit(slot);
        if reckless || cohort.is_thick(less) {
            less
        } else {
            set
        }
    })
}
