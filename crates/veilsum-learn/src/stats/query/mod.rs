//! Not a language and not a data base: one statistic of bounded columns, asked of all members at once.
//!
//! A [`Query`] says what is asked. The asker starts an [`Inquiry`] from it; each round its [`Question`] goes to the members as the
//! base model of the round, each member answers with [`Question::encode`] of its own rows, and the sum of all vectors leads to
//! the next question or to the [`Answer`].
//!
//! ```
//! use ndarray::array;
//! use veilsum_learn::stats::{Answer, Inquiry, Kind, Parameters, Progress, Query};
//!
//! let query = Query::new(Parameters {
//!     bounds: vec![[0.0, 120.0]],
//!     ..Parameters::new(Kind::Mean, vec!["age".into()], 1_000)
//! })?;
//! let inquiry = Inquiry::new(query);
//! let (a, b) = (array![[30.0], [50.0]], array![[60.0]]);
//! let vectors = [inquiry.question().encode(a.view())?, inquiry.question().encode(b.view())?];
//! let sum: Vec<i64> = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a + b).collect();
//! let Progress::Done(Answer::Mean { columns, .. }) = inquiry.take(&sum, 0.0)? else { unreachable!() };
//! assert!((columns[0].estimate.value.unwrap_or(0.0) - 140.0 / 3.0).abs() <= columns[0].step / 3.0);
//! # Ok::<(), veilsum_learn::stats::StatsError>(())
//! ```
//!
//! The norm is `spec/learning.md`, section 7.1.
//!
//! # Security
//!
//! A query bounds what one row can change ([`Query::row_change`]); noise for that is the task's. A member answers questions that its site
//! allows and that fit the task, and no others: whoever asks chooses edges and thresholds.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod answer;
mod asked;
mod bytes;
mod change;
mod inquiry;
mod question;
mod rounding;
mod scale;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Bin, ColumnEstimate, Estimate};
pub use change::Change;
pub use inquiry::{Inquiry, Progress};
pub use question::Question;

use super::{Bisection, Histogram, STATS_TENSOR, StatsError, require_length};
use crate::setting::require;
use scale::{Anchored, Centred};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use veilsum_encode::{Dtype, Encoding, Manifest, ManifestError, TensorSpec};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows in which the columns have a value; all rows without columns.
    Count,
    /// Sum of each column.
    Sum,
    /// Mean of each column.
    Mean,
    /// Variance of each column, that of the population.
    Variance,
    /// Counts of one column between edges.
    Histogram,
    /// Quantile of one column by bisection, several rounds.
    Quantile,
}

/// A query in words, not yet checked: the form of configuration files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// What is asked.
    pub kind: Kind,
    /// Of which columns; rows without a value in one of them do not count.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Most rows that a member may bring, 1 to 2^31 - 1.
    pub rows: u32,
    /// Least and greatest value of each column, for sum, mean, variance and quantile; values outside are moved to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<[f64; 2]>,
    /// Divides all integers, 1 to `rows`; 1 when absent. For noise by member, which grows with what a member may bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrink: Option<u32>,
    /// Bits of a row's integers, 2 to 20, for sum, mean and variance; 16 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// Ascending edges of a histogram.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f64>,
    /// Which quantile, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// Rounds of a quantile, 1 to 64; 16 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

/// A query that is right in itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters", into = "Parameters")]
pub struct Query {
    columns: Vec<String>,
    statistic: Statistic,
    rows: u32,
    shrink: u32,
}

/// What is computed, with its public numbers.
#[derive(Clone, Debug, PartialEq)]
enum Statistic {
    Count,
    Sum(Vec<Anchored>, u8),
    Mean(Vec<Centred>, u8),
    Variance(Vec<Centred>, u8),
    Histogram(Histogram),
    Quantile { search: Bisection, steps: u32 },
}

impl Parameters {
    /// A query without the numbers of its kind.
    pub fn new(kind: Kind, columns: Vec<String>, rows: u32) -> Self {
        Self {
            kind,
            columns,
            rows,
            shrink: None,
            bounds: Vec::new(),
            bits: None,
            edges: Vec::new(),
            quantile: None,
            steps: None,
        }
    }
}

