//! The data that the demo trains on, cut the same way by every process of it.

use crate::exit::Failure;
use veilsum_learn::{Examples, LocalSgd, LocalTrainer, Model, Network, RunSeed, TrainTest, digits};

/// Training examples by member, all of them, and what models are judged by.
pub struct Data {
    /// Examples of each member.
    pub parts: Vec<Examples>,
    /// All training examples.
    pub train: Examples,
    /// Examples that nobody trains on.
    pub test: Examples,
    seed: RunSeed,
}

impl Data {
    /// The digits, a fifth of them for the test, the rest dealt by label.
    pub fn load(members: u32, seed: u64) -> Result<Self, Failure> {
        let seed = RunSeed(seed);
        let all = digits::load().map_err(Failure::failed)?;
        let TrainTest { train, test } = all
            .split_test(TEST_PERCENT, seed)
            .map_err(Failure::failed)?;
        let parts = train
            .split_by_label(members as usize, seed)
            .map_err(Failure::failed)?;
        Ok(Self {
            parts,
            train,
            test,
            seed,
        })
    }

    /// The trainer of a member: the same updates in every process.
    pub fn trainer(&self, member: usize) -> Result<LocalTrainer, Failure> {
        let part = self.parts.get(member).cloned().ok_or_else(|| {
            Failure::failed(format_args!(
                "slot {member} is not one of {}",
                self.parts.len()
            ))
        })?;
        LocalTrainer::new(part, LocalSgd::DIGITS, self.seed, member as u32).map_err(Failure::failed)
    }

    /// The model before the first round.
    pub fn first_model(&self) -> Result<Model, Failure> {
        let network = Network::Softmax {
            inputs: digits::PIXELS as u32,
            classes: digits::CLASSES.into(),
        };
        Model::new(0, network.init(self.seed)).map_err(Failure::failed)
    }

    /// Seed of the run.
    pub fn seed(&self) -> RunSeed {
        self.seed
    }
}

const TEST_PERCENT: u32 = 20;
