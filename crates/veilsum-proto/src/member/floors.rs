//! What a site demands of every task and round, whatever the coordinator asks for.

use crate::ledger::{Charge, LedgerState, Limit, Reuse};
use crate::noise::RoundNoise;
use crate::refusal::Refusal;
use crate::session::RoundContext;
use std::time::Duration;
use veilsum_dp::{Accountant, Adjacency, Statement, Unit};
use veilsum_encode::Clip;

/// What differential privacy a site asks for, and what it may spend of it.
///
/// # Security
///
/// A unit, an adjacency or a bound on epsilon makes noise required, whatever `required` says: a task without noise has no epsilon, and
/// would slip under every bound.
// spec: [join.privacy]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrivacyFloors {
    /// Whether tasks without noise are refused.
    pub required: bool,
    /// Unit that must be protected; member is stricter than example. Without it, either.
    pub unit: Option<Unit>,
    /// What the unit is compared with; replace is stricter than zero-out. Without it, either.
    pub adjacency: Option<Adjacency>,
    /// Who sees to it that no example adds more than the task's example clip says.
    pub example_clip: ExampleClip,
    /// Bounds on epsilon; every one of them holds. Each is the word of one side: the site's policy, the job that a contributor holds.
    pub bounds: Vec<Bounds>,
}

/// Bounds on epsilon, all at one delta.
///
/// # Security
///
/// An epsilon without a delta of the site's own is the coordinator's to choose: at a delta near 1 every noise has epsilon 0. A bound per
/// round or per task alone bounds nothing against a coordinator that invents tasks; the total does.
// spec: [join.delta]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Delta at which the epsilons are taken, above 0 and below 1.
    pub delta: f64,
    /// Largest epsilon of one round.
    pub per_round: Option<f64>,
    /// Largest epsilon of all rounds of one task together.
    pub per_task: Option<f64>,
    /// Largest epsilon of all rounds in the ledger together, whatever their tasks: a coordinator may invent any number of these.
    pub total: Option<f64>,
}

/// Who sees to it that no example adds more to its member's vector than the example clip of a task says. The clip is the
/// coordinator's choice, and nothing in a vector shows whether it was kept to.
// spec: [join.example-clip]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ExampleClip {
    /// Nobody that is known of: tasks that protect examples are refused.
    #[default]
    Unknown,
    /// The site's trainer keeps to this clip: the task's must be of the same norm and not below it.
    Kept(Clip),
    /// Whoever makes the update holds the task's example clip against what it does.
    Checked,
}

/// Which tasks are joined that the authority did not list on the roster; a site's policy calls them `refuse`, `complete-graph`, `any`.
///
/// # Security
///
/// A graph, committee or cohort is drawn from randomness that is public once the roster is signed. Whoever may still choose the
/// task then, the coordinator, chooses among as many draws as there are tasks that the site admits, and each has its own
/// chance of 2^-40 to put honest members into bad company.
// spec: [open.task-drawn]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub enum UnlistedTasks {
    /// None.
    #[serde(rename = "refuse")]
    Refused,
    /// Those in which all slots take part, mask with all and sign: nothing is drawn.
    #[default]
    #[serde(rename = "complete-graph")]
    Undrawn,
    /// All.
    #[serde(rename = "any")]
    Any,
}

/// The part of a site's policy that the protocol enforces.
#[derive(Clone, Debug, PartialEq)]
pub struct Floors {
    /// Smallest survivor set the site joins: the task's floor must not be below it.
    pub survivors: u32,
    /// Corrupt members the site assumes at least: the task's count must not be below it.
    pub corrupt: u32,
    /// Which tasks are joined that the roster does not list.
    pub unlisted: UnlistedTasks,
    /// What differential privacy is asked for.
    pub privacy: PrivacyFloors,
    /// Whether a further attempt of a round may be joined before anything was signed.
    pub retry: bool,
    /// Whether an update may go into more than one round.
    pub reuse_update: bool,
    /// Longest time the secrets of an attempt are kept.
    pub longest_attempt: Duration,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            survivors: 2,
            corrupt: 0,
            unlisted: UnlistedTasks::default(),
            privacy: PrivacyFloors::default(),
            retry: true,
            reuse_update: false,
            longest_attempt: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl UnlistedTasks {
    // spec: [open.task-signed] [open.task-drawn]
    fn check(self, context: &RoundContext) -> Result<(), Refusal> {
        let (roster, task) = (&context.roster, context.task_digest);
        if !roster.admits(&task) {
            return Err(Refusal::TaskNotListed(task));
        }
        let drawn = !context.parameters.is_complete()
            || context.parameters.has_committee()
            || context.parameters.n < context.slots();
        let joined = match self {
            Self::Refused => false,
            Self::Undrawn => !drawn,
            Self::Any => true,
        };
        if joined || roster.lists(&task) {
            return Ok(());
        }
        Err(Refusal::Policy {
            what: "task that the roster does not list",
            got: match drawn {
                true => format!("task {task} with a drawn graph, committee or cohort"),
                false => format!("task {task}"),
            },
            want: "a task whose digest the authority signed (`veilsum roster allow`), or that the policy pins".into(),
        })
    }
}

impl Floors {
    /// Holds a round against the site's floors.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] naming the floor, what was found and what is wanted.
    // spec: [join.policy]
    pub fn check(&self, context: &RoundContext) -> Result<(), Refusal> {
        let parameters = &context.parameters;
        self.unlisted.check(context)?;
        at_least("floor of the task", parameters.f, self.survivors)?;
        // Of the whole roster: a cohort's own count follows from it.
        let corrupt = context.task.spec().corrupt.floor_of(context.slots());
        at_least("corrupt members tolerated", corrupt, self.corrupt)?;
        self.privacy.check(context.noise.as_deref())
    }

