//! Searches the model to its end, shows what each missing check costs, and follows it on the machines.
//!
//! `cargo run --release -p veilsum-model --example model -- 4` follows it to four actions from the start; without a number,
//! to three. A thousand states take about three seconds there.

use std::time::Instant;
use veilsum_model::{
    Lies, LyingCoordinator, Mutant, Replay, Setting, Slots, attack, edges, search,
};

fn main() {
    let depth = std::env::args().nth(1);
    let depth = depth.map_or(Ok(3), |depth| depth.parse::<usize>());
    let Ok(depth) = depth else {
        eprintln!("found no number of actions, wanted for example 4");
        std::process::exit(2);
    };
    let cuts = |wronged| Setting::new(5, 2, 1).with_cuts(wronged);
    for setting in [
        Setting::new(3, 0, 1),
        Setting::new(4, 1, 1),
        cuts(Slots::NONE),
        cuts(Slots::from_iter([1, 2])),
    ] {
        let model = LyingCoordinator::new(setting);
        let (members, corrupt) = (setting.members, setting.corrupt.len());
        let about = match setting.lies {
            Lies::Views => "two attempts, one restart".to_owned(),
            Lies::Cuts { wronged } => {
                format!("every choice of cuts, a dealer whose parts do not open for {wronged:?}")
            }
        };
        println!("{members} members, {corrupt} corrupt, a lying coordinator, {about}");
        let started = Instant::now();
        let found = search(model);
        let took = started.elapsed().as_secs();
        println!(
            "  all {} states, {} actions deep: no promise is broken ({took} s)",
            found.states, found.depth
        );
        let started = Instant::now();
        let walked = edges(&model, depth);
        for (path, _) in &walked {
            match Replay::follow(model, path) {
                Ok(mut replay) => replay.try_the_impossible(),
                Err((_, action, refusal)) => {
                    panic!("the machines refused {action:?} of {path:?}: {refusal}")
                }
            }
        }
        let took = started.elapsed().as_secs();
        println!(
            "  {} states of up to {depth} actions on the machines: the same is done and refused ({took} s)",
            walked.len()
        );
    }
    println!("one check left out");
    for mutant in Mutant::ALL {
        let (members, corrupt) = (mutant.setting().members, mutant.setting().corrupt.len());
        match attack(mutant) {
            Some(path) => println!(
                "  {mutant:?}, {members} members, {corrupt} corrupt: not \"{}\" after {path:?}",
                mutant.breaks()
            ),
            None => panic!("nobody misses {mutant:?}"),
        }
    }
}
