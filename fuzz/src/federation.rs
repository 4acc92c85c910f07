//! A tiny federation whose honest members answer fast: what a member says is a function of what it was told, so it is
//! computed once and remembered.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use veilsum_encode::{Contribution, Tensor, TensorData, Update, Weight, contribute};
use veilsum_math::Threads;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::member::{Floors, Member, Reply};
use veilsum_proto::message::{Body, Caps, Deadlines, Message};
use veilsum_proto::parameters::Amount;
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::RoundContext;
use veilsum_sim::{Federation, Formula, Inputs as _};

/// Members of the federation.
pub const MEMBERS: u32 = 6;

/// Coordinates of a contribution.
pub const COORDINATES: usize = 5;

/// The federation and its one round.
pub struct World {
    /// Identities and roster.
    pub federation: Federation,
    /// The round.
    pub context: Arc<RoundContext>,
    /// Caps of its messages.
    pub caps: Caps,
    inputs: Formula,
}

impl World {
    /// The one world; it is the same in every run.
    pub fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::new)
    }

    fn new() -> Self {
        let federation = Federation::new(MEMBERS, 7).expect("a few members");
        let (corrupt, dropout) = (Amount::Count(1), Amount::Count(1));
        let spec = Federation::integer_task(COORDINATES as u64, 16, corrupt, dropout);
        let task = federation
            .task(spec.expect("a small task"))
            .expect("fits the roster");
        let context = RoundContext::new(
            task,
            federation.roster().clone(),
            Round(1),
            Attempt(0),
            ModelDigest([0; 32]),
            Deadlines::default(),
        );
        let context = Arc::new(context.expect("a round"));
        let caps = Caps::new(context.slots(), context.parameters.k);
        let inputs = Formula {
            seed: 3,
            coordinates: COORDINATES,
            bits: 16,
        };
        Self {
            federation,
            context,
            caps,
            inputs,
        }
    }

    /// All slots.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..MEMBERS).map(Slot)
    }

    /// Identity of a member.
    pub fn identity(&self, slot: Slot) -> &Arc<Identity> {
        self.federation.member(slot).expect("a slot of the roster")
    }

    /// What a member contributes.
    pub fn row(&self, slot: Slot) -> Vec<i64> {
        self.inputs.row(slot)
    }

    /// Sum of the rows of some members, without masks.
    pub fn plain_sum(&self, slots: impl Iterator<Item = Slot>) -> Vec<i64> {
        let mut sum = vec![0; COORDINATES];
        for slot in slots {
            for (total, value) in sum.iter_mut().zip(self.row(slot)) {
                *total += value;
            }
        }
        sum
    }

    /// A member's row in the form that is masked, with the digest of its update.
    pub fn contribution(&self, slot: Slot) -> (Contribution, UpdateDigest) {
        let tensor = Tensor {
            shape: vec![COORDINATES as u64],
            data: TensorData::I64(self.row(slot)),
        };
        let tensors = BTreeMap::from([("x".to_owned(), tensor)]);
        let update = Update::new(self.context.task.manifest(), tensors).expect("a row of the task");
        let digest = UpdateDigest(update.digest());
        let (plan, rotation) = (&self.context.plan, self.context.rotation_seed());
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let (contribution, _) =
            contribute(update, plan, Weight::ONE, &rotation, &mut rng).expect("values of the task");
        (contribution, digest)
    }
}

/// What travels from a member to the coordinator.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a script has a few dozen of them"
)]
pub enum Parcel {
    /// A control message.
    Message(Message),
    /// A masked update, as limbs in little-endian bytes.
    Update(Arc<Vec<u8>>),
}

/// What a member makes of a message.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What it sends, in order.
    pub parcels: Vec<Parcel>,
    /// What it refused.
    pub refusal: Option<Refusal>,
}

/// An honest member with a ledger in memory and a generator of its own.
pub struct Live {
    /// The machine.
    pub machine: Member,
    /// Its ledger.
    pub ledger: MemoryLedger,
    /// Its generator.
    pub rng: ChaCha20Rng,
    slot: Slot,
    upload: Vec<Parcel>,
}

impl Live {
    /// A member that was invited.
    pub fn new(slot: Slot) -> Self {
        let ledger = MemoryLedger::default();
        Self {
            machine: invited(slot, &ledger).expect("an honest invitation"),
            ledger,
            rng: ChaCha20Rng::seed_from_u64(u64::from(slot.0)),
            slot,
            upload: Vec::new(),
        }
    }

