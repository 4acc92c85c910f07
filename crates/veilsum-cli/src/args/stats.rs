//! `veilsum stats`.

use super::number;
use crate::stats::Empty;
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::str::FromStr;
use veilsum_dp::{Rational, Unit};
use veilsum_learn::stats::Kind;
use veilsum_proto::parameters::Amount;
use veilsum_proto::task::NoiseLaw;

/// Compute a statistic of several members' tables as masked sums, with or without differential privacy
///
/// KIND is count, sum, mean, variance (that of the population), histogram or quantile. Each --member is the table of one member, a
/// CSV file with a head. Every round runs in this process with the real machines of members and coordinator: what is summed
/// are masked integers, and nothing but their sum is decoded.
///
/// Bounds, edges, bits, steps and --rows are public: choose them without looking at the data. Values outside the bounds
/// are moved to them. With --epsilon noise is added for the whole query, its rounds together; the standard error says
/// what that noise does to the result, not how well the rows stand for others.
///
/// To ask members over a network, write the task with --task, put the query into the coordinator's configuration (--print-example
/// says how), and have members run `veilsum join --stats`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("what").args(["kind", "query", "print_example"]).required(true))]
#[command(group = ArgGroup::new("who").args(["member", "members"]).multiple(true))]
pub struct Stats {
    /// What to compute: count, sum, mean, variance, histogram, quantile
    #[arg(value_name = "KIND")]
    pub kind: Option<Kind>,
    /// File with the query, instead of KIND and its numbers
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["column", "bounds", "bits", "shrink", "edges", "quantile", "steps", "rows"])]
    pub query: Option<PathBuf>,
    /// Column of the tables, by its name in the head; may be given several times (count: none counts all rows)
    #[arg(long, value_name = "NAME")]
    pub column: Vec<String>,
    /// Least and greatest value of a column, for sum, mean, variance and quantile: one for each --column in turn, or one for all
    #[arg(long, value_name = "LOW:HIGH", allow_hyphen_values = true)]
    pub bounds: Vec<BoundsArg>,
    /// Bits of a row's integers, 2 to 20: each member's sum is rounded once [default: 16; with noise as many as its tables hold]
    #[arg(long, value_name = "BITS")]
    pub bits: Option<u8>,
    /// What all integers are divided by, for noise by member [default: 1; with noise what its tables need]
    #[arg(long, value_name = "K")]
    pub shrink: Option<u32>,
    /// Ascending edges of a histogram
    #[arg(
        long,
        value_name = "E1,E2,..",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub edges: Vec<f64>,
    /// Which quantile, 0 to 1 [default: 0.5, the median]
    #[arg(long, value_name = "Q")]
    pub quantile: Option<f64>,
    /// Rounds of a quantile: each halves the interval, and all share epsilon [default: 16]
    #[arg(long, value_name = "N")]
    pub steps: Option<u32>,
    /// Most rows that a member may bring. A table with more is refused; with --epsilon its first ones count [default: 100000]
    #[arg(long, value_name = "N")]
    pub rows: Option<u32>,
    /// Table of a member; once for each, three at least
    #[arg(long, value_name = "FILE.csv", required_unless_present_any = ["members", "print_example"])]
    pub member: Vec<PathBuf>,
    /// What an empty cell does: refuse ends the command and names it, skip leaves its row out; with --epsilon its row is always left out
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub empty: Empty,
    /// Epsilon of the whole query [default: no noise]
    #[arg(long, value_name = "E")]
    pub epsilon: Option<Rational>,
    /// Delta of the whole query
    #[arg(long, value_name = "D", default_value = "1e-6", requires = "epsilon")]
    pub delta: Rational,
    /// Whose presence the noise hides: one row (example), or all rows of a member (member, which needs --rows)
    #[arg(long, value_name = "UNIT", default_value = "example", requires = "epsilon", value_parser = unit)]
    pub unit: Unit,
    /// Law of the noise: laplace, best for one round; skellam or gaussian, whose cost over the many rounds of a quantile adds up more slowly
    #[arg(
        long,
        value_name = "LAW",
        default_value = "laplace",
        requires = "epsilon"
    )]
    pub mechanism: NoiseLaw,
    /// Members that may work with the coordinator: a rate or a count; more noise makes up for what they know of it [default: 0; with
    /// --task as many as the default policy of members reckons with, a tenth of them and one at least]
    #[arg(long, value_name = "AMOUNT")]
    pub corrupt: Option<Amount>,
    /// Members that may vanish in a round: a rate or a count
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub dropout: Amount,
    /// Write the task of the query to this file, for `veilsum serve` and its members, instead of computing
    #[arg(long, value_name = "FILE.toml", requires = "who")]
    pub task: Option<PathBuf>,
    /// Members on the roster, for --task without --member
    #[arg(long, value_name = "N", requires = "task", conflicts_with = "member", value_parser = number::members)]
    pub members: Option<u32>,
    /// Replace a task file that is there already
    #[arg(long, requires = "task")]
    pub force: bool,
    /// Print a query file with every key explained
    #[arg(long)]
    pub print_example: bool,
}

/// Bounds on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundsArg(pub [f64; 2]);

impl FromStr for BoundsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = || {
            let (low, high) = text.split_once(':')?;
            Some(Self([low.parse().ok()?, high.parse().ok()?]))
        };
        bounds().ok_or_else(|| format!("found {text:?}, wanted LOW:HIGH such as 0:120"))
    }
}

fn unit(text: &str) -> Result<Unit, String> {
    match text {
        "example" => Ok(Unit::Example),
        "member" => Ok(Unit::Member),
        _ => Err(format!("found {text:?}, wanted example or member")),
    }
}

const EXAMPLES: &str = "\
Examples:
  veilsum stats mean --column age --bounds 0:120 --member a.csv --member b.csv --member c.csv
  veilsum stats mean --column age --bounds 0:120 --member a.csv --member b.csv --member c.csv --epsilon 1 --delta 1e-6
  veilsum stats histogram --column age --edges 20,40,60,80 --member a.csv --member b.csv --member c.csv --epsilon 0.5 --json
  veilsum stats quantile --column age --bounds 0:120 --quantile 0.9 --steps 8 --member a.csv --member b.csv --member c.csv --epsilon 2
  veilsum stats count --member a.csv --member b.csv --member c.csv --epsilon 1 --unit member --rows 50
  veilsum stats --print-example > query.toml
  veilsum stats --query query.toml --members 12 --task task.toml --epsilon 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_two_numbers() {
        assert_eq!("-1.5:2e3".parse(), Ok(BoundsArg([-1.5, 2000.0])));
        for text in ["", "1", "1:", "a:b", "1..2"] {
            assert!(text.parse::<BoundsArg>().is_err(), "{text}");
        }
    }
}
