//! The other way to the same sum: every contribution made again, summed in plain, compared integer by integer.
//!
//! With noise in the task the plain sum has in it what should have stayed of the noise: all of each survivor's own, less the
//! surplus that the survivors' chain values take off.

use super::coordinator::Sum;
use super::federation::{Federation, Seeds};
use super::job;
use crate::commands::task::tensor_file;
use crate::commands::train::setup::failure;
use crate::exit::Failure;
use std::fs;
use std::sync::Arc;
use veilsum_client::{noise_rng, rounding_rng};
use veilsum_encode::{PackedSum, TensorData, Tensors, Update, Weight, sha256_of_values};
use veilsum_learn::job::Algorithm;
use veilsum_learn::{
    CoordinatorHalf, Evaluation, Examples, Job, MemberHalf, Model, Norms, Outcome, WeightedMean,
    evaluate,
};
use veilsum_math::Blocks;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::member::noise_secrets;
use veilsum_proto::message::Deadlines;
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::roster::Roster;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;

/// What secure rounds are held against.
pub struct Reference {
    task: Task,
    roster: Arc<Roster>,
    seeds: Vec<Seeds>,
    /// The training that the secure sums drive.
    secure: Run,
    /// The same without noise, driven by plain averages over the same survivors.
    plain: Run,
    noise: Option<Arc<RoundNoise>>,
    test: Examples,
    rounds: u64,
}

/// All halves of a training.
struct Run {
    coordinator: CoordinatorHalf,
    members: Vec<MemberHalf>,
}

/// What came out of a comparison.
pub struct Checked {
    /// Whether all integers and the weight are equal.
    pub exact: bool,
    /// Integers compared.
    pub integers: usize,
    /// The model after the round.
    pub secure: Evaluation,
    /// The model of plain averages after the round.
    pub plain: Evaluation,
}

/// What the noise costs.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// One round.
    pub epsilon: f64,
    /// All rounds so far.
    pub epsilon_total: f64,
}

impl Reference {
    /// The same trainers with the same seeds as the members.
    pub fn new(federation: &Federation) -> Result<Self, Failure> {
        let job = &federation.job;
        let test = job.test().map_err(|error| failure(&error))?;
        Ok(Self {
            task: federation.task.clone(),
            roster: federation.roster.clone(),
            seeds: federation.seeds.clone(),
            secure: Run::start(job)?,
            plain: Run::start(&job::without_noise(job)?)?,
            noise: federation.noise.clone(),
            test: test.ok_or_else(|| Failure::failed("there is nothing to judge models on"))?,
            rounds: federation.rounds,
        })
    }

    /// Compares a sum and goes on to the next model.
    pub fn check(&mut self, sum: &Sum) -> Result<Checked, Failure> {
        let context = self.context(sum.round, sum.attempt)?;
        let (mut wanted, weight) = self.plain_sum(&context, &sum.survivor_ids)?;
        self.add_noise(&context, sum, &mut wanted)?;
        let (masked, masked_weight) = unpacked(sum, &context)?;
        let told =
            sum.sum_sha256 == hex::encode(sha256_of_values(&wanted)) && sum.weight_sum == weight;
        let exact = masked == wanted && masked_weight == weight && told;
        self.step(sum)?;
        Ok(Checked {
            exact,
            integers: wanted.len() + 1,
            secure: self.secure()?,
            plain: self.plain()?,
        })
    }

    /// A round that ended without a sum.
    pub fn skip(&mut self, round: Round) -> Result<(), Failure> {
        self.secure.skip(round)?;
        self.plain.skip(round)
    }

    /// The secure sums' model, judged.
    pub fn secure(&self) -> Result<Evaluation, Failure> {
        self.judge(self.secure.coordinator.model())
    }

    /// The model of plain averages over the same survivors, judged.
    pub fn plain(&self) -> Result<Evaluation, Failure> {
        self.judge(self.plain.coordinator.model())
    }

