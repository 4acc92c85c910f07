//! `veilsum plan`.

use clap::Args;
use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice};

/// Show what a federation of a given size withstands, and what a round costs
///
/// Derives the numbers of a round as members and coordinator do, counts the bytes of its messages, and compares with other
/// choices. Nothing is sent and nothing is written.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Plan {
    /// Members on the roster
    #[arg(long, value_name = "N")]
    pub members: u32,
    /// Members that may work with the coordinator: a rate such as 0.1, or a count such as 3
    #[arg(long, value_name = "AMOUNT", default_value = "0.1")]
    pub corrupt: Amount,
    /// Members that may vanish in a round: a rate such as 0.1, or a count such as 3
    #[arg(long, value_name = "AMOUNT", default_value = "0.1")]
    pub dropout: Amount,
    /// Coordinates of an update
    #[arg(long, value_name = "D", default_value_t = 1_000_000)]
    pub dim: u64,
    /// Bits of a quantised coordinate, 2 to 52
    #[arg(long, value_name = "B", default_value_t = 16)]
    pub bits: u8,
    /// Largest weight of a member
    #[arg(long, value_name = "W", default_value_t = 1)]
    pub max_weight: u32,
    /// Smallest number of members in a sum [default: all but those that may vanish]
    #[arg(long, value_name = "MEMBERS")]
    pub floor: Option<u32>,
    /// Who masks with whom: auto, complete, or the degree of a ring
    #[arg(long, value_name = "GRAPH", default_value = "auto")]
    pub graph: GraphChoice,
    /// Who signs certificates: auto or all
    #[arg(long, value_name = "WHO", default_value = "auto")]
    pub electorate: ElectorateChoice,
    /// Members drawn for each round [default: everybody takes part]
    #[arg(long, value_name = "MEMBERS")]
    pub cohort: Option<u32>,
    /// Round numbers that the roster is used for
    #[arg(long, value_name = "ROUNDS", default_value_t = 1000)]
    pub rounds: u64,
}

const EXAMPLES: &str = "\
Examples:
  veilsum plan --members 12
  veilsum plan --members 5 --corrupt 1 --dropout 1
  veilsum plan --members 1000 --corrupt 0.05 --dropout 0.3 --dim 25000000
  veilsum plan --members 1000 --graph complete --json";
