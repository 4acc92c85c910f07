//! The site's terms: what a task must fulfil before this member sends anything at all.
//!
//! Not the coordinator's to change and not a negotiation: a task below a floor is refused, with what was found and wanted.
//! `spec/member.md`, section "Policy".

mod privacy;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use veilsum_encode::{Clip, Encoding, Manifest};
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::TaskDigest;
use veilsum_proto::member::{Floors, PrivacyFloors, UnlistedTasks};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::roster::Name;
use veilsum_proto::task::Task;

use privacy::PrivacyTable;

/// The terms of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The authority whose rosters are accepted.
    pub authority: PublicKey,
    /// Smallest survivor set, at least 2.
    pub min_survivors: u32,
    /// Corrupt members of the roster assumed at least; without a number the larger of 1 and a tenth of the roster.
    pub min_corrupt: Option<u32>,
    /// Encodings joined.
    pub encodings: BTreeSet<EncodingKind>,
    /// Least clip of a float task, whichever norm it is of.
    pub min_clip: Option<f64>,
    /// Largest clip of a float task, whichever norm it is of.
    pub max_clip: Option<f64>,
    /// What differential privacy is asked for, and what may be spent of it.
    pub privacy: PrivacyFloors,
    /// Most rounds joined in any 24 hours.
    pub rounds_per_day: Option<u32>,
    /// Which tasks are joined that the roster does not list; a task pinned by its digest in `tasks` counts as listed.
    pub unlisted_tasks: Unlisted,
    /// Whether further attempts of a round are joined.
    pub retry: Retry,
    /// Whether one update may go into several rounds.
    pub reuse_update: bool,
    /// Longest time the secrets of an attempt are kept.
    pub longest_attempt: Duration,
    /// Largest model taken in, in bytes.
    pub max_model_bytes: u64,
    /// Largest sum taken in, in bytes of its integers: 8 for each coordinate of the task.
    pub max_sum_bytes: u64,
    /// Most tasks that the member holds rounds of at once, at least 1.
    pub max_open_tasks: u32,
    /// Tasks joined; all within the other terms when absent.
    pub tasks: Option<Vec<TaskName>>,
}

/// A kind of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodingKind {
    /// Floats, clipped and quantised.
    Float,
    /// Integers within a range.
    Integer,
}

/// Which tasks are joined that the authority did not list on the roster ([`UnlistedTasks`] says why it matters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    /// None.
    Refuse,
    /// Those whose graph is complete, without committee and cohort: nothing is drawn.
    #[default]
    CompleteGraph,
    /// All.
    Any,
}

/// Whether further attempts of a round are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Until this member has signed survivors or accepted a certificate.
    #[default]
    UntilSigned,
    /// One attempt per round.
    Never,
}

/// How an allow-list names a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskName {
    /// By its name: whatever the task of that name says, within the other terms.
    Name(Name),
    /// By its digest: exactly this task.
    Digest(TaskDigest),
}

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// A key that is missing, unknown or of the wrong kind.
    #[error("{text}")]
    Toml {
        /// What was found, with its line.
        text: String,
    },
    /// Another version of the file.
    #[error("policy has version {found}, wanted 1")]
    Version {
        /// Version found.
        found: u32,
    },
    /// A number that no policy can have.
    #[error("`{key}` is {found}, wanted {wanted}")]
    Number {
        /// Which key.
        key: &'static str,
        /// Number found.
        found: String,
        /// Numbers that can stand there.
        wanted: &'static str,
    },
    /// A bound on epsilon that a task without noise would slip under.
    #[error(
        "`{key}` is set and `privacy.required` is not true: a task without noise would not be bound by it; say required = true"
    )]
    Unbound {
        /// Which key.
        key: &'static str,
    },
    /// A bound on epsilon whose delta would be the coordinator's choice.
    #[error(
        "`{key}` is set and `privacy.delta` is not: at a delta near 1 every noise has epsilon 0, and the task's delta is the coordinator's \
         choice; say delta, such as 1e-6"
    )]
    NoDelta {
        /// Which key.
        key: &'static str,
    },
    /// A total that nothing can be told of.
    #[error(
        "`privacy.epsilon_total` is {found}, wanted at most {largest} at this delta: no larger epsilon can be told from tables of noise, and rounds \
         would be refused long before it is spent"
    )]
    TooLarge {
        /// Epsilon found.
        found: String,
        /// Largest epsilon that a total is held at, rounded down.
        largest: String,
    },
    /// Bounds that each of many tasks would keep to.
    #[error(
        "`privacy.epsilon_per_round` or `privacy.epsilon_per_task` is set and `privacy.epsilon_total` is not: a coordinator could invent \
         any number of tasks; say epsilon_total, list every task in `tasks` by its digest, or say unlisted_tasks = \"refuse\""
    )]
    NoTotal,
    /// A list that allows nothing.
    #[error("`{key}` is empty, so nothing could be joined; leave it out or fill it")]
    Empty {
        /// Which key.
        key: &'static str,
    },
}

