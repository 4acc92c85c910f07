//! The ledger of one task: what was spent, what is left, and the end of it.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Accountant, Release, Statement, UnitMismatch};
use crate::Unit;

/// Privacy budget of one task, charged once per round.
///
/// The member charges it before the first byte of its upload and writes the entry to its disk; a later attempt of the
/// same round costs nothing more, since at most one sum of a round is ever opened.
#[derive(Clone, Debug)]
pub struct Budget {
    task: [u8; 32],
    unit: Unit,
    epsilon: f64,
    delta: f64,
    entries: BTreeMap<u64, Release>,
}

/// What a charge did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charge {
    /// The round on its own.
    pub round: Statement,
    /// All rounds so far, this one included.
    pub total: Statement,
    /// Whether the round had been charged before.
    pub repeated: bool,
}

/// Why a round may not be taken part in.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BudgetError {
    /// The round would spend more than there is. Nothing was charged.
    #[error("found {would_be}, the budget is epsilon {budget}")]
    Exceeded {
        /// The total with this round.
        would_be: Statement,
        /// The budget.
        budget: f64,
    },
    /// The round was charged with other noise or sensitivity.
    #[error("found another release of round {round} than was charged")]
    Conflict {
        /// The round.
        round: u64,
    },
    /// The release is about another unit.
    #[error(transparent)]
    Unit(#[from] UnitMismatch),
    /// Not a budget.
    #[error(
        "found a budget of epsilon {epsilon} at delta {delta}, wanted a positive epsilon and a delta from 0 to below 1"
    )]
    NotABudget {
        /// Epsilon given.
        epsilon: f64,
        /// Delta given.
        delta: f64,
    },
}

impl Budget {
    /// A budget for all rounds of a task, nothing spent.
    ///
    /// # Errors
    ///
    /// Epsilon is not positive, or delta not from 0 to below 1.
    pub fn new(task: [u8; 32], unit: Unit, epsilon: f64, delta: f64) -> Result<Self, BudgetError> {
        if !(epsilon > 0.0 && (0.0..1.0).contains(&delta)) {
            return Err(BudgetError::NotABudget { epsilon, delta });
        }
        Ok(Self {
            task,
            unit,
            epsilon,
            delta,
            entries: BTreeMap::new(),
        })
    }

    /// Puts back an entry of a ledger that was read from disk, even above the budget: what was spent is spent.
    ///
    /// # Errors
    ///
    /// The entry is about another unit, or the round is there with another release.
    pub fn restore(&mut self, round: u64, release: Release) -> Result<(), BudgetError> {
        self.admit(round, &release)?;
        self.entries.insert(round, release);
        Ok(())
    }

    /// Charges a round, once.
    ///
    /// # Errors
    ///
    /// The round would exceed the budget, was charged with another release, or is about another unit. Nothing is
    /// charged then.
    // spec: [noise.budget.once] [noise.budget.stop]
    pub fn charge(&mut self, round: u64, release: &Release) -> Result<Charge, BudgetError> {
        let repeated = self.admit(round, release)?;
        let total = if repeated {
            self.spent()
        } else {
            let would_be = self.spent_with(Some(release), 1);
            // An infinite or undefined epsilon is never within the budget.
            let within = would_be.epsilon <= self.epsilon;
            if !within {
                return Err(BudgetError::Exceeded {
                    would_be,
                    budget: self.epsilon,
                });
            }
            self.entries.insert(round, release.clone());
            would_be
        };
        let mut alone = Accountant::new(self.unit);
        alone.compose(release, 1)?;
        Ok(Charge {
            round: alone.statement(self.delta),
            total,
            repeated,
        })
    }

    /// Digest of the task.
    #[must_use]
    pub const fn task(&self) -> &[u8; 32] {
        &self.task
    }

    /// What all charged rounds guarantee.
    #[must_use]
    pub fn spent(&self) -> Statement {
        self.spent_with(None, 0)
    }

    /// Epsilon that is left. Epsilons do not add up, so a round may cost less of it than its own.
    #[must_use]
    pub fn remaining(&self) -> f64 {
        (self.epsilon - self.spent().epsilon).max(0.0)
    }

    /// How many more rounds like this one fit, at most `most`.
    #[must_use]
    pub fn rounds_left(&self, release: &Release, most: u64) -> u64 {
        let fits = |rounds| self.spent_with(Some(release), rounds).epsilon <= self.epsilon;
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }

    /// The rounds charged, in order, for the ledger on disk.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u64, &Release)> {
        self.entries
            .iter()
            .map(|(round, release)| (*round, release))
    }

    /// Whether the round is there already.
    fn admit(&self, round: u64, release: &Release) -> Result<bool, BudgetError> {
        if release.unit() != self.unit {
            return Err(UnitMismatch {
                found: release.unit(),
                wanted: self.unit,
            }
            .into());
        }
        match self.entries.get(&round) {
            Some(charged) if charged == release => Ok(true),
            Some(_) => Err(BudgetError::Conflict { round }),
            None => Ok(false),
        }
    }

    fn spent_with(&self, more: Option<&Release>, rounds: u64) -> Statement {
        // Rounds of a task mostly have one release; equal ones are accounted together.
        let mut counts: Vec<(&Release, u64)> = Vec::new();
        let all = self.entries.values().map(|release| (release, 1));
        for (release, times) in all.chain(more.map(|release| (release, rounds))) {
            match counts.iter_mut().find(|(known, _)| *known == release) {
                Some((_, count)) => *count += times,
                None => counts.push((release, times)),
            }
        }
        let mut accountant = Accountant::new(self.unit);
        let composed = counts
            .into_iter()
            .try_for_each(|(release, count)| accountant.compose(release, count));
        debug_assert!(composed.is_ok(), "entries were admitted by their unit");
        accountant.statement(self.delta)
    }
}
