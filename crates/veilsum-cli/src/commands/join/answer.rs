//! `--stats`: the member's answer to a question, if its site allows it.

use super::lines::Printer;
use crate::exit::Failure;
use crate::stats::{self, LeftOut, Reading, allow::StatsTable, task::fits};
use ndarray::Array2;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_client::{Asked, Policy, RoundInfo};
use veilsum_encode::Tensors;
use veilsum_learn::stats::{Query, Question, tensors};

/// Answers from a table, which is read anew for each round.
pub(super) struct Answerer {
    table: PathBuf,
    site: StatsTable,
    /// Columns that the site lists.
    listed: Vec<String>,
    /// How many of the first rows an answer is of, whatever is asked; none where each answer has noise that a bound over all rounds pays for.
    bound: Option<NonZeroU32>,
    printer: Arc<Printer>,
}

impl Answerer {
    pub(super) fn new(
        table: &Path,
        site: StatsTable,
        policy: &Policy,
        printer: Arc<Printer>,
    ) -> Result<Self, Failure> {
        // told before anything is joined
        std::fs::File::open(table).map_err(|error| Failure::io(table, &error))?;
        if !site.allows_any() {
            return Err(
                Failure::refused("the configuration allows no statistic").hint(
                    "list columns and kinds in the table [stats]: veilsum join --print-example",
                ),
            );
        }
        let mut bounds = policy.privacy.bounds.iter();
        let bounds_epsilon = bounds.any(|bounds| bounds.total.is_some());
        let bound = site.bound(bounds_epsilon, table, || stats::count_rows(table))?;
        Ok(Self {
            table: table.to_owned(),
            listed: site.columns(),
            site,
            bound,
            printer,
        })
    }

    // spec: [stats.query.refuse]
    pub(super) fn answer(&self, info: &RoundInfo) -> Result<Tensors, Failure> {
        let no_question = "the task asks no question that `--stats` answers";
        let bytes = info
            .model
            .as_ref()
            .ok_or_else(|| Failure::refused(no_question))?;
        let question = Question::from_bytes(bytes)
            .map_err(|error| Failure::refused(format_args!("{no_question}: {error}")))?;
        let query = question.query();
        self.site.allows(query).map_err(|told| {
            Failure::refused(told)
                .hint("the table [stats] of the configuration says what is answered")
        })?;
        fits(query, &info.task).map_err(|told| {
            Failure::refused(format_args!("the question does not fit the task: {told}"))
        })?;
        let reading = self.reading(query, info.task.noise().is_some())?;
        let (rows, left_out) = stats::read(&self.table, query, reading)?;
        self.tell(&left_out);
        vector(&question, &rows)
    }

    /// A question about fewer rows than the bound is refused before this, so that no more are brought than it asks for.
    // spec: [stats.query.bound] [stats.query.rows]
    fn reading(&self, query: &Query, noised: bool) -> Result<Reading<'_>, Failure> {
        let (most, whole) = match self.bound {
            Some(bound) => (bound.get(), self.listed.as_slice()),
            None if noised => (query.rows(), Default::default()),
            // the policy refuses such a task, which this does not lean on
            None => {
                return Err(Failure::refused(
                    "this site answers with noise alone, which the task does not have",
                ));
            }
        };
        Ok(Reading {
            most,
            whole,
            empty: self.site.empty,
            noised,
        })
    }

    /// What the round asks; nothing if that is no question, which is not answered then.
    // spec: [answer.once]
    pub(super) fn asked(info: &RoundInfo) -> Option<Asked> {
        let question = Question::from_bytes(info.model.as_ref()?).ok()?;
        Some(Asked::new(question.asked()))
    }

    fn beyond(&self) -> &'static str {
        match self.bound {
            Some(_) => "beyond `min_rows` of the configuration, to be raised,",
            None => "beyond the rows of the query",
        }
    }

    fn tell(&self, left_out: &LeftOut) {
        let LeftOut {
            empty,
            malformed,
            beyond,
        } = left_out;
        for (count, why) in [
            (empty, "with an empty cell"),
            (malformed, "with a cell that is no number"),
            (beyond, self.beyond()),
        ] {
            if *count > 0 {
                let table = self.table.display();
                self.printer
                    .warn(&format_args!("{table}: {count} rows {why} are left out"));
            }
        }
    }
}

fn vector(question: &Question, rows: &Array2<f64>) -> Result<Tensors, Failure> {
    question
        .encode(rows.view())
        .map(tensors)
        .map_err(Failure::refused)
}

#[cfg(test)]
mod tests;
