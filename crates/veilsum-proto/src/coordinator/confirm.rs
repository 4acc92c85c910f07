//! Confirm: the electorate signs the survivors; q signatures make the certificate.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::certificate::Signatures;
use crate::coordinator::{
    Coordinator, PhaseName, RevealPhase, ShareStage, check_expected, check_sender, check_session,
    wrong,
};
use crate::fault::FaultKind;
use crate::ids::Slot;
use crate::masked::Accumulator;
use crate::message::{Body, Message, SignedSlot, SurvivorSet, UploadHeader};
use std::collections::BTreeMap;

/// Waits for signatures.
#[derive(Debug)]
pub struct ConfirmPhase {
    pub(super) stage: ShareStage,
    headers: BTreeMap<Slot, UploadHeader>,
    sum: Accumulator,
    signatures: Signatures,
}

impl ConfirmPhase {
    pub(super) fn new(
        stage: ShareStage,
        headers: BTreeMap<Slot, UploadHeader>,
        sum: Accumulator,
        survivors: Bitmap,
    ) -> Self {
        let set = SurvivorSet {
            sid: stage.session.sid,
            sid2: stage.sid2,
            survivors,
        };
        Self {
            signatures: Signatures::on(set, stage.session.context.clone()),
            stage,
            headers,
            sum,
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::Confirmation(confirmation) = &message.body else {
            return Err(wrong(message, PhaseName::Confirm));
        };
        let set = self.signatures.set();
        check_expected(&set.survivors, from, PhaseName::Confirm)?;
        check_sender(from, confirmation.signed.slot)?;
        check_session("Confirmation", &confirmation.sid2, &set.sid2)?;
        if !self.stage.session.context.graph.is_elector(from) {
            return Err(FaultKind::NotExpected {
                phase: PhaseName::Confirm.text(),
            });
        }
        match self.signatures.add(&confirmation.signed) {
            Ok(true) => Ok(()),
            Ok(false) => Err(FaultKind::Second("Confirmation")),
            Err(_) => Err(FaultKind::Signature("Confirmation")),
        }
    }

    /// Whether the quorum stands; more signatures add nothing.
    pub fn has_quorum(&self) -> bool {
        self.signatures.count() >= self.quorum()
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let due = self.is_signer(slot) && !self.signatures.has(slot);
        due.then(|| Message::new(self.signatures.set().clone()))
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        if self.has_quorum() {
            return Vec::new();
        }
        let survivors = self.signatures.set().survivors.iter();
        let signers = survivors.filter(|slot| self.is_signer(*slot));
        signers.filter(|slot| !self.signatures.has(*slot)).collect()
    }

    // spec: [confirm.quorum]
    pub(super) fn close(self) -> Coordinator {
        let Self {
            stage,
            headers,
            sum,
            signatures,
        } = self;
        let got = u32::try_from(signatures.count()).unwrap_or(u32::MAX);
        let want = stage.session.context.parameters.q;
        match signatures.certify(&stage.shared) {
            Ok((certificate, survivors)) => Coordinator::Reveal(Box::new(RevealPhase::new(
                stage,
                headers,
                sum,
                certificate,
                survivors,
            ))),
            Err(_) => Coordinator::Aborted(Abort::BelowQuorum { got, want }),
        }
    }

    fn is_signer(&self, slot: Slot) -> bool {
        self.signatures.set().survivors.contains(slot)
            && self.stage.session.context.graph.is_elector(slot)
    }

    fn quorum(&self) -> usize {
        self.stage.session.context.parameters.q as usize
    }

    pub(super) fn held_bytes(&self) -> usize {
        let signatures = self
            .signatures
            .count()
            .saturating_mul(size_of::<SignedSlot>());
        self.stage
            .held_bytes()
            .saturating_add(self.sum.limbs().saturating_mul(8))
            .saturating_add(signatures)
    }
}
