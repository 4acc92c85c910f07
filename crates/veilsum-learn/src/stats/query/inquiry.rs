//! The asker's side: from sums to the next question or the answer.

use super::super::{Bisection, StatsError, require_length};
use super::answer::{self, Seen};
use super::{Answer, Query, Question, Statistic};

/// A query under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
    question: Question,
    seen: Vec<Seen>,
}

/// What the sum of a round leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Another round.
    Next(Box<Inquiry>),
    /// The end.
    Done(Answer),
}

impl Inquiry {
    /// Begins a query.
    pub fn new(query: Query) -> Self {
        Self {
            question: Question::first(query),
            seen: Vec::new(),
        }
    }

    /// Takes the sum of all members' vectors. `noise` is the variance of the noise on each integer, 0 without noise.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`] for another number of integers.
    pub fn take(self, sum: &[i64], noise: f64) -> Result<Progress, StatsError> {
        require_length("integers", sum.len(), self.question.query.integers())?;
        match self.question.search {
            None => Ok(Progress::Done(answer::decode(
                &self.question.query,
                sum,
                noise,
            ))),
            Some(search) => self.bisect(search, sum, noise),
        }
    }

    /// What members are asked now.
    pub fn question(&self) -> &Question {
        &self.question
    }

    // spec: [stats.query.quantile]
    fn bisect(
        mut self,
        mut search: Bisection,
        sum: &[i64],
        noise: f64,
    ) -> Result<Progress, StatsError> {
        let threshold = search.threshold();
        // spec: [stats.query.empty]
        let share = match search.observe(sum) {
            Ok(()) => Some(answer::share(sum, noise)),
            Err(StatsError::NoCount { .. }) => None,
            Err(error) => return Err(error),
        };
        self.seen.push(Seen { threshold, share });
        // spec: [stats.query.repeated]
        let exhausted = match share {
            Some(_) => !search.is_divisible(),
            // the same threshold again: with noise the next sum may hold a count, without there are no rows
            None => noise == 0.0 || !search.is_divisible(),
        };
        self.question.search = Some(search);
        let round = self.question.round.saturating_add(1);
        let Query {
            statistic, columns, ..
        } = &self.question.query;
        match (statistic, columns.first()) {
            (
                Statistic::Quantile {
                    search: whole,
                    steps,
                },
                Some(column),
            ) if exhausted || round >= *steps => {
                let found = answer::quantile(column, whole, &search, &self.seen);
                Ok(Progress::Done(found))
            }
            _ => {
                self.question.round = round;
                Ok(Progress::Next(Box::new(self)))
            }
        }
    }
}
