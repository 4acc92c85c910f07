//! Federations, tasks and what is derived from them, made once for many lists.

use crate::federation::{Federation, SetupError, generator};
use crate::inputs::{Formula, Inputs as _};
use crate::ops::doubles::Doubles;
use crate::ops::judge::Violation;
use crate::ops::list::{Noise, OperationList, Setting, Shape, Values};
use crate::ops::record::Outcome;
use crate::ops::world::World;
use crate::updates::{Brought, Updates};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use veilsum_dp::{Adjacency, Sharing, Unit};
use veilsum_encode::{Tensor, TensorData, Weight};
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::message::{Deadlines, Message};
use veilsum_proto::parameters::{Amount, GraphChoice};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{NoiseLaw, NoiseSpec, Task, TaskError};

/// Everything that lists of one setting share; lists on several threads may use one value.
#[derive(Debug, Default)]
pub struct Stages(Mutex<BTreeMap<Setting, Arc<Stage>>>);

/// A federation with its task.
#[derive(Debug)]
pub struct Stage {
    pub(super) federation: Federation,
    task: Task,
    values: Values,
    openings: Mutex<BTreeMap<(Round, Attempt), Opening>>,
}

/// One attempt, and how it is announced.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub context: Arc<RoundContext>,
    pub frame: Arc<Vec<u8>>,
}

impl Stages {
    /// Plays a list to the end of its last round and judges it.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] found; [`Violation::Setting`] for a federation that cannot be.
    pub fn run(
        &self,
        list: &OperationList,
        doubles: &mut dyn Doubles,
    ) -> Result<Outcome, Violation> {
        let stage = self
            .stage(&list.setting)
            .map_err(|error| Violation::Setting(error.to_string()))?;
        let played = catch_unwind(AssertUnwindSafe(|| World::play(&stage, list, doubles)));
        played.unwrap_or_else(|panic| Err(Violation::Panicked(text_of(&*panic))))
    }

    /// Whether a setting can be.
    pub fn allows(&self, setting: &Setting) -> bool {
        self.stage(setting).is_ok()
    }

    fn stage(&self, setting: &Setting) -> Result<Arc<Stage>, SetupError> {
        let key = Setting {
            rounds: 0,
            ..setting.clone()
        };
        if let Some(stage) = lock(&self.0).get(&key) {
            return Ok(stage.clone());
        }
        let stage = Arc::new(Stage::new(setting)?);
        Ok(lock(&self.0).entry(key).or_insert(stage).clone())
    }
}

impl Stage {
    fn new(setting: &Setting) -> Result<Self, SetupError> {
        let federation = Federation::new(setting.members, ROSTER_SEED)?;
        let task = federation.task(task_of(setting)?.into_spec())?;
        let stage = Self {
            federation,
            task,
            values: setting.values,
            openings: Mutex::default(),
        };
        stage.opening(Round(1), Attempt(0))?;
        Ok(stage)
    }

    /// Attempts that the task allows.
    pub(super) fn attempts(&self) -> u32 {
        self.task.max_attempts()
    }

    pub(super) fn opening(&self, round: Round, attempt: Attempt) -> Result<Opening, TaskError> {
        let mut openings = lock(&self.openings);
        if let Some(opening) = openings.get(&(round, attempt)) {
            return Ok(opening.clone());
        }
        let (task, roster) = (self.task.clone(), self.federation.roster.clone());
        let context = RoundContext::new(
            task,
            roster,
            round,
            attempt,
            ModelDigest([0; 32]),
            DEADLINES,
        )?;
        let frame = Message::new(context.open()).encode();
        let opening = Opening {
            context: Arc::new(context),
            frame: Arc::new(frame),
        };
        openings.insert((round, attempt), opening.clone());
        Ok(opening)
    }

    /// An attempt that the coordinator opened.
    pub(super) fn known(&self, round: Round, attempt: Attempt) -> Option<Opening> {
        lock(&self.openings).get(&(round, attempt)).cloned()
    }

    /// What members bring to a round; another update in each, as one is good for one round.
    pub(super) fn updates(&self, round: Round) -> Rows {
        Rows {
            values: self.values,
            round,
        }
    }
}

/// What members bring to one round.
pub(super) struct Rows {
    values: Values,
    round: Round,
}

impl Updates for Rows {
    fn of(&self, slot: Slot) -> Option<Brought> {
        let formula = Formula {
            seed: self.round.0.saturating_mul(1 << 16),
            coordinates: COORDINATES,
            bits: BITS,
        };
        let row = formula.row(slot);
        let shape = vec![COORDINATES as u64];
        let (name, data, weight) = match self.values {
            Values::Integers => ("x", TensorData::I64(row), 1),
            Values::WeightedFloats => {
                // below a quarter each, so that no norm reaches the clip
                let row = row.into_iter().map(|value| value as f32 / 65_536.0 / 8.0);
                let weight = u64::from(slot.0).saturating_add(self.round.0) % 4;
                (
                    "w",
                    TensorData::F32(row.collect()),
                    u32::try_from(weight).unwrap_or(0).saturating_add(1),
                )
            }
        };
        Some(Brought {
            tensors: BTreeMap::from([(name.to_owned(), Tensor { shape, data })]),
            weight: Weight::new(weight)?,
            rounding: generator(self.round.0, "rounding", slot.0),
        })
    }
}

fn task_of(setting: &Setting) -> Result<Task, SetupError> {
    let (corrupt, missing) = (
        Amount::Count(setting.corrupt),
        Amount::Count(setting.missing),
    );
    let mut spec = match setting.values {
        Values::Integers => Federation::integer_task(COORDINATES as u64, BITS, corrupt, missing)?,
        Values::WeightedFloats => Task::from_toml(FLOATS)?.into_spec(),
    };
    (spec.corrupt, spec.dropout) = (corrupt, missing);
    spec.graph = match setting.shape {
        Shape::Complete => GraphChoice::Complete,
        Shape::Ring(degree) => GraphChoice::Degree(degree),
    };
    spec.cohort = setting.cohort;
    spec.noise = setting.noise.map(noise_of).transpose()?;
    Ok(Task::new(spec)?)
}

fn noise_of(noise: Noise) -> Result<NoiseSpec, SetupError> {
    let (law, sharing) = match noise {
        Noise::DropoutExact => (NoiseLaw::Skellam, Sharing::DropoutExact),
        Noise::Shared => (NoiseLaw::Gaussian, Sharing::Shared),
    };
    let decimal = |text: &str| {
        text.parse()
            .map_err(|_| SetupError::Tensors(format!("{text} is no decimal")))
    };
    Ok(NoiseSpec {
        law,
        parameter: decimal("40")?,
        sharing,
        unit: Unit::Member,
        adjacency: Adjacency::ZeroOut,
        example_clip: None,
        delta: decimal("0.000001")?,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".into())
}

/// Milliseconds that each phase is open. A trip takes [`LATENCY`](super::world::LATENCY), so nobody is late by itself.
pub(super) const DEADLINES: Deadlines = Deadlines {
    advertise_ms: 100,
    share_ms: 100,
    accept_ms: 100,
    upload_ms: 100,
    confirm_ms: 100,
    reveal_ms: 100,
};

const ROSTER_SEED: u64 = 1;
const COORDINATES: usize = 12;
const BITS: u8 = 16;
const FLOATS: &str = r#"
version = 1
name = "floats"
corrupt = 0
dropout = 0

[encoding]
kind = "float"
clip = { l2 = 1.0 }
precision_bits = 12
rotation = true
max_weight = 4

[[tensors]]
name = "w"
shape = [12]
dtype = "f32"
"#;
