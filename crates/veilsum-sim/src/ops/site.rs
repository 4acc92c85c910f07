//! A member's site: the real machine, its ledger, and what a session keeps to send again.

use crate::federation::generator;
use crate::knowledge::peers;
use crate::ops::doubles::Doubles;
use crate::ops::record::{Left, Record, key_of};
use crate::ops::stage::Stage;
use crate::updates::{Brought, Updates as _};
use rand_chacha::ChaCha20Rng;
use std::sync::Arc;
use std::time::Duration;
use veilsum_encode::{Contribution, Update, contribute, contribute_with_noise};
use veilsum_math::Threads;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, Round, Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Floors, Member, Reply, UnlistedTasks};
use veilsum_proto::message::{Accept, Body, Caps, Message, Open, ShareSet};
use veilsum_proto::session::RoundContext;

pub(super) struct Site {
    pub slot: Slot,
    pub identity: Arc<Identity>,
    pub ledger: MemoryLedger,
    pub connected: bool,
    rng: ChaCha20Rng,
    session: Option<Session>,
}

/// What a restart forgets.
struct Session {
    machine: Member,
    advert: Parcel,
    upload: Option<Parcel>,
    advertised: Option<Bitmap>,
    accept: Option<Accept>,
}

/// What travels at once: a message, and the vector that follows it if it is an upload's header.
#[derive(Clone)]
pub(super) struct Parcel {
    pub frame: Vec<u8>,
    pub vector: Option<Vec<u8>>,
    /// The sender's session, of a member.
    pub session: Option<(Round, Attempt)>,
    /// Whether the vector is not the one that a machine made.
    pub spoiled: bool,
}

/// What a site needs to know of the world.
pub(super) struct Surroundings<'a> {
    pub stage: &'a Stage,
    pub caps: &'a Caps,
    pub record: &'a mut Record,
    pub doubles: &'a mut dyn Doubles,
    pub now: Duration,
}

impl Site {
    pub fn new(slot: Slot, identity: Arc<Identity>, seed: u64) -> Self {
        Self {
            slot,
            identity,
            ledger: MemoryLedger::default(),
            connected: true,
            rng: generator(seed, "operations", slot.0),
            session: None,
        }
    }

    /// The process ends and starts again.
    // The machine is dropped, its secrets wiped; nothing of them was anywhere else.
    pub fn restart(&mut self) {
        self.session = None;
        self.connected = true;
    }

    /// U1 as this member was shown it.
    pub fn advertised(&self) -> Option<&Bitmap> {
        self.session.as_ref()?.advertised.as_ref()
    }

    /// Takes one frame; what it sends for that.
    pub fn receive(&mut self, frame: &[u8], around: &mut Surroundings<'_>) -> Option<Parcel> {
        match Message::decode(frame, around.caps) {
            Ok(message) => match &message.body {
                Body::Open(open) => self.open(open, frame, around),
                _ => self.deliver(&message, around),
            },
            Err(error) => {
                around.record.refuse(self.slot, error.kind());
                None
            }
        }
    }

