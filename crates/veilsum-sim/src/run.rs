//! One round, phase by phase, over as many attempts as it takes.

use crate::cost::Costs;
use crate::federation::{Federation, generator, generator_of};
use crate::inputs::Inputs;
use crate::member::{Answer, SimMember, THREADS};
use crate::report::{Blame, Dropped, NoiseReport, Report, median};
use crate::script::{Script, Vanish};
use crate::tamper::Tamper;
use crate::updates::{Rows, Updates, plain_sum};
use cpu_time::ProcessTime;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use veilsum_encode::{Encoding, Tensors};
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, Finished, PhaseName, SumNoise};
use veilsum_proto::fault::{Fault, FaultKind};
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Slot};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::member::{ExampleClip, Floors, Member, PrivacyFloors, UnlistedTasks};
use veilsum_proto::message::{Caps, Deadlines, Message};
use veilsum_proto::session::RoundContext;
use veilsum_proto::task::{Task, TaskError};

/// How a round is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Round number.
    pub round: Round,
    /// Who vanishes where, in every attempt.
    pub script: Script,
    /// Floors of every member.
    pub floors: Floors,
    /// SHA-256 of what members are given before the round; zeros for nothing.
    pub base_model: ModelDigest,
    /// What members draw their secrets from: unpredictable bytes, new for each round, where the sum is more than an exercise.
    /// Without them everything follows from the federation's seed.
    pub entropy: Option<[u8; 32]>,
    /// Called with each phase that begins; for progress.
    pub progress: Option<fn(PhaseName)>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            round: Round(1),
            script: Script::default(),
            floors: Floors {
                // one process holds all keys here and chooses everything; there is nobody to be protected from it
                unlisted: UnlistedTasks::Any,
                privacy: PrivacyFloors {
                    example_clip: ExampleClip::Checked,
                    ..PrivacyFloors::default()
                },
                ..Floors::default()
            },
            base_model: ModelDigest([0; 32]),
            entropy: None,
            progress: None,
        }
    }
}

/// What came out of a round of [`Federation::run_updates`].
#[derive(Clone, Debug)]
pub struct Summed {
    /// The round.
    pub report: Report,
    /// The weighted mean of a float task, the sum of an integer task; none without a sum.
    pub tensors: Option<Tensors>,
}

/// A round cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The task does not fit the roster.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Rows and task differ.
    #[error("inputs have {got} coordinates, the task has {want}")]
    Coordinates {
        /// Coordinates of the inputs.
        got: usize,
        /// Coordinates of the task.
        want: u64,
    },
}

impl Federation {
    /// Runs one round of `task` to its end.
    ///
    /// # Errors
    ///
    /// [`RunError`] when it cannot begin. What goes wrong later is in the report.
    pub fn run(
        &self,
        task: &Task,
        inputs: &dyn Inputs,
        options: &RunOptions,
        tamper: &mut dyn Tamper,
    ) -> Result<Report, RunError> {
        let want = task.plan(self.roster.len())?.coordinates();
        if inputs.coordinates() as u64 != want {
            return Err(RunError::Coordinates {
                got: inputs.coordinates(),
                want,
            });
        }
        let rows = Rows::new(inputs, task);
        let (report, _) = self.rounds(task, &rows, options, tamper)?;
        Ok(report)
    }

    /// Runs one round of a task of any encoding to its end, and decodes its sum.
    ///
    /// # Errors
    ///
    /// As [`Federation::run`].
    pub fn run_updates(
        &self,
        task: &Task,
        updates: &dyn Updates,
        options: &RunOptions,
        tamper: &mut dyn Tamper,
    ) -> Result<Summed, RunError> {
        let (report, finished) = self.rounds(task, updates, options, tamper)?;
        let tensors = finished.and_then(|finished| {
            let (context, integers) = (finished.context(), finished.integers());
            let seed = context.rotation_seed();
            let decoded = match context.plan.encoding() {
                Encoding::Float(_) => integers.mean(&context.plan, &seed),
                Encoding::Integer { .. } => integers.sum(&context.plan, &seed),
            };
            decoded.ok()
        });
        Ok(Summed { report, tensors })
    }

    fn rounds(
        &self,
        task: &Task,
        updates: &dyn Updates,
        options: &RunOptions,
        tamper: &mut dyn Tamper,
    ) -> Result<(Report, Option<Box<Finished>>), RunError> {
        let started = Instant::now();
        let mut run = Run::new(self, task, updates, options, tamper);
        let mut attempt = Attempt(0);
        let outcome = loop {
            let outcome = run.attempt(attempt)?;
            match &outcome {
                Err(abort)
                    if abort.may_retry() && attempt.0.saturating_add(1) < task.max_attempts() =>
                {
                    attempt = Attempt(attempt.0.saturating_add(1));
                }
                _ => break outcome,
            }
        };
        let mut report = run.report(attempt, outcome.as_deref().map_err(Clone::clone))?;
        report.wall_s = started.elapsed().as_secs_f64();
        Ok((report, outcome.ok()))
    }
}

