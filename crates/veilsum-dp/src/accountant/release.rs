//! One noised sum, as the accountant sees it.

use serde::{Deserialize, Serialize};

use super::renyi::Curve;
use crate::sensitivity::{Sensitivity, Unit};
use crate::{Law, NoisePlan, Rational};

/// The noise of one round against the sensitivity of its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    law: Law,
    /// Honest shares the law is made of; matters for the discrete Gaussian alone.
    shares: u32,
    unit: Unit,
    replace: bool,
    coordinates: u64,
    l1: Rational,
    l2_squared: Rational,
    tv: Rational,
}

impl Release {
    /// A round of a plan. Noise on all coordinates the sensitivity is over.
    #[must_use]
    pub fn of(plan: &NoisePlan, sensitivity: &Sensitivity) -> Self {
        let tv = plan.tv_total(sensitivity.coordinates());
        Self::new(plan.target().clone(), plan.honest_shares(), sensitivity, tv)
    }

    pub(super) fn new(law: Law, shares: u32, sensitivity: &Sensitivity, tv: Rational) -> Self {
        Self {
            law,
            shares,
            unit: sensitivity.unit(),
            replace: sensitivity.adjacency() == crate::Adjacency::Replace,
            coordinates: sensitivity.coordinates(),
            l1: sensitivity.l1().clone(),
            l2_squared: sensitivity.l2_squared().clone(),
            tv,
        }
    }

    /// The same round as a release for `unit`, where it bounds one: any release bounds its own unit, and one for the unit member
    /// bounds the examples of members too. An example changes its member's part into another one, so a sensitivity that
    /// compares with zeros counts twice: once to the zeros, once back.
    // spec: [noise.account.examples]
    #[must_use]
    pub fn for_unit(&self, unit: Unit) -> Option<Self> {
        let mut release = self.clone();
        match (self.unit, unit) {
            (Unit::Example, Unit::Member) => return None,
            (Unit::Member, Unit::Example) if !self.replace => {
                release.l1 = &self.l1 * &Rational::integer(2);
                release.l2_squared = &self.l2_squared * &Rational::integer(4);
                release.replace = true;
            }
            (Unit::Member, _) | (Unit::Example, Unit::Example) => {}
        }
        release.unit = unit;
        Some(release)
    }

    /// Whose presence the noise hides.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The law the noise of honest survivors is accounted as.
    #[must_use]
    pub const fn law(&self) -> &Law {
        &self.law
    }

    /// Proven distance of the noise drawn from that law.
    #[must_use]
    pub const fn tv(&self) -> &Rational {
        &self.tv
    }

    /// Epsilon of pure differential privacy of the law: L1 sensitivity over scale for discrete Laplace, none for the
    /// others.
    #[must_use]
    pub fn pure_epsilon(&self) -> Option<Rational> {
        match &self.law {
            Law::Polya { scale, .. } => self.l1.checked_div(scale),
            Law::Skellam { .. } | Law::DiscreteGaussian { .. } => None,
        }
    }

    pub(super) const fn is_replace(&self) -> bool {
        self.replace
    }

    pub(super) const fn shares(&self) -> u32 {
        self.shares
    }

    pub(super) const fn coordinates(&self) -> u64 {
        self.coordinates
    }

    pub(super) const fn l1(&self) -> &Rational {
        &self.l1
    }

    pub(super) const fn l2_squared(&self) -> &Rational {
        &self.l2_squared
    }

    pub(super) fn curve(&self) -> Curve {
        Curve::of(self)
    }
}
