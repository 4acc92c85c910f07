//! A simulated member: the real machine with a ledger in memory and a generator of its own.

use crate::cost::Costs;
use crate::updates::Brought;
use cpu_time::ThreadTime;
use rand_chacha::ChaCha20Rng;
use std::time::Duration;
use veilsum_dp::MemberNoise;
use veilsum_encode::{Update, contribute, contribute_with_noise};
use veilsum_math::Threads;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Slot, UpdateDigest};
use veilsum_proto::ledger::MemoryLedger;
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::member::{Member, Reply};
use veilsum_proto::message::{Caps, Message};
use veilsum_proto::refusal::Refusal;

pub(crate) struct SimMember {
    pub slot: Slot,
    pub machine: Option<Member>,
    pub ledger: MemoryLedger,
    pub rng: ChaCha20Rng,
    pub costs: Costs,
    pub refusals: Vec<Refusal>,
    /// The noise in its contribution, for whoever checks the sum.
    pub noise: Option<MemberNoise>,
}

/// What a member sends in answer to a message.
#[derive(Default)]
pub(crate) struct Answer {
    pub messages: Vec<Message>,
    pub contribute: bool,
}

impl SimMember {
    pub fn advertise(&mut self) -> Option<Message> {
        let Self {
            machine,
            ledger,
            rng,
            ..
        } = self;
        let machine = machine.as_mut()?;
        let started = ThreadTime::now();
        let outcome = machine.advertise(ledger, NOW, rng);
        self.costs.spend(PhaseName::Advertise, started.elapsed());
        self.keep(outcome)
    }

    /// Decodes and takes one message.
    pub fn receive(&mut self, phase: PhaseName, bytes: &[u8], caps: &Caps) -> Answer {
        self.costs.received = self.costs.received.saturating_add(bytes.len() as u64);
        let Self {
            machine,
            ledger,
            rng,
            ..
        } = self;
        let (Some(machine), Ok(message)) = (machine.as_mut(), Message::decode(bytes, caps)) else {
            return Answer::default();
        };
        let started = ThreadTime::now();
        let outcome = machine.receive(&message, ledger, NOW, rng);
        self.costs.spend(phase, started.elapsed());
        match self.keep(outcome) {
            Some(Reply::Send(message)) => Answer {
                messages: vec![message],
                contribute: false,
            },
            Some(Reply::Contribute) => Answer {
                messages: Vec::new(),
                contribute: true,
            },
            Some(Reply::Nothing | Reply::Result { .. } | Reply::Aborted(_)) | None => {
                Answer::default()
            }
        }
    }

    /// Encodes, adds noise where the task has some, packs and masks what the member brings.
    pub fn upload(&mut self, brought: Brought) -> Option<(Message, MaskedUpdate)> {
        let Self {
            machine,
            ledger,
            noise,
            ..
        } = self;
        let machine = machine.as_mut()?;
        let context = machine.context().clone();
        let started = ThreadTime::now();
        let Brought {
            tensors,
            weight,
            mut rounding,
        } = brought;
        let update = Update::new(context.task.manifest(), tensors).ok()?;
        let digest = UpdateDigest(update.digest());
        let (plan, seed) = (&context.plan, context.rotation_seed());
        *noise = machine.noise();
        let made = match context.noise.as_ref().zip(noise.as_ref()) {
            Some((of_round, own)) => {
                let of_round = of_round.plan();
                contribute_with_noise(update, plan, weight, &seed, of_round, own, &mut rounding)
            }
            None => contribute(update, plan, weight, &seed, &mut rounding),
        };
        let (contribution, _) = made.ok()?;
        let outcome = machine.upload(contribution, digest, ledger);
        self.costs.spend(PhaseName::Upload, started.elapsed());
        self.keep(outcome)
    }

    fn keep<T>(&mut self, outcome: Result<T, Refusal>) -> Option<T> {
        outcome.map_err(|refusal| self.refusals.push(refusal)).ok()
    }
}

/// Simulated members mask on one thread each; several of them run at once.
pub(crate) const THREADS: Threads = Threads::One;

/// No time passes in a simulated round.
pub(crate) const NOW: Duration = Duration::ZERO;
