//! The member's side: its secrets, what it adds, what it reveals.

use std::fmt;

use super::chain::{BaseSeed, ChainEnd, ChainValue, NoiseContext};
use super::{Level, NoisePlan};
use crate::NoiseStream;

/// All noise secrets of a member in one attempt.
///
/// # Security
///
/// Whoever has them takes the noise off. They are drawn afresh for each advert; after the reveal they are dropped, which
/// wipes them.
pub struct NoiseSecrets {
    base: BaseSeed,
    chain: NoiseChain,
}

/// What a member keeps of its noise once it is in the contribution: the chain, for the one value it may reveal.
pub struct NoiseChain {
    context: NoiseContext,
    first: ChainValue,
}

/// The keystreams of one member's noise; wiped on drop.
///
/// # Security
///
/// It serves one contribution: the same noise under two updates gives their difference.
pub struct MemberNoise {
    context: NoiseContext,
    base: NoiseStream,
    components: Vec<NoiseStream>,
}

impl NoiseSecrets {
    /// From two independent, fresh, uniform seeds.
    #[must_use]
    pub const fn new(context: NoiseContext, base: BaseSeed, first: ChainValue) -> Self {
        Self {
            base,
            chain: NoiseChain { context, first },
        }
    }

    /// Wipes the base seed, which is of no use once the noise is in the contribution.
    #[must_use]
    pub fn into_chain(self) -> NoiseChain {
        self.chain
    }

    /// What the noise is for.
    #[must_use]
    pub const fn context(&self) -> &NoiseContext {
        &self.chain.context
    }
}

impl NoiseChain {
    /// The value at `index`, from 1.
    fn value(&self, index: u32) -> ChainValue {
        self.first.walk(&self.context, 1, index, |_, _| ())
    }
}

impl MemberNoise {
    /// What the noise is for.
    #[must_use]
    pub const fn context(&self) -> &NoiseContext {
        &self.context
    }

    #[cfg(test)]
    pub(super) fn streams(&self) -> impl Iterator<Item = &NoiseStream> {
        std::iter::once(&self.base).chain(&self.components)
    }
}

impl fmt::Debug for NoiseSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base: _, chain } = self; // a new field must be decided on here
        f.debug_struct("NoiseSecrets")
            .field("context", &chain.context)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NoiseChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, first: _ } = self; // a new field must be decided on here
        f.debug_struct("NoiseChain")
            .field("context", context)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MemberNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            context,
            base: _,
            components: _,
        } = self; // a new field must be decided on here
        f.debug_struct("MemberNoise")
            .field("context", context)
            .finish_non_exhaustive()
    }
}

impl NoisePlan {
    /// The end of a member's chain, for its advert.
    // spec: [noise.chain.end]
    #[must_use]
    pub fn chain_end(&self, secrets: &NoiseSecrets) -> ChainEnd {
        secrets.chain.value(self.components_count() + 1).end()
    }

    /// Expands the keys of base and all components.
    #[must_use]
    pub fn member_noise(&self, secrets: &NoiseSecrets) -> MemberNoise {
        let NoiseChain { context, first } = &secrets.chain;
        let mut components = Vec::new();
        first.walk(context, 1, self.components_count() + 1, |value, index| {
            components.push(NoiseStream::new(value.component_key(context, index)));
        });
        MemberNoise {
            context: *context,
            base: NoiseStream::new(secrets.base.key(context)),
            components,
        }
    }

    /// Whether a member's noise has as many components as the plan. Noise of a plan with fewer would be too little.
    #[must_use]
    pub fn has_components_of(&self, noise: &MemberNoise) -> bool {
        self.components.len() == noise.components.len()
    }

    /// Adds base and all components of coordinates `first, first + 1, ...` to `out`.
    ///
    /// Ranges may be drawn in any order and in parallel; together they must cover each coordinate once. A range of
    /// 16 384 is long enough that a table, once in the cache, serves many draws.
    // spec: [noise.member.adds]
    pub fn draw(&self, noise: &MemberNoise, first: u64, out: &mut [i64]) {
        self.base.sampler.add(&noise.base, first, out);
        for (part, stream) in self.components.iter().zip(&noise.components) {
            part.sampler.add(stream, first, out);
        }
    }

    /// What a live survivor reveals once the certificate fixes the level: `s_(level + 1)`, or nothing if all stay.
    ///
    /// # Security
    ///
    /// Call it for the level of the certified set and for no other: a second, earlier value takes off noise the
    /// guarantee needs.
    // spec: [noise.reveal.one]
    #[must_use]
    pub fn reveal(&self, secrets: &NoiseSecrets, level: Level) -> Option<ChainValue> {
        self.reveal_of(&secrets.chain, level)
    }

    /// As [`NoisePlan::reveal`], and wipes the chain: there is no second value to give.
    // spec: [noise.reveal.one]
    #[must_use]
    pub fn reveal_once(&self, chain: NoiseChain, level: Level) -> Option<ChainValue> {
        self.reveal_of(&chain, level)
    }

    /// Adds what stays of a member's noise once its surplus above `level` is removed.
    ///
    /// Not for a member, which adds everything: for whoever holds the secrets of all and checks a sum.
    pub fn draw_kept(&self, noise: &MemberNoise, level: Level, first: u64, out: &mut [i64]) {
        self.base.sampler.add(&noise.base, first, out);
        let kept = self.components.iter().zip(&noise.components);
        for (part, stream) in kept.take(level.0) {
            part.sampler.add(stream, first, out);
        }
    }

    fn reveal_of(&self, chain: &NoiseChain, level: Level) -> Option<ChainValue> {
        let index = u32::try_from(level.0).ok()? + 1;
        (index <= self.components_count()).then(|| chain.value(index))
    }

    pub(super) fn components_count(&self) -> u32 {
        // 16 at most.
        u32::try_from(self.components.len()).unwrap_or(u32::MAX)
    }
}
