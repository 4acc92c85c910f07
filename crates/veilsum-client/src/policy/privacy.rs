//! The table `[privacy]` of the policy: what a round, a task and all tasks together may cost.

use serde::Deserialize;
use veilsum_dp::{Adjacency, Filter, Unit};
use veilsum_encode::Clip;
use veilsum_proto::member::{Bounds, ExampleClip, PrivacyFloors};

use super::PolicyError;

/// The table of the file; what is absent is not asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PrivacyTable {
    required: bool,
    unit: Option<Unit>,
    adjacency: Option<Adjacency>,
    example_clip: Option<Clip>,
    epsilon_per_round: Option<f64>,
    epsilon_per_task: Option<f64>,
    epsilon_total: Option<f64>,
    delta: Option<f64>,
}

impl PrivacyTable {
    /// Refuses numbers that bind nothing, and bounds that a task would slip under: without noise, at a delta of its own, or as one of
    /// many tasks. `fixed` says that the tasks are not the coordinator's to invent.
    // spec: [policy.privacy.numbers] [policy.privacy.delta] [policy.privacy.total]
    pub(super) fn into_floors(self, fixed: bool) -> Result<PrivacyFloors, PolicyError> {
        self.check_numbers()?;
        match self.binding() {
            Some(key) if !self.required => return Err(PolicyError::Unbound { key }),
            _ => {}
        }
        let rounds = [self.epsilon_per_round, self.epsilon_per_task];
        if rounds.iter().any(Option::is_some) && self.epsilon_total.is_none() && !fixed {
            return Err(PolicyError::NoTotal);
        }
        Ok(PrivacyFloors {
            required: self.required,
            unit: self.unit,
            adjacency: self.adjacency,
            example_clip: self
                .example_clip
                .map_or(ExampleClip::Unknown, ExampleClip::Kept),
            bounds: self.bounds()?.into_iter().collect(),
        })
    }

    // spec: [policy.privacy.delta]
    fn bounds(&self) -> Result<Option<Bounds>, PolicyError> {
        let first = self.epsilons().into_iter().find(|(_, set)| set.is_some());
        match (self.delta, first) {
            (None, None) | (Some(_), None) => Ok(None),
            (None, Some((key, _))) => Err(PolicyError::NoDelta { key }),
            (Some(delta), Some(_)) => {
                check_total(self.epsilon_total, delta)?;
                Ok(Some(Bounds {
                    delta,
                    per_round: self.epsilon_per_round,
                    per_task: self.epsilon_per_task,
                    total: self.epsilon_total,
                }))
            }
        }
    }

    fn check_numbers(&self) -> Result<(), PolicyError> {
        let clip = self.example_clip.map(Clip::bound);
        let clip = [("privacy.example_clip", clip)];
        for (key, found) in self.epsilons().into_iter().chain(clip) {
            if let Some(found) = found.filter(|found| !found.is_finite() || *found <= 0.0) {
                return Err(number(key, found, "a number above 0"));
            }
        }
        match self.delta {
            Some(delta) if !(delta > 0.0 && delta < 1.0) => {
                Err(number("privacy.delta", delta, "a number between 0 and 1"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The first key that binds tasks with noise alone.
    fn binding(&self) -> Option<&'static str> {
        let mut keys = vec![
            ("privacy.unit", self.unit.is_some()),
            ("privacy.adjacency", self.adjacency.is_some()),
        ];
        keys.extend(self.epsilons().map(|(key, value)| (key, value.is_some())));
        keys.push(("privacy.delta", self.delta.is_some()));
        let set = keys.into_iter().find(|(_, is_set)| *is_set);
        set.map(|(key, _)| key)
    }

    fn epsilons(&self) -> [(&'static str, Option<f64>); 3] {
        [
            ("privacy.epsilon_per_round", self.epsilon_per_round),
            ("privacy.epsilon_per_task", self.epsilon_per_task),
            ("privacy.epsilon_total", self.epsilon_total),
        ]
    }
}

// spec: [policy.privacy.largest]
fn check_total(total: Option<f64>, delta: f64) -> Result<(), PolicyError> {
    // two places, as it is shown
    let largest = (Filter::largest(delta) * 100.0).floor() / 100.0;
    match total {
        Some(found) if found > largest => Err(PolicyError::TooLarge {
            found: found.to_string(),
            largest: format!("{largest:.2}"),
        }),
        Some(_) | None => Ok(()),
    }
}

fn number(key: &'static str, found: f64, wanted: &'static str) -> PolicyError {
    PolicyError::Number {
        key,
        found: found.to_string(),
        wanted,
    }
}
