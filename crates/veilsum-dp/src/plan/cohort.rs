//! How many members there are, how many may vanish, how many are corrupt; and the shares that follow.

use serde::{Deserialize, Serialize};

use super::NoisePlanError;
use crate::Rational;

/// Members as the noise reckons with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Cohort {
    members: u32,
    tolerated: u32,
    corrupt: u32,
}

impl Cohort {
    /// Most members a plan is made for.
    pub const MEMBERS_MAX: u32 = 1 << 20;

    /// `members` slots of the roster or cohort, never the number that advertised; at most `tolerated` of them missing
    /// from the sum, absent slots included; at most `corrupt` of them corrupt.
    ///
    /// # Errors
    ///
    /// No honest survivor may be left, or there are more than [`Self::MEMBERS_MAX`] members.
    pub fn new(members: u32, tolerated: u32, corrupt: u32) -> Result<Self, NoisePlanError> {
        if members > Self::MEMBERS_MAX {
            return Err(NoisePlanError::TooManyMembers { found: members });
        }
        if u64::from(tolerated) + u64::from(corrupt) >= u64::from(members) {
            return Err(NoisePlanError::NoHonestSurvivor {
                members,
                tolerated,
                corrupt,
            });
        }
        Ok(Self {
            members,
            tolerated,
            corrupt,
        })
    }

    /// Slots, `n`.
    #[must_use]
    pub const fn members(self) -> u32 {
        self.members
    }

    /// Drop-outs tolerated, `T`.
    #[must_use]
    pub const fn tolerated(self) -> u32 {
        self.tolerated
    }

    /// Corrupt members assumed, `c`.
    #[must_use]
    pub const fn corrupt(self) -> u32 {
        self.corrupt
    }

    /// The fewest honest members of a sum, `n - T - c`: the corrupt may all survive while honest ones drop.
    #[must_use]
    pub const fn honest_survivors(self) -> u32 {
        self.members - self.tolerated - self.corrupt
    }

    /// `F = (n - T) / (n - T - c)`, by which the target is raised for what the corrupt know of it.
    // spec: [noise.plan.factor]
    #[must_use]
    pub fn inflation(self) -> Rational {
        ratio(
            self.members - self.tolerated,
            self.honest_survivors().into(),
        )
    }

    /// `D_i = ceil(i T / m)` for `i` from 0 to `m = min(T, 16)`.
    // spec: [noise.plan.levels]
    pub(super) fn levels(self) -> Vec<u32> {
        let count = self.tolerated.min(COMPONENTS_MAX);
        let level = |i: u32| match count {
            0 => 0,
            count => (i * self.tolerated).div_ceil(count),
        };
        (0..=count).map(level).collect()
    }

    /// The part of the target that each of the fewest honest members adds.
    // spec: [noise.plan.shared]
    pub(super) fn honest_share(self) -> Rational {
        ratio(1, self.honest_survivors().into())
    }

    /// The parts of the target in base and components: `F / n`, and
    /// `F (D_i - D_(i-1)) / ((n - D_i)(n - D_(i-1)))`. Base and components 1 to i add up to `F / (n - D_i)`.
    // spec: [noise.plan.shares]
    pub(super) fn exact_shares(self, levels: &[u32]) -> (Rational, Vec<Rational>) {
        let inflation = self.inflation();
        let base = &inflation * &ratio(1, self.members.into());
        let steps = levels.iter().zip(levels.iter().skip(1));
        let components = steps.map(|(before, here)| {
            let left = u64::from(self.members - before) * u64::from(self.members - here);
            &inflation * &ratio(here - before, left)
        });
        (base, components.collect())
    }
}

/// A quotient whose divisor is positive by what [`Cohort::new`] checks.
pub(super) fn ratio(numerator: u32, denominator: u64) -> Rational {
    Rational::new(numerator.into(), denominator).unwrap_or_else(Rational::zero)
}

/// Most components of a member.
const COMPONENTS_MAX: u32 = 16;

/// A cohort as files have it, its numbers not looked at yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    members: u32,
    tolerated: u32,
    corrupt: u32,
}

impl TryFrom<Unchecked> for Cohort {
    type Error = NoisePlanError;

    fn try_from(cohort: Unchecked) -> Result<Self, NoisePlanError> {
        Self::new(cohort.members, cohort.tolerated, cohort.corrupt)
    }
}
