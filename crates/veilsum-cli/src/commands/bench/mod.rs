//! `veilsum bench`: what each step costs on this machine, beside what the machine allows.
//!
//! Not a load test: no network but loopback, one process, nothing that another host would have to confirm.

mod args;
mod coordinator;
mod ingest;
mod limit;
mod machine;
mod member;
mod report;
mod round;
mod timing;

pub use args::BenchArgs;

use crate::exit::{Failure, Outcome};
use crate::output::{self, Output};
use args::Step;
use limit::Signatures;
use machine::Machine;
use report::{Report, Row};
use round::{Round, Size, Values, nine_of_ten};
use std::time::Instant;
use veilsum_proto::parameters::GraphChoice;

/// Runs the command.
pub fn run(args: &BenchArgs, output: Output) -> Outcome {
    let started = Instant::now();
    let machine = Machine::of_this();
    let rows = rows(args, &machine)?;
    output.show(&Report {
        machine,
        version: env!("CARGO_PKG_VERSION"),
        quick: args.quick,
        wall_s: started.elapsed().as_secs_f64(),
        rows,
    });
    Ok(())
}

fn rows(args: &BenchArgs, machine: &Machine) -> Result<Vec<Row>, Failure> {
    let quick = args.quick;
    let mut rows = Vec::new();
    if args.wants(Step::MaskKernel) {
        begin(Step::MaskKernel);
        rows.extend(member::mask_kernel(machine, quick));
    }
    if args.wants(Step::MemberPath) {
        begin(Step::MemberPath);
        rows.push(member::member_path(quick)?);
    }
    if args.wants(Step::MemberRest) || args.wants(Step::CoordinatorRest) {
        rows.extend(rests(args)?);
    }
    if args.wants(Step::Unmask) {
        begin(Step::Unmask);
        rows.push(coordinator::unmask(quick)?);
    }
    if args.wants(Step::Ingest) {
        begin(Step::Ingest);
        rows.push(ingest::ingest(quick)?);
    }
    Ok(rows)
}

/// What is neither keystream nor network, of one round that both sides are measured in.
fn rests(args: &BenchArgs) -> Result<Vec<Row>, Failure> {
    let size = Size {
        members: if args.quick { 300 } else { 1000 },
        coordinates: 100_000,
        graph: GraphChoice::Auto,
        values: Values::Integers,
    };
    begin(Step::MemberRest);
    let mut round = Round::new(size)?;
    let signatures = Signatures::new();
    let primitives = member::primitives(round.context.parameters, &signatures);
    let machine = round.share(Some(&member::beside(&primitives, args.quick)))?;
    round.finish(machine, nine_of_ten)?;
    let mut rows = Vec::new();
    if args.wants(Step::MemberRest) {
        rows.push(member::member_rest(&mut round));
    }
    if args.wants(Step::CoordinatorRest) {
        begin(Step::CoordinatorRest);
        rows.push(coordinator::coordinator_rest(
            &round,
            &signatures,
            args.quick,
        )?);
    }
    Ok(rows)
}

fn begin(step: Step) {
    output::tell(&format_args!("measuring {step}"));
}