impl PolicyError {
    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Toml { .. } => "policy_toml",
            Self::Version { .. } => "policy_version",
            Self::Number { .. } => "policy_number",
            Self::Unbound { .. } => "policy_unbound",
            Self::NoDelta { .. } => "policy_no_delta",
            Self::TooLarge { .. } => "policy_too_large",
            Self::NoTotal => "policy_no_total",
            Self::Empty { .. } => "policy_empty",
        }
    }
}

impl Policy {
    /// The default terms under an authority: at least 3 survivors and 1 corrupt member assumed, no update used twice, models up
    /// to 1 GiB, sums of up to 2^28 coordinates, 4 tasks at once, secrets kept for a day at most.
    pub fn new(authority: PublicKey) -> Self {
        Self {
            authority,
            min_survivors: 3,
            min_corrupt: None,
            encodings: [EncodingKind::Float, EncodingKind::Integer].into(),
            min_clip: None,
            max_clip: None,
            privacy: PrivacyFloors::default(),
            rounds_per_day: None,
            unlisted_tasks: Unlisted::default(),
            retry: Retry::default(),
            reuse_update: false,
            longest_attempt: Duration::from_secs(24 * 60 * 60),
            max_model_bytes: 1 << 30,
            max_sum_bytes: 1 << 31,
            max_open_tasks: 4,
            tasks: None,
        }
    }

