//! A round that is played by hand: the real machines, each act where it can be timed by itself. No network.
//!
//! What the coordinator was told is kept on a tape, so that the same coordinator can be had again, as often as a median wants.

use super::timing::thread;
use crate::exit::Failure;
use crate::files;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use veilsum_encode::{
    Clip, Dtype, Encoding, FloatEncoding, Manifest, Tensor, TensorData, TensorSpec, Tensors,
    Update, Weight, contribute,
};
use veilsum_math::{Blocks, Threads};
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::ids::{Attempt, ModelDigest, Round as Number, Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::member::{Floors, Member, Reply, UnlistedTasks};
use veilsum_proto::message::{Caps, Deadlines, Message};
use veilsum_proto::parameters::{Amount, Decimal, GraphChoice};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::Task;
use veilsum_sim::{Federation, Formula, Inputs as _};

/// How large a round is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) members: u32,
    pub(super) coordinates: u64,
    pub(super) graph: GraphChoice,
    pub(super) values: Values,
}

/// What members contribute, at 16 bits a coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Integers, summed as they are.
    Integers,
    /// f32, clipped and rounded.
    Floats,
}

/// One round.
pub(super) struct Round {
    pub(super) context: Arc<RoundContext>,
    size: Size,
    caps: Caps,
    seats: Vec<Seat>,
    tape: Vec<Told>,
    /// All masked updates together.
    total: Blocks,
}

/// A member.
pub(super) struct Seat {
    slot: Slot,
    machine: Member,
    ledger: MemoryLedger,
    rng: ChaCha20Rng,
    /// Processor time of all it did but its upload.
    pub(super) spent: Duration,
    /// What was measured beside it, if anything was.
    pub(super) beside: Option<Duration>,
}

/// What the coordinator was told.
enum Told {
    Message(Slot, Vec<u8>),
    Update(Slot),
    End,
}

/// What is measured beside every so many members, on their thread, right after the longest of their acts.
pub(super) struct Beside<'a> {
    pub(super) every: usize,
    pub(super) work: &'a (dyn Fn() -> Duration + Sync),
}

impl Round {
    pub(super) fn new(size: Size) -> Result<Self, Failure> {
        let federation = Federation::new(size.members, 5).map_err(Failure::failed)?;
        let task = task(&size)?;
        let context = RoundContext::new(
            task,
            federation.roster().clone(),
            Number(1),
            Attempt(0),
            ModelDigest([0; 32]),
            Deadlines::default(),
        );
        let context = Arc::new(context.map_err(|error| files::task(&error))?);
        let floors = Floors {
            // one process holds all keys here; there is nobody to be protected from it
            unlisted: UnlistedTasks::Any,
            ..Floors::default()
        };
        let seats = (0..size.members).map(|index| {
            let slot = Slot(index);
            let identity = federation.member(slot).ok_or_else(nobody)?.clone();
            let ledger = MemoryLedger::default();
            let machine = Member::invited_in(context.clone(), identity, floors.clone(), &ledger);
            Ok(Seat {
                slot,
                machine: machine.map_err(stuck)?.with_threads(Threads::One),
                ledger,
                rng: ChaCha20Rng::seed_from_u64(index.into()),
                spent: Duration::ZERO,
                beside: None,
            })
        });
        let seats = seats.collect::<Result<_, Failure>>()?;
        Ok(Self {
            caps: Caps::new(context.slots(), context.parameters.k),
            total: Blocks::zeroed(context.plan.limbs()),
            context,
            size,
            seats,
            tape: Vec::new(),
        })
    }

    /// Advertise and Share: after it every member is ready to upload.
    pub(super) fn share(&mut self, beside: Option<&Beside<'_>>) -> Result<Coordinator, Failure> {
        let mut machine = Coordinator::open(self.context.clone());
        let adverts = self.seats.par_iter_mut().map(Seat::advertise);
        for (slot, bytes) in adverts.collect::<Result<Vec<_>, _>>()? {
            self.tell(&mut machine, slot, bytes)?;
        }
        machine = self.end(machine)?;
        self.trip(&mut machine, beside, everybody)?;
        machine = self.end(machine)?;
        self.trip(&mut machine, None, everybody)?;
        machine = self.end(machine)?;
        self.trip(&mut machine, None, everybody)?;
        Ok(machine)
    }

