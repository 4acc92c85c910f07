//! The coordinator's machine under a script of operations: honest messages, held back, repeated, reordered, sent by others,
//! mutated, signed lies, garbage, phases closed at any moment.
//!
//! Whatever happens: no panic; a member that only ever answered honestly and at once is never blamed for a message; what
//! its sender signed does not count once a bit of it differs; and a sum whose survivors all were honest is the plain sum
//! of exactly those.

use crate::federation::{MEMBERS, Outcome, Parcel, Remembered, World};
use crate::source::Source;
use std::collections::BTreeSet;
use std::sync::Arc;
use veilsum_proto::coordinator::{Coordinator, Finished};
use veilsum_proto::fault::Fault;
use veilsum_proto::ids::Slot;
use veilsum_proto::label::{SUITE, VERSION};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::merkle;
use veilsum_proto::message::{Body, Cut, CutReason, Message, SealedShares, sign_shares};

/// Runs a script, then lets the honest members finish the round.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut play = Play::new();
    for _ in 0..MOST_OPERATIONS {
        if source.is_empty() {
            break;
        }
        play.operate(&mut source);
    }
    play.finish();
}

/// Operations by their number; seeds are written with these.
pub mod operation {
    /// What is due to one member is delivered, its answer too.
    pub const ONE: u8 = 0;
    /// The same for all members.
    pub const ALL: u8 = 1;
    /// What is due to one member is delivered, its answer is kept for later.
    pub const HOLD: u8 = 2;
    /// Something kept arrives from its sender.
    pub const REPLAY: u8 = 3;
    /// Something kept arrives from another member.
    pub const STEAL: u8 = 4;
    /// Something kept arrives with other bytes.
    pub const MUTATE: u8 = 5;
    /// Something kept arrives with other bytes, and signed again by its sender.
    pub const LIE: u8 = 6;
    /// Any bytes arrive.
    pub const GARBAGE: u8 = 7;
    /// Any vector arrives.
    pub const VECTOR: u8 = 8;
    /// The phase is closed.
    pub const CLOSE: u8 = 9;
    /// All members, then the phase is closed.
    pub const PHASE: u8 = 10;
    /// A signed accept that cuts more, or shares with a part less or more.
    pub const CHEAT: u8 = 11;
    /// How many there are.
    pub const COUNT: u8 = 12;
}

struct Play {
    world: &'static World,
    machine: Coordinator,
    members: Vec<Remembered>,
    /// Everything honest members sent, whether it arrived or not.
    kept: Vec<(Slot, Parcel)>,
    /// Members of which something arrived and counted that no honest member sends.
    liars: BTreeSet<Slot>,
    /// Members that seem to misbehave: they may be blamed from now on.
    suspects: BTreeSet<Slot>,
}

impl Play {
    fn new() -> Self {
        let world = World::get();
        Self {
            world,
            machine: Coordinator::open(world.context.clone()),
            members: world.slots().map(Remembered::new).collect(),
            kept: Vec::new(),
            liars: BTreeSet::new(),
            suspects: BTreeSet::new(),
        }
    }

    fn operate(&mut self, source: &mut Source) {
        match source.byte() % operation::COUNT {
            operation::ONE => self.exchange(slot(source)),
            operation::ALL => self.all(),
            operation::HOLD => drop(self.answer(slot(source))),
            operation::REPLAY => self.replay(source),
            operation::STEAL => self.steal(source),
            operation::MUTATE => self.mutate(source),
            operation::LIE => self.lie(source),
            operation::GARBAGE => self.garbage(source),
            operation::VECTOR => self.vector(source),
            operation::CLOSE => self.close(),
            operation::PHASE => {
                self.all();
                self.close();
            }
            _ => self.cheat(source),
        }
        self.machine.held_bytes();
        assert!(self.machine.waits_for().iter().all(|slot| slot.0 < MEMBERS));
    }

    fn all(&mut self) {
        self.world.slots().for_each(|slot| self.exchange(slot));
    }

    fn exchange(&mut self, slot: Slot) {
        for parcel in self.answer(slot) {
            let outcome = self.deliver(slot, &parcel);
            if !self.suspects.contains(&slot) {
                assert_eq!(outcome, Ok(()), "an honest member is blamed");
            }
        }
    }

    /// What a member answers to what is due to it; it is kept too.
    fn answer(&mut self, slot: Slot) -> Vec<Parcel> {
        let Some(message) = self.machine.message_for(slot) else {
            return Vec::new();
        };
        let bytes = message.encode();
        let again = Message::decode(&bytes, &self.world.caps);
        assert_eq!(again.as_ref(), Ok(&message), "due, but not under its cap");
        let Outcome { parcels, refusal } = self.members[slot.index()].receive(&message);
        if self.suspects.is_empty() {
            assert_eq!(refusal, None, "an honest member refuses an honest round");
        }
        self.kept
            .extend(parcels.iter().map(|parcel| (slot, parcel.clone())));
        parcels
    }

