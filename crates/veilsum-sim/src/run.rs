//! One round, phase by phase, over as many attempts as it takes.

mod noise;
mod trips;

use crate::cost::Costs;
use crate::federation::{Federation, generator, generator_of};
use crate::inputs::Inputs;
use crate::member::{SimMember, THREADS};
use crate::report::{Blame, Dropped, Report, median};
use crate::script::{Script, Vanish};
use crate::tamper::Tamper;
use crate::updates::{Rows, Updates, plain_sum};
use cpu_time::ProcessTime;
use noise::noise_report;
use std::sync::Arc;
use std::time::Instant;
use veilsum_encode::{Encoding, Tensors};
use veilsum_proto::abort::Abort;
use veilsum_proto::coordinator::{Coordinator, Finished, PhaseName};
use veilsum_proto::fault::Fault;
use veilsum_proto::ids::{Attempt, ModelDigest, Round};
use veilsum_proto::member::{ExampleClip, Floors, Member, PrivacyFloors, UnlistedTasks};
use veilsum_proto::message::{Caps, Deadlines};
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

    fn close(&mut self, phase: PhaseName, machine: Coordinator) -> Coordinator {
        let started = ProcessTime::now();
        let next = machine.close(&mut self.faults);
        self.coordinator.spend(phase, started.elapsed());
        self.peak = self.peak.max(next.held_bytes());
        next
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
