//! `--train`: the member's half of a job.

use crate::commands::train::setup::{failure, job};
use crate::config::{self, resolve};
use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use veilsum_client::RoundInfo;
use veilsum_encode::{Encoding, FloatEncoding, Tensors};
use veilsum_learn::job::{Brought, Judge, TaskParts};
use veilsum_learn::stats::STATS_TENSOR;
use veilsum_learn::{Job, MemberHalf, Outcome};
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::member::{Bounds, ExampleClip, PrivacyFloors};
use veilsum_proto::task::Task;

/// Trains in this process, round by round.
pub(super) struct Training {
    job: Job,
    parts: TaskParts,
    half: MemberHalf,
    memory: PathBuf,
}

/// `member-train.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainFile {
    /// The job, the same for all members.
    job: PathBuf,
    /// Examples of this member, for a job with files.
    data: Option<PathBuf>,
    /// Where the member keeps what it has not sent yet; beside the ledger when absent.
    memory: Option<PathBuf>,
}

impl Training {
    /// Reads the file, the job and the examples of the member in `slot`. What was not sent in an earlier run is taken up again.
    pub(super) fn open(path: &Path, slot: Slot, ledger: &Path) -> Result<Self, Failure> {
        let file: TrainFile = config::read(path).map_err(|failure| failure.hint(EXAMPLE))?;
        let job = job(&resolve(path, &file.job))?;
        let half = match &file.data {
            Some(data) => {
                let data = resolve(path, data);
                let examples = job
                    .read_examples(&data)
                    .map_err(|error| failure(&error).in_file(path))?;
                MemberHalf::with_examples(&job, slot.0, examples)
            }
            None => MemberHalf::new(&job, slot.0),
        };
        let mut half = half.map_err(|error| {
            failure(&error)
                .in_file(path)
                .hint("name this member's file of examples as `data`")
        })?;
        let memory = match &file.memory {
            Some(memory) => resolve(path, memory),
            None => beside(ledger),
        };
        match std::fs::read(&memory) {
            Ok(bytes) => half
                .resume(&bytes)
                .map_err(|error| failure(&error).in_file(&memory))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io(&memory, &error)),
        }
        Ok(Self {
            parts: job.task().map_err(|error| failure(&error))?,
            job,
            half,
            memory,
        })
    }

    /// What the job asks of the noise of every task, beside the site's policy: the coordinator chooses how much there is.
    // spec: [job.noise.member]
    pub(super) fn floors(&self) -> PrivacyFloors {
        let Some(privacy) = self.parts.privacy else {
            return PrivacyFloors {
                example_clip: ExampleClip::Checked,
                ..PrivacyFloors::default()
            };
        };
        PrivacyFloors {
            required: true,
            unit: Some(privacy.unit),
            adjacency: Some(privacy.adjacency),
            // by `fits`
            example_clip: ExampleClip::Checked,
            bounds: vec![Bounds {
                delta: privacy.delta,
                per_round: None,
                per_task: Some(privacy.epsilon),
                total: None,
            }],
        }
    }

    /// Trains for a round, or judges its model where the task is the job's for that.
    // spec: [job.member] [job.evaluation]
    pub(super) fn update(&mut self, info: &RoundInfo) -> Result<(Tensors, Option<u32>), Failure> {
        let model = info.model.as_ref().ok_or_else(|| {
            Failure::refused("the task has no model")
                .hint("the coordinator's configuration has to name the job")
        })?;
        if is_judging(&info.task) {
            if !matches!(self.job.judge(), Some((_, Judge::Members))) {
                return Err(Failure::refused(
                    "the task sums over held-out examples, and the job does not judge at the members",
                ));
            }
            let tally = self.half.judge(model).map_err(|error| failure(&error))?;
            return Ok((tally, Some(1)));
        }
        self.fits(&info.task, info.round)?;
        let Brought { tensors, weight } = self
            .half
            .contribute(model, info.round.0)
            .map_err(|error| failure(&error))?;
        Ok((tensors, Some(weight)))
    }

    /// Says what became of a contribution, and stores what is remembered.
    // spec: [job.settle]
    pub(super) fn settle(&mut self, info: &RoundInfo, survivors: &[Slot]) -> Result<(), Failure> {
        if is_judging(&info.task) {
            return Ok(());
        }
        let outcome = match survivors.contains(&Slot(self.half.member())) {
            true => Outcome::Summed,
            false => Outcome::Lost,
        };
        let Round(round) = info.round;
        self.half.settle(round, outcome);
        let memory = self.half.memory();
        if memory.is_empty() {
            return Ok(());
        }
        files::write(&self.memory, &memory, Readers::Owner, Existing::Replace)
    }

    /// Refuses a task that is not the job's: other tensors, another clip, noise for something else, more rounds than the job's epsilon is for.
    // spec: [job.fits]
    fn fits(&self, task: &Task, round: Round) -> Result<(), Failure> {
        let told = |what: &str| {
            Failure::refused(format_args!("the task has {what} than the job"))
                .hint("take the task that `veilsum train --write-task` writes for the job")
        };
        if self.parts.manifest != *task.manifest() {
            return Err(told("other tensors"));
        }
        let clip = |encoding: &Encoding| match encoding {
            Encoding::Float(FloatEncoding { clip, .. }) => Some(*clip),
            Encoding::Integer { .. } => None,
        };
        if clip(&self.parts.encoding) != clip(task.encoding()) {
            return Err(told("another clip"));
        }
        let wanted = self.parts.privacy;
        let wanted = wanted.map(|wanted| (wanted.unit, wanted.adjacency, wanted.example_clip));
        let noise = task.noise();
        if noise.map(|noise| (noise.unit, noise.adjacency, noise.example_clip)) != wanted {
            return Err(told("other noise"));
        }
        match self.parts.privacy {
            Some(privacy) if round.0 > privacy.rounds => Err(Failure::refused(format_args!(
                "round {round} is beyond the {} rounds of the job, whose epsilon is that of all of them",
                privacy.rounds
            ))),
            _ => Ok(()),
        }
    }
}

