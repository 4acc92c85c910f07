//! `coordinator.toml`.

use super::limits::LimitsTable;
use super::units::{Size, Time};
use super::{read, resolve};
use crate::exit::Failure;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use veilsum_learn::stats::Query;
use veilsum_proto::message::Deadlines;
use veilsum_server::Gather;

/// What `veilsum serve` is run with; paths are resolved.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorFile {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Secret key file.
    pub key: PathBuf,
    /// Signed roster.
    pub roster: PathBuf,
    /// Key of the authority: 64 hex digits or a file.
    pub authority: String,
    /// Folder of what must survive a restart.
    pub state: PathBuf,
    /// Memory for uploads under way.
    #[serde(default = "staging_budget")]
    pub staging_budget: Size,
    /// Files for uploads under way.
    #[serde(default = "spill_budget")]
    pub spill_budget: Size,
    /// Time that members have to fetch the last result.
    #[serde(default = "linger")]
    pub linger: Time,
    /// Bounds of connections.
    #[serde(default)]
    pub limits: LimitsTable,
    /// Tasks to run.
    pub tasks: Vec<TaskTable>,
}

/// One task and how its rounds are run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskTable {
    /// Task file.
    pub task: PathBuf,
    /// Rounds to run; until stopped when absent.
    pub rounds: Option<u64>,
    /// Folder of results.
    #[serde(default = "results")]
    pub results: PathBuf,
    /// Model that the first round starts from.
    pub model: Option<PathBuf>,
    /// Job that the task is of: its algorithm makes the models.
    pub job: Option<PathBuf>,
    /// Task whose rounds judge the models of the job, where members do.
    pub evaluation: Option<PathBuf>,
    /// What members are asked, in a task of a query.
    pub query: Option<Query>,
    /// Step of the model along the mean update.
    #[serde(default = "step")]
    pub step: f64,
    /// Pause between two rounds.
    #[serde(default)]
    pub pause: Option<Time>,
    /// When a round opens.
    #[serde(default)]
    pub gather: GatherTable,
    /// Time each phase is open.
    #[serde(default)]
    pub deadlines: DeadlinesTable,
}

/// When a round opens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatherTable {
    members: Option<u32>,
    wait: Option<Time>,
}

/// Time each phase is open.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlinesTable {
    advertise: Option<Time>,
    share: Option<Time>,
    accept: Option<Time>,
    upload: Option<Time>,
    confirm: Option<Time>,
    reveal: Option<Time>,
}

impl CoordinatorFile {
    /// Reads the file and resolves its paths.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let mut file: Self = read(path)?;
        file.key = resolve(path, &file.key);
        file.roster = resolve(path, &file.roster);
        file.state = resolve(path, &file.state);
        if file
            .authority
            .parse::<veilsum_proto::identity::PublicKey>()
            .is_err()
        {
            file.authority = resolve(path, Path::new(&file.authority))
                .display()
                .to_string();
        }
        for task in &mut file.tasks {
            task.task = resolve(path, &task.task);
            task.results = resolve(path, &task.results);
            task.model = task.model.as_ref().map(|model| resolve(path, model));
            task.job = task.job.as_ref().map(|job| resolve(path, job));
            task.evaluation = task.evaluation.as_ref().map(|file| resolve(path, file));
            if task.evaluation.is_some() && task.job.is_none() {
                let error = "found `evaluation` without `job`, whose models it would judge";
                return Err(Failure::usage(error).in_file(path));
            }
            if task.job.is_some() && (task.model.is_some() || task.query.is_some()) {
                let error = "found `job` with `model` or `query`, wanted one of them";
                return Err(Failure::usage(error).in_file(path));
            }
            if !(task.step.is_finite() && task.step > 0.0) {
                let error = format!("`step` is {}, wanted a number above 0", task.step);
                return Err(Failure::usage(error).in_file(path));
            }
            if task.model.is_some() && task.query.is_some() {
                return Err(
                    Failure::usage("found `model` and `query`, wanted one of them").in_file(path),
                );
            }
            let needed = task.query.as_ref().map_or(0, |query| query.rounds().into());
            if let Some(rounds) = task.rounds.filter(|rounds| *rounds < needed) {
                let error = format!("`rounds` is {rounds}, the query takes {needed}");
                return Err(Failure::usage(error)
                    .in_file(path)
                    .hint("leave it out: the task ends with its answer"));
            }
            if task.rounds == Some(0) {
                return Err(Failure::usage("`rounds` is 0, wanted at least 1")
                    .in_file(path)
                    .hint("leave it out to go on until stopped"));
            }
            if let Some(phase) = task.deadlines.zero() {
                let error = format!("`deadlines.{phase}` is 0, wanted at least 1ms");
                return Err(Failure::usage(error).in_file(path));
            }
        }
        Ok(file)
    }

    /// A file with every key explained.
    pub fn example() -> &'static str {
        EXAMPLE
    }
}

