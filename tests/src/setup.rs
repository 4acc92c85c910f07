//! Numbers of a play.

use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice};
use veilsum_proto::task::{NoiseSpec, TaskSpec};
use veilsum_sim::Federation;

/// A federation and its task; coordinates are integers.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Slots of the roster.
    pub members: u32,
    /// Corrupt members reckoned with, c.
    pub corrupt: u32,
    /// Slots that may be missing, d.
    pub missing: u32,
    /// Who masks with whom.
    pub graph: GraphChoice,
    /// Who signs.
    pub electorate: ElectorateChoice,
    /// Slots drawn for the round; all when absent.
    pub cohort: Option<u32>,
    /// Smallest survivor set; derived when absent.
    pub floor: Option<u32>,
    /// Attempts at a round.
    pub attempts: u32,
    /// Coordinates of an update.
    pub coordinates: u64,
    /// Bits of each.
    pub bits: u8,
    /// Noise of the task.
    pub noise: Option<NoiseSpec>,
    /// Everything random follows from it.
    pub seed: u64,
}

impl Setup {
    /// A federation of `members`, of which `corrupt` may work with the coordinator and `missing` may be absent.
    pub fn new(members: u32, corrupt: u32, missing: u32) -> Self {
        Self {
            members,
            corrupt,
            missing,
            graph: GraphChoice::Auto,
            electorate: ElectorateChoice::Auto,
            cohort: None,
            floor: None,
            attempts: 3,
            coordinates: 24,
            bits: 16,
            noise: None,
            seed: 1,
        }
    }

    /// The same with another seed.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same with noise on every coordinate.
    pub fn noised(mut self, noise: NoiseSpec) -> Self {
        self.noise = Some(noise);
        self
    }

    /// What the task says.
    pub fn spec(&self) -> TaskSpec {
        let (corrupt, missing) = (Amount::Count(self.corrupt), Amount::Count(self.missing));
        let mut spec =
            Federation::integer_task(self.coordinates, self.bits, corrupt, missing).unwrap();
        spec.graph = self.graph;
        spec.electorate = self.electorate;
        spec.cohort = self.cohort;
        spec.floor = self.floor;
        spec.max_attempts = self.attempts;
        spec.noise = self.noise;
        spec
    }
}
