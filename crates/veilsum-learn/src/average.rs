//! Not secure: averages of updates in the clear, and the step that an average makes.
//!
//! Secure rounds use only the last part, [`ServerSgd::apply`]: their weighted mean comes out of the masked sum. The rest is the
//! reference that secure rounds are measured against: plain FedAvg over the same members, and training on pooled data.
//!
//! FedAvg: McMahan et al. (2017), "Communication-Efficient Learning of Deep Networks from Decentralized Data", algorithm 1,
//! in the form of Reddi et al. (2021), "Adaptive Federated Optimization", algorithm 1 (mean of updates, then a server step).

use std::collections::BTreeMap;

use thiserror::Error;
use veilsum_encode::Tensors;

use crate::examples::Examples;
use crate::model::Model;
use crate::seed::RunSeed;
use crate::tensors::{Mismatch, combine, require_same_form, round_to, to_f64};
use crate::train::{LocalSgd, LocalTrainer, TrainError, TrainedUpdate, Trainer};

/// Weighted mean of updates, accumulated in `f64`.
///
/// The order of [`WeightedMean::add`] can change the last bits; callers add in slot order.
#[derive(Debug)]
pub struct WeightedMean {
    form: Tensors,
    sums: BTreeMap<String, Vec<f64>>,
    weight: u64,
}

/// The server's step: the model plus `step_size` times the mean update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerSgd {
    /// Step size; 1 is FedAvg.
    pub step_size: f64,
}

/// Why updates cannot be averaged or applied.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AverageError {
    /// An update that does not fit the model.
    #[error(transparent)]
    Tensors(#[from] Mismatch),
    /// Nothing to average.
    #[error("found a total weight of 0, wanted at least 1")]
    NoWeight,
    /// More weight than can be counted.
    #[error("found a total weight above {}", u64::MAX)]
    TooMuchWeight,
    /// A member's training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The version cannot grow.
    #[error("found model version {found}, wanted one that can be followed by another")]
    LastVersion {
        /// The version.
        found: u64,
    },
}

impl WeightedMean {
    /// A mean of nothing yet, for updates of the form of `like`; its values are not used.
    pub fn new(like: &Tensors) -> Self {
        let sums = like
            .iter()
            .map(|(name, tensor)| (name.clone(), vec![0.0; tensor.data.len()]))
            .collect();
        Self {
            form: like.clone(),
            sums,
            weight: 0,
        }
    }

    /// Adds one member's update.
    ///
    /// # Errors
    ///
    /// [`AverageError::Tensors`] if it has another form, [`AverageError::TooMuchWeight`]; the mean is then as it was.
    pub fn add(&mut self, delta: &Tensors, weight: u32) -> Result<(), AverageError> {
        require_same_form(delta, &self.form)?;
        self.weight = self
            .weight
            .checked_add(weight.into())
            .ok_or(AverageError::TooMuchWeight)?;
        for (sums, tensor) in self.sums.values_mut().zip(delta.values()) {
            for (sum, value) in sums.iter_mut().zip(to_f64(&tensor.data)) {
                *sum += value * f64::from(weight);
            }
        }
        Ok(())
    }

    /// The mean of all updates added, rounded to their types.
    ///
    /// # Errors
    ///
    /// [`AverageError::NoWeight`] if no update with a weight was added, [`AverageError::Tensors`] for integer tensors.
    pub fn mean(self) -> Result<Tensors, AverageError> {
        if self.weight == 0 {
            return Err(AverageError::NoWeight);
        }
        let total = self.weight as f64;
        let mut mean = Tensors::new();
        for ((name, like), sums) in self.form.iter().zip(self.sums.values()) {
            let values: Vec<f64> = sums.iter().map(|sum| sum / total).collect();
            mean.insert(name.clone(), round_to(name, like, &values)?);
        }
        Ok(mean)
    }
}

impl ServerSgd {
    /// FedAvg: the mean update is applied as it is.
    pub const FEDAVG: Self = Self { step_size: 1.0 };

