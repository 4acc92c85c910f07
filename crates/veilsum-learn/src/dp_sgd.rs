//! Not the noise: example-level private training up to the point where integer noise is added, the sum of clipped gradients.
//!
//! DP-SGD: Abadi et al. (2016), "Deep Learning with Differential Privacy". Each example's gradient is clipped by itself, in L2 for
//! Gaussian and Skellam noise, in L1 for Laplace noise; the *sum* is contributed, and the coordinator divides the sum over all members
//! by a public number of examples ([`divide`]). Adding or removing one example moves the real-valued sum by at most the clip. One
//! contribution is one step: local steps on un-noised gradients would not be covered.
//!
//! Per-example gradients are never written out. Those of a dense layer are outer products, so their norms follow from the norms of
//! their factors, exactly (Goodfellow 2015, "Efficient Per-Example Gradient Computations"), and the sum is one matrix product.
//!
//! # Security
//!
//! Sums are made in `f64` of gradients computed in `f32`, each with the same bits whatever other examples stand beside it, and every example is clipped to (1 - 2^-19) of the clip: this leaves room for the
//! rounding of sums over up to 2^20 examples; more are refused. An example whose gradient is not finite adds zero, so that no model makes one example
//! decide whether there is a contribution. The task's encoding must not round in a way that the accountant does not know:
//! its sensitivity comes from the integers, see the encoding. The number of examples drawn and clipped is private. Amplification by
//! subsampling holds only against those who do not know which examples were drawn, never by the choice of *members*, which the
//! coordinator sees; give a generator that nobody else can predict.

use std::fmt;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand_core::CryptoRng;
use veilsum_encode::{Tensor, TensorData, Tensors};

use crate::examples::Examples;
use crate::layers::{Layers, Part};
use crate::model::Model;
use crate::setting::{SettingError, require};
use crate::tensors::{Form, Mismatch, round_to, to_f64};
use crate::train::{TrainError, count, network_for};

/// Example-level private gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpSgd {
    /// What no example's gradient may exceed.
    pub clip: ExampleClip,
    /// Which examples a step uses.
    pub sampling: Sampling,
}

/// Norm and bound of one example's gradient, over all tensors together; from 1e-100 to 1e100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExampleClip {
    /// Euclidean norm: for Gaussian and Skellam noise.
    L2(f64),
    /// Sum of absolute values: for Laplace noise.
    L1(f64),
}

/// Which examples a step uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// All.
    All,
    /// Each on its own with this probability, above 0, at most 1; up to 2^-64.
    Poisson {
        /// The probability.
        rate: f64,
    },
}

/// Sum of clipped gradients, pointing downhill.
///
/// # Security
///
/// Tells about the member's examples; everything in it leaves the member only noised and masked, the counts not at all.
#[derive(Clone, PartialEq)]
pub struct ClippedSum {
    /// Minus the sum, f64, with the model's names and shapes.
    pub descent: Tensors,
    /// Examples drawn.
    pub examples: u32,
    /// Examples whose gradient was above the clip, or not finite.
    pub clipped: u32,
}

impl DpSgd {
    /// Sum of clipped gradients over examples drawn with `rng` (not used for [`Sampling::All`]).
    ///
    /// # Errors
    ///
    /// [`TrainError`]: settings out of range, a model that is not about these examples, no examples or more than [`MOST_EXAMPLES`]. Never what
    /// examples hold.
    pub fn sum(
        &self,
        model: &Model,
        examples: &Examples,
        rng: &mut impl CryptoRng,
    ) -> Result<ClippedSum, TrainError> {
        self.check()?;
        // spec: [dp.sum.most]
        if count(examples)? > MOST_EXAMPLES {
            return Err(TrainError::TooMany {
                found: examples.len(),
                most: MOST_EXAMPLES,
            });
        }
        let network = network_for(model, examples)?;
        let layers = network.layers_of(model.tensors())?;
        let rows = self.sampling.draw(examples, rng);
        let mut sums = Sums::new(&layers);
        for rows in rows.chunks(BATCH) {
            let batch = examples.select(rows);
            sums.add(
                &layers.backward(batch.features(), batch.labels(), 1.0),
                self.clip,
            );
        }
        let clipped = sums.clipped;
        let descent = sums.into_tensors(&network.tensors_of(layers));
        let examples =
            u32::try_from(rows.len()).map_err(|_| TrainError::Examples { found: rows.len() })?;
        Ok(ClippedSum {
            descent,
            examples,
            clipped,
        })
    }

    fn check(&self) -> Result<(), SettingError> {
        let (ExampleClip::L2(clip) | ExampleClip::L1(clip)) = self.clip;
        let wanted = "a number from 1e-100 to 1e100";
        require("clip", clip, wanted, |clip| CLIPS.contains(&clip))?;
        match self.sampling {
            Sampling::All => Ok(()),
            Sampling::Poisson { rate } => {
                let wanted = "a probability above 0, at most 1";
                require("sampling rate", rate, wanted, |rate| {
                    rate > 0.0 && rate <= 1.0
                })
            }
        }
    }
}

