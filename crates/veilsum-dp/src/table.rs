//! Not a general sampler: one table, one law, symmetric around zero.
//!
//! What it is for: cumulative tables in 127-bit fixed point, compiled from rigorous intervals, with a proven distance
//! from the law; and the search in them, a fixed number of steps per value. `spec/noise.md`, sections 3 and 4.

mod compile;
mod search;

use thiserror::Error;

use crate::Rational;

/// Cumulative distribution of the magnitude of one law, laid out for a branch-free search.
///
/// # Security
///
/// The search reads addresses that depend on the noise. They stay inside [`Table::bytes`] bytes, at most
/// [`TABLE_BYTES_MAX`], which fit the L2 cache of one core; who shares that core's caches is part of the threat model.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Thresholds as a perfect search tree of `2^depth - 1` nodes from index 1 on, padded with the largest value.
    tree: Vec<u128>,
    depth: u32,
    /// Largest magnitude.
    bound: u64,
    distance: Rational,
}

/// Why a law has no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// The law is wider than the largest table.
    #[error(
        "found noise wider than {THRESHOLDS_MAX} steps, the largest table has {TABLE_BYTES_MAX} bytes; a coarser grid loses nothing then"
    )]
    TooWide,
}

impl Table {
    /// Bytes of the table: what the search may touch.
    pub const fn bytes(&self) -> usize {
        size_of::<u128>() << self.depth
    }

    /// Steps of every search.
    #[cfg(test)]
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// The thresholds, ascending, without what pads the tree.
    pub fn thresholds(&self) -> Vec<u128> {
        let wanted = usize::try_from(self.bound).unwrap_or(usize::MAX);
        let mut sorted = self.tree.iter().skip(1).copied().collect::<Vec<_>>();
        sorted.sort_unstable();
        sorted.truncate(wanted);
        sorted
    }

    /// Largest magnitude the table can give: the clamp.
    pub const fn bound(&self) -> u64 {
        self.bound
    }

    /// Proven upper bound of the total variation distance between one draw and the law.
    pub const fn distance(&self) -> &Rational {
        &self.distance
    }
}

/// Largest table in bytes. Half of the smallest L2 cache of a current server core.
pub const TABLE_BYTES_MAX: usize = 256 << 10;

/// Thresholds of the largest table.
const THRESHOLDS_MAX: u64 = (TABLE_BYTES_MAX / size_of::<u128>()) as u64 - 1;

#[cfg(test)]
mod tests;
