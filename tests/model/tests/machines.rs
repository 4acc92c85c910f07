//! The machines do, and refuse, what the model says.

use veilsum_model::{LyingCoordinator, Replay, Setting, Slots, Within, edges, paths, within};

/// Follows a path to every state within `depth` actions, which are as many as the search finds, and tries everything there.
fn follows(setting: Setting, depth: usize) -> usize {
    let model = LyingCoordinator::new(setting);
    let walked = edges(&model, depth);
    assert_eq!(walked.len(), within(model, depth).states);
    for (path, round) in &walked {
        let mut replay = Replay::follow(model, path).unwrap_or_else(|(taken, action, refusal)| {
            panic!("{path:?}, {taken}: {action:?}: {refusal}")
        });
        assert_eq!(replay.at(), round);
        replay.try_the_impossible();
    }
    walked.len()
}

#[test]
fn every_state_of_four_members_is_reached_and_everything_else_refused() {
    let states = follows(Setting::new(4, 1, 1), 3);
    assert!(states > 100, "found {states} states");
}

#[test]
fn every_state_of_three_members_is_reached_and_everything_else_refused() {
    let states = follows(Setting::new(3, 0, 1), 3);
    assert!(states > 50, "found {states} states");
}

// spec: [share.cut-signed] [share.cut-limit] [reveal.own-peers]
#[test]
fn every_state_of_five_members_with_cut_edges_is_reached_and_everything_else_refused() {
    for wronged in [Slots::NONE, Slots::from_iter([1, 2])] {
        let states = follows(Setting::new(5, 2, 1).with_cuts(wronged), 2);
        assert!(states > 50, "found {states} states");
    }
}

#[test]
fn every_path_of_two_actions_is_followed() {
    let model = LyingCoordinator::new(Setting::new(4, 1, 1));
    let (one, two) = (within(model, 1), within(model, 2));
    // No two first actions lead to the same state, so there is a path for each step from there.
    let Within { states, steps } = one;
    assert_eq!(states, steps + 1);
    assert_eq!(paths(&model, 1).len(), steps);
    let paths = paths(&model, 2);
    assert_eq!(paths.len(), two.steps - steps);
    assert!(paths.len() > 300, "found {} paths", paths.len());
    for path in paths {
        Replay::follow(model, &path).unwrap_or_else(|(taken, action, refusal)| {
            panic!("{path:?}, {taken}: {action:?}: {refusal}")
        });
    }
}
