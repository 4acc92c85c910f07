//! `--train`: the member's half of a job.

use crate::commands::train::setup::{failure, job};
use crate::commands::train::task::task;
use crate::config::{self, resolve};
use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use veilsum_client::{Asked, RoundInfo};
use veilsum_encode::{Encoding, FloatEncoding, Tensors};
use veilsum_learn::job::{Brought, Judge, TaskParts, asked_to_judge, asked_to_train};
use veilsum_learn::stats::STATS_TENSOR;
use veilsum_learn::{Job, MemberHalf, Model, Outcome};
use veilsum_proto::ids::{Round, Slot, TaskDigest};
use veilsum_proto::member::{Bounds, ExampleClip, PrivacyFloors};
use veilsum_proto::task::Task;

/// Trains in this process, round by round.
pub(super) struct Training {
    job: Job,
    parts: TaskParts,
    /// Seed of the rounding, for tests.
    rounding: Option<[u8; 32]>,
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
    /// Rounds as `veilsum train --seeded-noise` does, for tests: the rounding can be foreseen.
    #[serde(default)]
    seeded_rounding: bool,
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
            rounding: match (file.seeded_rounding, job.unit()) {
                (false, _) => None,
                (true, None) => Some(job.rounding_seed(slot.0)),
                (true, Some(_)) => {
                    let text = "found `seeded_rounding` with a job that has privacy";
                    return Err(Failure::refused(text)
                        .in_file(path)
                        .hint("leave it out: it is for tests"));
                }
            },
            job,
            half,
            memory,
        })
    }

    /// Seed of the rounding, where it is that of a test.
    pub(super) fn rounding_seed(&self) -> Option<[u8; 32]> {
        self.rounding
    }

    /// Whether the model that follows from this round is judged by the members, so that the round is not all over with its sum.
    pub(super) fn is_judged_after(&self, info: &RoundInfo) -> bool {
        let every = match self.job.judge() {
            Some((every, Judge::Members)) if !is_judging(&info.task) => every,
            _ => return false,
        };
        let Round(round) = info.round;
        round == self.job.spec().rounds || round.is_multiple_of(every)
    }

    /// What the job asks of the noise of every task, beside the site's policy: the coordinator chooses how much there is.
    // spec: [job.noise.member]
    pub(super) fn floors(&self) -> PrivacyFloors {
        let Some(privacy) = self.parts.privacy else {
            return PrivacyFloors::default();
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

    /// The task of a job with privacy: others that the roster does not list would cost its epsilon again.
    // spec: [job.noise.member]
    pub(super) fn only_unlisted_task(&self) -> Result<Option<TaskDigest>, Failure> {
        if self.parts.privacy.is_none() {
            return Ok(None);
        }
        let task = task(self.parts.clone(), self.job.spec().members)?;
        Ok(Some(task.digest()))
    }

    /// Trains for a round, or judges its model where the task is the job's for that.
    // spec: [job.member] [job.evaluation]
    pub(super) fn update(&mut self, info: &RoundInfo) -> Result<(Tensors, Option<u32>), Failure> {
        let model = info.model.as_ref().ok_or_else(|| {
            Failure::refused("the task has no model")
                .hint("the coordinator's configuration has to name the job")
        })?;
        if is_judging(&info.task) {
            self.fits_judging(&info.task)?;
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

    /// What a round asks, where the ledger is to go by that.
    // spec: [job.evaluation.once] [job.asked]
    pub(super) fn asked(&self, info: &RoundInfo) -> Option<Asked> {
        let bytes = info.model.as_ref()?;
        let asked = if is_judging(&info.task) {
            asked_to_judge(&Model::from_bytes(bytes).ok()?.digest())
        } else {
            self.parts.privacy?;
            asked_to_train(&info.task.digest().0, info.round.0, bytes)
        };
        Some(Asked::new(asked))
    }

    /// Whether the update of a round will come, whatever the examples are: in a job with privacy no example keeps a member from one. Whether the
    /// round is one of the job's is said by its task and number.
    // spec: [join.promise.public]
    pub(super) fn promises(&self, info: &RoundInfo) -> bool {
        self.parts.privacy.is_some()
            && info.model.is_some()
            && !is_judging(&info.task)
            && self.fits(&info.task, info.round).is_ok()
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

    /// Refuses a task of sums over held-out examples that is not the job's. Such a sum is exact: an example in it keeps to no clip, and
    /// noise that is said to hide one hides nothing.
    // spec: [job.fits] [job.evaluation.refuse] [job.evaluation.private]
    fn fits_judging(&self, task: &Task) -> Result<(), Failure> {
        let parts = self.job.evaluation_task();
        let Some(parts) = parts.map_err(|error| failure(&error))? else {
            return Err(Failure::refused(
                "the task sums over held-out examples, and the job does not judge at the members",
            )
            .hint("the coordinator has to serve tasks of this job alone; who judges is `[evaluation]` of the job"));
        };
        if parts.manifest != *task.manifest() || parts.encoding != *task.encoding() {
            return Err(other_task("other sums over held-out examples"));
        }
        match task.noise() {
            None => Ok(()),
            Some(_) => Err(other_task("other noise")),
        }
    }

    /// Refuses a task that is not the job's: other tensors, another clip, noise for something else, more rounds than the job's epsilon is for.
    // spec: [job.fits]
    fn fits(&self, task: &Task, round: Round) -> Result<(), Failure> {
        let told = other_task;
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
        if !is_but_for_bits(&self.parts.encoding, task) {
            return Err(told("another encoding"));
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
            ))
            .hint("the training is over: a longer one is another job, with `rounds` and noise for all of it")),
            _ => Ok(()),
        }
    }
}

/// Whether the encoding of a task differs in nothing but how fine it is. Asked of digests: there is more than one way to write a range.
fn is_but_for_bits(own: &Encoding, task: &Task) -> bool {
    let mut spec = task.spec().clone();
    spec.encoding = match (own, &spec.encoding) {
        (Encoding::Float(own), Encoding::Float(found)) => Encoding::Float(FloatEncoding {
            precision_bits: found.precision_bits,
            ..*own
        }),
        (own, _) => *own,
    };
    Task::new(spec).is_ok_and(|same| same.digest() == task.digest())
}

fn other_task(what: &str) -> Failure {
    Failure::refused(format_args!("the task has {what} than the job"))
        .hint("take the task that `veilsum train --write-task` writes for the job")
}

/// Whether the rounds of a task judge models.
pub(super) fn is_judging(task: &Task) -> bool {
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
    use veilsum_dp::{Adjacency, Unit};
    use veilsum_encode::{Clip, Range};
    use veilsum_learn::Examples;
    use veilsum_proto::task::TaskSpec;

    const JUDGING: &str = "members = 6\n[evaluation]\non = \"members\"\nevery = 1\n";
    const PRIVATE: &str = "members = 6\nrounds = 4\n[algorithm]\nname = \"dp-sgd\"\nclip = 1.0\n[privacy]\nepsilon = 6.0\n";

    fn training(text: &str) -> Training {
        let job = Job::from_toml(text).unwrap();
        Training {
            parts: job.task().unwrap(),
            rounding: None,
            half: MemberHalf::new(&job, 0).unwrap(),
            job,
            memory: PathBuf::new(),
        }
    }

    fn float(spec: &mut TaskSpec) -> &mut FloatEncoding {
        match &mut spec.encoding {
            Encoding::Float(float) => float,
            Encoding::Integer { .. } => panic!("wanted floats"),
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
        let changed = |change: fn(&mut TaskSpec)| {
            let mut spec = own.spec().clone();
            change(&mut spec);
            Task::new(spec).unwrap()
        };
        let other = changed(|spec| spec.noise = None);
        assert!(training.fits(&other, Round(1)).is_err());
        let other = changed(|spec| float(spec).range = Range::Full);
        let told = training.fits(&other, Round(1)).unwrap_err();
        assert!(told.message().contains("another encoding"), "{told}");
        let finer = changed(|spec| float(spec).precision_bits += 1);
        assert!(training.fits(&finer, Round(1)).is_ok());
    }

    #[test]
    fn a_private_job_promises_the_rounds_that_are_its_own_and_another_job_none() {
        // spec: [join.promise.public]
        let promises = |text: &str, round, model: Option<&'static [u8]>| {
            let training = training(text);
            let task = task(training.parts.clone(), 6).unwrap();
            training.promises(&RoundInfo {
                plan: task.plan(6).unwrap(),
                task,
                round: Round(round),
                attempt: veilsum_proto::ids::Attempt(0),
                model: model.map(Into::into),
            })
        };
        assert!(promises(PRIVATE, 4, Some(b"model")));
        assert!(!promises(PRIVATE, 5, Some(b"model")));
        assert!(!promises(PRIVATE, 4, None));
        assert!(!promises("members = 6\n", 1, Some(b"model")));
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

    #[test]
    fn the_unlisted_task_of_a_private_job_is_the_one_that_the_job_makes() {
        // spec: [job.noise.member] [contributor.task]
        let private = training(PRIVATE);
        let own = task(private.parts.clone(), 6).unwrap();
        assert_eq!(private.only_unlisted_task().unwrap(), Some(own.digest()));
        assert_eq!(
            training("members = 6\n").only_unlisted_task().unwrap(),
            None
        );
    }

    #[test]
    fn noise_for_a_smaller_example_clip_than_the_job_s_is_refused() {
        // spec: [job.fits] [join.example-clip]
        let training = training(PRIVATE);
        assert_eq!(training.floors().example_clip, ExampleClip::Checked);
        let own = task(training.parts.clone(), 6).unwrap();
        for bound in [0.5, 2.0] {
            let clip = Some(Clip::L2(bound));
            let other = with_noise(&own, |noise| noise.example_clip = clip);
            assert!(training.fits(&other, Round(1)).is_err(), "{bound}");
        }
    }

    #[test]
    fn judging_with_noise_that_is_said_to_hide_an_example_is_refused() {
        // spec: [job.fits] [job.evaluation.refuse]
        let training = training(JUDGING);
        let parts = training.job.evaluation_task().unwrap().unwrap();
        let own = task(parts, 6).unwrap();
        assert!(is_judging(&own) && training.fits_judging(&own).is_ok());
        let change = |change: &dyn Fn(&mut TaskSpec)| {
            let mut spec = own.spec().clone();
            change(&mut spec);
            training.fits_judging(&Task::new(spec).unwrap())
        };
        for (unit, example_clip) in [(Unit::Example, Some(Clip::L1(1.0))), (Unit::Member, None)] {
            let lie = change(&|spec| {
                spec.noise = Some(veilsum_proto::task::NoiseSpec {
                    law: veilsum_proto::task::NoiseLaw::Laplace,
                    parameter: "10".parse().unwrap(),
                    sharing: veilsum_dp::Sharing::Shared,
                    unit,
                    adjacency: Adjacency::ZeroOut,
                    example_clip,
                    delta: "0.000001".parse().unwrap(),
                });
            });
            assert!(lie.unwrap_err().message().contains("other noise"));
        }
        let wider = change(&|spec| spec.encoding = Encoding::Integer { min: 0, max: 1 });
        assert!(wider.is_err());
        assert!(self::training(PRIVATE).fits_judging(&own).is_err());
    }

    /// A round of the task that judges the models of another job.
    fn judging(model: &Model, round: u64) -> RoundInfo {
        let job = Job::from_toml(JUDGING).unwrap();
        round_of(job.evaluation_task().unwrap().unwrap(), round, model)
    }

    fn round_of(parts: TaskParts, round: u64, model: &Model) -> RoundInfo {
        let task = task(parts, 6).unwrap();
        RoundInfo {
            plan: task.plan(6).unwrap(),
            task,
            round: Round(round),
            attempt: veilsum_proto::ids::Attempt(0),
            model: Some(model.to_bytes().unwrap().into()),
        }
    }

    #[test]
    fn members_of_a_private_job_judge_nothing() {
        // spec: [job.evaluation.refuse] [job.evaluation.private]
        let mut private = training(PRIVATE);
        let round = judging(private.job.first_model(), 1);
        let told = private.update(&round).unwrap_err();
        assert!(
            told.message().contains("does not judge at the members"),
            "{told}"
        );
        let mut open = training(JUDGING);
        let (tally, weight) = open.update(&round).unwrap();
        assert_eq!(
            (tally, weight),
            (
                open.half.judge(round.model.as_ref().unwrap()).unwrap(),
                Some(1)
            )
        );
    }

    #[test]
    fn a_model_is_judged_once_whatever_its_number_and_the_number_of_the_round() {
        // spec: [job.evaluation.once]
        let training = training(JUDGING);
        let first = training.job.first_model();
        let later = Model::new(7, first.tensors().clone()).unwrap();
        let mut tensors = first.tensors().clone();
        tensors.values_mut().for_each(|tensor| {
            if let veilsum_encode::TensorData::F32(values) = &mut tensor.data {
                values.iter_mut().for_each(|value| *value += 1.0);
            }
        });
        let other = Model::new(0, tensors).unwrap();
        let asked = |model: &Model, round| training.asked(&judging(model, round)).unwrap();
        assert_eq!(asked(first, 1), asked(&later, 2));
        assert_ne!(asked(first, 1), asked(&other, 1));
    }

    /// A round of the task that trains.
    fn training_round(job: &Job, round: u64, model: &Model) -> RoundInfo {
        round_of(job.task().unwrap(), round, model)
    }

    /// Zeros twice would else make it absent from the second task of the same authority, and end its process.
    #[test]
    fn the_ledger_of_a_private_job_goes_by_what_was_asked_and_not_by_values() {
        // spec: [job.asked] [job.finite]
        let mut one = training(PRIVATE);
        let mut without = training(PRIVATE);
        let (job, first) = (one.job.clone(), one.job.first_model().clone());
        let none = Examples::new(ndarray::Array2::zeros((0, 64)), Vec::new(), 10).unwrap();
        without.half = MemberHalf::with_examples(&job, 0, none).unwrap();
        let round = training_round(&job, 1, &first);
        let brought = [&mut one, &mut without].map(|training| training.update(&round).unwrap());
        assert_ne!(brought[0].0, brought[1].0);
        assert!(one.asked(&round).is_some());
        assert_eq!(one.asked(&round), without.asked(&round));
        // another round, model or task is another entry, so that zeros are never refused
        let later = Model::new(7, first.tensors().clone()).unwrap();
        let other = training(&PRIVATE.replace("6.0", "5.0"));
        let others = [
            one.asked(&training_round(&job, 2, &first)),
            one.asked(&training_round(&job, 1, &later)),
            other.asked(&training_round(&other.job, 1, &first)),
        ];
        assert!(
            others
                .iter()
                .all(|asked| asked.is_some() && *asked != one.asked(&round))
        );
        // without noise nothing charges for a second use
        let open = training("members = 6\n");
        assert_eq!(
            open.asked(&training_round(&open.job, 1, open.job.first_model())),
            None
        );
    }

    #[test]
    fn rounding_that_can_be_foreseen_is_refused_in_a_job_with_privacy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("member-train.toml");
        let open = |job: &str| {
            std::fs::write(folder.path().join("train.toml"), job).unwrap();
            std::fs::write(&path, "job = \"train.toml\"\nseeded_rounding = true\n").unwrap();
            Training::open(&path, Slot(0), &folder.path().join("ledger"))
        };
        assert!(open(JUDGING).unwrap().rounding_seed().is_some());
        let refused = open(PRIVATE).err().unwrap();
        assert!(refused.message().contains("seeded_rounding"), "{refused}");
    }
}