    /// Erases secrets whose time is over.
    pub fn expire(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            // the ledger is in memory and takes every record
            let _ = session.machine.expire(&mut self.ledger, now);
        }
    }

    fn open(&mut self, open: &Open, frame: &[u8], around: &mut Surroundings<'_>) -> Option<Parcel> {
        let running = self.session.as_ref().filter(|session| {
            let context = session.machine.context();
            (context.round, context.attempt) == (open.round, open.attempt)
        });
        if let Some(session) = running {
            return (session.machine.phase() == "advertised").then(|| session.advert.clone());
        }
        let (mut machine, key) = match self.invited(open, frame, around) {
            Ok(machine) => (
                machine.with_threads(Threads::One),
                Some((open.round, open.attempt)),
            ),
            Err(refusal) => {
                around.record.refuse(self.slot, refusal.kind());
                return None;
            }
        };
        self.session = None;
        match machine.advertise(&mut self.ledger, around.now, &mut self.rng) {
            Ok(message) => {
                if let Body::Advert(advert) = &message.body {
                    around.record.facts(machine.context()).advertised(advert);
                }
                let advert = Parcel::of(&message, key);
                self.session = Some(Session {
                    machine,
                    advert: advert.clone(),
                    upload: None,
                    advertised: None,
                    accept: None,
                });
                Some(advert)
            }
            Err(refusal) => {
                around.record.refuse(self.slot, refusal.kind());
                None
            }
        }
    }

    fn invited(
        &self,
        open: &Open,
        frame: &[u8],
        around: &Surroundings<'_>,
    ) -> Result<Member, veilsum_proto::refusal::Refusal> {
        let identity = self.identity.clone();
        // Derived once for everybody, if it is the coordinator's true word.
        let known = around.stage.known(open.round, open.attempt);
        if let Some(opening) = known.filter(|opening| opening.frame.as_slice() == frame) {
            return Member::invited_in(opening.context, identity, floors(), &self.ledger);
        }
        Member::invited(
            open,
            around.stage.federation.roster.clone(),
            identity,
            floors(),
            &self.ledger,
        )
    }

    fn deliver(&mut self, message: &Message, around: &mut Surroundings<'_>) -> Option<Parcel> {
        let session = self.session.as_mut()?;
        let context = session.machine.context().clone();
        let key = Some((context.round, context.attempt));
        let double = around.doubles.answer(self.slot, &self.identity, message);
        let reply = match double {
            Some(answer) => Ok(Reply::Send(answer)),
            None => session
                .machine
                .receive(message, &mut self.ledger, around.now, &mut self.rng),
        };
        match reply {
            Ok(Reply::Send(answer)) => {
                if let Body::Adverts(adverts) = &message.body {
                    session.advertised = Some(adverts.advertised.clone());
                }
                if let Body::Accept(accept) = &answer.body {
                    session.accept = Some(accept.clone());
                }
                around
                    .record
                    .leaves(self.slot, &context, &self.ledger, message, &answer);
                Some(Parcel::of(&answer, key))
            }
            Ok(Reply::Contribute) => match &message.body {
                Body::ShareSet(set) => self.upload(&context, set, around),
                _ => None,
            },
            // A Share set again: the coordinator lacks the update.
            Ok(Reply::Nothing) => session
                .upload
                .clone()
                .filter(|_| matches!(message.body, Body::ShareSet(_))),
            Ok(Reply::Result { .. } | Reply::Aborted(_)) => {
                self.session = None;
                None
            }
            Err(refusal) => {
                around.record.refuse(self.slot, refusal.kind());
                None
            }
        }
    }

    fn upload(
        &mut self,
        context: &Arc<RoundContext>,
        set: &ShareSet,
        around: &mut Surroundings<'_>,
    ) -> Option<Parcel> {
        let session = self.session.as_mut()?;
        let noise = session.machine.noise();
        let brought = around.stage.updates(context.round).of(self.slot)?;
        let (contribution, digest) = contribution(context, brought, noise.as_ref())?;
        let (header, masked) = match session
            .machine
            .upload(contribution, digest, &mut self.ledger)
        {
            Ok(uploaded) => uploaded,
            Err(refusal) => {
                around.record.refuse(self.slot, refusal.kind());
                return None;
            }
        };
        if let Body::UploadHeader(header) = &header.body {
            let peers = peers(context, self.slot, session.accept.as_ref(), set);
            let facts = around.record.facts(context);
            facts.uploaded(header, peers, digest);
        }
        let vector = masked.blocks().to_le_bytes();
        let (round, attempt) = (context.round, context.attempt);
        if let Some(noise) = noise {
            around
                .record
                .noises
                .insert((round, attempt, self.slot), noise);
        }
        around
            .record
            .left
            .push((self.slot, key_of(context), Left::Vector(vector.clone())));
        let parcel = Parcel {
            vector: Some(vector),
            ..Parcel::of(&header, Some((round, attempt)))
        };
        session.upload = Some(parcel.clone());
        Some(parcel)
    }
}

impl Parcel {
    pub fn of(message: &Message, session: Option<(Round, Attempt)>) -> Self {
        Self {
            frame: message.encode(),
            vector: None,
            session,
            spoiled: false,
        }
    }
}

fn contribution(
    context: &RoundContext,
    brought: Brought,
    noise: Option<&veilsum_dp::MemberNoise>,
) -> Option<(Contribution, UpdateDigest)> {
    let Brought {
        tensors,
        weight,
        mut rounding,
    } = brought;
    let update = Update::new(context.task.manifest(), tensors).ok()?;
    let digest = UpdateDigest(update.digest());
    let (plan, seed) = (&context.plan, context.rotation_seed());
    let made = match context.noise.as_ref().zip(noise) {
        Some((of_round, own)) => contribute_with_noise(
            update,
            plan,
            weight,
            &seed,
            of_round.plan(),
            own,
            &mut rounding,
        ),
        None => contribute(update, plan, weight, &seed, &mut rounding),
    };
    Some((made.ok()?.0, digest))
}

fn floors() -> Floors {
    Floors {
        // what the roster must list has tests of its own
        unlisted: UnlistedTasks::Any,
        ..Floors::default()
    }
}
