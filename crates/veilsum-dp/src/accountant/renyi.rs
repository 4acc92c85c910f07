//! Renyi divergences of the laws.

use std::f64::consts::PI;

use super::Release;
use super::upward;
use crate::{Law, Rational};

/// Renyi divergence at fixed orders, and the pure epsilon, which is the divergence of order infinity.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// One per order of [`orders`].
    values: Vec<f64>,
    pure: f64,
}

impl Curve {
    pub fn nothing() -> Self {
        Self {
            values: orders().map(|_| 0.0).collect(),
            pure: 0.0,
        }
    }

    pub fn of(release: &Release) -> Self {
        let pure = release.pure_epsilon();
        Self {
            values: orders().map(|order| divergence(release, order)).collect(),
            pure: pure.map_or(f64::INFINITY, |pure| pure.to_f64_up()),
        }
    }

    pub fn from_values(values: Vec<f64>, pure: f64) -> Self {
        Self { values, pure }
    }

    // spec: [noise.account.rounding]
    pub fn plus(&self, other: &Self) -> Self {
        let pairs = self.values.iter().zip(&other.values);
        Self {
            values: pairs.map(|(a, b)| upward::plus(*a, *b)).collect(),
            pure: upward::plus(self.pure, other.pure),
        }
    }

    pub fn times(&self, rounds: u64) -> Self {
        // 0 times infinity is not a number; no rounds cost nothing.
        if rounds == 0 {
            return Self::nothing();
        }
        let rounds = match rounds as f64 {
            exact if rounds < 1 << f64::MANTISSA_DIGITS => exact,
            rounded => rounded.next_up(),
        };
        let times = |value: &f64| match *value {
            0.0 => 0.0,
            value => upward::times(value, rounds),
        };
        Self {
            values: self.values.iter().map(times).collect(),
            pure: times(&self.pure),
        }
    }

    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        orders().zip(self.values.iter().copied())
    }

    pub const fn pure(&self) -> f64 {
        self.pure
    }
}

/// The orders that Google's dp-accounting uses by default, so that both give the same numbers.
pub(super) fn orders() -> impl Iterator<Item = f64> {
    let fine = (1..100).map(|tenths| 1.0 + f64::from(tenths) / 10.0);
    let whole = (11..64).chain([128, 256, 512, 1024]).map(f64::from);
    fine.chain(whole)
}

/// An upper bound of the Renyi divergence of one release, at any order above 1.
pub(super) fn divergence(release: &Release, order: f64) -> f64 {
    let l1 = release.l1().to_f64_up();
    let l2_squared = release.l2_squared().to_f64_up();
    if l2_squared == 0.0 {
        return 0.0;
    }
    let value = match release.law() {
        Law::Polya { scale, .. } => discrete_laplace(release.l1(), scale, order),
        Law::Skellam { variance } => {
            let variance = variance.to_f64_down();
            between_whole(order, |order| skellam(l1, l2_squared, variance, order))
        }
        Law::DiscreteGaussian { parameter } => distributed_gaussian(
            l1,
            l2_squared,
            parameter.to_f64_down(),
            release.shares(),
            release.coordinates() as f64,
            order,
        ),
    };
    value * MARGIN
}

/// Agarwal, Kairouz, Liu 2021, corollary 3.6, for whole orders.
// spec: [noise.account.skellam]
fn skellam(l1: f64, l2_squared: f64, variance: f64, order: f64) -> f64 {
    let first = order * l2_squared / (2.0 * variance);
    let near = ((2.0 * order - 1.0) * l2_squared + 6.0 * l1) / (4.0 * variance * variance);
    let far = 3.0 * l1 / (2.0 * variance);
    first + near.min(far)
}

/// Kairouz, Liu, Steinke 2021, theorem 1 (each of `shares` members adds a discrete Gaussian of parameter
/// `parameter / shares`); with one share the bound of Canonne, Kamath, Steinke 2020.
// spec: [noise.account.gaussian]
fn distributed_gaussian(
    l1: f64,
    l2_squared: f64,
    parameter: f64,
    shares: u32,
    coordinates: f64,
    order: f64,
) -> f64 {
    let own = parameter / f64::from(shares);
    if shares > 1 && own < 0.25 {
        return f64::INFINITY; // the theorem asks for sigma of at least 1/2
    }
    // Terms fall with `k`, so those beyond the first few thousand are at most the last one summed.
    let term = |k: u32| (-2.0 * PI * PI * own * f64::from(k) / (f64::from(k) + 1.0)).exp();
    let summed = (shares - 1).min(TERMS_MAX);
    let rest = f64::from(shares - 1 - summed) * term(summed);
    // As many roundings as terms, and those of the exponents.
    let tau = 10.0 * ((1..=summed).map(term).sum::<f64>() + rest) * SUM_MARGIN;
    let d2_squared = l2_squared / parameter;
    let d1 = l1 / parameter.sqrt();
    let first = order / 2.0 * d2_squared + tau * coordinates;
    let second = order / 2.0 * (d2_squared + 2.0 * d1 * tau + tau * tau * coordinates);
    let third = order / 2.0 * (d2_squared.sqrt() + coordinates.sqrt() * tau).powi(2);
    first.min(second).min(third)
}

/// Exact for one coordinate that takes the whole L1 sensitivity. That is the worst case: `exp((a - 1) D_a)` is
/// `A exp((a - 1) x) + B exp(-a x)` in the sensitivity `x`, with `A` and `B` not negative, hence log-convex and 1 at zero,
/// hence at least the product over any split of `x`.
// spec: [noise.account.laplace]
fn discrete_laplace(l1: &Rational, scale: &Rational, order: f64) -> f64 {
    let steps = l1.floor();
    let Some(pure) = steps.checked_div(scale).map(|pure| pure.to_f64_up()) else {
        return f64::INFINITY;
    };
    let scale = scale.to_f64_down();
    let twice = 2.0 * order - 1.0;
    let gap = -(-1.0 / scale).exp_m1(); // 1 - p
    let wide = -(-twice / scale).exp_m1(); // 1 - p^(2 a - 1)
    let second = (1.0 - gap / wide) / (2.0 - gap);
    let inner = second * (-twice * pure).exp_m1();
    let rounding = 32.0 * f64::EPSILON * pure * (1.0 + twice / (order - 1.0));
    let exact = pure + inner.ln_1p() / (order - 1.0) + rounding;
    // Bun and Steinke 2016, proposition 3.3: pure epsilon gives at most a epsilon^2 / 2.
    exact.min(pure).min(order * pure * pure / 2.0)
}

/// A bound that holds for whole orders, at any order: `(a - 1) D_a` is convex in `a` and zero at 1.
/// Source: Wang, Balle, Kasiviswanathan 2019, corollary 10.
// spec: [noise.account.orders]
pub(super) fn between_whole(order: f64, bound: impl Fn(f64) -> f64) -> f64 {
    let (below, above) = (order.floor(), order.ceil());
    if below == above {
        return bound(order);
    }
    let moment = |whole: f64| {
        if whole > 1.0 {
            (whole - 1.0) * bound(whole)
        } else {
            0.0
        }
    };
    let part = order - below;
    ((1.0 - part) * moment(below) + part * moment(above)) / (order - 1.0)
}

/// Terms of the sum over shares that are summed one by one.
const TERMS_MAX: u32 = 4096;
/// Covers the rounding of such a sum: 4096 additions, and exponents of up to 745.
const SUM_MARGIN: f64 = 1.0 + 1e-11;
/// Covers the rounding of the few dozen float operations between the exact numbers and a divergence.
const MARGIN: f64 = 1.0 + 1e-12;