    /// A model trained on all data in one place, for as many rounds, judged.
    pub fn pooled(&self) -> Result<Evaluation, Failure> {
        let job = self.secure.coordinator.job();
        self.judge(&job.pooled(self.rounds).map_err(|error| failure(&error))?)
    }

    /// What the noise costs by the end of a round; nothing without noise.
    pub fn spent(&self, round: Round) -> Option<Spent> {
        self.noise.as_ref().map(|noise| Spent {
            epsilon: noise.statement().epsilon,
            epsilon_total: noise.total(round.0).epsilon,
        })
    }

    /// Images that models are judged by.
    pub fn test_images(&self) -> usize {
        self.test.len()
    }

    fn context(&self, round: Round, attempt: Attempt) -> Result<RoundContext, Failure> {
        let (task, roster) = (self.task.clone(), self.roster.clone());
        // neither model nor deadlines change an integer
        RoundContext::new(
            task,
            roster,
            round,
            attempt,
            ModelDigest([0; 32]),
            Deadlines::default(),
        )
        .map_err(Failure::failed)
    }

    /// Trains, clips and quantises as the members did, and adds up.
    fn plain_sum(
        &mut self,
        context: &RoundContext,
        survivors: &[Slot],
    ) -> Result<(Vec<i64>, u64), Failure> {
        let model = self.secure.model()?;
        let mut sum = vec![0_i64; context.plan.padded_coordinates() as usize];
        let mut weights = 0;
        for slot in survivors {
            let seeds = seeds(&self.seeds, *slot)?;
            let member = self.secure.members.get_mut(slot.index());
            let member = member.ok_or_else(|| unknown(*slot))?;
            let brought = member.contribute(&model, context.round.0);
            let brought = brought.map_err(|error| failure(&error))?;
            let weight = Weight::new(brought.weight).ok_or_else(|| unknown(*slot))?;
            let (round, attempt) = (context.round, context.attempt);
            let mut rng = rounding_rng(&seeds.rounding, &context.task_digest, round, attempt);
            let quantized = Update::new(context.plan.manifest(), brought.tensors)
                .map_err(Failure::failed)?
                .clip(&context.plan)
                .and_then(|clipped| {
                    clipped.quantize(&context.plan, weight, &context.rotation_seed(), &mut rng)
                })
                .map_err(Failure::failed)?;
            for (sum, value) in sum.iter_mut().zip(quantized.values()) {
                *sum += value;
            }
            weights += u64::from(weight.get());
        }
        Ok((sum, weights))
    }

    /// Adds what should be in the sum of the survivors' noise.
    fn add_noise(
        &self,
        context: &RoundContext,
        sum: &Sum,
        values: &mut [i64],
    ) -> Result<(), Failure> {
        let Some(noise) = &context.noise else {
            return Ok(());
        };
        let plan = noise.plan();
        let survivors = sum.survivor_ids.len() as u32;
        let missing = context.parameters.n.saturating_sub(survivors);
        let level = plan.level(missing).map_err(Failure::failed)?;
        let unremoved = sum.noise.as_ref().map(|noise| noise.unremoved.as_slice());
        for slot in &sum.survivor_ids {
            let seed = &seeds(&self.seeds, *slot)?.noise;
            let (round, attempt) = (context.round, context.attempt);
            let mut rng = noise_rng(seed, &context.task_digest, round, attempt);
            let own = plan.member_noise(&noise_secrets(context, *slot, &mut rng));
            match unremoved.is_some_and(|unremoved| unremoved.contains(slot)) {
                true => plan.draw(&own, 0, values),
                false => plan.draw_kept(&own, level, 0, values),
            }
        }
        Ok(())
    }

