//! The status of a coordinator for people.

use super::{CoordinatorStatus, PrivacyStatus, TaskStatus, now};
use crate::output::rounded_up;
use crate::table::rounds;
use std::fmt;

impl fmt::Display for CoordinatorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "coordinator of {}", self.federation)?;
        if let Some(address) = &self.address {
            write!(f, " on {address}")?;
        }
        match (self.running, self.is_stale()) {
            (true, false) => write!(f, ", runs, as of {} ago", age(self.updated))?,
            (true, true) => write!(
                f,
                ", was last seen {} ago: its process is gone or stuck",
                age(self.updated)
            )?,
            (false, _) => write!(f, ", ended {} ago", age(self.updated))?,
        }
        if self.running {
            let names: Vec<&str> = self.connected.iter().map(|one| one.name.as_str()).collect();
            let (here, all) = (names.len(), self.members);
            write!(f, "\n  {here} of {all} members connected")?;
            if !names.is_empty() {
                write!(f, ": {}", names.join(", "))?;
            }
        }
        if let Some(fault) = &self.last_fault {
            let (name, id, kind, text) = (&fault.name, fault.id, &fault.kind, &fault.text);
            let ago = age(fault.at);
            write!(
                f,
                "\n  last fault, {ago} ago: {name} (slot {id}), {kind}: {text}"
            )?;
        }
        self.tasks.iter().try_for_each(|task| write!(f, "\n{task}"))
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}: ", self.task)?;
        match (self.round, self.attempt) {
            (Some(round), Some(attempt)) if attempt > 0 => {
                write!(f, "round {round} attempt {attempt}, ")?;
            }
            (Some(round), _) => write!(f, "round {round}, ")?,
            (None, _) => {}
        }
        write!(f, "{} for {}", self.phase, age(self.since))?;
        let (sums, without) = (rounds(self.sums), self.without_sum);
        write!(f, "; {sums} with a sum, {without} without")?;
        if let Some(sum) = &self.last_sum {
            let (round, ago) = (sum.round, age(sum.at));
            let (survivors, members) = (sum.survivor_ids.len(), sum.members);
            write!(
                f,
                "\n  last sum, {ago} ago: round {round}, {survivors} of {members} members, sum {}",
                sum.sum_sha256
            )?;
        }
        if let Some(model) = &self.model {
            let (version, digest) = (model.version, &model.model_sha256);
            write!(f, "\n  model: version {version}, digest {digest}")?;
        }
        if let Some(privacy) = &self.privacy {
            write!(f, "\n  privacy: {privacy}")?;
        }
        if let Some(error) = &self.last_error {
            let (round, phase, ago) = (error.round, &error.phase, age(error.at));
            let (reason, text) = (&error.reason, &error.text);
            write!(
                f,
                "\n  last error, {ago} ago: round {round} ended in {phase}, {reason}: {text}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for PrivacyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |epsilon: Option<f64>| epsilon.map_or("unknown".to_owned(), rounded_up);
        let (unit, delta) = (self.unit, self.delta);
        write!(
            f,
            "epsilon {} in the last round and {} in all, at delta {delta:e} per {unit}",
            told(self.epsilon),
            told(self.epsilon_total)
        )?;
        match (self.epsilon_budget, self.epsilon_left) {
            (Some(budget), Some(left)) => write!(f, "; {left:.4} of {budget} left"),
            (Some(budget), None) => write!(f, "; nothing known to be left of {budget}"),
            (None, _) => Ok(()),
        }
    }
}

/// How long ago a moment was, in its largest unit.
pub fn age(at: u64) -> String {
    let seconds = now().saturating_sub(at);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What is left of a budget, rounded down to what is shown; `None` without a budget, or if nothing can be said.
pub fn budget_left(budget: Option<f64>, spent: f64) -> Option<f64> {
    let left = (budget? - spent).max(0.0);
    spent.is_finite().then(|| (left * 1e4).floor() / 1e4)
}
