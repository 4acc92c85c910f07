//! The coordinator's machine and every member's in one process, with the test between them.

use crate::forger::Forger;
use crate::noise::{Parts, Seeds};
use crate::setup::Setup;
use crate::tap::Tap;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use veilsum_dp::MemberNoise;
use veilsum_encode::{
    Contribution, Tensor, TensorData, Update, Weight, contribute, contribute_with_noise,
};
use veilsum_math::Threads;
use veilsum_proto::abort::Abort;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::fault::{Fault, FaultKind};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Sid, Sid2, Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::member::{ExampleClip, Floors, Member, PrivacyFloors, Reply, UnlistedTasks};
use veilsum_proto::message::{
    Accept, Advert, Adverts, Body, Caps, Certificate, Confirmation, Deadlines, DeliveredShares,
    Message, Reveal, SealedShares, ShareRequest, ShareSet, Shares, SignedSlot, SurvivorSet,
    UploadHeader, UploadStored,
};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::{RoundContext, second_sid};
use veilsum_proto::task::Task;
use veilsum_sim::{Federation, Formula, Inputs as _};

/// One attempt at a round at a time; a [`Tap`] over all of them.
///
/// Phases run honestly through [`Play::run_to`]; between them a test says to anybody whatever it likes. Every message is
/// encoded and decoded on its way.
pub struct Play {
    /// Identities and the signed roster.
    pub federation: Federation,
    /// The round.
    pub context: Arc<RoundContext>,
    /// The honest coordinator.
    pub coordinator: Coordinator,
    /// Members by slot.
    pub players: BTreeMap<Slot, Player>,
    /// What honest members gave away.
    pub tap: Tap,
    /// Whom the coordinator blamed.
    pub faults: Vec<Fault>,
    /// Members that do not act any more.
    pub silent: BTreeSet<Slot>,
    /// Time, which passes only when a test says so.
    pub now: Duration,
    /// Every message that was delivered, in order.
    pub log: Vec<Message>,
    task: Task,
    inputs: Formula,
}

/// One member with what outlives its machine.
pub struct Player {
    /// Key on the roster.
    pub identity: Arc<Identity>,
    /// What it did.
    pub ledger: MemoryLedger,
    /// Its randomness.
    pub rng: ChaCha20Rng,
    /// Site policy.
    pub floors: Floors,
    /// The machine; none for a member that never came or that a test plays itself.
    pub machine: Option<Member>,
    /// Its accept of this attempt.
    pub accept: Option<Accept>,
    /// The Share set it took in this attempt.
    pub share_set: Option<ShareSet>,
    /// Its upload header of this attempt.
    pub header: Option<UploadHeader>,
    /// The seeds its noise of this attempt is drawn from.
    pub seeds: Option<Seeds>,
}

impl Play {
    /// Round 1, attempt 0 of the task, everybody invited; `corrupt` slots work with the coordinator.
    pub fn new(setup: &Setup, corrupt: &[u32]) -> Self {
        let federation = Federation::new(setup.members, setup.seed).unwrap();
        let task = federation.task(setup.spec()).unwrap();
        let players = (0..setup.members).map(Slot).map(|slot| {
            let identity = federation.member(slot).unwrap().clone();
            let seed = setup
                .seed
                .wrapping_mul(1 << 20)
                .wrapping_add(u64::from(slot.0));
            let player = Player {
                identity,
                ledger: MemoryLedger::default(),
                rng: ChaCha20Rng::seed_from_u64(seed),
                floors: Floors {
                    // what the roster must list has tests of its own
                    unlisted: UnlistedTasks::Any,
                    // rows are made to fit
                    privacy: PrivacyFloors {
                        example_clip: ExampleClip::Checked,
                        ..PrivacyFloors::default()
                    },
                    ..Floors::default()
                },
                machine: None,
                accept: None,
                share_set: None,
                header: None,
                seeds: None,
            };
            (slot, player)
        });
        let players = players.collect();
        let context = context(
            &federation,
            &task,
            Round(1),
            Attempt(0),
            ModelDigest([0; 32]),
        );
        let mut play = Self {
            coordinator: Coordinator::open(context.clone()),
            tap: Tap::new(corrupt.iter().copied().map(Slot)),
            inputs: Formula {
                seed: setup.seed,
                coordinates: usize::try_from(setup.coordinates).unwrap(),
                bits: setup.bits,
            },
            federation,
            context,
            players,
            faults: Vec::new(),
            silent: BTreeSet::new(),
            now: Duration::ZERO,
            log: Vec::new(),
            task,
        };
        play.invite_all();
        play
    }