struct Run<'a> {
    federation: &'a Federation,
    task: &'a Task,
    updates: &'a dyn Updates,
    options: &'a RunOptions,
    tamper: &'a mut dyn Tamper,
    members: Vec<SimMember>,
    coordinator: Costs,
    faults: Vec<Fault>,
    peak: usize,
}

/// Bytes of one vector on its way, or a part of one.
type Upload = (Slot, Vec<Message>, Option<MaskedUpdate>);

impl<'a> Run<'a> {
    fn new(
        federation: &'a Federation,
        task: &'a Task,
        updates: &'a dyn Updates,
        options: &'a RunOptions,
        tamper: &'a mut dyn Tamper,
    ) -> Self {
        let members = federation.members.keys().map(|slot| SimMember {
            slot: *slot,
            machine: None,
            ledger: Default::default(),
            rng: match options.entropy {
                Some(entropy) => generator_of(entropy, slot.0),
                None => generator(federation.seed, "rng", slot.0),
            },
            costs: Costs::default(),
            refusals: Vec::new(),
            noise: None,
        });
        let members = members.collect();
        let (coordinator, faults, peak) = (Costs::default(), Vec::new(), 0);
        Self {
            federation,
            task,
            updates,
            options,
            tamper,
            members,
            coordinator,
            faults,
            peak,
        }
    }

    fn attempt(&mut self, attempt: Attempt) -> Result<Result<Box<Finished>, Abort>, RunError> {
        let context = Arc::new(RoundContext::new(
            self.task.clone(),
            self.federation.roster.clone(),
            self.options.round,
            attempt,
            self.options.base_model,
            Deadlines::default(),
        )?);
        let caps = Caps::new(context.slots(), context.parameters.k);
        let mut machine = Coordinator::open(context.clone());
        self.invite(&context);
        loop {
            let phase = machine.phase();
            if let Some(progress) = self.options.progress {
                progress(phase);
            }
            match phase {
                PhaseName::Advertise => self.advertise(&mut machine, &caps),
                PhaseName::Upload => self.upload(&mut machine, &caps),
                PhaseName::Share => self.exchange(&mut machine, Vanish::Share, &caps),
                PhaseName::Accept => self.exchange(&mut machine, Vanish::Accept, &caps),
                PhaseName::Confirm => self.exchange(&mut machine, Vanish::Confirm, &caps),
                PhaseName::Reveal => self.exchange(&mut machine, Vanish::Reveal, &caps),
                PhaseName::Recover => self.exchange(&mut machine, Vanish::Recover, &caps),
                PhaseName::Finished | PhaseName::Aborted => {}
            }
            self.peak = self.peak.max(machine.held_bytes());
            machine = match self.close(phase, machine) {
                Coordinator::Finished(finished) => return Ok(Ok(finished)),
                Coordinator::Aborted(abort) => return Ok(Err(abort)),
                next => next,
            };
        }
    }

    /// Earlier machines are dropped, their secrets wiped, before new ones exist.
    fn invite(&mut self, context: &Arc<RoundContext>) {
        for member in &mut self.members {
            member.machine = None;
            let Some(identity) = self.federation.members.get(&member.slot) else {
                continue;
            };
            let floors = self.options.floors.clone();
            match Member::invited_in(context.clone(), identity.clone(), floors, &member.ledger) {
                Ok(machine) => member.machine = Some(machine.with_threads(THREADS)),
                Err(refusal) => member.refusals.push(refusal),
            }
        }
    }

    fn advertise(&mut self, machine: &mut Coordinator, caps: &Caps) {
        let script = &self.options.script;
        let mut sent = Vec::new();
        for member in &mut self.members {
            let open = machine
                .message_for(member.slot)
                .map(|message| message.encode().len());
            member.costs.received = member
                .costs
                .received
                .saturating_add(open.unwrap_or(0) as u64);
            if script.acts(member.slot, Vanish::Advertise) {
                sent.extend(
                    member
                        .advertise()
                        .map(|message| (member.slot, vec![message])),
                );
            }
        }
        self.deliver(machine, sent, caps);
    }

    /// One trip: what is due goes to each member, what it answers comes back.
    fn exchange(&mut self, machine: &mut Coordinator, point: Vanish, caps: &Caps) {
        let due = self.due(machine, point);
        let phase = machine.phase();
        let answers = self.answers(phase, due, caps);
        let sent = answers
            .into_iter()
            .map(|(slot, answer)| (slot, answer.messages))
            .collect();
        self.deliver(machine, sent, caps);
    }