    fn deliver(&mut self, from: Slot, parcel: &Parcel) -> Result<(), Fault> {
        match parcel {
            Parcel::Message(message) => self.machine.receive(from, message),
            Parcel::Update(bytes) => {
                let update = MaskedUpdate::from_le_bytes(bytes).expect("whole limbs");
                let stored = self.machine.receive_update(from, &update)?;
                // Acknowledged at once; a member that never hears of it signs and reveals nothing.
                self.members[from.index()].receive(&Message::new(stored));
                Ok(())
            }
        }
    }

    /// Late or twice: may be blamed, but is no lie.
    fn replay(&mut self, source: &mut Source) {
        let Some((from, parcel)) = self.pick(source) else {
            return;
        };
        self.deliver(from, &parcel).ok();
    }

    fn steal(&mut self, source: &mut Source) {
        let thief = slot(source);
        let Some((from, parcel)) = self.pick(source) else {
            return;
        };
        if from == thief {
            return;
        }
        let outcome = self.deliver(thief, &parcel);
        match parcel {
            Parcel::Message(_) => assert!(outcome.is_err(), "counts for another than its sender"),
            Parcel::Update(_) => self.suspect(thief, outcome.is_ok()),
        }
    }

    fn mutate(&mut self, source: &mut Source) {
        let Some((from, Parcel::Message(message))) = self.pick(source) else {
            return;
        };
        let Some(changed) = self.changed(&message, source) else {
            return;
        };
        let counts = self.machine.receive(from, &changed).is_ok();
        let is_signed = match changed.body {
            // These are judged by hashes that their sender signed before.
            Body::Reveal(_) | Body::Shares(_) => false,
            _ => true,
        };
        assert!(!(counts && is_signed), "counts, but was not signed");
        self.suspect(from, counts);
    }

    fn lie(&mut self, source: &mut Source) {
        let Some((from, Parcel::Message(message))) = self.pick(source) else {
            return;
        };
        let Some(changed) = self.changed(&message, source) else {
            return;
        };
        let lie = self.signed(from, changed);
        let counts = self.machine.receive(from, &lie).is_ok();
        self.suspect(from, counts);
    }

    /// Signs a message whose sender it is not necessarily.
    fn signed(&self, from: Slot, message: Message) -> Message {
        let identity = self.world.identity(from);
        match message.body {
            Body::Advert(advert) => Message::new(advert.signed(identity)),
            Body::Accept(accept) => Message::new(accept.signed(identity)),
            Body::UploadHeader(header) => Message::new(header.signed(identity)),
            Body::SealedShares(shares) => Message::new(self.signed_shares(from, shares)),
            _ => message,
        }
    }

    /// Signs shares as if all slots had advertised; where some did not, the signature is just a wrong one.
    fn signed_shares(&self, from: Slot, mut shares: SealedShares) -> SealedShares {
        let mut parts = shares.parts.iter().peekable();
        let neighbours = self.world.slots().filter(|slot| *slot != from);
        let leaves = neighbours.map(|slot| match parts.next_if(|part| part.to == slot) {
            Some(part) => part.leaf(&shares.sid, from),
            None => merkle::empty_leaf(),
        });
        let root = merkle::Tree::new(leaves.collect()).root();
        shares.signature = sign_shares(self.world.identity(from), &shares.sid, from, &root);
        shares
    }

    fn cheat(&mut self, source: &mut Source) {
        let Some((from, Parcel::Message(mut message))) = self.pick(source) else {
            return;
        };
        match &mut message.body {
            Body::Accept(accept) => {
                let cut = Cut {
                    slot: slot(source),
                    reason: [CutReason::PairSeed, CutReason::Share, CutReason::Key]
                        [source.below(3)],
                };
                accept.cuts.push(cut);
                accept.cuts.sort();
            }
            Body::SealedShares(shares) => {
                let at = source.below(shares.parts.len().max(1));
                match source.below(3) {
                    0 if at < shares.parts.len() => drop(shares.parts.remove(at)),
                    1 if at < shares.parts.len() => shares.parts[at].to = slot(source),
                    _ => shares.parts.extend(shares.parts.get(at).cloned()),
                }
            }
            Body::Reveal(reveal) => {
                let other = self.kept.iter().find_map(|(_, parcel)| match parcel {
                    Parcel::Message(message) => match &message.body {
                        Body::Reveal(other) if other.slot != from => Some(other.clone()),
                        _ => None,
                    },
                    Parcel::Update(_) => None,
                });
                reveal.pair_seeds = other.map(|other| other.pair_seeds).unwrap_or_default();
            }
            Body::Shares(shares) => drop(shares.answers.pop()),
            _ => {}
        }
        let cheat = self.signed(from, message);
        let counts = self.machine.receive(from, &cheat).is_ok();
        self.suspect(from, counts);
    }

