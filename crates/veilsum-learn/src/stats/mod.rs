//! Not queries on raw data: statistics of a federation as sums of integer vectors, so that the secure sum and its noise apply.
//!
//! Every statistic is a pair of pure functions around one masked sum of an integer task: a member encodes its own values as a vector of
//! integers, the coordinator decodes the sum over all members. Counts ride in the vector, since they are private as well.
//!
//! | statistic | vector of a member | rounds |
//! |---|---|---|
//! | sum, mean, variance of `d` columns ([`Moments`]) | count, `d` sums, `d` sums of squares on a grid | 1 |
//! | histogram ([`Histogram`]) | a count for each bin | 1 |
//! | quantile ([`Bisection`]) | counts at or below the threshold and above it | one for each bit |
//! | evaluation ([`Tally`]) | right and wrong examples, loss on a grid and what it leaves | 1 |
//!
//! A [`Query`] is one of these as a person asks it, with integers scaled so that noise of one size on each of them costs little,
//! and with what noise does to the result.
//!
//! # Security
//!
//! One example changes a vector by what each type states. Exact sums of few members tell much about each; noise is for
//! the task to add.

mod histogram;
mod moments;
mod quantile;
mod query;
mod tally;

use thiserror::Error;
use veilsum_encode::{Tensor, TensorData, Tensors};

pub use histogram::Histogram;
pub use moments::{Grid, Moment, Moments};
pub use quantile::Bisection;
pub use query::{
    Answer, Bin, Change, ColumnEstimate, Estimate, Inquiry, Kind, Parameters, Progress, Query,
    Question,
};
pub use tally::Tally;

use crate::setting::SettingError;
use crate::train::TrainError;

/// Why a statistic cannot be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StatsError {
    /// A setting out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A value that is NaN.
    #[error("value {index} is not a number")]
    NotANumber {
        /// Which value; row by row for tables.
        index: usize,
    },
    /// Another number of columns or of integers.
    #[error("found {found} {what}, wanted {wanted}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are wanted.
        wanted: usize,
    },
    /// More examples than the integers can count.
    #[error("found {found} examples, wanted at most {most}")]
    TooMany {
        /// Examples found.
        found: usize,
        /// Examples the member may have.
        most: u32,
    },
    /// Nothing was counted, or noise took away all that was.
    #[error("found a count of {found}, wanted at least 1")]
    NoCount {
        /// The count.
        found: i64,
    },
    /// A sum that no evaluations come to.
    #[error("found the integer {found} in a sum of evaluations, wanted none below 0")]
    Tally {
        /// The integer.
        found: i64,
    },
    /// A query that lacks a key of its kind.
    #[error("a query of kind {kind} needs `{key}`")]
    Lacks {
        /// Kind of the query.
        kind: Kind,
        /// The key.
        key: &'static str,
    },
    /// A query with a key of another kind.
    #[error("a query of kind {kind} has no `{key}`")]
    Has {
        /// Kind of the query.
        kind: Kind,
        /// The key.
        key: &'static str,
    },
    /// A column without a name, or named twice.
    #[error("found the column {name:?}, wanted names of 1 to 512 bytes, each once")]
    Column {
        /// The name.
        name: String,
    },
    /// Bytes that are no question.
    #[error("found bytes that are not the encoding of a question")]
    Bytes,
    /// No evaluation of the model.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// Name of the one tensor of a statistic's task.
pub const STATS_TENSOR: &str = "veilsum.statistic";

/// The tensors that carry a vector in an integer task.
pub fn tensors(vector: Vec<i64>) -> Tensors {
    let tensor = Tensor {
        shape: vec![vector.len() as u64],
        data: TensorData::I64(vector),
    };
    Tensors::from([(STATS_TENSOR.to_owned(), tensor)])
}

fn require_length(what: &'static str, found: usize, wanted: usize) -> Result<(), StatsError> {
    if found == wanted {
        return Ok(());
    }
    Err(StatsError::Length {
        what,
        found,
        wanted,
    })
}

#[cfg(test)]
mod tests;
