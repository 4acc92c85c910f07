//! Tries what a lying coordinator can show to whom, by the hundred thousand:
//!
//! ```text
//! cargo run --release -p veilsum-tests --example views -- --graph complete --members 5 --floor 3
//! cargo run --release -p veilsum-tests --example views -- --graph ring --samples 100000 --seed 1
//! cargo run --release -p veilsum-tests --example views -- --graph ring --samples 100000 --replay 500
//! ```
//!
//! Ends with an error when a promise is broken.

use rand::RngExt as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::process::ExitCode;
use veilsum_tests::Setup;
use veilsum_tests::views::{
    Broken, Cohort, assert_same, draw, exhaust, outcome, replay, sample, wide_ring,
};

fn main() -> ExitCode {
    let mut arguments = BTreeMap::new();
    let mut given = std::env::args().skip(1);
    while let (Some(name), value) = (given.next(), given.next()) {
        arguments.insert(name, value.unwrap_or_default());
    }
    let text = |name: &str, default: &str| {
        let found = arguments.get(name);
        found.map_or_else(|| default.to_owned(), Clone::clone)
    };
    let number = |name: &str, default: u64| match text(name, &default.to_string()).parse() {
        Ok(number) => number,
        Err(_) => panic!("{name} wants a number"),
    };
    match text("--graph", "complete").as_str() {
        "complete" => complete(
            u32::try_from(number("--members", 5)).unwrap_or(5),
            arguments
                .get("--floor")
                .and_then(|floor| floor.parse().ok()),
        ),
        "ring" => ring(
            number("--samples", 100_000),
            number("--seed", 1),
            number("--replay", 100),
        ),
        other => panic!("found graph {other}, wanted complete or ring"),
    }
}

/// The last member is corrupt.
fn complete(members: u32, floor: Option<u32>) -> ExitCode {
    let mut setup = Setup::new(members, 1, 1);
    setup.floor = floor;
    setup.attempts = 1;
    let search = exhaust(&Cohort::new(&setup, 1 << (members - 1)), Broken::Nothing);
    println!("{members} members: {search}");
    ExitCode::from(u8::from(search.broken > 0))
}

/// A hundred rings with two drawn corrupt members each share the samples; `replays` of the strategies are replayed on the
/// machines.
fn ring(samples: u64, seed: u64, replays: u64) -> ExitCode {
    let mut broken = 0;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for of_ring in 0..RINGS {
        let setup = wide_ring(rng.random());
        let corrupt = [0; 2].map(|_| 1u64 << rng.random_range(0..36));
        let cohort = Cohort::new(&setup, corrupt[0] | corrupt[1]);
        let search = sample(
            &cohort,
            Broken::Nothing,
            samples.div_ceil(RINGS),
            rng.random(),
        );
        println!("ring {of_ring}: {search}");
        broken += search.broken;
        for _ in 0..replays.div_ceil(RINGS) {
            let strategy = draw(&cohort, &mut rng);
            let play = replay(&cohort, &strategy);
            play.tap.assert_safe();
            let facts = outcome(&cohort, &strategy, Broken::Nothing);
            assert_same(&cohort, facts.as_ref(), &play);
        }
    }
    println!("{broken} broken promises");
    ExitCode::from(u8::from(broken > 0))
}

const RINGS: u64 = 100;
