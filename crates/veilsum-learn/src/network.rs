//! Not a framework: the two classifiers that the built-in trainer knows, as named tensors.
//!
//! | network | tensors, all f32 |
//! |---|---|
//! | softmax regression | `output.weight` (inputs x classes), `output.bias` (classes) |
//! | multi-layer perceptron | `hidden.weight` (inputs x hidden), `hidden.bias` (hidden), the same `output` from hidden |

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ndarray::{Array1, Array2};
use rand::RngExt as _;
use veilsum_encode::{Dtype, Tensor, TensorData, Tensors};

use crate::layers::{Layer, Layers};
use crate::seed::RunSeed;
use crate::tensors::{Form, Mismatch, require_form};

/// Shape of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// One linear layer: convex, so members' models average well.
    Softmax {
        /// Features of an example.
        inputs: u32,
        /// Classes to tell apart.
        classes: u32,
    },
    /// One hidden layer of rectified linear units.
    Mlp {
        /// Features of an example.
        inputs: u32,
        /// Hidden units.
        hidden: u32,
        /// Classes to tell apart.
        classes: u32,
    },
}

impl Network {
    /// The network whose tensors these are: softmax regression without `hidden.weight`, else the perceptron.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if the tensors are those of no network.
    pub fn of(tensors: &Tensors) -> Result<Self, Mismatch> {
        let network = match (
            axes(tensors, "hidden.weight"),
            axes(tensors, "output.weight"),
        ) {
            (None, Some([inputs, classes])) => Self::Softmax { inputs, classes },
            (Some([inputs, hidden]), Some([_, classes])) => Self::Mlp {
                inputs,
                hidden,
                classes,
            },
            _ => Self::Softmax {
                inputs: 0,
                classes: 0,
            },
        };
        network.layers_of(tensors)?;
        Ok(network)
    }

    /// The first model: weights uniform within sqrt(6 / inputs) before a ReLU (He et al. 2015) and zero in the last layer, biases
    /// zero.
    ///
    /// Zero weights in the last layer make the first prediction uniform, so the first updates are as small as the later ones.
    pub fn init(self, seed: RunSeed) -> Tensors {
        let mut rng = seed.rng("init", &[]);
        let mut tensors = Tensors::new();
        for plan in self.plan() {
            let most = (6.0 / f64::from(plan.inputs.max(1))).sqrt() as f32;
            let weight = Array2::from_shape_simple_fn(plan.dim(), || match plan.name {
                "output" => 0.0,
                _ => rng.random_range(-most..=most),
            });
            let bias = Array1::zeros(plan.dim().1);
            plan.put(Layer { weight, bias }, &mut tensors);
        }
        tensors
    }

    /// Features of an example.
    pub fn inputs(self) -> u32 {
        match self {
            Self::Softmax { inputs, .. } | Self::Mlp { inputs, .. } => inputs,
        }
    }

    /// Classes told apart.
    pub fn classes(self) -> u32 {
        match self {
            Self::Softmax { classes, .. } | Self::Mlp { classes, .. } => classes,
        }
    }

    /// The layers that the tensors hold, which must be this network's and no others.
    pub(crate) fn layers_of(self, tensors: &Tensors) -> Result<Layers, Mismatch> {
        let plans = self.plan();
        let layers = plans
            .iter()
            .map(|plan| plan.take(tensors))
            .collect::<Result<_, _>>()?;
        let names: Vec<String> = plans
            .iter()
            .flat_map(|plan| [plan.weight(), plan.bias()])
            .collect();
        match tensors.iter().find(|(name, _)| !names.contains(name)) {
            Some((name, tensor)) => Err(Mismatch::Unknown {
                tensor: name.clone(),
                found: Form::of(tensor),
            }),
            None => Ok(Layers(layers)),
        }
    }

    /// The tensors of this network's layers.
    pub(crate) fn tensors_of(self, layers: Layers) -> Tensors {
        let mut tensors = Tensors::new();
        for (plan, layer) in self.plan().into_iter().zip(layers.0) {
            plan.put(layer, &mut tensors);
        }
        tensors
    }

    fn plan(self) -> Vec<LayerPlan> {
        match self {
            Self::Softmax { inputs, classes } => vec![LayerPlan {
                name: "output",
                inputs,
                outputs: classes,
            }],
            Self::Mlp {
                inputs,
                hidden,
                classes,
            } => vec![
                LayerPlan {
                    name: "hidden",
                    inputs,
                    outputs: hidden,
                },
                LayerPlan {
                    name: "output",
                    inputs: hidden,
                    outputs: classes,
                },
            ],
        }
    }
}

