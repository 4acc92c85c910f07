//! Identities, a signed roster and a task: what a round needs before it opens.

use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use veilsum_encode::{Dtype, Encoding, Manifest, TensorSpec};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::Slot;
use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice};
use veilsum_proto::roster::{Name, Roster, RosterDraft, RosterError};
use veilsum_proto::task::{DEFAULT_ATTEMPTS, Task, TaskError, TaskSpec};

/// A federation in one process.
#[derive(Debug)]
pub struct Federation {
    pub(crate) roster: Arc<Roster>,
    pub(crate) coordinator: Identity,
    pub(crate) members: BTreeMap<Slot, Arc<Identity>>,
    pub(crate) seed: u64,
}

/// A federation cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Name, key or number of members.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Numbers of the task.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Tensors of the task.
    #[error("{0}")]
    Tensors(String),
}

impl Federation {
    /// `members` identities from `seed`, under a roster signed by an authority of the same seed.
    ///
    /// # Errors
    ///
    /// [`SetupError::Roster`] for no members, or more than a roster holds.
    ///
    /// # Security
    ///
    /// All keys follow from the seed: for simulations only.
    pub fn new(members: u32, seed: u64) -> Result<Self, SetupError> {
        let (authority, coordinator) = (
            identity(seed, "authority", 0),
            identity(seed, "coordinator", 0),
        );
        let mut draft = RosterDraft::new(
            name("simulation")?,
            authority.public(),
            coordinator.public(),
        );
        let mut identities = BTreeMap::new();
        for index in 0..members {
            let member = identity(seed, "member", index);
            let slot = draft.add(name(&format!("m{index}"))?, member.public())?;
            identities.insert(slot, Arc::new(member));
        }
        let roster = draft.sign(&authority, &mut generator(seed, "randomness", 0))?;
        Ok(Self {
            roster: Arc::new(roster),
            coordinator,
            members: identities,
            seed,
        })
    }

    /// A task that sums `coordinates` integers of `bits` bits each.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the numbers make no task.
    pub fn integer_task(
        coordinates: u64,
        bits: u8,
        corrupt: Amount,
        dropout: Amount,
    ) -> Result<TaskSpec, SetupError> {
        let tensor = TensorSpec {
            name: TENSOR.into(),
            shape: vec![coordinates],
            dtype: Dtype::I64,
        };
        let manifest =
            Manifest::new(vec![tensor]).map_err(|error| SetupError::Tensors(error.to_string()))?;
        Ok(TaskSpec {
            name: name("simulate")?,
            manifest,
            encoding: Encoding::Integer {
                min: 0,
                max: crate::inputs::largest(bits),
            },
            corrupt,
            dropout,
            floor: None,
            graph: GraphChoice::Auto,
            electorate: ElectorateChoice::Auto,
            cohort: None,
            max_attempts: DEFAULT_ATTEMPTS,
            noise: None,
        })
    }

    /// Checks a task against the roster.
    ///
    /// # Errors
    ///
    /// [`TaskError`] when it does not fit.
    pub fn task(&self, spec: TaskSpec) -> Result<Task, TaskError> {
        let task = Task::new(spec)?;
        task.parameters(self.roster.len())?;
        Ok(task)
    }

    /// The signed roster.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The coordinator's identity.
    pub fn coordinator(&self) -> &Identity {
        &self.coordinator
    }

    /// The identity of one member.
    pub fn member(&self, slot: Slot) -> Option<&Arc<Identity>> {
        self.members.get(&slot)
    }
}

/// Name of the one tensor of [`Federation::integer_task`].
const TENSOR: &str = "x";

/// Identity `index` of `role` in the simulation of `seed`.
pub fn identity(seed: u64, role: &str, index: u32) -> Identity {
    Identity::generate(&mut generator(seed, role, index))
}

/// A generator of its own for each use.
pub(crate) fn generator(seed: u64, role: &str, index: u32) -> ChaCha20Rng {
    let mut key = [0; 32];
    let text = role.as_bytes().iter().take(16);
    let bytes = seed
        .to_le_bytes()
        .into_iter()
        .chain(index.to_le_bytes())
        .chain(text.copied());
    key.iter_mut()
        .zip(bytes)
        .for_each(|(place, byte)| *place = byte);
    ChaCha20Rng::from_seed(key)
}

/// A generator of its own for each member.
pub(crate) fn generator_of(entropy: [u8; 32], index: u32) -> ChaCha20Rng {
    let mut generator = ChaCha20Rng::from_seed(entropy);
    generator.set_stream(index.into());
    generator
}

fn name(text: &str) -> Result<Name, SetupError> {
    Name::try_from(text.to_owned()).map_err(|error| SetupError::Tensors(error.to_string()))
}
