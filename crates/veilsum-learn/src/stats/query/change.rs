//! How far one row moves the sum: what noise is for.

use super::{Query, Statistic, scale};

/// Bounds on the change of the integers of a sum, over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Sum of absolute changes.
    pub l1: u64,
    /// Sum of squared changes.
    pub l2_squared: u128,
    /// Largest change of one integer.
    pub linf: u64,
}

impl Query {
    /// The most that one row, present or left out, changes a member's vector. Two rows in each other's place change it by at most
    /// twice this in L1 and in the largest coordinate.
    ///
    /// ```
    /// use veilsum_learn::stats::{Kind, Parameters, Query};
    ///
    /// let query = Parameters { bounds: vec![[0.0, 120.0]], ..Parameters::new(Kind::Mean, vec!["age".into()], 1_000) };
    /// let change = Query::new(query)?.row_change();
    /// assert_eq!((change.l1, change.linf), (2 * 32_767, 32_767));
    /// # Ok::<(), veilsum_learn::stats::StatsError>(())
    /// ```
    // spec: [stats.query.change]
    pub fn row_change(&self) -> Change {
        let linf = scale::divided_up(self.half(), self.shrink).unsigned_abs();
        let moved = match self.statistic {
            // of disjoint counts one row moves one
            Statistic::Count | Statistic::Histogram(_) | Statistic::Quantile { .. } => 1,
            Statistic::Sum(..) | Statistic::Mean(..) | Statistic::Variance(..) => self.integers(),
        } as u64;
        Change {
            l1: linf.saturating_mul(moved),
            l2_squared: u128::from(linf)
                .saturating_mul(u128::from(linf))
                .saturating_mul(u128::from(moved)),
            linf,
        }
    }
}