    /// Uploads in batches, so that few vectors are held at once.
    fn upload(&mut self, machine: &mut Coordinator, caps: &Caps) {
        let due = self.due(machine, Vanish::Accept);
        let phase = machine.phase();
        let answers = self.answers(phase, due, caps);
        let ready = answers
            .into_iter()
            .filter(|(_, answer)| answer.contribute)
            .map(|(slot, _)| slot);
        let ready = ready
            .filter(|slot| self.options.script.acts(*slot, Vanish::Upload))
            .collect::<Vec<_>>();
        for batch in ready.chunks(UPLOADS_AT_ONCE) {
            let uploads = self.masked(batch);
            for (slot, headers, update) in uploads {
                self.deliver(machine, vec![(slot, headers)], caps);
                if let Some(update) = update {
                    self.deliver_update(machine, slot, &update);
                }
            }
            self.peak = self.peak.max(machine.held_bytes());
        }
        // A stored update is acknowledged; only then does a member sign.
        let due = self.due(machine, Vanish::MidUpload);
        self.answers(phase, due, caps);
    }

    fn masked(&mut self, batch: &[Slot]) -> Vec<Upload> {
        let (updates, script) = (self.updates, &self.options.script);
        let members = self.members.iter_mut();
        let mut members = members
            .filter(|member| batch.contains(&member.slot))
            .collect::<Vec<_>>();
        let upload = |member: &mut SimMember| {
            let (header, update) = member.upload(updates.of(member.slot)?)?;
            let whole = script.acts(member.slot, Vanish::MidUpload);
            let bytes = update.limbs().saturating_mul(if whole { 8 } else { 4 });
            member.costs.sent = member.costs.sent.saturating_add(bytes as u64);
            Some((member.slot, vec![header], whole.then_some(update)))
        };
        let each = members.len().div_ceil(rayon::current_num_threads()).max(1);
        std::thread::scope(|scope| {
            let desks = members.chunks_mut(each).map(|members| {
                let uploads = || {
                    members
                        .iter_mut()
                        .filter_map(|member| upload(member))
                        .collect()
                };
                scope.spawn(|| alone::<Vec<Upload>>(uploads))
            });
            let desks = desks.collect::<Vec<_>>();
            let uploads = desks
                .into_iter()
                .flat_map(|desk| desk.join().unwrap_or_default());
            uploads.collect()
        })
    }

    /// Encoded messages due to the members that still act at `point`.
    fn due(&mut self, machine: &Coordinator, point: Vanish) -> Vec<(Slot, Vec<Vec<u8>>)> {
        let started = ProcessTime::now();
        let slots = self.members.iter().map(|member| member.slot);
        let acting = slots.filter(|slot| self.options.script.acts(*slot, point));
        let messages = acting
            .filter_map(|slot| Some((slot, machine.message_for(slot)?)))
            .collect::<Vec<_>>();
        let tamper = &mut *self.tamper;
        let due = messages.into_iter().map(|(slot, message)| {
            let arriving = tamper.to_member(slot, message);
            (slot, arriving.iter().map(Message::encode).collect())
        });
        let due = due.collect();
        self.coordinator.spend(machine.phase(), started.elapsed());
        due
    }

    fn answers(
        &mut self,
        phase: PhaseName,
        mut due: Vec<(Slot, Vec<Vec<u8>>)>,
        caps: &Caps,
    ) -> Vec<(Slot, Answer)> {
        due.sort_by_key(|(slot, _)| *slot);
        let due = &due;
        let members = self.members.par_iter_mut();
        let answers = members.filter_map(|member| {
            let index = due
                .binary_search_by_key(&member.slot, |(slot, _)| *slot)
                .ok()?;
            let (_, messages) = due.get(index)?;
            let mut all = Answer::default();
            for bytes in messages {
                let answer = member.receive(phase, bytes, caps);
                all.messages.extend(answer.messages);
                all.contribute |= answer.contribute;
            }
            Some((member.slot, all))
        });
        answers.collect()
    }

    fn deliver(&mut self, machine: &mut Coordinator, sent: Vec<(Slot, Vec<Message>)>, caps: &Caps) {
        for (slot, messages) in sent {
            for message in messages
                .into_iter()
                .flat_map(|message| self.tamper.to_coordinator(slot, message))
            {
                let bytes = message.encode();
                if let Some(member) = self.members.get_mut(slot.index()) {
                    member.costs.sent = member.costs.sent.saturating_add(bytes.len() as u64);
                }
                let started = ProcessTime::now();
                let outcome = match Message::decode(&bytes, caps) {
                    Ok(message) => machine.receive(slot, &message),
                    Err(invalid) => Err(FaultKind::from(invalid).of(slot)),
                };
                self.coordinator.spend(machine.phase(), started.elapsed());
                self.faults.extend(outcome.err());
            }
        }
    }

