//! Searches the model to its end, shows what each missing check costs, and follows it on the machines.
//!
//! `cargo run --release -p veilsum-model --example model -- 4` follows it to four actions from the start; without a number,
//! to three. A thousand states take about three seconds there.

use std::time::Instant;
use veilsum_model::{LyingCoordinator, Mutant, Replay, Setting, attack, edges, search};

fn main() {
    let depth = std::env::args().nth(1);
    let depth = depth.map_or(Ok(3), |depth| depth.parse::<usize>());
    let Ok(depth) = depth else {
        eprintln!("found no number of actions, wanted for example 4");
        std::process::exit(2);
    };
    for setting in [Setting::new(3, 0, 1), Setting::new(4, 1, 1)] {
        let model = LyingCoordinator::new(setting);
        let (members, corrupt) = (setting.members, setting.corrupt.len());
        println!(
            "{members} members, {corrupt} corrupt, a lying coordinator, two attempts, one restart"
        );
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
    println!("4 members, 1 corrupt, one check left out");
    for mutant in Mutant::ALL {
        match attack(Setting::new(4, 1, 1), mutant) {
            Some(path) => println!("  {mutant:?}: not \"{}\" after {path:?}", mutant.breaks()),
            None => panic!("nobody misses {mutant:?}"),
        }
    }
}
