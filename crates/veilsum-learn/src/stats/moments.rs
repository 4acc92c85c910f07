//! Sum, mean and variance of bounded columns.

#![deny(clippy::indexing_slicing)]

use ndarray::ArrayView2;

use super::{StatsError, require_length};
use crate::setting::{SettingError, require};

/// Bounds and steps of one column: `low + step q` for `q` from 0 to `2^bits - 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    low: f64,
    high: f64,
    bits: u8,
}

/// Mean and variance of several columns in one sum.
///
/// The bounds and the largest number of examples of a member are public and part of the task; values outside the bounds
/// are moved to them. One example changes the count by 1, each sum by at most Q and each sum of squares by at most Q², Q = 2^bits - 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    columns: Vec<Grid>,
    most: u32,
}

/// What is known about one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Sum of all values.
    pub sum: f64,
    /// Their mean.
    pub mean: f64,
    /// Mean squared distance from the mean, at least 0.
    pub variance: f64,
}

impl Grid {
    /// Values from `low` to `high` in steps of `(high - low) / (2^bits - 1)`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] unless `low < high`, both at most 1e100 in size, and `bits` is 1 to 20.
    pub fn new(low: f64, high: f64, bits: u8) -> Result<Self, SettingError> {
        let wanted = "a number within 1e100";
        require("lower bound", low, wanted, |low| low.abs() <= 1e100)?;
        require(
            "upper bound",
            high,
            "one above the lower bound, within 1e100",
            |high| high > low && high <= 1e100,
        )?;
        let wanted = "1 to 20 bits";
        require("bits", bits.into(), wanted, |bits| {
            (1.0..=20.0).contains(&bits)
        })?;
        Ok(Self { low, high, bits })
    }

    /// The nearest point, halves upwards; `None` for NaN.
    // spec: [stats.grid]
    pub fn quantise(&self, value: f64) -> Option<i64> {
        if value.is_nan() {
            return None;
        }
        let share = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        Some((share * self.points() as f64 + 0.5).floor() as i64)
    }

    /// Distance of two neighbouring points.
    pub fn step(&self) -> f64 {
        (self.high - self.low) / self.points() as f64
    }

    /// Lowest point.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Q, the number of the highest point.
    pub fn points(&self) -> i64 {
        (1 << self.bits) - 1
    }
}

impl Moments {
    /// Moments of the given columns, for members with at most `most` examples.
    ///
    /// # Errors
    ///
    /// [`StatsError::TooMany`] if sums of squares of that many examples pass 2^62.
    pub fn new(columns: Vec<Grid>, most: u32) -> Result<Self, StatsError> {
        let bits = columns.iter().map(|grid| grid.bits).max().unwrap_or(1);
        let fits = (1_u64 << 62) >> (2 * u32::from(bits));
        if u64::from(most) > fits {
            return Err(StatsError::TooMany {
                found: most as usize,
                most: u32::try_from(fits).unwrap_or(u32::MAX),
            });
        }
        Ok(Self { columns, most })
    }

    /// Vector of one member's rows (examples x columns).
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`] for another number of columns, [`StatsError::TooMany`], [`StatsError::NotANumber`].
    pub fn encode(&self, rows: ArrayView2<'_, f32>) -> Result<Vec<i64>, StatsError> {
        require_length("columns", rows.ncols(), self.columns.len())?;
        if rows.nrows() > self.most as usize {
            return Err(StatsError::TooMany {
                found: rows.nrows(),
                most: self.most,
            });
        }
        let (mut sums, mut squares) = (Vec::new(), Vec::new());
        for (column, grid) in rows.columns().into_iter().zip(&self.columns) {
            let (mut sum, mut square) = (0, 0);
            for (row, value) in column.iter().enumerate() {
                let index = row * self.columns.len() + sums.len();
                let point = grid
                    .quantise(f64::from(*value))
                    .ok_or(StatsError::NotANumber { index })?;
                sum += point;
                square += point * point;
            }
            sums.push(sum);
            squares.push(square);
        }
        let count = rows.nrows() as i64;
        Ok([vec![count], sums, squares].concat())
    }

    /// Count and moments out of the sum of all vectors.
    ///
    /// # Errors
    ///
    /// [`StatsError::Length`], [`StatsError::NoCount`].
    pub fn decode(&self, sum: &[i64]) -> Result<(u64, Vec<Moment>), StatsError> {
        require_length("integers", sum.len(), self.len())?;
        let (count, rest) = sum.split_first().unwrap_or((&0, &[]));
        let positive = u64::try_from(*count).ok().filter(|count| *count > 0);
        let positive = positive.ok_or(StatsError::NoCount { found: *count })?;
        let (sums, squares) = rest.split_at(self.columns.len());
        let pairs = sums.iter().zip(squares).zip(&self.columns);
        let moments = pairs.map(|((sum, square), grid)| moment(*count, *sum, *square, grid));
        Ok((positive, moments.collect()))
    }

    /// Integers in a vector: 1 + 2 times the columns.
    pub fn len(&self) -> usize {
        1 + 2 * self.columns.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Least and greatest integer of a member's vector: the range of the task.
    pub fn range(&self) -> (i64, i64) {
        let greatest = self.columns.iter().map(Grid::points).max().unwrap_or(1);
        (0, i64::from(self.most) * greatest * greatest)
    }
}

/// The numerator of the variance is exact; floats start at its end.
// spec: [stats.moments]
fn moment(count: i64, sum: i64, square: i64, grid: &Grid) -> Moment {
    let (n, s, q) = (i128::from(count), i128::from(sum), i128::from(square));
    let spread = n
        .saturating_mul(q)
        .saturating_sub(s.saturating_mul(s))
        .max(0);
    let (n, step) = (count as f64, grid.step());
    let mean = grid.low + step * (sum as f64 / n);
    Moment {
        sum: grid.low * n + step * sum as f64,
        mean,
        variance: step * step * (spread as f64 / (n * n)),
    }
}
