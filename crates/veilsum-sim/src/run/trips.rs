//! What goes between members and coordinator in a phase, every message as its bytes.

use super::Run;
use crate::member::{Answer, SimMember};
use crate::script::Vanish;
use cpu_time::ProcessTime;
use rayon::prelude::*;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::fault::FaultKind;
use veilsum_proto::ids::Slot;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{Caps, Message};

/// Bytes of one vector on its way, or a part of one.
type Upload = (Slot, Vec<Message>, Option<MaskedUpdate>);

impl Run<'_> {
    pub(super) fn advertise(&mut self, machine: &mut Coordinator, caps: &Caps) {
        let script = &self.options.script;
        let mut sent = Vec::new();
        for member in &mut self.members {
            let open = machine
                .message_for(member.slot)
                .map(|message| message.encode().len());
            member.costs.received = member
                .costs
                .received
                .saturating_add(open.unwrap_or(0) as u64);
            if script.acts(member.slot, Vanish::Advertise) {
                sent.extend(
                    member
                        .advertise()
                        .map(|message| (member.slot, vec![message])),
                );
            }
        }
        self.deliver(machine, sent, caps);
    }

    /// One trip: what is due goes to each member, what it answers comes back.
    pub(super) fn exchange(&mut self, machine: &mut Coordinator, point: Vanish, caps: &Caps) {
        let due = self.due(machine, point);
        let phase = machine.phase();
        let answers = self.answers(phase, due, caps);
        let sent = answers
            .into_iter()
            .map(|(slot, answer)| (slot, answer.messages))
            .collect();
        self.deliver(machine, sent, caps);
    }

    /// Uploads in batches, so that few vectors are held at once.
    pub(super) fn upload(&mut self, machine: &mut Coordinator, caps: &Caps) {
        let due = self.due(machine, Vanish::Accept);
        let phase = machine.phase();
        let answers = self.answers(phase, due, caps);
        let ready = answers
            .into_iter()
            .filter(|(_, answer)| answer.contribute)
            .map(|(slot, _)| slot);
        let ready = ready
            .filter(|slot| self.options.script.acts(*slot, Vanish::Upload))
            .collect::<Vec<_>>();
        for batch in ready.chunks(UPLOADS_AT_ONCE) {
            let uploads = self.masked(batch);
            for (slot, headers, update) in uploads {
                self.deliver(machine, vec![(slot, headers)], caps);
                if let Some(update) = update {
                    self.deliver_update(machine, slot, &update);
                }
            }
            self.peak = self.peak.max(machine.held_bytes());
        }
        // A stored update is acknowledged; only then does a member sign.
        let due = self.due(machine, Vanish::MidUpload);
        self.answers(phase, due, caps);
    }

    fn masked(&mut self, batch: &[Slot]) -> Vec<Upload> {
        let (updates, script) = (self.updates, &self.options.script);
        let members = self.members.iter_mut();
        let mut members = members
            .filter(|member| batch.contains(&member.slot))
            .collect::<Vec<_>>();
        let upload = |member: &mut SimMember| {
            let (header, update) = member.upload(updates.of(member.slot)?)?;
            let whole = script.acts(member.slot, Vanish::MidUpload);
            let bytes = update.limbs().saturating_mul(if whole { 8 } else { 4 });
            member.costs.sent = member.costs.sent.saturating_add(bytes as u64);
            Some((member.slot, vec![header], whole.then_some(update)))
        };
        let each = members.len().div_ceil(rayon::current_num_threads()).max(1);
        std::thread::scope(|scope| {
            let desks = members.chunks_mut(each).map(|members| {
                let uploads = || {
                    members
                        .iter_mut()
                        .filter_map(|member| upload(member))
                        .collect()
                };
                scope.spawn(|| alone::<Vec<Upload>>(uploads))
            });
            let desks = desks.collect::<Vec<_>>();
            let uploads = desks
                .into_iter()
                .flat_map(|desk| desk.join().unwrap_or_default());
            uploads.collect()
        })
    }

    /// Encoded messages due to the members that still act at `point`.
    fn due(&mut self, machine: &Coordinator, point: Vanish) -> Vec<(Slot, Vec<Vec<u8>>)> {
        let started = ProcessTime::now();
        let slots = self.members.iter().map(|member| member.slot);
        let acting = slots.filter(|slot| self.options.script.acts(*slot, point));
        let messages = acting
            .filter_map(|slot| Some((slot, machine.message_for(slot)?)))
            .collect::<Vec<_>>();
        let tamper = &mut *self.tamper;
        let due = messages.into_iter().map(|(slot, message)| {
            let arriving = tamper.to_member(slot, message);
            (slot, arriving.iter().map(Message::encode).collect())
        });
        let due = due.collect();
        self.coordinator.spend(machine.phase(), started.elapsed());
        due
    }

    fn answers(
        &mut self,
        phase: PhaseName,
        mut due: Vec<(Slot, Vec<Vec<u8>>)>,
        caps: &Caps,
    ) -> Vec<(Slot, Answer)> {
        due.sort_by_key(|(slot, _)| *slot);
        let due = &due;
        let members = self.members.par_iter_mut();
        let answers = members.filter_map(|member| {
            let index = due
                .binary_search_by_key(&member.slot, |(slot, _)| *slot)
                .ok()?;
            let (_, messages) = due.get(index)?;
            let mut all = Answer::default();
            for bytes in messages {
                let answer = member.receive(phase, bytes, caps);
                all.messages.extend(answer.messages);
                all.contribute |= answer.contribute;
            }
            Some((member.slot, all))
        });
        answers.collect()
    }

    fn deliver(&mut self, machine: &mut Coordinator, sent: Vec<(Slot, Vec<Message>)>, caps: &Caps) {
        for (slot, messages) in sent {
            for message in messages
                .into_iter()
                .flat_map(|message| self.tamper.to_coordinator(slot, message))
            {
                let bytes = message.encode();
                if let Some(member) = self.members.get_mut(slot.index()) {
                    member.costs.sent = member.costs.sent.saturating_add(bytes.len() as u64);
                }
                let started = ProcessTime::now();
                let outcome = match Message::decode(&bytes, caps) {
                    Ok(message) => machine.receive(slot, &message),
                    Err(invalid) => Err(FaultKind::from(invalid).of(slot)),
                };
                self.coordinator.spend(machine.phase(), started.elapsed());
                self.faults.extend(outcome.err());
            }
        }
    }

    fn deliver_update(&mut self, machine: &mut Coordinator, slot: Slot, update: &MaskedUpdate) {
        let started = ProcessTime::now();
        let outcome = machine.receive_update(slot, update);
        self.coordinator.spend(PhaseName::Upload, started.elapsed());
        self.faults.extend(outcome.err());
    }
}

/// Does work that would share itself among threads on this one, so that its processor time is that of the thread: a thread
/// that waits for others would take up other members' work meanwhile.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// Vectors masked at once.
const UPLOADS_AT_ONCE: usize = 8;
