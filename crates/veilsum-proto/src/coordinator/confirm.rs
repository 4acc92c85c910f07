//! Confirm: the electorate signs the survivors; q signatures make the certificate.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::certificate::{Survivors, check_signer};
use crate::coordinator::{
    Coordinator, PhaseName, RevealPhase, ShareStage, check_expected, check_sender, check_session,
    keep_first, wrong,
};
use crate::fault::FaultKind;
use crate::ids::Slot;
use crate::masked::Accumulator;
use crate::message::{Body, Certificate, Message, SignedSlot, SurvivorSet, UploadHeader};
use std::collections::BTreeMap;
use veilsum_math::Threads;

/// Waits for signatures.
#[derive(Debug)]
pub struct ConfirmPhase {
    pub(super) stage: ShareStage,
    headers: BTreeMap<Slot, UploadHeader>,
    sum: Accumulator,
    set: SurvivorSet,
    signatures: BTreeMap<Slot, SignedSlot>,
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
            stage,
            headers,
            sum,
            set,
            signatures: BTreeMap::new(),
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::Confirmation(confirmation) = &message.body else {
            return Err(wrong(message, PhaseName::Confirm));
        };
        check_expected(&self.set.survivors, from, PhaseName::Confirm)?;
        check_sender(from, confirmation.signed.slot)?;
        check_session("Confirmation", &confirmation.sid2, &self.set.sid2)?;
        if !self.stage.session.context.graph.is_elector(from) {
            return Err(FaultKind::NotExpected {
                phase: PhaseName::Confirm.text(),
            });
        }
        check_signer(&self.stage.session.context, &self.set, &confirmation.signed)
            .map_err(|_| FaultKind::Signature("Confirmation"))?;
        keep_first(
            &mut self.signatures,
            from,
            confirmation.signed.clone(),
            "Confirmation",
        )
    }

    /// Whether the quorum stands; more signatures add nothing.
    pub fn has_quorum(&self) -> bool {
        self.signatures.len() >= self.quorum()
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let due = self.is_signer(slot) && !self.signatures.contains_key(&slot);
        due.then(|| Message::new(self.set.clone()))
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        if self.has_quorum() {
            return Vec::new();
        }
        let signers = self
            .set
            .survivors
            .iter()
            .filter(|slot| self.is_signer(*slot));
        signers
            .filter(|slot| !self.signatures.contains_key(slot))
            .collect()
    }

    // spec: [confirm.quorum]
    pub(super) fn close(self) -> Coordinator {
        let Self {
            stage,
            headers,
            sum,
            set,
            signatures,
        } = self;
        let context = &stage.session.context;
        let (got, want) = (
            u32::try_from(signatures.len()).unwrap_or(u32::MAX),
            context.parameters.q,
        );
        let signatures = signatures.into_values().take(want as usize).collect();
        let certificate = Certificate { set, signatures };
        match Survivors::certified(
            context,
            &stage.session.sid,
            &stage.sid2,
            &stage.shared,
            &certificate,
            Threads::One,
        ) {
            Ok(survivors) => Coordinator::Reveal(Box::new(RevealPhase::new(
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
        self.set.survivors.contains(slot) && self.stage.session.context.graph.is_elector(slot)
    }

    fn quorum(&self) -> usize {
        self.stage.session.context.parameters.q as usize
    }

    pub(super) fn held_bytes(&self) -> usize {
        let signatures = self
            .signatures
            .len()
            .saturating_mul(size_of::<SignedSlot>());
        self.stage
            .held_bytes()
            .saturating_add(self.sum.limbs().saturating_mul(8))
            .saturating_add(signatures)
    }
}
