//! Which requirement a fault or an abort is about.

use crate::judge::{Refused, refused};
use crate::kinds::invalid;
use crate::machine::member_refusals::of_set;
use veilsum_proto::abort::Abort;
use veilsum_proto::fault::{Fault, FaultKind};
use veilsum_proto::session::SetError;

/// What a member is blamed for.
pub(super) fn fault(error: Fault) -> Refused {
    let requirement = match &error.kind {
        FaultKind::Invalid(error) => invalid(error.clone()).requirement,
        FaultKind::NotExpected { .. }
        | FaultKind::WrongPhase { .. }
        | FaultKind::OtherSlot { .. } => "message.sender",
        FaultKind::OtherSession { got: "Advert", .. } | FaultKind::ChainEnd { .. } => {
            "advert.session"
        }
        FaultKind::OtherSession {
            got: "UploadHeader",
            ..
        } => "upload.signed-header",
        FaultKind::OtherSession { .. } => "message.sender",
        FaultKind::Second(_) => "message.second",
        FaultKind::Signature(message) => match *message {
            "Advert" => "advert.session",
            "SealedShares" => "share.relay",
            "Accept" => "accept.signature",
            "UploadHeader" => "upload.signed-header",
            _ => "confirm.electorate",
        },
        FaultKind::Part(_) => "share.parts",
        FaultKind::Cut(_) => "accept.cuts",
        FaultKind::TooManyCuts { .. } => "share.exclude",
        FaultKind::WrongLength { .. } | FaultKind::NoHeader => "upload.signed-header",
        FaultKind::SelfSeed | FaultKind::PairSeed(_) | FaultKind::MissingPairSeed(_) => {
            "reveal.verify"
        }
        FaultKind::ChainValue(_) => "reveal.chain-checked",
        FaultKind::NotAsked(_) | FaultKind::Share(_) => "recover.verify",
        FaultKind::InconsistentDealer => "recover.advertised",
    };
    refused(requirement, error)
}

/// Why an attempt ends.
pub(super) fn abort(reason: &Abort) -> Refused {
    let requirement = match reason {
        Abort::Upload(SetError::TooFewSigners { .. }) => "upload.quorum",
        Abort::Advertise(error) | Abort::Share(error) | Abort::Upload(error) => of_set(error),
        Abort::BelowQuorum { .. } => "confirm.quorum",
        Abort::MissingShares { .. } => "recover.rebuild",
        Abort::InconsistentDealer { .. } => "recover.advertised",
        Abort::SumOutOfRange { .. } => "finish.range",
        Abort::Restarted | Abort::Shutdown => "attempt.retry",
    };
    refused(requirement, reason)
}
