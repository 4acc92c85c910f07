//! Not what members do, and not private by itself: the server's optimisers, which turn a mean update into the next model.
//!
//! The mean update is a *pseudo-gradient* pointing downhill, D. With the rate of the round, r:
//!
//! | optimiser | state | step |
//! |---|---|---|
//! | SGD (FedAvg with momentum 0 and rate 1), FedAvgM | v = b v + D | x + r v |
//! | FedAdagrad | m = b1 m + (1 - b1) D, v = v + D² | x + r m / (sqrt(v) + t) |
//! | FedAdam | the same m, v = b2 v + (1 - b2) D² | the same |
//! | FedYogi | the same m, v = v - (1 - b2) D² sign(v - D²) | the same |
//!
//! FedAvgM: Hsu, Qi and Brown (2019), "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
//! Classification". The others: Reddi et al. (2021), "Adaptive Federated Optimization", algorithm 2, without bias correction,
//! v starting at t². FedSGD is any of them on mean gradients ([`GradientTrainer`](crate::GradientTrainer)).
//!
//! All arithmetic is in `f64`, value by value, one IEEE operation after the other; only the new model is rounded to its type. The same
//! model, means, rates and settings give the same bits on every machine.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use veilsum_encode::{Tensor, TensorData, Tensors};

use crate::files::{SafetensorsError, safetensors};
use crate::model::{Model, ModelDigest};
use crate::setting::{SettingError, require};
use crate::tensors::{Mismatch, require_same_form, round_to, to_f64};

/// Which optimiser, with its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ServerOptimizer {
    /// Gradient descent with momentum; FedAvg with momentum 0, FedAvgM above.
    Sgd {
        /// Share of the last step that is kept, 0 to below 1.
        momentum: f64,
    },
    /// Adagrad: steps shrink with all squares so far.
    Adagrad {
        /// Decay b1 of the mean, 0 to below 1.
        beta1: f64,
        /// Adaptivity t, above 0: what is added to the root of v.
        tau: f64,
    },
    /// Adam: steps shrink with a moving mean of squares.
    Adam {
        /// Decay b1 of the mean, 0 to below 1.
        beta1: f64,
        /// Decay b2 of the squares, 0 to below 1.
        beta2: f64,
        /// Adaptivity t, above 0.
        tau: f64,
    },
    /// Yogi: like Adam, with squares that grow or fall by a bounded amount.
    Yogi {
        /// Decay b1 of the mean, 0 to below 1.
        beta1: f64,
        /// Decay b2 of the squares, 0 to below 1.
        beta2: f64,
        /// Adaptivity t, above 0.
        tau: f64,
    },
}

/// An optimiser at work: settings, steps taken, and its memory of earlier means.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerState {
    optimizer: ServerOptimizer,
    steps: u64,
    first: Memory,
    /// Empty for SGD.
    second: Memory,
}

/// Why a step cannot be made, or a state not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// A setting out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The mean has another form than the model, or the model another one than the state.
    #[error(transparent)]
    Tensors(#[from] Mismatch),
    /// A step that leaves the finite numbers.
    #[error("step makes value {index} of tensor {tensor:?} not finite")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Index in row-major order.
        index: usize,
    },
    /// The version or the number of steps cannot grow.
    #[error("found model version {found}, wanted one that can be followed by another")]
    LastVersion {
        /// The version.
        found: u64,
    },
    /// No safetensors file.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// Bytes that are no state, or not its canonical bytes.
    #[error("found bytes that are not the canonical bytes of an optimiser's state")]
    State,
}

/// Values of one kind by tensor.
type Memory = BTreeMap<String, Vec<f64>>;

impl ServerOptimizer {
    /// FedAvg: the mean update as it is (with rate 1).
    pub const FEDAVG: Self = Self::Sgd { momentum: 0.0 };

    /// Checks the ranges of all settings.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for the first one out of its range.
    pub fn check(self) -> Result<(), SettingError> {
        let decay = |setting, found| {
            let wanted = "a number from 0 to below 1";
            require(setting, found, wanted, |found| (0.0..1.0).contains(&found))
        };
        let (beta1, beta2, tau) = match self {
            Self::Sgd { momentum } => return decay("momentum", momentum),
            Self::Adagrad { beta1, tau } => (beta1, 0.0, tau),
            Self::Adam { beta1, beta2, tau } | Self::Yogi { beta1, beta2, tau } => {
                (beta1, beta2, tau)
            }
        };
        decay("beta1", beta1)?;
        decay("beta2", beta2)?;
        let wanted = "a number from 1e-100 to 1e100";
        require("tau", tau, wanted, |tau| (1e-100..=1e100).contains(&tau))
    }

