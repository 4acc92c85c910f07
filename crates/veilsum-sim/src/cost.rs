//! What a round costs: CPU time by phase, bytes by direction.

use serde::Serialize;
use std::time::Duration;
use veilsum_proto::coordinator::PhaseName;

/// One number per phase of a report; the trips of Share and of Reveal are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PhaseCosts {
    /// Advertise.
    pub advertise: f64,
    /// Share, both trips.
    pub share: f64,
    /// Upload.
    pub upload: f64,
    /// Confirm.
    pub confirm: f64,
    /// Reveal, both trips, with unmasking.
    pub reveal: f64,
    /// All of them.
    pub total: f64,
}

/// CPU time by phase and bytes by direction of one party.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    phases: [Duration; 5],
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

impl Costs {
    /// Adds CPU time to a phase.
    pub fn spend(&mut self, phase: PhaseName, time: Duration) {
        if let Some(spent) = self.phases.get_mut(index(phase)) {
            *spent = spent.saturating_add(time);
        }
    }

    /// Seconds by phase, times `unit` (1 for seconds, 1000 for milliseconds).
    pub fn by_phase(&self, unit: f64) -> PhaseCosts {
        let [advertise, share, upload, confirm, reveal] =
            self.phases.map(|time| time.as_secs_f64() * unit);
        PhaseCosts {
            advertise,
            share,
            upload,
            confirm,
            reveal,
            total: advertise + share + upload + confirm + reveal,
        }
    }

    /// All CPU time.
    pub fn total(&self) -> Duration {
        self.phases.iter().sum()
    }
}

fn index(phase: PhaseName) -> usize {
    match phase {
        PhaseName::Advertise => 0,
        PhaseName::Share | PhaseName::Accept => 1,
        PhaseName::Upload => 2,
        PhaseName::Confirm => 3,
        PhaseName::Reveal | PhaseName::Recover | PhaseName::Finished | PhaseName::Aborted => 4,
    }
}