/// The mean step out of the sum over all members: divided by a public number of examples (the expected one, never the number drawn), in the types
/// of `like`.
///
/// # Errors
///
/// [`Mismatch`] if names or shapes differ from those of `like`, which has floats.
pub fn divide(sum: &Tensors, expected: f64, like: &Tensors) -> Result<Tensors, Mismatch> {
    if let Some((name, tensor)) = sum.iter().find(|(name, _)| !like.contains_key(*name)) {
        return Err(Mismatch::Unknown {
            tensor: name.clone(),
            found: Form::of(tensor),
        });
    }
    let means = like.iter().map(|(name, like)| {
        let sum = sum.get(name).ok_or_else(|| Mismatch::Missing {
            tensor: name.clone(),
            wanted: Form::of(like),
        })?;
        if sum.shape != like.shape || sum.data.len() != like.data.len() {
            return Err(Mismatch::Form {
                tensor: name.clone(),
                found: Form::of(sum),
                wanted: Form::of(like),
            });
        }
        let values = Vec::from_iter(to_f64(&sum.data).iter().map(|value| value / expected));
        Ok((name.clone(), round_to(name, like, &values)?))
    });
    means.collect()
}

impl Sampling {
    /// One number for each place, whether there is an example or not.
    // spec: [dp.sampling.place]
    fn draw(self, examples: &Examples, rng: &mut impl CryptoRng) -> Vec<usize> {
        let rows = 0..examples.len();
        match self {
            Self::Poisson { rate } if rate < 1.0 => {
                // 2^64 as a float; the product is below it, so the cast is exact up to its fraction.
                let below = (rate * 18_446_744_073_709_551_616.0) as u64;
                let mut next = 0;
                let is_drawn = |row: &usize| {
                    let mut drawn = false;
                    while next <= examples.place(*row) {
                        drawn = rng.next_u64() < below;
                        next += 1;
                    }
                    drawn
                };
                rows.filter(is_drawn).collect()
            }
            _ => rows.collect(),
        }
    }
}

/// Shows the form, never values or counts.
impl fmt::Debug for ClippedSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            descent,
            examples: _,
            clipped: _,
        } = self;
        f.debug_struct("ClippedSum")
            .field("descent", &Vec::from_iter(descent.keys()))
            .finish_non_exhaustive()
    }
}

/// Minus the gradients so far, by layer: weight, bias.
struct Sums {
    layers: Vec<(Array2<f64>, Array1<f64>)>,
    clipped: u32,
}

impl Sums {
    fn new(layers: &Layers) -> Self {
        let zeros = layers.0.iter().map(|layer| {
            let weight = Array2::zeros(layer.weight.dim());
            (weight, Array1::zeros(layer.bias.dim()))
        });
        Self {
            layers: zeros.collect(),
            clipped: 0,
        }
    }

    // spec: [dp.example-clip]
    fn add(&mut self, parts: &[Part], clip: ExampleClip) {
        let norms = clip.norms(parts);
        let (ExampleClip::L2(bound) | ExampleClip::L1(bound)) = clip;
        let bound = bound * (1.0 - ROOM);
        self.clipped += norms
            .iter()
            .map(|norm| u32::from(!norm.is_finite() || *norm > bound))
            .sum::<u32>();
        let scale = norms.mapv(|norm| if norm > bound { bound / norm } else { 1.0 });
        // Both factors become 0: 0 times infinity is no number.
        let broken = Vec::from_iter((0..norms.len()).filter(|row| !norms[*row].is_finite()));
        for ((weight, bias), part) in self.layers.iter_mut().zip(parts) {
            let (mut input, mut error) = (part.input.mapv(f64::from), part.error.mapv(f64::from));
            for &row in &broken {
                input.row_mut(row).fill(0.0);
                error.row_mut(row).fill(0.0);
            }
            for (mut error, scale) in error.rows_mut().into_iter().zip(&scale) {
                error *= *scale;
            }
            *weight -= &input.t().dot(&error);
            *bias -= &error.sum_axis(Axis(0));
        }
    }

    /// In the names and shapes of `like`, the network's tensors.
    fn into_tensors(self, like: &Tensors) -> Tensors {
        // Names sort as layers are computed, and within a layer "bias" before "weight": hidden.*, output.*.
        let values = self
            .layers
            .into_iter()
            .flat_map(|(weight, bias)| [bias.to_vec(), weight.iter().copied().collect()]);
        let tensors = like.iter().zip(values).map(|((name, like), values)| {
            let tensor = Tensor {
                shape: like.shape.clone(),
                data: TensorData::F64(values),
            };
            (name.clone(), tensor)
        });
        tensors.collect()
    }
}

impl ExampleClip {
    /// Norm of each example's gradient over all layers, out of the norms of the factors; 1 stands for the bias's input.
    fn norms(self, parts: &[Part]) -> Array1<f64> {
        let of = |row: ArrayView1<'_, f32>| -> f64 {
            let values = row.iter().map(|value| f64::from(*value));
            match self {
                Self::L2(_) => values.map(|value| value * value).sum(),
                Self::L1(_) => values.map(f64::abs).sum(),
            }
        };
        let mut totals = Array1::<f64>::zeros(parts.first().map_or(0, |part| part.input.nrows()));
        for part in parts {
            for ((total, input), error) in totals
                .iter_mut()
                .zip(part.input.rows())
                .zip(part.error.rows())
            {
                *total += (of(input) + 1.0) * of(error);
            }
        }
        match self {
            Self::L2(_) => totals.mapv(f64::sqrt),
            Self::L1(_) => totals,
        }
    }
}

