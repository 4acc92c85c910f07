//! Not verifiable and not robust by itself: a wrong share gives a wrong secret without a word. The
//! protocol recognises bad shares by their digests and checks every rebuilt secret against its
//! advertised key or commitment.
//!
//! What it is for: Shamir's secret sharing (1979) over the scalar field of Curve25519, the integers
//! modulo 2^252 + 27742317777372353535851937790883648493. Any `threshold` shares rebuild a secret,
//! fewer say nothing about it.
//!
//! ```
//! use rand::SeedableRng;
//! use veilsum_math::{Lagrange, Point, Secret, split};
//!
//! let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1); // for a reproducible example only
//! let secret = Secret::random(&mut rng);
//! let points: Vec<Point> = (0..5).map(Point::of_slot).collect();
//! let shares = split(&secret, 3, &points, &mut rng)?;
//!
//! let holders = Lagrange::at_zero(&[points[4], points[0], points[2]])?;
//! let rebuilt = holders.combine(&[&shares[4], &shares[0], &shares[2]])?;
//! assert!(bool::from(rebuilt.ct_eq(&secret)));
//! # Ok::<(), veilsum_math::SharingError>(())
//! ```

mod field;
mod lagrange;
mod split;
mod value;

pub use lagrange::{Lagrange, LagrangeCache};
pub use split::{split, split_over};
pub use value::{NonCanonical, Secret, ShareValue};

/// Where the polynomial of a sharing is evaluated for one slot; never zero, where the secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(u64);

impl Point {
    /// The point of a slot: `slot + 1`.
    pub fn of_slot(slot: u32) -> Self {
        Self(u64::from(slot) + 1)
    }

    /// At most 2^32.
    fn number(self) -> u64 {
        self.0
    }
}

/// A sharing that cannot be made or put together; always the caller's fault, no share's value
/// causes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharingError {
    /// A threshold of 0, or above the number of points.
    #[error("found threshold {threshold}, wanted 1 to {points}, the number of points")]
    Threshold {
        /// The threshold asked for.
        threshold: usize,
        /// The number of points.
        points: usize,
    },
    /// Two shares of one slot.
    #[error("found slot {} twice, wanted each point once", .0.0 - 1)]
    DuplicatePoint(Point),
    /// Interpolation from nothing.
    #[error("found no point, wanted at least one")]
    NoPoints,
    /// More or fewer shares than the coefficients were computed for.
    #[error("found {found} shares, wanted {wanted}")]
    ShareCount {
        /// Shares given.
        found: usize,
        /// Points of the set.
        wanted: usize,
    },
}

/// Refuses a set that names a point twice.
fn check_distinct(points: &[Point]) -> Result<(), SharingError> {
    let mut sorted = points.to_vec();
    sorted.sort_unstable();
    match sorted.array_windows().find(|[a, b]| a == b) {
        Some([point, _]) => Err(SharingError::DuplicatePoint(*point)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
