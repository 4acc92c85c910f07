//! How a member stands, by its own ledger: what it joined, and what its rounds have cost.

use crate::args::status::Status;
use crate::exit::Failure;
use crate::files;
use crate::output;
use crate::status::{PrivacyStatus, age, now};
use crate::table::rounds;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use veilsum_client::{LedgerView, Policy};
use veilsum_dp::{Accountant, Release, Unit};
use veilsum_proto::ids::{Round, TaskDigest};
use veilsum_proto::ledger::{Entry, Limit};
use veilsum_proto::member::Bounds;
use veilsum_proto::roster::Name;
use veilsum_proto::task::Task;

/// What costs are held against, and how tasks are called.
pub(super) struct Costs {
    bounds: Option<Bounds>,
    rounds_per_day: Option<u32>,
    names: BTreeMap<TaskDigest, Name>,
}

/// A member.
#[derive(Serialize)]
pub(super) struct MemberStatus {
    kind: &'static str,
    #[serde(serialize_with = "output::lossy::path")]
    ledger: PathBuf,
    /// Its public key.
    member: String,
    entries: u64,
    /// Seconds since 1970; null in an empty ledger.
    last_act: Option<u64>,
    /// Rounds joined in the last 24 hours, and how many the policy allows.
    rounds_of_the_day: u64,
    rounds_per_day: Option<u32>,
    tasks: Vec<TaskCosts>,
    /// All tasks together, for each unit that the policy bounds.
    total: Vec<PrivacyStatus>,
}

/// A task that a member took part in.
#[derive(Serialize)]
struct TaskCosts {
    /// Name, if a task file in the folder has this digest.
    task: Option<Name>,
    digest: String,
    /// Rounds joined.
    rounds: u64,
    last_round: u64,
    /// Rounds charged for their noise.
    charged: u64,
    /// Null in a task without noise.
    privacy: Option<PrivacyStatus>,
}

/// What the ledger says of one task.
#[derive(Default)]
struct Story {
    joined: BTreeMap<Round, u64>,
    charged: u64,
    last_charge: Option<(Round, f64)>,
}

impl Costs {
    pub(super) fn read(args: &Status) -> Result<Self, Failure> {
        let beside = args.dir.join("policy.toml");
        let path = match &args.policy {
            Some(path) => Some(path.clone()),
            None => Some(beside).filter(|path| path.exists()),
        };
        let policy = path.map(|path| {
            let text = files::read_text(&path)?;
            Policy::from_toml(&text).map_err(|error| Failure::usage(error).in_file(&path))
        });
        let policy = policy.transpose()?;
        let bounds = policy.as_ref().map(|policy| &policy.privacy.bounds);
        Ok(Self {
            bounds: bounds.and_then(|bounds| bounds.first().copied()),
            rounds_per_day: policy.and_then(|policy| policy.rounds_per_day),
            names: names(&args.dir),
        })
    }

    fn per_task(&self) -> Option<f64> {
        let bounds = self.bounds?;
        match (bounds.per_task, bounds.total) {
            (Some(task), Some(total)) => Some(task.min(total)),
            (task, total) => task.or(total),
        }
    }
}

impl MemberStatus {
    pub(super) fn read(path: &Path, costs: &Costs) -> Result<Self, Failure> {
        let view = LedgerView::read(path).map_err(Failure::refused)?;
        let mut stories: BTreeMap<TaskDigest, Story> = BTreeMap::new();
        for (at, entry) in view.entries() {
            match entry {
                Entry::Advert { task, round, .. } => {
                    let story = stories.entry(*task).or_default();
                    story.joined.entry(*round).or_insert(at);
                }
                Entry::Charged {
                    task, round, delta, ..
                } => {
                    let story = stories.entry(*task).or_default();
                    story.charged = story.charged.saturating_add(1);
                    story.last_charge = Some((*round, *delta));
                }
                Entry::Update { .. }
                | Entry::Signed { .. }
                | Entry::Certified { .. }
                | Entry::Closed { .. } => {}
            }
        }
        let since = now().saturating_sub(24 * 60 * 60);
        let joined = stories.values().flat_map(|story| story.joined.values());
        Ok(Self {
            kind: "member",
            ledger: path.to_owned(),
            member: view.member().to_string(),
            entries: view.entries().count() as u64,
            last_act: view.entries().next_back().map(|(at, _)| at),
            rounds_of_the_day: joined.filter(|at| **at > since).count() as u64,
            rounds_per_day: costs.rounds_per_day,
            total: total(&view, costs),
            tasks: stories
                .iter()
                .map(|(task, story)| TaskCosts::of(task, story, &view, costs))
                .collect(),
        })
    }
}