    /// Reads `policy.toml`. Whatever is not understood is an error: a floor that a slip of the pen has switched off would
    /// protect nobody.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] naming the key.
    // spec: [policy.strict]
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| PolicyError::Toml {
            text: one_line(&error.to_string()),
        })?;
        if file.version != 1 {
            return Err(PolicyError::Version {
                found: file.version,
            });
        }
        let policy = file.into_policy()?;
        policy.check()?;
        Ok(policy)
    }

    /// A policy file with every key explained; the authority is a placeholder.
    pub fn example() -> &'static str {
        EXAMPLE
    }

    /// The part of the terms that the member machine enforces for a task under a roster of so many slots.
    ///
    /// # Security
    ///
    /// The coordinator chooses the task. A task that reckons with too few corrupt members has too low a threshold, so the
    /// floor grows with the roster unless the site sets one.
    // spec: [policy.corrupt] [policy.unlisted]
    pub fn floors(&self, roster_slots: u32, task: &Task) -> Floors {
        Floors {
            survivors: self.min_survivors,
            corrupt: self
                .min_corrupt
                .unwrap_or_else(|| (roster_slots / 10).max(1)),
            unlisted: match self.unlisted_tasks {
                _ if self.pins(task) => UnlistedTasks::Any,
                Unlisted::Refuse => UnlistedTasks::Refused,
                Unlisted::CompleteGraph => UnlistedTasks::Undrawn,
                Unlisted::Any => UnlistedTasks::Any,
            },
            privacy: self.privacy.clone(),
            retry: self.retry == Retry::UntilSigned,
            reuse_update: self.reuse_update,
            longest_attempt: self.longest_attempt,
        }
    }

    /// Whether `tasks` has the task by its digest, so that no coordinator chose it.
    pub fn pins(&self, task: &Task) -> bool {
        let pinned = |name: &TaskName| *name == TaskName::Digest(task.digest());
        self.tasks
            .as_ref()
            .is_some_and(|tasks| tasks.iter().any(pinned))
    }

    /// Holds a task against the terms that are not floors of the machine: the allow-list, the encoding, the clip.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] naming the term, what was found and what is wanted.
    // spec: [policy.task] [policy.encoding] [policy.clip]
    pub fn check_task(&self, task: &Task) -> Result<(), Refusal> {
        if let Some(tasks) = &self.tasks
            && !tasks.iter().any(|name| name.is_of(task))
        {
            let (name, digest) = (task.name(), task.digest());
            let wanted = tasks.iter().map(TaskName::to_string);
            let wanted = wanted.collect::<Vec<_>>().join(", ");
            return Err(refusal("task", format!("{name} ({digest})"), wanted));
        }
        let kind = EncodingKind::of(task.encoding());
        if !self.encodings.contains(&kind) {
            let wanted = self.encodings.iter().map(EncodingKind::to_string);
            let wanted = wanted.collect::<Vec<_>>().join(" or ");
            return Err(refusal("encoding", kind.to_string(), wanted));
        }
        match task.encoding() {
            Encoding::Float(float) => self.check_clip(float.clip),
            Encoding::Integer { .. } => Ok(()),
        }
    }

    /// Holds the size of a task's sum against the site's bound. Asked of a manifest alone, before anything is derived.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] when the sum is larger.
    // spec: [policy.sum]
    pub fn check_sum(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let (coordinates, most) = (manifest.coordinates(), self.max_sum_bytes);
        match coordinates.checked_mul(BYTES_PER_COORDINATE) {
            Some(bytes) if bytes <= most => Ok(()),
            _ => Err(refusal(
                "size of the sum",
                format!("{coordinates} coordinates of {BYTES_PER_COORDINATE} bytes"),
                format!("at most {most} bytes (max_sum_bytes)"),
            )),
        }
    }

    /// Whether one more round may be joined, `joined` being those of the last 24 hours.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] when the day is full.
    // spec: [policy.rounds]
    pub(crate) fn check_rounds(&self, joined: usize) -> Result<(), Refusal> {
        match self.rounds_per_day {
            Some(most) if joined >= most as usize => Err(refusal(
                ROUNDS,
                joined.to_string(),
                format!("fewer than {most} before another is joined"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn check_clip(&self, clip: Clip) -> Result<(), Refusal> {
        let bound = clip.bound();
        let below = self.min_clip.filter(|least| bound < *least);
        let above = self.max_clip.filter(|most| bound > *most);
        match (below, above) {
            (Some(least), _) => Err(refusal(
                "clip",
                bound.to_string(),
                format!("at least {least}"),
            )),
            (None, Some(most)) => Err(refusal(
                "clip",
                bound.to_string(),
                format!("at most {most}"),
            )),
            (None, None) => Ok(()),
        }
    }

    // spec: [policy.numbers]
    fn check(&self) -> Result<(), PolicyError> {
        let number = |key, found: String, wanted| PolicyError::Number { key, found, wanted };
        if self.min_survivors < 2 {
            let found = self.min_survivors.to_string();
            return Err(number(
                "min_survivors",
                found,
                "at least 2: a sum of one is that one's update",
            ));
        }
        for (key, clip) in [("min_clip", self.min_clip), ("max_clip", self.max_clip)] {
            if let Some(clip) = clip.filter(|clip| !clip.is_finite() || *clip <= 0.0) {
                return Err(number(key, clip.to_string(), "a number above 0"));
            }
        }
        if self.rounds_per_day == Some(0) {
            return Err(number("rounds_per_day", "0".into(), "at least 1"));
        }
        if self.longest_attempt.is_zero() {
            return Err(number("longest_attempt", "0".into(), "at least 1 second"));
        }
        if self.max_sum_bytes < BYTES_PER_COORDINATE {
            let found = self.max_sum_bytes.to_string();
            return Err(number("max_sum_bytes", found, "at least 8: one coordinate"));
        }
        if self.max_open_tasks == 0 {
            return Err(number("max_open_tasks", "0".into(), "at least 1"));
        }
        let lists = [
            ("encodings", self.encodings.is_empty()),
            ("tasks", self.tasks.as_ref().is_some_and(Vec::is_empty)),
        ];
        match lists.into_iter().find(|(_, empty)| *empty) {
            Some((key, _)) => Err(PolicyError::Empty { key }),
            None => Ok(()),
        }
    }
}

/// Whether a refusal is the site's word about a task, which the same task will meet again.
pub(crate) fn is_of_task(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Policy { what, .. } => *what != ROUNDS,
        // what is spent stays spent
        // spec: [member.over-budget]
        Refusal::OverBudget { .. } => true,
        _ => false,
    }
}

impl EncodingKind {
    fn of(encoding: &Encoding) -> Self {
        match encoding {
            Encoding::Float(_) => Self::Float,
            Encoding::Integer { .. } => Self::Integer,
        }
    }
}

impl fmt::Display for EncodingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float => "float",
            Self::Integer => "integer",
        })
    }
}