    /// The next version of the model.
    ///
    /// # Errors
    ///
    /// [`AverageError::Tensors`] if the mean has another form than the model, [`AverageError::LastVersion`] at the end of `u64`.
    pub fn apply(self, model: &Model, mean: &Tensors) -> Result<Model, AverageError> {
        let version = model
            .version()
            .checked_add(1)
            .ok_or(AverageError::LastVersion {
                found: model.version(),
            })?;
        let tensors = combine(model.tensors(), mean, |value, mean| {
            value + self.step_size * mean
        })?;
        Ok(Model::new(version, tensors)?)
    }
}

/// One round of plain FedAvg: every trainer given starts from `model`, the mean weighted by examples makes the next version.
///
/// The caller chooses the trainers, for example those of a secure round's survivors, and their order.
///
/// # Errors
///
/// [`AverageError`] of the first trainer that fails, or [`AverageError::NoWeight`] without trainers.
pub fn plain_round<'a, T: Trainer + 'a>(
    model: &Model,
    trainers: impl IntoIterator<Item = &'a mut T>,
    round: u64,
) -> Result<Model, AverageError> {
    let mut mean = WeightedMean::new(model.tensors());
    for trainer in trainers {
        let TrainedUpdate { delta, examples } = trainer.train(model, round)?;
        mean.add(&delta, examples)?;
    }
    ServerSgd::FEDAVG.apply(model, &mean.mean()?)
}

/// Trains on all members' examples in one place, as long as a federation of `rounds` rounds does: what privacy is traded against.
///
/// Rounds are numbered from 1.
///
/// # Errors
///
/// [`AverageError::Train`] if settings or examples are unfit, or training diverged.
pub fn train_pooled(
    model: Model,
    examples: Examples,
    settings: LocalSgd,
    seed: RunSeed,
    rounds: u64,
) -> Result<Model, AverageError> {
    let mut trainer = LocalTrainer::new(examples, settings, seed, 0)?;
    (1..=rounds).try_fold(model, |model, round| {
        plain_round(&model, [&mut trainer], round)
    })
}

#[cfg(test)]
mod tests {
    use veilsum_encode::{Tensor, TensorData};

    use super::*;

    fn tensors(values: &[f32]) -> Tensors {
        let shape = vec![values.len() as u64];
        Tensors::from([(
            "w".to_owned(),
            Tensor {
                shape,
                data: TensorData::F32(values.to_vec()),
            },
        )])
    }

    #[test]
    fn mean_is_weighted_by_examples() {
        let mut mean = WeightedMean::new(&tensors(&[9.0, 9.0]));
        mean.add(&tensors(&[1.0, 0.0]), 1).unwrap();
        mean.add(&tensors(&[0.0, -2.0]), 3).unwrap();
        assert_eq!(mean.mean(), Ok(tensors(&[0.25, -1.5])));
    }

    #[test]
    fn mean_of_nothing_is_refused() {
        assert_eq!(
            WeightedMean::new(&tensors(&[0.0])).mean(),
            Err(AverageError::NoWeight)
        );
    }

    #[test]
    fn update_of_another_form_is_refused_and_changes_nothing() {
        let mut mean = WeightedMean::new(&tensors(&[0.0]));
        mean.add(&tensors(&[1.0]), 1).unwrap();
        assert!(matches!(
            mean.add(&tensors(&[1.0, 2.0]), 5),
            Err(AverageError::Tensors(_))
        ));
        assert_eq!(mean.mean(), Ok(tensors(&[1.0])));
    }

    #[test]
    fn server_step_adds_the_mean_and_counts_the_version() {
        let model = Model::new(4, tensors(&[1.0, 2.0])).unwrap();
        let next = ServerSgd { step_size: 0.5 }
            .apply(&model, &tensors(&[1.0, -2.0]))
            .unwrap();
        assert_eq!(next, Model::new(5, tensors(&[1.5, 1.0])).unwrap());
    }

    #[test]
    fn last_version_has_no_successor() {
        let model = Model::new(u64::MAX, tensors(&[1.0])).unwrap();
        let refused = ServerSgd::FEDAVG.apply(&model, &tensors(&[1.0]));
        assert_eq!(refused, Err(AverageError::LastVersion { found: u64::MAX }));
    }
}