/// Most examples of one sum: the room below the clip covers no more.
pub const MOST_EXAMPLES: u32 = 1 << 20;

/// Share of the clip left for rounding. A sum of n examples is rounded within each batch and once for each batch: one example moves the
/// rounding errors by at most (BATCH + n / BATCH) n 2^-52 of the clip, below 2^-19 for [`MOST_EXAMPLES`]. It must not depend on n, which is private.
const ROOM: f64 = 1.0 / (1 << 19) as f64;

const CLIPS: std::ops::RangeInclusive<f64> = 1e-100..=1e100;

/// Examples whose parts are in memory at once.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, RunSeed, digits};

    /// Otherwise one example would move the rounding of all others, which no clip covers.
    #[test]
    fn gradient_of_an_example_has_the_same_bits_whatever_stands_beside_it() {
        // spec: [dp.example-clip]
        let examples = digits::load().unwrap();
        let network = Network::Mlp {
            inputs: 64,
            hidden: 19,
            classes: 10,
        };
        let mut layers = network.layers_of(&network.init(RunSeed(1))).unwrap();
        layers.descend(examples.features(), examples.labels(), 0.3);
        let rows = Vec::from_iter(0..BATCH);
        let batch = examples.select(&rows);
        let together = layers.backward(batch.features(), batch.labels(), 1.0);
        for size in [1, 2, 3, 7, 100, BATCH - 1] {
            for start in [0, 1, 5, BATCH - size] {
                let Some(rows) = rows.get(start..start + size) else {
                    continue;
                };
                let few = examples.select(rows);
                let parts = layers.backward(few.features(), few.labels(), 1.0);
                for (part, whole) in parts.iter().zip(&together) {
                    let (input, error) = (
                        whole.input.select(Axis(0), rows),
                        whole.error.select(Axis(0), rows),
                    );
                    assert_eq!(
                        (&part.input, &part.error),
                        (&input, &error),
                        "{size} from {start}"
                    );
                }
            }
        }
    }

    /// The numbers are public: an example that is missing and moved the draws of those after it would move the sum by all of them.
    #[test]
    fn an_empty_place_changes_no_other_draw() {
        // spec: [dp.sampling.place]
        let all = digits::load().unwrap();
        let sampling = Sampling::Poisson { rate: 0.4 };
        let drawn = |examples: &Examples| {
            let rows = sampling.draw(examples, &mut RunSeed(1).rng("test", &[]));
            let places = rows.into_iter().map(|row| examples.place(row));
            places.collect::<Vec<_>>()
        };
        let (all, missing) = (all.select(&Vec::from_iter(0..60)), [0, 7, 8, 59]);
        let left = Vec::from_iter((0..60).filter(|row| !missing.contains(row)));
        let few = all.select(&left).at(left);
        let mut wanted = drawn(&all);
        assert!(missing.iter().any(|place| wanted.contains(place)));
        wanted.retain(|place| !missing.contains(place));
        assert_eq!(drawn(&few), wanted);
    }

    /// The coordinator chooses the model: with weights near the largest number, a gradient that overflows tells that a feature of one
    /// example is above a threshold.
    #[test]
    fn an_example_without_a_finite_gradient_adds_zero_and_is_no_absence() {
        // spec: [dp.example-clip]
        let network = Network::Softmax {
            inputs: 3,
            classes: 2,
        };
        let mut tensors = network.init(RunSeed(1));
        let Some(TensorData::F32(weights)) = tensors
            .get_mut("output.weight")
            .map(|tensor| &mut tensor.data)
        else {
            panic!("wanted f32");
        };
        weights[2..4].copy_from_slice(&[f32::MAX / 65.0, 0.0]);
        let model = Model::new(1, tensors).unwrap();
        for clip in [ExampleClip::L1(1.0), ExampleClip::L2(1.0)] {
            let sgd = DpSgd {
                clip,
                sampling: Sampling::All,
            };
            let sum = |rows: &[[f32; 3]]| {
                let flat = rows.iter().flatten().copied().collect();
                let features = Array2::from_shape_vec((rows.len(), 3), flat).unwrap();
                let examples = Examples::new(features, vec![0; rows.len()], 2).unwrap();
                let mut rng = RunSeed(1).rng("test", &[]);
                sgd.sum(&model, &examples, &mut rng).unwrap()
            };
            let (first, last) = ([0.1, 40.0, 0.2], [0.0, 20.0, 0.0]);
            let with = sum(&[first, [0.3, 66.0, 0.1], last]);
            assert_eq!(with.descent, sum(&[first, last]).descent);
            let both = sum(&[first, last]).clipped;
            assert_eq!(with.clipped, both + 1);
        }
    }
}
