//! Not medical advice and not a benchmark: a small table of real patients, as five hospitals would hold it.
//!
//! Breast Cancer Wisconsin (Diagnostic), W. Wolberg, O. Mangasarian, N. Street, W. Street (1995, CC BY 4.0) as bundled by scikit-learn:
//! 569 patients, 30 features, malignant (0) or benign (1). Where the file comes from is told in
//! `data/breast_cancer/README.md`.
//!
//! Accuracy of softmax regression on a test set of 114, 20 rounds of FedAvg with [`LOCAL`], seeds 1 to 5: 0.973, 0.982, 1.000, 0.991, 0.947
//! for the five together; 0.943 on average for one alone.

use ndarray::Array2;
use rand::seq::SliceRandom as _;
use thiserror::Error;

use crate::examples::{Examples, ExamplesError, TrainTest};
use crate::scaling::{ScalingError, Standardizer};
use crate::seed::RunSeed;
use crate::setting::SettingError;
use crate::stats::{Grid, Moments, StatsError};
use crate::train::LocalSgd;

/// Features of a patient: ten, as mean, standard error and worst value.
pub const FEATURES: usize = 30;

/// Classes: malignant, benign.
pub const CLASSES: u8 = 2;

/// Hospitals that the data are cut for.
pub const HOSPITALS: usize = 5;

/// Settings that train softmax regression on standardised features of the hospitals.
pub const LOCAL: LocalSgd = LocalSgd {
    learning_rate: 0.05,
    epochs: 5,
    batch_size: 16,
};

/// Why the data set cannot be read or made ready.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CancerError {
    /// A line with the wrong number of fields.
    #[error("line {line} has {found} fields, wanted {wanted}")]
    Fields {
        /// Which line, from 1.
        line: usize,
        /// Fields found.
        found: usize,
        /// Fields wanted: the features and the label.
        wanted: usize,
    },
    /// A field that is no number, or a label that is neither 0 nor 1.
    #[error("field {field} of line {line} is {found:?}, wanted a number (0 or 1 as the label)")]
    Value {
        /// Which line, from 1.
        line: usize,
        /// Which field, from 1.
        field: usize,
        /// The field's text.
        found: String,
    },
    /// The numbers make no set of examples, or it cannot be cut.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
    /// Bounds out of their range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A hospital's vector of sums.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// Features that cannot be scaled.
    #[error(transparent)]
    Scaling(#[from] ScalingError),
}

/// All 569 patients in the order of the file, features as they are.
///
/// # Errors
///
/// [`CancerError`] if the file embedded at build time is not the data set; a test keeps that from happening.
pub fn load() -> Result<Examples, CancerError> {
    parse(CSV)
}

/// Deals all examples to five hospitals of different size and kind: from a clinic that sees mainly malignant tumours to a screening
/// centre that sees mainly benign ones.
///
/// Shares of the malignant and the benign patients, in percent: 45 and 5, 25 and 10, 15 and 15, 10 and 25, the rest. Of all 569
/// patients that makes 113, 89, 85, 110 and 172, with 84 % to 6 % malignant.
///
/// # Errors
///
/// [`ExamplesError::Members`] if a hospital would get nothing.
pub fn hospitals(examples: &Examples, seed: RunSeed) -> Result<Vec<Examples>, ExamplesError> {
    let mut rng = seed.rng("hospitals", &[]);
    let mut rows = vec![Vec::new(); HOSPITALS];
    for (label, ends) in ENDS.iter().enumerate() {
        let mut own: Vec<usize> = (0..examples.len())
            .filter(|&row| usize::from(examples.labels()[row]) == label)
            .collect();
        own.shuffle(&mut rng);
        let mut start = 0;
        for (hospital, percent) in rows.iter_mut().zip(ends) {
            let end = (own.len() * percent + 50) / 100;
            hospital.extend_from_slice(&own[start..end]);
            start = end;
        }
    }
    if rows.iter().any(Vec::is_empty) {
        return Err(ExamplesError::Members {
            found: HOSPITALS,
            most: 0,
            examples: examples.len(),
        });
    }
    rows.iter_mut().for_each(|rows| rows.sort_unstable());
    Ok(rows.iter().map(|rows| examples.select(rows)).collect())
}

/// The sums that hospitals contribute to standardise features together: public bounds that hold for any patient, 16 bits each.
///
/// # Errors
///
/// Never; the bounds are constants.
pub fn moments() -> Result<Moments, CancerError> {
    let grids = HIGHEST
        .iter()
        .map(|highest| Grid::new(0.0, *highest, 16))
        .collect::<Result<_, _>>()?;
    Ok(Moments::new(grids, 1 << 16)?)
}

/// A test set of 20 % and the hospitals' training sets, all standardised by the sum of the hospitals' vectors (in the clear here: what a
/// secure sum gives is the same integers).
///
/// # Errors
///
/// [`CancerError`] never happens for the embedded data.
pub fn federation(seed: RunSeed) -> Result<(Vec<Examples>, Examples), CancerError> {
    let TrainTest { train, test } = load()?.split_test(20, seed)?;
    standardized(&hospitals(&train, seed)?, &test)
}

