//! Not interval arithmetic: one end only.
//!
//! What it is for: float operations whose result is never below the exact one, so that an epsilon errs to one side alone.
//! `spec/noise.md`, section 8.1.

/// Not below `a + b`; `a` plus nothing is `a`.
// spec: [noise.account.rounding]
pub(super) fn plus(a: f64, b: f64) -> f64 {
    match (a, b) {
        (0.0, b) => b,
        (a, 0.0) => a,
        (a, b) => (a + b).next_up(),
    }
}

/// Not below `a * b`.
pub(super) fn times(a: f64, b: f64) -> f64 {
    (a * b).next_up()
}

/// Not below the exact value of a logarithm or an exponential that the platform gave.
pub(super) fn of_platform(found: f64) -> f64 {
    plus(found, found.abs() * PLATFORM)
}

/// Not above it.
pub(super) fn below_platform(found: f64) -> f64 {
    -of_platform(-found)
}

/// Not below what the conversion to epsilon adds to the divergence of an order, `ln(1 - 1/a) - ln(delta a) / (a - 1)`.
// spec: [noise.account.conversion]
pub(super) fn surcharge(order: f64, delta: f64) -> f64 {
    let first = of_platform((-1.0 / order).next_up().ln_1p());
    let log = below_platform((delta * order).next_down().max(0.0).ln());
    // the difference is exact: it is a multiple of the last place of the order, and smaller
    let second = (-log / (order - 1.0)).next_up();
    plus(first, second)
}

/// Logarithms and exponentials of the platform err by less than this part of them: 2^-50, four units in the last place.
const PLATFORM: f64 = 1.0 / 1_125_899_906_842_624.0;
