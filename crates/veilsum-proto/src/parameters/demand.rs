//! What a task and a roster ask of the parameters.

use super::amount::Amount;
use super::choice::{ElectorateChoice, GraphChoice};
use super::walk::Walk;

/// What the parameters of a round are derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    /// Slots of the roster, or of the cohort of a round with client sampling.
    pub slots: u32,
    /// Members that may work with the coordinator; a rate is rounded down.
    pub corrupt: Amount,
    /// Slots that may be missing from the survivors or vanish before they have revealed, beside the corrupt ones that
    /// refuse; a rate is rounded up.
    pub dropout: Amount,
    /// Smallest survivor set a member accepts; derived when absent.
    pub floor: Option<u32>,
    /// Who masks with whom.
    pub graph: GraphChoice,
    /// Who signs the certificate.
    pub electorate: ElectorateChoice,
    /// Whether the task has differential privacy, whose noise is planned for the tolerated drop-outs.
    pub dp: bool,
}

impl Demand {
    /// A demand without wishes: graph, electorate and floor as the rules pick them, no differential privacy.
    pub fn new(slots: u32, corrupt: Amount, dropout: Amount) -> Self {
        Self {
            slots,
            corrupt,
            dropout,
            floor: None,
            graph: GraphChoice::Auto,
            electorate: ElectorateChoice::Auto,
            dp: false,
        }
    }

    /// The same demand for a round over a cohort of `size` of the roster's slots.
    ///
    /// The corrupt count becomes [`cohort_corrupt`] of it. A drop-out rate is one of the cohort, a drop-out count stays. At
    /// least as many as the roster has is the whole roster, and nothing changes.
    // spec: [params.cohort]
    pub fn for_cohort(&self, size: u32) -> Self {
        if size >= self.slots {
            return *self;
        }
        let corrupt = cohort_corrupt(self.slots, self.corrupt.floor_of(self.slots), size);
        Self {
            slots: size,
            corrupt: Amount::Count(corrupt),
            ..*self
        }
    }
}

/// Corrupt members to reckon with in a cohort of `size` out of `slots`, `corrupt` of which are: the smallest `c'` with
/// `P[Hyp(slots, corrupt, size) > c'] <= 2^-41`.
///
/// Counts above `slots` are taken as `slots`.
// spec: [params.cohort]
pub fn cohort_corrupt(slots: u32, corrupt: u32, size: u32) -> u32 {
    let (corrupt, size) = (corrupt.min(slots), size.min(slots));
    // who is drawn and who is marked may change places; the walk takes the shorter side
    let (marked, drawn) = (corrupt.max(size), corrupt.min(size));
    let mut walk = Walk::new(slots, marked);
    for _ in 0..drawn {
        walk.draw_keeping_rare(1, COHORT_EXPONENT);
    }
    walk.limit()
}

/// A cohort holds more corrupt members than reckoned with probability at most `2^-41`.
const COHORT_EXPONENT: u64 = 41;