impl TaskName {
    fn is_of(&self, task: &Task) -> bool {
        match self {
            Self::Name(name) => name == task.name(),
            Self::Digest(digest) => *digest == task.digest(),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl<'de> Deserialize<'de> for TaskName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        if hex::decode_to_slice(&text, &mut digest).is_ok() {
            return Ok(Self::Digest(TaskDigest(digest)));
        }
        let name = text.parse::<Name>().map_err(serde::de::Error::custom)?;
        Ok(Self::Name(name))
    }
}

/// The file; what is absent has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    version: u32,
    authority: PublicKey,
    min_survivors: Option<u32>,
    min_corrupt: Option<u32>,
    encodings: Option<BTreeSet<EncodingKind>>,
    min_clip: Option<f64>,
    max_clip: Option<f64>,
    #[serde(default)]
    privacy: PrivacyTable,
    rounds_per_day: Option<u32>,
    unlisted_tasks: Option<Unlisted>,
    retry: Option<Retry>,
    reuse_update: Option<bool>,
    longest_attempt: Option<u64>,
    max_model_bytes: Option<u64>,
    max_sum_bytes: Option<u64>,
    max_open_tasks: Option<u32>,
    tasks: Option<Vec<TaskName>>,
}

impl PolicyFile {
    fn into_policy(self) -> Result<Policy, PolicyError> {
        let default = Policy::new(self.authority);
        let by_digest = |name: &TaskName| matches!(name, TaskName::Digest(_));
        let pinned = self.tasks.as_ref();
        let fixed = pinned.is_some_and(|tasks| tasks.iter().all(by_digest))
            || self.unlisted_tasks == Some(Unlisted::Refuse);
        Ok(Policy {
            authority: self.authority,
            min_survivors: self.min_survivors.unwrap_or(default.min_survivors),
            min_corrupt: self.min_corrupt,
            encodings: self.encodings.unwrap_or(default.encodings),
            min_clip: self.min_clip,
            max_clip: self.max_clip,
            privacy: self.privacy.into_floors(fixed)?,
            rounds_per_day: self.rounds_per_day,
            unlisted_tasks: self.unlisted_tasks.unwrap_or(default.unlisted_tasks),
            retry: self.retry.unwrap_or(default.retry),
            reuse_update: self.reuse_update.unwrap_or(default.reuse_update),
            longest_attempt: self
                .longest_attempt
                .map_or(default.longest_attempt, Duration::from_secs),
            max_model_bytes: self.max_model_bytes.unwrap_or(default.max_model_bytes),
            max_sum_bytes: self.max_sum_bytes.unwrap_or(default.max_sum_bytes),
            max_open_tasks: self.max_open_tasks.unwrap_or(default.max_open_tasks),
            tasks: self.tasks,
        })
    }
}

