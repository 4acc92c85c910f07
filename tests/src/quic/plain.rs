//! What members contribute, and the sums and means of it, worked out beside the protocol.

use veilsum_client::{LocalUpdate, rounding_rng};
use veilsum_encode::{
    Dtype, PackedSum, Tensor, TensorData, TensorSpec, Tensors, Update, Weight, contribute,
};
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::task::Task;
use veilsum_sim::Formula;

use super::Sum;

/// The formula behind a member's updates: a function of seed, task, round, slot and coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Seed of all members.
    pub seed: u64,
    /// Whether a member contributes the same update in every round.
    pub fixed: bool,
}

impl Inputs {
    /// Updates that differ from round to round.
    pub fn of(seed: u64) -> Self {
        Self { seed, fixed: false }
    }

    /// One update for all rounds.
    pub fn fixed(self) -> Self {
        Self {
            fixed: true,
            ..self
        }
    }

    /// What `slot` contributes: integers of `BITS` bits, or floats from -1/2 to 1/2.
    pub fn update(&self, task: &Task, round: Round, slot: Slot) -> LocalUpdate {
        let mut first = 0;
        let tensors = task.manifest().tensors().iter().map(|spec| {
            let tensor = self.tensor(task, round, slot, spec, first);
            first += tensor.data.len() as u64;
            (spec.name.clone(), tensor)
        });
        LocalUpdate {
            tensors: tensors.collect(),
            weight: 1 + slot.0 % task.max_weight(),
        }
    }

    fn tensor(
        &self,
        task: &Task,
        round: Round,
        slot: Slot,
        spec: &TensorSpec,
        first: u64,
    ) -> Tensor {
        let round = if self.fixed { 0 } else { round.0 };
        let task = task.digest().0.first_chunk().copied().unwrap();
        let formula = Formula {
            seed: self.seed ^ u64::from_le_bytes(task) ^ (round << 56),
            coordinates: 0,
            bits: BITS,
        };
        let values = (0..spec.shape.iter().product()).map(|at| formula.value(slot, first + at));
        let data = match spec.dtype {
            Dtype::I64 => TensorData::I64(values.collect()),
            Dtype::F64 => TensorData::F64(values.map(as_float).collect()),
            other => panic!("no inputs of type {other}"),
        };
        let shape = spec.shape.clone();
        Tensor { shape, data }
    }
}

/// The sum over the survivors of what they contributed to an integer task: additions of `i64` and nothing else.
pub fn plain_integers(inputs: Inputs, sum: &Sum) -> Vec<i64> {
    let rows = sum.survivors.iter().map(|slot| {
        let update = inputs.update(&sum.task, sum.round, *slot);
        let values = update
            .tensors
            .into_values()
            .map(|tensor| match tensor.data {
                TensorData::I64(values) => values,
                other => panic!("found {other:?}, wanted integers"),
            });
        values.flatten().collect::<Vec<_>>()
    });
    added(rows)
}

/// The sum over the survivors of their updates, each encoded again with its member's rounding seed and unpacked alone.
pub fn reencoded(inputs: Inputs, sum: &Sum) -> Vec<i64> {
    let rows = sum.survivors.iter().map(|slot| {
        let local = inputs.update(&sum.task, sum.round, *slot);
        let update = Update::new(sum.plan.manifest(), local.tensors).unwrap();
        let seed = rounding_seed(*slot);
        let mut rng = rounding_rng(&seed, &sum.task.digest(), sum.round, sum.attempt);
        let weight = Weight::new(local.weight).unwrap();
        let encoded = contribute(update, &sum.plan, weight, &sum.rotation_seed, &mut rng);
        let blocks = encoded.unwrap().0.into_blocks();
        let alone = PackedSum::new(blocks, 1).unpack(&sum.plan).unwrap();
        alone.values().to_vec()
    });
    added(rows)
}

/// The weighted mean of the survivors' floats as they gave them, tensor after tensor in manifest order.
pub fn plain_mean(inputs: Inputs, sum: &Sum) -> Vec<f64> {
    let mut total = 0.0;
    let mut mean = Vec::new();
    for slot in &sum.survivors {
        let update = inputs.update(&sum.task, sum.round, *slot);
        let (weight, values) = (f64::from(update.weight), flat(update.tensors));
        mean.resize(values.len(), 0.0);
        let places = mean.iter_mut().zip(values);
        places.for_each(|(place, value)| *place += weight * value);
        total += weight;
    }
    mean.iter_mut().for_each(|place| *place /= total);
    mean
}

/// All values of float tensors, in manifest order.
pub fn flat(tensors: Tensors) -> Vec<f64> {
    let values = tensors.into_values().map(|tensor| match tensor.data {
        TensorData::F64(values) => values,
        other => panic!("found {other:?}, wanted f64"),
    });
    values.flatten().collect()
}

pub(super) fn rounding_seed(slot: Slot) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&slot.0.to_le_bytes());
    seed
}

fn added(rows: impl Iterator<Item = Vec<i64>>) -> Vec<i64> {
    rows.reduce(|sum, row| sum.iter().zip(row).map(|(a, b)| a + b).collect())
        .unwrap()
}

fn as_float(value: i64) -> f64 {
    value as f64 / f64::from(1 << BITS) - 0.5
}

/// Bits of an integer coordinate.
pub(super) const BITS: u8 = 16;
