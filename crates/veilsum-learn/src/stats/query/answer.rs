//! What came out, and how far noise may have moved it.

use serde::Serialize;

use super::super::Bisection;
use super::scale::Centred;
use super::{Query, Statistic};

/// The result of a query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Answer {
    /// Rows.
    Count {
        /// Columns that had a value in them.
        columns: Vec<String>,
        /// How many.
        count: Estimate,
    },
    /// Sums.
    Sum {
        /// One a column.
        columns: Vec<ColumnEstimate>,
    },
    /// Means.
    Mean {
        /// Rows they are over.
        count: Estimate,
        /// One a column.
        columns: Vec<ColumnEstimate>,
    },
    /// Variances of the population.
    Variance {
        /// Rows they are over.
        count: Estimate,
        /// One a column.
        columns: Vec<ColumnEstimate>,
    },
    /// Counts between edges.
    Histogram {
        /// The column.
        column: String,
        /// Below the first edge, between, from the last on.
        bins: Vec<Bin>,
    },
    /// A quantile.
    Quantile {
        /// The column.
        column: String,
        /// Which.
        quantile: f64,
        /// Middle of the interval.
        #[serde(flatten)]
        estimate: Estimate,
        /// Lower end of the interval that the bisection came to.
        low: f64,
        /// Its upper end.
        high: f64,
        /// Rounds in which nothing was counted: they were spent and said nothing.
        lost_rounds: u32,
    },
}

/// A number with the deviation of its noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The number; none if the noise left nothing to compute it from.
    pub value: Option<f64>,
    /// Standard deviation of the noise in it, to first order; it says nothing about rows that are not there.
    pub standard_error: Option<f64>,
}

/// A number about one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnEstimate {
    /// The column.
    pub column: String,
    /// The number.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// What an integer of the sum stands for: each member's sum was rounded by at most half of it.
    pub step: f64,
    /// How far rounding may have moved the number at most; none if nobody said how many members are in it
    /// ([`Answer::rounded_by`]), or if there is no number.
    pub rounding: Option<f64>,
}

/// A bin of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Lower edge, which is in it; none for the first.
    pub from: Option<f64>,
    /// Upper edge, which is not in it; none for the last.
    pub to: Option<f64>,
    /// Rows in it, at least 0.
    pub count: f64,
    /// Standard deviation of the noise in the count.
    pub standard_error: f64,
}

/// What a round of a bisection said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) threshold: f64,
    /// Share at or below the threshold and the deviation of its noise; none if nothing was counted.
    pub(super) share: Option<(f64, f64)>,
}

/// The answer of a query with one round, whose sum has as many integers as the query.
pub(super) fn decode(query: &Query, sum: &[i64], noise: f64) -> Answer {
    let shrink = f64::from(query.shrink);
    let deviation = noise.max(0.0).sqrt();
    let columns = &query.columns;
    let (first, rest) = sum.split_first().unwrap_or((&0, &[]));
    match &query.statistic {
        Statistic::Sum(scales, _) => {
            let column = |((column, scale), sum): ((&String, &super::Anchored), &i64)| {
                let step = shrink * scale.step();
                let estimate = Estimate::of(step * *sum as f64, step * deviation);
                ColumnEstimate::of(column, estimate, step)
            };
            let columns = columns.iter().zip(scales).zip(sum).map(column).collect();
            Answer::Sum { columns }
        }
        Statistic::Mean(scales, bits) => {
            let rows = Rows::of(*first, super::scale::half(*bits), shrink, deviation);
            let one = |((column, scale), sum): ((&String, &Centred), &i64)| {
                ColumnEstimate::of(column, rows.mean(scale, *sum), shrink * scale.step())
            };
            Answer::Mean {
                count: rows.count(),
                columns: columns.iter().zip(scales).zip(rest).map(one).collect(),
            }
        }
        Statistic::Variance(scales, bits) => {
            let rows = Rows::of(*first, super::scale::half(*bits), shrink, deviation);
            let (sums, squares) = rest.split_at_checked(scales.len()).unwrap_or((rest, &[]));
            let pairs = sums.iter().zip(squares);
            let one = |((column, scale), (sum, square)): ((&String, &Centred), (&i64, &i64))| {
                ColumnEstimate::of(
                    column,
                    rows.variance(scale, *sum, *square),
                    shrink * scale.step(),
                )
            };
            Answer::Variance {
                count: rows.count(),
                columns: columns.iter().zip(scales).zip(pairs).map(one).collect(),
            }
        }
        Statistic::Histogram(histogram) => {
            let edges = histogram.edges().iter().copied().map(Some);
            let from = std::iter::once(None).chain(edges.clone());
            let to = edges.chain(std::iter::once(None));
            let bin = |((from, to), count): ((Option<f64>, Option<f64>), &i64)| Bin {
                from,
                to,
                count: shrink * (*count).max(0) as f64,
                standard_error: shrink * deviation,
            };
            Answer::Histogram {
                column: columns.first().cloned().unwrap_or_default(),
                bins: from.zip(to).zip(sum).map(bin).collect(),
            }
        }
        // spec: [stats.query.count]
        Statistic::Count | Statistic::Quantile { .. } => Answer::Count {
            columns: columns.clone(),
            count: Estimate::of(shrink * (*first).max(0) as f64, shrink * deviation),
        },
    }
}

