//! The table `[privacy]` of the policy: what a round, a task and all tasks together may cost.

use serde::Deserialize;
use veilsum_dp::Unit;
use veilsum_proto::member::PrivacyFloors;

use super::PolicyError;

/// The table of the file; what is absent is not asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PrivacyTable {
    required: bool,
    unit: Option<Unit>,
    epsilon_per_round: Option<f64>,
    epsilon_per_task: Option<f64>,
    epsilon_total: Option<f64>,
    delta: Option<f64>,
}

impl PrivacyTable {
    pub(super) fn into_floors(self) -> PrivacyFloors {
        PrivacyFloors {
            required: self.required,
            unit: self.unit,
            epsilon_per_round: self.epsilon_per_round,
            epsilon_per_task: self.epsilon_per_task,
            epsilon_total: self.epsilon_total,
            delta: self.delta,
        }
    }
}

/// Refuses numbers that bind nothing, and bounds that a task without noise would slip under.
// spec: [policy.privacy.numbers]
pub(super) fn check(privacy: &PrivacyFloors) -> Result<(), PolicyError> {
    for (key, epsilon) in epsilons(privacy) {
        if let Some(epsilon) = epsilon.filter(|found| !found.is_finite() || *found <= 0.0) {
            return Err(number(key, epsilon, "a number above 0"));
        }
    }
    if let Some(delta) = privacy
        .delta
        .filter(|delta| !(*delta > 0.0 && *delta < 1.0))
    {
        return Err(number("privacy.delta", delta, "a number between 0 and 1"));
    }
    match bound(privacy) {
        Some(key) if !privacy.required => Err(PolicyError::Unbound { key }),
        _ => Ok(()),
    }
}

/// The first key that binds tasks with noise alone.
fn bound(privacy: &PrivacyFloors) -> Option<&'static str> {
    let mut keys = vec![("privacy.unit", privacy.unit.is_some())];
    keys.extend(epsilons(privacy).map(|(key, value)| (key, value.is_some())));
    keys.push(("privacy.delta", privacy.delta.is_some()));
    let set = keys.into_iter().find(|(_, is_set)| *is_set);
    set.map(|(key, _)| key)
}

fn epsilons(privacy: &PrivacyFloors) -> [(&'static str, Option<f64>); 3] {
    [
        ("privacy.epsilon_per_round", privacy.epsilon_per_round),
        ("privacy.epsilon_per_task", privacy.epsilon_per_task),
        ("privacy.epsilon_total", privacy.epsilon_total),
    ]
}

fn number(key: &'static str, found: f64, wanted: &'static str) -> PolicyError {
    PolicyError::Number {
        key,
        found: found.to_string(),
        wanted,
    }
}
