//! Budgets that are asked before each release, when the next release is chosen by somebody who saw the sums before it.

use super::renyi::{Curve, orders};
use super::{Accountant, Observer, Release, Statement};

/// A budget of (epsilon, delta) for releases that are chosen adaptively, held at one Renyi order.
///
/// The least epsilon over all orders is a guarantee for releases that were fixed before the first sum was seen. Where the next
/// release may depend on the sums before it, the best order would depend on them too. A filter fixes the order from what is known
/// before the first release; the sum of the divergences at that order then bounds the whole sequence, whatever was chosen
/// (Feldman, Zrnic 2021; Lecuyer 2021).
// spec: [noise.account.adaptive]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filter {
    epsilon: f64,
    delta: f64,
    order: f64,
}

impl Filter {
    /// At the order that admits most releases of divergence proportional to the order: Gaussian ones, and nearly all with much
    /// noise. It follows from the budget alone.
    #[must_use]
    pub fn new(epsilon: f64, delta: f64) -> Self {
        Self::best(epsilon, delta, orders().map(|order| (order, order)))
    }

    /// At the order that admits most repetitions of the release that comes first.
    #[must_use]
    pub fn repeating(epsilon: f64, delta: f64, first: &Release) -> Self {
        Self::best(epsilon, delta, Curve::of(first).points())
    }

    /// What the releases of the accountant cost at the filter's order, as an epsilon at its delta: within the budget if it is at most
    /// the filter's epsilon. Infinite where nothing can be said.
    ///
    /// # Security
    ///
    /// A budget holds if this was asked, with the next release in the accountant, before every release.
    #[must_use]
    pub fn cost(&self, accountant: &Accountant) -> Statement {
        Statement {
            epsilon: self.epsilon_of(accountant),
            delta: self.delta,
            unit: accountant.unit,
            observer: Observer::Everyone,
        }
    }

    fn best(epsilon: f64, delta: f64, costs: impl Iterator<Item = (f64, f64)>) -> Self {
        let admitted = |order: f64, cost: f64| (epsilon - surcharge(order, delta)) / cost;
        let rated = costs.map(|(order, cost)| (order, admitted(order, cost)));
        let best = rated.fold((2.0, f64::NEG_INFINITY), |best, next| {
            if next.1 > best.1 { next } else { best }
        });
        Self {
            epsilon,
            delta,
            order: best.0,
        }
    }

    fn epsilon_of(&self, accountant: &Accountant) -> f64 {
        let within = self.delta > 0.0 && self.delta < 1.0;
        // The distances of the tables have a budget of their own: a part of delta that is fixed before the first release.
        let tv = accountant.tv.to_f64_up() * (1.0 + self.epsilon.exp()) * MARGIN;
        let affordable = tv <= self.delta * TABLES;
        if !within || !affordable {
            return f64::INFINITY;
        }
        let mut points = accountant.curve.points();
        let point = points.find(|(order, _)| *order >= self.order);
        let divergence = point.map_or(f64::INFINITY, |(_, divergence)| divergence);
        let rest = self.delta * (1.0 - TABLES);
        let converted = (divergence + surcharge(self.order, rest)).max(0.0) * MARGIN;
        // A pure epsilon takes nothing of delta, so it may be asked beside the order.
        converted.min(accountant.curve.pure())
    }
}

/// What the conversion to epsilon adds to the divergence of an order.
// spec: [noise.account.conversion]
fn surcharge(order: f64, delta: f64) -> f64 {
    (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
}

/// Part of delta for the distance of the tables from their laws: 2^-20.
const TABLES: f64 = 1.0 / 1_048_576.0;
const MARGIN: f64 = 1.0 + 1e-12;
