//! `veilsum train`.

use clap::Args;
use std::path::PathBuf;
use veilsum_proto::parameters::Decimal;

/// Train a model on this machine with every round masked
///
/// Runs a whole training, with the members in this process: what each one brings goes through the real machines of member and
/// coordinator, masks, certificates and noise included; only the network is missing. Every sum is compared with the plain sum
/// of the survivors. Writes the model, the best model, a checkpoint and one line of JSON a round into a folder.
///
/// A signal ends the command after the round that runs; --resume goes on from there, and without noise every bit of the
/// result is that of a training that was never interrupted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Train {
    /// The training: data, model, algorithm, encoding, privacy
    #[arg(long, value_name = "FILE", required_unless_present = "print_example")]
    pub config: Option<PathBuf>,
    /// Print a file with every key explained
    #[arg(long)]
    pub print_example: bool,
    /// Write the task of the job for a network (`veilsum serve`, `veilsum join --train`) into this folder and end; noise is
    /// calibrated for the job's number of members. Where members judge models, the task of that is written too
    #[arg(long, value_name = "DIR")]
    pub write_task: Option<PathBuf>,
    /// Folder of the results; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "training")]
    pub out: PathBuf,
    /// Go on from the checkpoint in the folder
    #[arg(long)]
    pub resume: bool,
    /// Share of a round's members that vanishes, half of them before their upload and half in the middle of it;
    /// floor(rate x n) of them, drawn anew for each round
    #[arg(long, value_name = "RATE", default_value = "0")]
    pub dropout: Decimal,
    /// Compare with the same algorithm in the clear over the same survivors (FedAvg in the place of dp-sgd and dp-fedavg), with all data in one place, and in a job with privacy with the noise
    /// that somebody would need who is trusted with every update
    #[arg(long)]
    pub baseline: bool,
    /// End after so many rounds of this run, as a signal would
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub pause_after: Option<u64>,
    /// Draw the noise from the seed of the job, for tests: whoever knows the seed can take it off, so nothing is private and no epsilon
    /// is stated. Rounding is then that of `veilsum join --train` with `seeded_rounding`. --resume wants it where the rounds so far had it
    #[arg(long)]
    pub seeded_noise: bool,
}

const EXAMPLES: &str = "\
Examples:
  veilsum train --print-example > train.toml
  veilsum train --config train.toml
  veilsum train --config train.toml --dropout 0.1 --baseline --json
  veilsum train --config train.toml --resume
  veilsum train --config train.toml --write-task federation";
