//! From a secret to its shares.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::field::{Addend, LANES, Lazy, lanes};
use super::{Point, Secret, ShareValue, SharingError, check_distinct};
use crate::Threads;

/// Shares `secret` so that any `threshold` of the shares rebuild it; share `i` belongs to
/// `points[i]`.
///
/// All `threshold - 1` coefficients beside the secret are uniform over the whole field. Zero is as
/// likely as any other value, for the top one too: excluding it would tell `threshold - 1` holders
/// one value that the secret does not have.
///
/// # Errors
///
/// The threshold is 0 or above the number of points, or a point is named twice.
///
/// # Security
///
/// Two splits of one secret must not reach the same holders under different thresholds, and a
/// resend sends the same bytes: new polynomials give more shares of the same secret away.
pub fn split(
    secret: &Secret,
    threshold: usize,
    points: &[Point],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<ShareValue>, SharingError> {
    split_over(secret, threshold, points, Threads::One, rng)
}

/// As [`split`], the shares worked out by several threads; they are the same. For hundreds of
/// points: below that, waking a thread takes longer than the shares.
///
/// # Errors
///
/// As [`split`].
///
/// # Security
///
/// As [`split`].
pub fn split_over(
    secret: &Secret,
    threshold: usize,
    points: &[Point],
    threads: Threads,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<ShareValue>, SharingError> {
    if !(1..=points.len()).contains(&threshold) {
        return Err(SharingError::Threshold {
            threshold,
            points: points.len(),
        });
    }
    check_distinct(points)?;

    // Reserved at once, so that no reallocation leaves a copy behind.
    let mut coefficients = Zeroizing::new(Vec::with_capacity(threshold));
    coefficients.push(Addend::new(secret.scalar()));
    coefficients.extend((1..threshold).map(|_| Addend::new(Secret::random(rng).scalar())));
    let tasks: Vec<_> = points.chunks(LANES).collect();
    let shares = threads.map(tasks, |points| {
        let values = evaluate(&coefficients, lanes(points));
        let scalars = values.iter().take(points.len()).map(Lazy::reduce);
        let shares = scalars.map(|scalar| ShareValue::from_scalar(Box::new(scalar)));
        shares.collect::<Vec<_>>()
    });
    Ok(shares.into_iter().flatten().collect())
}

/// Horner's rule, lowest coefficient first.
fn evaluate(coefficients: &[Addend], xs: [u64; LANES]) -> Zeroizing<[Lazy; LANES]> {
    let mut values = Zeroizing::new([Lazy::ZERO; LANES]);
    for coefficient in coefficients.iter().rev() {
        for (value, x) in values.iter_mut().zip(xs) {
            *value = value.multiply_add(x, coefficient);
        }
    }
    values
}
