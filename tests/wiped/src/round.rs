//! A round in one process, from generators of a seed: played once to learn its secrets, and again under watch.

use crate::script::{Draw, Recorder};
use crate::watch::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use veilsum_dp::{Adjacency, MemberNoise, Sharing, Unit};
use veilsum_encode::{Contribution, Tensor, TensorData, Update, Weight, contribute_with_noise};
use veilsum_math::Threads;
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::ids::{Attempt, ModelDigest, Round as Number, Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Floors, Member, Reply, UnlistedTasks};
use veilsum_proto::message::{Advert, Body, Deadlines, Message, SealedShares};
use veilsum_proto::parameters::Amount;
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{NoiseLaw, NoiseSpec};
use veilsum_sim::Federation;
use zeroize::Zeroizing;

/// One attempt at round 1 of a task with dropout-exact noise. One member may be corrupt, seven missing.
pub struct Round {
    /// What it is about.
    pub context: Arc<RoundContext>,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// Members that act; one that is taken out has vanished, its machine with it.
    pub players: BTreeMap<Slot, Player>,
    /// Public messages by their sender; only while it records.
    pub transcript: Option<Transcript>,
}

/// One member with what outlives its machine.
pub struct Player {
    /// The machine.
    pub machine: Member,
    ledger: MemoryLedger,
    rng: Recorder,
}

/// What secrets are worked out from, beside the draws.
#[derive(Default)]
pub struct Transcript {
    /// Adverts.
    pub adverts: BTreeMap<Slot, Advert>,
    /// What each dealer sealed.
    pub sealed: BTreeMap<Slot, SealedShares>,
    /// Packed contributions, from their start.
    pub contributions: Vec<Known>,
}

impl Player {
    /// What its generator gave, if it records.
    pub fn draws(&self) -> &[Draw] {
        self.rng.draws()
    }

    /// Ends its part.
    ///
    /// # Panics
    ///
    /// Its ledger is in memory and takes every record.
    pub fn close(&mut self) {
        self.machine.close(&mut self.ledger).unwrap_or_else(wrong);
    }

    /// Lets so much time pass.
    ///
    /// # Panics
    ///
    /// As [`Player::close`].
    pub fn wait(&mut self, time: Duration) {
        self.machine
            .expire(&mut self.ledger, time)
            .unwrap_or_else(wrong);
    }
}

impl Round {
    /// Everybody is invited, nobody has acted.
    ///
    /// # Panics
    ///
    /// The numbers of this round fit each other.
    pub fn new(members: u32, records: bool) -> Self {
        let federation = Federation::new(members, SEED).unwrap_or_else(wrong);
        let (corrupt, missing) = (Amount::Count(1), Amount::Count(7));
        let mut spec = Federation::integer_task(COORDINATES as u64, BITS, corrupt, missing)
            .unwrap_or_else(wrong);
        spec.noise = Some(noise());
        let context = RoundContext::new(
            federation.task(spec).unwrap_or_else(wrong),
            federation.roster().clone(),
            Number(1),
            Attempt(0),
            ModelDigest([0; 32]),
            Deadlines::default(),
        );
        let context = Arc::new(context.unwrap_or_else(wrong));
        let players = (0..members).map(Slot).filter_map(|slot| {
            let ledger = MemoryLedger::default();
            let floors = Floors {
                unlisted: UnlistedTasks::Any,
                ..Floors::default()
            };
            let identity = federation.member(slot)?.clone();
            let machine = Member::invited_in(context.clone(), identity, floors, &ledger);
            let player = Player {
                machine: machine.unwrap_or_else(wrong).with_threads(Threads::One),
                ledger,
                rng: Recorder::new(SEED + 1 + u64::from(slot.0), records),
            };
            Some((slot, player))
        });
        Self {
            players: players.collect(),
            coordinator: Coordinator::open(context.clone()),
            transcript: records.then(Transcript::default),
            context,
        }
    }

    /// Everybody acts, phase after phase, until this one begins.
    ///
    /// # Panics
    ///
    /// The round ends before, or somebody refuses.
    pub fn run_to(&mut self, phase: PhaseName) {
        while self.coordinator.phase() != phase {
            let now = self.coordinator.phase();
            let ended = matches!(now, PhaseName::Finished | PhaseName::Aborted);
            assert!(!ended, "found {now}, wanted {phase}");
            self.act();
            self.close();
        }
    }

    /// Everybody does what is due in this phase.
    ///
    /// # Panics
    ///
    /// Somebody refuses, or is blamed.
    pub fn act(&mut self) {
        let slots = self.players.keys().copied().collect::<BTreeSet<_>>();
        for slot in slots {
            if let Some(message) = self.answer(slot) {
                self.record(slot, &message.body);
                self.coordinator
                    .receive(slot, &message)
                    .unwrap_or_else(wrong);
            }
        }
    }

