//! Random lists.

use crate::ops::list::{
    Direction, Forgery, Link, Noise, Operation, OperationList, Setting, Shape, Values,
};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

/// The random list of a seed: a small federation and up to a dozen operations, spread over its rounds. Lists of the same seed are
/// the same. Never more members lie than the task reckons with.
pub fn draw(seed: u64) -> OperationList {
    let rng = &mut ChaCha20Rng::seed_from_u64(seed);
    let setting = setting(rng);
    let mut slots = (0..setting.members).collect::<Vec<_>>();
    slots.shuffle(rng);
    let liars = slots
        .into_iter()
        .take(setting.corrupt as usize)
        .collect::<Vec<_>>();
    let until = ROUND_MS.saturating_mul(setting.rounds);
    let count = rng.random_range(0..=12);
    let mut times = (0..count)
        .map(|_| rng.random_range(0..until))
        .collect::<Vec<u64>>();
    times.sort_unstable();
    let (mut operations, mut now) = (Vec::new(), 0);
    for at in times {
        if at > now {
            operations.push(Operation::Advance {
                ms: at.saturating_sub(now),
            });
            now = at;
        }
        operations.push(operation(&setting, &liars, rng));
    }
    OperationList {
        fact: String::new(),
        setting,
        seed,
        operations,
    }
}

fn setting(rng: &mut ChaCha20Rng) -> Setting {
    let mut setting = match rng.random_range(0..200) {
        0 => ring(rng),
        1..14 => Setting {
            cohort: Some(4),
            ..Setting::complete(rng.random_range(5..8), 1, 1)
        },
        14..40 => noised(rng),
        _ => complete(rng),
    };
    if setting.noise.is_none() && rng.random_ratio(1, 6) {
        setting.values = Values::WeightedFloats;
    }
    setting.rounds = match rng.random_range(0..16) {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    setting
}

/// Complete graphs of 3 to 8 members, mostly small ones, with any tolerance that they allow.
fn complete(rng: &mut ChaCha20Rng) -> Setting {
    let rare = rng.random_range(5..9);
    let members: u32 = [3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, rare]
        .choose(rng)
        .copied()
        .unwrap_or(3);
    let tolerances = (0..members)
        .flat_map(|corrupt: u32| (0..members).map(move |missing: u32| (corrupt, missing)));
    let tolerances = tolerances.filter(|(corrupt, missing)| {
        let refuse = missing.saturating_mul(2).saturating_add(*corrupt);
        let two = missing.saturating_add(*corrupt).saturating_add(2);
        refuse < members && two <= members
    });
    let tolerances = tolerances.collect::<Vec<_>>();
    let (corrupt, missing) = tolerances.choose(rng).copied().unwrap_or((0, 0));
    Setting::complete(members, corrupt, missing)
}

/// The few smallest rings that the parameters allow, the last two with a committee.
fn ring(rng: &mut ChaCha20Rng) -> Setting {
    let rings = [(12, 4, 1, 0), (18, 6, 1, 1), (24, 8, 1, 2)];
    let (members, degree, corrupt, missing) = rings.choose(rng).copied().unwrap_or(rings[0]);
    Setting {
        shape: Shape::Ring(degree),
        ..Setting::complete(members, corrupt, missing)
    }
}

/// Few settings, since the tables of each take their time.
fn noised(rng: &mut ChaCha20Rng) -> Setting {
    let noise = match rng.random_ratio(1, 4) {
        true => Noise::Shared,
        false => Noise::DropoutExact,
    };
    let settings = [(3, 0, 1), (4, 1, 1), (5, 1, 1), (6, 0, 2)];
    let (members, corrupt, missing) = settings.choose(rng).copied().unwrap_or(settings[0]);
    Setting {
        noise: Some(noise),
        ..Setting::complete(members, corrupt, missing)
    }
}

fn operation(setting: &Setting, liars: &[u32], rng: &mut ChaCha20Rng) -> Operation {
    let slot = rng.random_range(0..setting.members);
    let to = match rng.random() {
        true => Direction::Member,
        false => Direction::Coordinator,
    };
    let link = Link { slot, to };
    match rng.random_range(0..100) {
        0..10 => Operation::Drop { slot },
        10..18 => Operation::Join { slot },
        18..25 => Operation::Restart { slot },
        25..27 => Operation::RestartCoordinator,
        27..33 => Operation::Lose(link),
        33..42 => Operation::Delay {
            link,
            ms: rng.random_range(1..300),
        },
        42..51 => Operation::Duplicate(link),
        51..58 => Operation::Reorder(link),
        58..63 => Operation::Close,
        63..78 => Operation::Forge {
            link: Link::to_member(slot),
            forgery: forgery(setting, rng),
            beside: rng.random(),
        },
        _ => match liars.choose(rng) {
            Some(liar) => Operation::Forge {
                link: Link::to_coordinator(*liar),
                forgery: forgery(setting, rng),
                beside: rng.random_ratio(1, 4),
            },
            None => Operation::Drop { slot },
        },
    }
}

fn forgery(setting: &Setting, rng: &mut ChaCha20Rng) -> Forgery {
    let slot = rng.random_range(0..setting.members);
    match rng.random_range(0..8) {
        0 => Forgery::Flip {
            byte: rng.random_range(0..4096),
            bit: rng.random_range(0..8),
        },
        1 => Forgery::Replay {
            of: slot,
            back: rng.random_range(0..4),
        },
        2..6 => Forgery::Lie {
            choice: rng.random_range(0..64),
        },
        _ => Forgery::Toggle { slot },
    }
}

/// What an undisturbed round takes, and some more.
const ROUND_MS: u64 = 180;
