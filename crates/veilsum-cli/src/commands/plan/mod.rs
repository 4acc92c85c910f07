//! `veilsum plan`, and the report it shares with `veilsum task check`.

mod alternatives;
mod noise;
mod privacy;
mod report;
mod traffic;

pub use noise::{Bits, Wanted};
pub use report::{Report, Subject};

use crate::args::plan::{DEFAULT_BITS, Plan, clip_of};
use crate::exit::{Failure, Kind, Outcome};
use crate::files;
use crate::limits;
use crate::output::{self, Output};
use alternatives::Alternatives;
use serde_json::json;
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, TensorSpec};
use veilsum_proto::ids::Round;
use veilsum_proto::roster::Name;
use veilsum_proto::task::{DEFAULT_ATTEMPTS, Task, TaskError, TaskSpec};

/// Runs the command.
pub fn run(args: &Plan, output: Output) -> Outcome {
    match report(args) {
        Ok(report) => report.show(output),
        Err(failure) => Err(refused(failure, output)),
    }
}

/// With JSON a refusal is a verdict on standard output too, whatever refuses.
pub fn refused(failure: Failure, output: Output) -> Failure {
    if output.is_json() && failure.kind == Kind::Refused {
        output::print_json(&json!({
            "verdict": format!("refused: {}", failure.message()),
            "verdict_kind": "refused",
            "refusal": "task",
        }));
    }
    failure
}

fn report(args: &Plan) -> Result<Report, Failure> {
    if let Some(epsilon) = args.privacy.epsilon {
        limits::epsilon("--epsilon", epsilon)?;
    }
    let task = match &args.task {
        Some(path) => files::task_file(path)?,
        None => task(args)?,
    };
    let wanted = Wanted::of(&args.privacy, args.rounds);
    let bits = match args.task {
        Some(_) => Bits::Given,
        None => Bits::of(args.bits),
    };
    let task = match &wanted {
        Some(wanted) => with_noise(wanted, task, args.members, bits)?,
        None => task,
    };
    let subject = Subject {
        task: &task,
        members: args.members,
        last_round: Round(args.rounds),
        rounds: args.rounds,
    };
    let mut report = Report::derive(&subject)?;
    if wanted.is_some() {
        report.with_noise_table(&task);
    }
    report.alternatives = Some(Alternatives::derive(&subject));
    Ok(report)
}

/// Chooses the noise, unless the numbers of the round are refused anyway: that is for the report to say.
fn with_noise(wanted: &Wanted, task: Task, members: u32, bits: Bits) -> Result<Task, Failure> {
    let outlined = wanted.outlined(task).map_err(|error| files::task(&error))?;
    match outlined.parameters(members) {
        Err(TaskError::Parameters(_)) => Ok(outlined),
        _ => wanted.chosen(&outlined, members, bits),
    }
}

/// A task with the numbers of the command line and one tensor.
fn task(args: &Plan) -> Result<Task, Failure> {
    let name: Name = "plan".parse().map_err(Failure::usage)?;
    let manifest = Manifest::new(vec![TensorSpec {
        name: "update".to_owned(),
        shape: vec![args.dim],
        // noise that hides an example wants f64; nothing of a plan depends on the type
        dtype: Dtype::F64,
    }]);
    let clip = clip_of(args.clip_l1, args.clip_l2, args.clip_linf).unwrap_or(Clip::L2(1.0));
    let encoding = FloatEncoding {
        rotation: args.rotation,
        rounding: args.rounding,
        ..FloatEncoding::new(clip, args.bits.unwrap_or(DEFAULT_BITS)).weighted(args.max_weight)
    };
    Task::new(TaskSpec {
        name,
        manifest: manifest.map_err(Failure::refused)?,
        encoding: Encoding::Float(encoding),
        corrupt: args.corrupt,
        dropout: args.dropout,
        floor: args.floor,
        graph: args.graph,
        electorate: args.electorate,
        cohort: args.cohort,
        max_attempts: DEFAULT_ATTEMPTS,
        noise: None,
    })
    .map_err(|error| files::task(&error))
}
