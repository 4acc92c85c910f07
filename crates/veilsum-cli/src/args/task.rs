//! `veilsum task`.

use super::number;
use super::plan::{Privacy, rounding};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;
use veilsum_encode::{Dtype, Rounding, TensorSpec};
use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice};
use veilsum_proto::roster::Name;

/// Say what is summed: write, show and check a task
///
/// A task names the tensors of an update, how values become integers, and how many members may be corrupt or vanish. Members
/// and coordinator hold the same task.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Task {
    /// What to do with the task.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with a task.
#[derive(Debug, Subcommand)]
pub enum Command {
    New(Box<New>),
    Show(Show),
    Check(Check),
    Sample(Sample),
}

/// Write a task file, with every key explained
///
/// Tensors come from a model file (--from), from the command line (--tensor), or are an example to be edited.
#[derive(Debug, Args)]
#[command(after_help = NEW)]
#[command(group = ArgGroup::new("clip").args(["clip_l1", "clip_l2", "clip_linf", "integer"]))]
#[command(group = ArgGroup::new("source").args(["from", "tensors"]))]
pub struct New {
    /// Task file to write
    #[arg(value_name = "FILE", default_value = "task.toml")]
    pub file: PathBuf,
    /// Name of the task: letters, digits, `.`, `_`, `-`
    #[arg(long, value_name = "NAME", default_value = "example")]
    pub name: Name,
    /// Take names, shapes and types of the tensors from this .safetensors or .npy file
    #[arg(long, value_name = "MODEL")]
    pub from: Option<PathBuf>,
    /// A tensor as NAME:TYPE:SHAPE, for example weight:f32:64x10; may be given many times
    #[arg(long = "tensor", value_name = "TENSOR")]
    pub tensors: Vec<TensorArg>,
    /// Largest sum of absolute values of an update; a larger one is scaled down by its member
    #[arg(long, value_name = "NORM")]
    pub clip_l1: Option<f64>,
    /// Longest update, as its Euclidean norm; a longer one is scaled down by its member [default: 1.0]
    #[arg(long, value_name = "NORM")]
    pub clip_l2: Option<f64>,
    /// Largest coordinate; a larger one is cut by its member
    #[arg(long, value_name = "BOUND")]
    pub clip_linf: Option<f64>,
    /// Sum integers as they are, within this range
    #[arg(long, value_name = "MIN..MAX", allow_hyphen_values = true, conflicts_with_all = ["bits", "rotation", "rounding", "max_weight"])]
    pub integer: Option<RangeArg>,
    /// Bits of a quantised coordinate, 2 to 52 [default: 16; with --epsilon fewer where tables of the noise ask for a coarser
    /// grid]
    #[arg(long, value_name = "BITS", value_parser = number::bits)]
    pub bits: Option<u8>,
    /// Rotate updates before quantising, which makes few bits go further
    #[arg(long)]
    pub rotation: bool,
    /// How values become integers: stochastic, or conditional (less noise for the unit member, under an L2 clip)
    #[arg(long, value_name = "HOW", default_value = "stochastic", value_parser = rounding)]
    pub rounding: Rounding,
    /// Largest weight of a member, for instance its number of examples; 1 is a plain mean
    #[arg(long, value_name = "WEIGHT", default_value_t = 1, value_parser = number::weight)]
    pub max_weight: u32,
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
    /// Attempts at a round
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub attempts: u32,
    /// Noise to be chosen.
    #[command(flatten)]
    pub privacy: Privacy,
    /// Members on the roster that the noise is chosen for; over another roster the same task guarantees as much
    #[arg(
        long,
        value_name = "N",
        value_parser = number::members,
        requires = "epsilon",
        help_heading = "Differential privacy"
    )]
    pub members: Option<u32>,
    /// Rounds that epsilon is the total of
    #[arg(
        long,
        value_name = "ROUNDS",
        value_parser = number::rounds,
        requires = "epsilon",
        default_value_t = 100,
        help_heading = "Differential privacy"
    )]
    pub rounds: u64,
    /// Replace a task that is there already
    #[arg(long)]
    pub force: bool,
}

