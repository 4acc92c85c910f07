//! `veilsum demo`, and the hidden command of its members.

use crate::demo::script::Vanishing;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use veilsum_proto::ids::Slot;

/// Watch a federation train on real data with every update masked
///
/// Starts a real coordinator and real members as processes of this machine, which talk over QUIC on the loopback interface,
/// each with a key of its own. Together they train a classifier of handwritten digits, whose labels are dealt unevenly. The
/// demo knows the seeds of its own members, so it can make each contribution again and compare: every masked sum must equal
/// the plain sum of the survivors, to the last integer.
///
/// With --vanish members are killed in each phase of a round, and in the middle of their upload.
///
/// With --epsilon members add noise before they mask, so that the sums tell little of any one example or member; the demo knows the
/// seeds of the noise too, and still compares every integer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// Members of the federation
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(3..=100))]
    pub members: u32,
    /// Rounds of training
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rounds: u64,
    /// Kill members in Advertise, Share, Upload, in the middle of an upload, in Confirm and in Reveal: one a round in this order,
    /// from round 2 on. 7 rounds see them all, 9 also several in one round; fewer see two a round where so many may vanish
    #[arg(long)]
    pub vanish: bool,
    /// Seed of the training run: the split of the data, the order of the batches
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// How the members train together [default: fedavg; with --epsilon dp-sgd, or dp-fedavg for --unit member]
    #[arg(long, value_name = "NAME", value_enum)]
    pub algorithm: Option<AlgorithmName>,
    /// Bits of a coordinate [default: 16; with --epsilon the fewest that cost next to no accuracy]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(4..=16))]
    pub bits: Option<u8>,
    /// Add noise, so that all rounds together are differentially private with this epsilon
    #[arg(long, value_name = "E")]
    pub epsilon: Option<f64>,
    /// The delta of that epsilon [default: 0.00001]
    #[arg(long, value_name = "D", requires = "epsilon")]
    pub delta: Option<f64>,
    /// Whose presence the noise hides: one example, or one member with all its data [default: example; member with dp-fedavg]
    #[arg(long, value_name = "UNIT", value_enum, requires = "epsilon")]
    pub unit: Option<UnitName>,
    /// Law of the noise [default: skellam]
    #[arg(long, value_name = "LAW", value_enum, requires = "epsilon")]
    pub mechanism: Option<MechanismName>,
    /// Folder for report.html and report.png, which show the run in figures. An earlier report there is replaced, any other file
    /// is not. Without this flag it is veilsum-demo-report in this folder, or with --json nowhere
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
}

/// How members train together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmName {
    /// Local descent, mean of the differences.
    #[value(name = "fedavg")]
    FedAvg,
    /// FedAvg with a pull to the global model.
    #[value(name = "fedprox")]
    FedProx,
    /// Mean of full gradients.
    #[value(name = "fedsgd")]
    FedSgd,
    /// FedAvg with momentum at the coordinator.
    #[value(name = "fedavgm")]
    FedAvgM,
    /// Adam at the coordinator.
    #[value(name = "fedadam")]
    FedAdam,
    /// Yogi at the coordinator.
    #[value(name = "fedyogi")]
    FedYogi,
    /// Adagrad at the coordinator.
    #[value(name = "fedadagrad")]
    FedAdagrad,
    /// Gradients of single examples, clipped: hides an example.
    #[value(name = "dp-sgd")]
    DpSgd,
    /// FedAvg with clipped updates: hides a member.
    #[value(name = "dp-fedavg")]
    DpFedAvg,
}

/// Whose presence is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnitName {
    /// All that one member holds.
    Member,
    /// One example of one member.
    Example,
}

/// Law of the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MechanismName {
    /// Discrete Laplace, in Polya shares.
    Laplace,
    /// Discrete Gaussian.
    Gaussian,
    /// Skellam.
    Skellam,
}

/// A member of the demo.
#[derive(Debug, Args)]
pub struct DemoMember {
    /// Folder of the demo
    #[arg(long)]
    pub folder: PathBuf,
    /// Slot of the member
    #[arg(long, value_parser = slot)]
    pub slot: Slot,
    /// Where the coordinator listens
    #[arg(long)]
    pub coordinator: String,
    /// Where to kill itself, as ROUND:POINT
    #[arg(long)]
    pub vanish: Vec<Vanishing>,
}

fn slot(text: &str) -> Result<Slot, std::num::ParseIntError> {
    text.parse().map(Slot)
}

const EXAMPLES: &str = "\
Examples:
  veilsum demo
  veilsum demo --vanish
  veilsum demo --epsilon 4
  veilsum demo --epsilon 8 --unit member --mechanism gaussian --vanish
  veilsum demo --algorithm fedadam --bits 8
  veilsum demo --members 30 --rounds 5 --vanish --json
  veilsum demo --vanish --report /tmp/veilsum-report";
