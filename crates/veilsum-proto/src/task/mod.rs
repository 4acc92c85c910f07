//! The task: what a federation sums, how values become integers, and what a round must withstand.
//!
//! Not a schedule (rounds, deadlines and models are the coordinator's) and not a site's policy (a member compares the task
//! with its own floors and refuses what falls short). A `Task` that exists is right in itself; whether it fits a roster is
//! asked with the roster's size: [`Task::parameters`], [`Task::plan`]. Members and coordinator hold the same task, since
//! its digest enters every session id.
//!
//! ```
//! # use veilsum_proto::task::Task;
//! let task = Task::from_toml(
//!     r#"
//!     version = 1
//!     name = "digits"
//!     corrupt = 1
//!     dropout = 0.1
//!
//!     [encoding]
//!     kind = "float"
//!     clip = { l2 = 1.0 }
//!     precision_bits = 16
//!
//!     [[tensors]]
//!     name = "weight"
//!     shape = [10, 64]
//!     dtype = "f32"
//!     "#,
//! )?;
//! assert_eq!(task.parameters(12)?.q, 7);
//! assert_eq!(Task::decode(task.encode())?.digest(), task.digest());
//! # Ok::<(), veilsum_proto::task::TaskError>(())
//! ```
//!
//! The norm is `spec/roster-task.md`, section "Task".

mod error;
mod noise;
mod text;
mod wire;

#[cfg(test)]
mod tests;

pub use self::error::TaskError;
pub(crate) use self::noise::CheckedNoise;
pub use self::noise::{NoiseLaw, NoiseLawError, NoiseSpec, NoiseSpecError};

use crate::ids::TaskDigest;
use crate::label::Label;
use crate::noise::RoundNoise;
use crate::parameters::{Amount, Demand, ElectorateChoice, GraphChoice, Parameters};
use crate::roster::Name;
use std::sync::Arc;
use veilsum_dp::{NoiseBound, Sensitivity};
use veilsum_encode::{Encoding, Manifest, Plan};

/// Most attempts at a round that a task may allow.
pub const MAX_ATTEMPTS: u32 = 16;

/// Attempts at a round unless the task says otherwise.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// Most tensors of a task.
pub const MAX_TENSORS: usize = 1 << 16;

/// Most bytes of a task's canonical encoding.
pub const MAX_BYTES: usize = 1 << 23;

/// What a task says, not yet checked as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSpec {
    /// Name of the task, for people, folders and logs.
    pub name: Name,
    /// Names, shapes and element types of the tensors.
    pub manifest: Manifest,
    /// How values become integers; the largest weight is in it.
    pub encoding: Encoding,
    /// Members that may work with the coordinator; a rate is one of those that take part, rounded down.
    pub corrupt: Amount,
    /// Slots that may be missing, beside the corrupt ones that refuse; a rate is one of those that take part, rounded up.
    pub dropout: Amount,
    /// Smallest survivor set; derived when absent.
    pub floor: Option<u32>,
    /// Who masks with whom.
    pub graph: GraphChoice,
    /// Who signs the certificate.
    pub electorate: ElectorateChoice,
    /// Slots drawn for a round with client sampling; absent when every slot takes part.
    pub cohort: Option<u32>,
    /// Attempts at a round, 1 to [`MAX_ATTEMPTS`].
    pub max_attempts: u32,
    /// Noise that hides examples or members; absent in a task without differential privacy.
    pub noise: Option<NoiseSpec>,
}

/// A task that is right in itself, with its canonical encoding and digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    spec: TaskSpec,
    /// As in `spec`, with what follows from it.
    noise: Option<CheckedNoise>,
    encoded: Vec<u8>,
    digest: TaskDigest,
}

/// What a task's rounds over one roster are made of.
#[derive(Clone, Debug)]
pub struct Derived {
    /// Numbers of the protocol.
    pub parameters: Parameters,
    /// Way from values to ring blocks and back, with room for the noise.
    pub plan: Plan,
    /// Noise, in a task that has it.
    pub noise: Option<Arc<RoundNoise>>,
}