    /// In which other rounds an update of this one may have been. Noise covers a second use only where its cost is bounded over
    /// rounds: next to no noise is noise too.
    // spec: [upload.reuse]
    pub fn reuse(&self, context: &RoundContext) -> Reuse {
        let bounded = |bound: fn(&Bounds) -> Option<f64>| {
            let mut bounds = self.privacy.bounds.iter();
            context.noise.is_some() && bounds.any(|bounds| bound(bounds).is_some())
        };
        match self.reuse_update {
            true => Reuse::Allowed,
            false if bounded(|bounds| bounds.total) => Reuse::WithNoise,
            // a coordinator may invent any number of tasks
            false if bounded(|bounds| bounds.per_task) => Reuse::OfTask,
            false => Reuse::Never,
        }
    }
}

impl PrivacyFloors {
    /// What meets both: of unit, adjacency and example clip the stricter, of bounds all.
    ///
    /// A clip that the site keeps to binds whether or not the task's is checked as well. Of two kept to, the larger counts if they are of
    /// one norm; else nothing is known.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.required |= other.required;
        self.unit = match (self.unit, other.unit) {
            (Some(Unit::Member), _) | (_, Some(Unit::Member)) => Some(Unit::Member),
            (one, None) | (None, one) => one,
            (Some(Unit::Example), Some(Unit::Example)) => Some(Unit::Example),
        };
        self.adjacency = match (self.adjacency, other.adjacency) {
            (Some(Adjacency::Replace), _) | (_, Some(Adjacency::Replace)) => {
                Some(Adjacency::Replace)
            }
            (one, None) | (None, one) => one,
            (Some(Adjacency::ZeroOut), Some(Adjacency::ZeroOut)) => Some(Adjacency::ZeroOut),
        };
        self.example_clip = self.example_clip.and(other.example_clip);
        self.bounds.extend(other.bounds);
        self
    }

    /// The smallest delta of the bounds; `None` without any.
    pub fn delta(&self) -> Option<f64> {
        self.bounds
            .iter()
            .map(|bounds| bounds.delta)
            .min_by(f64::total_cmp)
    }

    /// Holds the noise of one round against the site's floors.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] naming the floor, what was found and what is wanted.
    // spec: [join.privacy]
    pub fn check(&self, noise: Option<&RoundNoise>) -> Result<(), Refusal> {
        let Some(noise) = noise else {
            return match self.demands_noise() {
                true => Err(refused("differential privacy", "none", "a task with noise")),
                false => Ok(()),
            };
        };
        if self.unit == Some(Unit::Member) && noise.unit() == Unit::Example {
            return Err(refused("unit of privacy", "example", "member"));
        }
        if self.adjacency == Some(Adjacency::Replace)
            && noise.sensitivity().adjacency() == Adjacency::ZeroOut
        {
            return Err(refused("adjacency of privacy", "zero-out", "replace"));
        }
        if let Some(clip) = noise.example_clip() {
            self.example_clip.check(clip)?;
        }
        self.bounds
            .iter()
            .try_for_each(|bounds| self.check_round(noise, bounds))
    }