    fn garbage(&mut self, source: &mut Source) {
        let from = slot(source);
        let mut bytes = [VERSION.to_be_bytes(), SUITE.to_be_bytes()].concat();
        let length = source.below(300);
        bytes.extend_from_slice(source.bytes(length));
        if let Ok(message) = Message::decode(&bytes, &self.world.caps) {
            let counts = self.machine.receive(from, &message).is_ok();
            self.suspect(from, counts);
        }
    }

    fn vector(&mut self, source: &mut Source) {
        let (from, length) = (slot(source), source.below(5));
        let bytes = vec![source.byte(); length * 8];
        let outcome = self.deliver(from, &Parcel::Update(Arc::new(bytes)));
        if length != self.world.context.plan.limbs() {
            assert!(outcome.is_err(), "a vector of another length counts");
        }
        self.suspect(from, outcome.is_ok());
    }

    fn close(&mut self) {
        let mut faults = Vec::new();
        let opened = Coordinator::open(self.world.context.clone());
        self.machine = std::mem::replace(&mut self.machine, opened).close(&mut faults);
        if self.suspects.is_empty() {
            assert_eq!(faults, [], "an honest member is blamed");
        }
    }

    /// Everybody who is left is honest from here on.
    fn finish(&mut self) {
        for _ in 0..PHASES {
            self.all();
            self.close();
        }
        match &self.machine {
            Coordinator::Finished(finished) => self.check(finished),
            Coordinator::Aborted(abort) => assert!(!abort.to_string().is_empty()),
            other => panic!("{} is no end", other.phase()),
        }
    }

    fn check(&self, finished: &Finished) {
        let survivors = finished.sum().survivors().bitmap();
        assert!(survivors.count() >= self.world.context.parameters.f);
        if survivors.iter().any(|slot| self.liars.contains(&slot)) {
            return;
        }
        let plain = self.world.plain_sum(survivors.iter());
        assert_eq!(finished.integers().values(), plain, "not the plain sum");
        let receipt = finished.receipt(self.world.federation.coordinator());
        assert_eq!(receipt.survivors, *survivors);
    }

    fn suspect(&mut self, slot: Slot, lied: bool) {
        self.suspects.insert(slot);
        if lied {
            self.liars.insert(slot);
        }
    }

    fn pick(&self, source: &mut Source) -> Option<(Slot, Parcel)> {
        let index = source.below(self.kept.len().max(1));
        // The latest is the first, so that scripts do not depend on how much was said before.
        self.kept.iter().rev().nth(index).cloned()
    }

    /// Another message that still is one: a byte after the header changes.
    fn changed(&self, message: &Message, source: &mut Source) -> Option<Message> {
        let mut bytes = message.encode();
        let at = 5 + source.below(bytes.len() - 5);
        let difference = source.byte();
        bytes[at] ^= difference;
        let changed = Message::decode(&bytes, &self.world.caps).ok()?;
        (changed != *message).then_some(changed)
    }
}

fn slot(source: &mut Source) -> Slot {
    Slot(source.below(MEMBERS as usize) as u32)
}

const MOST_OPERATIONS: usize = 64;

/// More than a round has.
const PHASES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_members_get_the_sum_of_all() {
        let mut play = Play::new();
        play.finish();
        let Coordinator::Finished(finished) = &play.machine else {
            panic!("{:?}", play.machine);
        };
        assert_eq!(finished.sum().survivors().count(), MEMBERS);
    }

    #[test]
    fn a_counted_vector_of_a_liar_is_the_only_way_to_another_sum() {
        let mut play = Play::new();
        (0..3).for_each(|_| {
            play.all();
            play.close();
        });
        let headers = play.answer(Slot(2));
        play.deliver(Slot(2), &headers[0]).unwrap();
        let limbs = play.world.context.plan.limbs();
        let nonsense = Parcel::Update(Arc::new(vec![0; limbs * 8]));
        play.deliver(Slot(2), &nonsense).unwrap();
        play.suspect(Slot(2), true);
        play.finish();
        if let Coordinator::Finished(finished) = &play.machine {
            let all = play.world.plain_sum(play.world.slots());
            assert_ne!(finished.integers().values(), all);
        }
    }
}
