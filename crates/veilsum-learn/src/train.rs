//! Not federated and not private by itself: what one member does with its own examples and the global model.
//!
//! A [`Trainer`] takes a model and gives back an update, the difference that training made. [`LocalTrainer`] is the built-in one:
//! mini-batch gradient descent on softmax regression or a small perceptron. Its result is a function of (run seed, member,
//! round, model, examples): the same bits on the same machine. Other machines may differ in the last bits, because matrix
//! products use the instructions that are there.
//!
//! # Size of updates
//!
//! A clip must leave room for honest updates. [`digits::CLIP_L2`](crate::digits::CLIP_L2) and
//! [`digits::CLIP_MAX_ABS`](crate::digits::CLIP_MAX_ABS) do for the digits; what was observed stands there.

use std::fmt;

use rand::seq::SliceRandom as _;
use thiserror::Error;
use veilsum_encode::Tensors;

use crate::examples::Examples;
use crate::layers::Layers;
use crate::model::Model;
use crate::network::Network;
use crate::seed::RunSeed;
use crate::setting::SettingError;
use crate::tensors::{Mismatch, difference, to_f64};

/// Makes updates from a model: one member's private side of a round.
pub trait Trainer {
    /// Trains from `model` on the member's own examples and returns the difference.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if the model is not one that this trainer knows, or training diverged.
    fn train(&mut self, model: &Model, round: u64) -> Result<TrainedUpdate, TrainError>;
}

/// What training changed.
///
/// # Security
///
/// Tells about the member's examples. It leaves the member only clipped, quantised and masked.
#[derive(Clone, PartialEq)]
pub struct TrainedUpdate {
    /// New tensors minus the model's, same names and shapes.
    pub delta: Tensors,
    /// How many examples it was trained on: its weight in the average.
    pub examples: u32,
}

/// Mini-batch gradient descent at one member, with examples in a new order each epoch.
#[derive(Debug, Clone)]
pub struct LocalTrainer {
    examples: Examples,
    settings: LocalSgd,
    seed: RunSeed,
    member: u32,
    /// Weight of the squared distance to the global model; 0 is plain gradient descent.
    proximal: f32,
}

/// Gradient of all of one member's examples: FedSGD, McMahan et al. (2017), section 2.
///
/// The update is minus the mean gradient, so a server step with rate `r` is a step of gradient descent with rate `r` on all
/// members' examples.
#[derive(Debug, Clone)]
pub struct GradientTrainer {
    examples: Examples,
}

/// Settings of local gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalSgd {
    /// Step size, above 0.
    pub learning_rate: f32,
    /// Passes over the member's examples in one round, at least 1.
    pub epochs: u32,
    /// Examples in a batch, at least 1; the last batch of an epoch may be smaller.
    pub batch_size: u32,
}

/// How well a model does on examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Share of the examples whose most probable class is the right one, 0 to 1.
    pub accuracy: f64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
}

/// Why a model cannot be trained or judged.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The tensors are those of no network.
    #[error(transparent)]
    Tensors(#[from] Mismatch),
    /// No examples to train on or judge by, or more than a weight can say.
    #[error("found {found} examples, wanted 1 to {}", u32::MAX)]
    Examples {
        /// How many there are.
        found: usize,
    },
    /// More examples than a private sum leaves room for.
    #[error("found {found} examples, wanted at most {most}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// Most of them.
        most: u32,
    },
    /// Examples and model are about different things.
    #[error(
        "examples have {features} features and {labels} classes, the model wants {inputs} and {classes}"
    )]
    Foreign {
        /// Features of an example.
        features: usize,
        /// Classes of the examples.
        labels: u8,
        /// Features the model wants.
        inputs: u32,
        /// Classes the model tells apart.
        classes: u32,
    },
    /// Settings that train nothing.
    #[error(
        "found learning rate {}, {} epochs and batches of {}, wanted all above zero",
        settings.learning_rate, settings.epochs, settings.batch_size
    )]
    Settings {
        /// The settings.
        settings: LocalSgd,
    },
    /// A proximal weight out of its range.
    #[error("found proximal weight {found}, wanted 0 to below 2 over the learning rate")]
    Proximal {
        /// The weight.
        found: f32,
    },
    /// A clip or sampling rate of private training out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Training left the finite numbers.
    #[error("training diverged: value {index} of tensor {tensor:?} is not finite")]
    Diverged {
        /// The tensor.
        tensor: String,
        /// Index in row-major order.
        index: usize,
    },
}

impl LocalTrainer {
    /// A trainer of the member with the given number.
    ///
    /// # Errors
    ///
    /// [`TrainError::Examples`] without examples, [`TrainError::Settings`] for settings that train nothing.
    pub fn new(
        examples: Examples,
        settings: LocalSgd,
        seed: RunSeed,
        member: u32,
    ) -> Result<Self, TrainError> {
        let LocalSgd {
            learning_rate,
            epochs,
            batch_size,
        } = settings;
        count(&examples)?;
        if !(learning_rate.is_finite() && learning_rate > 0.0 && epochs > 0 && batch_size > 0) {
            return Err(TrainError::Settings { settings });
        }
        Ok(Self {
            examples,
            settings,
            seed,
            member,
            proximal: 0.0,
        })
    }