fn refusal(what: &'static str, got: String, want: String) -> Refusal {
    Refusal::Policy { what, got, want }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Bytes of one coordinate of a decoded sum.
const BYTES_PER_COORDINATE: u64 = 8;

/// What the limit on rounds is called in a refusal.
const ROUNDS: &str = "rounds joined in 24 hours";

const EXAMPLE: &str = r#"# Terms of this site. The member refuses every task that falls short of them, whatever the coordinator asks for.
# A key that is not known here is an error: nothing is switched off by a slip of the pen.
version = 1

# Key of the federation's authority, 64 hex digits. Only rosters that it signed are accepted. There is no default.
authority = "0000000000000000000000000000000000000000000000000000000000000000"

# Smallest number of members whose sum this site's update may be in. At least 2.
min_survivors = 3

# How many other members may work together with the coordinator: a task must withstand at least so many of the roster.
# Left out, it is the larger of 1 and a tenth of the roster.
# min_corrupt = 1

# Encodings that are joined.
encodings = ["float", "integer"]

# Bounds for the clip of float tasks, whichever norm it is of.
# min_clip = 0.01
# max_clip = 100.0

# Most rounds joined in any 24 hours.
# rounds_per_day = 100

# Tasks that the roster does not list (veilsum roster allow): "complete-graph" joins those in which everybody masks with
# everybody, "refuse" none, "any" all. In other tasks the roster's randomness, public by then, decides who masks with whom,
# and whoever may still choose the task may choose among many draws. A task pinned by its digest below counts as listed.
unlisted_tasks = "complete-graph"

# "until-signed": join further attempts of a round until this member has signed its survivors. "never": one attempt only.
retry = "until-signed"

# Whether the same update may go into several rounds, and the same question be answered again. Two sums with the same update in
# them differ by what the others changed, so leave this off unless the update is public.
reuse_update = false

# Seconds after which the secrets of an attempt are erased at the latest.
longest_attempt = 86400

# Largest model taken in, in bytes.
max_model_bytes = 1073741824

# Largest sum taken in, in bytes: 8 for each coordinate of the task. A task with a larger one is refused.
max_sum_bytes = 2147483648

# Most tasks that this member holds rounds of at once; each may need memory for a model and a few times that of its sum.
max_open_tasks = 4

# Join only these tasks, by name or by digest (64 hex digits). Without this line: every task within the terms above.
# tasks = ["digits"]

# Differential privacy. What is set here binds every task, so the rest of this table needs required = true.
[privacy]
# Refuse tasks without noise.
required = false

# The unit that must be protected: "example", one record of this site, or "member", all that this site contributes.
# "member" is the stricter: it refuses tasks that protect single examples. Several records of one person are not one example.
# Without this line: either.
# unit = "example"

# What the unit is compared with: "zero-out", nothing in its place, or "replace", anything in its place, which is the stricter.
# Without this line: either.
# adjacency = "replace"

# The clip that this site's own trainer keeps every example to, as the example enters the update. A task that protects examples is
# joined if its example clip is of this norm and not below it. Without this line such a task is joined only by `veilsum join --train`
# and `--stats`, which hold the task's clip against what they do. It needs no required = true.
# example_clip = { l2 = 1.0 }

# Most that one round, all rounds of one task, and all tasks together may cost, as epsilon at delta. A round that would cost more is
# refused before anything is sent. The total counts whatever this member's ledger holds, under whatever name a task came: rounds that
# protect members for members, and all rounds for examples, as soon as examples count. Bounds of rounds and of tasks without a
# total need tasks that the coordinator cannot invent: `tasks` with digests, or unlisted_tasks = "refuse".
# No total above about 38 (at delta 1e-6) can be told from tables of noise, and a larger one is refused.
# A new key with a new ledger has forgotten what was spent: take it off the total by hand, or carry the ledger over.
# epsilon_per_round = 1.0
# epsilon_per_task = 4.0
# epsilon_total = 8.0

# Delta at which these epsilons are taken; no epsilon without it. Far below one in the number of this site's records.
# delta = 1e-6
"#;

#[cfg(test)]
mod tests;
