//! What noise has cost a member: one release for each (task, round), and what they come to together.

use crate::ids::{Round, TaskDigest};
use std::collections::BTreeMap;
use veilsum_dp::{Accountant, Filter, Observer, Release, Statement, Unit};

/// What was charged.
#[derive(Clone, Debug, Default)]
pub(super) struct Charges(BTreeMap<TaskDigest, BTreeMap<Round, Release>>);

/// One more round, not charged yet.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// Task.
    pub task: &'a TaskDigest,
    /// Its noise against its sensitivity.
    pub release: &'a Release,
}

/// A bound on what releases may cost one unit together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Unit that is protected.
    pub unit: Unit,
    /// Largest epsilon.
    pub epsilon: f64,
    /// Delta at which it is taken.
    pub delta: f64,
}

impl Charges {
    /// The first release of a (task, round) stands: what was spent is spent, and nothing is spent twice.
    pub(super) fn add(&mut self, round: Round, charge: Charge<'_>) {
        let rounds = self.0.entry(*charge.task).or_default();
        let release = || charge.release.clone();
        rounds.entry(round).or_insert_with(release);
    }

    pub(super) fn of_round(&self, task: &TaskDigest, round: Round) -> Option<&Release> {
        self.0.get(task)?.get(&round)
    }

    /// What the rounds of one task cost the unit of the first of them.
    pub(super) fn of_task(&self, task: &TaskDigest, delta: f64) -> Option<Statement> {
        let rounds = self.0.get(task)?;
        let unit = rounds.values().next()?.unit();
        Counted::of(rounds.values(), unit)?.stated(delta)
    }

    /// What all rounds that bound the unit of a limit cost it, as the limit counts it.
    pub(super) fn of_unit(&self, limit: Limit) -> Option<Statement> {
        Counted::of(self.all(), limit.unit)?.filtered(limit.filter())
    }

    /// What the rounds of one task would cost with one more, as the limit counts it.
    ///
    /// Rounds with one release have one best order, however many there are; only their number is chosen later. Where releases
    /// differ (the roster was another), the first of them fixes the order.
    // spec: [noise.account.adaptive]
    pub(super) fn of_task_with(&self, charge: Charge<'_>, limit: Limit) -> Statement {
        let charged = self
            .0
            .get(charge.task)
            .into_iter()
            .flat_map(BTreeMap::values);
        let rounds = charged.chain([charge.release]);
        let counted = Counted::of(rounds, limit.unit);
        let would_be = counted.and_then(|counted| match counted.0.as_slice() {
            [_] => counted.stated(limit.delta),
            [(first, _), ..] => {
                let filter = Filter::repeating(limit.epsilon, limit.delta, first);
                counted.filtered(filter)
            }
            [] => None,
        });
        would_be.unwrap_or_else(|| limit.unknown())
    }

    /// What all rounds would cost with one more, as the limit counts it.
    // spec: [noise.account.adaptive]
    pub(super) fn of_unit_with(&self, charge: Charge<'_>, limit: Limit) -> Statement {
        let counted = Counted::of(self.all().chain([charge.release]), limit.unit);
        let would_be = counted.and_then(|counted| counted.filtered(limit.filter()));
        would_be.unwrap_or_else(|| limit.unknown())
    }

    /// Whether any round was for a unit.
    pub(super) fn any_of(&self, unit: Unit) -> bool {
        self.all().any(|release| release.unit() == unit)
    }

    fn all(&self) -> impl Iterator<Item = &Release> {
        self.0.values().flat_map(BTreeMap::values)
    }
}

impl Limit {
    /// Whoever chooses the tasks saw the sums before: the order follows from the limit alone.
    fn filter(self) -> Filter {
        Filter::new(self.epsilon, self.delta)
    }

    fn unknown(self) -> Statement {
        Statement {
            epsilon: f64::INFINITY,
            delta: self.delta,
            unit: self.unit,
            observer: Observer::Everyone,
        }
    }
}

/// Releases for one unit, equal ones together, in the order of their first.
struct Counted(Vec<(Release, u64)>, Unit);

impl Counted {
    /// Of the releases that bound the unit; `None` if there are none.
    // spec: [noise.account.unit] [noise.account.examples]
    fn of<'a>(releases: impl Iterator<Item = &'a Release>, unit: Unit) -> Option<Self> {
        // Rounds of a task mostly have one release; equal ones are accounted together.
        let mut counts: Vec<(&Release, u64)> = Vec::new();
        for release in releases {
            match counts.iter_mut().find(|(known, _)| *known == release) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => counts.push((release, 1)),
            }
        }
        let bound = counts
            .into_iter()
            .filter_map(|(release, count)| Some((release.for_unit(unit)?, count)));
        let bound = bound.collect::<Vec<_>>();
        (!bound.is_empty()).then_some(Self(bound, unit))
    }

    fn stated(&self, delta: f64) -> Option<Statement> {
        Some(self.composed()?.statement(delta))
    }

    fn filtered(&self, filter: Filter) -> Option<Statement> {
        Some(filter.cost(&self.composed()?))
    }

    // spec: [noise.account.compose]
    fn composed(&self) -> Option<Accountant> {
        let mut accountant = Accountant::new(self.1);
        for (release, count) in &self.0 {
            accountant.compose(release, *count).ok()?;
        }
        Some(accountant)
    }
}
