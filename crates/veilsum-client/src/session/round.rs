//! What a session knows of one (task, round).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Sid, Sid2, TaskDigest, UpdateDigest};
use veilsum_proto::member::Member;
use veilsum_proto::message::{Body, Open, Receipt};
use veilsum_proto::session::RoundContext;
use veilsum_quic::PartialBlob;

use super::contribution::Making;
use super::model::Incoming;
use super::upload::Upload;
use super::workbench::Prepared;

pub(super) type RoundKey = (TaskDigest, Round);

/// One round, in its latest attempt.
pub(super) struct RoundState {
    pub(super) open: Open,
    pub(super) context: Arc<RoundContext>,
    /// Away while a step of it runs.
    pub(super) member: Option<Member>,
    /// The first attempt joined, which the contributor was asked for.
    pub(super) first: Attempt,
    pub(super) model: Model,
    pub(super) local: Local,
    /// The advert as it was sent; a resend is of these bytes.
    pub(super) advert: Option<Bytes>,
    pub(super) sid: Option<Sid>,
    pub(super) sid2: Option<Sid2>,
    pub(super) contribution: Making,
    pub(super) upload: Option<Upload>,
    pub(super) outcome: Outcome,
    /// Phase last told.
    pub(super) phase: &'static str,
    /// How many rounds the session had joined before.
    pub(super) order: u64,
}

/// The model the round starts from.
pub(super) enum Model {
    /// The task has none.
    None,
    /// To be fetched, or to be fetched on.
    Wanted(Box<Incoming>),
    /// Under way.
    Fetching,
    /// Here, its digest verified.
    Here(Bytes),
    /// Not to be had; the round is not joined.
    Unavailable,
}

/// The contributor's update.
pub(super) enum Local {
    /// Not asked for.
    Wanted,
    /// Asked for.
    Working,
    /// Asked for and promised: the member advertises without waiting for it. With the digest that the ledger goes by, where that does
    /// not depend on the values.
    Promised(Option<UpdateDigest>),
    /// Here, for all attempts of the round.
    Ready(Arc<Prepared>),
    /// Not to be had, or no longer needed.
    Gone,
}

/// How the attempt ended.
pub(super) enum Outcome {
    /// It did not.
    Open,
    /// Without a sum for this member; its secrets are erased.
    Aborted,
    /// With a receipt; the sum is to be fetched.
    Wanted(Box<Receipted>),
    /// The sum is under way.
    Fetching,
    /// The contributor has the result, or the sum is not to be had.
    Done,
}

/// A receipt that the machine checked, and what came of its sum so far.
pub(super) struct Receipted {
    pub(super) receipt: Receipt,
    pub(super) certified: bool,
    pub(super) blob: PartialBlob,
    pub(super) tries: u32,
}

impl RoundState {
    pub(super) fn new(open: Open, member: Member) -> Self {
        let base = open.base_model;
        Self {
            first: open.attempt,
            context: member.context().clone(),
            member: Some(member),
            model: Model::of(base),
            local: Local::Wanted,
            advert: None,
            sid: None,
            sid2: None,
            contribution: Making::Not,
            upload: None,
            outcome: Outcome::Open,
            phase: "",
            order: 0,
            open,
        }
    }

    /// The same round in a further attempt: model and update stay, nothing else.
    // spec: [attempt.same-update]
    pub(super) fn further(self, open: Open, member: Member) -> Self {
        let Self {
            first,
            model,
            local,
            ..
        } = self;
        let model = match model {
            Model::Unavailable => Model::of(open.base_model),
            model => model,
        };
        Self {
            first,
            model,
            local,
            ..Self::new(open, member)
        }
    }

    pub(super) fn key(&self) -> RoundKey {
        (self.context.task_digest, self.context.round)
    }

    /// When the secrets must go; none without secrets.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let member = self.member.as_ref()?;
        match self.outcome {
            Outcome::Open => member.deadline(),
            Outcome::Aborted | Outcome::Wanted(_) | Outcome::Fetching | Outcome::Done => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Open)
    }

    /// Whether the contributor has an update for the round, or is at work on it.
    pub(super) fn has_begun(&self) -> bool {
        match self.local {
            Local::Working | Local::Promised(_) | Local::Ready(_) => true,
            Local::Wanted | Local::Gone => self.advert.is_some(),
        }
    }

    /// Drops what only a living attempt needs beside its machine.
    pub(super) fn drop_vectors(&mut self) {
        self.contribution = Making::Not;
        self.upload = None;
    }

    /// Whether this state may be forgotten: the round is over.
    pub(super) fn is_forgettable(&self) -> bool {
        match self.outcome {
            Outcome::Open | Outcome::Wanted(_) | Outcome::Fetching => false,
            Outcome::Aborted | Outcome::Done => true,
        }
    }

    /// Whether a promised update that takes all of Advertise's time leaves as much for its way.
    // spec: [join.promise]
    pub(super) fn takes_promises(&self) -> bool {
        let deadlines = &self.open.deadlines;
        deadlines.upload_ms / 2 >= deadlines.advertise_ms
    }

    /// The machine's phase, `closed` when it is away.
    pub(super) fn machine_phase(&self) -> &'static str {
        self.member.as_ref().map_or("closed", Member::phase)
    }

    /// Whether a message of the coordinator is about this round, as far as its fields tell.
    pub(super) fn is_meant(&self, body: &Body) -> bool {
        let named = |task: &TaskDigest, round: Round| self.key() == (*task, round);
        match body {
            Body::Adverts(adverts) => named(&adverts.task, adverts.round),
            Body::Receipt(receipt) => named(&receipt.task, receipt.round),
            Body::AbortNotice(notice) => named(&notice.task, notice.round),
            Body::DeliveredShares(delivered) => self.sid == Some(delivered.sid),
            Body::ShareSet(set) => self.sid == Some(set.sid),
            Body::SurvivorSet(set) => self.sid2 == Some(set.sid2),
            Body::Certificate(certificate) => self.sid2 == Some(certificate.set.sid2),
            Body::UploadStored(stored) => self.sid2 == Some(stored.sid2),
            Body::ShareRequest(request) => self.sid2 == Some(request.sid2),
            Body::Open(_)
            | Body::FaultNotice(_)
            | Body::Advert(_)
            | Body::SealedShares(_)
            | Body::Accept(_)
            | Body::UploadHeader(_)
            | Body::Confirmation(_)
            | Body::Reveal(_)
            | Body::Shares(_) => false,
        }
    }
}

impl Model {
    fn of(digest: ModelDigest) -> Self {
        match digest == NO_MODEL {
            true => Self::None,
            false => Self::Wanted(Box::new(Incoming::new(digest))),
        }
    }
}

/// The phase as coordinator and member both call it.
pub(super) fn phase_word(machine: &'static str) -> &'static str {
    match machine {
        "invited" => "open",
        "advertised" => "advertise",
        "shared" => "share",
        "accepted" => "accept",
        "ready" | "uploading" => "upload",
        "uploaded" => "confirm",
        "revealing" => "reveal",
        other => other,
    }
}

/// In place of a model's digest in a task without models.
const NO_MODEL: ModelDigest = ModelDigest([0; 32]);
