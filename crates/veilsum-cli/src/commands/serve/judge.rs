//! The task whose rounds judge a job's models at the members: the model goes out, the summed tally comes back.

use super::hook::Publisher;
use super::job::{Found, JobRounds};
use super::lines::{EvaluationLine, Printer};
use crate::exit::Failure;
use bytes::Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;
use veilsum_proto::ids::Round;
use veilsum_server::{ModelDeltas, RoundAbort, RoundResult, TaskHook, Turn};

/// Judges when the rounds that train say so, under the numbers of these.
pub(super) struct Judging {
    rounds: Arc<JobRounds>,
    publisher: Publisher,
    printer: Arc<Printer>,
}

impl Judging {
    pub(super) fn new(rounds: Arc<JobRounds>, publisher: Publisher, printer: Arc<Printer>) -> Self {
        Self {
            rounds,
            publisher,
            printer,
        }
    }

    fn take(&self, result: &RoundResult<'_>) -> Result<Found, Failure> {
        let context = result.context;
        let sum = result
            .integers
            .sum(&context.plan, &context.rotation_seed())
            .map_err(Failure::failed)?;
        self.rounds.judged(result.round, &sum)
    }
}

impl TaskHook for Judging {
    fn turn(&mut self, next: Round) -> Turn {
        let (turn, lost) = self.rounds.judging_turn(next);
        if let Some(round) = lost {
            self.printer.warn(&format_args!(
                "the model of round {round} is not judged: an earlier process of the coordinator ended while it was"
            ));
        }
        turn
    }

    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        Some(self.rounds.bytes())
    }

    fn deltas(&self) -> Option<Arc<dyn ModelDeltas>> {
        Some(self.rounds.deltas())
    }

    // spec: [job.evaluation]
    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        // first of all: what is not in the checkpoint is lost when the process ends here
        let found = self.take(result);
        let flow = self.publisher.finished(result);
        match found {
            Ok(found) => self.printer.show(&EvaluationLine::new(result.name, &found)),
            Err(failure) => {
                self.printer.warn(&format_args!(
                    "evaluation of round {}: {failure}",
                    result.round
                ));
                self.publisher.unwritten(failure);
            }
        }
        flow
    }

    fn aborted(&mut self, abort: &RoundAbort) {
        self.publisher.aborted(abort);
        if !abort.retries {
            self.rounds.unjudged();
        }
    }

    fn over(&mut self) {
        self.publisher.over();
        self.rounds.judging_is_over();
    }
}