impl Query {
    /// Checks a query.
    ///
    /// # Errors
    ///
    /// [`StatsError::Lacks`] and [`StatsError::Has`] for keys that are not those of the kind; [`StatsError::Setting`] for a number out of
    /// range; [`StatsError::Length`] for a number of columns or bounds that does not fit; [`StatsError::Column`].
    pub fn new(parameters: Parameters) -> Result<Self, StatsError> {
        check_keys(&parameters)?;
        check_columns(&parameters)?;
        let wanted = "1 to 2^31 - 1";
        require("rows of a member", parameters.rows.into(), wanted, |rows| {
            (1.0..=f64::from(i32::MAX)).contains(&rows)
        })?;
        let shrink = parameters.shrink.unwrap_or(1);
        require("shrink", shrink.into(), "1 to `rows`", |shrink| {
            (1.0..=f64::from(parameters.rows)).contains(&shrink)
        })?;
        Ok(Self {
            shrink,
            statistic: Statistic::new(&parameters)?,
            columns: parameters.columns,
            rows: parameters.rows,
        })
    }

    /// What is asked.
    pub fn kind(&self) -> Kind {
        match self.statistic {
            Statistic::Count => Kind::Count,
            Statistic::Sum(..) => Kind::Sum,
            Statistic::Mean(..) => Kind::Mean,
            Statistic::Variance(..) => Kind::Variance,
            Statistic::Histogram(_) => Kind::Histogram,
            Statistic::Quantile { .. } => Kind::Quantile,
        }
    }

    /// Columns, in the order of a row.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Most rows that a member may bring.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// What the integers are divided by.
    pub fn shrink(&self) -> u32 {
        self.shrink
    }

    /// Bits of a row's integers; none for kinds that count.
    pub fn bits(&self) -> Option<u8> {
        match self.statistic {
            Statistic::Count | Statistic::Histogram(_) | Statistic::Quantile { .. } => None,
            Statistic::Sum(_, bits) | Statistic::Mean(_, bits) | Statistic::Variance(_, bits) => {
                Some(bits)
            }
        }
    }

    /// Least and greatest value of each column; none for kinds without bounds.
    pub fn bounds(&self) -> Vec<[f64; 2]> {
        match &self.statistic {
            Statistic::Count | Statistic::Histogram(_) => Vec::new(),
            Statistic::Sum(scales, _) => scales.iter().map(Anchored::bounds).collect(),
            Statistic::Mean(scales, _) | Statistic::Variance(scales, _) => {
                scales.iter().map(Centred::bounds).collect()
            }
            Statistic::Quantile { search, .. } => vec![search.interval().into()],
        }
    }

    /// Edges of a histogram; none for other kinds.
    pub fn edges(&self) -> &[f64] {
        match &self.statistic {
            Statistic::Histogram(histogram) => histogram.edges(),
            _ => &[],
        }
    }

    /// Rounds until the answer.
    pub fn rounds(&self) -> u32 {
        match self.statistic {
            Statistic::Quantile { steps, .. } => steps,
            _ => 1,
        }
    }

    /// Integers of a member's vector.
    pub fn integers(&self) -> usize {
        let columns = self.columns.len();
        match &self.statistic {
            Statistic::Count => 1,
            Statistic::Sum(..) => columns,
            Statistic::Mean(..) => columns.saturating_add(1),
            Statistic::Variance(..) => columns.saturating_mul(2).saturating_add(1),
            Statistic::Histogram(histogram) => histogram.bins(),
            Statistic::Quantile { .. } => 2,
        }
    }

    /// The tensors of a task for this query.
    ///
    /// # Errors
    ///
    /// More integers than a manifest takes.
    pub fn manifest(&self) -> Result<Manifest, ManifestError> {
        Manifest::new(vec![TensorSpec {
            name: STATS_TENSOR.to_owned(),
            shape: vec![self.integers() as u64],
            dtype: Dtype::I64,
        }])
    }

    /// The range of a member's integers: that of a task for this query.
    pub fn encoding(&self) -> Encoding {
        let most = scale::divided_up(
            i64::from(self.rows).saturating_mul(self.half()),
            self.shrink,
        );
        let min = match self.statistic {
            Statistic::Count | Statistic::Histogram(_) | Statistic::Quantile { .. } => 0,
            Statistic::Sum(..) | Statistic::Mean(..) | Statistic::Variance(..) => {
                most.saturating_neg()
            }
        };
        Encoding::Integer { min, max: most }
    }

    /// H: largest size of a number of one row.
    fn half(&self) -> i64 {
        self.bits().map_or(1, scale::half)
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new(self.kind(), self.columns.clone(), self.rows);
        parameters.shrink = Some(self.shrink);
        parameters.bounds = self.bounds();
        parameters.bits = self.bits();
        match &self.statistic {
            Statistic::Count
            | Statistic::Sum(..)
            | Statistic::Mean(..)
            | Statistic::Variance(..) => {}
            Statistic::Histogram(histogram) => parameters.edges = histogram.edges().to_vec(),
            Statistic::Quantile { search, steps } => {
                parameters.quantile = Some(search.quantile());
                parameters.steps = Some(*steps);
            }
        }
        parameters
    }
}

