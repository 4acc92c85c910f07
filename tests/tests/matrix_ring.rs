//! The drop-out matrix on rings of 201 to 260 members: {one vanishes, the most that is tolerated, one too many} x {each
//! phase, mid-upload}, thin windows, and mixtures. The end of each round is known before it runs.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use veilsum_proto::ids::Slot;
use veilsum_sim::{Script, Vanish};
use veilsum_tests::{Case, Outcome, Setup, abort_at};

fn drawn_case(rng: &mut ChaCha20Rng) -> Case {
    let (n, c, d) = (
        rng.random_range(201..=260),
        rng.random_range(0..=2),
        rng.random_range(3..=6),
    );
    let mut setup = Setup::new(n, c, d).seeded(rng.random());
    setup.attempts = 1;
    setup.coordinates = rng.random_range(1..40);
    let case = Case::new(setup);
    assert!(!case.context().parameters.is_complete() && case.context().parameters.has_committee());
    case
}

/// Slots in a drawn order.
fn drawn_slots(case: &Case, rng: &mut ChaCha20Rng) -> Vec<Slot> {
    let mut slots = (0..case.context().slots()).map(Slot).collect::<Vec<_>>();
    slots.shuffle(rng);
    slots
}

/// One more than the round bears at the point: over all members, in the committee, or around one member.
fn one_too_many(case: &Case, point: Vanish, rng: &mut ChaCha20Rng) -> Script {
    let (context, slots) = (case.context(), drawn_slots(case, rng));
    let parameters = &context.parameters;
    let at = |slots: &[Slot], count: u32| {
        let slots = slots.iter().take(count as usize);
        slots.map(|slot| (*slot, point)).collect::<Vec<_>>()
    };
    match point {
        Vanish::Confirm => {
            let mut committee = context.graph.electorate().to_vec();
            committee.shuffle(rng);
            Script::of(at(&committee, parameters.m - parameters.q + 1))
        }
        Vanish::Reveal | Vanish::Recover => {
            let victim = slots[0];
            let mut neighbours = context.graph.neighbours(victim);
            neighbours.shuffle(rng);
            let around = at(&neighbours, parameters.k - parameters.t + 1);
            Script::of(around.into_iter().chain([(victim, Vanish::Reveal)]))
        }
        _ => Script::of(at(&slots, parameters.d + 1)),
    }
}

fn matrix(point: Vanish) {
    let mut rng = ChaCha20Rng::seed_from_u64(point as u64);
    let case = drawn_case(&mut rng);
    let slots = drawn_slots(&case, &mut rng);
    for count in [1, case.context().parameters.d] {
        let vanishing = slots.iter().take(count as usize).enumerate();
        let script = Script::of(vanishing.map(|(index, slot)| match point {
            // Somebody has to be recovered for the others to be asked.
            Vanish::Recover if index == 0 => (*slot, Vanish::Reveal),
            _ => (*slot, point),
        }));
        let all = (0..case.context().slots()).map(Slot);
        let survivors = all.filter(|slot| point.is_late() || script.of_slot(*slot).is_none());
        assert_eq!(
            case.check(&script),
            Outcome::Sum(survivors.collect()),
            "{count} vanish"
        );
    }
    let script = one_too_many(&case, point, &mut rng);
    assert_eq!(case.check(&script), Outcome::Abort(abort_at(point)));
}

veilsum_tests::vanishing_at_each_point!(matrix);

/// No more vanish than are tolerated, but all of them side by side: the arc behind them would be alone.
// spec: [graph.window] [share.fix] [upload.fix]
#[test]
fn tolerated_drop_outs_that_thin_a_window_end_the_round() {
    let mut setup = Setup::new(201, 2, 10);
    setup.attempts = 1;
    let case = Case::new(setup);
    let parameters = &case.context().parameters;
    let gone = parameters.window().unwrap() - parameters.h.unwrap();
    assert!(gone <= parameters.d);
    let order = case.context().graph.ring_order().unwrap();
    for (point, reason) in [
        (Vanish::Share, "too_few_shares"),
        (Vanish::Upload, "too_few_updates"),
    ] {
        let arc = |from: usize, count: u32| {
            let arc = order.iter().cycle().skip(from).take(count as usize);
            Script::of(arc.map(|slot| (*slot, point)))
        };
        // One position before the end, so that the window wraps.
        assert_eq!(case.check(&arc(200, gone)), Outcome::Abort(reason));
        assert!(matches!(case.check(&arc(200, gone - 1)), Outcome::Sum(_)));
    }
}

fn mixture(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut rng = ChaCha20Rng::seed_from_u64(100 + seed);
        let case = drawn_case(&mut rng);
        let slots = drawn_slots(&case, &mut rng);
        let count = rng.random_range(1..=2 * case.context().parameters.d);
        let vanishing = slots.iter().take(count as usize);
        let vanishing = vanishing
            .map(|slot| (*slot, *Vanish::ALL.choose(&mut rng).unwrap()))
            .collect::<Vec<_>>();
        case.check(&Script::of(vanishing));
    }
}

#[test]
fn mixtures_of_drop_outs_end_as_foretold_first_half() {
    mixture(0..10);
}

#[test]
fn mixtures_of_drop_outs_end_as_foretold_second_half() {
    mixture(10..20);
}
