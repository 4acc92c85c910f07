//! The other way to the same sum: every contribution made again, summed in plain, compared integer by integer.

use super::coordinator::Sum;
use super::federation::Federation;
use crate::commands::task::tensor_file;
use crate::exit::Failure;
use std::fs;
use std::sync::Arc;
use veilsum_client::rounding_rng;
use veilsum_encode::{PackedSum, Update, Weight, sha256_of_values};
use veilsum_learn::{
    Evaluation, LocalSgd, LocalTrainer, Model, RunSeed, ServerSgd, Trainer as _, evaluate,
    plain_round, train_pooled,
};
use veilsum_math::Blocks;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::message::Deadlines;
use veilsum_proto::roster::Roster;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;

/// What secure rounds are held against.
pub struct Reference {
    task: Task,
    roster: Arc<Roster>,
    rounding_seeds: Vec<[u8; 32]>,
    trainers: Vec<LocalTrainer>,
    test: veilsum_learn::Examples,
    train: veilsum_learn::Examples,
    seed: RunSeed,
    first: Model,
    /// The model that the secure sums made.
    secure: Model,
    /// The model that plain averages over the same survivors made.
    plain: Model,
    rounds: u64,
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

impl Reference {
    /// The same trainers with the same seeds as the members.
    pub fn new(federation: &Federation) -> Result<Self, Failure> {
        let data = &federation.data;
        let trainers = (0..federation.members as usize).map(|member| data.trainer(member));
        let first = data.first_model()?;
        Ok(Self {
            task: federation.task.clone(),
            roster: federation.roster.clone(),
            rounding_seeds: federation.rounding_seeds.clone(),
            trainers: trainers.collect::<Result<_, _>>()?,
            test: data.test.clone(),
            train: data.train.clone(),
            seed: data.seed(),
            secure: first.clone(),
            plain: first.clone(),
            first,
            rounds: federation.rounds,
        })
    }

    /// Compares a sum and goes on to the next model.
    pub fn check(&mut self, sum: &Sum) -> Result<Checked, Failure> {
        let context = self.context(sum.round, sum.attempt)?;
        let (plain, weight) = self.plain_sum(&context, &sum.survivor_ids)?;
        let (masked, masked_weight) = unpacked(sum, &context)?;
        let told =
            sum.sum_sha256 == hex::encode(sha256_of_values(&plain)) && sum.weight_sum == weight;
        let exact = masked == plain && masked_weight == weight && told;
        self.step(sum)?;
        Ok(Checked {
            exact,
            integers: plain.len() + 1,
            secure: self.secure()?,
            plain: self.plain()?,
        })
    }

    /// The secure sums' model, judged.
    pub fn secure(&self) -> Result<Evaluation, Failure> {
        self.judge(&self.secure)
    }

    /// The model of plain averages over the same survivors, judged.
    pub fn plain(&self) -> Result<Evaluation, Failure> {
        self.judge(&self.plain)
    }

    /// A model trained on all data in one place, for as many rounds, judged.
    pub fn pooled(&self) -> Result<Evaluation, Failure> {
        let (first, train) = (self.first.clone(), self.train.clone());
        let pooled = train_pooled(first, train, LocalSgd::DIGITS, self.seed, self.rounds);
        self.judge(&pooled.map_err(Failure::failed)?)
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
        let mut sum = vec![0_i64; context.plan.padded_coordinates() as usize];
        let mut weights = 0;
        for slot in survivors {
            let unknown = || Failure::failed(format_args!("slot {slot} survived and is nobody"));
            let trainer = self.trainers.get_mut(slot.index()).ok_or_else(unknown)?;
            let seed = self.rounding_seeds.get(slot.index()).ok_or_else(unknown)?;
            let trained = trainer
                .train(&self.secure, context.round.0)
                .map_err(Failure::failed)?;
            let weight = Weight::new(trained.examples).ok_or_else(unknown)?;
            let mut rng = rounding_rng(seed, &context.task_digest, context.round, context.attempt);
            let quantized = Update::new(context.plan.manifest(), trained.delta)
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

    fn step(&mut self, sum: &Sum) -> Result<(), Failure> {
        let file = sum
            .file
            .as_ref()
            .ok_or_else(|| Failure::failed("the coordinator wrote no result"))?;
        let mean = veilsum_learn::files::read(file).map_err(|error| tensor_file(&error))?;
        self.secure = ServerSgd::FEDAVG
            .apply(&self.secure, &mean)
            .map_err(Failure::failed)?;
        let survivors =
            |(slot, _): &(u32, &mut LocalTrainer)| sum.survivor_ids.contains(&Slot(*slot));
        let trainers = (0..)
            .zip(&mut self.trainers)
            .filter(survivors)
            .map(|(_, trainer)| trainer);
        self.plain = plain_round(&self.plain, trainers, sum.round.0).map_err(Failure::failed)?;
        Ok(())
    }

    fn judge(&self, model: &Model) -> Result<Evaluation, Failure> {
        evaluate(model, &self.test).map_err(Failure::failed)
    }
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
    use crate::args::demo::Demo;
    use std::path::Path;
    use tempfile::TempDir;
    use veilsum_encode::contribute;

    /// A federation, and the honest sum of its members 0 and 2 in its folder.
    fn honest() -> (TempDir, Federation, Sum) {
        let folder = tempfile::tempdir().unwrap();
        let args = Demo {
            members: 3,
            rounds: 1,
            vanish: false,
            seed: 1,
            report: None,
        };
        let federation = Federation::found(&args, folder.path()).unwrap();
        let sum = masked_sum(&federation, folder.path(), &[Slot(0), Slot(2)]);
        (folder, federation, sum)
    }

    /// As members and coordinator make it, the masks left out.
    fn masked_sum(federation: &Federation, folder: &Path, survivors: &[Slot]) -> Sum {
        let reference = Reference::new(federation).unwrap();
        let context = reference.context(Round(1), Attempt(0)).unwrap();
        let mut blocks = Blocks::zeroed(context.plan.limbs());
        for slot in survivors {
            let mut trainer = federation.data.trainer(slot.index()).unwrap();
            let trained = trainer.train(&reference.first, 1).unwrap();
            let seed = &federation.rounding_seeds[slot.index()];
            let mut rng = rounding_rng(seed, &context.task_digest, context.round, context.attempt);
            let update = Update::new(context.plan.manifest(), trained.delta).unwrap();
            let weight = Weight::new(trained.examples).unwrap();
            let rotation = context.rotation_seed();
            let (contribution, _) =
                contribute(update, &context.plan, weight, &rotation, &mut rng).unwrap();
            blocks.add(&contribution.into_blocks()).unwrap();
        }
        let (file, packed) = (folder.join("mean.safetensors"), folder.join("sum.bin"));
        fs::write(&packed, blocks.to_le_bytes()).unwrap();
        let integers = PackedSum::new(blocks, survivors.len() as u32)
            .unpack(&context.plan)
            .unwrap();
        let mean = integers
            .mean(&context.plan, &context.rotation_seed())
            .unwrap();
        veilsum_learn::files::write(&file, &mean).unwrap();
        Sum {
            round: Round(1),
            attempt: Attempt(0),
            survivor_ids: survivors.to_vec(),
            weight_sum: integers.weight(),
            sum_sha256: hex::encode(integers.sha256()),
            file: Some(file),
            sum: Some(packed),
            upload_bytes: 0,
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
