//! Why an attempt ends without a sum.

use crate::ids::Slot;
use crate::session::SetError;

/// The end of an attempt. Nothing was released unless a certificate stood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Abort {
    /// Too few adverts.
    #[error("advertise: {0}")]
    Advertise(SetError),
    /// Too few Shares or accepts.
    #[error("share: {0}")]
    Share(SetError),
    /// Too few masked updates.
    #[error("upload: {0}")]
    Upload(SetError),
    /// Too few signatures of the electorate.
    #[error("confirm: {got} signatures arrived, the quorum is {want}")]
    BelowQuorum {
        /// Signatures found.
        got: u32,
        /// Quorum.
        want: u32,
    },
    /// Too few shares to rebuild a secret of a member that went silent.
    #[error(
        "reveal: {got} good shares of the {secret} seed of slot {slot} arrived, {want} are needed"
    )]
    MissingShares {
        /// Whose secret.
        slot: Slot,
        /// Which: `self` or `root`.
        secret: &'static str,
        /// Good shares.
        got: usize,
        /// Threshold.
        want: u32,
    },
    /// A dealer's signed shares do not rebuild what it advertised; the next round goes on without it.
    #[error(
        "reveal: the shares of slot {slot} are inconsistent; it is named, and the next round can go on without it"
    )]
    InconsistentDealer {
        /// The dealer.
        slot: Slot,
    },
    /// The sum is not one of in-range contributions: masks that do not cancel, or a member that overflowed its lanes.
    #[error("sum cannot be decoded: {reason}")]
    SumOutOfRange {
        /// What the decoder met.
        reason: String,
    },
    /// The coordinator was restarted while the attempt was open.
    #[error("the coordinator was restarted while the round was open")]
    Restarted,
    /// The operator stopped the coordinator.
    #[error("the coordinator is shutting down")]
    Shutdown,
}

impl Abort {
    /// Stable, machine-readable reason.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Advertise(_) => "too_few_adverts",
            Self::Share(_) => "too_few_shares",
            Self::Upload(_) => "too_few_updates",
            Self::BelowQuorum { .. } => "below_quorum",
            Self::MissingShares { .. } => "missing_shares",
            Self::InconsistentDealer { .. } => "inconsistent_dealer",
            Self::SumOutOfRange { .. } => "sum_out_of_range",
            Self::Restarted => "coordinator_restarted",
            Self::Shutdown => "shutdown",
        }
    }

    /// Phase in which the attempt ended.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Advertise(_) => "advertise",
            Self::Share(_) => "share",
            Self::Upload(_) => "upload",
            Self::BelowQuorum { .. } => "confirm",
            Self::MissingShares { .. }
            | Self::InconsistentDealer { .. }
            | Self::SumOutOfRange { .. } => "reveal",
            Self::Restarted | Self::Shutdown => "any",
        }
    }

    /// Whether another attempt at the same round may follow: only before anybody was asked to sign (R7).
    // spec: [attempt.retry]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Advertise(_) | Self::Share(_) | Self::Upload(_) => true,
            Self::BelowQuorum { .. }
            | Self::MissingShares { .. }
            | Self::InconsistentDealer { .. }
            | Self::SumOutOfRange { .. }
            | Self::Restarted
            | Self::Shutdown => false,
        }
    }
}