impl TaskTable {
    /// Pause between two rounds.
    pub fn pause(&self) -> Duration {
        self.pause.map_or(Duration::ZERO, |Time(pause)| pause)
    }
}

impl GatherTable {
    /// As the service takes it.
    pub fn gather(self) -> Gather {
        let default = Gather::default();
        Gather {
            members: self.members.or(default.members),
            wait: self.wait.map_or(default.wait, |Time(wait)| wait),
        }
    }
}

impl DeadlinesTable {
    /// A phase that would close before anybody can answer.
    fn zero(self) -> Option<&'static str> {
        let phases = [
            ("advertise", self.advertise),
            ("share", self.share),
            ("accept", self.accept),
            ("upload", self.upload),
            ("confirm", self.confirm),
            ("reveal", self.reveal),
        ];
        phases
            .into_iter()
            .find(|(_, time)| time.is_some_and(|time| time.milliseconds() == 0))
            .map(|(phase, _)| phase)
    }

    /// As the protocol takes them.
    pub fn deadlines(self) -> Deadlines {
        let default = Deadlines::default();
        let time = |time: Option<Time>, default| time.map_or(default, Time::milliseconds);
        Deadlines {
            advertise_ms: time(self.advertise, default.advertise_ms),
            share_ms: time(self.share, default.share_ms),
            accept_ms: time(self.accept, default.accept_ms),
            upload_ms: time(self.upload, default.upload_ms),
            confirm_ms: time(self.confirm, default.confirm_ms),
            reveal_ms: time(self.reveal, default.reveal_ms),
        }
    }
}

fn staging_budget() -> Size {
    Size(1 << 30)
}

fn spill_budget() -> Size {
    Size(64 << 30)
}

fn linger() -> Time {
    Time(Duration::from_secs(10))
}

fn results() -> PathBuf {
    PathBuf::from("results")
}

fn step() -> f64 {
    1.0
}

const EXAMPLE: &str = r#"# Coordinator of a Veilsum federation: veilsum serve --config coordinator.toml
# Paths are relative to this file. A key that is not known here is an error.

# Where members connect; port 0 takes any free one, which is printed. Use 0.0.0.0 to listen on all interfaces.
listen = "127.0.0.1:7400"

# Secret key of the coordinator (veilsum keygen --out coordinator.key); the roster names its public key.
key = "coordinator.key"

# Who takes part, signed by the authority.
roster = "roster.toml"

# Key of the authority: 64 hex digits or the path of a key file. Only a roster that it signed is accepted.
authority = "authority.pub"

# Folder of what must survive a restart, and of uploads that spill to files.
state = "state"

# Uploads that are not whole or not yet added up: bytes in memory, and bytes in files beyond that.
staging_budget = "1 GiB"
spill_budget = "64 GiB"

# Time that members have to fetch the last result before the command ends.
linger = "10s"

# One table for each task; several run at once.
[[tasks]]
task = "task.toml"

# Rounds to run, those that end without a sum included. Leave it out to go on until stopped.
rounds = 1

# Folder of results: for each round a signed receipt, the sum, and the mean as .safetensors.
results = "results"

# Model that the first round starts from, .safetensors. After each round it takes a step along the mean update, and the
# next round starts from that. Without a model members just get the mean.
# model = "model.safetensors"
# step = 1.0

# A job instead (`veilsum train --print-example`), whose algorithm makes the models. The task must have the job's tensors. The state of
# the training is kept in the folder of results, and a coordinator that starts again goes on from it.
# job = "train.toml"

# Task whose rounds judge the models of the job on examples that members hold back, each right after the round that made the model. A
# job whose models members judge (without privacy the default) does not start without it. `veilsum train --write-task DIR` writes both
# tasks; the authority lists both (`veilsum roster allow`).
# evaluation = "training.eval.task.toml"

# A query instead of a model: members answer it with `veilsum join --stats`, and the task ends with the answer, which is written to
# the folder of results. `veilsum stats ... --task task.toml` writes the task and shows the query. Leave `rounds` out then.
# query = { kind = "mean", columns = ["age"], rows = 100000, bounds = [[0, 120]], bits = 16 }

# Pause between two rounds.
# pause = "10s"

# A round opens once so many members are connected, at the latest after `wait` if they are enough for the task.
[tasks.gather]
# members = 3
wait = "60s"

# Time each phase is open; it closes earlier once everybody has answered. Members train while Advertise is open, and
# those that promise their updates until Upload closes, if that is twice as long.
[tasks.deadlines]
advertise = "60s"
share = "30s"
accept = "30s"
upload = "120s"
confirm = "30s"
reveal = "30s"

# Bounds of connections; what is left out has its default.
[limits]
idle_timeout = "30s"
keep_alive = "10s"
# handshake_timeout = "10s"
# stall_timeout = "20s"
# upload_grace = "10s"
# min_upload_rate = "16 KiB"
# connections = 4096
# handshakes = 128
# uploads_per_member = 4
"#;
