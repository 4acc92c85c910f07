//! What an honest member refuses to do, and why.

use crate::certificate::CertificateError;
use crate::ids::{Attempt, ModelDigest, RosterDigest, Round, Slot};
use crate::ledger::{LedgerError, LedgerRefusal};
use crate::session::SetError;
use crate::task::TaskError;
use veilsum_dp::Statement;

/// A member's refusal; nothing was sent. Names what was found and what was wanted, never a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A message that this phase does not take.
    #[error("{got} does not belong in {phase}")]
    WrongPhase {
        /// Message found.
        got: &'static str,
        /// Phase of the member.
        phase: &'static str,
    },
    /// A message of another task, round, attempt or session.
    #[error("{got} is for another {what}")]
    OtherSession {
        /// Message found.
        got: &'static str,
        /// Which field differs.
        what: &'static str,
    },
    /// A second, different message where one fixes what follows.
    #[error("second {0} differs from the first")]
    Second(&'static str),
    /// The coordinator works under another roster.
    #[error(
        "round is opened under roster {got}, this member has roster {want}; fetch the new roster from the authority"
    )]
    Roster {
        /// Digest found.
        got: RosterDigest,
        /// Digest of the member's roster.
        want: RosterDigest,
    },
    /// This identity has no slot in the roster or the round's cohort.
    #[error("this identity has no slot in {0}")]
    NotInRound(&'static str),
    /// A task that the roster of listed tasks does not have.
    #[error("task {0} is not among the tasks that the roster lists")]
    TaskNotListed(crate::ids::TaskDigest),
    /// Round 0, from which rounds are counted and which is none.
    #[error("round 0 is no round, wanted 1 or above")]
    RoundZero,
    /// A round beyond the roster's last.
    #[error("round {got} is beyond the roster's last round {last}")]
    LastRound {
        /// Round found.
        got: Round,
        /// Last round.
        last: Round,
    },
    /// An attempt beyond the task's limit.
    #[error("attempt {got} is beyond the task's {max} attempts")]
    LastAttempt {
        /// Attempt found.
        got: Attempt,
        /// Attempts allowed.
        max: u32,
    },
    /// The task's bytes or numbers do not stand.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The coordinator's parameters are not the derived ones.
    #[error("parameters in Open are not those derived from task and roster")]
    Parameters,
    /// The site's policy forbids the task.
    #[error("{what} is {got}, this site wants {want}")]
    Policy {
        /// Which floor.
        what: &'static str,
        /// Value found.
        got: String,
        /// Value wanted.
        want: String,
    },
    /// The round would cost more than is left of the site's privacy budget.
    #[error(
        "{would_be} would be spent on {of} with this round, this site's budget is epsilon {most}"
    )]
    OverBudget {
        /// Which budget.
        of: &'static str,
        /// What would be spent.
        would_be: Statement,
        /// Epsilon of the budget.
        most: f64,
    },
    /// The model at hand is not the one the round starts from.
    #[error("model has digest {got}, the round starts from {want}")]
    Model {
        /// Digest found.
        got: ModelDigest,
        /// Digest wanted.
        want: ModelDigest,
    },
    /// The ledger forbids it.
    #[error(transparent)]
    Forbidden(#[from] LedgerRefusal),
    /// The ledger cannot be written or trusted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A set of slots that cannot stand.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The member's own advert is not in the tree.
    #[error("own advert is not in the tree of adverts")]
    OwnAdvert,
    /// A neighbour's advert is missing, out of order, or superfluous.
    #[error("advert of slot {0} is missing, superfluous or out of order")]
    NeighbourAdverts(Slot),
    /// A neighbour's advert is not in the tree.
    #[error("advert of slot {0} is not in the tree of adverts")]
    AdvertProof(Slot),
    /// A neighbour's advert is not signed by its key on the roster, or is for another round.
    #[error("advert of slot {0} is not signed for this round by its key on the roster")]
    AdvertSignature(Slot),
    /// The threshold cannot be met on this graph.
    #[error("own secrets cannot be shared: {0}")]
    Sharing(String),
    /// A delivered share that is not from a neighbour, or out of order.
    #[error("delivered share of slot {0} is not expected or out of order")]
    Delivered(Slot),
    /// A member of U2 whose Share this member never saw.
    #[error(
        "slot {0} is in the Share set, but no Share of it with a valid signature was delivered"
    )]
    UnseenShare(Slot),
    /// An accept that does not cut this member's edge, or is not signed.
    #[error("accept of slot {0} is not a signed cut of an edge of this member")]
    NotACut(Slot),
    /// More own edges cut than corrupt neighbours are tolerated.
    #[error("{got} edges of this member are cut, at most {want} can be by corrupt neighbours")]
    TooManyCuts {
        /// Cut edges.
        got: usize,
        /// Tolerated.
        want: u32,
    },
    /// A contribution for another plan.
    #[error("contribution has {got} limbs, the round needs {want}")]
    WrongLength {
        /// Limbs found.
        got: usize,
        /// Limbs wanted.
        want: usize,
    },
    /// A contribution with another member's or attempt's noise, with none where there should be, or with some where none
    /// should be.
    #[error("contribution carries {got}, the round wants {want}")]
    Noise {
        /// Noise found.
        got: &'static str,
        /// Noise wanted.
        want: &'static str,
    },
    /// Asked to sign although not in the electorate.
    #[error("this member is not in the electorate and signs nothing")]
    NotInElectorate,
    /// A certificate that does not stand.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A certificate for other survivors than those signed.
    #[error("certificate names other survivors than this member signed")]
    OtherSurvivors,
    /// A share request for the kind that must stay secret, or about somebody outside the Share set.
    #[error("share of the {kind} seed of slot {slot} is not given: {reason}")]
    ShareRequest {
        /// Kind asked for: `self` or `root`.
        kind: &'static str,
        /// Whose.
        slot: Slot,
        /// Why not.
        reason: &'static str,
    },
    /// A receipt that is not signed by the coordinator, or names other survivors.
    #[error("receipt does not stand: {0}")]
    Receipt(&'static str),
    /// The secrets of the attempt are erased.
    #[error("this attempt is closed and its secrets are erased")]
    Closed,
}

