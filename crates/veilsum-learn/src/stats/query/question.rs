//! What a member is asked in one round, and its answer in integers.

use ndarray::{ArrayView1, ArrayView2};

use super::super::{Bisection, StatsError, require_length};
use super::scale::{FINE, half, rounded};
use super::{Query, Statistic};

/// A query with what its rounds so far came to: the base model of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub(super) query: Query,
    /// Round of the query, from 0.
    pub(super) round: u32,
    /// The present interval of a quantile.
    pub(super) search: Option<Bisection>,
}

impl Question {
    /// The first question of a query.
    pub(super) fn first(query: Query) -> Self {
        let search = match &query.statistic {
            Statistic::Quantile { search, .. } => Some(*search),
            _ => None,
        };
        Self {
            query,
            round: 0,
            search,
        }
    }

    /// A member's vector: its rows (examples x columns of the query, each with a value), summed.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`] for another number of columns, [`StatsError::TooMany`] for more rows than the query takes of a member,
    /// [`StatsError::NotANumber`].
    ///
    /// # Security
    ///
    /// The vector is exact and a secret of the member. Rows that were left out to come below the limit make one row's presence
    /// count twice: see `spec/learning.md`, section 7.1.
    pub fn encode(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<i64>, StatsError> {
        require_length("columns", rows.ncols(), self.query.columns.len())?;
        // spec: [stats.query.rows]
        if rows.nrows() > self.query.rows as usize {
            return Err(StatsError::TooMany {
                found: rows.nrows(),
                most: self.query.rows,
            });
        }
        let mut sum = vec![0_i128; self.query.integers()];
        for (index, row) in rows.outer_iter().enumerate() {
            let mut places = Places(sum.iter_mut());
            self.add(row, &mut places).map_err(|column| {
                let index = index.saturating_mul(rows.ncols()).saturating_add(column);
                StatsError::NotANumber { index }
            })?;
        }
        let shrink = self.query.shrink;
        Ok(sum.into_iter().map(|fine| rounded(fine, shrink)).collect())
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Round of the query, from 0.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// What values are compared with in this round of a quantile.
    pub fn threshold(&self) -> Option<f64> {
        self.search.as_ref().map(Bisection::threshold)
    }

    /// Adds one row; its column that is NaN otherwise.
    fn add(&self, row: ArrayView1<'_, f64>, places: &mut Places<'_>) -> Result<(), usize> {
        let known = |column: usize, found: Option<i64>| found.ok_or(column);
        match &self.query.statistic {
            // spec: [stats.query.count]
            Statistic::Count => places.next(FINE),
            Statistic::Sum(scales, _) => {
                for (column, (value, scale)) in row.iter().zip(scales).enumerate() {
                    places.next(known(column, scale.point(*value))?);
                }
            }
            Statistic::Mean(scales, bits) => {
                places.next(half(*bits).saturating_mul(FINE));
                for (column, (value, scale)) in row.iter().zip(scales).enumerate() {
                    places.next(known(column, scale.point(*value))?);
                }
            }
            Statistic::Variance(scales, bits) => {
                places.next(half(*bits).saturating_mul(FINE));
                let mut squares = Vec::with_capacity(scales.len());
                for (column, (value, scale)) in row.iter().zip(scales).enumerate() {
                    let point = known(column, scale.point(*value))?;
                    squares.push(scale.square(point));
                    places.next(point);
                }
                squares.into_iter().for_each(|square| places.next(square));
            }
            Statistic::Histogram(histogram) => {
                let value = value(row)?;
                let edges = histogram.edges();
                places.nth(edges.partition_point(|edge| *edge <= value));
            }
            // spec: [stats.query.quantile]
            Statistic::Quantile { search, .. } => {
                let threshold = self.search.as_ref().unwrap_or(search).threshold();
                places.nth(usize::from(value(row)? > threshold));
            }
        }
        Ok(())
    }
}

/// The one value of a row.
fn value(row: ArrayView1<'_, f64>) -> Result<f64, usize> {
    row.first()
        .copied()
        .filter(|value| !value.is_nan())
        .ok_or(0)
}

/// The fine integers of a vector, one after the other.
struct Places<'a>(std::slice::IterMut<'a, i128>);

impl Places<'_> {
    fn next(&mut self, fine: i64) {
        if let Some(place) = self.0.next() {
            *place = place.saturating_add(fine.into());
        }
    }

    /// Counts one at a place.
    fn nth(&mut self, index: usize) {
        if let Some(place) = self.0.nth(index) {
            *place = place.saturating_add(FINE.into());
        }
    }
}
