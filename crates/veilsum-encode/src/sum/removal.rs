//! Takes off the noise that a sum does not need.

use std::collections::BTreeSet;

use rayon::prelude::*;
use veilsum_dp::{NoiseContext, NoisePlan, Surplus};

use super::{DecodeError, IntegerSum};
use crate::Plan;

impl IntegerSum {
    /// Subtracts the surplus noise of contributors, all at once, in place and in parallel.
    ///
    /// The sum is then exactly that of the same contributions with less noise: base and the components that stay. What a
    /// contributor added that its surplus does not say stays in, whatever it is.
    ///
    /// # Security
    ///
    /// A surplus that is not in the sum adds as much noise as it should have taken off; that each is of a contributor is
    /// up to the caller.
    ///
    /// # Errors
    ///
    /// The sum was unpacked with another plan, surplus noise was removed before, the noise plan is not that of the plan,
    /// or the surpluses are of one member twice, of different rounds, attempts or levels, of another noise plan, or more
    /// than there are contributors. The sum is then as it was.
    // spec: [encode.sum.remove]
    pub fn remove(
        &mut self,
        plan: &Plan,
        noise: &NoisePlan,
        surplus: &[Surplus],
    ) -> Result<(), DecodeError> {
        self.check_plan(plan)?;
        if self.removed {
            return Err(DecodeError::RemovedTwice);
        }
        if noise.bound() != plan.noise_bound() {
            return Err(DecodeError::NoiseBound {
                found: noise.bound(),
                wanted: plan.noise_bound(),
            });
        }
        self.check_surplus(noise, surplus)?;
        // spec: [noise.reveal.subtract]
        let pages = self.values.par_chunks_mut(NOISE_PAGE).enumerate();
        pages.for_each(|(page, values)| {
            let first = page.saturating_mul(NOISE_PAGE) as u64;
            // The planner leaves room for all of it, so nothing wraps.
            noise.remove(surplus, first, values);
        });
        self.removed = true;
        Ok(())
    }

    fn check_surplus(&self, noise: &NoisePlan, surplus: &[Surplus]) -> Result<(), DecodeError> {
        if surplus.len() > self.contributors() as usize {
            return Err(DecodeError::TooMuchSurplus {
                found: surplus.len(),
                contributors: self.contributors(),
            });
        }
        let mut slots = BTreeSet::new();
        let attempt = |surplus: &Surplus| {
            let NoiseContext {
                task,
                round,
                attempt,
                slot: _,
            } = *surplus.context();
            (task, round, attempt, surplus.level())
        };
        let first = surplus.first().map(attempt);
        for surplus in surplus {
            let slot = surplus.context().slot;
            if !noise.has_components_of_surplus(surplus) {
                return Err(DecodeError::OtherNoise);
            }
            if Some(attempt(surplus)) != first {
                return Err(DecodeError::MixedSurplus);
            }
            if !slots.insert(slot) {
                return Err(DecodeError::SurplusTwice { slot });
            }
        }
        Ok(())
    }
}

/// Coordinates whose noise is drawn in one go, as on the member's side.
const NOISE_PAGE: usize = 16_384;
