//! From intervals around masses to thresholds, and the proof of how far the result is from the law.

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive};

use super::{THRESHOLDS_MAX, Table, TableError};
use crate::enclosure::{Enclosure, from_units};
use crate::law::{Masses, PartLaw};

impl Table {
    /// Compiles the table of a law. Public data only: time and memory depend on the law.
    ///
    /// # Errors
    ///
    /// The law needs a table above the limit.
    // spec: [noise.table.exact]
    pub fn compile(law: &PartLaw) -> Result<Self, TableError> {
        let mut reach = REACH_MIN;
        while reach <= REACH_MAX {
            let masses = law.masses(reach);
            // spec: [noise.table.size]
            let bound = clamp(&masses).filter(|bound| *bound as u64 <= THRESHOLDS_MAX);
            if let Some(table) = bound.and_then(|bound| from_masses(&masses, bound)) {
                return Ok(table);
            }
            reach *= 2;
        }
        Err(TableError::TooWide)
    }
}

/// Smallest clamp whose tail is below the limit, at least 1.
// spec: [noise.table.clamp]
fn clamp(masses: &Masses) -> Option<usize> {
    let mut tail = masses.beyond.clone();
    let mut clamp = None;
    for (k, mass) in masses.magnitudes.iter().enumerate().rev() {
        if k == 0 || !tail.at_most_half_to(TAIL_BITS) {
            break;
        }
        clamp = Some(k);
        tail = tail.plus(mass);
    }
    clamp
}

/// The table, if the intervals are narrow enough for its precision.
// spec: [noise.table.distance]
fn from_masses(masses: &Masses, bound: usize) -> Option<Table> {
    let beyond = masses.magnitudes.iter().skip(bound + 1);
    let tail = beyond.fold(masses.beyond.clone(), |sum, mass| sum.plus(mass));
    let mut cumulative = Enclosure::integer(0);
    let mut thresholds = Vec::new();
    let mut error = tail.upper_units().clone();
    for mass in masses.magnitudes.iter().take(bound) {
        cumulative = cumulative.plus(mass).at_most_one();
        let (threshold, excess) = cumulative.cut(THRESHOLD_BITS);
        // The floor is that of every number in the interval, or the interval is too wide to tell. No law ends before its
        // clamp, so the number is below 1 even where the interval is not.
        if excess >= one_unit() && threshold != last_threshold() {
            return None;
        }
        thresholds.push(threshold.to_u128()?);
        error += excess;
    }
    let (tree, depth) = perfect_tree(&thresholds);
    Some(Table {
        tree,
        depth,
        bound: bound as u64,
        distance: from_units(error),
    })
}

/// `2^-THRESHOLD_BITS`, in the units of enclosures.
fn one_unit() -> BigUint {
    BigUint::one() << (256 - THRESHOLD_BITS)
}

/// That of all numbers from `1 - 2^-THRESHOLD_BITS` to below 1.
fn last_threshold() -> BigUint {
    (BigUint::one() << THRESHOLD_BITS) - 1_u8
}

/// The sorted thresholds, padded to `2^depth - 1`, in breadth-first order from index 1 on.
fn perfect_tree(sorted: &[u128]) -> (Vec<u128>, u32) {
    let depth = (sorted.len() + 1).next_power_of_two().ilog2();
    let mut tree = vec![u128::MAX; 1 << depth];
    for (index, node) in tree.iter_mut().enumerate().skip(1) {
        let level = index.ilog2();
        let across = index - (1 << level);
        let rank = ((2 * across + 1) << (depth - 1 - level)) - 1;
        *node = sorted.get(rank).copied().unwrap_or(u128::MAX);
    }
    (tree, depth)
}

/// Precision of thresholds: 128 bits of keystream, one of them for the sign.
const THRESHOLD_BITS: u64 = 127;
/// The clamp cuts less than `2^-TAIL_BITS`.
const TAIL_BITS: u64 = 112;
const REACH_MIN: u64 = 64;
const REACH_MAX: u64 = 1 << 16;
