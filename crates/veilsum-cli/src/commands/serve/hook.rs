//! What becomes of a sum at the coordinator: files, the next model, a line.

use super::driver::Driver;
use super::job::Stepped;
use super::lines::{EvaluationLine, Printer, ResultLine, Vanished};
use crate::exit::{Failure, Kind, Outcome};
use bytes::Bytes;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use veilsum_encode::{Encoding, Tensors};
use veilsum_proto::ids::Round;
use veilsum_proto::roster::Name;
use veilsum_server::{ModelDeltas, RoundAbort, RoundResult, TaskHook, Turn};

/// Writes the results of one task. What cannot be written is told, counts when the command
/// ends, and does not stop the rounds: members have the sum.
pub(super) struct Publisher {
    task: Name,
    results: PathBuf,
    driver: Option<Driver>,
    printer: Arc<Printer>,
    tally: Arc<Tally>,
}

/// What the command ends with, over all tasks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rounds that ended without a sum.
    pub(super) failed: AtomicU64,
    /// The first result that was not written.
    unwritten: OnceLock<Failure>,
}

impl Tally {
    /// Whether all results were written.
    pub(super) fn written(&self) -> Outcome {
        match self.unwritten.get() {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    fn unwritten(&self, failure: Failure) {
        self.unwritten.get_or_init(|| failure);
    }
}

impl Publisher {
    pub(super) fn new(
        task: &Name,
        results: &Path,
        driver: Option<Driver>,
        printer: Arc<Printer>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            task: task.clone(),
            results: results.to_owned(),
            driver,
            printer,
            tally,
        }
    }

    /// Counts a result that was not written.
    pub(super) fn unwritten(&self, failure: Failure) {
        self.tally.unwritten(failure);
    }

    fn write(&self, result: &RoundResult<'_>, tensors: &Tensors) -> Option<PathBuf> {
        let file = self
            .results
            .join(format!("{}-r{}.safetensors", result.name, result.round));
        match veilsum_learn::files::write(&file, tensors) {
            Ok(()) => Some(file),
            Err(error) => {
                self.printer.warn(&format_args!(
                    "result of round {} is not written: {error}",
                    result.round
                ));
                self.tally.unwritten(self.lost(result.round));
                None
            }
        }
    }

    fn lost(&self, round: Round) -> Failure {
        let folder = self.results.display();
        Failure::new(
            Kind::Io,
            format_args!("{folder}: the result of round {round} is not written"),
        )
        .hint("the warnings above say why; members have the sum all the same")
    }

    fn show_model(&self) {
        if let Some(driver) = &self.driver {
            self.printer.board().model(&self.task, driver.model());
        }
    }

    /// Writes the mean, or the sum of an integer task, and learns from the mean. One of the two is held at a time.
    fn keep(
        &mut self,
        result: &RoundResult<'_>,
    ) -> Result<(Option<PathBuf>, Option<Stepped>), Failure> {
        let context = result.context;
        match context.plan.encoding() {
            Encoding::Float(_) => {
                let mean = result.mean().map_err(Failure::failed)?;
                let file = self.write(result, &mean);
                Ok((file, self.learn(result.round, &mean)))
            }
            Encoding::Integer { .. } => {
                let seed = context.rotation_seed();
                let sum = result.integers.sum(&context.plan, &seed);
                let file = self.write(result, &sum.map_err(Failure::failed)?);
                if self.driver.is_none() {
                    return Ok((file, None));
                }
                let mean = result.mean().map_err(Failure::failed)?;
                Ok((file, self.learn(result.round, &mean)))
            }
        }
    }

    fn learn(&mut self, round: Round, mean: &Tensors) -> Option<Stepped> {
        match self.driver.as_mut()?.step(round, mean) {
            Ok(stepped) => Some(stepped),
            Err(failure) => {
                self.printer
                    .warn(&format_args!("model after round {round}: {failure}"));
                self.tally.unwritten(failure);
                None
            }
        }
    }
}

impl TaskHook for Publisher {
    fn turn(&mut self, next: Round) -> Turn {
        match &self.driver {
            Some(driver) => driver.turn(next),
            None => Turn::Round(next),
        }
    }

    fn base_model(&mut self, _: Round) -> Option<Bytes> {
        self.show_model();
        self.driver.as_ref().map(Driver::bytes)
    }

    fn deltas(&self) -> Option<Arc<dyn ModelDeltas>> {
        self.driver.as_ref().map(Driver::deltas)
    }

    fn finished(&mut self, result: &RoundResult<'_>) -> ControlFlow<()> {
        let (file, stepped) = match self.keep(result) {
            Ok(kept) => kept,
            Err(failure) => {
                self.printer
                    .warn(&format_args!("round {}: {failure}", result.round));
                self.tally.unwritten(failure);
                (None, None)
            }
        };
        self.printer.board().sum(result);
        self.show_model();
        let receipt = self.printer.receipt(result.name, result.round);
        if receipt.is_none() {
            self.tally.unwritten(self.lost(result.round));
        }
        self.printer.show(&ResultLine {
            event: "result",
            task: result.name,
            round: result.round,
            attempt: result.attempt,
            survivor_ids: &result.survivors,
            weight_sum: result.weight,
            sum_sha256: hex::encode(result.sum_sha256),
            noise: result.noise.as_ref(),
            file,
            sum: receipt.as_deref().and_then(packed_sum),
            receipt,
            model: stepped.as_ref().map(|stepped| stepped.model.clone()),
            vanished: Vanished::list(&result.vanished),
            upload_bytes: result.upload_bytes,
            download_bytes: result.download_bytes,
            wall_s: result.wall.as_secs_f64(),
        });
        if let Some(found) = stepped.and_then(|stepped| stepped.found) {
            self.printer.show(&EvaluationLine::new(result.name, &found));
        }
        match self.driver.as_ref().is_some_and(Driver::is_over) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn aborted(&mut self, abort: &RoundAbort) {
        if abort.retries {
            return;
        }
        self.tally.failed.fetch_add(1, Ordering::Relaxed);
        self.printer.board().without_sum(&self.task);
        if let Some(driver) = &self.driver {
            driver.skip(abort.round);
        }
    }

    fn over(&mut self) {
        self.printer.board().over(&self.task);
        if let Some(driver) = &self.driver {
            driver.over();
        }
    }
}

/// The packed sum that the service writes beside the receipt.
fn packed_sum(receipt: &Path) -> Option<PathBuf> {
    let mut name = receipt.file_stem()?.to_os_string();
    name.push("-sum.bin");
    Some(receipt.with_file_name(name))
}
