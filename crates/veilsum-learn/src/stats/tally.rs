//! How well a model does at all members together.

use super::{StatsError, require_length};
use crate::examples::Examples;
use crate::model::Model;
use crate::train::{Evaluation, TrainError, evaluate};

/// A member's evaluation as integers: examples, right ones, and loss in steps of 2^-16 nats.
///
/// One example changes them by at most 1, 1, and 128 * 2^16: its loss is below 128 nats, as probabilities are at least 2^-126.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    examples: i64,
    right: i64,
    loss: i64,
}

impl Tally {
    /// Tally of one member's examples.
    ///
    /// # Errors
    ///
    /// [`StatsError::Train`] if the model is not about these examples, or its loss is not finite.
    // spec: [stats.tally]
    pub fn of(model: &Model, examples: &Examples) -> Result<Self, StatsError> {
        let Evaluation { accuracy, loss } = evaluate(model, examples)?;
        let count = examples.len() as f64;
        if !loss.is_finite() {
            return Err(TrainError::Diverged {
                tensor: "loss".to_owned(),
                index: 0,
            }
            .into());
        }
        Ok(Self {
            examples: examples.len() as i64,
            right: (accuracy * count).round() as i64,
            loss: (loss * count * STEPS).round() as i64,
        })
    }

    /// The vector: examples, right ones, loss.
    pub fn encode(&self) -> Vec<i64> {
        vec![self.examples, self.right, self.loss]
    }

    /// Examples and evaluation over all members, out of the sum of their vectors.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`], [`StatsError::NoCount`].
    pub fn decode(sum: &[i64]) -> Result<(u64, Evaluation), StatsError> {
        require_length("integers", sum.len(), 3)?;
        let (count, right, loss) = (sum[0], sum[1], sum[2]);
        let examples = u64::try_from(count).ok().filter(|count| *count > 0);
        let examples = examples.ok_or(StatsError::NoCount { found: count })?;
        let total = count as f64;
        let evaluation = Evaluation {
            accuracy: (right as f64 / total).clamp(0.0, 1.0),
            loss: (loss as f64 / STEPS / total).max(0.0),
        };
        Ok((examples, evaluation))
    }
}

const STEPS: f64 = 65_536.0;
