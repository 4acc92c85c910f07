//! `veilsum plan`.

use super::number;
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::str::FromStr;
use veilsum_dp::{Adjacency, Sharing, Unit};
use veilsum_encode::{Clip, Rounding};
use veilsum_proto::parameters::{Amount, Decimal, ElectorateChoice, GraphChoice};
use veilsum_proto::task::NoiseLaw;

/// Show what a federation of a given size withstands, and what a round costs
///
/// Derives the numbers of a round as members and coordinator do, counts the bytes of its messages, and compares with other
/// choices. With --epsilon it chooses the least noise for that guarantee over all --rounds, prints the table `[noise]` for
/// the task, and says what the noise costs in accuracy. Nothing is sent and nothing is written.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("clip").args(["clip_l1", "clip_l2", "clip_linf"]))]
pub struct Plan {
    /// Members on the roster
    #[arg(long, value_name = "N", value_parser = number::members)]
    pub members: u32,
    /// Plan for this task instead of one with a single tensor; --epsilon chooses another noise than it has
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "corrupt", "dropout", "dim", "bits", "max_weight", "clip", "rotation", "rounding", "floor", "graph", "electorate",
        "cohort",
    ])]
    pub task: Option<PathBuf>,
    /// Members that may work with the coordinator: a rate such as 0.1, or a count such as 3
    #[arg(
        long,
        value_name = "AMOUNT",
        default_value = "0.1",
        allow_negative_numbers = true
    )]
    pub corrupt: Amount,
    /// Members that may vanish in a round: a rate such as 0.1, or a count such as 3
    #[arg(
        long,
        value_name = "AMOUNT",
        default_value = "0.1",
        allow_negative_numbers = true
    )]
    pub dropout: Amount,
    /// Coordinates of an update
    #[arg(long, value_name = "D", default_value_t = 1_000_000, value_parser = number::coordinates)]
    pub dim: u64,
    /// Bits of a quantised coordinate, 2 to 52 [default: 16; with --epsilon fewer where tables of the noise ask for a coarser
    /// grid]
    #[arg(long, value_name = "B", value_parser = number::bits)]
    pub bits: Option<u8>,
    /// Largest weight of a member
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = number::weight)]
    pub max_weight: u32,
    /// Largest sum of absolute values of an update; a larger one is scaled down by its member
    #[arg(long, value_name = "NORM")]
    pub clip_l1: Option<f64>,
    /// Longest update, as its Euclidean norm; a longer one is scaled down by its member [default: 1.0]
    #[arg(long, value_name = "NORM")]
    pub clip_l2: Option<f64>,
    /// Largest coordinate; a larger one is cut by its member
    #[arg(long, value_name = "BOUND")]
    pub clip_linf: Option<f64>,
    /// Rotate updates before quantising
    #[arg(long)]
    pub rotation: bool,
    /// How values become integers: stochastic, or conditional (less noise for the unit member, under an L2 clip)
    #[arg(long, value_name = "HOW", default_value = "stochastic", value_parser = rounding)]
    pub rounding: Rounding,
    /// Smallest number of members in a sum [default: all but those that may vanish]
    #[arg(long, value_name = "MEMBERS", value_parser = number::members)]
    pub floor: Option<u32>,
    /// Who masks with whom: auto, complete, or the degree of a ring
    #[arg(long, value_name = "GRAPH", default_value = "auto")]
    pub graph: GraphChoice,
    /// Who signs certificates: auto or all
    #[arg(long, value_name = "WHO", default_value = "auto")]
    pub electorate: ElectorateChoice,
    /// Members drawn for each round [default: everybody takes part]
    #[arg(long, value_name = "MEMBERS", value_parser = number::members)]
    pub cohort: Option<u32>,
    /// Round numbers that the roster is used for, and that epsilon is the total of
    #[arg(long, value_name = "ROUNDS", default_value_t = 1000, value_parser = number::rounds)]
    pub rounds: u64,
    /// Noise to be chosen.
    #[command(flatten)]
    pub privacy: Privacy,
}

/// What noise is to hide, and how well.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Differential privacy")]
pub struct Privacy {
    /// Choose the least noise with which all rounds together cost at most this epsilon, against everybody, coordinator and
    /// corrupt members included
    #[arg(long, value_name = "EPSILON", requires = "members")]
    pub epsilon: Option<f64>,
    /// Delta that epsilon is stated at
    #[arg(long, value_name = "DELTA", default_value = "1e-6", requires = "epsilon", value_parser = decimal)]
    pub delta: Decimal,
    /// Whose presence is hidden: member, or example (one training example of a member)
    #[arg(long, value_name = "UNIT", default_value = "member", requires = "epsilon", value_parser = unit)]
    pub unit: Unit,
    /// Law of the noise: skellam, laplace or gaussian
    #[arg(
        long,
        value_name = "LAW",
        default_value = "skellam",
        requires = "epsilon"
    )]
    pub mechanism: NoiseLaw,
    /// Who carries the noise: dropout-exact, shared or local [default: dropout-exact; shared with gaussian]
    #[arg(long, value_name = "WHO", requires = "epsilon", value_parser = sharing)]
    pub sharing: Option<Sharing>,
    /// What the unit is compared with: zero-out (nothing in its place) or replace (any other)
    #[arg(long, value_name = "WITH", default_value = "zero-out", requires = "epsilon", value_parser = adjacency)]
    pub adjacency: Adjacency,
    /// Norm of one example in its member's update, for --unit example: l2=0.01, l1=0.5 or linf=0.001
    #[arg(long, value_name = "NORM=BOUND", requires = "epsilon", value_parser = clip)]
    pub example_clip: Option<Clip>,
}