    /// New memory of one value and the step of it, before the rate.
    // spec: [optimizer.step]
    fn advance(self, mean: f64, first: &mut f64, second: &mut f64) -> f64 {
        let square = mean * mean;
        let (beta1, tau) = match self {
            Self::Sgd { momentum } => {
                *first = momentum * *first + mean;
                return *first;
            }
            Self::Adagrad { beta1, tau } => {
                *second += square;
                (beta1, tau)
            }
            Self::Adam { beta1, beta2, tau } => {
                *second = beta2 * *second + (1.0 - beta2) * square;
                (beta1, tau)
            }
            Self::Yogi { beta1, beta2, tau } => {
                let change = (1.0 - beta2) * square;
                if *second > square {
                    *second -= change;
                } else if *second < square {
                    *second += change;
                }
                (beta1, tau)
            }
        };
        *first = beta1 * *first + (1.0 - beta1) * mean;
        *first / (second.sqrt() + tau)
    }

    fn first_square(self) -> Option<f64> {
        match self {
            Self::Sgd { .. } => None,
            Self::Adagrad { tau, .. } | Self::Adam { tau, .. } | Self::Yogi { tau, .. } => {
                Some(tau * tau)
            }
        }
    }

    /// Name, and settings as the hexadecimal digits of their bits.
    fn text(self) -> String {
        let (name, settings) = match self {
            Self::Sgd { momentum } => ("sgd", vec![momentum]),
            Self::Adagrad { beta1, tau } => ("adagrad", vec![beta1, tau]),
            Self::Adam { beta1, beta2, tau } => ("adam", vec![beta1, beta2, tau]),
            Self::Yogi { beta1, beta2, tau } => ("yogi", vec![beta1, beta2, tau]),
        };
        let settings = settings
            .iter()
            .map(|setting| format!("{:016x}", setting.to_bits()));
        format!("{name}:{}", Vec::from_iter(settings).join(","))
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, settings) = text.split_once(':')?;
        let bits = settings
            .split(',')
            .map(|bits| u64::from_str_radix(bits, 16).ok().map(f64::from_bits));
        let settings: Vec<f64> = bits.collect::<Option<_>>()?;
        let optimizer = match (name, settings.as_slice()) {
            ("sgd", &[momentum]) => Self::Sgd { momentum },
            ("adagrad", &[beta1, tau]) => Self::Adagrad { beta1, tau },
            ("adam", &[beta1, beta2, tau]) => Self::Adam { beta1, beta2, tau },
            ("yogi", &[beta1, beta2, tau]) => Self::Yogi { beta1, beta2, tau },
            _ => return None,
        };
        optimizer.check().ok()?;
        Some(optimizer)
    }
}

impl ServerState {
    /// No step taken yet, for models of the form of `like`; its values are not used.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Setting`], or [`OptimizerError::Tensors`] for tensors of integers.
    pub fn new(optimizer: ServerOptimizer, like: &Tensors) -> Result<Self, OptimizerError> {
        optimizer.check()?;
        for (name, tensor) in like {
            round_to(name, tensor, &[])?;
        }
        let filled = |value: f64| {
            like.iter()
                .map(|(name, tensor)| (name.clone(), vec![value; tensor.data.len()]))
                .collect()
        };
        Ok(Self {
            optimizer,
            steps: 0,
            first: filled(0.0),
            second: optimizer.first_square().map(filled).unwrap_or_default(),
        })
    }

