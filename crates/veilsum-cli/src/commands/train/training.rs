//! A training, round by round.

use super::baseline::Yardstick;
use super::lines::{Judgement, RoundLine, Spent, Summary};
use super::rounds::{Ended, Rounds};
use super::setup::failure;
use super::store::Store;
use super::{central, clipping, report};
use crate::args::train::Train;
use crate::exit::{Failure, Kind, Outcome};
use crate::files;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report::Place;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use veilsum_learn::job::{Ending, Judge, Step};
use veilsum_learn::{CoordinatorHalf, Job, MemberHalf};
use veilsum_proto::ids::Slot;
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::parameters::{Decimal, Parameters};
use veilsum_proto::task::Task;

/// A training under way.
pub(super) struct Training {
    job: Job,
    coordinator: CoordinatorHalf,
    members: Vec<MemberHalf>,
    rounds: Rounds,
    noise: Option<Arc<RoundNoise>>,
    /// Noise and rounding follow from the seed of the job.
    seeded: bool,
    store: Store,
    history: Vec<RoundLine>,
    output: Output,
    progress: Progress,
    started: Instant,
}

impl Training {
    pub(super) fn open(args: &Train, job: &Job, output: Output) -> Result<Self, Failure> {
        let progress = Progress::new(output);
        progress.doing("setting up");
        let members = (0..job.spec().members).map(|member| MemberHalf::new(job, member));
        let mut members = members
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| failure(&error))?;
        let rounds = Rounds::new(job, args.dropout, args.seeded_noise)?;
        let noise = rounds
            .training()
            .round_noise(job.spec().members)
            .map_err(|error| files::task(&error))?;
        let store = Store::open(&args.out, job)?;
        let coordinator = match args.resume {
            true => store.resume(job, &mut members)?,
            false => {
                store.refuse_existing()?;
                CoordinatorHalf::start(job).map_err(|error| failure(&error))?
            }
        };
        let history = match args.resume {
            true => store.rewind(coordinator.rounds_over())?,
            false => Vec::new(),
        };
        same_noise(&history, coordinator.rounds_over(), args.seeded_noise)?;
        tell_of_drop_out(
            args.dropout,
            rounds.training(),
            job.spec().members,
            &progress,
        )?;
        if args.seeded_noise && noise.is_some() {
            progress.warn(&"the noise follows from the seed of the job: nothing is private");
        }
        Ok(Self {
            job: job.clone(),
            coordinator,
            members,
            rounds,
            noise,
            seeded: args.seeded_noise,
            store,
            history,
            output,
            progress,
            started: Instant::now(),
        })
    }

    /// Runs rounds until the end of the job, a signal, or the pause asked for.
    pub(super) fn go_on(&mut self, asked: &AtomicBool, pause_after: Option<u64>) -> Outcome {
        let mut run = 0;
        while self.ending()?.is_none() {
            if asked.load(Ordering::Relaxed) || pause_after.is_some_and(|most| run >= most) {
                let over = self.coordinator.rounds_over();
                let text = format!("stopped after round {over}");
                return Err(Failure::new(Kind::Interrupted, text)
                    .hint("the checkpoint is kept; --resume goes on from there"));
            }
            let line = self.round()?;
            self.store.append(&line)?;
            self.store.save(&self.coordinator, &self.members)?;
            match self.output {
                Output::Json => self.progress.print_json(&line),
                Output::Text => self.progress.print(&line),
            }
            self.history.push(line);
            run += 1;
        }
        Ok(())
    }

    /// Ends what is shown of the progress.
    pub(super) fn finish(&self) {
        self.progress.finish();
    }

    /// Why the training is over, if it is.
    fn ending(&self) -> Result<Option<&'static str>, Failure> {
        Ok(match self.coordinator.ending() {
            Some(Ending::Rounds) => Some("all rounds are over"),
            Some(Ending::Stopped) => Some("nothing became better"),
            // spec: [job.budget]
            None if self.is_spent() => Some("the privacy budget is spent"),
            None => None,
        })
    }

    /// Whether the next round would cost more than the job allows.
    fn is_spent(&self) -> bool {
        let next = self.spent(self.coordinator.next_round());
        next.is_some_and(|spent| spent.epsilon_total > spent.epsilon_budget)
    }

    fn round(&mut self) -> Result<RoundLine, Failure> {
        let started = Instant::now();
        let round = self.coordinator.next_round();
        self.progress.doing(format!("round {round}: training"));
        let model = self
            .coordinator
            .model_bytes()
            .map_err(|error| failure(&error))?;
        let participants = self.rounds.participants(round)?;
        let takes_part = |member: &&mut MemberHalf| participants.contains(&Slot(member.member()));
        let mut offers = BTreeMap::new();
        for member in self.members.iter_mut().filter(takes_part) {
            let brought = member
                .contribute(&model, round)
                .map_err(|error| failure(&error))?;
            offers.insert(Slot(member.member()), brought);
        }
        let clip = clipping::Clipping::of(self.rounds.training(), offers.values());
        if run_of_warnings(round)
            && let Some(warning) = clip.as_ref().and_then(clipping::Clipping::warning)
        {
            self.progress
                .warn(&format_args!("round {round}: {warning}"));
        }
        let clipped = clip.map(|clip| clip.share);
        self.progress.doing(format!("round {round}: masked sum"));
        let Ended { report, tensors } = self.rounds.train(round, &model, offers)?;
        let survivors = &report.survivors;
        for member in self.members.iter_mut().filter(takes_part) {
            let outcome = match survivors.contains(&Slot(member.member())) {
                true => veilsum_learn::Outcome::Summed,
                false => veilsum_learn::Outcome::Lost,
            };
            member.settle(round, outcome);
        }
        let mut line = RoundLine {
            event: "round".to_owned(),
            round,
            rounds: self.job.spec().rounds,
            survivor_ids: survivors.iter().map(|slot| slot.0).collect(),
            vanished_ids: report.dropped.iter().map(|dropped| dropped.id.0).collect(),
            abort: report.abort.as_ref().map(ToString::to_string),
            exact: report.abort.is_none().then_some(report.exact),
            version: 0,
            model_sha256: String::new(),
            rate: None,
            clip: None,
            within: None,
            members: None,
            public: None,
            clipped,
            best: false,
            upload_bytes: report.member_upload_bytes,
            download_bytes: report.member_download_bytes + model.len() as u64,
            privacy: self.spent(round).filter(|_| !self.seeded),
            seeded: self.seeded,
            wall_s: 0.0,
        };
        match tensors {
            Some(mean) => {
                let step = self.coordinator.take(round, &mean);
                let step = step.map_err(|error| failure(&error))?;
                (line.rate, line.clip, line.within) = (Some(step.rate), step.clip, step.within);
                self.judge(&step, &mut line)?;
            }
            None => self
                .coordinator
                .skip(round)
                .map_err(|error| failure(&error))?,
        }
        let id = self.coordinator.model().id();
        (line.version, line.model_sha256) = (id.version, id.digest.to_string());
        line.wall_s = started.elapsed().as_secs_f64();
        Ok(line)
    }

    /// Judges the new model where the job says so; what the job does not judge by is shown all the same.
    fn judge(&mut self, step: &Step, line: &mut RoundLine) -> Result<(), Failure> {
        let Some(judge) = step.judge else {
            return Ok(());
        };
        let public = self.coordinator.judge().map_err(|error| failure(&error))?;
        line.public = public.map(Judgement::from);
        let found = match judge {
            Judge::Public => public,
            Judge::Members => {
                self.progress
                    .doing(format!("round {}: evaluation", line.round));
                let model = self
                    .coordinator
                    .model_bytes()
                    .map_err(|error| failure(&error))?;
                let mut tallies = BTreeMap::new();
                for member in &self.members {
                    let tally = member.judge(&model).map_err(|error| failure(&error))?;
                    tallies.insert(Slot(member.member()), tally);
                }
                match self.rounds.judge(line.round, &model, tallies)? {
                    Some(Ended {
                        report,
                        tensors: Some(sum),
                    }) => {
                        line.upload_bytes += report.member_upload_bytes;
                        line.download_bytes += report.member_download_bytes;
                        line.exact = line.exact.map(|exact| exact && report.exact);
                        CoordinatorHalf::decode_evaluation(&sum)
                            .ok()
                            .map(|(_, found)| found)
                    }
                    _ => None,
                }
            }
        };
        if judge == Judge::Members {
            line.members = found.map(Judgement::from);
        }
        match found {
            Some(found) => line.best = self.coordinator.judged(found).best,
            None => self.coordinator.unjudged(),
        }
        Ok(())
    }

    /// What `rounds` rounds cost, if nobody knows the noise. A round that ends without a sum counts: its contributions may have been made.
    fn spent(&self, rounds: u64) -> Option<Spent> {
        let (noise, privacy) = (self.noise.as_ref()?, self.job.spec().privacy?);
        Some(Spent {
            epsilon: noise.statement().epsilon,
            epsilon_total: noise.total(rounds).epsilon,
            epsilon_budget: privacy.epsilon,
            delta: noise.delta(),
            unit: noise.unit(),
        })
    }

    /// Why the command fails although the rounds are over.
    pub(super) fn unequal(&self) -> Failure {
        let unequal = |line: &&RoundLine| line.exact == Some(false);
        let rounds = self.history.iter().filter(unequal);
        let rounds: Vec<String> = rounds.map(|line| line.round.to_string()).collect();
        Failure::failed(format_args!(
            "found a sum that is not the plain sum of its survivors in round {}",
            rounds.join(", ")
        ))
        .hint("this is a fault of veilsum: do not use the model, and report the round with the job")
    }

    /// Writes the report beside the model. A file of somebody else in its place is kept, and told of.
    pub(super) fn report(&self, folder: &Path, summary: &mut Summary) -> Outcome {
        let place = match Place::new(folder) {
            Ok(place) => place,
            Err(failure) => {
                output::warn(&format_args!("no report: {}", failure.message()));
                return Ok(());
            }
        };
        let members = self.job.spec().members;
        let history = report::of(&self.job, members, &self.history, summary);
        summary.report = Some(place.write(&history)?.html);
        Ok(())
    }

    pub(super) fn summary(&self, baseline: bool) -> Result<Summary, Failure> {
        let yardstick = Yardstick::new(&self.job)?;
        let sums = self.history.iter().filter(|line| line.abort.is_none());
        let sums = sums.count() as u64;
        let (plain, pooled) = match baseline {
            true => (yardstick.plain(&self.history)?, yardstick.pooled(sums)?),
            false => (None, None),
        };
        let central = match baseline {
            true => central::model(&self.job, self.rounds.training(), &self.history)?,
            false => None,
        };
        let central = central.map(|model| yardstick.judge(&model)).transpose()?;
        let best = self.coordinator.best();
        let id = self.coordinator.model().id();
        Ok(Summary {
            event: "summary",
            ending: self.ending()?.unwrap_or("stopped"),
            algorithm: self.job.spec().algorithm.name(),
            rounds: self.coordinator.rounds_over(),
            sums,
            exact: (sums > 0).then(|| self.history.iter().all(|line| line.exact != Some(false))),
            version: id.version,
            model_sha256: id.digest.to_string(),
            last: yardstick.judge(self.coordinator.model())?,
            best: match best {
                Some((model, _)) => yardstick.judge(model)?,
                None => None,
            },
            best_version: best.map(|(model, _)| model.version()),
            judged_on: yardstick.judged_on()?,
            plain,
            pooled,
            central: central.flatten(),
            upload_bytes: self.history.iter().map(|line| line.upload_bytes).sum(),
            download_bytes: self.history.iter().map(|line| line.download_bytes).sum(),
            privacy: self
                .spent(self.coordinator.rounds_over())
                .filter(|_| !self.seeded),
            noised: self.noise.is_some(),
            seeded: self.seeded,
            model: self.store.model(),
            history: self.store.history(),
            report: None,
            wall_s: self.started.elapsed().as_secs_f64(),
        })
    }
}