impl Task {
    /// Takes in a task. A range that follows from the rotation is put in its place, so that equal tasks have one digest.
    ///
    /// # Errors
    ///
    /// [`TaskError::Plan`] when tensors and encoding make no plan even for one member (a NaN or a negative clip among
    /// them), or bound no unit of the noise; [`TaskError::Noise`]; [`TaskError::Rate`]; [`TaskError::Attempts`];
    /// [`TaskError::Tensors`]; [`TaskError::TooLong`].
    pub fn new(mut spec: TaskSpec) -> Result<Self, TaskError> {
        check(&spec)?;
        // spec: [task.encoding]
        let plan = Plan::derive(&spec.manifest, &spec.encoding, 1, NoiseBound::NONE)?;
        spec.encoding = *plan.encoding();
        let noise = spec.noise.map(|noise| noise.checked(&plan)).transpose()?;
        let encoded = wire::encode(&spec)?;
        let found = encoded.len();
        // spec: [task.caps]
        if found > MAX_BYTES {
            return Err(TaskError::TooLong { found });
        }
        Ok(Self {
            // spec: [task.digest]
            digest: TaskDigest(Label::Task.hash(&[&encoded]).0),
            spec,
            noise,
            encoded,
        })
    }

    /// What the task says.
    pub fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// What the task says, to be changed and checked anew.
    pub fn into_spec(self) -> TaskSpec {
        self.spec
    }

    /// Name of the task.
    pub fn name(&self) -> &Name {
        &self.spec.name
    }

    /// Names, shapes and element types of the tensors.
    pub fn manifest(&self) -> &Manifest {
        &self.spec.manifest
    }

    /// How values become integers.
    pub fn encoding(&self) -> &Encoding {
        &self.spec.encoding
    }

    /// Largest weight of a member; 1 in a task without weights.
    pub fn max_weight(&self) -> u32 {
        match &self.spec.encoding {
            Encoding::Float(float) => float.max_weight,
            Encoding::Integer { .. } => 1,
        }
    }

    /// Attempts at a round.
    pub fn max_attempts(&self) -> u32 {
        self.spec.max_attempts
    }

    /// Noise of the task; `None` without differential privacy.
    pub fn noise(&self) -> Option<&NoiseSpec> {
        self.spec.noise.as_ref()
    }

    /// How far one unit of the noise can move the sum, in steps, whatever the roster; `None` without differential privacy.
    pub fn sensitivity(&self) -> Option<&Sensitivity> {
        self.noise.as_ref().map(|noise| &noise.sensitivity)
    }

    /// Slots that take part in a round over a roster of `roster_slots`: all of them, or the cohort.
    pub fn slots(&self, roster_slots: u32) -> u32 {
        self.spec
            .cohort
            .map_or(roster_slots, |cohort| cohort.min(roster_slots))
    }

    /// The canonical encoding, read back by [`Task::decode`].
    pub fn encode(&self) -> &[u8] {
        &self.encoded
    }

    /// Digest of the canonical encoding.
    pub fn digest(&self) -> TaskDigest {
        self.digest
    }

    /// What the parameters are derived from, over a roster of `roster_slots` or the cohort drawn from it.
    // spec: [task.cohort]
    pub fn demand(&self, roster_slots: u32) -> Demand {
        let demand = Demand {
            slots: roster_slots,
            corrupt: self.spec.corrupt,
            dropout: self.spec.dropout,
            floor: self.spec.floor,
            graph: self.spec.graph,
            electorate: self.spec.electorate,
            dp: self.noise.is_some(),
        };
        match self.spec.cohort {
            Some(cohort) => demand.for_cohort(cohort),
            None => demand,
        }
    }

