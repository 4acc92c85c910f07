//! The machines do, and refuse, what the model says.

use veilsum_model::{LyingCoordinator, Replay, Setting, edges, paths};

fn follows(model: LyingCoordinator, depth: usize) -> usize {
    let walked = edges(&model, depth);
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
    let states = follows(LyingCoordinator::new(Setting::new(4, 1, 1)), 3);
    assert!(states > 100, "found {states} states");
}

#[test]
fn every_state_of_three_members_is_reached_and_everything_else_refused() {
    let states = follows(LyingCoordinator::new(Setting::new(3, 0, 1)), 3);
    assert!(states > 50, "found {states} states");
}

#[test]
fn every_path_of_two_actions_is_followed() {
    let model = LyingCoordinator::new(Setting::new(4, 1, 1));
    for path in paths(&model, 2) {
        Replay::follow(model, &path).unwrap_or_else(|(taken, action, refusal)| {
            panic!("{path:?}, {taken}: {action:?}: {refusal}")
        });
    }
}
