//! The drop-out matrix on complete graphs of 3 to 12 members: {one vanishes, the most that is tolerated, one too many} x
//! {each phase, mid-upload}, and mixtures. The end of each round is known before it runs.

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use veilsum_proto::ids::Slot;
use veilsum_proto::parameters::{Parameters, largest_tolerance};
use veilsum_sim::{Script, Vanish};
use veilsum_tests::{Case, Outcome, Setup, abort_at};

const SEEDS: u64 = 4;

/// A federation of `n` that tolerates at least one drop-out, its corrupt count drawn.
fn drawn_case(n: u32, rng: &mut ChaCha20Rng) -> Case {
    let possible = (0..n).filter_map(|c| {
        Some((
            c,
            largest_tolerance(n, c)
                .if_corrupt_answer
                .filter(|d| *d > 0)?,
        ))
    });
    let possible = possible.collect::<Vec<_>>();
    let (c, most) = possible.choose(rng).copied().unwrap_or((0, 1));
    let mut setup = Setup::new(n, c, rng.random_range(1..=most)).seeded(rng.random());
    setup.attempts = 1;
    setup.coordinates = rng.random_range(1..40);
    Case::new(setup)
}

fn drawn_slots(n: u32, rng: &mut ChaCha20Rng) -> Vec<Slot> {
    let mut slots = (0..n).map(Slot).collect::<Vec<_>>();
    slots.shuffle(rng);
    slots
}

/// Members that vanish at the point, one more than the round bears there; who vanishes in Recover needs somebody to be
/// recovered, who is the first of the list.
fn one_too_many(parameters: &Parameters, point: Vanish) -> u32 {
    let Parameters { n, d, q, t, .. } = *parameters;
    match point {
        Vanish::Confirm => n - q + 1,
        Vanish::Reveal | Vanish::Recover => n - t + 1,
        _ => d + 1,
    }
}

fn script(slots: &[Slot], count: u32, point: Vanish) -> Script {
    let vanishing = slots.iter().take(count as usize).enumerate();
    Script::of(vanishing.map(|(index, slot)| match point {
        Vanish::Recover if index == 0 => (*slot, Vanish::Reveal),
        _ => (*slot, point),
    }))
}

/// 10 sizes x 4 seeds x 3 counts.
fn matrix(point: Vanish) {
    for n in 3..=12 {
        for seed in 0..SEEDS {
            let mut rng = ChaCha20Rng::seed_from_u64(seed << 32 | u64::from(n) << 8 | point as u64);
            let case = drawn_case(n, &mut rng);
            let parameters = &case.context().parameters;
            let slots = drawn_slots(n, &mut rng);
            for count in [1, parameters.d] {
                let script = script(&slots, count, point);
                let mut survivors = (0..n).map(Slot).collect::<Vec<_>>();
                survivors.retain(|slot| point.is_late() || script.of_slot(*slot).is_none());
                assert_eq!(
                    case.check(&script),
                    Outcome::Sum(survivors),
                    "{count} vanish"
                );
            }
            let script = script(&slots, one_too_many(parameters, point), point);
            assert_eq!(
                case.check(&script),
                Outcome::Abort(abort_at(point)),
                "one too many"
            );
        }
    }
}

veilsum_tests::vanishing_at_each_point!(matrix);

/// Everybody vanishes with a drawn probability at a drawn point; the seeds of this part.
fn mixture(seeds: std::ops::Range<u64>) {
    let (mut sums, mut aborts) = (0, 0);
    for seed in seeds {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let n = rng.random_range(3..=12);
        let case = drawn_case(n, &mut rng);
        let probability = rng.random_range(0.0..0.6);
        let mut vanishing = Vec::new();
        for slot in drawn_slots(n, &mut rng) {
            if rng.random_bool(probability) {
                vanishing.extend(Vanish::ALL.choose(&mut rng).map(|point| (slot, *point)));
            }
        }
        match case.check(&Script::of(vanishing)) {
            Outcome::Sum(_) => sums += 1,
            Outcome::Abort(_) => aborts += 1,
        }
    }
    assert!(sums > 20 && aborts > 20, "{sums} sums, {aborts} aborts");
}

#[test]
fn mixtures_of_drop_outs_end_as_foretold_first_half() {
    mixture(0..120);
}

#[test]
fn mixtures_of_drop_outs_end_as_foretold_second_half() {
    mixture(120..240);
}
