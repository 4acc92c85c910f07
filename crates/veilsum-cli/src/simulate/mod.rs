//! `veilsum simulate`: a whole round in one process, no network, real cryptography.

mod args;
mod npy;
mod result;

pub use args::SimulateArgs;

use crate::caution;
use crate::exit::{Failure, Outcome};
use crate::output::{self, Output};
use indicatif::{ProgressBar, ProgressStyle};
use result::SimulateResult;
use std::sync::LazyLock;
use std::time::Duration;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::parameters::Amount;
use veilsum_proto::task::Task;
use veilsum_sim::{Federation, Formula, Honest, Inputs, RunError, RunOptions, Script, SetupError};

/// Runs the command.
pub fn run(args: &SimulateArgs, output: Output) -> Outcome {
    let shape = args.shape()?;
    let mut spec = Federation::integer_task(
        shape.dim as u64,
        args.bits,
        Amount::Rate(args.corrupt),
        shape.tolerance,
    )
    .map_err(|error| setup(&error))?;
    spec.graph = args.graph;
    let task = Task::new(spec).map_err(|error| crate::files::task(&error))?;
    let parameters = task
        .parameters(args.members)
        .map_err(|error| crate::files::task(&error))?;
    // the text result says it itself
    let verdict = caution::verdict(&parameters);
    if output.is_json() && verdict.is_warning {
        output::tell(&verdict.text);
    }
    task.plan(args.members)
        .map_err(|error| crate::files::task(&error))?;
    let federation = Federation::new(args.members, args.seed).map_err(|error| setup(&error))?;
    let inputs: Box<dyn Inputs> = match shape.matrix {
        Some(matrix) => Box::new(matrix),
        None => Box::new(Formula {
            seed: args.seed,
            coordinates: shape.dim,
            bits: args.bits,
        }),
    };
    let options = RunOptions {
        script: Script::drawn(args.members, shape.early, shape.late, args.seed),
        progress: output::watched().then_some(show as fn(PhaseName)),
        ..RunOptions::default()
    };
    let report = federation.run(&task, inputs.as_ref(), &options, &mut Honest);
    BAR.finish_and_clear();
    let report = report.map_err(|error| run_error(&error))?;
    if let (Some(path), Some(sum)) = (&args.sum, &report.sum) {
        npy::write(path, sum)?;
    }
    let result = SimulateResult::new(args, &report);
    output.show(&result);
    result.outcome()
}

/// The phase at work, shown once a second passed.
static BAR: LazyLock<ProgressBar> = LazyLock::new(|| {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
});

fn show(phase: PhaseName) {
    BAR.set_message(phase.text());
}

fn run_error(error: &RunError) -> Failure {
    match error {
        RunError::Task(error) => crate::files::task(error),
        RunError::Coordinates { .. } => Failure::usage(error),
    }
}

fn setup(error: &SetupError) -> Failure {
    match error {
        SetupError::Roster(error) => Failure::refused(error),
        SetupError::Task(error) => crate::files::task(error),
        SetupError::Tensors(text) => Failure::usage(text),
    }
}
