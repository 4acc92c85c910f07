//! The search finds nothing against all rules, and the attack against rules that lack one.

use stateright::{Checker as _, Model as _};
use veilsum_model::ring::Arc;
use veilsum_model::{
    Action, LyingCoordinator, Mutant, Replay, Round, Setting, Slots, attack, search,
};

// spec: [confirm.once] [reveal.certificate] [reveal.record] [join.closed] [confirm.set] [reveal.shares] [reveal.chain]
// spec: [noise.reveal.one] [noise.plan.level]
#[test]
fn no_lie_to_three_honest_members_of_four_is_of_use() {
    let found = search(LyingCoordinator::new(Setting::new(4, 1, 1)));
    println!("{found:?}");
}

#[test]
fn no_lie_to_three_members_who_are_all_honest_is_of_use() {
    let found = search(LyingCoordinator::new(Setting::new(3, 0, 1)));
    println!("{found:?}");
}

/// Two corrupt members, who cut whom they like, and honest ones who have to cut one of them.
// spec: [share.cut-signed] [share.cut-limit] [upload.mask]
#[test]
fn no_lie_about_cuts_to_three_honest_members_of_five_is_of_use() {
    for wronged in [Slots::NONE, Slots::from_iter([1, 2]), Slots::first(3)] {
        let found = search(LyingCoordinator::new(
            Setting::new(5, 2, 1).with_cuts(wronged),
        ));
        println!("{wronged:?}: {found:?}");
    }
}

#[test]
fn every_check_that_is_left_out_is_missed_and_the_machines_have_it() {
    for mutant in Mutant::ALL {
        let setting = mutant.setting();
        let path = attack(mutant).unwrap_or_else(|| panic!("nobody misses {mutant:?}"));
        println!("{mutant:?}: not \"{}\" after {path:?}", mutant.breaks());
        assert_machines_refuse(setting, mutant, &path);
    }
}

/// Machines go as far as members with all checks do, and refuse the rest; or they come to the end and give less away.
fn assert_machines_refuse(setting: Setting, mutant: Mutant, path: &[Action]) {
    let (whole, weak) = (
        LyingCoordinator::new(setting),
        LyingCoordinator::against(setting, mutant),
    );
    let (mut strong, mut lacking) = (whole.start(), weak.start());
    let mut taken = Vec::new();
    for action in path {
        lacking = weak.after(&lacking, *action);
        if taken.len() < path.len() && whole.is_possible(&strong, *action) {
            strong = whole.after(&strong, *action);
            taken.push(*action);
        } else {
            break;
        }
    }
    let mut replay = Replay::follow(whole, &taken).unwrap_or_else(|found| panic!("{found:?}"));
    replay.try_the_impossible();
    let refused = taken.len() < path.len();
    let gave_less = strong.transcript.shares.len() < lacking.transcript.shares.len();
    let values = |model: &LyingCoordinator, round: &Round| {
        let rules = model.rules();
        round.transcript.chain_values(rules).len()
    };
    let opened_less = values(&whole, &strong) < values(&weak, &lacking);
    assert!(
        refused || gave_less || opened_less,
        "{mutant:?}: the machines did all of {path:?}"
    );
}

// spec: [graph.window]
#[test]
fn survivors_of_a_ring_hang_together_if_each_window_holds_one_more_than_the_corrupt() {
    for (positions, window) in [(9, 2), (10, 2), (12, 2), (13, 3)] {
        let ring = Arc {
            positions,
            window,
            filled: 1,
            corrupt: Slots::from_iter([0]),
            quorum: usize::from(positions + 1) / 2 + 1,
            looks: true,
        };
        search(ring);
        // R2: without the rule a cut exists
        let blind = Arc {
            looks: false,
            ..ring
        };
        let cut = blind.checker().spawn_bfs().join();
        let cut = cut.discovery("honest survivors hang together");
        assert!(cut.is_some(), "{positions} positions, windows of {window}");
    }
}