    /// Its advert.
    pub fn advertise(&mut self) -> Message {
        let advert = self.machine.advertise(&mut self.ledger, NOW, &mut self.rng);
        advert.expect("the ledger is empty")
    }

    /// Takes one message; an Open is answered with the advert.
    pub fn receive(&mut self, message: &Message) -> Outcome {
        if let Body::Open(_) = message.body {
            let advert = self.advertise();
            return Outcome::of(vec![Parcel::Message(advert)]);
        }
        let reply = self
            .machine
            .receive(message, &mut self.ledger, NOW, &mut self.rng);
        match reply {
            Ok(Reply::Send(message)) => Outcome::of(vec![Parcel::Message(message)]),
            Ok(Reply::Contribute) => self.contribute(),
            Ok(Reply::Nothing) if matches!(message.body, Body::ShareSet(_)) => {
                Outcome::of(self.upload.clone())
            }
            Ok(Reply::Nothing | Reply::Result { .. } | Reply::Aborted(_)) => Outcome::default(),
            Err(refusal) => Outcome {
                refusal: Some(refusal),
                ..Outcome::default()
            },
        }
    }

    fn contribute(&mut self) -> Outcome {
        let (contribution, digest) = World::get().contribution(self.slot);
        let (header, update) = self
            .machine
            .upload(contribution, digest, &mut self.ledger)
            .expect("the first update");
        let update = Arc::new(update.blocks().to_le_bytes());
        self.upload = vec![Parcel::Message(header), Parcel::Update(update)];
        Outcome::of(self.upload.clone())
    }
}

impl Outcome {
    fn of(parcels: Vec<Parcel>) -> Self {
        Self {
            parcels,
            refusal: None,
        }
    }
}

/// The machine of a member that has `ledger`.
///
/// # Errors
///
/// What the member refuses.
pub fn invited(slot: Slot, ledger: &MemoryLedger) -> Result<Member, Refusal> {
    let world = World::get();
    let identity = world.identity(slot).clone();
    let member = Member::invited_in(world.context.clone(), identity, Floors::default(), ledger)?;
    Ok(member.with_threads(Threads::One))
}

/// A member whose answers are looked up by all that it was told so far, and computed where that is new.
pub struct Remembered {
    slot: Slot,
    told: Vec<Vec<u8>>,
    state: [u8; 32],
    live: Option<(Live, usize)>,
    advertised: bool,
}

impl Remembered {
    /// A member that was told nothing.
    pub fn new(slot: Slot) -> Self {
        Self {
            slot,
            told: Vec::new(),
            state: [u8::try_from(slot.0).unwrap_or(u8::MAX); 32],
            live: None,
            advertised: false,
        }
    }

    /// Takes one message. An Open that is repeated gets the same advert again.
    pub fn receive(&mut self, message: &Message) -> Outcome {
        let bytes = message.encode();
        if matches!(message.body, Body::Open(_)) && std::mem::replace(&mut self.advertised, true) {
            return Outcome::of(self.first_advert());
        }
        self.state = Sha256::new()
            .chain_update(self.state)
            .chain_update((bytes.len() as u64).to_le_bytes())
            .chain_update(&bytes)
            .finalize()
            .into();
        self.told.push(bytes);
        recall(self.state).unwrap_or_else(|| {
            let outcome = self.catch_up();
            remember(self.state, &outcome);
            outcome
        })
    }

    fn first_advert(&self) -> Vec<Parcel> {
        let mut again = Self::new(self.slot);
        let open = decoded(&self.told[0]);
        again.receive(&open).parcels
    }

    fn catch_up(&mut self) -> Outcome {
        let (live, heard) = self.live.get_or_insert_with(|| (Live::new(self.slot), 0));
        let mut last = Outcome::default();
        for bytes in &self.told[*heard..] {
            last = live.receive(&decoded(bytes));
        }
        *heard = self.told.len();
        last
    }
}

fn decoded(bytes: &[u8]) -> Message {
    Message::decode(bytes, &World::get().caps).expect("a message of the coordinator")
}

thread_local! {
    static ANSWERS: RefCell<HashMap<[u8; 32], Outcome>> = RefCell::default();
}

fn recall(state: [u8; 32]) -> Option<Outcome> {
    ANSWERS.with_borrow(|answers| answers.get(&state).cloned())
}

fn remember(state: [u8; 32], outcome: &Outcome) {
    ANSWERS.with_borrow_mut(|answers| {
        if answers.len() == MOST_ANSWERS {
            answers.clear();
        }
        answers.insert(state, outcome.clone());
    });
}

/// No time passes.
pub const NOW: Duration = Duration::ZERO;

const MOST_ANSWERS: usize = 20_000;