/// Name and size of one layer.
struct LayerPlan {
    name: &'static str,
    inputs: u32,
    outputs: u32,
}

impl LayerPlan {
    fn take(&self, tensors: &Tensors) -> Result<Layer, Mismatch> {
        let weight = values(tensors, &self.weight(), &[self.inputs, self.outputs])?;
        let bias = values(tensors, &self.bias(), &[self.outputs])?;
        let weight = weight
            .to_shape(self.dim())
            .map(|weight| weight.to_owned())
            .unwrap_or_default();
        Ok(Layer { weight, bias })
    }

    fn put(&self, layer: Layer, tensors: &mut Tensors) {
        let weight = layer.weight.iter().copied().collect();
        let bias = layer.bias.to_vec();
        let shape = vec![self.inputs.into(), self.outputs.into()];
        tensors.insert(
            self.weight(),
            Tensor {
                shape,
                data: TensorData::F32(weight),
            },
        );
        tensors.insert(
            self.bias(),
            Tensor {
                shape: vec![self.outputs.into()],
                data: TensorData::F32(bias),
            },
        );
    }

    fn weight(&self) -> String {
        format!("{}.weight", self.name)
    }

    fn bias(&self) -> String {
        format!("{}.bias", self.name)
    }

    fn dim(&self) -> (usize, usize) {
        (self.inputs as usize, self.outputs as usize)
    }
}

/// The values of the f32 tensor `name` of the given shape.
fn values(tensors: &Tensors, name: &str, shape: &[u32]) -> Result<Array1<f32>, Mismatch> {
    let wanted = Form {
        dtype: Dtype::F32,
        shape: shape.iter().copied().map(u64::from).collect(),
    };
    let tensor = require_form(tensors, name, &wanted)?;
    match &tensor.data {
        TensorData::F32(values) => Ok(Array1::from(values.clone())),
        _ => Err(Mismatch::Form {
            tensor: name.to_owned(),
            found: Form::of(tensor),
            wanted,
        }),
    }
}

/// The axes of a matrix, if the tensor is there and is one.
fn axes(tensors: &Tensors, name: &str) -> Option<[u32; 2]> {
    match tensors.get(name)?.shape.as_slice() {
        [rows, columns] => Some([u32::try_from(*rows).ok()?, u32::try_from(*columns).ok()?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MLP: Network = Network::Mlp {
        inputs: 4,
        hidden: 3,
        classes: 2,
    };
    const SOFTMAX: Network = Network::Softmax {
        inputs: 4,
        classes: 2,
    };

    #[test]
    fn network_is_told_by_its_tensors() {
        for network in [MLP, SOFTMAX] {
            assert_eq!(Network::of(&network.init(RunSeed(1))), Ok(network));
        }
    }

    #[test]
    fn layers_and_tensors_are_the_same_thing() {
        let tensors = MLP.init(RunSeed(1));
        assert_eq!(MLP.tensors_of(MLP.layers_of(&tensors).unwrap()), tensors);
    }

    #[test]
    fn first_model_repeats_for_its_seed() {
        assert_eq!(MLP.init(RunSeed(1)), MLP.init(RunSeed(1)));
        assert_ne!(MLP.init(RunSeed(1)), MLP.init(RunSeed(2)));
    }

    #[test]
    fn foreign_missing_and_unfilled_tensors_are_refused() {
        let tensors = SOFTMAX.init(RunSeed(1));
        let mut more = tensors.clone();
        more.insert("other".to_owned(), tensors["output.bias"].clone());
        assert!(
            matches!(Network::of(&more), Err(Mismatch::Unknown { tensor, .. }) if tensor == "other")
        );
        let mut fewer = tensors.clone();
        fewer.remove("output.bias");
        assert!(
            matches!(Network::of(&fewer), Err(Mismatch::Missing { tensor, .. }) if tensor == "output.bias")
        );
        let mut short = tensors;
        short.get_mut("output.weight").unwrap().data = TensorData::F32(vec![0.0; 7]);
        assert!(matches!(
            Network::of(&short),
            Err(Mismatch::Values {
                found: 7,
                wanted: 8,
                ..
            })
        ));
    }

    #[test]
    fn no_tensors_and_tensors_without_a_matrix_are_refused() {
        assert!(matches!(
            Network::of(&Tensors::new()),
            Err(Mismatch::Missing { .. })
        ));
        let vector = Tensor {
            shape: vec![2],
            data: TensorData::F32(vec![0.0; 2]),
        };
        let tensors = Tensors::from([("output.weight".to_owned(), vector)]);
        assert!(matches!(Network::of(&tensors), Err(Mismatch::Form { .. })));
    }
}