fn is_judging(task: &Task) -> bool {
    matches!(task.manifest().tensors(), [only] if only.name == STATS_TENSOR)
}

/// `LEDGER.memory`.
fn beside(ledger: &Path) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".memory");
    path.into()
}

const EXAMPLE: &str = "a file with `job = \"train.toml\"`, for a job with files also `data = \"mine.csv\"`, and `memory = \"FILE\"` if it shall not lie beside the ledger";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::train::task::task;
    use veilsum_dp::Adjacency;

    const PRIVATE: &str = "members = 6\nrounds = 4\n[algorithm]\nname = \"dp-sgd\"\nclip = 1.0\n[privacy]\nepsilon = 6.0\n";

    fn training(text: &str) -> Training {
        let job = Job::from_toml(text).unwrap();
        Training {
            parts: job.task().unwrap(),
            half: MemberHalf::new(&job, 0).unwrap(),
            job,
            memory: PathBuf::new(),
        }
    }

    fn with_noise(task: &Task, change: impl Fn(&mut veilsum_proto::task::NoiseSpec)) -> Task {
        let mut spec = task.spec().clone();
        change(spec.noise.as_mut().unwrap());
        Task::new(spec).unwrap()
    }

    #[test]
    fn a_task_that_is_not_the_job_s_is_refused() {
        // spec: [job.fits]
        let training = training(PRIVATE);
        let own = task(training.parts.clone(), 6).unwrap();
        for round in [1, 4] {
            assert!(training.fits(&own, Round(round)).is_ok());
        }
        let told = training.fits(&own, Round(5)).unwrap_err();
        assert!(told.message().contains("beyond the 4 rounds"), "{told}");
        let other = with_noise(&own, |noise| noise.adjacency = Adjacency::Replace);
        assert!(training.fits(&other, Round(1)).is_err());
        let mut spec = own.spec().clone();
        spec.noise = None;
        assert!(training.fits(&Task::new(spec).unwrap(), Round(1)).is_err());
    }

    #[test]
    fn the_noise_of_a_private_job_is_bounded_by_the_job_whatever_the_policy_says() {
        // spec: [job.noise.member] [contributor.privacy]
        let private = training(PRIVATE).floors();
        assert!(private.required);
        let [bounds] = private.bounds[..] else {
            panic!("wanted one bound");
        };
        assert_eq!((bounds.per_task, bounds.delta), (Some(6.0), 1e-5));
        let plain = training("members = 6\n").floors();
        assert!(!plain.required && plain.bounds.is_empty());
    }
}
