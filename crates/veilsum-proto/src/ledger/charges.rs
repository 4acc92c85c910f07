//! What noise has cost a member: one release for each (task, round), and what they come to together.

use crate::ids::{Round, TaskDigest};
use std::collections::BTreeMap;
use veilsum_dp::{Accountant, Observer, Release, Statement, Unit};

/// What was charged.
#[derive(Clone, Debug, Default)]
pub(super) struct Charges(BTreeMap<TaskDigest, TaskCharges>);

/// Rounds of one task.
#[derive(Clone, Debug)]
struct TaskCharges {
    delta: f64,
    rounds: BTreeMap<Round, Release>,
}

/// One more round, not charged yet.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// Task.
    pub task: &'a TaskDigest,
    /// Its noise against its sensitivity.
    pub release: &'a Release,
    /// Delta that the task states its epsilon at.
    pub delta: f64,
}

impl Charges {
    /// The first release of a (task, round) stands: what was spent is spent, and nothing is spent twice.
    pub(super) fn add(&mut self, round: Round, charge: Charge<'_>) {
        let Charge {
            task,
            release,
            delta,
        } = charge;
        let task = self.0.entry(*task).or_insert_with(|| TaskCharges {
            delta,
            rounds: BTreeMap::new(),
        });
        task.delta = task.delta.min(delta);
        task.rounds.entry(round).or_insert_with(|| release.clone());
    }

    pub(super) fn of_round(&self, task: &TaskDigest, round: Round) -> Option<&Release> {
        self.0.get(task)?.rounds.get(&round)
    }

    /// What the rounds of one task cost, with one more.
    pub(super) fn of_task(
        &self,
        task: &TaskDigest,
        delta: Option<f64>,
        more: Option<Charge<'_>>,
    ) -> Option<Statement> {
        let charged = self.0.get(task);
        compose(charged.into_iter(), None, delta, more)
    }

    /// What all rounds for one unit cost, with one more.
    pub(super) fn of_unit(
        &self,
        unit: Unit,
        delta: Option<f64>,
        more: Option<Charge<'_>>,
    ) -> Option<Statement> {
        compose(self.0.values(), Some(unit), delta, more)
    }
}

/// Composes all releases for `unit` (that of the first, if none is given) at `delta` (the smallest of the tasks', if none is
/// given); `None` if there is none.
// spec: [noise.account.unit] [noise.account.compose]
fn compose<'a>(
    tasks: impl Iterator<Item = &'a TaskCharges>,
    unit: Option<Unit>,
    delta: Option<f64>,
    more: Option<Charge<'a>>,
) -> Option<Statement> {
    let charged = tasks.flat_map(|task| {
        let rounds = task.rounds.values();
        rounds.map(|release| (release, task.delta))
    });
    let all = charged.chain(more.map(|charge| (charge.release, charge.delta)));
    // Rounds of a task mostly have one release; equal ones are accounted together.
    let mut counts: Vec<(&Release, u64)> = Vec::new();
    let mut smallest = f64::INFINITY;
    for (release, delta) in all {
        if unit.is_some_and(|unit| unit != release.unit()) {
            continue;
        }
        smallest = smallest.min(delta);
        match counts.iter_mut().find(|(known, _)| *known == release) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => counts.push((release, 1)),
        }
    }
    let unit = counts.first()?.0.unit();
    let delta = delta.unwrap_or(smallest);
    let mut accountant = Accountant::new(unit);
    let composed = counts
        .into_iter()
        .try_for_each(|(release, count)| accountant.compose(release, count));
    Some(match composed {
        Ok(()) => accountant.statement(delta),
        // Costs for different units cannot be added: nothing is known of the sum.
        Err(_) => Statement {
            epsilon: f64::INFINITY,
            delta,
            unit,
            observer: Observer::Everyone,
        },
    })
}
