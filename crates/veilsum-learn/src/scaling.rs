//! Not fitted on any one member's data: features brought to mean 0 and deviation 1 by numbers that all members share.
//!
//! The numbers are public constants, or come out of a secure sum of [`Moments`](crate::stats::Moments): no member shows its own means.

use crate::examples::{Examples, ExamplesError};
use crate::setting::{SettingError, require};
use crate::stats::{Moment, StatsError};

/// Mean and deviation of each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardizer {
    features: Vec<(f64, f64)>,
}

impl Standardizer {
    /// From public means and standard deviations; a deviation of 0 counts as 1.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a mean that is not finite or a deviation that is negative.
    pub fn new(features: Vec<(f64, f64)>) -> Result<Self, SettingError> {
        for &(mean, deviation) in &features {
            require("mean of a feature", mean, "a number", |_| true)?;
            require(
                "deviation of a feature",
                deviation,
                "a number from 0",
                |found| found >= 0.0,
            )?;
        }
        Ok(Self { features })
    }

    /// From the moments of a secure sum.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for moments that are not finite.
    pub fn from_moments(moments: &[Moment]) -> Result<Self, SettingError> {
        let features = moments
            .iter()
            .map(|moment| (moment.mean, moment.variance.sqrt()));
        Self::new(features.collect())
    }

    /// The examples with every feature moved and scaled.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`] for another number of features; [`ExamplesError`] never happens for finite examples within `f32`.
    pub fn apply(&self, examples: &Examples) -> Result<Examples, ScalingError> {
        let mut features = examples.features().to_owned();
        if features.ncols() != self.features.len() {
            return Err(StatsError::Length {
                what: "features",
                found: features.ncols(),
                wanted: self.features.len(),
            }
            .into());
        }
        for (mut column, &(mean, deviation)) in
            features.columns_mut().into_iter().zip(&self.features)
        {
            let divisor = if deviation > 0.0 { deviation } else { 1.0 };
            column.mapv_inplace(|value| ((f64::from(value) - mean) / divisor) as f32);
        }
        Ok(Examples::new(
            features,
            examples.labels().to_vec(),
            examples.classes(),
        )?)
    }

    /// Mean and deviation of each feature.
    pub fn features(&self) -> &[(f64, f64)] {
        &self.features
    }
}

/// Why examples cannot be scaled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalingError {
    /// Another number of features.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// A scaled feature beyond `f32`.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
}