/// Refuses to mix rounds whose noise is secret with rounds whose noise follows from the seed.
fn same_noise(history: &[RoundLine], rounds_over: u64, seeded: bool) -> Outcome {
    if (history.len() as u64) < rounds_over {
        let kept = history.len();
        let text = format!("the history holds {kept} rounds, the checkpoint {rounds_over}");
        return Err(Failure::refused(text).hint("take another --out, or bring the history back"));
    }
    match history.iter().find(|line| line.seeded != seeded) {
        None => Ok(()),
        Some(line) => {
            let (of, hint) = match line.seeded {
                true => ("the seed of the job", "go on with --seeded-noise"),
                false => ("the operating system", "go on without --seeded-noise"),
            };
            let text = format!("round {} drew its noise and rounding from {of}", line.round);
            Err(Failure::refused(text).hint(format!("{hint}, or take another --out")))
        }
    }
}

/// Says before the first round that too many vanish for a sum.
fn tell_of_drop_out(dropout: Decimal, task: &Task, members: u32, progress: &Progress) -> Outcome {
    let Parameters { n, d, .. } = task
        .parameters(members)
        .map_err(|error| files::task(&error))?;
    let vanishing = dropout.floor_times(n);
    if vanishing > d {
        progress.warn(&format_args!(
            "--dropout makes {vanishing} of {n} members vanish in each round, the job tolerates {d}: rounds may end without a sum"
        ));
    }
    Ok(())
}

/// Whether a round is one of the first, whose clips are told of.
fn run_of_warnings(round: u64) -> bool {
    round <= 3
}
