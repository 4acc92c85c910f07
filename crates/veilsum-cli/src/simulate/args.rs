//! What `veilsum simulate` is asked for.

use crate::args::number;
use crate::exit::Failure;
use crate::limits;
use crate::simulate::npy;
use clap::Args;
use std::path::PathBuf;
use veilsum_proto::parameters::{Amount, Decimal, GraphChoice};
use veilsum_sim::Matrix;

/// Run one round of secure aggregation in this process and check its sum.
///
/// All members and the coordinator are the real machines with real cryptography; only the network is missing. Every member
/// contributes integers of --bits bits. The sum is compared with the plain integer sum of the survivors, computed apart.
///
/// Without --inputs the value of member slot s at coordinate j is the top --bits bits of the (seed + 2^32 s + j + 1)-th output
/// of the splitmix64 generator from state 0.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SimulateArgs {
    /// Members of the roster.
    #[arg(long, value_name = "N", value_parser = number::members)]
    pub members: u32,
    /// Coordinates of each vector, at most 2^30; taken from --inputs when given.
    #[arg(long, value_name = "D", required_unless_present = "inputs")]
    pub dim: Option<usize>,
    /// Bits of each input value, 1 to 61: values from 0 to 2^BITS - 1, whose sum over all members has to fit 63 bits.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=61))]
    pub bits: u8,
    /// Share of the members that vanishes in Upload, half of them before and half in the middle of it; floor(rate x n) of them.
    #[arg(long, default_value = "0.1", value_name = "RATE")]
    pub dropout: Decimal,
    /// Share of the members that vanishes between Upload and Reveal; floor(rate x n) of them.
    #[arg(long, default_value = "0.0", value_name = "RATE")]
    pub late_dropout: Decimal,
    /// Share of the members that the parameters assume to be corrupt; the simulated ones are honest.
    #[arg(long, default_value = "0.1", value_name = "RATE")]
    pub corrupt: Decimal,
    /// Drop-out that the parameters are derived for [default: the larger of 0.1 and --dropout + --late-dropout]
    #[arg(long, value_name = "RATE")]
    pub tolerance: Option<Decimal>,
    /// Who masks with whom: auto, complete, or the degree of a ring.
    #[arg(long, default_value = "auto", value_name = "auto|complete|K")]
    pub graph: GraphChoice,
    /// Seed of all keys, inputs and drop-outs: the same seed gives the same round.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Inputs, an .npy file of members x dim integers.
    #[arg(long, value_name = "FILE.npy")]
    pub inputs: Option<PathBuf>,
    /// Write the sum, one 64-bit integer a coordinate.
    #[arg(long, value_name = "FILE.npy")]
    pub sum: Option<PathBuf>,
}

/// What the arguments come to.
pub(super) struct Shape {
    pub dim: usize,
    pub matrix: Option<Matrix>,
    pub tolerance: Amount,
    pub early: u32,
    pub late: u32,
}

impl SimulateArgs {
    /// Reads the inputs and counts the drop-outs.
    pub(super) fn shape(&self) -> Result<Shape, Failure> {
        for (flag, rate) in [
            ("--dropout", self.dropout),
            ("--late-dropout", self.late_dropout),
            ("--corrupt", self.corrupt),
        ] {
            limits::rate(flag, rate)?;
        }
        if let Some(dim) = self.dim.filter(|dim| *dim > MAX_DIM) {
            return Err(Failure::usage(format_args!(
                "--dim is {dim}, wanted at most {MAX_DIM}"
            )));
        }
        let together = self.dropout.checked_add(self.late_dropout);
        let together = together.filter(|rate| !rate.exceeds_one()).ok_or_else(|| {
            Failure::usage(format_args!(
                "--dropout {} and --late-dropout {} are together more than all members",
                self.dropout, self.late_dropout
            ))
            .hint("lower one of them: together at most 1")
        })?;
        let tolerance = match self.tolerance {
            Some(rate) => rate,
            None if together.floor_times(ONE_BILLION) > ONE_BILLION / 10 => together,
            None => Decimal::from_tenths(1),
        };
        limits::rate("--tolerance", tolerance)?;
        let matrix = self
            .inputs
            .as_ref()
            .map(|path| npy::read(path, self.members, self.bits))
            .transpose()?;
        let (matrix, dim) = match (matrix, self.dim) {
            (Some((_, found)), Some(wanted)) if found != wanted => {
                return Err(Failure::usage(format_args!(
                    "inputs have {found} coordinates, --dim is {wanted}"
                ))
                .hint("leave --dim out, or give the same number"));
            }
            (Some((matrix, found)), _) => (Some(matrix), found),
            (None, dim) => (None, dim.unwrap_or(0)),
        };
        Ok(Shape {
            dim,
            matrix,
            tolerance: Amount::Rate(tolerance),
            early: self.dropout.floor_times(self.members),
            late: self.late_dropout.floor_times(self.members),
        })
    }
}

/// Most coordinates of a simulated round, whose vectors all stand in this machine's memory.
const MAX_DIM: usize = 1 << 30;

/// Rates are compared in parts of this.
const ONE_BILLION: u32 = 1_000_000_000;

const EXAMPLES: &str = "\
Examples:
  veilsum simulate --members 100 --dim 1000000 --dropout 0.1
  veilsum simulate --members 1000 --dim 100000 --dropout 0.1 --late-dropout 0.05 --json
  veilsum simulate --members 5 --inputs inputs.npy --dropout 0 --corrupt 0 --sum sum.npy";
