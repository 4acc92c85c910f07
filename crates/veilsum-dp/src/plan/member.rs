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
    context: NoiseContext,
    base: BaseSeed,
    first: ChainValue,
}

/// The keystreams of one member's noise; wiped on drop.
pub struct MemberNoise {
    base: NoiseStream,
    components: Vec<NoiseStream>,
}

impl NoiseSecrets {
    /// From two independent, fresh, uniform seeds.
    #[must_use]
    pub const fn new(context: NoiseContext, base: BaseSeed, first: ChainValue) -> Self {
        Self {
            context,
            base,
            first,
        }
    }
}

impl MemberNoise {
    #[cfg(test)]
    pub(super) fn streams(&self) -> impl Iterator<Item = &NoiseStream> {
        std::iter::once(&self.base).chain(&self.components)
    }
}

impl fmt::Debug for NoiseSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            context,
            base: _,
            first: _,
        } = self; // a new field must be decided on here
        f.debug_struct("NoiseSecrets")
            .field("context", context)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MemberNoise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            base: _,
            components: _,
        } = self; // a new field must be decided on here
        f.write_str("MemberNoise(..)")
    }
}

impl NoisePlan {
    /// The end of a member's chain, for its advert.
    // spec: [noise.chain.end]
    #[must_use]
    pub fn chain_end(&self, secrets: &NoiseSecrets) -> ChainEnd {
        let last = self.components_count() + 1;
        let end = secrets.first.walk(&secrets.context, 1, last, |_, _| ());
        end.end()
    }

    /// Expands the keys of base and all components.
    #[must_use]
    pub fn member_noise(&self, secrets: &NoiseSecrets) -> MemberNoise {
        let context = &secrets.context;
        let mut components = Vec::new();
        secrets
            .first
            .walk(context, 1, self.components_count() + 1, |value, index| {
                components.push(NoiseStream::new(value.component_key(context, index)));
            });
        MemberNoise {
            base: NoiseStream::new(secrets.base.key(context)),
            components,
        }
    }

    /// Adds base and all components of coordinates `first, first + 1, ...` to `out`.
    ///
    /// Ranges may be drawn in any order and in parallel; together they must cover each coordinate once.
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
        let index = u32::try_from(level.0).ok()? + 1;
        (index <= self.components_count())
            .then(|| secrets.first.walk(&secrets.context, 1, index, |_, _| ()))
    }

    pub(super) fn components_count(&self) -> u32 {
        // 16 at most.
        u32::try_from(self.components.len()).unwrap_or(u32::MAX)
    }
}