/// Share at or below the threshold, out of two counts of which at least one row is left, and the deviation of its noise.
pub(super) fn share(sum: &[i64], noise: f64) -> (f64, f64) {
    let count = |index: usize| sum.get(index).copied().unwrap_or(0) as f64;
    let (below, above) = (count(0), count(1));
    let both = below + above;
    let deviation = noise.max(0.0).sqrt() * below.hypot(above) / (both * both);
    (below / both, deviation)
}

/// The answer after the last round: `whole` is the interval of the query, `search` what is left of it.
///
/// The error is taken from the thresholds that two deviations of noise can tell from the quantile.
// spec: [stats.query.error]
pub(super) fn quantile(
    column: &str,
    whole: &Bisection,
    search: &Bisection,
    seen: &[Seen],
) -> Answer {
    let quantile = search.quantile();
    let (low, high) = search.interval();
    let (mut least, mut most) = whole.interval();
    let known = seen
        .iter()
        .filter_map(|round| Some((round.threshold, round.share?)));
    let mut noisy = false;
    for (threshold, (share, deviation)) in known {
        noisy |= deviation > 0.0;
        let margin = 2.0 * deviation;
        if share + margin < quantile {
            least = least.max(threshold);
        } else if share - margin >= quantile {
            most = most.min(threshold);
        }
    }
    let lost = seen.iter().filter(|round| round.share.is_none()).count();
    let value = low + (high - low) / 2.0;
    let noisy = noisy || lost > 0;
    let deviation = match noisy {
        true => (value - least).max(most - value).max(0.0) / 2.0,
        false => 0.0,
    };
    Answer::Quantile {
        column: column.to_owned(),
        quantile,
        estimate: match lost == seen.len() {
            true => Estimate::NONE,
            false => Estimate::of(value, deviation),
        },
        low,
        high,
        lost_rounds: u32::try_from(lost).unwrap_or(u32::MAX),
    }
}

/// The count of rows under noise.
struct Rows {
    /// The integer of the count.
    sum: f64,
    /// What a row adds to it.
    row: f64,
    deviation: f64,
}

impl Rows {
    fn of(sum: i64, half: i64, shrink: f64, deviation: f64) -> Self {
        Self {
            sum: sum as f64,
            row: half as f64 / shrink,
            deviation,
        }
    }

    fn count(&self) -> Estimate {
        Estimate::of((self.sum / self.row).max(0.0), self.deviation / self.row)
    }

    /// Whether there is a row to divide by.
    // spec: [stats.query.empty]
    fn any(&self) -> bool {
        self.sum >= self.row && self.sum > 0.0
    }

    // spec: [stats.query.mean]
    fn mean(&self, scale: &Centred, sum: i64) -> Estimate {
        if !self.any() {
            return Estimate::NONE;
        }
        let [low, high] = scale.bounds();
        // both noises count alike
        let ratio = sum as f64 / self.sum;
        let reach = scale.width() / 2.0;
        let error = reach / self.sum * self.deviation * ratio.hypot(1.0);
        let value = scale.middle() + reach * ratio;
        Estimate::of(value.clamp(low, high), error.min(scale.width()))
    }

    // spec: [stats.query.variance]
    fn variance(&self, scale: &Centred, sum: i64, square: i64) -> Estimate {
        if !self.any() {
            return Estimate::NONE;
        }
        let (mean, square) = (sum as f64 / self.sum, square as f64 / self.sum);
        // in units of reach^2: the mean square of a value is (square + 1) / 2
        let reach = scale.width() / 2.0;
        let most = scale.width() * scale.width() / 4.0;
        let value = reach * reach * ((square + 1.0) / 2.0 - mean * mean);
        let slopes = [0.5, 2.0 * mean, square / 2.0 - 2.0 * mean * mean];
        let slope = slopes.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        // spec: [stats.query.error]
        let error = reach * reach * self.deviation / self.sum * slope;
        Estimate::of(value.clamp(0.0, most), error.min(most))
    }
}

impl Estimate {
    const NONE: Self = Self {
        value: None,
        standard_error: None,
    };

    fn of(value: f64, standard_error: f64) -> Self {
        Self {
            value: Some(value),
            standard_error: Some(standard_error),
        }
    }
}

impl ColumnEstimate {
    fn of(column: &str, estimate: Estimate, step: f64) -> Self {
        Self {
            column: column.to_owned(),
            estimate,
            step,
            rounding: None,
        }
    }
}