    /// Upload of those who stay, Confirm, and Reveal as far as the last seed: what is left is to take the masks off.
    pub(super) fn finish(
        &mut self,
        mut machine: Coordinator,
        stays: fn(Slot) -> bool,
    ) -> Result<(), Failure> {
        let staying: Vec<Slot> = (0..self.size.members)
            .map(Slot)
            .filter(|s| stays(*s))
            .collect();
        for batch in staying.chunks(UPLOADS_AT_ONCE) {
            let (context, size) = (&self.context, &self.size);
            let seats = self.seats.par_iter_mut();
            let seats = seats.filter(|seat| batch.contains(&seat.slot));
            let uploads = seats.map(|seat| {
                let (header, masked) = seat.upload(context, tensors(size, seat.slot))?;
                Ok((seat.slot, header, masked))
            });
            for (slot, header, masked) in uploads.collect::<Result<Vec<_>, Failure>>()? {
                self.tell(&mut machine, slot, header)?;
                self.upload(&mut machine, slot, &masked)?;
            }
        }
        machine = self.end(machine)?;
        self.trip(&mut machine, None, stays)?;
        machine = self.end(machine)?;
        self.trip(&mut machine, None, stays)
    }

    /// The coordinator again, from what it was told: what it said to members it says again, to nobody.
    ///
    /// All masked updates come as one, and zeros for the others: that is one vector to keep, and the same sum.
    pub(super) fn replay(&self) -> Result<Coordinator, Failure> {
        let zeros = MaskedUpdate::from_blocks(Blocks::zeroed(self.total.len()));
        let mut total = Some(MaskedUpdate::from_blocks(copy(&self.total)));
        let mut machine = Coordinator::open(self.context.clone());
        self.ask(&machine);
        for told in &self.tape {
            match told {
                Told::Message(slot, bytes) => {
                    let message = Message::decode(bytes, &self.caps).map_err(stuck)?;
                    machine
                        .receive(*slot, &message)
                        .map_err(|fault| stuck(fault.kind))?;
                }
                Told::Update(slot) => {
                    let whole = total.take();
                    let update = whole.as_ref().unwrap_or(&zeros);
                    let stored = machine.receive_update(*slot, update);
                    let stored = stored.map_err(|fault| stuck(fault.kind))?;
                    black_box(Message::new(stored).encode());
                }
                Told::End => {
                    machine = machine.close(&mut Vec::new());
                    self.ask(&machine);
                }
            }
        }
        if machine.phase() == PhaseName::Reveal && machine.waits_for().is_empty() {
            return Ok(machine);
        }
        Err(stuck(format_args!("it stands at {}", machine.phase())))
    }

    /// The members, each ready to upload after [`Round::share`].
    pub(super) fn seats(&mut self) -> &mut [Seat] {
        &mut self.seats
    }

    /// What a member brings.
    pub(super) fn tensors(&self, slot: Slot) -> Tensors {
        tensors(&self.size, slot)
    }

    /// Messages of members that carry a signature, and masked updates.
    pub(super) fn told(&self) -> (usize, usize) {
        let updates = self
            .tape
            .iter()
            .filter(|told| matches!(told, Told::Update(_)));
        let messages = self
            .tape
            .iter()
            .filter(|told| matches!(told, Told::Message(..)));
        // a reveal, one for each update, is checked by hashes
        let updates = updates.count();
        (messages.count().saturating_sub(updates), updates)
    }

    /// What is due to each member that takes part in `phase`, and its answer.
    fn trip(
        &mut self,
        machine: &mut Coordinator,
        beside: Option<&Beside<'_>>,
        takes_part: fn(Slot) -> bool,
    ) -> Result<(), Failure> {
        let caps = &self.caps;
        let seats = self
            .seats
            .par_iter_mut()
            .filter(|seat| takes_part(seat.slot));
        let answers = seats.map(|seat| {
            let Some(bytes) = machine.encoded_for(seat.slot) else {
                return Ok(None);
            };
            let answer = seat.hear(&bytes, caps)?;
            if let Some(beside) = beside
                && seat.slot.index() % beside.every == 1
            {
                seat.beside = Some((beside.work)());
            }
            Ok(answer.map(|bytes| (seat.slot, bytes)))
        });
        let answers = answers.collect::<Result<Vec<_>, Failure>>()?;
        for (slot, bytes) in answers.into_iter().flatten() {
            self.tell(machine, slot, bytes)?;
        }
        Ok(())
    }

    fn tell(
        &mut self,
        machine: &mut Coordinator,
        slot: Slot,
        bytes: Vec<u8>,
    ) -> Result<(), Failure> {
        let message = Message::decode(&bytes, &self.caps).map_err(stuck)?;
        machine
            .receive(slot, &message)
            .map_err(|fault| stuck(fault.kind))?;
        self.tape.push(Told::Message(slot, bytes));
        Ok(())
    }

    fn upload(
        &mut self,
        machine: &mut Coordinator,
        slot: Slot,
        masked: &MaskedUpdate,
    ) -> Result<(), Failure> {
        let stored = machine.receive_update(slot, masked);
        let stored = Message::new(stored.map_err(|fault| stuck(fault.kind))?).encode();
        self.total.add(masked.blocks()).map_err(stuck)?;
        self.tape.push(Told::Update(slot));
        let seat = self.seats.get_mut(slot.index()).ok_or_else(nobody)?;
        seat.hear(&stored, &self.caps).map(drop)
    }

