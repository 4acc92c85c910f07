//! What members bring to a round of any task: tensors, a weight, and the generator of their rounding.

use crate::federation::generator;
use crate::inputs::Inputs;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use veilsum_encode::{Encoding, Plan, Tensor, TensorData, Tensors, Update, Weight};
use veilsum_proto::ids::Slot;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;

/// What each member brings. Asked for again it must be the same, so that a sum can be checked.
pub trait Updates: Sync {
    /// What `slot` brings; nothing for a member that has none, and so uploads nothing.
    fn of(&self, slot: Slot) -> Option<Brought>;
}

/// What one member brings.
#[derive(Clone, Debug)]
pub struct Brought {
    /// Tensors of the task's manifest.
    pub tensors: Tensors,
    /// Weight; 1 in a task without weights.
    pub weight: Weight,
    /// Draws the stochastic rounding of a float task.
    ///
    /// # Security
    ///
    /// The sensitivity of a task holds for every rounding, so this may be known.
    pub rounding: ChaCha20Rng,
}

/// Rows of integers as the one tensor of a task.
pub(crate) struct Rows<'a> {
    inputs: &'a dyn Inputs,
    name: String,
}

impl<'a> Rows<'a> {
    /// Rows for a task of one tensor; of others there is no name, and members bring nothing.
    pub fn new(inputs: &'a dyn Inputs, task: &Task) -> Self {
        let name = match task.manifest().tensors() {
            [only] => only.name.clone(),
            _ => String::new(),
        };
        Self { inputs, name }
    }
}

impl Updates for Rows<'_> {
    fn of(&self, slot: Slot) -> Option<Brought> {
        let row = self.inputs.row(slot);
        let tensor = Tensor {
            shape: vec![row.len() as u64],
            data: TensorData::I64(row),
        };
        Some(Brought {
            tensors: BTreeMap::from([(self.name.clone(), tensor)]),
            weight: Weight::ONE,
            rounding: generator(0, "rounding", slot.0),
        })
    }
}

/// The sum a federation without masks would get, and its weight: 128-bit additions, one member after the other.
pub(crate) fn plain_sum(
    updates: &dyn Updates,
    context: &RoundContext,
    survivors: &[Slot],
) -> Option<(Vec<i64>, u64)> {
    let plan = &context.plan;
    let mut sum = vec![0i128; usize::try_from(plan.padded_coordinates()).ok()?];
    let mut weight = 0u64;
    for slot in survivors {
        let brought = updates.of(*slot)?;
        weight = weight.saturating_add(brought.weight.get().into());
        for (total, value) in sum.iter_mut().zip(integers(brought, plan, context)?) {
            *total = total.saturating_add(i128::from(value));
        }
    }
    let sum = sum
        .into_iter()
        .map(|total| i64::try_from(total).unwrap_or(i64::MAX));
    Some((sum.collect(), weight))
}

/// Integers of one member, without noise.
fn integers(brought: Brought, plan: &Plan, context: &RoundContext) -> Option<Vec<i64>> {
    let Brought {
        tensors,
        weight,
        mut rounding,
    } = brought;
    if let Encoding::Integer { .. } = plan.encoding()
        && let Some(values) = whole(&tensors)
    {
        return Some(values);
    }
    let quantized = Update::new(plan.manifest(), tensors)
        .ok()?
        .clip(plan)
        .ok()?
        .quantize(plan, weight, &context.rotation_seed(), &mut rounding)
        .ok()?;
    Some(quantized.values().to_vec())
}

/// The values of i64 tensors, in the order of their names.
fn whole(tensors: &Tensors) -> Option<Vec<i64>> {
    let mut all = Vec::new();
    for tensor in tensors.values() {
        let TensorData::I64(values) = &tensor.data else {
            return None;
        };
        all.extend_from_slice(values);
    }
    Some(all)
}
