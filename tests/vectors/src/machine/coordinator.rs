//! Our coordinator, a step at a time.

use crate::bytes::Bytes;
use crate::judge::{Refused, Stop, broken, refused};
use crate::kinds::invalid;
use crate::machine::coordinator_faults::{abort, fault};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use veilsum_proto::coordinator::{Coordinator, Finished, PhaseName};
use veilsum_proto::fault::FaultKind;
use veilsum_proto::ids::Slot;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{Body, Caps, Message};
use veilsum_proto::session::RoundContext;

/// What a coordinator is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorStep {
    /// Whose message.
    pub slot: Option<u32>,
    /// A message of a member.
    pub message: Option<Bytes>,
    /// The masked update behind an upload header.
    pub vector: Option<Bytes>,
    /// The end of this phase.
    pub close: Option<String>,
    /// Whether it is asked what each holder would be asked for.
    #[serde(default)]
    pub requests: bool,
    /// Whether this step is refused although others follow.
    #[serde(default)]
    pub refused: bool,
}

/// Messages by the slot that they are for.
pub type Due = BTreeMap<Slot, Message>;

/// A coordinator with the faults that it found.
pub struct CoordinatorMachine {
    context: Arc<RoundContext>,
    machine: Coordinator,
    /// Whom it blamed for what, where what it said counts all the same.
    pub blamed: Vec<(Slot, &'static str)>,
}

impl CoordinatorMachine {
    /// Opens an attempt.
    pub fn new(context: Arc<RoundContext>) -> Self {
        Self {
            machine: Coordinator::open(context.clone()),
            context,
            blamed: Vec::new(),
        }
    }

    /// What the round is about.
    pub fn context(&self) -> &Arc<RoundContext> {
        &self.context
    }

    /// The machine.
    pub fn machine(&self) -> &Coordinator {
        &self.machine
    }

    /// What it has to say to anybody now.
    pub fn due(&self) -> Due {
        let slots = self.context.graph.population().slots();
        slots
            .filter_map(|slot| Some((slot, self.machine.message_for(slot)?)))
            .collect()
    }

    /// Takes a message of a slot, with the vector behind an upload header; says what is answered at once.
    ///
    /// # Errors
    ///
    /// What the slot is blamed for, if nothing of its message counts.
    pub fn take(
        &mut self,
        from: Slot,
        bytes: &[u8],
        vector: Option<&[u8]>,
    ) -> Result<Option<Message>, Refused> {
        let caps = Caps::of_roster(self.context.slots());
        let message = Message::decode(bytes, &caps).map_err(invalid)?;
        if matches!(message.body, Body::Shares(_)) && self.machine.phase() == PhaseName::Reveal {
            // The pages have one phase for reveals and shares, our machine has two.
            self.end_phase();
        }
        match self.machine.receive(from, &message) {
            Ok(()) => {}
            Err(error) if counts_all_the_same(&message.body, &error.kind) => {
                self.blamed.push((from, fault(error).requirement));
                return Ok(None);
            }
            Err(error)
                if matches!(
                    (&message.body, &error.kind),
                    (Body::Reveal(_), FaultKind::NotAsked(_))
                ) =>
            {
                return Err(refused("reveal.verify", error));
            }
            Err(error) => return Err(fault(error)),
        }
        match (&message.body, vector) {
            (Body::UploadHeader(_), Some(vector)) => self.store(from, vector).map(Some),
            (Body::UploadHeader(_), None) => {
                Err(refused("wire.vector", "no vector behind a header"))
            }
            (_, Some(_)) => Err(refused("wire.vector", "a vector behind another message")),
            (_, None) => Ok(None),
        }
    }

    /// Ends the phase of the pages that is open.
    ///
    /// # Errors
    ///
    /// Why the attempt ends.
    pub fn close(&mut self) -> Result<(), Refused> {
        let reveal = self.machine.phase() == PhaseName::Reveal;
        self.end_phase();
        if reveal && self.machine.phase() == PhaseName::Recover {
            self.end_phase();
        }
        match &self.machine {
            Coordinator::Aborted(reason) => Err(abort(reason)),
            _ => Ok(()),
        }
    }

    /// What each holder is asked for. A survivor that has not revealed gets the certificate once more instead.
    pub fn requests(&mut self) -> Due {
        if self.machine.phase() == PhaseName::Reveal {
            self.end_phase();
        }
        match self.machine.phase() {
            PhaseName::Recover => self.due(),
            _ => Due::new(),
        }
    }

    /// The result, once there is one.
    pub fn finished(&self) -> Option<&Finished> {
        match &self.machine {
            Coordinator::Finished(finished) => Some(finished),
            _ => None,
        }
    }

    fn end_phase(&mut self) {
        let mut faults = Vec::new();
        let open = std::mem::replace(&mut self.machine, Coordinator::open(self.context.clone()));
        self.machine = open.close(&mut faults);
        // Who is cut widely is out of the Share set, which says so itself.
        let named = faults
            .into_iter()
            .filter(|error| !matches!(error.kind, FaultKind::TooManyCuts { .. }));
        self.blamed
            .extend(named.map(|error| (error.slot, fault(error).requirement)));
    }

    /// A whole update that is sent again is known already, and its storage is said again.
    fn store(&mut self, from: Slot, vector: &[u8]) -> Result<Message, Refused> {
        let update =
            MaskedUpdate::from_le_bytes(vector).map_err(|error| refused("wire.vector", error))?;
        if let Coordinator::Upload(phase) = &self.machine
            && phase.is_stored(from)
        {
            let stored = self.machine.message_for(from);
            return stored
                .ok_or_else(|| refused("upload.once", "nothing is said about a stored update"));
        }
        let stored = self.machine.receive_update(from, &update);
        stored.map(Message::new).map_err(|error| match &error.kind {
            FaultKind::WrongLength { .. } => refused("wire.vector", error),
            _ => fault(error),
        })
    }
}

/// Whether what else the message says counts: a chain value beside seeds, a bad share beside good ones.
fn counts_all_the_same(message: &Body, kind: &FaultKind) -> bool {
    match message {
        Body::Reveal(_) => matches!(kind, FaultKind::ChainValue(_)),
        Body::Shares(_) => matches!(kind, FaultKind::Share(_) | FaultKind::NotAsked(_)),
        _ => false,
    }
}

/// A step as the vectors write it.
///
/// # Errors
///
/// [`broken`] when it is none of the forms.
pub fn slot_and_message(step: &CoordinatorStep) -> Result<(Slot, &[u8]), Stop> {
    match (step.slot, &step.message) {
        (Some(slot), Some(message)) => Ok((Slot(slot), &message.0)),
        _ => Err(broken(
            "a step is a message of a slot, the end of a phase, or a question for requests",
        )),
    }
}
