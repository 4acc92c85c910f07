//! `veilsum stats`.

mod noise;
mod report;
mod rounds;

use crate::args::stats::{BoundsArg, Stats};
use crate::caution;
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing, Readers};
use crate::output::{self, Output};
use crate::stats::{self, LeftOut, Reading};
use ndarray::Array2;
pub use report::StatsResult;
use report::TaskWritten;
pub use rounds::RoundLine;
use std::path::Path;
use veilsum_dp::Unit;
use veilsum_learn::stats::{Kind, Parameters, Query};
use veilsum_proto::task::Task;

/// Runs the command.
pub fn run(args: &Stats, output: Output) -> Outcome {
    if args.print_example {
        output::print(&EXAMPLE.trim_end());
        return Ok(());
    }
    let parameters = parameters(args)?;
    let members = match args.members {
        Some(members) => members,
        None => u32::try_from(args.member.len()).unwrap_or(u32::MAX),
    };
    if let Some(epsilon) = &args.epsilon {
        crate::limits::epsilon("--epsilon", epsilon.to_f64_up())?;
    }
    let wrong = |failure: Failure| match &args.query {
        Some(path) => failure.in_file(path),
        None => failure,
    };
    let (query, task) = noise::plan(args, &parameters, members).map_err(wrong)?;
    match &args.task {
        Some(path) => {
            caution::of_task(&task, members)?;
            write_task(args, path, &query, &task, members, output)
        }
        None => compute(args, query, &task, output),
    }
}

fn compute(args: &Stats, query: Query, task: &Task, output: Output) -> Outcome {
    let tables = tables(args, &query)?;
    let members = u32::try_from(tables.len()).unwrap_or(u32::MAX);
    let (answer, rounds) = rounds::run(&query, &tables, task)?;
    let noise = task
        .round_noise(members)
        .map_err(|error| files::task(&error))?;
    let spent = rounds.len() as u64;
    let noise = task.noise().zip(noise.as_deref());
    let noise = noise.map(|(spec, noise)| (spec, noise, spent));
    let result = StatsResult::new(query, answer, members, rounds, noise);
    result.warnings().iter().for_each(output::warn);
    output.show(&result);
    Ok(())
}

/// What the command line, or the file that it names, asks.
fn parameters(args: &Stats) -> Result<Parameters, Failure> {
    match (&args.query, args.kind) {
        (Some(path), _) => crate::config::read(path),
        (None, Some(kind)) => flags(args, kind),
        (None, None) => Err(Failure::usage("wanted a kind of statistic, or --query")),
    }
}

fn flags(args: &Stats, kind: Kind) -> Result<Parameters, Failure> {
    let by_member = args.epsilon.is_some() && args.unit == Unit::Member;
    if by_member && args.rows.is_none() {
        return Err(Failure::usage("--unit member needs --rows").hint(
            "the noise grows with the most rows that a member may bring; choose a number without looking at the data",
        ));
    }
    let mut bounds: Vec<[f64; 2]> = args
        .bounds
        .iter()
        .map(|BoundsArg(bounds)| *bounds)
        .collect();
    if let [one] = bounds[..] {
        bounds = vec![one; args.column.len().max(1)];
    }
    let median = (kind == Kind::Quantile).then_some(0.5);
    Ok(Parameters {
        kind,
        columns: args.column.clone(),
        rows: args.rows.unwrap_or(ROWS),
        bounds,
        bits: args.bits,
        shrink: args.shrink,
        edges: args.edges.clone(),
        quantile: args.quantile.or(median),
        steps: args.steps,
    })
}

fn tables(args: &Stats, query: &Query) -> Result<Vec<Array2<f64>>, Failure> {
    let mut tables = Vec::new();
    let reading = Reading {
        most: query.rows(),
        whole: &[],
        empty: args.empty,
        noised: args.epsilon.is_some(),
    };
    for path in &args.member {
        let (rows, left_out) = stats::read(path, query, reading)?;
        if left_out.beyond > 0 && !reading.noised {
            return Err(too_long(path, query.rows()));
        }
        let LeftOut {
            empty,
            malformed,
            beyond,
        } = left_out;
        for (count, why) in [
            (empty, "with an empty cell"),
            (malformed, "with a cell that is no number"),
            (beyond, "beyond --rows"),
        ] {
            if count > 0 {
                let path = path.display();
                output::tell(&format_args!("{path}: {count} rows {why} are left out"));
            }
        }
        tables.push(rows);
    }
    Ok(tables)
}

/// Of a member over the network no part of a table is answered about without noise that it is paid for; nor is it here.
// spec: [stats.query.bound]
fn too_long(path: &Path, rows: u32) -> Failure {
    let error = format!("found more than {rows} rows, the most of the query, and no noise");
    Failure::usage(error).in_file(path).hint(
        "say --rows with a number that no table exceeds; a part of a table is answered about with --epsilon alone",
    )
}

fn write_task(
    args: &Stats,
    path: &Path,
    query: &Query,
    task: &Task,
    members: u32,
    output: Output,
) -> Outcome {
    let existing = Existing::forced(args.force);
    files::write(path, task.to_toml().as_bytes(), Readers::Everyone, existing)?;
    let noise = task
        .round_noise(members)
        .map_err(|error| files::task(&error))?;
    let noise = task.noise().zip(noise.as_deref());
    output.show(&TaskWritten::new(path, query, task, noise));
    Ok(())
}

/// Most rows of a member unless the command line says otherwise.
const ROWS: u32 = 100_000;

const EXAMPLE: &str = r#"# A query: veilsum stats --query query.toml --member a.csv --member b.csv
# The same keys stand in the coordinator's configuration as `query` of a task; `veilsum stats --query query.toml --task task.toml
# --members 12` writes the task and shows the line. A key that is not known, or not of the kind, is an error.

# count, sum, mean, variance, histogram or quantile.
kind = "mean"

# Columns of the tables. Rows without a value in one of them do not count. Histogram and quantile take one, count any number.
columns = ["age"]

# Most rows that a member may bring.
rows = 100000

# Least and greatest value of each column (sum, mean, variance, quantile); values outside are moved to them.
bounds = [[0, 120]]

# How fine the integers are: bits of a row's integers (sum, mean, variance), and what all integers are divided by. Left out, the
# bits are 16 and nothing is divided; with noise `veilsum stats` then chooses what its tables hold, and the task file says it.
# bits = 16
# shrink = 1

# Edges of a histogram.
# edges = [20, 40, 60, 80]

# Which quantile, and in how many rounds: each halves the interval, and all share the budget of privacy.
# quantile = 0.5
# steps = 16
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_a_query_with_the_defaults() {
        let query: Query = toml::from_str(EXAMPLE).unwrap();
        assert_eq!((query.kind(), query.rows()), (Kind::Mean, ROWS));
        let uncommented = |key: &str| EXAMPLE.contains(&format!("\n# {key} = "));
        assert!(
            ["bits", "shrink", "edges", "quantile", "steps"]
                .into_iter()
                .all(uncommented)
        );
    }
}
