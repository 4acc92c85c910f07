//! The coordinator's house: one attempt in the real machine, and a log of what it was given.

use crate::ops::doubles::{Doubles, Publication};
use crate::ops::judge::{Violation, check_sum};
use crate::ops::record::{End, Record};
use crate::ops::replay::{self, Input};
use crate::ops::site::Parcel;
use crate::ops::stage::{Opening, Stage};
use std::collections::BTreeSet;
use std::sync::Arc;
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, Finished, PhaseName};
use veilsum_proto::fault::FaultKind;
use veilsum_proto::ids::Slot;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{AbortNotice, Body, Caps, Message};
use veilsum_proto::session::RoundContext;

pub(super) struct House {
    pub context: Arc<RoundContext>,
    pub machine: Coordinator,
    /// When the phase closes at the latest.
    pub deadline: u64,
    log: Vec<Input>,
    revealed: BTreeSet<Slot>,
}

impl House {
    pub fn open(opening: Opening, now: u64) -> Self {
        let machine = Coordinator::open(opening.context.clone());
        let mut house = Self {
            context: opening.context,
            machine,
            deadline: 0,
            log: Vec::new(),
            revealed: BTreeSet::new(),
        };
        house.deadline = now.saturating_add(house.time());
        house
    }

    pub fn phase(&self) -> PhaseName {
        self.machine.phase()
    }

    /// Whether nothing that could come would change how the phase closes.
    pub fn is_complete(&self) -> bool {
        self.machine.waits_for().is_empty()
    }

    /// Takes what came from `from`; what it is answered at once.
    pub fn receive(
        &mut self,
        from: Slot,
        parcel: &Parcel,
        caps: &Caps,
        record: &mut Record,
        doubles: &mut dyn Doubles,
    ) -> Option<Message> {
        let of_this_attempt = parcel.session == Some((self.context.round, self.context.attempt));
        let message = match Message::decode(&parcel.frame, caps) {
            Ok(message) => message,
            Err(invalid) => {
                record.blame(&FaultKind::from(invalid).of(from), false);
                return None;
            }
        };
        // An update that counts is not taken twice: its sender did not hear that it was whole.
        if let (Coordinator::Upload(phase), Body::UploadHeader(_)) = (&self.machine, &message.body)
            && phase.is_stored(from)
        {
            return self.machine.message_for(from);
        }
        let stale = !of_this_attempt
            || PhaseName::last_for(&message.body).is_some_and(|phase| phase < self.phase());
        let outcome = self.machine.receive(from, &message);
        let is_reveal = matches!(message.body, Body::Reveal(_));
        match &outcome {
            Ok(()) if doubles.blames(from, &message) => {
                record.blame(&FaultKind::Second("message").of(from), false)
            }
            Ok(()) if is_reveal => drop(self.revealed.insert(from)),
            Ok(()) => {}
            Err(fault) => record.blame(fault, stale),
        }
        self.log.push(Input::Message(from, Box::new(message)));
        let vector = parcel.vector.as_ref().filter(|_| outcome.is_ok())?;
        self.receive_vector(from, vector, parcel.spoiled, record)
    }

    fn receive_vector(
        &mut self,
        from: Slot,
        vector: &[u8],
        spoiled: bool,
        record: &mut Record,
    ) -> Option<Message> {
        let Ok(update) = MaskedUpdate::from_le_bytes(vector) else {
            record.blame(&FaultKind::NoHeader.of(from), false);
            return None;
        };
        let outcome = self.machine.receive_update(from, &update);
        self.log.push(Input::Update(from, update));
        match outcome {
            Ok(stored) => {
                if spoiled {
                    record
                        .spoiled
                        .insert((self.context.round, self.context.attempt, from));
                }
                Some(Message::new(stored))
            }
            Err(fault) => {
                record.blame(&fault, false);
                None
            }
        }
    }

    /// Ends the phase.
    pub fn close(&mut self, now: u64, record: &mut Record) {
        let mut faults = Vec::new();
        let machine = std::mem::replace(&mut self.machine, Coordinator::Aborted(Abort::Shutdown));
        self.machine = machine.close(&mut faults);
        self.log.push(Input::Close);
        for fault in &faults {
            record.blame(fault, false);
        }
        self.deadline = now.saturating_add(self.time());
    }

    /// Publishes a sum, or gives notice that there is none: how the attempt ended, and what everybody is told.
    pub fn end(
        mut self,
        stage: &Stage,
        record: &mut Record,
        doubles: &mut dyn Doubles,
        seed: u64,
    ) -> (Result<(), Abort>, Message) {
        if let Some(difference) =
            replay::in_other_order(&self.context, &mut self.log, &self.machine, seed)
        {
            record.violate(Violation::OrderMatters(difference));
        }
        let (round, attempt) = (self.context.round, self.context.attempt);
        let (result, message) = match &self.machine {
            Coordinator::Finished(finished) => {
                let publication = self.publish(finished, stage, record, doubles);
                let receipt = finished.receipt(stage.federation.coordinator());
                (
                    Ok((publication.survivors, publication.sum)),
                    Message::new(receipt),
                )
            }
            Coordinator::Aborted(abort) => (Err(abort.clone()), self.notice(abort)),
            _ => (Err(Abort::Restarted), self.notice(&Abort::Restarted)),
        };
        if let Err(Abort::InconsistentDealer { slot }) = &result
            && !record.liars.contains(slot)
        {
            let fault = "its shares rebuild nothing".to_owned();
            record.violate(Violation::HonestBlamed { slot: *slot, fault });
        }
        let ended = result.as_ref().map(|_| ()).map_err(Clone::clone);
        record.ends.push(End {
            round,
            attempt,
            result,
        });
        (ended, message)
    }

    fn publish(
        &self,
        finished: &Finished,
        stage: &Stage,
        record: &mut Record,
        doubles: &mut dyn Doubles,
    ) -> Publication {
        let survivors = finished.sum().survivors().bitmap();
        let mut publication = Publication {
            survivors: survivors.iter().collect(),
            recovered: survivors
                .iter()
                .filter(|slot| !self.revealed.contains(slot))
                .collect(),
            sum: finished.integers().values().to_vec(),
        };
        doubles.publish(&mut publication);
        if let Err(violation) = check_sum(stage, finished, &publication, record) {
            record.violate(violation);
        }
        publication
    }

    fn notice(&self, abort: &Abort) -> Message {
        Message::new(AbortNotice {
            task: self.context.task_digest,
            round: self.context.round,
            attempt: self.context.attempt,
            reason: abort.kind().as_bytes().to_vec(),
            text: abort.to_string().into_bytes(),
        })
    }

    /// Milliseconds that the phase is open. Confirm is held open for the time of Reveal too.
    fn time(&self) -> u64 {
        let deadlines = &self.context.deadlines;
        let of_phase = match self.phase() {
            PhaseName::Advertise => deadlines.advertise_ms,
            PhaseName::Share => deadlines.share_ms,
            PhaseName::Accept => deadlines.accept_ms,
            PhaseName::Upload => deadlines.upload_ms,
            PhaseName::Confirm => deadlines.confirm_ms.saturating_add(deadlines.reveal_ms),
            PhaseName::Reveal | PhaseName::Recover => deadlines.reveal_ms,
            PhaseName::Finished | PhaseName::Aborted => 0,
        };
        of_phase.into()
    }
}
