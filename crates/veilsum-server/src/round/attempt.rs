//! One attempt: the machine, and what the service remembers about it. Not for clocks, sockets or disks: it takes what came
//! and says what is to be sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use veilsum_proto::{
    abort::Abort,
    bitmap::Bitmap,
    coordinator::{Coordinator, PhaseName},
    fault::{Fault, FaultKind},
    ids::{Sid, Sid2, Slot},
    message::{Body, Message},
    session::RoundContext,
};

use crate::{
    directory::Ticket,
    routes::{Incoming, Keys},
    shared::{Complaint, encoded},
    staging::Staged,
    store::{Fixed, bitmap_text},
    upload::{HeaderReply, MOST_ASKED_AGAIN},
};

use super::told::{Told, Untold};

/// What is to be done after a message or a phase.
#[derive(Debug)]
pub(super) enum Effect {
    /// A frame for a member.
    Send(Slot, Bytes),
    /// A word about a member, which counts as its fault.
    Blame(Complaint),
    /// A word about what the network or this host did to a member.
    Tell(Complaint),
}

/// One attempt at a round.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) context: Arc<RoundContext>,
    pub(super) machine: Coordinator,
    sid: Option<Sid>,
    sid2: Option<Sid2>,
    shared: Option<Bitmap>,
    /// Messages that counted, by name and sender.
    answered: BTreeSet<(&'static str, Slot)>,
    /// Members whose update counts, with the frame that says so.
    stored: BTreeMap<Slot, Bytes>,
    /// How often each member was asked for its update again that could not be staged.
    asked_again: BTreeMap<Slot, u32>,
    /// Members whose answer was missing when a phase closed.
    vanished: BTreeMap<Slot, PhaseName>,
    /// Who is told what is due in the phase, and who waits for that.
    told: Told,
    /// When those who have not been told what is due to them wait no longer for others to take theirs.
    hurry: Instant,
    /// When the phase closes.
    deadline: Instant,
}

impl Attempt {
    pub(super) fn open(context: Arc<RoundContext>) -> Self {
        Self {
            machine: Coordinator::open(context.clone()),
            context,
            sid: None,
            sid2: None,
            shared: None,
            answered: BTreeSet::new(),
            stored: BTreeMap::new(),
            asked_again: BTreeMap::new(),
            vanished: BTreeMap::new(),
            told: Told::default(),
            hurry: Instant::now(),
            deadline: Instant::now(),
        }
    }

    /// Takes what came since the last time.
    pub(super) fn take(&mut self, batch: Vec<Incoming>) -> Vec<Effect> {
        let effects = batch.into_iter().map(|incoming| self.take_one(incoming));
        effects.flatten().collect()
    }

    /// Ends the phase: fixes ids, remembers who was silent, says what the whole phase showed.
    pub(super) fn close(&mut self) -> Vec<Effect> {
        self.remember_silent();
        let mut faults = Vec::new();
        // what stands in meanwhile is never seen
        let machine = std::mem::replace(&mut self.machine, Coordinator::Aborted(Abort::Shutdown));
        self.machine = machine.close(&mut faults);
        self.fix_ids();
        let faults = faults.iter().map(Complaint::from);
        faults.map(Effect::Blame).collect()
    }

    /// The phase has begun: all connected members are to be told what is due to them.
    // spec: [service.pending]
    pub(super) fn announce(&mut self, connected: Vec<(Slot, Ticket)>) {
        let all: Vec<Slot> = self.context.graph.population().slots().collect();
        // neighbours on the ring get much the same, which is in the cache then
        let order = self.context.graph.ring_order().unwrap_or(&all);
        self.told.begin(connected, order);
    }

    pub(super) fn has_untold(&self) -> bool {
        !self.told.is_over()
    }

