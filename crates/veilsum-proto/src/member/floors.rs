//! What a site demands of every task and round, whatever the coordinator asks for.

use crate::ledger::{Charge, LedgerState, Reuse};
use crate::noise::RoundNoise;
use crate::refusal::Refusal;
use crate::session::RoundContext;
use std::time::Duration;
use veilsum_dp::{Accountant, Statement, Unit};

/// What differential privacy a site asks for, and what it may spend of it.
///
/// # Security
///
/// A unit or a bound on epsilon makes noise required, whatever `required` says: a task without noise has no epsilon, and would
/// slip under every bound.
// spec: [join.privacy]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PrivacyFloors {
    /// Whether tasks without noise are refused.
    pub required: bool,
    /// Unit that must be protected; member is stricter than example. Without it, either.
    pub unit: Option<Unit>,
    /// Largest epsilon of one round.
    pub epsilon_per_round: Option<f64>,
    /// Largest epsilon of all rounds of one task together.
    pub epsilon_per_task: Option<f64>,
    /// Largest epsilon of all rounds in the ledger that protect one unit, whatever their tasks: a coordinator may invent any
    /// number of these.
    pub epsilon_total: Option<f64>,
    /// Delta at which these epsilons are taken; without it the task's, for the total the smallest of the tasks'.
    pub delta: Option<f64>,
}

/// Which tasks are joined that the authority did not list on the roster.
///
/// # Security
///
/// A graph, committee or cohort is drawn from randomness that is public once the roster is signed. Whoever may still choose the
/// task then, the coordinator, chooses among as many draws as there are tasks that the site admits, and each has its own
/// chance of 2^-40 to put honest members into bad company.
// spec: [open.task-drawn]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlistedTasks {
    /// None.
    Refused,
    /// Those in which all slots take part, mask with all and sign: nothing is drawn.
    #[default]
    Undrawn,
    /// All.
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

    /// In which other rounds an update of this one may have been.
    // spec: [upload.reuse]
    pub fn reuse(&self, context: &RoundContext) -> Reuse {
        match (self.reuse_update, &context.noise) {
            (true, _) => Reuse::Allowed,
            (false, Some(_)) => Reuse::WithNoise,
            (false, None) => Reuse::Never,
        }
    }
}

impl PrivacyFloors {
    /// Holds the noise of one round against the site's floors.
    ///
    /// # Errors
    ///
    /// [`Refusal::Policy`] naming the floor, what was found and what is wanted.
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
        let alone = self.of_round(noise);
        match self.epsilon_per_round {
            Some(most) if !is_within(&alone, most) => Err(refused(
                "privacy of one round",
                alone,
                format!("at most epsilon {most}"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether the round is still to be charged; if so, holds what the ledger then comes to against the site's budgets.
    ///
    /// # Errors
    ///
    /// [`Refusal::OverBudget`] when too little is left, [`Refusal::Forbidden`] when the round was charged with other noise.
    // spec: [join.budget]
    pub fn must_charge(
        &self,
        context: &RoundContext,
        state: &LedgerState,
    ) -> Result<bool, Refusal> {
        let Some(charge) = charge(context) else {
            return Ok(false);
        };
        if !state.must_charge(context.round, charge)? {
            return Ok(false);
        }
        if let Some(most) = self.epsilon_per_task {
            let would_be = state.spent_with(charge, self.delta);
            check_budget("this task", would_be, most)?;
        }
        if let Some(most) = self.epsilon_total {
            let would_be = state.spent_total_with(charge, self.delta);
            check_budget("all tasks together", would_be, most)?;
        }
        Ok(true)
    }

    fn demands_noise(&self) -> bool {
        let epsilons = [
            self.epsilon_per_round,
            self.epsilon_per_task,
            self.epsilon_total,
        ];
        self.required || self.unit.is_some() || epsilons.iter().any(Option::is_some)
    }

    fn of_round(&self, noise: &RoundNoise) -> Statement {
        let mut accountant = Accountant::new(noise.unit());
        match accountant.compose(noise.release(), 1) {
            Ok(()) => accountant.statement(self.delta.unwrap_or(noise.delta())),
            // The accountant was made for this very unit.
            Err(_) => Statement {
                epsilon: f64::INFINITY,
                ..noise.statement()
            },
        }
    }
}

/// What a round with noise costs; `None` without.
pub(super) fn charge(context: &RoundContext) -> Option<Charge<'_>> {
    let noise = context.noise.as_deref()?;
    Some(Charge {
        task: &context.task_digest,
        release: noise.release(),
        delta: noise.delta(),
    })
}

fn check_budget(of: &'static str, would_be: Option<Statement>, most: f64) -> Result<(), Refusal> {
    match would_be {
        Some(would_be) if !is_within(&would_be, most) => {
            Err(Refusal::OverBudget { of, would_be, most })
        }
        Some(_) | None => Ok(()),
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