impl TaskCosts {
    fn of(digest: &TaskDigest, story: &Story, view: &LedgerView, costs: &Costs) -> Self {
        let privacy = story.last_charge.and_then(|(round, delta)| {
            // the delta is the site's where it bounds an epsilon
            let delta = costs.bounds.map_or(delta, |bounds| bounds.delta);
            let spent = view.state().spent(digest, delta)?;
            let alone = alone(view.state().charged(digest, round)?, delta)?;
            let budget = costs.per_task();
            Some(PrivacyStatus::new(
                spent.unit,
                delta,
                alone,
                spent.epsilon,
                budget,
            ))
        });
        let last = story.joined.last_key_value();
        Self {
            task: costs.names.get(digest).cloned(),
            digest: digest.to_string(),
            rounds: story.joined.len() as u64,
            last_round: last.map_or(0, |(round, _)| round.0),
            charged: story.charged,
            privacy,
        }
    }
}

/// What one round costs by itself.
fn alone(release: &Release, delta: f64) -> Option<f64> {
    let mut accountant = Accountant::new(release.unit());
    accountant.compose(release, 1).ok()?;
    Some(accountant.statement(delta).epsilon)
}

/// What all tasks cost together, as the policy counts it.
fn total(view: &LedgerView, costs: &Costs) -> Vec<PrivacyStatus> {
    let Some((bounds, most)) = costs
        .bounds
        .and_then(|bounds| Some((bounds, bounds.total?)))
    else {
        return Vec::new();
    };
    let of = |unit| {
        let limit = Limit {
            unit,
            epsilon: most,
            delta: bounds.delta,
        };
        let spent = view.state().spent_total(limit)?;
        let none = f64::INFINITY;
        Some(PrivacyStatus::new(
            unit,
            bounds.delta,
            none,
            spent.epsilon,
            Some(most),
        ))
    };
    [Unit::Member, Unit::Example]
        .into_iter()
        .filter_map(of)
        .collect()
}

/// Names of the tasks whose files lie in the folder.
fn names(folder: &Path) -> BTreeMap<TaskDigest, Name> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let tasks = files.filter_map(|file| {
        let path = file.path();
        let is_toml = path.extension().is_some_and(|found| found == "toml");
        let small = file.metadata().is_ok_and(|known| known.len() <= TASK_MOST);
        let text = (is_toml && small).then(|| fs::read_to_string(&path).ok())??;
        let task = Task::from_toml(&text).ok()?;
        Some((task.digest(), task.name().clone()))
    });
    tasks.collect()
}

impl fmt::Display for MemberStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}, {}", self.member, self.ledger.display())?;
        match self.last_act {
            Some(at) => write!(f, ", last act {} ago", age(at))?,
            None => f.write_str(", no act yet")?,
        }
        let today = rounds(self.rounds_of_the_day);
        write!(f, "\n  {today} joined in the last 24 hours")?;
        if let Some(most) = self.rounds_per_day {
            write!(f, " of {most} allowed")?;
        }
        for task in &self.tasks {
            write!(f, "\n{task}")?;
        }
        for total in &self.total {
            let (unit, delta) = (total.unit, total.delta);
            let spent = total.epsilon_total;
            let spent = spent.map_or("unknown".to_owned(), output::rounded_up);
            let (left, budget) = (
                total.epsilon_left.unwrap_or_default(),
                total.epsilon_budget.unwrap_or_default(),
            );
            write!(
                f,
                "\nall tasks together: epsilon {spent} at delta {delta:e} per {unit}; {left:.4} of {budget} left"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for TaskCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some(name) => write!(f, "task {name}")?,
            None => write!(f, "task {}", self.digest)?,
        }
        let (joined, last) = (rounds(self.rounds), self.last_round);
        write!(f, ": {joined} joined, the last was round {last}")?;
        match &self.privacy {
            Some(privacy) => {
                let charged = rounds(self.charged);
                write!(f, "\n  privacy: {charged} charged; {privacy}")
            }
            None => f.write_str("; without noise"),
        }
    }
}

/// Largest file that is taken for a task's.
const TASK_MOST: u64 = 1 << 20;