/// Show a task
#[derive(Debug, Args)]
#[command(after_help = SHOW)]
pub struct Show {
    /// Task file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Check a task against a number of members: what its rounds withstand and cost
#[derive(Debug, Args)]
#[command(after_help = CHECK)]
#[command(group = ArgGroup::new("federation").args(["members", "roster"]).required(true))]
pub struct Check {
    /// Task file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Members on the roster
    #[arg(long, value_name = "N", value_parser = number::members)]
    pub members: Option<u32>,
    /// Roster file, signed or not, to take the number of members from
    #[arg(long, value_name = "FILE")]
    pub roster: Option<PathBuf>,
    /// Rounds to add up the epsilon of [default: all rounds of the roster, or 100]
    #[arg(long, value_name = "ROUNDS", value_parser = number::rounds)]
    pub rounds: Option<u64>,
}

/// Write an update of random values that fits a task, to try a federation out
#[derive(Debug, Args)]
#[command(after_help = SAMPLE)]
pub struct Sample {
    /// Task file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Update to write, .safetensors or .npy (one tensor named `update`)
    #[arg(long, value_name = "UPDATE")]
    pub out: PathBuf,
    /// Same seed, same values [default: random]
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Replace a file that is there already
    #[arg(long)]
    pub force: bool,
}

/// A tensor on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorArg(pub TensorSpec);

impl FromStr for TensorArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("found {text:?}, wanted NAME:TYPE:SHAPE such as weight:f32:64x10");
        let mut parts = text.rsplitn(3, ':');
        let (Some(shape), Some(dtype), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wanted());
        };
        let shape = match shape {
            "" => Ok(Vec::new()),
            shape => shape.split('x').map(str::parse).collect(),
        };
        let dtype = DTYPES.into_iter().find(|known| known.name() == dtype);
        Ok(Self(TensorSpec {
            name: name.to_owned(),
            shape: shape.map_err(|_| wanted())?,
            dtype: dtype.ok_or_else(|| {
                format!(
                    "{}; types: {}",
                    wanted(),
                    DTYPES.map(Dtype::name).join(", ")
                )
            })?,
        }))
    }
}

/// A range of integers on the command line, both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeArg {
    /// Least value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

impl FromStr for RangeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = || {
            let (min, max) = text.split_once("..")?;
            Some(Self {
                min: min.parse().ok()?,
                max: max.parse().ok()?,
            })
        };
        range().ok_or_else(|| format!("found {text:?}, wanted MIN..MAX such as -8..7"))
    }
}

const DTYPES: [Dtype; 12] = [
    Dtype::F32,
    Dtype::F64,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::I8,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::U8,
    Dtype::U16,
    Dtype::U32,
    Dtype::U64,
];

const EXAMPLES: &str = "\
Examples:
  veilsum task new --from model.safetensors --clip-l2 1.0 --bits 16
  veilsum task check task.toml --members 12
  veilsum task sample task.toml --out update.safetensors";

const NEW: &str = "\
Examples:
  veilsum task new                                               task.toml with an example tensor, to be edited
  veilsum task new --from model.safetensors --name digits --max-weight 5000
  veilsum task new counts.toml --tensor update:i64:100 --integer 0..1000
  veilsum task new votes.toml --tensor votes:u8:10 --integer 0..1 --corrupt 1 --dropout 2
  veilsum task new --from model.safetensors --members 100 --epsilon 8 --delta 1e-6 --rounds 50";

const SHOW: &str = "\
Example:
  veilsum task show task.toml --json";

const CHECK: &str = "\
Examples:
  veilsum task check task.toml --members 12
  veilsum task check task.toml --members 12 --rounds 50
  veilsum task check task.toml --roster roster.toml --json";

const SAMPLE: &str = "\
Example:
  veilsum task sample task.toml --out update.npy --seed 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_names_may_hold_colons() {
        let TensorArg(spec) = "layer:0.weight:f32:64x10".parse().unwrap();
        assert_eq!(spec.name, "layer:0.weight");
        assert_eq!(spec.shape, [64, 10]);
        assert_eq!(spec.dtype, Dtype::F32);
        assert!(
            "bias:bf16:"
                .parse::<TensorArg>()
                .unwrap()
                .0
                .shape
                .is_empty()
        );
    }

    #[test]
    fn other_tensors_and_ranges_are_refused_with_what_is_wanted() {
        for text in ["w", "w:f32", "w:f31:3", "w:f32:3,4", "w:f32:-1"] {
            let error = text.parse::<TensorArg>().unwrap_err();
            assert!(error.contains("wanted NAME:TYPE:SHAPE"), "{error}");
        }
        for text in ["", "1", "1..", "a..b", "0...5"] {
            assert!(text.parse::<RangeArg>().is_err(), "{text}");
        }
        assert_eq!("-8..7".parse(), Ok(RangeArg { min: -8, max: 7 }));
    }
}
