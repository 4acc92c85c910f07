//! From a secret to its shares.

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Point, Secret, ShareValue, SharingError, check_distinct};

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
    if !(1..=points.len()).contains(&threshold) {
        return Err(SharingError::Threshold {
            threshold,
            points: points.len(),
        });
    }
    check_distinct(points)?;

    // Reserved at once, so that no reallocation leaves a copy behind.
    let mut coefficients = Zeroizing::new(Vec::with_capacity(threshold));
    coefficients.push(*secret.scalar());
    coefficients.extend((1..threshold).map(|_| *Secret::random(rng).scalar()));
    Ok(points
        .iter()
        .map(|point| evaluate(&coefficients, point.scalar()))
        .collect())
}

/// Horner's rule, lowest coefficient first.
fn evaluate(coefficients: &[Scalar], x: Scalar) -> ShareValue {
    let mut value = Box::new(Scalar::ZERO);
    for coefficient in coefficients.iter().rev() {
        *value = *value * x + coefficient;
    }
    ShareValue::from_scalar(value)
}
