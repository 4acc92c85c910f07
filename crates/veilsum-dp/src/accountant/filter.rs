//! Budgets that are asked before each release, when the next release is chosen by somebody who saw the sums before it.

use super::renyi::{Curve, orders};
use super::upward::{of_platform, plus, surcharge, times};
use super::{Accountant, Observer, Release, Statement};

/// A budget of (epsilon, delta) for releases that are chosen adaptively, held at one Renyi order.
///
/// The least epsilon over all orders is a guarantee for releases that were fixed before the first sum was seen. Where the next
/// release may depend on the sums before it, the best order would depend on them too. A filter fixes the order from what is known
/// before the first release; the sum of the divergences at that order then bounds the whole sequence, whatever was chosen
/// (Feldman, Zrnic 2021; Lecuyer 2021).
///
/// The distances of the tables from their laws cost `(1 + exp(epsilon))` times themselves of delta, for an epsilon that is fixed before the
/// first release as well. No epsilon above [`Filter::largest`] is ever told from them, and a larger budget is held as that one.
///
/// ```
/// use veilsum_dp::Filter;
///
/// assert!((Filter::largest(1e-6) - 38.86).abs() < 0.01);
/// ```
// spec: [noise.account.adaptive] [noise.account.largest]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filter {
    delta: f64,
    wide: Level,
    /// For tables that are too far from their laws for the wide one.
    narrow: Option<Level>,
}

/// One way to keep to the budget, fixed before the first release.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    /// Largest epsilon, at most that of the budget.
    epsilon: f64,
    /// Its part of the budget's delta.
    delta: f64,
    order: f64,
    /// Whether the budget has a larger epsilon.
    is_capped: bool,
}

impl Filter {
    /// At the order that admits most releases of divergence proportional to the order: Gaussian ones, and nearly all with much
    /// noise. It follows from the budget alone.
    #[must_use]
    pub fn new(epsilon: f64, delta: f64) -> Self {
        // a bound for whole orders alone, as that of Skellam, is no better below 2
        let costs = || {
            let whole = orders().filter(|order| *order >= 2.0);
            whole.map(|order| (order, order))
        };
        Self::best(epsilon, delta, costs)
    }

    /// At the order that admits most repetitions of the release that comes first.
    #[must_use]
    pub fn repeating(epsilon: f64, delta: f64, first: &Release) -> Self {
        let curve = Curve::of(first);
        Self::best(epsilon, delta, || curve.points())
    }

    /// The largest epsilon that a budget at `delta` is held at: that of tables within `2^-97` of their laws, all draws of all releases
    /// together.
    #[must_use]
    pub fn largest(delta: f64) -> f64 {
        cap(delta, WIDE)
    }

    /// What the releases of the accountant cost at the filter's order, as an epsilon at its delta: within the budget if it is at most
    /// the filter's epsilon. Infinite where nothing can be said.
    ///
    /// # Security
    ///
    /// A budget holds if this was asked, with the next release in the accountant, before every release.
    #[must_use]
    pub fn cost(&self, accountant: &Accountant) -> Statement {
        let wide = self.wide.cost(accountant);
        let narrow = self.narrow.map(|level| level.cost(accountant));
        Statement {
            epsilon: narrow.map_or(wide, |narrow| narrow.min(wide)),
            delta: self.delta,
            unit: accountant.unit,
            observer: Observer::Everyone,
        }
    }

    fn best<T>(epsilon: f64, delta: f64, costs: impl Fn() -> T) -> Self
    where
        T: Iterator<Item = (f64, f64)>,
    {
        let narrowest = cap(delta, NARROW);
        let has_narrow = epsilon > narrowest;
        // spec: [noise.account.largest]
        let part = if has_narrow { delta / 2.0 } else { delta };
        let level = |most: f64| Level::best(epsilon, most, part, costs());
        Self {
            delta,
            wide: level(cap(delta, WIDE)),
            narrow: has_narrow.then(|| level(narrowest)),
        }
    }
}

impl Level {
    fn best(budget: f64, most: f64, delta: f64, costs: impl Iterator<Item = (f64, f64)>) -> Self {
        let epsilon = budget.min(most);
        let admitted = |order: f64, cost: f64| (epsilon - surcharge(order, delta)) / cost;
        let rated = costs.map(|(order, cost)| (order, admitted(order, cost)));
        let best = rated.fold((2.0, f64::NEG_INFINITY), |best, next| {
            if next.1 > best.1 { next } else { best }
        });
        Self {
            epsilon,
            delta,
            order: best.0,
            is_capped: budget > most,
        }
    }

    // spec: [noise.account.adaptive] [noise.account.rounding]
    fn cost(&self, accountant: &Accountant) -> f64 {
        let within = self.delta > 0.0 && self.delta < 1.0;
        // The distances of the tables have a budget of their own: a part of delta that is fixed before the first release.
        let factor = plus(1.0, of_platform(self.epsilon.exp()));
        let affordable = times(accountant.tv.to_f64_up(), factor) <= self.delta * TABLES;
        if !within || !affordable {
            return f64::INFINITY;
        }
        let mut points = accountant.curve.points();
        let point = points.find(|(order, _)| *order >= self.order);
        let divergence = point.map_or(f64::INFINITY, |(_, divergence)| divergence);
        let rest = (self.delta * (1.0 - TABLES)).next_down();
        let converted = plus(divergence, surcharge(self.order, rest)).max(0.0);
        // A pure epsilon takes nothing of delta, so it may be asked beside the order.
        let cost = converted.min(accountant.curve.pure());
        match self.is_capped && cost > self.epsilon {
            true => f64::INFINITY,
            false => cost,
        }
    }
}

/// The largest epsilon for which tables within `distance` of their laws cost no more than their part of `delta`; at least 1.
fn cap(delta: f64, distance: f64) -> f64 {
    (delta * TABLES / distance).ln().max(1.0) * (1.0 - 1e-9)
}

/// Part of delta for the distance of the tables from their laws: 2^-20.
const TABLES: f64 = 1.0 / 1_048_576.0;
/// Distance that the largest epsilon is for: 2^-96.
const WIDE: f64 = TABLES * TABLES * TABLES * TABLES / 65_536.0;
/// Distance of the tables of a large model over a thousand rounds: 2^-64.
const NARROW: f64 = TABLES * TABLES * TABLES / 16.0;

#[cfg(test)]
mod tests;
