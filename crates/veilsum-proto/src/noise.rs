//! Not noise itself: laws, draws and chains are `veilsum-dp`'s, and a contribution gets its noise in `veilsum-encode`.
//!
//! What it is for: the noise of a task over one roster, as member and coordinator derive it alike, and what it is worth.
//! The norm is `spec/noise.md`; what a task says about it is in `spec/roster-task.md`, section "Task".

use crate::ids::TaskDigest;
use crate::parameters::Parameters;
use crate::task::{Task, TaskError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use veilsum_dp::{
    Accountant, Cohort, NoisePlan, NoisePlanError, Release, Sensitivity, Sharing, Statement, Unit,
};
use veilsum_encode::Clip;

/// Noise of a task's rounds over one roster or cohort.
#[derive(Debug)]
pub struct RoundNoise {
    plan: NoisePlan,
    sensitivity: Sensitivity,
    release: Release,
    example_clip: Option<Clip>,
    delta: f64,
}

impl RoundNoise {
    /// The noise of a task's rounds with these parameters; `None` in a task without noise.
    ///
    /// The last few are kept, since every round of a task asks for the same: compiling the tables takes 30 to 300 ms for
    /// most laws, and up to 2 s for the widest ones in 17 parts (discrete Laplace of scale 190, Skellam of 10^10 over 1000
    /// members).
    ///
    /// # Errors
    ///
    /// [`TaskError::NoisePlan`] when a share of the noise is too small or too large for a table.
    pub(crate) fn of(task: &Task, parameters: &Parameters) -> Result<Option<Arc<Self>>, TaskError> {
        let Some(noise) = task.checked_noise() else {
            return Ok(None);
        };
        // spec: [task.noise.round]
        let tolerated = parameters.tolerated.unwrap_or(parameters.d);
        let cohort = Cohort::new(parameters.n, tolerated, parameters.c)?;
        let place = SHELF.place(task.digest(), cohort);
        let derived = place.get_or_init(|| {
            let plan = NoisePlan::derive(noise.target.clone(), cohort, noise.spec.sharing)?;
            Ok(Arc::new(Self {
                release: Release::of(&plan, &noise.sensitivity),
                plan,
                sensitivity: noise.sensitivity.clone(),
                example_clip: noise.spec.example_clip,
                delta: noise.spec.delta.to_f64(),
            }))
        });
        Ok(Some(derived.clone()?))
    }

    /// Which noise every member adds, and how surplus comes off again.
    pub fn plan(&self) -> &NoisePlan {
        &self.plan
    }

    /// How far one unit can move the sum, in steps.
    pub fn sensitivity(&self) -> &Sensitivity {
        &self.sensitivity
    }

    /// One round, as a budget is charged for it.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Whose presence the noise hides.
    pub fn unit(&self) -> Unit {
        self.release.unit()
    }

    /// Norm that one example keeps to as it enters its member's vector; `None` with the unit member.
    pub fn example_clip(&self) -> Option<Clip> {
        self.example_clip
    }

    /// Delta at which the task states epsilon.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// Whether each member's noise has a chain, by which the surplus of survivors comes off after the certificate.
    // spec: [task.noise.chain]
    pub fn has_chain(&self) -> bool {
        self.plan.sharing() == Sharing::DropoutExact
    }

    /// What one round guarantees.
    pub fn statement(&self) -> Statement {
        self.total(1)
    }

    /// What `rounds` rounds guarantee together.
    pub fn total(&self, rounds: u64) -> Statement {
        let mut accountant = Accountant::new(self.unit());
        let composed = accountant.compose(&self.release, rounds);
        debug_assert!(composed.is_ok(), "the accountant has the release's unit");
        accountant.statement(self.delta)
    }
}

/// The last few results, the latest first: pure functions of task and cohort, so keeping them changes no result.
#[derive(Default)]
struct Shelf(Mutex<VecDeque<(TaskDigest, Cohort, Place)>>);

/// Filled by the first who asks; others who ask for the same meanwhile wait.
type Place = Arc<OnceLock<Result<Arc<RoundNoise>, NoisePlanError>>>;

impl Shelf {
    fn place(&self, task: TaskDigest, cohort: Cohort) -> Place {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.iter().position(|(t, c, _)| (*t, *c) == (task, cohort));
        let entry = known.and_then(|position| last.remove(position));
        let (task, cohort, place) = entry.unwrap_or_else(|| (task, cohort, Place::default()));
        last.push_front((task, cohort, Arc::clone(&place)));
        last.truncate(KEPT_MAX);
        place
    }
}

static SHELF: Shelf = Shelf(Mutex::new(VecDeque::new()));

/// Results kept. Tables of a plan take 4 MiB at most.
const KEPT_MAX: usize = 4;

#[cfg(test)]
mod tests;