    /// Whether the round is still to be charged; if so, holds what the ledger then comes to against the site's budgets.
    ///
    /// # Errors
    ///
    /// [`Refusal::OverBudget`] when too little is left, [`Refusal::Forbidden`] when the round was charged with other noise.
    // spec: [join.budget] [noise.budget.stop]
    pub fn must_charge(
        &self,
        context: &RoundContext,
        state: &LedgerState,
    ) -> Result<bool, Refusal> {
        let Some(noise) = context.noise.as_deref() else {
            return Ok(false);
        };
        let charge = Charge {
            task: &context.task_digest,
            release: noise.release(),
        };
        if !state.must_charge(context.round, charge)? {
            return Ok(false);
        }
        for bounds in &self.bounds {
            let limit = |unit, epsilon| Limit {
                unit,
                epsilon,
                delta: bounds.delta,
            };
            if let Some(most) = bounds.per_task {
                let would_be = state.spent_with(charge, limit(self.unit_of(noise), most));
                check_budget("this task", would_be, most)?;
            }
            let Some(most) = bounds.total else {
                continue;
            };
            for unit in self.units_of(noise, state) {
                let would_be = state.spent_total_with(charge, limit(unit, most));
                check_budget("all tasks together", would_be, most)?;
            }
        }
        Ok(true)
    }

    // spec: [join.delta]
    fn check_round(&self, noise: &RoundNoise, bounds: &Bounds) -> Result<(), Refusal> {
        let Some(most) = bounds.per_round else {
            return Ok(());
        };
        let alone = self.of_round(noise, bounds.delta);
        match alone {
            Some(alone) if is_within(&alone, most) => Ok(()),
            alone => Err(refused(
                "privacy of one round",
                alone.map_or_else(|| "unknown".to_owned(), |alone| alone.to_string()),
                format!("at most epsilon {most}"),
            )),
        }
    }

    fn of_round(&self, noise: &RoundNoise, delta: f64) -> Option<Statement> {
        let unit = self.unit_of(noise);
        let mut accountant = Accountant::new(unit);
        let release = noise.release().for_unit(unit)?;
        accountant.compose(&release, 1).ok()?;
        Some(accountant.statement(delta))
    }

    /// The unit whose cost counts: the site's, or else the task's.
    fn unit_of(&self, noise: &RoundNoise) -> Unit {
        self.unit.unwrap_or(noise.unit())
    }

    /// Units whose total the round adds to. A round for members costs examples too, which counts as soon as examples count
    /// at all: the site names them, or was in a round for them.
    fn units_of(&self, noise: &RoundNoise, state: &LedgerState) -> Vec<Unit> {
        let examples = noise.unit() == Unit::Example
            || self.unit == Some(Unit::Example)
            || state.has_examples();
        let members = noise.unit() == Unit::Member;
        let units = [(Unit::Example, examples), (Unit::Member, members)];
        let counted = units.into_iter().filter(|(_, counts)| *counts);
        counted.map(|(unit, _)| unit).collect()
    }

    fn demands_noise(&self) -> bool {
        self.required || self.unit.is_some() || self.adjacency.is_some() || !self.bounds.is_empty()
    }
}

impl ExampleClip {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Kept(one), Self::Kept(other)) if one.norm() != other.norm() => Self::Unknown,
            (Self::Kept(one), Self::Kept(other)) => match one.bound() >= other.bound() {
                true => Self::Kept(one),
                false => Self::Kept(other),
            },
            (Self::Kept(clip), _) | (_, Self::Kept(clip)) => Self::Kept(clip),
            (Self::Checked, _) | (_, Self::Checked) => Self::Checked,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }

    // spec: [join.example-clip]
    fn check(self, task: Clip) -> Result<(), Refusal> {
        let want = match self {
            Self::Checked => return Ok(()),
            Self::Kept(kept) if task.norm() == kept.norm() && task.bound() >= kept.bound() => {
                return Ok(());
            }
            Self::Kept(kept) => format!("{} of at least {}", kept.norm(), kept.bound()),
            Self::Unknown => "a site that says which clip its trainer keeps to (`privacy.example_clip`), or a contributor that checks \
                              the task's itself"
                .to_owned(),
        };
        let got = format!("{} of {}", task.norm(), task.bound());
        Err(refused("example clip", got, want))
    }
}

fn check_budget(of: &'static str, would_be: Statement, most: f64) -> Result<(), Refusal> {
    match is_within(&would_be, most) {
        true => Ok(()),
        false => Err(Refusal::OverBudget { of, would_be, most }),
    }
}

/// An infinite or undefined epsilon is within nothing.
fn is_within(statement: &Statement, most: f64) -> bool {
    statement.epsilon.is_finite() && statement.epsilon <= most
}

fn refused(what: &'static str, got: impl ToString, want: impl ToString) -> Refusal {
    Refusal::Policy {
        what,
        got: got.to_string(),
        want: want.to_string(),
    }
}

fn at_least(what: &'static str, got: u32, want: u32) -> Result<(), Refusal> {
    if got >= want {
        return Ok(());
    }
    Err(refused(what, got, format!("at least {want}")))
}
