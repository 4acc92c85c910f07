//! Honest phases: everybody acts as its machine does.

use super::Play;
use crate::noise::Parts;
use std::collections::BTreeSet;
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::ids::Slot;
use veilsum_proto::member::Reply;
use veilsum_proto::message::Body;

impl Play {
    /// Members with a machine that still act.
    pub fn acting(&self) -> Vec<u32> {
        let acting = self.players.iter();
        let acting =
            acting.filter(|(slot, player)| player.machine.is_some() && !self.silent.contains(slot));
        acting.map(|(slot, _)| slot.0).collect()
    }

    /// The honest answer of one member to what is due to it, not yet delivered.
    pub fn answer(&mut self, slot: u32) -> Option<Body> {
        if self.coordinator.phase() == PhaseName::Advertise {
            return Some(self.advertise(slot).unwrap().into());
        }
        let due = self.due(slot)?;
        match self.tell(slot, due) {
            Ok(Reply::Send(message)) => Some(message.body),
            Ok(Reply::Contribute | Reply::Nothing) => None,
            other => panic!("slot {slot} in {}: {other:?}", self.coordinator.phase()),
        }
    }

    /// Lets one member do what is due in this phase, honestly.
    pub fn act(&mut self, slot: u32) {
        let Some(body) = self.answer(slot) else {
            let machine = self.players[&Slot(slot)].machine.as_ref();
            if machine.is_some_and(|machine| machine.phase() == "ready") {
                self.act_upload(slot);
            }
            return;
        };
        self.say(slot, body).unwrap();
    }

    fn act_upload(&mut self, slot: u32) {
        let (header, update) = self.upload(slot).unwrap();
        self.say(slot, header).unwrap();
        let stored = self.send_update(slot, &update).unwrap();
        self.tell(slot, stored).unwrap();
    }

    /// Lets every acting member act, without closing the phase.
    pub fn act_all(&mut self) {
        for slot in self.acting() {
            if self.coordinator.phase() == PhaseName::Advertise || self.due(slot).is_some() {
                self.act(slot);
            }
        }
    }

    /// Runs honest phases until `phase` begins.
    pub fn run_to(&mut self, phase: PhaseName) {
        while self.coordinator.phase() != phase {
            let before = self.coordinator.phase();
            assert!(
                !matches!(before, PhaseName::Finished | PhaseName::Aborted),
                "the round ended in {:?} before {phase}",
                self.coordinator
            );
            self.act_all();
            self.close();
        }
    }

    /// Runs honest phases to the end.
    pub fn finish(&mut self) {
        while !matches!(
            self.coordinator.phase(),
            PhaseName::Finished | PhaseName::Aborted
        ) {
            self.act_all();
            self.close();
        }
    }

    /// Why the round has no sum.
    pub fn abort(&self) -> Option<&Abort> {
        match &self.coordinator {
            Coordinator::Aborted(abort) => Some(abort),
            _ => None,
        }
    }

    /// Finishes honestly and holds the sum against the plain sum of the named survivors, and of the noise that stays: the
    /// components of the level, and all of those whose surplus could not be removed. What is known of the round, to the
    /// coordinator and the corrupt members, is the sum over the honest ones among them and nothing else.
    ///
    /// # Panics
    ///
    /// When there is no sum, it has other survivors, it is not theirs, or something else is known.
    pub fn assert_exact(&mut self, survivors: impl IntoIterator<Item = u32>) {
        self.finish();
        let Coordinator::Finished(finished) = &self.coordinator else {
            panic!("no sum: {:?}, faults {:?}", self.coordinator, self.faults);
        };
        let found = finished.sum().survivors().bitmap().iter();
        let found = found.map(|slot| slot.0).collect::<Vec<_>>();
        let wanted = survivors.into_iter().collect::<Vec<_>>();
        assert_eq!(found, wanted, "survivors");
        let parts = finished.noise().map(|_| Parts::of(&self.context));
        let mut plain = vec![0i64; self.inputs.coordinates];
        for slot in wanted.iter().copied() {
            for (total, value) in plain.iter_mut().zip(self.row(slot)) {
                *total += value;
            }
            if let Some(stays) = finished.noise() {
                let seeds = self.players[&Slot(slot)].seeds.as_ref();
                let seeds = seeds.expect("every member of a task with noise draws seeds");
                let surplus = stays.unremoved.contains(&Slot(slot));
                let level = (!surplus).then_some(stays.level.components());
                seeds.add(parts.as_ref().unwrap(), level, &mut plain);
            }
        }
        assert_eq!(finished.integers().values(), plain, "the sum of {found:?}");
        self.tap.assert_safe();
        // Beyond the corrupt members reckoned with nothing is promised.
        if self.tap.corrupt() <= self.context.parameters.c as usize {
            let honest = wanted.into_iter().map(Slot);
            let honest = honest.filter(|slot| !self.tap.is_corrupt(*slot));
            let known = self.tap.known_sums(self.context.round);
            assert_eq!(known, [honest.collect::<BTreeSet<_>>()], "what is known");
        }
    }
}
