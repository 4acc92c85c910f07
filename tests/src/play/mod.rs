//! The coordinator's machine and every member's in one process, with the test between them.

mod coordinator;
mod known;
mod members;
mod phases;
mod sets;
mod updates;

pub use sets::resigned;

use crate::noise::Seeds;
use crate::setup::Setup;
use crate::tap::Tap;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use veilsum_math::Threads;
use veilsum_proto::coordinator::Coordinator;
use veilsum_proto::fault::Fault;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{ExampleClip, Floors, Member, PrivacyFloors, UnlistedTasks};
use veilsum_proto::message::{Accept, Caps, Deadlines, Message, ShareSet, UploadHeader};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;
use veilsum_sim::{Federation, Formula};

/// One attempt at a round at a time; a [`Tap`] over all of them.
///
/// Phases run honestly through [`Play::run_to`]; between them a test says to anybody whatever it likes. Every message is
/// encoded and decoded on its way. When a play ends, what left honest members is judged: whatever else a test is about, it
/// fails if the coordinator and the corrupt members know an input or any other sum than the one certified.
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

impl Drop for Play {
    fn drop(&mut self) {
        // Beyond the corrupt members reckoned with nothing is promised.
        let reckoned = self.context.parameters.c as usize;
        if !std::thread::panicking() && self.tap.corrupt() <= reckoned {
            self.tap.assert_safe();
        }
    }
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

    fn over_the_wire(&mut self, message: Message) -> Message {
        let caps = Caps::new(self.context.slots(), self.context.parameters.k);
        let read = Message::decode(&message.encode(), &caps).unwrap();
        assert_eq!(read, message);
        self.log.push(message);
        read
    }
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
