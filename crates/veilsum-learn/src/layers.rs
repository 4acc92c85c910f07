//! Not a tensor library: the arithmetic of dense layers with ReLU between them, forward and back, in `f32`.
//!
//! Loss is the cross-entropy of the softmax of the last layer's output. Gradients are the mean over the batch.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

/// One dense layer: `output = input . weight + bias`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    /// Inputs x outputs.
    pub(crate) weight: Array2<f32>,
    /// Outputs.
    pub(crate) bias: Array1<f32>,
}

/// Layers in the order of computation, at least one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layers(pub(crate) Vec<Layer>);

/// One layer's share in the gradient of a batch: example `i` has the gradient `input[i]` (outer product) `error[i]` for the weight, and
/// `error[i]` for the bias.
#[derive(Debug)]
pub(crate) struct Part {
    /// Examples x inputs.
    pub(crate) input: Array2<f32>,
    /// Examples x outputs.
    pub(crate) error: Array2<f32>,
}

impl Layers {
    /// One step of gradient descent on a batch (examples x features).
    pub(crate) fn descend(
        &mut self,
        batch: ArrayView2<'_, f32>,
        labels: &[u8],
        learning_rate: f32,
    ) {
        let gradients = self.gradients(batch, labels);
        self.move_by(-learning_rate, &gradients);
    }

    /// The same, on the loss plus `mu / 2` times the squared distance to `anchor`.
    pub(crate) fn descend_near(
        &mut self,
        batch: ArrayView2<'_, f32>,
        labels: &[u8],
        learning_rate: f32,
        (mu, anchor): (f32, &Self),
    ) {
        let mut gradients = self.gradients(batch, labels);
        for ((gradient, layer), anchor) in gradients.iter_mut().zip(&self.0).zip(&anchor.0) {
            gradient
                .weight
                .scaled_add(mu, &(&layer.weight - &anchor.weight));
            gradient.bias.scaled_add(mu, &(&layer.bias - &anchor.bias));
        }
        self.move_by(-learning_rate, &gradients);
    }

    /// Gradient of the mean loss over the batch, in the order of the layers.
    pub(crate) fn gradients(&self, batch: ArrayView2<'_, f32>, labels: &[u8]) -> Vec<Layer> {
        let parts = self.backward(batch, labels, labels.len() as f32);
        let gradients = parts.into_iter().map(|Part { input, error }| Layer {
            weight: input.t().dot(&error),
            bias: error.sum_axis(Axis(0)),
        });
        gradients.collect()
    }

    /// What each layer's gradient is made of, example by example, in the order of the layers; of the loss over `divisor`.
    pub(crate) fn backward(
        &self,
        batch: ArrayView2<'_, f32>,
        labels: &[u8],
        divisor: f32,
    ) -> Vec<Part> {
        let mut inputs = self.forward(batch);
        let mut error = inputs
            .pop()
            .map(|logits| loss_gradient(logits, labels) / divisor)
            .unwrap_or_default();
        let mut parts = Vec::with_capacity(self.0.len());
        for (index, (layer, input)) in self.0.iter().zip(inputs).enumerate().rev() {
            let own = error;
            error = match index {
                0 => Array2::default((0, 0)),
                _ => through_relu(own.dot(&layer.weight.t()), &input),
            };
            parts.push(Part { input, error: own });
        }
        parts.reverse();
        parts
    }

    /// Probabilities of the classes, examples x classes.
    pub(crate) fn probabilities(&self, batch: ArrayView2<'_, f32>) -> Array2<f32> {
        self.forward(batch).pop().map(softmax).unwrap_or_default()
    }

    fn move_by(&mut self, rate: f32, step: &[Layer]) {
        for (layer, step) in self.0.iter_mut().zip(step) {
            layer.weight.scaled_add(rate, &step.weight);
            layer.bias.scaled_add(rate, &step.bias);
        }
    }

    /// The input of each layer, then the output of the last.
    fn forward(&self, batch: ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
        let mut values = vec![batch.to_owned()];
        for (index, layer) in self.0.iter().enumerate() {
            let mut output = values[index].dot(&layer.weight) + &layer.bias;
            if index + 1 < self.0.len() {
                output.mapv_inplace(|value| value.max(0.0));
            }
            values.push(output);
        }
        values
    }
}

