//! Masked rounds in this process: the real machines of members and coordinator, no sockets.

use super::task::task;
use crate::exit::Failure;
use crate::files;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use veilsum_client::rounding_rng;
use veilsum_encode::{Tensors, Weight};
use veilsum_learn::Job;
use veilsum_learn::job::Brought;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::message::Deadlines;
use veilsum_proto::parameters::Decimal;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;
use veilsum_sim::{Federation, Honest, Report, RunError, RunOptions, Script, SetupError, Summed};

/// Runs the rounds of a job: those that train, and those that judge.
pub(crate) struct Rounds {
    federation: Federation,
    training: Task,
    judging: Option<Task>,
    seed: u64,
    dropout: Decimal,
    /// What secrets and noise are drawn from, where that is not the seed.
    secret: Option<[u8; 32]>,
    /// Seeds of the rounding of members with `seeded_rounding`, where it is to be theirs.
    rounding: Option<Vec<[u8; 32]>>,
}

/// What each member that can brings, by slot.
pub(crate) struct Offers {
    offers: BTreeMap<Slot, Brought>,
    rounding: BTreeMap<Slot, ChaCha20Rng>,
}

/// A round with or without a sum.
pub(crate) struct Ended {
    /// What happened.
    pub(crate) report: Report,
    /// Mean, or sum of integers.
    pub(crate) tensors: Option<Tensors>,
}

impl Rounds {
    /// The federation of a job. Without `seeded` all secrets come from the operating system.
    pub(crate) fn new(job: &Job, dropout: Decimal, seeded: bool) -> Result<Self, Failure> {
        let members = job.spec().members;
        let parts = job.task().map_err(|error| super::setup::failure(&error))?;
        let judging = job
            .evaluation_task()
            .map_err(|error| super::setup::failure(&error))?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| {
            Failure::failed(format_args!(
                "no randomness of the operating system: {error}"
            ))
        })?;
        Ok(Self {
            federation: Federation::new(members, job.seed().0).map_err(|error| setup(&error))?,
            training: task(parts, members)?,
            judging: judging.map(|parts| task(parts, members)).transpose()?,
            seed: job.seed().0,
            dropout,
            secret: (!seeded).then_some(secret),
            rounding: seeded.then(|| {
                let members = 0..members;
                members.map(|member| job.rounding_seed(member)).collect()
            }),
        })
    }

    /// The task whose rounds train.
    pub(crate) fn training(&self) -> &Task {
        &self.training
    }

    /// Who takes part in a round that trains: all members, or the cohort drawn for it.
    pub(crate) fn participants(&self, round: u64) -> Result<Vec<Slot>, Failure> {
        let roster = self.federation.roster();
        let slots = (0..roster.len()).map(Slot);
        if self.training.spec().cohort.is_none() {
            return Ok(slots.collect());
        }
        let context = RoundContext::new(
            self.training.clone(),
            roster.clone(),
            Round(round),
            Attempt(0),
            ModelDigest([0; 32]),
            Deadlines::default(),
        )
        .map_err(|error| files::task(&error))?;
        Ok(slots.filter(|slot| context.graph.contains(*slot)).collect())
    }

    /// A round that trains, with what its participants bring. Some of them vanish as the seed draws, others each round.
    pub(crate) fn train(
        &self,
        round: u64,
        model: &[u8],
        offers: BTreeMap<Slot, Brought>,
    ) -> Result<Ended, Failure> {
        let drawn = u64::from_le_bytes(first_bytes(&self.key("vanish", round)));
        let slots: Vec<Slot> = offers.keys().copied().collect();
        let members = slots.len() as u32;
        let script = Script::drawn(members, self.dropout.floor_times(members), 0, drawn);
        let vanishing = script
            .iter()
            .filter_map(|(place, vanish)| Some((*slots.get(place.index())?, vanish)));
        let script = Script::of(vanishing);
        self.run(&self.training, round, model, offers, script)
    }

    /// A round that judges, in which nobody vanishes.
    pub(crate) fn judge(
        &self,
        round: u64,
        model: &[u8],
        tallies: BTreeMap<Slot, Tensors>,
    ) -> Result<Option<Ended>, Failure> {
        let Some(task) = &self.judging else {
            return Ok(None);
        };
        let offers = tallies
            .into_iter()
            .map(|(slot, tensors)| (slot, Brought { tensors, weight: 1 }));
        let ended = self.run(task, round, model, offers.collect(), Script::default())?;
        Ok(Some(ended))
    }

    fn run(
        &self,
        task: &Task,
        round: u64,
        model: &[u8],
        offers: BTreeMap<Slot, Brought>,
        script: Script,
    ) -> Result<Ended, Failure> {
        let options = RunOptions {
            round: Round(round),
            script,
            base_model: ModelDigest(Sha256::digest(model).into()),
            entropy: Some(self.entropy(task, round)),
            ..RunOptions::default()
        };
        let slots = offers.keys();
        let offers = Offers {
            rounding: slots
                .map(|slot| (*slot, self.rounding(task, round, *slot)))
                .collect(),
            offers,
        };
        let Summed { report, tensors } = self
            .federation
            .run_updates(task, &offers, &options, &mut Honest)
            .map_err(|error| failure(&error))?;
        Ok(Ended { report, tensors })
    }

    /// What a member rounds with.
    fn rounding(&self, task: &Task, round: u64, slot: Slot) -> ChaCha20Rng {
        let seeds = self.rounding.as_ref();
        if let Some(seed) = seeds.and_then(|seeds| seeds.get(slot.index())) {
            return rounding_rng(seed, &task.digest(), Round(round), Attempt(0));
        }
        // the seed of the job: a resumed training rounds alike
        let mut rounding = ChaCha20Rng::from_seed(self.key("rounding", round));
        rounding.set_stream(slot.0.into());
        rounding
    }

    /// New for each round of each task, so that no mask and no noise comes twice.
    fn entropy(&self, task: &Task, round: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"veilsum train entropy");
        hash.update(self.secret.unwrap_or_default());
        hash.update(self.seed.to_le_bytes());
        hash.update(task.digest().as_bytes());
        hash.update(round.to_le_bytes());
        hash.finalize().into()
    }

    fn key(&self, label: &str, round: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"veilsum train ");
        hash.update(label);
        hash.update(self.seed.to_le_bytes());
        hash.update(round.to_le_bytes());
        hash.finalize().into()
    }
}

impl veilsum_sim::Updates for Offers {
    fn of(&self, slot: Slot) -> Option<veilsum_sim::Brought> {
        let Brought { tensors, weight } = self.offers.get(&slot)?.clone();
        let rounding = self.rounding.get(&slot)?.clone();
        Some(veilsum_sim::Brought {
            tensors,
            weight: Weight::new(weight)?,
            rounding,
        })
    }
}

fn first_bytes(key: &[u8; 32]) -> [u8; 8] {
    key.first_chunk().copied().unwrap_or_default()
}

fn failure(error: &RunError) -> Failure {
    match error {
        RunError::Task(error) => files::task(error),
        RunError::Coordinates { .. } => Failure::failed(error),
    }
}

fn setup(error: &SetupError) -> Failure {
    match error {
        SetupError::Roster(error) => Failure::refused(error),
        SetupError::Task(error) => files::task(error),
        SetupError::Tensors(text) => Failure::usage(text),
    }
}