    /// Opens another round or attempt: every machine goes, those that may come are invited again. Returns who refused.
    pub fn reopen(&mut self, round: u64, attempt: u32) -> BTreeMap<Slot, Refusal> {
        let (round, attempt) = (Round(round), Attempt(attempt));
        self.context = context(
            &self.federation,
            &self.task,
            round,
            attempt,
            ModelDigest([0; 32]),
        );
        self.coordinator = Coordinator::open(self.context.clone());
        self.silent.clear();
        for player in self.players.values_mut() {
            player.machine = None;
            (player.accept, player.share_set, player.header) = (None, None, None);
            player.seeds = None;
        }
        self.invite_all()
    }

    /// The same attempt as derived from another model.
    pub fn context_with_model(&self, model: [u8; 32]) -> Arc<RoundContext> {
        let (round, attempt) = (self.context.round, self.context.attempt);
        context(
            &self.federation,
            &self.task,
            round,
            attempt,
            ModelDigest(model),
        )
    }

    /// Gives a member a fresh machine for the open attempt.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn invite(&mut self, slot: u32) -> Result<(), Refusal> {
        let player = self.players.get_mut(&Slot(slot)).unwrap();
        let machine = Member::invited_in(
            self.context.clone(),
            player.identity.clone(),
            player.floors.clone(),
            &player.ledger,
        )?;
        player.machine = Some(machine.with_threads(Threads::One));
        Ok(())
    }

    fn invite_all(&mut self) -> BTreeMap<Slot, Refusal> {
        let slots = self.context.graph.population().slots().collect::<Vec<_>>();
        let outcomes = slots.into_iter().map(|slot| (slot, self.invite(slot.0)));
        outcomes
            .filter_map(|(slot, outcome)| Some((slot, outcome.err()?)))
            .collect()
    }

    // --- towards members

    /// Lets a member advertise.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn advertise(&mut self, slot: u32) -> Result<Advert, Refusal> {
        let player = self.players.get_mut(&Slot(slot)).unwrap();
        let machine = player.machine.as_mut().expect("the member has a machine");
        let before = player.rng.clone();
        let message = machine.advertise(&mut player.ledger, self.now, &mut player.rng)?;
        match message.body {
            Body::Advert(advert) => {
                player.seeds = Seeds::drawn(&self.context, Slot(slot), before);
                self.tap.advertised(&self.context, &advert);
                Ok(advert)
            }
            body => panic!("found {}, wanted Advert", body.name()),
        }
    }

    /// Says something to a member, as its coordinator.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn tell(&mut self, slot: u32, body: impl Into<Body>) -> Result<Reply, Refusal> {
        let slot = Slot(slot);
        let message = self.over_the_wire(Message::new(body));
        let player = self.players.get_mut(&slot).unwrap();
        let machine = player.machine.as_mut().expect("the member has a machine");
        let reply = machine.receive(&message, &mut player.ledger, self.now, &mut player.rng)?;
        if let (Body::ShareSet(set), Reply::Contribute) = (&message.body, &reply) {
            player.share_set = Some(set.clone());
        }
        if let Reply::Send(answer) = &reply {
            let answer = self.over_the_wire(answer.clone());
            self.overhear(slot, &message, &answer);
        }
        Ok(reply)
    }

    /// Notes what an answer gives away.
    fn overhear(&mut self, slot: Slot, asked: &Message, answer: &Message) {
        match (&asked.body, &answer.body) {
            (_, Body::Accept(accept)) => {
                self.players.get_mut(&slot).unwrap().accept = Some(accept.clone());
            }
            (Body::SurvivorSet(set), Body::Confirmation(confirmation)) => {
                self.tap.confirmed(&self.context, set, confirmation);
            }
            (_, Body::Reveal(reveal)) => self.tap.revealed(&self.context, reveal),
            (_, Body::Shares(shares)) => self.tap.shared(&self.context, shares),
            _ => {}
        }
    }

    /// Lets a member upload its own row.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn upload(&mut self, slot: u32) -> Result<(UploadHeader, MaskedUpdate), Refusal> {
        self.upload_row(slot, self.inputs.row(Slot(slot)))
    }

    /// Lets a member upload these values.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn upload_row(
        &mut self,
        slot: u32,
        row: Vec<i64>,
    ) -> Result<(UploadHeader, MaskedUpdate), Refusal> {
        let slot = Slot(slot);
        let machine = self.players[&slot].machine.as_ref();
        let noise = machine.expect("the member has a machine").noise();
        let (contribution, digest) = self.contribution_with(row, noise.as_ref());
        let player = self.players.get_mut(&slot).unwrap();
        let machine = player.machine.as_mut().expect("the member has a machine");
        let (message, update) = machine.upload(contribution, digest, &mut player.ledger)?;
        let Body::UploadHeader(header) = message.body else {
            panic!("found {}, wanted UploadHeader", message.body.name());
        };
        player.header = Some(header.clone());
        let peers = self.peers(slot);
        self.tap.uploaded(&self.context, slot, header.sid2, peers);
        Ok((header, update))
    }

    /// The neighbours that a member masks with under the Share set it took.
    pub fn peers(&self, slot: Slot) -> BTreeSet<Slot> {
        let player = &self.players[&slot];
        let set = player
            .share_set
            .as_ref()
            .expect("the member took a Share set");
        let own = player
            .accept
            .iter()
            .flat_map(|accept| &accept.cuts)
            .map(|cut| cut.slot);
        let cut = own
            .chain(set.accepts.iter().map(|accept| accept.slot))
            .collect::<BTreeSet<_>>();
        let mut peers = self.context.neighbours_in(slot, &set.shared);
        peers.retain(|peer| !cut.contains(peer));
        peers.into_iter().collect()
    }

    /// A contribution of these values, with the digest of the update they are; without noise.
    pub fn contribution(&self, row: Vec<i64>) -> (Contribution, UpdateDigest) {
        self.contribution_with(row, None)
    }

    /// A contribution of these values with this noise, and the digest of the update they are.
    pub fn contribution_with(
        &self,
        row: Vec<i64>,
        noise: Option<&MemberNoise>,
    ) -> (Contribution, UpdateDigest) {
        let tensor = Tensor {
            shape: vec![row.len() as u64],
            data: TensorData::I64(row),
        };
        let tensors = BTreeMap::from([("x".to_owned(), tensor)]);
        let update = Update::new(self.context.task.manifest(), tensors).unwrap();
        let digest = UpdateDigest(update.digest());
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let seed = self.context.rotation_seed();
        let plan = &self.context.plan;
        let made = match noise {
            Some(own) => {
                let of_round = self.context.noise.as_ref().expect("the task has noise");
                let of_round = of_round.plan();
                contribute_with_noise(update, plan, Weight::ONE, &seed, of_round, own, &mut rng)
            }
            None => contribute(update, plan, Weight::ONE, &seed, &mut rng),
        };
        (made.unwrap().0, digest)
    }

    /// The row of a member.
    pub fn row(&self, slot: u32) -> Vec<i64> {
        self.inputs.row(Slot(slot))
    }

    /// Tells a member that its update is whole.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn store(&mut self, slot: u32) -> Result<Reply, Refusal> {
        let sid2 = self.players[&Slot(slot)]
            .header
            .as_ref()
            .expect("the member uploaded")
            .sid2;
        self.tell(
            slot,
            UploadStored {
                sid2,
                slot: Slot(slot),
            },
        )
    }

    /// Shows a member a Share set, lets it upload and acknowledges.
    ///
    /// # Errors
    ///
    /// Its first refusal.
    pub fn show_and_upload(&mut self, slot: u32, set: ShareSet) -> Result<UploadHeader, Refusal> {
        assert_eq!(self.tell(slot, set)?, Reply::Contribute);
        let (header, _) = self.upload(slot)?;
        self.store(slot)?;
        Ok(header)
    }

    /// Asks a member to sign.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn ask(&mut self, slot: u32, set: &SurvivorSet) -> Result<SignedSlot, Refusal> {
        match self.tell(slot, set.clone())? {
            Reply::Send(message) => match message.body {
                Body::Confirmation(Confirmation { signed, .. }) => Ok(signed),
                body => panic!("found {}, wanted Confirmation", body.name()),
            },
            reply => panic!("found {reply:?}, wanted a signature"),
        }
    }

    /// Shows a member a certificate.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn certify(
        &mut self,
        slot: u32,
        set: &SurvivorSet,
        signatures: Vec<SignedSlot>,
    ) -> Result<Reveal, Refusal> {
        let certificate = Certificate {
            set: set.clone(),
            signatures,
        };
        match self.tell(slot, certificate)? {
            Reply::Send(message) => match message.body {
                Body::Reveal(reveal) => Ok(reveal),
                body => panic!("found {}, wanted Reveal", body.name()),
            },
            reply => panic!("found {reply:?}, wanted a reveal"),
        }
    }

    /// Asks a member for shares.
    ///
    /// # Errors
    ///
    /// Its refusal.
    pub fn request(&mut self, slot: u32, request: &ShareRequest) -> Result<Shares, Refusal> {
        match self.tell(slot, request.clone())? {
            Reply::Send(message) => match message.body {
                Body::Shares(shares) => Ok(shares),
                body => panic!("found {}, wanted Shares", body.name()),
            },
            reply => panic!("found {reply:?}, wanted shares"),
        }
    }

    /// The signature of a corrupt member under whatever the coordinator likes.
    ///
    /// # Panics
    ///
    /// When the slot is honest: its key is not the coordinator's to use.
    pub fn forged_signature(&self, slot: u32, set: &SurvivorSet) -> SignedSlot {
        let slot = Slot(slot);
        assert!(self.tap.is_corrupt(slot), "slot {slot} is honest");
        SignedSlot {
            slot,
            signature: set.sign(&self.players[&slot].identity),
        }
    }

    // --- towards the coordinator

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

    // --- honest phases

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
    /// components of the level, and all of those whose surplus could not be removed.
    ///
    /// # Panics
    ///
    /// When there is no sum, it has other survivors, or it is not theirs.
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
        for slot in wanted {
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
    }

    // --- sets and sessions

    /// A set of slots of this roster.
    pub fn set(&self, slots: impl IntoIterator<Item = u32>) -> Bitmap {
        Bitmap::of(self.context.slots(), slots.into_iter().map(Slot))
    }

    /// All slots but these.
    pub fn all_but(&self, slots: &[u32]) -> Bitmap {
        self.set((0..self.context.slots()).filter(|slot| !slots.contains(slot)))
    }

    /// First session, as any member's accept names it.
    pub fn sid(&self) -> Sid {
        let accepts = self
            .players
            .values()
            .filter_map(|player| player.accept.as_ref());
        accepts
            .map(|accept| accept.sid)
            .next()
            .expect("a member accepted")
    }

    /// A Share set under the session, without accepts.
    pub fn share_set(&self, shared: &Bitmap) -> ShareSet {
        ShareSet {
            sid: self.sid(),
            shared: shared.clone(),
            accepts: Vec::new(),
        }
    }

    /// Survivors under the session and this Share set.
    pub fn survivor_set(&self, shared: &Bitmap, survivors: &Bitmap) -> SurvivorSet {
        let sid = self.sid();
        SurvivorSet {
            sid,
            sid2: second_sid(&sid, shared),
            survivors: survivors.clone(),
        }
    }

    /// What the coordinator sends in Share, as a value.
    pub fn due_adverts(&self, slot: u32) -> Adverts {
        match self.due(slot) {
            Some(Body::Adverts(adverts)) => adverts,
            due => panic!("found {:?}, wanted Adverts", due.map(|body| body.name())),
        }
    }

    /// What the coordinator sends in the second trip of Share, as a value.
    pub fn due_shares(&self, slot: u32) -> DeliveredShares {
        match self.due(slot) {
            Some(Body::DeliveredShares(delivered)) => delivered,
            due => panic!(
                "found {:?}, wanted DeliveredShares",
                due.map(|body| body.name())
            ),
        }
    }

    /// A machine's sealed shares as it answers the adverts.
    pub fn sealed(&mut self, slot: u32) -> SealedShares {
        match self.answer(slot) {
            Some(Body::SealedShares(sealed)) => sealed,
            answer => panic!(
                "found {:?}, wanted SealedShares",
                answer.map(|body| body.name())
            ),
        }
    }

    fn over_the_wire(&mut self, message: Message) -> Message {
        let caps = Caps::new(self.context.slots(), self.context.parameters.k);
        let read = Message::decode(&message.encode(), &caps).unwrap();
        assert_eq!(read, message);
        self.log.push(message);
        read
    }
}

/// The accept with other cuts, signed by whoever owns `identity`.
pub fn resigned(
    accept: &Accept,
    cuts: Vec<veilsum_proto::message::Cut>,
    identity: &Identity,
) -> Accept {
    let accept = Accept {
        cuts,
        ..accept.clone()
    };
    accept.signed(identity)
}

fn context(
    federation: &Federation,
    task: &Task,
    round: Round,
    attempt: Attempt,
    model: ModelDigest,
) -> Arc<RoundContext> {
    let roster = federation.roster().clone();
    let deadlines = Deadlines::default();
    Arc::new(RoundContext::new(task.clone(), roster, round, attempt, model, deadlines).unwrap())
}
