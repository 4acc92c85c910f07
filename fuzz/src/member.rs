//! A member's machine in the hands of a coordinator that lies and has every other member on its side.
//!
//! Whatever it is told: no panic; it deals once, accepts once, uploads once, signs one set, reveals one answer; a refusal
//! leaves it where it was or closes it; and of no peer does it give out what belongs to both fates, that of a survivor
//! and that of a drop-out.

use crate::federation::{Live, MEMBERS, NOW, Parcel, World, invited};
use crate::source::Source;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::identity::Signature;
use veilsum_proto::ids::{Hash, Sid, Sid2, Slot};
use veilsum_proto::label::{SUITE, VERSION};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::member::Reply;
use veilsum_proto::message::{
    AbortNotice, Accept, Body, Certificate, Cut, CutReason, Message, Receipt, ShareAnswer,
    ShareRequest, ShareSet, ShareWanted, SignedSlot, SurvivorSet, UNSIGNED, UploadHeader,
    UploadStored,
};
use veilsum_proto::session::second_sid;

/// Tells the member one thing after the other.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut play = Play::new();
    for _ in 0..MOST_OPERATIONS {
        if source.is_empty() {
            break;
        }
        play.operate(&mut source);
    }
    play.no_second_life();
}

/// Operations by their number; seeds are written with these.
pub mod operation {
    /// An honest message of one of the scenes.
    pub const HONEST: u8 = 0;
    /// The same with other bytes.
    pub const MUTATED: u8 = 1;
    /// Any Share set, with any cuts.
    pub const SHARE_SET: u8 = 2;
    /// The update is stored.
    pub const STORED: u8 = 3;
    /// Any survivors to be signed.
    pub const SURVIVORS: u8 = 4;
    /// A certificate for any survivors, by any signers.
    pub const CERTIFICATE: u8 = 5;
    /// Any shares wanted.
    pub const REQUEST: u8 = 6;
    /// The result, an abort, or other bytes of them.
    pub const END: u8 = 7;
    /// Any bytes.
    pub const GARBAGE: u8 = 8;
    /// Time passes.
    pub const TIME: u8 = 9;
    /// How many there are.
    pub const COUNT: u8 = 10;
}

/// The member that is lied to.
const SUBJECT: Slot = Slot(0);

struct Play {
    world: &'static World,
    scenes: &'static [Scene],
    live: Live,
    now: Duration,
    sid: Sid,
    sid2: Sid2,
    /// Its signature, for the coordinator's certificates.
    own: Option<SignedSlot>,
    /// What it said, by the name of the message; each once.
    said: BTreeSet<(&'static str, Vec<u8>)>,
    uploads: usize,
    /// Peers of which it gave out what belongs to a survivor.
    as_survivors: BTreeSet<Slot>,
    /// Peers of which it gave out what belongs to a drop-out.
    as_dropped: BTreeSet<Slot>,
}

impl Play {
    fn new() -> Self {
        let scenes = Scene::all();
        let mut live = Live::new(SUBJECT);
        live.advertise();
        Self {
            world: World::get(),
            scenes,
            live,
            now: NOW,
            sid: scenes[0].sid,
            sid2: scenes[0].sid2,
            own: None,
            said: BTreeSet::new(),
            uploads: 0,
            as_survivors: BTreeSet::new(),
            as_dropped: BTreeSet::new(),
        }
    }

    fn operate(&mut self, source: &mut Source) {
        match source.byte() % operation::COUNT {
            operation::HONEST => {
                let message = self.honest(source);
                self.tell(&message);
            }
            operation::MUTATED => {
                let message = self.honest(source);
                self.tell_changed(&message, source);
            }
            operation::SHARE_SET => self.share_set(source),
            operation::STORED => {
                let (sid2, slot) = (self.sid2, SUBJECT);
                self.tell(&Message::new(UploadStored { sid2, slot }));
            }
            operation::SURVIVORS => {
                let set = self.survivor_set(source);
                self.tell(&Message::new(set));
            }
            operation::CERTIFICATE => self.certificate(source),
            operation::REQUEST => self.request(source),
            operation::END => self.end(source),
            operation::GARBAGE => self.garbage(source),
            _ => self.now += Duration::from_secs(u64::from(source.byte())),
        }
    }

    fn tell(&mut self, message: &Message) {
        let before = self.live.machine.phase();
        let Live {
            machine,
            ledger,
            rng,
            ..
        } = &mut self.live;
        match machine.receive(message, ledger, self.now, rng) {
            Ok(Reply::Send(reply)) => self.heard(reply),
            Ok(Reply::Contribute) => self.upload(),
            Ok(Reply::Result { .. } | Reply::Aborted(_)) => {
                assert_eq!(self.live.machine.phase(), "closed");
            }
            Ok(Reply::Nothing) => {}
            Err(refusal) => {
                assert!(!refusal.to_string().is_empty() && !refusal.kind().is_empty());
                let after = self.live.machine.phase();
                assert!(after == before || after == "closed", "{before} to {after}");
            }
        }
    }