    fn deliver_update(&mut self, machine: &mut Coordinator, slot: Slot, update: &MaskedUpdate) {
        let started = ProcessTime::now();
        let outcome = machine.receive_update(slot, update);
        self.coordinator.spend(PhaseName::Upload, started.elapsed());
        self.faults.extend(outcome.err());
    }

    fn close(&mut self, phase: PhaseName, machine: Coordinator) -> Coordinator {
        let started = ProcessTime::now();
        let next = machine.close(&mut self.faults);
        self.coordinator.spend(phase, started.elapsed());
        self.peak = self.peak.max(next.held_bytes());
        next
    }

    /// Adds what should stay of the survivors' noise, from their own seeds: the simulation holds them all.
    fn add_noise(&self, finished: &Finished, sum: &mut [i64]) {
        let context = finished.context();
        let Some((of_round, stays)) = context.noise.as_ref().zip(finished.noise()) else {
            return;
        };
        let survivors = finished.sum().survivors().bitmap();
        let members = self.members.iter();
        let members = members.filter(|member| survivors.contains(member.slot));
        let noises = members
            .filter_map(|member| Some((member.slot, member.noise.as_ref()?)))
            .collect::<Vec<_>>();
        let plan = of_round.plan();
        let pages = sum.par_chunks_mut(NOISE_PAGE).enumerate();
        pages.for_each(|(page, sum)| {
            let first = (page as u64).saturating_mul(NOISE_PAGE as u64);
            for (slot, noise) in &noises {
                match stays.unremoved.contains(slot) {
                    true => plan.draw(noise, first, sum),
                    false => plan.draw_kept(noise, stays.level, first, sum),
                }
            }
        });
    }

    fn report(
        self,
        attempt: Attempt,
        outcome: Result<&Finished, Abort>,
    ) -> Result<Report, RunError> {
        let slots = self.federation.roster.len();
        let (plan, parameters) = (self.task.plan(slots)?, self.task.parameters(slots)?);
        let finished = outcome.as_ref().ok().copied();
        let survivors = finished.map(|finished| {
            finished
                .sum()
                .survivors()
                .bitmap()
                .iter()
                .collect::<Vec<_>>()
        });
        let survivors = survivors.unwrap_or_default();
        let sum = finished.map(|finished| finished.integers().values().to_vec());
        let wanted = finished.and_then(|finished| {
            let (mut wanted, weight) = plain_sum(self.updates, finished.context(), &survivors)?;
            self.add_noise(finished, &mut wanted);
            (weight == finished.integers().weight()).then_some(wanted)
        });
        let costs = || self.members.iter().map(|member| member.costs);
        let dropped = self.options.script.iter().map(|(id, vanish)| Dropped {
            id,
            phase: vanish.phase(),
        });
        Ok(Report {
            members: slots,
            dim: usize::try_from(plan.coordinates()).unwrap_or(usize::MAX),
            lane_bits: plan.lane_bits(),
            parameters,
            exact: sum.is_some() && sum == wanted,
            noise: finished.and_then(noise_report),
            survivors,
            dropped: dropped.collect(),
            refusals: self
                .members
                .iter()
                .flat_map(|member| {
                    member
                        .refusals
                        .iter()
                        .map(|refusal| (member.slot, refusal.clone()))
                })
                .collect(),
            faults: self.faults.into_iter().map(Blame::from).collect(),
            sum,
            sum_sha256: finished.map(|finished| finished.integers().sha256()),
            attempt: attempt.0,
            member_cpu_ms: median(costs()).by_phase(1000.0),
            coordinator_cpu_s: self.coordinator.by_phase(1.0),
            member_upload_bytes: costs().map(|costs| costs.sent).max().unwrap_or(0),
            member_download_bytes: costs().map(|costs| costs.received).max().unwrap_or(0),
            coordinator_peak_bytes: self.peak,
            wall_s: 0.0,
            abort: outcome.err(),
        })
    }
}

/// Does work that would share itself among threads on this one, so that its processor time is that of the thread: a thread
/// that waits for others would take up other members' work meanwhile.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

fn noise_report(finished: &Finished) -> Option<NoiseReport> {
    let SumNoise {
        kept,
        level,
        unremoved,
    } = finished.noise()?;
    Some(NoiseReport {
        statement: finished.context().noise.as_ref()?.statement(),
        kept: kept.clone(),
        level: level.components(),
        unremoved: unremoved.clone(),
    })
}

/// Coordinates whose noise is drawn in one go.
const NOISE_PAGE: usize = 16_384;

/// Vectors masked at once.
const UPLOADS_AT_ONCE: usize = 8;
