//! What the noise of a sum is worth. Not accounting itself: that is `veilsum-dp`'s, and what a site may spend is its own
//! ledger's to know.

use serde::Serialize;
use veilsum_dp::{Rational, Unit};
use veilsum_proto::{coordinator::Finished, ids::Slot};

/// The noise in the sum of a round: what it hides, and what it costs in accuracy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundPrivacy {
    /// Whose presence the noise hides.
    pub unit: Unit,
    /// Epsilon of this round alone; infinite if nothing can be said. The corrupt members and drop-outs that the task reckons
    /// with are counted in; what the sum carries beyond that is not.
    pub epsilon: f64,
    /// Epsilon of rounds 1 to this one together, had each of them a sum.
    pub epsilon_total: f64,
    /// Delta of both, as the task says.
    pub delta: f64,
    /// Variance of the noise on one coordinate of the sum, in squared steps, rounded up.
    pub variance: f64,
    /// Standard deviation of the noise on one coordinate of the mean, in the units of the values, rounded up.
    pub deviation: f64,
    /// Survivors whose surplus of noise could not be removed, ascending; it is in `variance`.
    pub unremoved: Vec<Slot>,
}

impl RoundPrivacy {
    /// Of a round that is over; `None` in a task without noise.
    // spec: [service.publish.noise] [noise.kept.stated]
    pub(crate) fn of(finished: &Finished) -> Option<Self> {
        let context = finished.context();
        let (noise, kept) = (context.noise.as_ref()?, finished.noise()?);
        let alone = noise.statement();
        // in an integer task a step is one
        let step = context.plan.step().unwrap_or_else(|| Rational::integer(1));
        let weight = finished.integers().weight();
        let deviation = kept.kept.deviation_of_mean(weight, &step);
        Some(Self {
            unit: alone.unit,
            epsilon: alone.epsilon,
            epsilon_total: noise.total(context.round.0).epsilon,
            delta: noise.delta(),
            variance: kept.kept.variance().upper.to_f64_up(),
            deviation: deviation.map_or(f64::INFINITY, |deviation| deviation.to_f64_up()),
            unremoved: kept.unremoved.clone(),
        })
    }
}