/// Bits of a quantised coordinate unless given.
pub const DEFAULT_BITS: u8 = 16;

/// The clip that at most one of the three options asks for.
pub fn clip_of(l1: Option<f64>, l2: Option<f64>, linf: Option<f64>) -> Option<Clip> {
    let l1 = l1.map(Clip::L1);
    l1.or(linf.map(Clip::LInf)).or(l2.map(Clip::L2))
}

/// Reads how values become integers.
///
/// # Errors
///
/// What was found and wanted.
pub fn rounding(text: &str) -> Result<Rounding, String> {
    let choices = [
        ("stochastic", Rounding::Stochastic),
        ("conditional", Rounding::Conditional),
    ];
    one_of(text, &choices)
}

fn unit(text: &str) -> Result<Unit, String> {
    one_of(
        text,
        &[("member", Unit::Member), ("example", Unit::Example)],
    )
}

fn sharing(text: &str) -> Result<Sharing, String> {
    let choices = [
        ("dropout-exact", Sharing::DropoutExact),
        ("shared", Sharing::Shared),
        ("local", Sharing::Local),
    ];
    one_of(text, &choices)
}

fn adjacency(text: &str) -> Result<Adjacency, String> {
    let choices = [
        ("zero-out", Adjacency::ZeroOut),
        ("replace", Adjacency::Replace),
    ];
    one_of(text, &choices)
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("found {text:?}, wanted {}", names.join(" or "))
    })
}

/// A decimal as it is written, or as a number with an exponent.
fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse().or_else(|error| {
        let float = f64::from_str(text).ok().filter(|_| text.contains('e'));
        let decimal = float.and_then(|float| Decimal::try_from(float).ok());
        decimal.ok_or_else(|| format!("{error} or 1e-6"))
    })
}

fn clip(text: &str) -> Result<Clip, String> {
    let wanted =
        || format!("found {text:?}, wanted l2=BOUND, l1=BOUND or linf=BOUND such as l2=0.01");
    let (norm, bound) = text.split_once('=').ok_or_else(wanted)?;
    let bound = bound.parse().map_err(|_| wanted())?;
    match norm {
        "l1" => Ok(Clip::L1(bound)),
        "l2" => Ok(Clip::L2(bound)),
        "linf" => Ok(Clip::LInf(bound)),
        _ => Err(wanted()),
    }
}

const EXAMPLES: &str = "\
Examples:
  veilsum plan --members 12
  veilsum plan --members 5 --corrupt 1 --dropout 1
  veilsum plan --members 1000 --corrupt 0.05 --dropout 0.3 --dim 25000000
  veilsum plan --members 1000 --graph complete --json
Noise for a guarantee:
  veilsum plan --members 100 --dim 100000 --epsilon 8 --delta 1e-6 --rounds 50
  veilsum plan --members 100 --task task.toml --epsilon 8 --rounds 50 --mechanism gaussian
  veilsum plan --members 20 --dim 100 --clip-linf 1.0 --epsilon 2 --rounds 1 --mechanism laplace --unit example --example-clip l1=0.05";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_may_have_exponents_and_stay_exact() {
        let millionth: Decimal = "0.000001".parse().unwrap();
        assert_eq!(decimal("1e-6"), Ok(millionth));
        assert_eq!(decimal("0.0000010"), Ok(millionth));
        for text in ["", "inf", "-1e-6", "1e-30", "small"] {
            assert!(decimal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_choices_are_refused_with_what_is_wanted() {
        assert_eq!(sharing("shared"), Ok(Sharing::Shared));
        let error = unit("patient").unwrap_err();
        assert_eq!(error, "found \"patient\", wanted member or example");
        assert!(adjacency("").is_err() && rounding("up").is_err() && sharing("exact").is_err());
        assert_eq!(clip("l1=0.5"), Ok(Clip::L1(0.5)));
        for text in ["0.5", "l3=0.5", "l2=", "l2"] {
            assert!(
                clip(text).unwrap_err().contains("wanted l2=BOUND"),
                "{text}"
            );
        }
    }
}
