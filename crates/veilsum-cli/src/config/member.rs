//! `member.toml`.

use super::limits::LimitsTable;
use super::units::Time;
use super::{read, resolve};
use crate::exit::Failure;
use crate::stats::allow::StatsTable;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use veilsum_client::Backoff;

/// What `veilsum join` is run with; paths are resolved.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberFile {
    /// Where the coordinator listens, `host:port`.
    pub coordinator: String,
    /// Secret key file.
    pub key: PathBuf,
    /// Signed roster.
    pub roster: PathBuf,
    /// The site's terms.
    pub policy: PathBuf,
    /// Ledger of the key.
    pub ledger: PathBuf,
    /// A second place for the ledger's mark.
    pub second_mark: Option<PathBuf>,
    /// Whether one thread masks, instead of one for each processor.
    #[serde(default)]
    pub one_thread: bool,
    /// What `--stats` answers.
    #[serde(default)]
    pub stats: StatsTable,
    /// Waits between tries to connect.
    #[serde(default)]
    pub reconnect: ReconnectTable,
    /// Bounds of the connection.
    #[serde(default)]
    pub limits: LimitsTable,
}

/// Waits between tries to connect.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconnectTable {
    first: Option<Time>,
    most: Option<Time>,
}

impl MemberFile {
    /// Reads the file and resolves its paths.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let mut file: Self = read(path)?;
        for of_file in [
            &mut file.key,
            &mut file.roster,
            &mut file.policy,
            &mut file.ledger,
        ] {
            *of_file = resolve(path, of_file);
        }
        file.second_mark = file.second_mark.map(|mark| resolve(path, &mark));
        Ok(file)
    }

    /// A file with every key explained.
    pub fn example() -> &'static str {
        EXAMPLE
    }
}

impl ReconnectTable {
    /// As the client takes it.
    pub fn backoff(self) -> Backoff {
        let default = Backoff::default();
        Backoff {
            first: self.first.map_or(default.first, |Time(first)| first),
            most: self.most.map_or(default.most, |Time(most)| most),
        }
    }
}

const EXAMPLE: &str = r#"# Member of a Veilsum federation: veilsum join --config member.toml --update update.safetensors
# Paths are relative to this file. A key that is not known here is an error.

# Where the coordinator listens. An address proves nothing: the coordinator is its key on the roster.
coordinator = "127.0.0.1:7400"

# Secret key of this member (veilsum keygen --out member.key); the roster names its public key.
key = "member.key"

# Who takes part, signed by the authority.
roster = "roster.toml"

# Terms of this site, the accepted authority among them (veilsum join --print-policy).
policy = "policy.toml"

# What this member signed and spent. One key, one ledger: `veilsum join --new-ledger` makes it, once for each key.
# Beside it, in member.ledger.models, lies the last model of each task: the next one may then come as a delta.
ledger = "member.ledger"

# The ledger's mark is written here too. Choose a place that snapshots of this host do not reach: a restored old ledger is
# then noticed.
# second_mark = "/srv/elsewhere/member.mark"

# Mask with one thread instead of one for each processor.
one_thread = false

# What `veilsum join --stats FILE.csv` answers: nothing that is not listed. Privacy budgets are in the policy.
[stats]
# What an empty cell in a column of the query does: "refuse" the query, or "skip" its row. In tasks with noise its row is always skipped, and
# so is one with a cell that is no number: who answers is seen by all, and no row may decide it.
empty = "refuse"

# Whether rows may be counted without a column.
count_rows = false

# Fewest rows that a query may ask a member for, and the most that the table may have; wanted unless the policy bounds `privacy.epsilon_total`.
# Whoever could ask for 100 rows and for 101 would learn the row between. The number may be known: a round one, not below the rows of the table, with
# room to grow. A table of more rows does not start; one that grows past it meanwhile is answered about up to it. Rows count only with a number in
# each column that is listed below. Two answers tell which rows were added between: answer from a copy of a table that grows. With `epsilon_total` a
# query is about the first `rows` of any table, and a row more or less is what the noise covers.
# min_rows = 1000

# Columns, the kinds of statistic that are answered about each (count, sum, mean, variance, histogram, quantile), and the bounds
# that a sum, mean, variance or quantile has to have; without them any.
columns = [
#   { name = "age", kinds = ["mean", "histogram"], bounds = [0, 120] },
]

# Waits between tries to connect: the first, and the longest.
[reconnect]
first = "500ms"
most = "60s"

# Bounds of the connection; what is left out has its default.
[limits]
idle_timeout = "30s"
keep_alive = "10s"
# handshake_timeout = "10s"
# stall_timeout = "20s"
"#;