    /// Ends the phase.
    ///
    /// # Panics
    ///
    /// Somebody is blamed.
    pub fn close(&mut self) {
        let mut faults = Vec::new();
        let machine =
            std::mem::replace(&mut self.coordinator, Coordinator::Aborted(Abort::Shutdown));
        self.coordinator = machine.close(&mut faults);
        assert_eq!(faults, []);
    }

    fn answer(&mut self, slot: Slot) -> Option<Message> {
        let player = self.players.get_mut(&slot)?;
        let (ledger, rng) = (&mut player.ledger, &mut player.rng);
        if self.coordinator.phase() == PhaseName::Advertise {
            let advert = player.machine.advertise(ledger, NOW, rng);
            return Some(advert.unwrap_or_else(wrong));
        }
        let due = self.coordinator.message_for(slot)?;
        let reply = player.machine.receive(&due, ledger, NOW, rng);
        match reply.unwrap_or_else(wrong) {
            Reply::Send(message) => Some(message),
            Reply::Contribute => {
                self.upload(slot);
                None
            }
            Reply::Nothing => None,
            other => panic!("slot {slot}: {other:?}"),
        }
    }

    fn upload(&mut self, slot: Slot) {
        let Some(player) = self.players.get_mut(&slot) else {
            return;
        };
        let noise = player.machine.noise();
        if let (Some(noise), Some(transcript)) = (&noise, &mut self.transcript) {
            let (again, _) = contribution(&self.context, slot, noise);
            transcript.contributions.push(start_of(again));
        }
        let noise = noise.unwrap_or_else(|| panic!("slot {slot} has no noise"));
        let (contribution, digest) = contribution(&self.context, slot, &noise);
        let (header, update) = player
            .machine
            .upload(contribution, digest, &mut player.ledger)
            .unwrap_or_else(wrong);
        self.coordinator
            .receive(slot, &header)
            .unwrap_or_else(wrong);
        let stored = self.coordinator.receive_update(slot, &update);
        let stored = Message::new(stored.unwrap_or_else(wrong));
        let (ledger, rng) = (&mut player.ledger, &mut player.rng);
        let reply = player.machine.receive(&stored, ledger, NOW, rng);
        assert_eq!(reply.unwrap_or_else(wrong), Reply::Nothing);
    }

    fn record(&mut self, from: Slot, body: &Body) {
        let Some(transcript) = &mut self.transcript else {
            return;
        };
        match body {
            Body::Advert(advert) => drop(transcript.adverts.insert(from, advert.clone())),
            Body::SealedShares(shares) => drop(transcript.sealed.insert(from, shares.clone())),
            _ => {}
        }
    }
}

/// The contribution of a slot with its noise, the same each time.
fn contribution(
    context: &RoundContext,
    slot: Slot,
    noise: &MemberNoise,
) -> (Contribution, UpdateDigest) {
    let row = (0..COORDINATES).map(|index| value(slot, index)).collect();
    let tensor = Tensor {
        shape: vec![COORDINATES as u64],
        data: TensorData::I64(row),
    };
    let tensors = BTreeMap::from([("x".to_owned(), tensor)]);
    let update = Update::new(context.task.manifest(), tensors).unwrap_or_else(wrong);
    let digest = UpdateDigest(update.digest());
    let of_round = context.noise.as_ref();
    let of_round = of_round.unwrap_or_else(|| panic!("the task has no noise"));
    let made = contribute_with_noise(
        update,
        &context.plan,
        Weight::ONE,
        &context.rotation_seed(),
        of_round.plan(),
        noise,
        &mut Recorder::new(0, false),
    );
    (made.unwrap_or_else(wrong).0, digest)
}

fn start_of(contribution: Contribution) -> Known {
    let blocks = Zeroizing::new(contribution.into_blocks().limbs().to_vec());
    let mut bytes = [0; 32];
    for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(&*blocks) {
        *bytes = limb.to_le_bytes();
    }
    Known {
        kind: "contribution",
        bytes,
    }
}

fn value(slot: Slot, index: usize) -> i64 {
    let mixed =
        ((u64::from(slot.0) << 32) | (index as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - BITS)) as i64
}

fn noise() -> NoiseSpec {
    NoiseSpec {
        law: NoiseLaw::Skellam,
        parameter: "40".parse().unwrap_or_else(wrong),
        sharing: Sharing::DropoutExact,
        unit: Unit::Member,
        adjacency: Adjacency::ZeroOut,
        example_clip: None,
        delta: "0.000001".parse().unwrap_or_else(wrong),
    }
}

fn wrong<T>(error: impl std::fmt::Display) -> T {
    panic!("{error}")
}

const NOW: Duration = Duration::ZERO;
const SEED: u64 = 20;
const COORDINATES: usize = 24;
const BITS: u8 = 16;
