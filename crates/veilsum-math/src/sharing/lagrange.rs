//! From shares back to the secret.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use curve25519_dalek::Scalar;

use super::field::{Addend, LANES, Lazy, lanes, sum_of_products};
use super::{Point, Secret, ShareValue, SharingError, check_distinct};

/// Lagrange coefficients at zero of one ordered set of points.
///
/// They depend on the points alone: computed once, they rebuild every secret that the same holders
/// share. Nothing in them is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lagrange {
    coefficients: Vec<Scalar>,
}

impl Lagrange {
    /// Computes the coefficients: of `x_i`, the product over `j != i` of `x_j / (x_j - x_i)`.
    ///
    /// # Errors
    ///
    /// There is no point, or one is named twice.
    pub fn at_zero(points: &[Point]) -> Result<Self, SharingError> {
        if points.is_empty() {
            return Err(SharingError::NoPoints);
        }
        check_distinct(points)?;

        // Not zero: the points are distinct and at most 2^32, far below the group order.
        let mut inverses = denominators(points);
        Scalar::invert_batch_alloc(&mut inverses);
        let all = points.iter().fold(Lazy::ONE, |all, point| {
            all.multiply_add(point.number(), &Addend::ZERO)
        });
        let all = all.reduce();
        let coefficients = inverses.iter().map(|inverse| all * inverse).collect();
        Ok(Self { coefficients })
    }

    /// Rebuilds the secret of `shares`, which are in the order of the points.
    ///
    /// # Errors
    ///
    /// There are not as many shares as points.
    ///
    /// # Security
    ///
    /// Fewer shares than the threshold, or a wrong one, give a wrong secret, not an error: check
    /// what comes out.
    pub fn combine(&self, shares: &[&ShareValue]) -> Result<Secret, SharingError> {
        if shares.len() != self.coefficients.len() {
            return Err(SharingError::ShareCount {
                found: shares.len(),
                wanted: self.coefficients.len(),
            });
        }
        let shares = shares.iter().map(|share| share.scalar());
        let pairs: Vec<_> = self.coefficients.iter().zip(shares).collect();
        Ok(Secret::from_scalar(Box::new(sum_of_products(&pairs))))
    }
}

/// Coefficients of the sets used last, at most as many as its capacity.
///
/// On the complete graph one set serves every member that vanished, so one entry does the work; on
/// the ring each neighbourhood has its own.
#[derive(Debug)]
pub struct LagrangeCache {
    capacity: usize,
    known: BTreeMap<Vec<Point>, Arc<Lagrange>>,
    /// Keys of `known`, the one used longest ago first.
    used: VecDeque<Vec<Point>>,
}

impl LagrangeCache {
    /// Keeps up to `capacity` sets; with 0 nothing is kept.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            known: BTreeMap::new(),
            used: VecDeque::new(),
        }
    }

    /// The coefficients of `points`, computed if this set in this order is not known. The set used
    /// longest ago makes room.
    ///
    /// # Errors
    ///
    /// As [`Lagrange::at_zero`]; nothing is kept then.
    pub fn get(&mut self, points: &[Point]) -> Result<Arc<Lagrange>, SharingError> {
        if let Some(lagrange) = self.known.get(points).cloned() {
            self.touch(points);
            return Ok(lagrange);
        }
        let lagrange = Arc::new(Lagrange::at_zero(points)?);
        self.keep(points, &lagrange);
        Ok(lagrange)
    }

    /// The number of sets kept.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no set is kept.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn touch(&mut self, points: &[Point]) {
        if let Some(key) = self
            .used
            .iter()
            .position(|key| key == points)
            .and_then(|place| self.used.remove(place))
        {
            self.used.push_back(key);
        }
    }

    fn keep(&mut self, points: &[Point], lagrange: &Arc<Lagrange>) {
        if self.capacity == 0 {
            return;
        }
        if self.used.len() == self.capacity
            && let Some(oldest) = self.used.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.used.push_back(points.to_vec());
        self.known.insert(points.to_vec(), Arc::clone(lagrange));
    }
}

impl Default for LagrangeCache {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

/// Of every point `x`, `x` times the product of `other - x` over the other points; `x` cancels its
/// own factor in the numerator.
fn denominators(points: &[Point]) -> Vec<Scalar> {
    let sizes = points
        .chunks(LANES)
        .flat_map(|xs| sizes(lanes(xs), points).into_iter().take(xs.len()));
    sizes
        .zip(points)
        .map(|(size, x)| {
            // Every smaller point turns the sign.
            let smaller = points.iter().filter(|&other| other < x).count();
            let size = size.reduce();
            if smaller.is_multiple_of(2) {
                size
            } else {
                -size
            }
        })
        .collect()
}

/// The denominators of some points but for their signs: products of distances.
fn sizes(xs: [u64; LANES], points: &[Point]) -> [Lazy; LANES] {
    let mut sizes = [Lazy::ONE; LANES];
    for point in points {
        for (size, x) in sizes.iter_mut().zip(xs) {
            let factor = match point.number().abs_diff(x) {
                0 => x,
                distance => distance,
            };
            *size = size.multiply_add(factor, &Addend::ZERO);
        }
    }
    sizes
}

const DEFAULT_CAPACITY: usize = 64;
