//! Which requirement a member's refusal is about.

use crate::judge::{Refused, refused};
use crate::kinds::task_refusal;
use veilsum_proto::certificate::CertificateError;
use veilsum_proto::ledger::LedgerRefusal;
use veilsum_proto::message::Body;
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::{ADVERTISED, SHARED, SetError};

/// What the refusal is about. A check without an id has page and section.
pub(super) fn refusal(error: Refusal) -> Refused {
    let requirement = match &error {
        Refusal::WrongPhase { got, phase } => of_phase(got, phase),
        Refusal::OtherSession { got, .. } => of_session(got),
        Refusal::Second(message) => of_second(message),
        Refusal::Roster { .. } => "open.roster",
        Refusal::NotInRound(_) => "open.slot",
        Refusal::TaskNotListed(_) => "open.task-signed",
        Refusal::RoundZero | Refusal::LastRound { .. } => "open.round",
        Refusal::LastAttempt { .. } => "open.attempt",
        Refusal::Task(error) => task_refusal(error.clone()).requirement,
        Refusal::Parameters => "open.parameters",
        Refusal::Policy { what, .. } if what.contains("roster does not list") => "open.task-drawn",
        Refusal::Policy { .. } => "join.policy",
        Refusal::OverBudget { .. } => "join.budget",
        Refusal::Model { .. } => "attempt.same-model",
        Refusal::Forbidden(error) => of_ledger(error),
        Refusal::Ledger(_) => "ledger.durable",
        Refusal::Set(error) => of_set(error),
        Refusal::OwnAdvert => "advert.tree",
        Refusal::NeighbourAdverts(_) => "advert.neighbours",
        Refusal::AdvertProof(_) => "advert.proof",
        Refusal::AdvertSignature(_) => "advert.signature",
        Refusal::Sharing(_) => "share.threshold",
        Refusal::Delivered(_) => "share.delivered",
        Refusal::UnseenShare(_) => "share.unseen",
        Refusal::NotACut(_) => "share.cut-signed",
        Refusal::TooManyCuts { .. } => "share.cut-limit",
        Refusal::WrongLength { .. } => "upload.plan-length",
        Refusal::Noise { .. } => "upload.noise",
        Refusal::NotInElectorate => "confirm.electorate",
        Refusal::Certificate(error) => of_certificate(error),
        Refusal::OtherSurvivors => "reveal.record",
        Refusal::ShareRequest { kind, reason, .. } => of_request(kind, reason),
        Refusal::Receipt(_) => "receipt.check",
        Refusal::Closed => "close.record",
    };
    refused(requirement, error)
}

/// As [`refusal`], with what the error does not say and the message does.
pub(super) fn in_message(error: Refusal, message: &Body, is_complete: bool) -> Refused {
    let made = refusal(error.clone());
    match (&error, message) {
        (Refusal::OwnAdvert, _) if !is_complete => made.about("advert.own-leaf"),
        (Refusal::NotACut(_), Body::ShareSet(set))
            if !set.accepts.is_sorted_by(|a, b| a.slot < b.slot) =>
        {
            made.about("share.cut-order")
        }
        _ => made,
    }
}

fn of_phase(message: &str, phase: &str) -> &'static str {
    match (message, phase) {
        (_, "closed") => "close.record",
        ("Adverts", _) => "advert.once",
        ("DeliveredShares", "advertised") => "share.delivered",
        ("DeliveredShares", _) => "accept.once",
        ("ShareSet", _) => "share.set-session",
        ("upload", "uploading" | "uploaded" | "revealing") => "upload.duplicate",
        ("upload", _) => "upload.after-set",
        ("UploadStored" | "SurvivorSet", "revealing") => "confirm.once",
        ("UploadStored" | "SurvivorSet" | "Certificate", _) => "confirm.after-upload",
        ("ShareRequest", _) => "reveal.certificate",
        ("Receipt", _) => "receipt.check",
        _ => "message.order",
    }
}

fn of_session(message: &str) -> &'static str {
    match message {
        "Adverts" => "advert.attempt",
        "DeliveredShares" => "share.delivered",
        "ShareSet" => "share.set-session",
        "UploadStored" => "upload.stored",
        "SurvivorSet" => "confirm.session",
        "ShareRequest" => "reveal.own-peers",
        "Receipt" => "receipt.check",
        "AbortNotice" => "close.abort",
        _ => "message.order",
    }
}

fn of_second(message: &str) -> &'static str {
    match message {
        "Adverts" => "advert.once",
        "DeliveredShares" => "accept.once",
        "ShareSet" => "share.set-once",
        "SurvivorSet" => "confirm.one-set",
        _ => "message.order",
    }
}

fn of_ledger(error: &LedgerRefusal) -> &'static str {
    match error {
        LedgerRefusal::RoundClosed { .. } => "join.closed",
        LedgerRefusal::OtherRoster { .. }
        | LedgerRefusal::OldRound { .. }
        | LedgerRefusal::OldAttempt { .. }
        | LedgerRefusal::NoRetry { .. } => "join.ledger",
        LedgerRefusal::UpdateUsed { .. } | LedgerRefusal::OtherUpdate { .. } => "upload.reuse",
        LedgerRefusal::Superseded { .. } => "attempt.superseded",
        LedgerRefusal::SignedBefore { .. } => "confirm.once",
        LedgerRefusal::OtherRelease { .. } => "upload.charge",
    }
}

/// Which set, says the requirement of its phase.
pub(super) fn of_set(error: &SetError) -> &'static str {
    match error {
        SetError::Bitmap(_) => "bitmap.exact",
        SetError::BelowFloor { set, .. }
        | SetError::Outside { set, .. }
        | SetError::Window { set, .. }
        | SetError::TooFewSigners { set, .. } => of_named_set(set, "confirm.set"),
        SetError::WithoutMe { set, .. } => of_named_set(set, "confirm.check"),
        SetError::TooManyMissing { .. } => "confirm.noise",
    }
}

fn of_named_set(set: &str, survivors: &'static str) -> &'static str {
    match set {
        ADVERTISED => "advertise.floor",
        SHARED => "share.set",
        _ => survivors,
    }
}

fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Set(error) => of_set(error),
        CertificateError::OtherSession
        | CertificateError::BelowQuorum { .. }
        | CertificateError::Duplicate(_) => "reveal.certificate",
        CertificateError::NotInElectorate(_)
        | CertificateError::NotSurvivor(_)
        | CertificateError::Signature(_) => "confirm.electorate",
    }
}

fn of_request(kind: &str, reason: &str) -> &'static str {
    match kind {
        _ if reason.contains("holds no share") => "reveal.own-peers",
        "self" if reason.contains("header") => "reveal.header",
        "self" => "reveal.self-of-survivor",
        _ => "reveal.root-of-dropped",
    }
}
