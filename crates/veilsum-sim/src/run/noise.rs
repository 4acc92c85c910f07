//! The noise that should be in a sum: the simulation holds the seeds of all members.

use super::Run;
use crate::report::NoiseReport;
use rayon::prelude::*;
use veilsum_proto::coordinator::{Finished, SumNoise};

impl Run<'_> {
    /// Adds what should stay of the survivors' noise, from their own seeds.
    pub(super) fn add_noise(&self, finished: &Finished, sum: &mut [i64]) {
        let context = finished.context();
        let Some((of_round, stays)) = context.noise.as_ref().zip(finished.noise()) else {
            return;
        };
        let survivors = finished.sum().survivors().bitmap();
        let members = self.members.iter();
        let members = members.filter(|member| survivors.contains(member.slot));
        let noises = members
            .filter_map(|member| Some((member.slot, member.noise.as_ref()?)))
            .collect::<Vec<_>>();
        let plan = of_round.plan();
        let pages = sum.par_chunks_mut(NOISE_PAGE).enumerate();
        pages.for_each(|(page, sum)| {
            let first = (page as u64).saturating_mul(NOISE_PAGE as u64);
            for (slot, noise) in &noises {
                match stays.unremoved.contains(slot) {
                    true => plan.draw(noise, first, sum),
                    false => plan.draw_kept(noise, stays.level, first, sum),
                }
            }
        });
    }
}

pub(super) fn noise_report(finished: &Finished) -> Option<NoiseReport> {
    let SumNoise {
        kept,
        level,
        unremoved,
    } = finished.noise()?;
    Some(NoiseReport {
        statement: finished.context().noise.as_ref()?.statement(),
        kept: kept.clone(),
        level: level.components(),
        unremoved: unremoved.clone(),
    })
}

/// Coordinates whose noise is drawn in one go.
const NOISE_PAGE: usize = 16_384;
