//! Walks through the model, for the machines to follow.

use crate::round::{Action, LyingCoordinator, Round};
use stateright::Model as _;
use std::collections::HashMap;

/// A shortest path to every state that can be reached in `depth` actions, the empty one first.
///
/// Whoever follows each of them, tries every action at its end and compares what follows has seen every transition from
/// these states.
pub fn edges(model: &LyingCoordinator, depth: usize) -> Vec<(Vec<Action>, Round)> {
    let start = model.start();
    let mut seen = HashMap::from([(start.clone(), ())]);
    let mut walked = vec![(Vec::new(), start)];
    let mut from = 0;
    for _ in 0..depth {
        let to = walked.len();
        for index in from..to {
            let (path, round) = walked[index].clone();
            for action in possible(model, &round) {
                let next = model.after(&round, action);
                if seen.insert(next.clone(), ()).is_none() {
                    let mut path = path.clone();
                    path.push(action);
                    walked.push((path, next));
                }
            }
        }
        from = to;
    }
    walked
}

/// Every path of exactly `depth` actions.
pub fn paths(model: &LyingCoordinator, depth: usize) -> Vec<Vec<Action>> {
    let mut paths = vec![(Vec::new(), model.start())];
    for _ in 0..depth {
        let longer = paths.iter().flat_map(|(path, round)| {
            possible(model, round).into_iter().map(|action| {
                let mut path = path.clone();
                path.push(action);
                (path, model.after(round, action))
            })
        });
        paths = longer.collect();
    }
    paths.into_iter().map(|(path, _)| path).collect()
}

fn possible(model: &LyingCoordinator, round: &Round) -> Vec<Action> {
    let mut actions = Vec::new();
    model.actions(round, &mut actions);
    actions
}
