//! What came out of a simulated round.

use crate::cost::{Costs, PhaseCosts};
use serde::Serialize;
use veilsum_dp::{Kept, Statement};
use veilsum_proto::abort::Abort;
use veilsum_proto::fault::Fault;
use veilsum_proto::ids::Slot;
use veilsum_proto::parameters::Parameters;
use veilsum_proto::refusal::Refusal;

/// The result of one round over all its attempts.
#[derive(Clone, Debug)]
pub struct Report {
    /// Members of the roster.
    pub members: u32,
    /// Coordinates.
    pub dim: usize,
    /// Bits of a lane.
    pub lane_bits: u8,
    /// Derived parameters.
    pub parameters: Parameters,
    /// Certified survivors, ascending; empty after an abort.
    pub survivors: Vec<Slot>,
    /// Members that vanished, by slot.
    pub dropped: Vec<Dropped>,
    /// Members that were blamed, in order.
    pub faults: Vec<Blame>,
    /// What honest members refused, in order.
    pub refusals: Vec<(Slot, Refusal)>,
    /// The sum per coordinate; none after an abort.
    pub sum: Option<Vec<i64>>,
    /// SHA-256 of the sum as little-endian 64-bit integers.
    pub sum_sha256: Option<[u8; 32]>,
    /// Whether the sum equals the plain sum of the survivors' inputs and of the noise that stays; false after an abort.
    pub exact: bool,
    /// What the noise in the sum is and guarantees; none after an abort and in tasks without noise.
    pub noise: Option<NoiseReport>,
    /// Attempt that ended the round.
    pub attempt: u32,
    /// Why there is no sum, if there is none.
    pub abort: Option<Abort>,
    /// CPU time of the median member in milliseconds.
    pub member_cpu_ms: PhaseCosts,
    /// CPU time of the coordinator in seconds.
    pub coordinator_cpu_s: PhaseCosts,
    /// Most bytes any member sent.
    pub member_upload_bytes: u64,
    /// Most bytes any member received.
    pub member_download_bytes: u64,
    /// Most bytes the coordinator's machines held at the end of a step.
    pub coordinator_peak_bytes: usize,
    /// Wall-clock time of the round.
    pub wall_s: f64,
}

/// Noise of a sum.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseReport {
    /// What this round guarantees on its own.
    pub statement: Statement,
    /// How much noise the sum carries, in steps.
    pub kept: Kept,
    /// Components of each survivor's noise that stay.
    pub level: usize,
    /// Survivors whose surplus could not be removed, ascending.
    pub unremoved: Vec<Slot>,
}

/// A member that vanished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Slot.
    pub id: Slot,
    /// Phase.
    pub phase: &'static str,
}

/// A member that was blamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// Slot.
    pub id: Slot,
    /// Stable name of the fault.
    pub kind: &'static str,
    /// The fault in words.
    pub text: String,
}

impl From<Fault> for Blame {
    fn from(fault: Fault) -> Self {
        Self {
            id: fault.slot,
            kind: fault.kind.name(),
            text: fault.kind.to_string(),
        }
    }
}

/// CPU time of the member with the median total.
pub(crate) fn median(costs: impl Iterator<Item = Costs>) -> Costs {
    let mut costs = costs.collect::<Vec<_>>();
    costs.sort_by_key(Costs::total);
    costs.get(costs.len() / 2).copied().unwrap_or_default()
}
