//! How well a model does at all members together.

use super::{StatsError, require_length};
use crate::examples::Examples;
use crate::model::Model;
use crate::train::{Evaluation, evaluate};

/// A member's evaluation as integers: right examples and wrong ones, each in units of what the loss of one example can be at most, 128 nats or 2^23 steps;
/// the loss in steps of 2^-16 nats, and what it leaves of those 128 nats for each example.
///
/// Two pairs of counts that nothing is in twice, and not two counts and their totals: one example moves one of the first two by 2^23, and the other two by 2^23
/// together. With a range from 0 to 2^23 times the most examples of a member, every sum is an evaluation, and no vector moves accuracy or loss further up or down
/// than that many examples could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    examples: i64,
    right: i64,
    loss: i64,
}

impl Tally {
    /// Integers of the vector.
    pub const INTEGERS: usize = 4;

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

    /// The vector: right ones, wrong ones, loss, what the loss leaves.
    // spec: [stats.tally]
    pub fn encode(&self) -> Vec<i64> {
        let units = |count: i64| count.saturating_mul(Self::ONE);
        let wrong = self.examples.saturating_sub(self.right);
        let left = units(self.examples).saturating_sub(self.loss);
        vec![units(self.right), units(wrong), self.loss, left]
    }

    /// The vector of a member without examples.
    pub fn nothing() -> Vec<i64> {
        vec![0; Self::INTEGERS]
    }

    /// Examples and evaluation over all members, out of the sum of their vectors: the nearest whole number of examples.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`]; [`StatsError::NoCount`] for a sum over less than half an example; [`StatsError::Tally`] for an integer below 0, which no member in
    /// range can bring about.
    // spec: [stats.tally]
    pub fn decode(sum: &[i64]) -> Result<(u64, Evaluation), StatsError> {
        require_length("integers", sum.len(), Self::INTEGERS)?;
        let below = sum.iter().find(|integer| **integer < 0);
        if let Some(found) = below {
            return Err(StatsError::Tally { found: *found });
        }
        let &[right, wrong, loss, left] = sum else {
            return Err(StatsError::NoCount { found: 0 });
        };
        let counted = i128::from(right) + i128::from(wrong);
        let weighed = i128::from(loss) + i128::from(left);
        let one = i128::from(Self::ONE);
        let examples = u64::try_from((counted + one / 2) / one).unwrap_or(0);
        if examples == 0 || weighed == 0 {
            return Err(StatsError::NoCount { found: 0 });
        }
        let evaluation = Evaluation {
            accuracy: right as f64 / counted as f64,
            loss: MOST * (loss as f64 / weighed as f64),
        };
        Ok((examples, evaluation))
    }
}

/// Nats for each example, from 0 to 128.
fn held(loss: f64) -> f64 {
    match loss.is_finite() {
        true => loss.clamp(0.0, MOST),
        false => MOST,
    }
}

const STEPS: f64 = 65_536.0;

/// Nats of one example at most.
const MOST: f64 = Tally::ONE as f64 / STEPS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, RunSeed, digits};
    use veilsum_encode::TensorData;

    fn sum(found: &[[f64; 4]]) -> Vec<i64> {
        let one = Tally::ONE as f64;
        let column = |place: usize| found.iter().map(|tally| (tally[place] * one) as i64).sum();
        (0..4).map(column).collect()
    }

    /// Else one member ends the training of all with a model of its choice as the best one, or every evaluation, and is not named.
    #[test]
    fn one_member_in_range_counts_no_more_than_the_most_examples_of_a_member_and_denies_nothing() {
        // spec: [stats.tally] [job.evaluation]
        const MOST: f64 = 100.0;
        // 98 of 100 right, a hundredth of the most loss
        let honest = [98.0, 2.0, 1.0, 99.0];
        let (examples, found) = Tally::decode(&sum(&[honest; 5])).unwrap();
        assert_eq!((examples, found.accuracy), (500, 0.98));
        assert!((found.loss - 1.28).abs() < 1e-12);
        let members = [honest; 4];
        let ratio = |of: f64, rest: f64| of / (of + rest);
        let (least, most) = (ratio(392.0, 8.0 + MOST), ratio(392.0 + MOST, 8.0));
        let (cheapest, dearest) = (ratio(4.0, 396.0 + MOST), ratio(4.0 + MOST, 396.0));
        let unit = 1.0 / Tally::ONE as f64;
        let values = [0.0, unit, 0.5, 1.0 - unit, 1.0, 37.25, MOST - unit, MOST];
        for right in values {
            for wrong in values {
                for (loss, left) in [(0.0, 0.0), (right, wrong), (MOST, right), (wrong, MOST)] {
                    let mut all = members.to_vec();
                    all.push([right, wrong, loss, left]);
                    let (examples, found) = Tally::decode(&sum(&all)).unwrap();
                    assert!((400..=600).contains(&examples));
                    let within = least - 1e-12..=most + 1e-12;
                    assert!(within.contains(&found.accuracy), "{right} {wrong}");
                    let within = cheapest - 1e-12..=dearest + 1e-12;
                    assert!(within.contains(&(found.loss / 128.0)), "{loss} {left}");
                }
            }
        }
    }

    #[test]
    fn a_sum_over_nothing_or_below_it_is_no_evaluation() {
        // spec: [stats.tally]
        let one = Tally::ONE;
        for place in 0..4 {
            let mut bad = [one; 4];
            bad[place] = -1;
            let told = Tally::decode(&bad);
            assert!(matches!(told, Err(StatsError::Tally { found: -1 })));
        }
        for none in [[0; 4], [one / 4, one / 4 - 1, 0, one], [one, 0, 0, 0]] {
            let told = Tally::decode(&none);
            assert!(matches!(told, Err(StatsError::NoCount { .. })), "{none:?}");
        }
        assert!(Tally::decode(&[one; 3]).is_err() && Tally::decode(&[one; 5]).is_err());
        assert_eq!(Tally::decode(&[one, 0, one, 0]).unwrap().1.loss, 128.0);
        assert_eq!(Tally::decode(&[one / 2, 0, 0, one]).unwrap().0, 1);
        assert!(Tally::decode(&[i64::MAX; 4]).is_ok());
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