    fn step(&mut self, sum: &Sum) -> Result<(), Failure> {
        let file = sum
            .file
            .as_ref()
            .ok_or_else(|| Failure::failed("the coordinator wrote no result"))?;
        let mean = veilsum_learn::files::read(file).map_err(|error| tensor_file(&error))?;
        self.secure.settle(sum);
        let taken = self.secure.coordinator.take(sum.round.0, &mean);
        taken.map_err(|error| failure(&error))?;
        self.plain.average(sum)
    }

    fn judge(&self, model: &Model) -> Result<Evaluation, Failure> {
        evaluate(model, &self.test).map_err(Failure::failed)
    }
}

impl Run {
    fn start(job: &Job) -> Result<Self, Failure> {
        let coordinator = CoordinatorHalf::start(job);
        let members = (0..job.spec().members).map(|member| MemberHalf::new(job, member));
        Ok(Self {
            coordinator: coordinator.map_err(|error| failure(&error))?,
            members: members
                .collect::<Result<_, _>>()
                .map_err(|error| failure(&error))?,
        })
    }

    fn model(&self) -> Result<Vec<u8>, Failure> {
        let bytes = self.coordinator.model_bytes();
        bytes.map_err(|error| failure(&error))
    }

    /// A round in plain floats, over the survivors of a sum.
    fn average(&mut self, sum: &Sum) -> Result<(), Failure> {
        let (round, model) = (sum.round.0, self.model()?);
        // an adaptive clip is the member's own, and other algorithms need none
        let clip = match self.coordinator.job().spec().algorithm {
            Algorithm::DpFedAvg {
                clip,
                adaptive_quantile: None,
                ..
            } => Some(clip),
            _ => None,
        };
        let mut mean = WeightedMean::new(&self.coordinator.job().contribution_form());
        for slot in &sum.survivor_ids {
            let member = self.members.get_mut(slot.index());
            let brought = member
                .ok_or_else(|| unknown(*slot))?
                .contribute(&model, round)
                .map_err(|error| failure(&error))?;
            let mut tensors = brought.tensors;
            if let Some(clip) = clip {
                clipped(&mut tensors, clip);
            }
            mean.add(&tensors, brought.weight)
                .map_err(Failure::failed)?;
        }
        self.settle(sum);
        let mean = mean.mean().map_err(Failure::failed)?;
        let taken = self.coordinator.take(round, &mean);
        taken.map(drop).map_err(|error| failure(&error))
    }

    fn settle(&mut self, sum: &Sum) {
        for member in &mut self.members {
            let outcome = match sum.survivor_ids.contains(&Slot(member.member())) {
                true => Outcome::Summed,
                false => Outcome::Lost,
            };
            member.settle(sum.round.0, outcome);
        }
    }

    fn skip(&mut self, round: Round) -> Result<(), Failure> {
        let skipped = self.coordinator.skip(round.0);
        skipped.map_err(|error| failure(&error))
    }
}

/// Scales an update down to a Euclidean norm, as members of DP-FedAvg do.
fn clipped(update: &mut Tensors, most: f64) {
    let norm = Norms::of(update).l2;
    if norm <= most {
        return;
    }
    let factor = most / norm;
    for tensor in update.values_mut() {
        match &mut tensor.data {
            TensorData::F32(values) => values
                .iter_mut()
                .for_each(|value| *value = (f64::from(*value) * factor) as f32),
            TensorData::F64(values) => values.iter_mut().for_each(|value| *value *= factor),
            // trainers make no others
            _ => {}
        }
    }
}

fn seeds(seeds: &[Seeds], slot: Slot) -> Result<&Seeds, Failure> {
    seeds.get(slot.index()).ok_or_else(|| unknown(slot))
}

fn unknown(slot: Slot) -> Failure {
    Failure::failed(format_args!("slot {slot} survived and is nobody"))
}

