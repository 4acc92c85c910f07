//! From Renyi divergences to (epsilon, delta).

use super::renyi::Curve;
use super::upward::{below_platform, of_platform, plus, surcharge, times};
use crate::Rational;

/// Least epsilon that the curve proves at `delta`, when the noise as drawn is within `tv` of the noise as accounted:
/// `delta` is then that of the law plus `(1 + e^epsilon) tv`.
// spec: [noise.account.distance]
pub(super) fn epsilon(curve: &Curve, tv: &Rational, delta: f64) -> f64 {
    if !(0.0..1.0).contains(&delta) {
        return f64::INFINITY;
    }
    let tv = tv.to_f64_up();
    let mut rest = delta;
    for _ in 0..TRIES {
        let found = of_law(curve, rest);
        let cost = times(plus(1.0, of_platform(found.exp())), tv);
        if tv == 0.0 || plus(rest, cost) <= delta {
            return found;
        }
        rest = (delta - 2.0 * cost).next_down();
        // Also the end when an infinite epsilon made it minus infinity.
        if rest < 0.0 {
            break;
        }
    }
    f64::INFINITY
}

/// Canonne, Kamath, Steinke 2020, proposition 12 (Asoodeh et al. 2020), the least over all orders, and the pure
/// epsilon where there is one; as in Google's dp-accounting.
// spec: [noise.account.conversion]
fn of_law(curve: &Curve, delta: f64) -> f64 {
    let converted = curve.points().map(|(order, divergence)| {
        let most = -below_platform((-divergence).exp_m1());
        if (delta * delta).next_down() > most {
            return 0.0; // by the total variation bound of Bretagnolle and Huber
        }
        if delta == 0.0 || order <= 1.01 {
            return f64::INFINITY;
        }
        plus(divergence, surcharge(order, delta))
    });
    let least = converted.fold(f64::INFINITY, f64::min).max(0.0);
    (least * MARGIN).min(curve.pure())
}

const TRIES: usize = 64;
const MARGIN: f64 = 1.0 + 1e-12;