    fn upload(&mut self) {
        let (contribution, digest) = self.world.contribution(SUBJECT);
        let Live {
            machine, ledger, ..
        } = &mut self.live;
        let Ok((header, update)) = machine.upload(contribution, digest, ledger) else {
            return;
        };
        self.uploads += 1;
        assert_eq!(self.uploads, 1, "a second masked update");
        let (plain, _) = self.world.contribution(SUBJECT);
        let plain = MaskedUpdate::from_blocks(plain.into_blocks());
        assert!(update != plain, "an update without masks");
        self.heard(header);
    }

    /// One answer of each kind, and no two fates.
    fn heard(&mut self, reply: Message) {
        match &reply.body {
            Body::Confirmation(confirmation) => self.own = Some(confirmation.signed.clone()),
            Body::Reveal(reveal) => {
                let dropped = reveal.pair_seeds.iter().map(|pair| pair.slot);
                self.as_dropped.extend(dropped);
                self.as_survivors.insert(reveal.slot);
            }
            Body::Shares(shares) => {
                for answer in &shares.answers {
                    match answer {
                        ShareAnswer::SelfSeed(slot, _) => self.as_survivors.insert(*slot),
                        ShareAnswer::RootSeed(slot, _) => self.as_dropped.insert(*slot),
                    };
                }
            }
            _ => {}
        }
        let both = self.as_survivors.intersection(&self.as_dropped);
        assert_eq!(both.count(), 0, "both fates of one peer");
        let name = reply.body.name();
        if name != "Shares" {
            self.said.insert((name, reply.encode()));
            let answers = self.said.iter().filter(|(said, _)| *said == name);
            assert_eq!(answers.count(), 1, "two different answers: {name}");
        }
    }

    fn honest(&mut self, source: &mut Source) -> Message {
        let scene = &self.scenes[source.below(self.scenes.len())];
        (self.sid, self.sid2) = (scene.sid, scene.sid2);
        scene.messages[source.below(scene.messages.len())].clone()
    }

    fn tell_changed(&mut self, message: &Message, source: &mut Source) {
        let mut bytes = message.encode();
        let at = 5 + source.below(bytes.len() - 5);
        bytes[at] ^= source.byte();
        if let Ok(message) = Message::decode(&bytes, &self.world.caps) {
            self.tell(&message);
        }
    }

    fn share_set(&mut self, source: &mut Source) {
        let shared = set(source);
        let cutting = set(source);
        let accepts = cutting.iter().map(|slot| {
            let accept = Accept {
                sid: self.sid,
                slot,
                cuts: vec![Cut {
                    slot: SUBJECT,
                    reason: CutReason::Share,
                }],
                signature: UNSIGNED,
            };
            accept.signed(self.world.identity(slot))
        });
        let message = Message::new(ShareSet {
            sid: self.sid,
            shared: shared.clone(),
            accepts: accepts.collect(),
        });
        self.sid2 = second_sid(&self.sid, &shared);
        self.tell(&message);
    }

    fn survivor_set(&self, source: &mut Source) -> SurvivorSet {
        SurvivorSet {
            sid: self.sid,
            sid2: self.sid2,
            survivors: set(source),
        }
    }

    /// The others sign whatever they are asked to; the member's own signature is used if it gave one.
    fn certificate(&mut self, source: &mut Source) {
        let set = self.survivor_set(source);
        let signers = self::set(source);
        let signatures = signers.iter().filter_map(|slot| {
            if slot == SUBJECT {
                return self.own.clone();
            }
            let signature: Signature = set.sign(self.world.identity(slot));
            Some(SignedSlot { slot, signature })
        });
        let signatures = signatures.collect();
        self.tell(&Message::new(Certificate { set, signatures }));
    }

    fn request(&mut self, source: &mut Source) {
        let wanted = (0..1 + source.below(4)).map(|_| match source.below(2) {
            0 => ShareWanted::RootSeed(slot(source)),
            _ => ShareWanted::SelfSeed(self.header(slot(source))),
        });
        let wanted = wanted.collect();
        let sid2 = self.sid2;
        self.tell(&Message::new(ShareRequest { sid2, wanted }));
    }

    fn header(&self, slot: Slot) -> UploadHeader {
        let header = UploadHeader {
            sid: self.sid,
            sid2: self.sid2,
            slot,
            limbs: self.world.context.plan.limbs() as u64,
            signature: UNSIGNED,
        };
        header.signed(self.world.identity(slot))
    }

    fn end(&mut self, source: &mut Source) {
        let context = &self.world.context;
        let (task, round, attempt) = (context.task_digest, context.round, context.attempt);
        let message = match source.below(2) {
            0 => Message::new(AbortNotice {
                task,
                round,
                attempt,
                reason: b"below_quorum".to_vec(),
                text: Vec::new(),
            }),
            _ => {
                let receipt = Receipt {
                    task,
                    round,
                    attempt,
                    sid: self.sid,
                    sid2: self.sid2,
                    survivors: set(source),
                    sum: Hash([0; 32]),
                    signature: UNSIGNED,
                };
                Message::new(receipt.signed(self.world.federation.coordinator()))
            }
        };
        match source.below(4) {
            0 => self.tell(&message),
            _ => self.tell_changed(&message, source),
        }
    }