    /// Trains on the loss plus `mu / 2` times the squared distance to the global model, which keeps members with other data from
    /// drifting apart: FedProx, Li et al. (2020), "Federated Optimization in Heterogeneous Networks". With 0 every bit is that of FedAvg.
    ///
    /// # Errors
    ///
    /// [`TrainError::Proximal`] unless `mu` is a number from 0 and `mu` times the learning rate is below 2 (above, the pull itself
    /// diverges).
    pub fn with_proximal(self, mu: f32) -> Result<Self, TrainError> {
        if mu.is_finite() && mu >= 0.0 && mu * self.settings.learning_rate < 2.0 {
            return Ok(Self {
                proximal: mu,
                ..self
            });
        }
        Err(TrainError::Proximal { found: mu })
    }

    // spec: [local.fedavg] [local.fedprox]
    fn descend(&self, layers: &mut Layers, round: u64) {
        let anchor = (self.proximal > 0.0).then(|| layers.clone());
        let mut rng = self.seed.rng("batches", &[self.member.into(), round]);
        let mut order: Vec<usize> = (0..self.examples.len()).collect();
        for _ in 0..self.settings.epochs {
            order.shuffle(&mut rng);
            for rows in order.chunks(self.settings.batch_size as usize) {
                let batch = self.examples.select(rows);
                let (features, labels) = (batch.features(), batch.labels());
                let rate = self.settings.learning_rate;
                match &anchor {
                    None => layers.descend(features, labels, rate),
                    Some(anchor) => {
                        layers.descend_near(features, labels, rate, (self.proximal, anchor));
                    }
                }
            }
        }
    }
}

impl Trainer for LocalTrainer {
    fn train(&mut self, model: &Model, round: u64) -> Result<TrainedUpdate, TrainError> {
        let network = network_for(model, &self.examples)?;
        let mut layers = network.layers_of(model.tensors())?;
        self.descend(&mut layers, round);
        let delta = difference(&network.tensors_of(layers), model.tensors())?;
        require_finite(&delta)?;
        Ok(TrainedUpdate {
            delta,
            examples: count(&self.examples)?,
        })
    }
}

impl GradientTrainer {
    /// A trainer of these examples.
    ///
    /// # Errors
    ///
    /// [`TrainError::Examples`] without examples.
    pub fn new(examples: Examples) -> Result<Self, TrainError> {
        count(&examples)?;
        Ok(Self { examples })
    }
}

impl Trainer for GradientTrainer {
    // spec: [local.fedsgd]
    fn train(&mut self, model: &Model, _round: u64) -> Result<TrainedUpdate, TrainError> {
        let network = network_for(model, &self.examples)?;
        let layers = network.layers_of(model.tensors())?;
        let mut gradients = layers.gradients(self.examples.features(), self.examples.labels());
        for layer in &mut gradients {
            layer.weight.mapv_inplace(|value| -value);
            layer.bias.mapv_inplace(|value| -value);
        }
        let delta = network.tensors_of(Layers(gradients));
        require_finite(&delta)?;
        Ok(TrainedUpdate {
            delta,
            examples: count(&self.examples)?,
        })
    }
}

/// Shows the form, never values.
impl fmt::Debug for TrainedUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delta, examples } = self;
        f.debug_struct("TrainedUpdate")
            .field("delta", &Vec::from_iter(delta.keys()))
            .field("examples", examples)
            .finish()
    }
}

impl LocalSgd {
    /// Settings that train softmax regression on the digits of 12 members to 0.91 to 0.95 in 10 rounds.
    pub const DIGITS: Self = Self {
        learning_rate: 0.5,
        epochs: 5,
        batch_size: 10,
    };
}

/// How well `model` does on `examples`.
///
/// # Errors
///
/// [`TrainError::Examples`] without examples, [`TrainError::Tensors`] or [`TrainError::Foreign`] if the model is not about them.
pub fn evaluate(model: &Model, examples: &Examples) -> Result<Evaluation, TrainError> {
    let total = f64::from(count(examples)?);
    let network = network_for(model, examples)?;
    let rows = network
        .layers_of(model.tensors())?
        .probabilities(examples.features());
    let (mut right, mut loss) = (0_u32, 0.0);
    for (row, &label) in rows.rows().into_iter().zip(examples.labels()) {
        let own = row[usize::from(label)];
        right += u32::from(
            row.iter()
                .enumerate()
                .all(|(class, other)| class == usize::from(label) || *other < own),
        );
        loss -= f64::from(own.max(f32::MIN_POSITIVE)).ln();
    }
    Ok(Evaluation {
        accuracy: f64::from(right) / total,
        loss: loss / total,
    })
}

/// The network of `model`, which must be about these examples.
pub(crate) fn network_for(model: &Model, examples: &Examples) -> Result<Network, TrainError> {
    let network = Network::of(model.tensors())?;
    let (inputs, classes) = (network.inputs(), network.classes());
    let (features, labels) = (examples.features().ncols(), examples.classes());
    if features == inputs as usize && u32::from(labels) == classes {
        return Ok(network);
    }
    Err(TrainError::Foreign {
        features,
        labels,
        inputs,
        classes,
    })
}

pub(crate) fn count(examples: &Examples) -> Result<u32, TrainError> {
    let found = examples.len();
    u32::try_from(found)
        .ok()
        .filter(|count| *count > 0)
        .ok_or(TrainError::Examples { found })
}

pub(crate) fn require_finite(delta: &Tensors) -> Result<(), TrainError> {
    for (name, tensor) in delta {
        if let Some(index) = to_f64(&tensor.data)
            .iter()
            .position(|value| !value.is_finite())
        {
            return Err(TrainError::Diverged {
                tensor: name.clone(),
                index,
            });
        }
    }
    Ok(())
}
