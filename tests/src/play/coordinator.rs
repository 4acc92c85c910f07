//! Towards the coordinator: what a test says to it as a member, with a machine or without.

use super::Play;
use crate::forger::Forger;
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::fault::{Fault, FaultKind};
use veilsum_proto::ids::{Sid2, Slot};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::message::{Body, Message, UploadStored};
use veilsum_proto::session::second_sid;

impl Play {
    /// Says something to the coordinator, as `from`.
    ///
    /// # Errors
    ///
    /// The fault it finds.
    pub fn say(&mut self, from: u32, body: impl Into<Body>) -> Result<(), Fault> {
        let message = self.over_the_wire(Message::new(body));
        self.coordinator.receive(Slot(from), &message)
    }

    /// As [`Play::say`]; the kind of the fault, which blames `from`.
    ///
    /// # Panics
    ///
    /// When the message is taken, or somebody else is blamed.
    pub fn blamed(&mut self, from: u32, body: impl Into<Body>) -> FaultKind {
        let fault = self.say(from, body).expect_err("the message is a fault");
        assert_eq!(fault.slot, Slot(from), "{fault}");
        fault.kind
    }

    /// Sends a whole vector to the coordinator.
    ///
    /// # Errors
    ///
    /// The fault it finds.
    pub fn send_update(&mut self, from: u32, update: &MaskedUpdate) -> Result<UploadStored, Fault> {
        self.coordinator.receive_update(Slot(from), update)
    }

    /// What is due to `slot` in this phase.
    pub fn due(&self, slot: u32) -> Option<Body> {
        self.coordinator
            .message_for(Slot(slot))
            .map(|message| message.body)
    }

    /// Ends the phase.
    pub fn close(&mut self) -> PhaseName {
        let machine =
            std::mem::replace(&mut self.coordinator, Coordinator::Aborted(Abort::Shutdown));
        self.coordinator = machine.close(&mut self.faults);
        self.coordinator.phase()
    }

    /// Takes a slot out of its machine's hands; the forger advertises as an honest member would.
    pub fn forge(&mut self, slot: u32) -> Forger {
        let forger = self.forge_silently(slot);
        self.say(slot, forger.advert.clone()).unwrap();
        forger
    }

    /// As [`Play::forge`], before the advert.
    pub fn forge_silently(&mut self, slot: u32) -> Forger {
        let player = self.players.get_mut(&Slot(slot)).unwrap();
        player.machine = None;
        let forger = Forger::new(&self.context, player.identity.clone(), u64::from(slot));
        player.seeds = forger.seeds.clone();
        forger
    }

    /// Uploads a forger's row, masked with these peers.
    pub fn upload_as(&mut self, forger: &Forger, peers: &[u32]) {
        let sid2 = self.sid2();
        let peers = peers.iter().copied().map(Slot).collect::<Vec<_>>();
        let noise = forger.member_noise();
        let (contribution, _) = self.contribution_with(self.row(forger.slot.0), noise.as_ref());
        let (header, update) = forger.upload(&sid2, &peers, contribution);
        self.say(forger.slot.0, header).unwrap();
        self.send_update(forger.slot.0, &update).unwrap();
    }

    /// Second session of the Share set that some member took, or that of all slots.
    pub fn sid2(&self) -> Sid2 {
        let mut sets = self
            .players
            .values()
            .filter_map(|player| player.share_set.as_ref());
        match sets.next() {
            Some(set) => second_sid(&set.sid, &set.shared),
            None => second_sid(&self.sid(), &self.all_but(&[])),
        }
    }
}
