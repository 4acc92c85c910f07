//! How well a model does at all members together.

use super::{StatsError, require_length};
use crate::examples::Examples;
use crate::model::Model;
use crate::train::{Evaluation, evaluate};

/// A member's evaluation as integers: examples, right ones, and loss in steps of 2^-16 nats, the first two in units of what the loss of one
/// example can be at most, 128 nats or 2^23 steps.
///
/// One example changes each of them by at most 2^23. So a range from 0 to 2^23 times the most examples of a member bounds what one member adds to any of the
/// three by that many examples, whatever it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    examples: i64,
    right: i64,
    loss: i64,
}

impl Tally {
    /// What one example is in the vector, and the most that its loss is in steps of 2^-16 nats.
    // spec: [stats.tally]
    pub const ONE: i64 = 128 << 16;

    /// Tally of one member's examples. A loss that is not finite counts as the largest, so that no model makes a member absent by what its examples hold.
    ///
    /// # Errors
    ///
    /// [`StatsError::Train`] if the model is not about these examples.
    // spec: [stats.tally]
    pub fn of(model: &Model, examples: &Examples) -> Result<Self, StatsError> {
        let Evaluation { accuracy, loss } = evaluate(model, examples)?;
        let count = examples.len() as f64;
        Ok(Self {
            examples: examples.len() as i64,
            right: (accuracy * count).round() as i64,
            loss: (held(loss) * count * STEPS).round() as i64,
        })
    }

    /// The vector: examples, right ones, loss.
    // spec: [stats.tally]
    pub fn encode(&self) -> Vec<i64> {
        let units = |count: i64| count.saturating_mul(Self::ONE);
        vec![units(self.examples), units(self.right), self.loss]
    }

    /// Examples and evaluation over all members, out of the sum of their vectors.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`], [`StatsError::NoCount`]; [`StatsError::Tally`] for a sum that none of tallies comes to: held to a range it would
    /// look like the best model there is.
    // spec: [stats.tally]
    pub fn decode(sum: &[i64]) -> Result<(u64, Evaluation), StatsError> {
        let &[count, right, loss] = sum else {
            require_length("integers", sum.len(), 3)?;
            return Err(StatsError::NoCount { found: 0 });
        };
        if count <= 0 {
            return Err(StatsError::NoCount { found: count });
        }
        let whole = [count, right].iter().all(|units| units % Self::ONE == 0);
        let within = [right, loss].iter().all(|of| (0..=count).contains(of));
        let examples = u64::try_from(count / Self::ONE).unwrap_or(0);
        if !(whole && within) {
            return Err(StatsError::Tally {
                examples: count as f64 / Self::ONE as f64,
                right: right as f64 / Self::ONE as f64,
                loss: loss as f64 / STEPS,
            });
        }
        let evaluation = Evaluation {
            accuracy: right as f64 / count as f64,
            loss: loss as f64 / STEPS / examples as f64,
        };
        Ok((examples, evaluation))
    }
}

/// Nats for each example, from 0 to 128.
fn held(loss: f64) -> f64 {
    let most = Tally::ONE as f64 / STEPS;
    match loss.is_finite() {
        true => loss.clamp(0.0, most),
        false => most,
    }
}

const STEPS: f64 = 65_536.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, RunSeed, digits};
    use veilsum_encode::TensorData;

    fn sum(found: &[[f64; 3]]) -> Vec<i64> {
        let one = Tally::ONE as f64;
        let column = |place: usize| found.iter().map(|tally| (tally[place] * one) as i64).sum();
        (0..3).map(column).collect()
    }

    /// Else one member ends the training of all with a model of its choice as the best one.
    #[test]
    fn one_member_in_range_counts_no_more_than_the_most_examples_of_a_member() {
        // spec: [stats.tally] [job.evaluation]
        let honest = [100.0, 60.0, 2.0];
        let (examples, found) = Tally::decode(&sum(&[honest; 5])).unwrap();
        assert_eq!((examples, found.accuracy), (500, 0.6));
        for (liar, examples, right) in [
            ([100.0, 100.0, 0.0], 400, 280.0),
            ([100.0, 0.0, 100.0], 400, 180.0),
            // the largest integer in range for right ones alone
            ([0.0, 100.0, 0.0], 300, 280.0),
        ] {
            let (counted, found) = Tally::decode(&sum(&[honest, honest, honest, liar])).unwrap();
            assert_eq!(
                (counted, found.accuracy),
                (examples, right / examples as f64)
            );
        }
        let told = Tally::decode(&sum(&[honest, [0.0, 100.0, 0.0]])).unwrap_err();
        assert!(matches!(told, StatsError::Tally { .. }), "{told}");
    }

    #[test]
    fn a_sum_that_is_none_of_tallies_is_no_evaluation() {
        // spec: [stats.tally]
        let one = Tally::ONE;
        for bad in [
            [one, 2 * one, 0],
            [one, -one, 0],
            [one, 0, one + 1],
            [one, 0, -1],
            [one + 1, one, 0],
            [2 * one, one - 1, 0],
        ] {
            let told = Tally::decode(&bad);
            assert!(matches!(told, Err(StatsError::Tally { .. })), "{bad:?}");
        }
        for none in [[0, 0, 0], [-one, 0, 0]] {
            let told = Tally::decode(&none);
            assert!(matches!(told, Err(StatsError::NoCount { .. })), "{none:?}");
        }
        assert!(Tally::decode(&[one, one]).is_err());
        assert_eq!(Tally::decode(&[one, 0, one]).unwrap().1.loss, 128.0);
    }

    #[test]
    fn a_model_that_is_not_finite_makes_no_member_absent() {
        // spec: [stats.tally]
        for (loss, wanted) in [
            (f64::NAN, 128.0),
            (f64::INFINITY, 128.0),
            (f64::NEG_INFINITY, 128.0),
            (1e300, 128.0),
            (-1.0, 0.0),
            (2.5, 2.5),
        ] {
            assert_eq!(held(loss), wanted, "{loss}");
        }
        let data = digits::load().unwrap();
        let network = Network::Softmax {
            inputs: 64,
            classes: 10,
        };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let mut tensors = network.init(RunSeed(1));
            for tensor in tensors.values_mut() {
                if let TensorData::F32(values) = &mut tensor.data {
                    values.fill(bad);
                }
            }
            let model = Model::new(0, tensors).unwrap();
            let tally = Tally::of(&model, &data).unwrap();
            let (examples, found) = Tally::decode(&tally.encode()).unwrap();
            assert_eq!((examples, found.accuracy), (1_797, 0.0), "{bad}");
            assert!(found.loss <= 128.0);
        }
    }
}
