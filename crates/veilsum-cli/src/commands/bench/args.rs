//! What `veilsum bench` is asked for.

use clap::{Args, ValueEnum};
use std::fmt;

/// Measure this machine: what each step of a round costs, beside what the machine allows.
///
/// Each step runs by turns with its limit, which is measured in the same run; shown are medians. A ratio is the step over its
/// limit, and the mark is what Veilsum aims at on a machine with two cores and wide AES instructions (VAES). Rates are per
/// second of processor time of one core, unless the step says all cores. Progress goes to standard error.
///
/// The limit of masks is the bare loop: AES-256 in counter mode, made and added to limbs that wrap and stay in the cache.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Measure this step alone; may be repeated
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub only: Vec<Step>,
    /// Smaller rounds and fewer repetitions, for a first look: marks are for the full sizes
    #[arg(long)]
    pub quick: bool,
}

impl BenchArgs {
    /// Whether a step was asked for.
    pub(super) fn wants(&self, step: Step) -> bool {
        self.only.is_empty() || self.only.contains(&step)
    }
}

/// A step of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Masks of 66 neighbours on a million packed coordinates, one core
    MaskKernel,
    /// A member's upload of a million coordinates, from the tensor to masked bytes, one core
    MemberPath,
    /// A member's processor time without that, among 1000, over its keys, signatures and shares one by one
    MemberRest,
    /// The coordinator's unmasking, 1000 members, a tenth gone, a million coordinates, all cores
    Unmask,
    /// The coordinator's processor time without that, over its signature checks and additions one by one
    CoordinatorRest,
    /// Uploads of 100 members over QUIC on loopback, beside bare quinn with the same settings
    Ingest,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

const EXAMPLES: &str = "\
Examples:
  veilsum bench                                    all steps, about two minutes on an idle machine
  veilsum bench --quick                            a first look, half a minute
  veilsum bench --only mask-kernel --only ingest   two steps
  veilsum bench --json > bench.json                for machines";
