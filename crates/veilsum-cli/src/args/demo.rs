//! `veilsum demo`, and the hidden command of its members.

use crate::demo::script::Vanishing;
use clap::Args;
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
    /// Folder for report.html and report.png, which show the run in figures. An earlier report there is replaced, any other file
    /// is not. Without this flag it is veilsum-demo-report in this folder, or with --json nowhere
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
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
  veilsum demo --members 30 --rounds 5 --vanish --json
  veilsum demo --vanish --report /tmp/veilsum-report";