    /// The next version of the model. After an error the state is as it was.
    ///
    /// `mean` is the mean update (or minus the mean gradient), `rate` that of the round, see
    /// [`Schedule::at`](crate::schedule::Schedule::at).
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Tensors`] if model, mean and state differ in form, [`OptimizerError::NotFinite`] if the step diverges,
    /// [`OptimizerError::LastVersion`] at the end of `u64`.
    pub fn step(
        &mut self,
        model: &Model,
        mean: &Tensors,
        rate: f64,
    ) -> Result<Model, OptimizerError> {
        require("learning rate", rate, "a number", |_| true)?;
        require_same_form(mean, model.tensors())?;
        self.require_form_of(model.tensors())?;
        let mut next = self.clone();
        let mut tensors = Tensors::new();
        for (name, tensor) in model.tensors() {
            let Some(mean) = mean.get(name) else { continue };
            let values = next.advance(name, &to_f64(&tensor.data), &to_f64(&mean.data), rate)?;
            let stepped = round_to(name, tensor, &values)?;
            require_finite(name, &to_f64(&stepped.data))?;
            tensors.insert(name.clone(), stepped);
        }
        let last = OptimizerError::LastVersion {
            found: model.version(),
        };
        let (Some(version), Some(steps)) =
            (model.version().checked_add(1), self.steps.checked_add(1))
        else {
            return Err(last);
        };
        next.steps = steps;
        let model = Model::new(version, tensors)?;
        *self = next;
        Ok(model)
    }

    /// The optimiser and its settings.
    pub fn optimizer(&self) -> ServerOptimizer {
        self.optimizer
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// SHA-256 over settings, steps and memory.
    pub fn digest(&self) -> [u8; 32] {
        let text = self.text();
        let mut hash = Sha256::new();
        hash.update(b"veilsum/v1 optimizer\0");
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(&text);
        hash.update(ModelDigest::of(&self.tensors()).0);
        hash.finalize().into()
    }

    /// The canonical bytes: a safetensors file with `first/NAME` and `second/NAME` in f64, flat.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Safetensors`] if the names do not fit a header.
    // spec: [optimizer.state]
    pub fn to_bytes(&self) -> Result<Vec<u8>, OptimizerError> {
        let text = format!("{} sha256={}", self.text(), hex::encode(self.digest()));
        Ok(safetensors::encode(
            &self.tensors(),
            Some((METADATA_KEY, &text)),
        )?)
    }

    /// Reads what [`ServerState::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Safetensors`] or [`OptimizerError::State`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OptimizerError> {
        let (tensors, metadata) = safetensors::decode(bytes)?;
        let text = metadata.get(METADATA_KEY).map_or("", String::as_str);
        let state = Self::parse(text, tensors).ok_or(OptimizerError::State)?;
        if state.to_bytes()? == bytes {
            return Ok(state);
        }
        Err(OptimizerError::State)
    }

    fn parse(text: &str, tensors: Tensors) -> Option<Self> {
        let mut words = text.split(' ');
        let optimizer = ServerOptimizer::parse(words.next()?)?;
        let steps = words.next()?.strip_prefix("steps=")?.parse().ok()?;
        let (mut first, mut second) = (Memory::new(), Memory::new());
        for (name, tensor) in tensors {
            let TensorData::F64(values) = tensor.data else {
                return None;
            };
            match name.split_once('/')? {
                ("first", name) => first.insert(name.to_owned(), values),
                ("second", name) => second.insert(name.to_owned(), values),
                _ => return None,
            };
        }
        let lengths = |memory: &Memory| -> Vec<(String, usize)> {
            let lengths = memory
                .iter()
                .map(|(name, values)| (name.clone(), values.len()));
            lengths.collect()
        };
        let paired = match optimizer.first_square() {
            Some(_) => lengths(&first) == lengths(&second),
            None => second.is_empty(),
        };
        let sound = first.values().flatten().all(|value| value.is_finite())
            && second
                .values()
                .flatten()
                .all(|value| *value >= 0.0 && value.is_finite());
        (paired && sound).then_some(Self {
            optimizer,
            steps,
            first,
            second,
        })
    }

    fn text(&self) -> String {
        format!("{} steps={}", self.optimizer.text(), self.steps)
    }

    fn tensors(&self) -> Tensors {
        let named = |kind: &'static str, memory: &Memory| {
            let tensors = memory.iter().map(move |(name, values)| {
                let tensor = Tensor {
                    shape: vec![values.len() as u64],
                    data: TensorData::F64(values.clone()),
                };
                (format!("{kind}/{name}"), tensor)
            });
            tensors.collect::<Tensors>()
        };
        let mut tensors = named("first", &self.first);
        tensors.append(&mut named("second", &self.second));
        tensors
    }

    /// Values of one tensor after the step.
    fn advance(
        &mut self,
        name: &str,
        values: &[f64],
        mean: &[f64],
        rate: f64,
    ) -> Result<Vec<f64>, OptimizerError> {
        let optimizer = self.optimizer;
        let mut unused = Vec::new();
        let first = self.first.get_mut(name).unwrap_or(&mut unused);
        let mut absent = vec![0.0; values.len()];
        let second = self.second.get_mut(name).unwrap_or(&mut absent);
        let moved = values
            .iter()
            .zip(mean)
            .zip(first.iter_mut().zip(second.iter_mut()))
            .map(|((value, mean), (first, second))| {
                value + rate * optimizer.advance(*mean, first, second)
            })
            .collect();
        require_finite(name, first)?;
        require_finite(name, second)?;
        Ok(moved)
    }

    fn require_form_of(&self, model: &Tensors) -> Result<(), Mismatch> {
        for (name, tensor) in model {
            let found = self.first.get(name).map_or(0, Vec::len);
            if found != tensor.data.len() {
                return Err(Mismatch::Values {
                    tensor: name.clone(),
                    found,
                    wanted: tensor.data.len() as u64,
                });
            }
        }
        Ok(())
    }
}

fn require_finite(name: &str, values: &[f64]) -> Result<(), OptimizerError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(OptimizerError::NotFinite {
            tensor: name.to_owned(),
            index,
        }),
    }
}

const METADATA_KEY: &str = "veilsum.optimizer";
