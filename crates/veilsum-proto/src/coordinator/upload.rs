//! Upload: signed headers, then whole masked updates, added up as they come.

use crate::abort::Abort;
use crate::bitmap::Bitmap;
use crate::coordinator::{
    ConfirmPhase, Coordinator, PhaseName, Session, ShareStage, check_expected, check_sender,
    check_session, edge, keep_first, wrong,
};
use crate::fault::FaultKind;
use crate::ids::Slot;
use crate::label::Label;
use crate::masked::{Accumulator, MaskedLimbs};
use crate::message::{Accept, Body, Message, ShareSet, UploadHeader, UploadStored};
use std::collections::{BTreeMap, BTreeSet};

/// Waits for masked updates.
#[derive(Debug)]
pub struct UploadPhase {
    pub(super) stage: ShareStage,
    accepts: BTreeMap<Slot, Accept>,
    headers: BTreeMap<Slot, UploadHeader>,
    stored: BTreeSet<Slot>,
    sum: Accumulator,
}

impl UploadPhase {
    pub(super) fn new(stage: ShareStage, accepts: BTreeMap<Slot, Accept>) -> Self {
        let sum = Accumulator::new(stage.session.context.plan.limbs());
        Self {
            stage,
            accepts,
            headers: BTreeMap::new(),
            stored: BTreeSet::new(),
            sum,
        }
    }

    /// A header: who will upload what, under which session, signed. The vector may be streamed once it stands.
    // spec: [upload.signed-header]
    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::UploadHeader(header) = &message.body else {
            return Err(wrong(message, PhaseName::Upload));
        };
        let stage = &self.stage;
        check_expected(&stage.shared, from, PhaseName::Upload)?;
        check_sender(from, header.slot)?;
        check_session(
            "UploadHeader",
            &(header.sid, header.sid2),
            &(stage.session.sid, stage.sid2),
        )?;
        let (got, want) = (header.limbs, self.sum.limbs() as u64);
        if got != want {
            return Err(FaultKind::WrongLength { got, want });
        }
        let key = stage
            .session
            .context
            .roster
            .verifier_of(from)
            .ok_or(FaultKind::Signature("UploadHeader"))?;
        key.verify(Label::SignUpload, &[&header.content()], &header.signature)
            .map_err(|_| FaultKind::Signature("UploadHeader"))?;
        keep_first(&mut self.headers, from, header.clone(), "UploadHeader")
    }

    /// Adds a whole update, once per member.
    // spec: [upload.whole] [upload.once]
    pub(super) fn receive_update(
        &mut self,
        from: Slot,
        update: MaskedLimbs<'_>,
    ) -> Result<UploadStored, FaultKind> {
        if !self.headers.contains_key(&from) {
            return Err(FaultKind::NoHeader);
        }
        if self.stored.contains(&from) {
            return Err(FaultKind::Second("masked update"));
        }
        self.sum.add(update)?;
        self.stored.insert(from);
        Ok(UploadStored {
            sid2: self.stage.sid2,
            slot: from,
        })
    }

    /// Whether a masked update of `from` is whole and counts.
    pub fn is_stored(&self, from: Slot) -> bool {
        self.stored.contains(&from)
    }

    /// Limbs of each masked update.
    pub fn limbs(&self) -> usize {
        self.sum.limbs()
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let stage = &self.stage;
        if !stage.shared.contains(slot) {
            return None;
        }
        if self.stored.contains(&slot) {
            return Some(Message::new(UploadStored {
                sid2: stage.sid2,
                slot,
            }));
        }
        Some(Message::new(ShareSet {
            sid: stage.session.sid,
            shared: stage.shared.clone(),
            accepts: self.accepts_cutting(slot),
        }))
    }

    // spec: [share.cuts-shown]
    fn accepts_cutting(&self, slot: Slot) -> Vec<Accept> {
        let cuts = &self.stage.cuts;
        if cuts.is_empty() {
            return Vec::new();
        }
        let Session {
            context,
            advertised,
            ..
        } = &self.stage.session;
        let neighbours = context.neighbours_in(slot, advertised).into_iter();
        let cutting = neighbours.filter(|other| cuts.contains(&edge(slot, *other)));
        let accepts = cutting.filter_map(|other| self.accepts.get(&other));
        accepts
            .filter(|accept| accept.cuts.iter().any(|cut| cut.slot == slot))
            .cloned()
            .collect()
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        self.stage
            .shared
            .iter()
            .filter(|slot| !self.stored.contains(slot))
            .collect()
    }

    // spec: [upload.fix]
    pub(super) fn close(self) -> Coordinator {
        let Self {
            stage,
            mut headers,
            stored,
            sum,
            ..
        } = self;
        let context = &stage.session.context;
        let survivors = Bitmap::of(context.slots(), stored);
        let stands = context.check_survivors(&survivors, &stage.shared);
        if let Err(error) = stands.and_then(|()| context.check_signers(&survivors)) {
            return Coordinator::Aborted(Abort::Upload(error));
        }
        headers.retain(|slot, _| survivors.contains(*slot));
        Coordinator::Confirm(Box::new(ConfirmPhase::new(stage, headers, sum, survivors)))
    }

    pub(super) fn held_bytes(&self) -> usize {
        let headers = self.headers.len().saturating_mul(size_of::<UploadHeader>());
        self.stage
            .held_bytes()
            .saturating_add(self.sum.limbs().saturating_mul(8))
            .saturating_add(headers)
    }
}
