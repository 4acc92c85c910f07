//! A quantile by bisection.

use super::{StatsError, require_length};
use crate::setting::{SettingError, require};

/// Search for the value that a share of all values is at or below; each round halves the interval it lies in.
///
/// One example changes one of the two counts by 1, in every round: the budget is spent once a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bisection {
    low: f64,
    high: f64,
    quantile: f64,
}

impl Bisection {
    /// The search for the quantile `quantile` (0.5 for the median) between public bounds.
    ///
    /// # Errors
    ///
    /// [`SettingError`] unless `low < high`, both within 1e100, and `quantile` is 0 to 1.
    pub fn new(quantile: f64, low: f64, high: f64) -> Result<Self, SettingError> {
        let wanted = "a share from 0 to 1";
        require("quantile", quantile, wanted, |share| {
            (0.0..=1.0).contains(&share)
        })?;
        let wanted = "a number within 1e100";
        require("lower bound", low, wanted, |low| low.abs() <= 1e100)?;
        let wanted = "one above the lower bound, within 1e100";
        require("upper bound", high, wanted, |high| {
            high > low && high <= 1e100
        })?;
        Ok(Self {
            low,
            high,
            quantile,
        })
    }

    /// Takes in the sum of all vectors made for the present threshold. A sum without a count (noise may take it away) changes nothing.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`], [`StatsError::NoCount`].
    // spec: [stats.bisection]
    pub fn observe(&mut self, sum: &[i64]) -> Result<(), StatsError> {
        require_length("integers", sum.len(), 2)?;
        let (below, count) = (sum[0], sum[0].saturating_add(sum[1]));
        if count < 1 {
            return Err(StatsError::NoCount { found: count });
        }
        let threshold = self.threshold();
        if !self.is_divisible() {
            return Ok(());
        }
        match below as f64 >= self.quantile * count as f64 {
            true => self.high = threshold,
            false => self.low = threshold,
        }
        Ok(())
    }

    /// Vector of one member's values for the present threshold: how many are at or below it, and how many above.
    ///
    /// # Errors
    ///
    /// [`StatsError::NotANumber`].
    pub fn encode(&self, values: &[f64]) -> Result<Vec<i64>, StatsError> {
        if let Some(index) = values.iter().position(|value| value.is_nan()) {
            return Err(StatsError::NotANumber { index });
        }
        let threshold = self.threshold();
        let below = values.iter().filter(|value| **value <= threshold).count();
        Ok(vec![below as i64, (values.len() - below) as i64])
    }

    /// What members compare with in this round: the middle of the interval.
    pub fn threshold(&self) -> f64 {
        self.low + (self.high - self.low) / 2.0
    }

    /// Whether a round more can narrow the interval: neighbouring floats have none between them.
    pub fn is_divisible(&self) -> bool {
        let threshold = self.threshold();
        self.low < threshold && threshold < self.high
    }

    /// The share that is searched for.
    pub fn quantile(&self) -> f64 {
        self.quantile
    }

    /// The interval that the quantile lies in.
    pub fn interval(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}
