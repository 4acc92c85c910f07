//! `veilsum join`.

use crate::config::units::Time;
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// Take part in a federation as a member
///
/// Contributes an update to each round and writes the result, the weighted mean (the sum in integer tasks), as the same kind
/// of file. The update leaves this host clipped, quantised and masked; the site's policy decides what is joined at all.
///
/// --update contributes a file. --exec runs a program for each round, in the shell; what it is told stands below. --stats answers
/// the questions of `veilsum stats` that the configuration allows, and refuses all others. --train runs the member's half of a job
/// (`veilsum train`) and refuses tasks that are not the job's.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("source").args(["update", "exec", "stats", "train", "print_example", "print_policy"]).required(true))]
pub struct Join {
    /// Configuration file
    #[arg(long, value_name = "FILE", required_unless_present_any = ["print_example", "print_policy"])]
    pub config: Option<PathBuf>,
    /// Update to contribute, .safetensors or .npy
    #[arg(long, value_name = "FILE")]
    pub update: Option<PathBuf>,
    /// Command that makes the update of a round
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// Table to answer statistics from, a CSV file with a head; the configuration says which questions are answered
    #[arg(long, value_name = "FILE.csv", conflicts_with = "weight")]
    pub stats: Option<PathBuf>,
    /// Train a job: a file with `job = "train.toml"`, and for a job with files `data = "mine.csv"`
    #[arg(long, value_name = "FILE", conflicts_with = "weight")]
    pub train: Option<PathBuf>,
    /// How much this member counts in the mean, for instance its number of examples
    #[arg(long, value_name = "W", default_value_t = 1)]
    pub weight: u32,
    /// File to write the result to; {round} stands for the number of the round, {task} for the name of the task. A result never
    /// replaces one of another task in the same run: without {task} it then goes to NAME-TASK.safetensors
    /// [default: beside the update with -mean in its name; result.safetensors or result.npy with --exec]
    #[arg(long, value_name = "FILE")]
    pub result: Option<PathBuf>,
    /// Kind of the files that --exec reads and writes
    #[arg(long, value_name = "KIND", default_value = "safetensors")]
    pub format: Format,
    /// Rounds to take part in, counted over all tasks; 0 goes on until stopped. With --train only rounds that train count, and the
    /// member stays until what came of the last one is judged
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub rounds: u64,
    /// Give up when the coordinator was out of reach for so long, for example 30s [default: never]
    #[arg(long, value_name = "TIME")]
    pub give_up_after: Option<Time>,
    /// Make the ledger: once for each key, never for a key that has joined a round before
    #[arg(long)]
    pub new_ledger: bool,
    /// Secret key file, instead of the configured one
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Ledger, instead of the configured one
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Where the coordinator listens, instead of the configured address
    #[arg(long, value_name = "HOST:PORT")]
    pub coordinator: Option<String>,
    /// Print a configuration file with every key explained
    #[arg(long)]
    pub print_example: bool,
    /// Print a policy with every key explained
    #[arg(long)]
    pub print_policy: bool,
    /// Key of the authority to put into the policy that --print-policy prints
    #[arg(long, value_name = "KEY", requires = "print_policy")]
    pub authority: Option<String>,
}

/// Kinds of tensor files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Any number of tensors.
    Safetensors,
    /// One tensor named `update`.
    Npy,
}

const EXAMPLES: &str = "\
What --exec is told, as variables, and as {model}, {update}, {weight}, {round}, {task} and so on in CMD (quoted for the shell):
  VEILSUM_MODEL   file with the model that the round starts from; not set if the task has none
  VEILSUM_UPDATE  file to write the update to
  VEILSUM_WEIGHT  file to write the weight to, a whole number; --weight counts if there is none
  VEILSUM_ROUND   number of the round; take it into the trainer's seed
  VEILSUM_TASK    name of the task
  VEILSUM_TASK_DIGEST   digest of the task, in hexadecimal
  VEILSUM_PRIVACY_UNIT  whom the noise hides, example or member; not set without noise
  VEILSUM_EXAMPLE_CLIP  what no example may exceed in the update, as l2:0.5; not set unless the noise hides an example
Its standard output goes to standard error. It fails the command by ending with another status than 0.

Examples:
  veilsum join --print-example > member.toml
  veilsum join --print-policy --authority authority.pub > policy.toml
  veilsum join --config member.toml --new-ledger --update update.safetensors --weight 120
  veilsum join --config member.toml --exec 'python train.py {model} {update} --seed {round}' --rounds 10
  veilsum join --config member.toml --exec './train' --rounds 0 --json
  veilsum join --config member.toml --stats patients.csv --rounds 0
  veilsum join --config member.toml --train member-train.toml --rounds 20";