impl TryFrom<Parameters> for Query {
    type Error = StatsError;

    fn try_from(parameters: Parameters) -> Result<Self, StatsError> {
        Self::new(parameters)
    }
}

impl From<Query> for Parameters {
    fn from(query: Query) -> Self {
        query.parameters()
    }
}

impl Statistic {
    fn new(parameters: &Parameters) -> Result<Self, StatsError> {
        let bounds = &parameters.bounds;
        let bits = parameters.bits.unwrap_or(BITS);
        let centred = || {
            let scales = bounds.iter().map(|bounds| Centred::new(*bounds, bits));
            scales.collect::<Result<Vec<_>, _>>()
        };
        Ok(match parameters.kind {
            Kind::Count => Self::Count,
            Kind::Sum => {
                let scales = bounds.iter().map(|bounds| Anchored::new(*bounds, bits));
                Self::Sum(scales.collect::<Result<_, _>>()?, bits)
            }
            Kind::Mean => Self::Mean(centred()?, bits),
            Kind::Variance => Self::Variance(centred()?, bits),
            Kind::Histogram => Self::Histogram(Histogram::new(parameters.edges.clone())?),
            Kind::Quantile => {
                let [low, high] = bounds.first().copied().unwrap_or_default();
                let quantile = parameters.quantile.unwrap_or(f64::NAN);
                let steps = parameters.steps.unwrap_or(STEPS);
                require("steps", steps.into(), "1 to 64 rounds", |steps| {
                    (1.0..=64.0).contains(&steps)
                })?;
                let search = Bisection::new(quantile, low, high)?;
                Self::Quantile { search, steps }
            }
        })
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Count,
        Self::Sum,
        Self::Mean,
        Self::Variance,
        Self::Histogram,
        Self::Quantile,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Histogram => "histogram",
            Self::Quantile => "quantile",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| {
            format!(
                "found {text:?}, wanted {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}

/// Keys that the kind does not know, and keys that it needs.
fn check_keys(parameters: &Parameters) -> Result<(), StatsError> {
    let kind = parameters.kind;
    let keys = [
        (
            "bounds",
            !parameters.bounds.is_empty(),
            &[Kind::Sum, Kind::Mean, Kind::Variance, Kind::Quantile][..],
            true,
        ),
        (
            "bits",
            parameters.bits.is_some(),
            &[Kind::Sum, Kind::Mean, Kind::Variance][..],
            false,
        ),
        (
            "edges",
            !parameters.edges.is_empty(),
            &[Kind::Histogram][..],
            true,
        ),
        (
            "quantile",
            parameters.quantile.is_some(),
            &[Kind::Quantile][..],
            true,
        ),
        (
            "steps",
            parameters.steps.is_some(),
            &[Kind::Quantile][..],
            false,
        ),
    ];
    for (key, given, kinds, needed) in keys {
        match (given, kinds.contains(&kind)) {
            (true, false) => return Err(StatsError::Has { kind, key }),
            (false, true) if needed => return Err(StatsError::Lacks { kind, key }),
            _ => {}
        }
    }
    Ok(())
}

fn check_columns(parameters: &Parameters) -> Result<(), StatsError> {
    let columns = &parameters.columns;
    let mut seen = BTreeSet::new();
    for name in columns {
        if !(1..=512).contains(&name.len()) || !seen.insert(name) {
            return Err(StatsError::Column { name: name.clone() });
        }
    }
    match parameters.kind {
        Kind::Count => {}
        Kind::Sum | Kind::Mean | Kind::Variance if columns.is_empty() => {
            let (kind, key) = (parameters.kind, "columns");
            return Err(StatsError::Lacks { kind, key });
        }
        Kind::Sum | Kind::Mean | Kind::Variance => {
            require_length("bounds", parameters.bounds.len(), columns.len())?;
        }
        Kind::Histogram => require_length("columns", columns.len(), 1)?,
        Kind::Quantile => {
            require_length("columns", columns.len(), 1)?;
            require_length("bounds", parameters.bounds.len(), 1)?;
        }
    }
    let most = 1 << 16;
    match columns.len() > most || parameters.edges.len() > most {
        true => Err(StatsError::Length {
            what: "columns or edges",
            found: columns.len().max(parameters.edges.len()),
            wanted: most,
        }),
        false => Ok(()),
    }
}

/// Bits of a grid unless the query says otherwise.
const BITS: u8 = 16;

/// Rounds of a bisection unless the query says otherwise.
const STEPS: u32 = 16;
