//! Searches to the end, or to an attack.

use crate::member::Mutant;
use crate::round::{Action, LyingCoordinator};
use stateright::{Checker as _, HasDiscoveries, Model};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What a whole search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// States, each counted once.
    pub states: usize,
    /// Actions on the longest of the shortest paths.
    pub depth: usize,
}

/// Looks at every state that can be reached.
///
/// # Panics
///
/// When a promise is broken in one of them, with the way there; or when one that something comes of the round is never kept.
pub fn search<M>(model: M) -> Found
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = model.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
    }
}

/// States and transitions within so many actions from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// States, each counted once.
    pub states: usize,
    /// Steps from the states that are one action nearer, be it to a state that was seen.
    pub steps: usize,
}

/// How far the same search comes in so many actions: what a walk of that depth has to have seen.
pub fn within(model: LyingCoordinator, depth: usize) -> Within {
    // it counts the start as the first of a path
    let checker = model.checker().target_max_depth(depth + 1);
    let checker = checker.spawn_bfs().join();
    Within {
        states: checker.unique_state_count(),
        steps: checker.state_count() - 1,
    }
}

/// A shortest way to what the lack of a check breaks; none if nothing breaks.
pub fn attack(mutant: Mutant) -> Option<Vec<Action>> {
    let model = LyingCoordinator::against(mutant.setting(), mutant);
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([mutant.breaks()]));
    let checker = model.checker().finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(mutant.breaks())?;
    Some(path.into_actions())
}