    /// What those should have whose turn it is, up to the first frame beyond `room` bytes.
    pub(super) fn tell(&mut self, room: usize) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut bytes = 0_usize;
        while bytes < room
            && let Some(Untold { slot, is_late }) = self.told.next()
        {
            let frames = match is_late {
                true => self.pending(slot),
                false => self.due(slot).into_iter().collect(),
            };
            for frame in frames {
                bytes = bytes.saturating_add(frame.len());
                effects.push(Effect::Send(slot, frame));
            }
        }
        effects
    }

    fn due(&self, slot: Slot) -> Option<Bytes> {
        self.machine.encoded_for(slot).map(Bytes::from)
    }

    /// What a member that has come back should have by now. It may have missed that its update is stored, without which it
    /// signs nothing.
    // spec: [service.pending]
    fn pending(&self, slot: Slot) -> Vec<Bytes> {
        let message = self.due(slot);
        let stored = match self.machine.phase() {
            PhaseName::Confirm | PhaseName::Reveal | PhaseName::Recover => self.stored.get(&slot),
            PhaseName::Advertise
            | PhaseName::Share
            | PhaseName::Accept
            | PhaseName::Upload
            | PhaseName::Finished
            | PhaseName::Aborted => None,
        };
        let stored = stored.filter(|_| message.is_some()).cloned();
        stored.into_iter().chain(message).collect()
    }

    /// Starts the phase's time.
    pub(super) fn start(&mut self, now: Instant) {
        let time = self.time();
        self.deadline = now.checked_add(time).unwrap_or(now);
        let waiting = time.checked_div(WAITING_PART).unwrap_or_default();
        self.hurry = now.checked_add(waiting).unwrap_or(now);
    }

    /// Gives Confirm the time of Reveal too.
    pub(super) fn hold(&mut self) {
        let more = milliseconds(self.context.deadlines.reveal_ms);
        self.deadline = self.deadline.checked_add(more).unwrap_or(self.deadline);
    }

    pub(super) fn hurry(&self) -> Instant {
        self.hurry
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether nothing more that could come would change how the phase closes.
    // spec: [service.close.early]
    pub(super) fn is_complete(&self) -> bool {
        self.machine.waits_for().is_empty()
    }

    /// Whether Confirm has signatures but no quorum yet.
    pub(super) fn has_some_signatures(&self) -> bool {
        let signed = |(name, _): &(&str, Slot)| *name == CONFIRMATION;
        matches!(&self.machine, Coordinator::Confirm(phase) if !phase.has_quorum())
            && self.answered.iter().any(signed)
    }

    pub(super) fn keys(&self) -> Keys {
        Keys {
            round: self.context.round,
            attempt: self.context.attempt,
            sid: self.sid,
            sid2: self.sid2,
        }
    }

    /// What must be on disk before the phase that has just begun is announced.
    // spec: [service.fix]
    pub(super) fn fixed(&self) -> Option<Fixed> {
        let survivors = match self.machine.phase() {
            PhaseName::Upload => None,
            PhaseName::Confirm => {
                let stored = self.stored.keys().copied();
                Some(bitmap_text(&Bitmap::of(self.context.slots(), stored)))
            }
            PhaseName::Advertise
            | PhaseName::Share
            | PhaseName::Accept
            | PhaseName::Reveal
            | PhaseName::Recover
            | PhaseName::Finished
            | PhaseName::Aborted => return None,
        };
        Some(Fixed {
            round: self.context.round,
            attempt: self.context.attempt,
            sid: self.sid?,
            sid2: self.sid2?,
            shared: bitmap_text(self.shared.as_ref()?),
            survivors,
        })
    }

    /// Members whose answer was missing when a phase closed, with the first such phase.
    pub(super) fn vanished(&self) -> Vec<(Slot, PhaseName)> {
        self.vanished
            .iter()
            .map(|(slot, phase)| (*slot, *phase))
            .collect()
    }

    fn take_one(&mut self, incoming: Incoming) -> Vec<Effect> {
        match incoming {
            Incoming::Connected(slot, ticket) => {
                self.told.greet(slot, ticket);
                Vec::new()
            }
            Incoming::Message { from, message } => self.take_message(from, &message),
            Incoming::Header {
                from,
                message,
                reply,
            } => {
                // a sender that is gone needs no answer
                let _ = reply.send(self.take_header(from, &message));
                Vec::new()
            }
            Incoming::Update { from, sid2, update } => self.take_update(from, sid2, update),
            Incoming::Unstaged { from, sid2 } => self.ask_again(from, sid2),
        }
    }

    fn take_message(&mut self, from: Slot, message: &Message) -> Vec<Effect> {
        match self.machine.receive(from, message) {
            Ok(()) => {
                self.answered.insert((message.body.name(), from));
                self.ask_for_shares(from, message);
                Vec::new()
            }
            Err(fault) if self.is_straggler(from, message, &fault) => Vec::new(),
            Err(fault) => vec![Effect::Blame(Complaint::from(&fault))],
        }
    }

    /// A survivor that reveals late in Recover holds shares of those who stay silent, and has not been asked for them yet.
    // spec: [recover.targets]
    fn ask_for_shares(&mut self, from: Slot, message: &Message) {
        if self.machine.phase() == PhaseName::Recover && matches!(message.body, Body::Reveal(_)) {
            self.told.again(from);
        }
    }

    /// A repeat of what counted in an earlier phase, or a signature after the quorum: nobody's fault.
    // spec: [service.late]
    fn is_straggler(&self, from: Slot, message: &Message, fault: &Fault) -> bool {
        let name = message.body.name();
        let last = PhaseName::last_for(&message.body);
        let earlier = last.is_some_and(|phase| phase < self.machine.phase());
        matches!(fault.kind, FaultKind::WrongPhase { .. })
            && earlier
            && (name == CONFIRMATION || self.answered.contains(&(name, from)))
    }

    fn take_header(&mut self, from: Slot, message: &Message) -> HeaderReply {
        let Body::UploadHeader(header) = &message.body else {
            return HeaderReply::Over;
        };
        // spec: [service.stage.again]
        let same = Some(header.sid2) == self.sid2 && header.slot == from;
        if let Some(frame) = self.stored.get(&from).filter(|_| same) {
            return HeaderReply::Stored(frame.clone());
        }
        match self.machine.receive(from, message) {
            Ok(()) => HeaderReply::Expected {
                task: self.context.task_digest,
                sid2: header.sid2,
                bytes: header.limbs.saturating_mul(8),
                deadline: self.deadline,
                asked_again: self.asked_again.get(&from).copied().unwrap_or(0),
            },
            Err(fault) => HeaderReply::Refused(Complaint::from(&fault)),
        }
    }

    /// Adds a whole update, if it is of this very session.
    // spec: [service.stage.whole]
    // spec: [service.fault.limit]
    fn take_update(&mut self, from: Slot, sid2: Sid2, update: Staged) -> Vec<Effect> {
        if Some(sid2) != self.sid2 {
            let kind = FaultKind::OtherSession {
                got: "masked update",
                what: "session",
            };
            return vec![Effect::Tell(Complaint::of(from, &kind))];
        }
        if self.machine.phase() > PhaseName::Upload {
            return vec![Effect::Tell(Complaint::new(from, "late", TOO_LATE))];
        }
        let limbs = self.context.plan.limbs();
        let added = update.into_update(limbs, |update| self.machine.receive_update(from, update));
        match added {
            Ok(Ok(stored)) => {
                let frame = encoded(&Message::new(stored));
                self.stored.insert(from, frame.clone());
                vec![Effect::Send(from, frame)]
            }
            Ok(Err(fault)) => vec![Effect::Blame(Complaint::from(&fault))],
            Err(error) => {
                let told = Effect::Tell(Complaint::new(from, error.kind(), error));
                let asked = self.asked_again.get(&from).copied().unwrap_or(0);
                let again = match asked < MOST_ASKED_AGAIN {
                    true => self.ask_again(from, sid2),
                    false => Vec::new(),
                };
                [told].into_iter().chain(again).collect()
            }
        }
    }

    /// Asks for an update again that could not be staged: its sender may think that it has sent all there was to send.
    // spec: [service.stage.ask-again]
    fn ask_again(&mut self, from: Slot, sid2: Sid2) -> Vec<Effect> {
        let open = Some(sid2) == self.sid2 && self.machine.phase() == PhaseName::Upload;
        if !open || self.stored.contains_key(&from) {
            return Vec::new();
        }
        let asked = self.asked_again.entry(from).or_default();
        *asked = asked.saturating_add(1);
        let frames = self.pending(from).into_iter();
        frames.map(|frame| Effect::Send(from, frame)).collect()
    }

    fn remember_silent(&mut self) {
        let phase = self.machine.phase();
        // in Recover the shares of the others may have been enough, and who was silent is known by then
        if phase == PhaseName::Recover {
            return;
        }
        for slot in self.machine.waits_for() {
            self.vanished.entry(slot).or_insert(phase);
        }
    }

    /// Keeps the ids that the phase fixed; the machine forgets them when it aborts.
    fn fix_ids(&mut self) {
        self.sid = self.machine.sid().copied().or(self.sid);
        self.sid2 = self.machine.sid2().copied().or(self.sid2);
        if self.shared.is_none() {
            self.shared = self.machine.share_set().cloned();
            self.remember_excluded();
        }
    }

    /// Members whose accept counted and whom too many cuts keep out of the Share set.
    fn remember_excluded(&mut self) {
        let Some(shared) = &self.shared else {
            return;
        };
        let accepted = self.answered.iter().filter(|(name, _)| *name == ACCEPT);
        for (_, slot) in accepted.filter(|(_, slot)| !shared.contains(*slot)) {
            self.vanished.entry(*slot).or_insert(PhaseName::Accept);
        }
    }

    fn time(&self) -> Duration {
        let deadlines = &self.context.deadlines;
        milliseconds(match self.machine.phase() {
            PhaseName::Advertise => deadlines.advertise_ms,
            PhaseName::Share => deadlines.share_ms,
            PhaseName::Accept => deadlines.accept_ms,
            PhaseName::Upload => deadlines.upload_ms,
            PhaseName::Confirm => deadlines.confirm_ms,
            PhaseName::Reveal | PhaseName::Recover => deadlines.reveal_ms,
            PhaseName::Finished | PhaseName::Aborted => 0,
        })
    }
}

fn milliseconds(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

/// The part of a phase in which what is due to members may wait for room on the way.
const WAITING_PART: u32 = 4;

const CONFIRMATION: &str = "Confirmation";
const ACCEPT: &str = "Accept";
const TOO_LATE: &str = "masked update is whole, but upload has closed";
