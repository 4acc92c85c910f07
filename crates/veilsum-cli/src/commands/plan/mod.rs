//! `veilsum plan`, and the report it shares with `veilsum task check`.

mod alternatives;
mod report;
mod traffic;

pub use report::{Report, Subject};

use crate::args::plan::Plan;
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::output::Output;
use alternatives::Alternatives;
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, TensorSpec};
use veilsum_proto::ids::Round;
use veilsum_proto::roster::{Name, RosterDraft};
use veilsum_proto::task::{DEFAULT_ATTEMPTS, Task, TaskSpec};

/// Runs the command.
pub fn run(args: &Plan, output: Output) -> Outcome {
    let most = RosterDraft::MAX_LAST_ROUND.0;
    if !(1..=most).contains(&args.rounds) {
        return Err(Failure::usage(format_args!(
            "--rounds is {}, wanted 1 to {most}",
            args.rounds
        )));
    }
    let task = task(args)?;
    let subject = Subject {
        task: &task,
        members: args.members,
        last_round: Round(args.rounds),
    };
    let mut report = Report::derive(&subject)?;
    report.alternatives = Some(Alternatives::derive(&subject));
    report.show(output)
}

/// A task with the numbers of the command line and one tensor.
fn task(args: &Plan) -> Result<Task, Failure> {
    let name: Name = "plan".parse().map_err(Failure::usage)?;
    let manifest = Manifest::new(vec![TensorSpec {
        name: "update".to_owned(),
        shape: vec![args.dim],
        dtype: Dtype::F32,
    }]);
    let encoding = FloatEncoding::new(Clip::LInf(1.0), args.bits).weighted(args.max_weight);
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
