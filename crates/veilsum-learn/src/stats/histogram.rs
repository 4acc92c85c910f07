//! Counts of values between public edges.

use super::{StatsError, require_length};
use crate::setting::require;

/// Bins between ascending edges: below the first, `n - 1` between, from the last on.
///
/// A bin has its lower edge and not its upper one. One example changes one count by 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    edges: Vec<f64>,
}

impl Histogram {
    /// Bins between these edges.
    ///
    /// # Errors
    ///
    /// [`StatsError::Setting`] for edges that are not finite and ascending, [`StatsError::Length`] for none.
    pub fn new(edges: Vec<f64>) -> Result<Self, StatsError> {
        if edges.is_empty() {
            require_length("edges", 0, 1)?;
        }
        let mut before = f64::NEG_INFINITY;
        for &edge in &edges {
            require("edge", edge, "one above the edge before", |edge| {
                edge > before
            })?;
            before = edge;
        }
        Ok(Self { edges })
    }

    /// Vector of one member's values: as many counts as [`Histogram::bins`].
    ///
    /// # Errors
    ///
    /// [`StatsError::NotANumber`].
    // spec: [stats.histogram]
    pub fn encode(&self, values: &[f64]) -> Result<Vec<i64>, StatsError> {
        let mut counts = vec![0; self.bins()];
        for (index, value) in values.iter().enumerate() {
            if value.is_nan() {
                return Err(StatsError::NotANumber { index });
            }
            counts[self.edges.partition_point(|edge| edge <= value)] += 1;
        }
        Ok(counts)
    }

    /// Counts out of the sum of all vectors; noise may have made one negative, which becomes 0.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`].
    pub fn decode(&self, sum: &[i64]) -> Result<Vec<u64>, StatsError> {
        require_length("integers", sum.len(), self.bins())?;
        Ok(sum
            .iter()
            .map(|&count| count.max(0).unsigned_abs())
            .collect())
    }

    /// Bins, one more than edges.
    pub fn bins(&self) -> usize {
        self.edges.len() + 1
    }

    /// The edges.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }
}
