//! The site's terms: what a task must fulfil before this member sends anything at all.
//!
//! Not the coordinator's to change and not a negotiation: a task below a floor is refused, with what was found and wanted.
//! `spec/member.md`, section "Policy".

mod error;
mod file;
mod privacy;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use veilsum_encode::{Clip, Encoding, Manifest};
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::TaskDigest;
use veilsum_proto::member::{Floors, PrivacyFloors, UnlistedTasks};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::roster::Name;
use veilsum_proto::task::Task;

pub use error::PolicyError;

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
    pub unlisted_tasks: UnlistedTasks,
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
            unlisted_tasks: UnlistedTasks::default(),
            retry: Retry::default(),
            reuse_update: false,
            longest_attempt: Duration::from_secs(24 * 60 * 60),
            max_model_bytes: 1 << 30,
            max_sum_bytes: 1 << 31,
            max_open_tasks: 4,
            tasks: None,
        }
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
            unlisted: match self.pins(task) {
                true => UnlistedTasks::Any,
                false => self.unlisted_tasks,
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

fn refusal(what: &'static str, got: String, want: String) -> Refusal {
    Refusal::Policy { what, got, want }
}

/// Bytes of one coordinate of a decoded sum.
const BYTES_PER_COORDINATE: u64 = 8;

/// What the limit on rounds is called in a refusal.
const ROUNDS: &str = "rounds joined in 24 hours";

#[cfg(test)]
mod tests;
