//! Not the plan of lanes, that is `veilsum-encode`'s; and not who survives, that is certified in `veilsum-proto`.
//!
//! What it is for: which member adds which noise, and how the surplus of members that did not drop out is taken off
//! again, so that the sum carries the target for every number of drop-outs up to the tolerated one. `spec/noise.md`,
//! sections 5 and 6; R12 of the security rules.

mod chain;
mod cohort;
mod kept;
mod member;
mod surplus;

pub use self::chain::{
    BASE_LABEL, BaseSeed, CHAIN_LABEL, COMPONENT_LABEL, ChainEnd, ChainValue, NoiseContext,
};
pub use self::cohort::Cohort;
pub use self::kept::Kept;
pub use self::member::{MemberNoise, NoiseChain, NoiseSecrets};
pub use self::surplus::{Surplus, SurplusError};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Law, LawError, NoiseBound, Rational, Sampler, SamplerError};

/// Who carries the target noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Every member alone: the guarantee holds against everyone but the member itself, at the price of `n` times the
    /// noise.
    Local,
    /// The fewest honest members that a sum may have, together. More survivors only add noise.
    Shared,
    /// As shared, with the surplus of survivors removed after the certificate, so that the sum carries the same
    /// noise whatever the drop-out. Only for laws that are infinitely divisible.
    DropoutExact,
}

/// Noise of all members of a task.
///
/// ```
/// use veilsum_dp::{Cohort, Law, NoisePlan, Rational, Sharing};
///
/// let target = Law::skellam(Rational::integer(1000))?;
/// let plan = NoisePlan::derive(target, Cohort::new(10, 3, 1)?, Sharing::DropoutExact)?;
/// for dropped in 0..=3 {
///     let kept = plan.kept(dropped, 0)?;
///     assert_eq!(kept.variance().lower, "3500/3".parse()?); // 1000 * 7 / 6: one of the others may know its own
///     assert!(kept.excess().is_zero());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NoisePlan {
    target: Law,
    cohort: Cohort,
    sharing: Sharing,
    /// `D_0 = 0, ..., D_m`.
    levels: Vec<u32>,
    base: Part,
    /// Component `i` of the rules is at `i - 1`.
    components: Vec<Part>,
}

/// Noise that one key stands for.
#[derive(Clone, Debug)]
struct Part {
    law: Law,
    sampler: Sampler,
}

/// How many components stay in the sum: components `1..=level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(usize);

/// Why there is no such plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoisePlanError {
    /// Nobody honest may be left.
    #[error(
        "found {members} members, of which {tolerated} may vanish and {corrupt} are corrupt, wanted at least one honest survivor"
    )]
    NoHonestSurvivor {
        /// Slots of the roster or cohort.
        members: u32,
        /// Drop-outs tolerated.
        tolerated: u32,
        /// Corrupt members assumed.
        corrupt: u32,
    },
    /// More members than the arithmetic is laid out for.
    #[error("found {found} members, wanted at most {}", Cohort::MEMBERS_MAX)]
    TooManyMembers {
        /// Slots of the roster or cohort.
        found: u32,
    },
    /// Shares of a discrete Gaussian do not sum to one.
    #[error(
        "found a discrete gaussian with removal, wanted discrete laplace or skellam: shares of a discrete gaussian do not add up"
    )]
    NotDivisible,
    /// A target that is itself a share.
    #[error(
        "found a polya law of shape {found} as target, wanted discrete laplace, which has shape 1"
    )]
    TargetIsShare {
        /// Its shape.
        found: Rational,
    },
    /// More members are missing than the noise was made for.
    #[error("found {found} of the members missing, the noise tolerates {tolerated}")]
    TooManyDropped {
        /// Missing members.
        found: u32,
        /// Drop-outs tolerated.
        tolerated: u32,
    },
    /// A share is too small or too large.
    #[error(transparent)]
    Law(#[from] LawError),
    /// A share has no sampler.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
}

impl Level {
    /// Components that stay, from the first on.
    #[must_use]
    pub const fn components(self) -> usize {
        self.0
    }
}