    /// The parameters of the task's rounds over a roster of `roster_slots`.
    ///
    /// # Errors
    ///
    /// [`TaskError::Cohort`] when the cohort is larger than the roster, [`TaskError::Parameters`] when no parameters
    /// withstand what the task demands.
    pub fn parameters(&self, roster_slots: u32) -> Result<Parameters, TaskError> {
        self.check_cohort(roster_slots)?;
        Ok(Parameters::derive(&self.demand(roster_slots))?)
    }

    /// The way from values to ring blocks and back over a roster of `roster_slots`: lanes are wide enough for every slot
    /// that takes part, noise included.
    ///
    /// # Errors
    ///
    /// [`TaskError::Cohort`] when the cohort is larger than the roster, [`TaskError::Plan`] when sums over so many
    /// members do not fit; in a task with noise also what [`Task::round_noise`] refuses.
    pub fn plan(&self, roster_slots: u32) -> Result<Plan, TaskError> {
        self.check_cohort(roster_slots)?;
        let noise = self.round_noise(roster_slots)?;
        self.plan_with(roster_slots, noise.as_deref())
    }

    /// The noise of the task's rounds over a roster of `roster_slots`; `None` in a task without noise.
    ///
    /// Tables are compiled once for each of the last few tasks and rosters, and shared.
    ///
    /// # Errors
    ///
    /// As [`Task::parameters`]; [`TaskError::NoisePlan`] when a share of the noise has no table.
    pub fn round_noise(&self, roster_slots: u32) -> Result<Option<Arc<RoundNoise>>, TaskError> {
        if self.noise.is_none() {
            return Ok(None);
        }
        RoundNoise::of(self, &self.parameters(roster_slots)?)
    }

    /// Parameters, plan and noise over a roster of `roster_slots`, nothing derived twice.
    ///
    /// # Errors
    ///
    /// As [`Task::parameters`], [`Task::plan`] and [`Task::round_noise`].
    pub fn derive(&self, roster_slots: u32) -> Result<Derived, TaskError> {
        let parameters = self.parameters(roster_slots)?;
        let noise = RoundNoise::of(self, &parameters)?;
        Ok(Derived {
            parameters,
            plan: self.plan_with(roster_slots, noise.as_deref())?,
            noise,
        })
    }

    pub(crate) fn checked_noise(&self) -> Option<&CheckedNoise> {
        self.noise.as_ref()
    }

    fn plan_with(&self, roster_slots: u32, noise: Option<&RoundNoise>) -> Result<Plan, TaskError> {
        let bound = noise.map_or(NoiseBound::NONE, |noise| noise.plan().bound());
        let enrolled = self.slots(roster_slots);
        Ok(Plan::derive(
            self.manifest(),
            self.encoding(),
            enrolled,
            bound,
        )?)
    }

    // spec: [task.cohort]
    fn check_cohort(&self, slots: u32) -> Result<(), TaskError> {
        match self.spec.cohort {
            Some(cohort) if cohort > slots => Err(TaskError::Cohort { cohort, slots }),
            Some(_) | None => Ok(()),
        }
    }
}

fn check(spec: &TaskSpec) -> Result<(), TaskError> {
    let found = spec.manifest.tensors().len();
    // spec: [task.caps]
    if found > MAX_TENSORS {
        return Err(TaskError::Tensors { found });
    }
    // spec: [task.attempts]
    if !(1..=MAX_ATTEMPTS).contains(&spec.max_attempts) {
        return Err(TaskError::Attempts {
            found: spec.max_attempts,
        });
    }
    check_rate("corrupt", spec.corrupt)?;
    check_rate("dropout", spec.dropout)
}

// spec: [task.rates]
fn check_rate(key: &'static str, amount: Amount) -> Result<(), TaskError> {
    match amount {
        Amount::Rate(found) if found.exceeds_one() => Err(TaskError::Rate { key, found }),
        Amount::Rate(_) | Amount::Count(_) => Ok(()),
    }
}