/// Integers of the sum that came out of the masks, and its weight.
fn unpacked(sum: &Sum, context: &RoundContext) -> Result<(Vec<i64>, u64), Failure> {
    let path = sum
        .sum
        .as_ref()
        .ok_or_else(|| Failure::failed("the coordinator wrote no sum"))?;
    let bytes = fs::read(path).map_err(|error| Failure::io(path, &error))?;
    let blocks = Blocks::from_le_bytes(&bytes).map_err(Failure::failed)?;
    let contributors = sum.survivor_ids.len() as u32;
    let integers = PackedSum::new(blocks, contributors)
        .unpack(&context.plan)
        .map_err(Failure::failed)?;
    Ok((integers.values().to_vec(), integers.weight()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::demo::{Demo, MechanismName, UnitName};
    use crate::args::{Cli, Command};
    use crate::demo::coordinator::Noise;
    use clap::Parser as _;
    use std::path::Path;
    use tempfile::TempDir;
    use veilsum_encode::{contribute, contribute_with_noise};

    #[test]
    fn plain_updates_are_clipped_as_masked_ones_are() {
        let tensor = veilsum_encode::Tensor {
            shape: vec![2],
            data: TensorData::F32(vec![3.0, 4.0]),
        };
        let mut update = Tensors::from([("w".to_owned(), tensor)]);
        clipped(&mut update, 10.0);
        assert_eq!(update["w"].data, TensorData::F32(vec![3.0, 4.0]));
        clipped(&mut update, 1.0);
        assert_eq!(update["w"].data, TensorData::F32(vec![0.6, 0.8]));
    }

    /// A federation, and the honest sum of its members 0 and 2 in its folder.
    fn honest() -> (TempDir, Federation, Sum) {
        made(&demo(3), &[Slot(0), Slot(2)])
    }

    fn demo(members: u32) -> Demo {
        let words = [
            "veilsum",
            "demo",
            "--rounds",
            "1",
            "--members",
            &members.to_string(),
        ]
        .map(str::to_owned);
        match Cli::parse_from(words).command {
            Command::Demo(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn made(args: &Demo, survivors: &[Slot]) -> (TempDir, Federation, Sum) {
        let folder = tempfile::tempdir().unwrap();
        let federation = Federation::found(args, folder.path()).unwrap();
        let sum = masked_sum(&federation, folder.path(), survivors);
        (folder, federation, sum)
    }

    /// As members and coordinator make it, the masks left out. Slot 2 never reveals its chain value.
    fn masked_sum(federation: &Federation, folder: &Path, survivors: &[Slot]) -> Sum {
        let mut reference = Reference::new(federation).unwrap();
        let context = reference.context(Round(1), Attempt(0)).unwrap();
        let (plan, rotation) = (&context.plan, context.rotation_seed());
        let model = reference.secure.model().unwrap();
        let mut blocks = Blocks::zeroed(plan.limbs());
        let mut surplus = Vec::new();
        for slot in survivors {
            let member = &mut reference.secure.members[slot.index()];
            let brought = member.contribute(&model, 1).unwrap();
            let (update, weight) = (
                Update::new(plan.manifest(), brought.tensors).unwrap(),
                Weight::new(brought.weight).unwrap(),
            );
            let Seeds { rounding, noise } = &federation.seeds[slot.index()];
            let (round, attempt) = (Round(1), Attempt(0));
            let mut rng = rounding_rng(rounding, &context.task_digest, round, attempt);
            let (contribution, _) = match &context.noise {
                None => contribute(update, plan, weight, &rotation, &mut rng).unwrap(),
                Some(of_round) => {
                    let mut noise = noise_rng(noise, &context.task_digest, round, attempt);
                    let secrets = noise_secrets(&context, *slot, &mut noise);
                    let own = of_round.plan().member_noise(&secrets);
                    let end = of_round.plan().chain_end(&secrets);
                    let level = of_round
                        .plan()
                        .level(context.parameters.n - survivors.len() as u32)
                        .unwrap();
                    if *slot != Slot(2)
                        && let Some(value) = of_round.plan().reveal(&secrets, level)
                    {
                        surplus.push(
                            of_round
                                .plan()
                                .surplus(&value, &end, &context.noise_context(*slot), level)
                                .unwrap(),
                        );
                    }
                    contribute_with_noise(
                        update,
                        plan,
                        weight,
                        &rotation,
                        of_round.plan(),
                        &own,
                        &mut rng,
                    )
                    .unwrap()
                }
            };
            blocks.add(&contribution.into_blocks()).unwrap();
        }
        let (file, packed) = (folder.join("mean.safetensors"), folder.join("sum.bin"));
        let mut integers = PackedSum::new(blocks, survivors.len() as u32)
            .unpack(plan)
            .unwrap();
        if let Some(noise) = &context.noise {
            integers.remove(plan, noise.plan(), &surplus).unwrap();
        }
        fs::write(&packed, integers.pack(plan).unwrap().blocks().to_le_bytes()).unwrap();
        let mean = integers.mean(plan, &rotation).unwrap();
        veilsum_learn::files::write(&file, &mean).unwrap();
        Sum {
            round: Round(1),
            attempt: Attempt(0),
            survivor_ids: survivors.to_vec(),
            weight_sum: integers.weight(),
            sum_sha256: hex::encode(integers.sha256()),
            noise: context.noise.as_ref().map(|_| Noise {
                unremoved: vec![Slot(2)],
            }),
            file: Some(file),
            sum: Some(packed),
            upload_bytes: 0,
            download_bytes: None,
            wall_s: 0.0,
        }
    }

    fn is_exact(federation: &Federation, sum: &Sum) -> bool {
        Reference::new(federation)
            .unwrap()
            .check(sum)
            .unwrap()
            .exact
    }

    #[test]
    fn honest_sum_is_exact() {
        let (_folder, federation, sum) = honest();
        assert!(is_exact(&federation, &sum));
    }

    #[test]
    fn honest_sum_with_noise_is_exact_and_one_with_more_or_less_noise_is_not() {
        for (unit, mechanism) in [
            (UnitName::Example, MechanismName::Skellam),
            (UnitName::Member, MechanismName::Laplace),
            (UnitName::Member, MechanismName::Gaussian),
        ] {
            let args = Demo {
                epsilon: Some(8.0),
                unit: Some(unit),
                mechanism: Some(mechanism),
                ..demo(4)
            };
            // nobody is missing where one may be, so there is surplus
            let (_folder, federation, sum) = made(&args, &[0, 1, 2, 3].map(Slot));
            assert!(is_exact(&federation, &sum), "{mechanism:?}");
            let all_removed = Sum {
                noise: Some(Noise {
                    unremoved: Vec::new(),
                }),
                ..sum
            };
            // a gaussian has no surplus
            let alike = mechanism == MechanismName::Gaussian;
            assert_eq!(is_exact(&federation, &all_removed), alike, "{mechanism:?}");
        }
    }

    #[test]
    fn sum_that_is_off_by_one_in_one_coordinate_is_not_exact() {
        let (_folder, federation, sum) = honest();
        let path = sum.sum.as_ref().unwrap();
        let mut bytes = fs::read(path).unwrap();
        bytes[0] ^= 1;
        fs::write(path, bytes).unwrap();
        assert!(!is_exact(&federation, &sum));
    }

    #[test]
    fn sum_of_others_than_it_names_is_not_exact() {
        let (_folder, federation, mut sum) = honest();
        sum.survivor_ids = vec![Slot(0), Slot(1)];
        assert!(!is_exact(&federation, &sum));
    }

    #[test]
    fn wrong_digest_or_weight_is_not_exact() {
        let (_folder, federation, sum) = honest();
        let weight = Sum {
            weight_sum: sum.weight_sum + 1,
            ..sum.clone()
        };
        assert!(!is_exact(&federation, &weight));
        let digest = Sum {
            sum_sha256: "00".repeat(32),
            ..sum
        };
        assert!(!is_exact(&federation, &digest));
    }
}
