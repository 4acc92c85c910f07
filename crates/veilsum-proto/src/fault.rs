//! What one member did wrong, as the coordinator sees it. It costs that member its place, never the round.

use crate::ids::Slot;
use crate::message::InvalidMessage;
use veilsum_math::LengthMismatch;

/// One member's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {slot}: {kind}")]
pub struct Fault {
    /// Who is blamed.
    pub slot: Slot,
    /// For what.
    pub kind: FaultKind,
}

/// For what a member is blamed; the text says what was found and what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The bytes are no message.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
    /// The sender is not in the roster, the cohort, or the set that this phase listens to.
    #[error("slot is not one of the members that {phase} listens to")]
    NotExpected {
        /// Phase.
        phase: &'static str,
    },
    /// A message of another phase.
    #[error("{got} does not belong in {phase}")]
    WrongPhase {
        /// Message found.
        got: &'static str,
        /// Phase.
        phase: &'static str,
    },
    /// The message names another slot than the sender's.
    #[error("message names slot {got} as its sender")]
    OtherSlot {
        /// Slot found.
        got: Slot,
    },
    /// The message belongs to another task, roster, round, attempt or session.
    #[error("{got} is for another {what}")]
    OtherSession {
        /// Message found.
        got: &'static str,
        /// Which field differs.
        what: &'static str,
    },
    /// A second, different message where one is allowed.
    #[error("second {0} differs from the first")]
    Second(&'static str),
    /// A signature that does not verify under the roster's key.
    #[error("signature on {0} does not verify")]
    Signature(&'static str),
    /// A noise chain end where the task has none, or none where it has one.
    #[error("advert {} a noise chain end, the task {} the dropout-exact plan", if *.got { "has" } else { "lacks" }, if *.got { "lacks" } else { "has" })]
    ChainEnd {
        /// Whether the advert has one.
        got: bool,
    },
    /// Parts for others than neighbours in U1, or not in ascending order.
    #[error(
        "sealed shares name slot {0}, which is no neighbour in the advertised set, or is out of order"
    )]
    Part(Slot),
    /// A cut of an edge that is not there, or cuts out of order.
    #[error("accept cuts slot {0}, which is no neighbour that shared, or is out of order")]
    Cut(Slot),
    /// More cut edges than corrupt neighbours are tolerated: its accusers, or the accused, include an honest member.
    #[error("{got} of its edges are cut, at most {want} can be by honest members")]
    TooManyCuts {
        /// Cut edges.
        got: usize,
        /// Tolerated.
        want: u32,
    },
    /// A vector of another length.
    #[error("update has {got} limbs, the round needs {want}")]
    WrongLength {
        /// Limbs found.
        got: u64,
        /// Limbs wanted.
        want: u64,
    },
    /// A masked update without an accepted header, or with another one.
    #[error("masked update without its header")]
    NoHeader,
    /// A revealed self seed that is not the committed one.
    #[error("revealed self seed does not match its commitment")]
    SelfSeed,
    /// A revealed pair seed that is not the one it signed the hash of.
    #[error("revealed pair seed with slot {0} does not match its signed hash")]
    PairSeed(Slot),
    /// A chain value that is missing, does not lead to the advertised end, or that nobody asked for. The seeds beside it count.
    #[error("chain value of its noise {0}; the noise that it would open stays in the sum")]
    ChainValue(&'static str),
    /// A pair seed that is owed is missing.
    #[error("pair seed with slot {0} is missing from the reveal")]
    MissingPairSeed(Slot),
    /// A seed or share that was not asked for.
    #[error("answer about slot {0} was not asked for")]
    NotAsked(Slot),
    /// A share that is not the one its dealer signed the digest of.
    #[error("share of slot {0} does not match the digest its dealer signed")]
    Share(Slot),
    /// Shares that match their signed digests but rebuild nothing that was advertised: the dealer dealt them so.
    #[error("its shares match their digests but do not rebuild what it advertised")]
    InconsistentDealer,
}

impl FaultKind {
    /// Stable name, for logs and `--json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.kind(),
            Self::NotExpected { .. } => "not_expected",
            Self::WrongPhase { .. } => "wrong_phase",
            Self::OtherSlot { .. } => "other_slot",
            Self::OtherSession { .. } => "other_session",
            Self::Second(_) => "second_message",
            Self::Signature(_) => "signature",
            Self::ChainEnd { .. } => "chain_end",
            Self::Part(_) => "part",
            Self::Cut(_) => "cut",
            Self::TooManyCuts { .. } => "too_many_cuts",
            Self::WrongLength { .. } => "wrong_length",
            Self::NoHeader => "no_header",
            Self::SelfSeed => "self_seed",
            Self::PairSeed(_) => "pair_seed",
            Self::ChainValue(_) => "chain_value",
            Self::MissingPairSeed(_) => "missing_pair_seed",
            Self::NotAsked(_) => "not_asked",
            Self::Share(_) => "share",
            Self::InconsistentDealer => "inconsistent_dealer",
        }
    }

    /// The fault, with its sender.
    pub fn of(self, slot: Slot) -> Fault {
        Fault { slot, kind: self }
    }
}

impl From<LengthMismatch> for FaultKind {
    fn from(error: LengthMismatch) -> Self {
        Self::WrongLength {
            got: error.found as u64,
            want: error.wanted as u64,
        }
    }
}
