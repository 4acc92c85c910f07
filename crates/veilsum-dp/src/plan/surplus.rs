//! The coordinator's side: a revealed chain value becomes noise that is subtracted from the unpacked sum.

use thiserror::Error;

use super::chain::{ChainEnd, ChainValue, NoiseContext};
use super::{Level, NoisePlan};
use crate::NoiseStream;

/// The surplus noise of one survivor, checked against its advert.
#[derive(Debug)]
pub struct Surplus {
    /// Index, from 0, of the first component removed.
    first: usize,
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
            first: level.0,
            streams,
        })
    }

    /// Subtracts a surplus from the sums of coordinates `first, first + 1, ...`.
    ///
    /// `sums` are unpacked: a negative subtrahend would borrow across packed lanes.
    // spec: [noise.reveal.subtract]
    pub fn remove(&self, surplus: &Surplus, first: u64, sums: &mut [i64]) {
        let parts = self.components.iter().skip(surplus.first);
        for (part, stream) in parts.zip(&surplus.streams) {
            part.sampler.subtract(stream, first, sums);
        }
    }
}