    fn end(&mut self, machine: Coordinator) -> Result<Coordinator, Failure> {
        self.tape.push(Told::End);
        match machine.close(&mut Vec::new()) {
            Coordinator::Aborted(abort) => Err(stuck(abort)),
            next => Ok(next),
        }
    }

    /// In the order of the ring, as the service does: neighbours get much the same.
    fn ask(&self, machine: &Coordinator) {
        let all: Vec<Slot> = self.context.graph.population().slots().collect();
        let order = self.context.graph.ring_order().unwrap_or(&all);
        for slot in order {
            black_box(machine.encoded_for(*slot));
        }
    }
}

impl Seat {
    /// The whole way of an update: checked, digested, clipped, rounded, packed and masked. Returns header and bytes to send.
    pub(super) fn upload(
        &mut self,
        context: &RoundContext,
        tensors: Tensors,
    ) -> Result<(Vec<u8>, MaskedUpdate), Failure> {
        let update = Update::new(context.task.manifest(), tensors).map_err(stuck)?;
        let digest = UpdateDigest(update.digest());
        let seed = context.rotation_seed();
        let made = contribute(update, &context.plan, Weight::ONE, &seed, &mut self.rng);
        let (contribution, _) = made.map_err(stuck)?;
        let uploaded = self.machine.upload(contribution, digest, &mut self.ledger);
        let (header, masked) = uploaded.map_err(stuck)?;
        Ok((header.encode(), masked))
    }

    pub(super) fn slot(&self) -> Slot {
        self.slot
    }

    fn advertise(&mut self) -> Result<(Slot, Vec<u8>), Failure> {
        let (spent, advert) = thread(|| {
            let advert = self.machine.advertise(&mut self.ledger, NOW, &mut self.rng);
            advert.map(|advert| advert.encode())
        });
        self.spent += spent;
        Ok((self.slot, advert.map_err(stuck)?))
    }

    /// From bytes to bytes.
    fn hear(&mut self, bytes: &[u8], caps: &Caps) -> Result<Option<Vec<u8>>, Failure> {
        let (spent, answer) = thread(|| {
            let message = Message::decode(bytes, caps).map_err(stuck)?;
            let reply = self
                .machine
                .receive(&message, &mut self.ledger, NOW, &mut self.rng);
            Ok(match reply.map_err(stuck)? {
                Reply::Send(message) => Some(message.encode()),
                _ => None,
            })
        });
        self.spent += spent;
        answer
    }
}

/// Nine of ten.
pub(super) fn nine_of_ten(slot: Slot) -> bool {
    !slot.0.is_multiple_of(10)
}

fn everybody(_: Slot) -> bool {
    true
}

fn task(size: &Size) -> Result<Task, Failure> {
    let tenth = Amount::Rate(Decimal::from_tenths(1));
    let spec = Federation::integer_task(size.coordinates, BITS, tenth, tenth);
    let mut spec = spec.map_err(Failure::failed)?;
    spec.graph = size.graph;
    if size.values == Values::Floats {
        let tensor = TensorSpec {
            name: TENSOR.to_owned(),
            shape: vec![size.coordinates],
            dtype: Dtype::F32,
        };
        spec.manifest = Manifest::new(vec![tensor]).map_err(Failure::failed)?;
        spec.encoding = Encoding::Float(FloatEncoding::new(Clip::L2(1.0), BITS));
    }
    Task::new(spec).map_err(|error| files::task(&error))
}

fn tensors(size: &Size, slot: Slot) -> Tensors {
    let formula = Formula {
        seed: 5,
        coordinates: usize::try_from(size.coordinates).unwrap_or(usize::MAX),
        bits: BITS,
    };
    let row = formula.row(slot);
    let data = match size.values {
        Values::Integers => TensorData::I64(row),
        Values::Floats => {
            let small = |value: i64| (value - 32_768) as f32 * 1e-7;
            TensorData::F32(row.into_iter().map(small).collect())
        }
    };
    let shape = vec![size.coordinates];
    BTreeMap::from([(TENSOR.to_owned(), Tensor { shape, data })])
}

fn copy(blocks: &Blocks) -> Blocks {
    Blocks::from_limbs(blocks.limbs().to_vec())
}

/// Nothing here is meant to go wrong.
pub(super) fn stuck(reason: impl fmt::Display) -> Failure {
    Failure::failed(format_args!("the measured round did not go on: {reason}"))
}

fn nobody() -> Failure {
    stuck("a slot is empty")
}

/// No time passes in a round without a network.
const NOW: Duration = Duration::ZERO;

/// Of a coordinate.
const BITS: u8 = 16;

/// The one tensor of a task.
const TENSOR: &str = "x";

/// Masked updates held at once.
const UPLOADS_AT_ONCE: usize = 8;