impl NoisePlan {
    /// Derives the noise of every member and compiles its tables.
    ///
    /// `target` is what the sum of the honest survivors' noise is accounted as; with [`Sharing::Local`], what each
    /// member's is.
    ///
    /// # Errors
    ///
    /// A discrete Gaussian with removal, a target that is not of shape 1, or a share that no table holds.
    pub fn derive(target: Law, cohort: Cohort, sharing: Sharing) -> Result<Self, NoisePlanError> {
        if let Law::Polya { shape, .. } = &target
            && *shape != Rational::integer(1)
        {
            return Err(NoisePlanError::TargetIsShare {
                found: shape.clone(),
            });
        }
        // spec: [noise.plan.gaussian]
        if sharing == Sharing::DropoutExact && !target.is_infinitely_divisible() {
            return Err(NoisePlanError::NotDivisible);
        }
        let levels = match sharing {
            Sharing::DropoutExact => cohort.levels(),
            Sharing::Local | Sharing::Shared => vec![0],
        };
        let fractions = match sharing {
            Sharing::Local => (Rational::integer(1), Vec::new()),
            Sharing::Shared => (cohort.honest_share(), Vec::new()),
            Sharing::DropoutExact => cohort.exact_shares(&levels),
        };
        let part = |fraction: &Rational| -> Result<Part, NoisePlanError> {
            let law = target.share(fraction)?;
            let sampler = Sampler::compile(&law)?;
            Ok(Part { law, sampler })
        };
        Ok(Self {
            base: part(&fractions.0)?,
            components: fractions.1.iter().map(part).collect::<Result<_, _>>()?,
            target,
            cohort,
            sharing,
            levels,
        })
    }

    /// What the noise of honest survivors is accounted as.
    #[must_use]
    pub const fn target(&self) -> &Law {
        &self.target
    }

    /// The members the plan is made for.
    #[must_use]
    pub const fn cohort(&self) -> Cohort {
        self.cohort
    }

    /// Who carries the target.
    #[must_use]
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Honest shares that together carry the target: 1 where every member carries it alone.
    #[must_use]
    pub const fn honest_shares(&self) -> u32 {
        match self.sharing {
            Sharing::Local => 1,
            Sharing::Shared | Sharing::DropoutExact => self.cohort.honest_survivors(),
        }
    }

    /// Drop-outs `D_0 = 0 < D_1 < ... < D_m` at which a further component is needed.
    #[must_use]
    pub fn levels(&self) -> &[u32] {
        &self.levels
    }

    /// The law of the base noise of one member.
    #[must_use]
    pub const fn base(&self) -> &Law {
        &self.base.law
    }

    /// The laws of components 1 to m of one member.
    pub fn components(&self) -> impl ExactSizeIterator<Item = &Law> {
        self.components.iter().map(|part| &part.law)
    }

    /// Largest noise of one member on one coordinate: the clamps of base and components added.
    // spec: [noise.plan.bound]
    #[must_use]
    pub fn bound(&self) -> NoiseBound {
        let clamps = self.parts().map(|part| part.sampler.bound().get());
        NoiseBound::new(clamps.sum())
    }

    /// Bytes of all tables of the plan; each alone is at most [`crate::TABLE_BYTES_MAX`].
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.parts().map(|part| part.sampler.table_bytes()).sum()
    }

    /// Proven bound of the total variation distance between the noise as drawn and as accounted, over this many
    /// coordinates, all members and all components: the `TV` of `delta += (1 + e^epsilon) TV`.
    // spec: [noise.plan.distance]
    #[must_use]
    pub fn tv_total(&self, coordinates: u64) -> Rational {
        let per_member: Rational = self
            .parts()
            .map(|part| part.sampler.distance().clone())
            .sum();
        let values = Rational::integer(coordinates);
        &(&per_member * &values) * &Rational::integer(self.cohort.members().into())
    }

    /// The components that stay when `dropped` of the members are not in the certified set: the smallest level whose
    /// drop-outs are at least as many.
    ///
    /// # Errors
    ///
    /// More members are missing than tolerated; a member must not sign such a set.
    // spec: [noise.plan.level]
    pub fn level(&self, dropped: u32) -> Result<Level, NoisePlanError> {
        let tolerated = self.cohort.tolerated();
        if dropped > tolerated {
            return Err(NoisePlanError::TooManyDropped {
                found: dropped,
                tolerated,
            });
        }
        let level = self.levels.iter().position(|level| *level >= dropped);
        Ok(Level(level.unwrap_or(0)))
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.base).chain(&self.components)
    }
}

#[cfg(test)]
mod tests;