impl Refusal {
    /// Stable name, for logs and exit codes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WrongPhase { .. } => "wrong_phase",
            Self::OtherSession { .. } => "other_session",
            Self::Second(_) => "second_message",
            Self::Roster { .. } => "roster",
            Self::NotInRound(_) => "not_in_round",
            Self::TaskNotListed(_) => "task_not_listed",
            Self::RoundZero => "round_zero",
            Self::LastRound { .. } => "last_round",
            Self::LastAttempt { .. } => "last_attempt",
            Self::Task(_) => "task",
            Self::Parameters => "parameters",
            Self::Policy { .. } => "policy",
            Self::OverBudget { .. } => "over_budget",
            Self::Model { .. } => "model",
            Self::Forbidden(refusal) => refusal.kind(),
            Self::Ledger(_) => "ledger",
            Self::Set(error) => error.kind(),
            Self::OwnAdvert => "own_advert",
            Self::NeighbourAdverts(_) => "neighbour_adverts",
            Self::AdvertProof(_) => "advert_proof",
            Self::AdvertSignature(_) => "advert_signature",
            Self::Sharing(_) => "sharing",
            Self::Delivered(_) => "delivered",
            Self::UnseenShare(_) => "unseen_share",
            Self::NotACut(_) => "not_a_cut",
            Self::TooManyCuts { .. } => "too_many_cuts",
            Self::WrongLength { .. } => "wrong_length",
            Self::Noise { .. } => "noise",
            Self::NotInElectorate => "not_in_electorate",
            Self::Certificate(error) => error.kind(),
            Self::OtherSurvivors => "other_survivors",
            Self::ShareRequest { .. } => "share_request",
            Self::Receipt(_) => "receipt",
            Self::Closed => "closed",
        }
    }
}