    fn garbage(&mut self, source: &mut Source) {
        let mut bytes = [VERSION.to_be_bytes(), SUITE.to_be_bytes()].concat();
        let length = source.below(300);
        bytes.extend_from_slice(source.bytes(length));
        if let Ok(message) = Message::decode(&bytes, &self.world.caps) {
            self.tell(&message);
        }
    }

    /// The same attempt again, as after a restart with the ledger of this life: nothing more of it is joined.
    fn no_second_life(mut self) {
        let ledger = &mut self.live.ledger;
        if let Ok(mut again) = invited(SUBJECT, ledger) {
            let advert = again.advertise(ledger, self.now, &mut self.live.rng);
            assert!(advert.is_err(), "one attempt joined twice");
        }
    }
}

/// An honest course of events up to Upload, as the member sees it.
struct Scene {
    sid: Sid,
    sid2: Sid2,
    messages: Vec<Message>,
}

impl Scene {
    /// Everybody there; slot 4 absent from the start; slot 4 gone before it accepts.
    fn all() -> &'static [Self] {
        static SCENES: OnceLock<Vec<Scene>> = OnceLock::new();
        SCENES.get_or_init(|| {
            let never = [None, Some(PhaseName::Advertise), Some(PhaseName::Accept)];
            never.into_iter().map(Self::play).collect()
        })
    }

    fn play(gone_in: Option<PhaseName>) -> Self {
        let world = World::get();
        let mut machine = Coordinator::open(world.context.clone());
        let mut members = world.slots().map(Live::new).collect::<Vec<_>>();
        let (mut messages, mut gone) = (Vec::new(), false);
        while !matches!(machine.phase(), PhaseName::Finished | PhaseName::Aborted) {
            gone |= gone_in == Some(machine.phase());
            for slot in world.slots().filter(|slot| !(gone && *slot == Slot(4))) {
                let Some(message) = machine.message_for(slot) else {
                    continue;
                };
                if slot == SUBJECT && machine.phase() != PhaseName::Advertise {
                    messages.push(message.clone());
                }
                for parcel in members[slot.index()].receive(&message).parcels {
                    let outcome = match parcel {
                        Parcel::Message(message) => machine.receive(slot, &message),
                        Parcel::Update(bytes) => {
                            let update = MaskedUpdate::from_le_bytes(&bytes).expect("whole limbs");
                            machine.receive_update(slot, &update).map(drop)
                        }
                    };
                    outcome.expect("an honest round");
                }
                // An update that is stored is acknowledged; without that nothing is signed.
                if machine.phase() == PhaseName::Upload
                    && let Some(stored) = machine.message_for(slot)
                {
                    members[slot.index()].receive(&stored);
                    if slot == SUBJECT {
                        messages.push(stored);
                    }
                }
            }
            machine = machine.close(&mut Vec::new());
        }
        let Coordinator::Finished(finished) = machine else {
            panic!("an honest round has a sum");
        };
        messages.push(Message::new(
            finished.receipt(world.federation.coordinator()),
        ));
        let survivors = finished.sum().survivors();
        Self {
            sid: *survivors.sid(),
            sid2: *survivors.sid2(),
            messages,
        }
    }
}

fn set(source: &mut Source) -> Bitmap {
    let bits = source.byte();
    let slots = (0..MEMBERS).filter(|slot| bits >> slot & 1 == 1);
    Bitmap::of(MEMBERS, slots.map(Slot))
}

fn slot(source: &mut Source) -> Slot {
    Slot(source.below(MEMBERS as usize) as u32)
}

const MOST_OPERATIONS: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    fn played(name: &str) -> Play {
        let seeds = crate::seeds::all();
        let (_, scripts) = seeds
            .iter()
            .find(|(target, _)| *target == "member")
            .unwrap();
        let (_, script) = scripts.iter().find(|(seed, _)| seed == name).unwrap();
        let (mut play, mut source) = (Play::new(), Source::new(script));
        while !source.is_empty() {
            play.operate(&mut source);
        }
        play
    }

    #[test]
    fn an_honest_scene_is_played_to_its_end() {
        for name in ["honest-0", "honest-1", "honest-2"] {
            let play = played(name);
            let said = play.said.iter().map(|(name, _)| *name);
            let said = said.collect::<Vec<_>>();
            let all = [
                "Accept",
                "Confirmation",
                "Reveal",
                "SealedShares",
                "UploadHeader",
            ];
            assert_eq!(said, all, "{name}");
            assert_eq!(play.live.machine.phase(), "closed", "{name}");
        }
    }

    #[test]
    fn shares_are_given_for_one_fate_only() {
        let four = BTreeSet::from([Slot(4)]);
        assert_eq!(played("root-of-dropped").as_dropped, four);
        assert_eq!(
            played("both-of-one").as_survivors,
            BTreeSet::from([SUBJECT])
        );
        let survivors = BTreeSet::from([SUBJECT, Slot(3)]);
        assert_eq!(played("self-of-survivor").as_survivors, survivors);
        assert_eq!(played("all").as_survivors.len(), 4);
    }
}