/// Members' examples and a test set, features standardised by the sum of the members' vectors (in the clear here: what a secure sum gives
/// is the same integers).
///
/// # Errors
///
/// [`CancerError::Scaling`] for examples with other features.
pub fn standardized(
    parts: &[Examples],
    test: &Examples,
) -> Result<(Vec<Examples>, Examples), CancerError> {
    let moments = moments()?;
    let mut sum = vec![0; moments.len()];
    for part in parts {
        let vector = moments.encode(part.features())?;
        sum.iter_mut()
            .zip(vector)
            .for_each(|(sum, value)| *sum += value);
    }
    let scaler = Standardizer::from_moments(&moments.decode(&sum)?.1)?;
    let parts = parts
        .iter()
        .map(|part| scaler.apply(part))
        .collect::<Result<_, _>>()?;
    Ok((parts, scaler.apply(test)?))
}

fn parse(csv: &str) -> Result<Examples, CancerError> {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    // The first line names the numbers of patients and features, and the classes.
    for (index, text) in csv.lines().enumerate().skip(1) {
        let line = index + 1;
        let fields: Vec<&str> = text.split(',').collect();
        if fields.len() != FEATURES + 1 {
            return Err(CancerError::Fields {
                line,
                found: fields.len(),
                wanted: FEATURES + 1,
            });
        }
        for (index, field) in fields.iter().enumerate() {
            let bad = || CancerError::Value {
                line,
                field: index + 1,
                found: (*field).to_owned(),
            };
            match index < FEATURES {
                true => values.push(field.parse().map_err(|_| bad())?),
                false => labels.push(
                    field
                        .parse()
                        .ok()
                        .filter(|label| *label < CLASSES)
                        .ok_or_else(bad)?,
                ),
            }
        }
    }
    let shape = (labels.len(), FEATURES);
    let features = Array2::from_shape_fn(shape, |(row, column)| values[row * FEATURES + column]);
    Ok(Examples::new(features, labels, CLASSES)?)
}

/// Where each hospital's share of a label ends, in percent.
const ENDS: [[usize; HOSPITALS]; 2] = [[45, 70, 85, 95, 100], [5, 15, 30, 55, 100]];

/// A public upper bound of each feature, far above any value: mean, standard error, worst of radius, texture, perimeter, area,
/// smoothness, compactness, concavity, concave points, symmetry, fractal dimension.
const HIGHEST: [f64; FEATURES] = [
    64.0, 64.0, 512.0, 8192.0, 0.5, 1.0, 1.0, 0.5, 1.0, 0.25, //
    8.0, 16.0, 64.0, 1024.0, 0.125, 0.5, 1.0, 0.25, 0.25, 0.125, //
    64.0, 64.0, 512.0, 8192.0, 0.5, 2.0, 2.0, 0.5, 1.0, 0.5,
];

const CSV: &str = include_str!("../../../data/breast_cancer/breast_cancer.csv");

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn embedded_file_is_the_one_its_attribution_names() {
        let digest = hex::encode(Sha256::digest(CSV));
        let attribution = include_str!("../../../data/breast_cancer/README.md");
        assert!(attribution.contains(&digest), "found {digest}");
    }

    #[test]
    fn data_set_has_212_malignant_and_357_benign_patients_within_the_bounds() {
        let all = load().unwrap();
        assert_eq!(all.features().dim(), (569, FEATURES));
        assert_eq!(all.count_by_label(), [212, 357]);
        assert_eq!(all.features()[(0, 3)], 1001.0);
        for (column, highest) in all.features().columns().into_iter().zip(HIGHEST) {
            assert!(
                column
                    .iter()
                    .all(|value| (0.0..highest).contains(&f64::from(*value)))
            );
        }
    }

    #[test]
    fn hospitals_hold_every_patient_once_and_differ_in_size_and_kind() {
        let all = load().unwrap();
        let parts = hospitals(&all, RunSeed(1)).unwrap();
        let counts: Vec<Vec<usize>> = parts.iter().map(Examples::count_by_label).collect();
        assert_eq!(counts, [[95, 18], [53, 36], [32, 53], [21, 89], [11, 161]]);
        let total: f64 = parts
            .iter()
            .map(|part| f64::from(part.features().sum()))
            .sum();
        assert!((total / f64::from(all.features().sum()) - 1.0).abs() < 1e-4);
        assert_ne!(parts, hospitals(&all, RunSeed(2)).unwrap());
    }

    #[test]
    fn features_are_standardised_by_sums_as_by_pooled_data() {
        // spec: [stats.moments]
        let (parts, _) = federation(RunSeed(1)).unwrap();
        for column in 0..FEATURES {
            let values: Vec<f64> = parts
                .iter()
                .flat_map(|part| part.features().column(column).to_vec())
                .map(f64::from)
                .collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / count;
            assert!(
                mean.abs() < 1e-2 && (variance - 1.0).abs() < 1e-2,
                "{column}: {mean}, {variance}"
            );
        }
    }

    #[test]
    fn bad_lines_are_refused() {
        let line = |last: &str| format!("head\n{}{last}", "1.5,".repeat(FEATURES));
        assert!(parse(&line("1")).is_ok());
        for last in ["2", "x", "1,1"] {
            assert!(parse(&line(last)).is_err(), "{last}");
        }
        assert!(parse("head\n1,2,3").is_err());
    }
}
