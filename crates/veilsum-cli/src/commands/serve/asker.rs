//! A task that asks its members a query: the question goes out as the base model, the sum leads to the next or to the answer.

use super::hook::Publisher;
use super::lines::Printer;
use crate::commands::stats::{RoundLine, StatsResult};
use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use crate::stats::task::fits;
use bytes::Bytes;
use serde::Serialize;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_learn::stats::{Answer, Inquiry, Progress, Query};
use veilsum_proto::ids::Round;
use veilsum_proto::roster::Name;
use veilsum_proto::task::Task;
use veilsum_server::{RoundAbort, RoundResult, TaskHook};

/// Publishes every sum, and the answer when it is there, which ends the task.
pub(super) struct Asker {
    publisher: Publisher,
    printer: Arc<Printer>,
    results: PathBuf,
    query: Query,
    /// None once the answer is there, or cannot be had.
    inquiry: Option<Inquiry>,
    rounds: Vec<RoundLine>,
}

/// The event of an answer.
#[derive(Serialize)]
struct AnswerLine<'a> {
    event: &'static str,
    task: &'a Name,
    /// What holds the rest of this line.
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    file: Option<PathBuf>,
    #[serde(flatten)]
    result: &'a StatsResult,
}

impl Asker {
    pub(super) fn start(
        task: &Task,
        query: &Query,
        results: &Path,
        publisher: Publisher,
        printer: Arc<Printer>,
    ) -> Result<Self, Failure> {
        fits(query, task).map_err(|told| {
            Failure::refused(format_args!("`query` does not fit the task: {told}")).hint(
                "`veilsum stats ... --task FILE` writes the task of a query and shows the query beside it",
            )
        })?;
        Ok(Self {
            publisher,
            printer,
            results: results.to_owned(),
            query: query.clone(),
            inquiry: Some(Inquiry::new(query.clone())),
            rounds: Vec::new(),
        })
    }

    /// Takes the sum; the answer, if it is the last.
    fn take(&mut self, result: &RoundResult<'_>) -> Result<Option<Answer>, Failure> {
        let Some(inquiry) = self.inquiry.take() else {
            return Ok(None);
        };
        self.rounds.push(RoundLine {
            round: result.round.0,
            threshold: inquiry.question().threshold(),
            survivors: result.survivors.len(),
            sum_sha256: hex::encode(result.sum_sha256),
        });
        let noise = result.noise.as_ref().map_or(0.0, |noise| noise.variance);
        match inquiry.take(result.integers.values(), noise) {
            Ok(Progress::Next(next)) => {
                self.inquiry = Some(*next);
                Ok(None)
            }
            Ok(Progress::Done(answer)) => Ok(Some(answer)),
            Err(error) => Err(Failure::failed(error)),
        }
    }

    fn publish(&mut self, answer: Answer, result: &RoundResult<'_>) -> Result<(), Failure> {
        let context = result.context;
        let noise = context.task.noise().zip(context.noise.as_deref());
        let shown = StatsResult::new(
            self.query.clone(),
            answer,
            context.slots(),
            std::mem::take(&mut self.rounds),
            // members were charged for rounds without a sum too
            noise.map(|(spec, noise)| (spec, noise, result.round.0)),
        );
        let warnings = shown.warnings();
        warnings.iter().for_each(|told| self.printer.warn(told));
        let file = self.results.join(format!("{}-answer.json", result.name));
        let bytes = serde_json::to_vec_pretty(&shown).map_err(Failure::failed)?;
        let written = files::write(&file, &bytes, Readers::Owner, Existing::Replace);
        self.printer.show(&AnswerLine {
            event: "answer",
            task: result.name,
            file: written.is_ok().then_some(file),
            result: &shown,
        });
        written
    }
}

impl TaskHook for Asker {
    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        let question = self.inquiry.as_ref()?.question();
        Some(question.to_bytes().into())
    }

    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        let flow = self.publisher.finished(result);
        let over = match self.take(result) {
            Ok(None) if self.inquiry.is_some() => return flow,
            Ok(None) => Ok(()),
            Ok(Some(answer)) => self.publish(answer, result),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = over {
            self.printer
                .warn(&format_args!("answer of round {}: {failure}", result.round));
            self.publisher.unwritten(failure);
        }
        ControlFlow::Break(())
    }

    fn aborted(&mut self, abort: &RoundAbort) {
        self.publisher.aborted(abort);
    }

    fn over(&mut self) {
        self.publisher.over();
    }
}

impl fmt::Display for AnswerLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: answer", self.task)?;
        self.result.fmt(f)?;
        match &self.file {
            Some(file) => write!(f, ", written to {}", file.display()),
            None => Ok(()),
        }
    }
}