/// The error before a ReLU with the given output.
fn through_relu(mut error: Array2<f32>, active: &Array2<f32>) -> Array2<f32> {
    Zip::from(&mut error)
        .and(active)
        .for_each(|error, &active| {
            if active <= 0.0 {
                *error = 0.0;
            }
        });
    error
}

/// Gradient of each example's cross-entropy with respect to its logits.
fn loss_gradient(logits: Array2<f32>, labels: &[u8]) -> Array2<f32> {
    let mut error = softmax(logits);
    for (mut row, &label) in error.rows_mut().into_iter().zip(labels) {
        row[usize::from(label)] -= 1.0;
    }
    error
}

/// Softmax of each row; the greatest logit is taken off first, so that nothing overflows.
fn softmax(mut logits: Array2<f32>) -> Array2<f32> {
    for mut row in logits.rows_mut() {
        let greatest = row.fold(f32::NEG_INFINITY, |most, &value| most.max(value));
        row.mapv_inplace(|value| (value - greatest).exp());
        let total = row.sum();
        row /= total;
    }
    logits
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn softmax_of_large_logits_is_a_distribution() {
        let rows = softmax(array![[1000.0, 1000.0], [-1000.0, 1000.0]]);
        assert_eq!(rows, array![[0.5, 0.5], [0.0, 1.0]]);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let batch = array![
            [0.3_f32, -0.8, 0.5],
            [0.9, 0.1, -0.4],
            [-0.2, 0.7, 0.6],
            [0.5, 0.5, 0.5]
        ];
        let labels = [0, 1, 1, 0];
        let layers = two_layers();
        let gradients = layers.gradients(batch.view(), &labels);
        for (index, gradient) in gradients.iter().enumerate() {
            for (at, found) in gradient.weight.indexed_iter() {
                let wanted = slope(
                    &layers,
                    |layers| &mut layers.0[index].weight[at],
                    &batch,
                    &labels,
                );
                assert!(
                    (found - wanted).abs() < 2e-3,
                    "weight {index} {at:?}: found {found}, wanted {wanted}"
                );
            }
            for (at, found) in gradient.bias.indexed_iter() {
                let wanted = slope(
                    &layers,
                    |layers| &mut layers.0[index].bias[at],
                    &batch,
                    &labels,
                );
                assert!(
                    (found - wanted).abs() < 2e-3,
                    "bias {index} {at}: found {found}, wanted {wanted}"
                );
            }
        }
    }

    #[test]
    fn a_step_of_descent_lowers_the_loss() {
        let batch = array![[0.3_f32, -0.8, 0.5], [0.9, 0.1, -0.4]];
        let mut layers = two_layers();
        let before = loss(&layers, &batch, &[0, 1]);
        layers.descend(batch.view(), &[0, 1], 0.1);
        assert!(loss(&layers, &batch, &[0, 1]) < before);
    }

    fn two_layers() -> Layers {
        Layers(vec![
            Layer {
                weight: array![
                    [0.4, -0.3, 0.8, 0.1],
                    [0.2, 0.9, -0.5, -0.7],
                    [-0.6, 0.2, 0.3, 0.5]
                ],
                bias: array![0.11, -0.07, 0.05, 0.35],
            },
            Layer {
                weight: array![[0.5, -0.2], [-0.4, 0.6], [0.3, 0.1], [-0.8, 0.7]],
                bias: array![0.02, -0.03],
            },
        ])
    }

    fn slope(
        layers: &Layers,
        pick: impl Fn(&mut Layers) -> &mut f32,
        batch: &Array2<f32>,
        labels: &[u8],
    ) -> f32 {
        const STEP: f32 = 1e-2;
        let (mut above, mut below) = (layers.clone(), layers.clone());
        *pick(&mut above) += STEP;
        *pick(&mut below) -= STEP;
        (loss(&above, batch, labels) - loss(&below, batch, labels)) / (2.0 * STEP)
    }

    fn loss(layers: &Layers, batch: &Array2<f32>, labels: &[u8]) -> f32 {
        let rows = layers.probabilities(batch.view());
        let total: f32 = labels
            .iter()
            .enumerate()
            .map(|(row, &label)| -rows[(row, usize::from(label))].ln())
            .sum();
        total / labels.len() as f32
    }
}
