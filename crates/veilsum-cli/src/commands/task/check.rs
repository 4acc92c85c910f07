//! `veilsum task check`.

use crate::args::task::Check;
use crate::commands::plan::{self, Report, Subject};
use crate::exit::{Failure, Outcome};
use crate::files;
use crate::output::Output;
use veilsum_proto::ids::Round;
use veilsum_proto::roster::RosterDraft;

pub(super) fn run(args: &Check, output: Output) -> Outcome {
    let task = files::task_file(&args.file)?;
    let (members, last_round, rounds) = match (&args.roster, args.members) {
        (Some(path), _) => {
            let roster = files::draft(path)?;
            (roster.len(), roster.last_round(), roster.last_round().0)
        }
        (None, Some(members)) => (members, RosterDraft::DEFAULT_LAST_ROUND, ROUNDS),
        (None, None) => return Err(Failure::usage("wanted --members or --roster")),
    };
    let report = Report::derive(&Subject {
        task: &task,
        members,
        last_round: Round(last_round.0),
        rounds: args.rounds.unwrap_or(rounds),
    });
    report
        .map_err(|failure| plan::refused(failure, output))?
        .show(output)
}

/// Rounds that epsilon is the total of when neither roster nor command line says how many.
const ROUNDS: u64 = 100;
