//! The coordinator's side: a revealed chain value becomes noise that is subtracted from the unpacked sum.

use thiserror::Error;

use super::chain::{ChainEnd, ChainValue, NoiseContext};
use super::{Level, NoisePlan};
use crate::NoiseStream;

/// The surplus noise of one survivor, checked against its advert.
#[derive(Debug)]
pub struct Surplus {
    context: NoiseContext,
    /// Components below it stay.
    level: Level,
    streams: Vec<NoiseStream>,
}

/// Why a revealed value removes nothing. The member's surplus then stays in the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SurplusError {
    /// The value is not on the advertised chain.
    #[error("found a chain value that does not lead to the advertised end")]
    NotOnChain,
    /// All components stay at this level.
    #[error("found a chain value where all noise stays, wanted none")]
    NothingToRemove,
}

impl Surplus {
    /// Whose noise it is.
    #[must_use]
    pub const fn context(&self) -> &NoiseContext {
        &self.context
    }

    /// The level it brings the noise of its member down to.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }
}

impl NoisePlan {
    /// Takes a revealed chain value of the member that `context` names, for the level of the certified set.
    ///
    /// # Errors
    ///
    /// The value does not hash to the advertised end, which names the member as faulty, or nothing is to be removed.
    // spec: [noise.reveal.checked]
    pub fn surplus(
        &self,
        revealed: &ChainValue,
        end: &ChainEnd,
        context: &NoiseContext,
        level: Level,
    ) -> Result<Surplus, SurplusError> {
        let last = self.components_count() + 1;
        let first = u32::try_from(level.0).map_or(last, |level| level + 1);
        if first >= last {
            return Err(SurplusError::NothingToRemove);
        }
        let mut streams = Vec::new();
        let found = revealed.walk(context, first, last, |value, index| {
            streams.push(NoiseStream::new(value.component_key(context, index)));
        });
        if !found.is_end(end) {
            return Err(SurplusError::NotOnChain);
        }
        Ok(Surplus {
            context: *context,
            level,
            streams,
        })
    }

    /// Subtracts surpluses of one or many members from the sums of coordinates `first, first + 1, ...`, wrapping.
    ///
    /// `sums` are unpacked: a negative subtrahend would borrow across packed lanes. Ranges may be done in any order and
    /// in parallel; together they must cover each coordinate once.
    // spec: [noise.reveal.subtract]
    pub fn remove(&self, surplus: &[Surplus], first: u64, sums: &mut [i64]) {
        // Component by component over all members, so that one table at a time is in the cache.
        for (index, part) in self.components.iter().enumerate() {
            for surplus in surplus {
                let stream = index.checked_sub(surplus.level.0);
                if let Some(stream) = stream.and_then(|index| surplus.streams.get(index)) {
                    part.sampler.subtract(stream, first, sums);
                }
            }
        }
    }

    /// Whether a surplus has the components this plan has above its level.
    #[must_use]
    pub fn has_components_of_surplus(&self, surplus: &Surplus) -> bool {
        surplus.level.0 + surplus.streams.len() == self.components.len()
    }
}
