//! Everything that exists before a round: a folder with keys, roster, task, model and configurations.

use super::job;
use crate::args::demo::{Demo, MechanismName};
use crate::commands::keygen::generate;
use crate::commands::train::setup::failure;
use crate::commands::train::task::task;
use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use crate::random;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_client::FileLedger;
use veilsum_encode::Plan;
use veilsum_learn::Job;
use veilsum_learn::job::JobError;
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::Slot;
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::parameters::Parameters;
use veilsum_proto::roster::{Name, Roster, RosterDraft};
use veilsum_proto::task::Task;

/// A federation whose every secret this process knows.
pub struct Federation {
    /// Number of members.
    pub members: u32,
    /// Rounds to run.
    pub rounds: u64,
    /// Signed roster.
    pub roster: Arc<Roster>,
    /// What is summed.
    pub task: Task,
    /// Its numbers over this roster.
    pub parameters: Parameters,
    /// Its lanes.
    pub plan: Plan,
    /// What they train.
    pub job: Job,
    /// Images that there are, those of the test included.
    pub images: usize,
    /// What the noise of a round is worth, if there is any.
    pub noise: Option<Arc<RoundNoise>>,
    /// Seeds of the members, by slot.
    pub seeds: Vec<Seeds>,
    folder: PathBuf,
}

/// What a member of the demo draws from, where another member draws from the operating system.
///
/// # Security
///
/// With them the demo makes every contribution again: nothing of such a member is private.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Seeds {
    /// Of the rounding.
    #[serde(with = "hex::serde")]
    pub rounding: [u8; 32],
    /// Of the noise.
    #[serde(with = "hex::serde")]
    pub noise: [u8; 32],
}

/// Where things are in the folder of a demo.
pub struct Places<'a>(pub &'a Path);

impl Federation {
    /// Makes keys, signs a roster, writes a task, a model and configurations into an empty folder.
    pub fn found(args: &Demo, folder: &Path) -> Result<Self, Failure> {
        let places = Places(folder);
        let job = job::job(args)?;
        let (roster, authority) = roster(&places, args.members)?;
        let task =
            task(job::parts(&job)?, args.members).map_err(|failure| hinted(failure, args))?;
        let parameters = task
            .parameters(args.members)
            .map_err(|error| files::task(&error))?;
        let plan = task
            .plan(args.members)
            .map_err(|error| files::task(&error))?;
        let noise = task
            .round_noise(args.members)
            .map_err(|error| files::task(&error))?;
        write(&places.task(), &task.to_toml())?;
        let text = toml::to_string(job.spec()).map_err(Failure::failed)?;
        write(&places.job(), &text)?;
        write(&places.policy(), &policy(&authority, &parameters, &job))?;
        write(&places.coordinator(), &coordinator(args, &authority))?;
        Ok(Self {
            members: args.members,
            rounds: args.rounds,
            roster: Arc::new(roster),
            task,
            parameters,
            plan,
            images: images(&job).map_err(|error| failure(&error))?,
            job,
            noise,
            seeds: seeds(&places, args.members)?,
            folder: folder.to_owned(),
        })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where things are.
    pub fn places(&self) -> Places<'_> {
        Places(self.folder())
    }
}

impl Places<'_> {
    /// Configuration of the coordinator.
    pub fn coordinator(&self) -> PathBuf {
        self.0.join("coordinator.toml")
    }

    /// Signed roster.
    pub fn roster(&self) -> PathBuf {
        self.0.join("roster.toml")
    }

    /// Terms of every member.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// What is trained.
    pub fn job(&self) -> PathBuf {
        self.0.join("job.toml")
    }

    /// Secret key of a member.
    pub fn key(&self, slot: Slot) -> PathBuf {
        self.0.join(format!("member-{slot}.key"))
    }

    /// Ledger of a member.
    pub fn ledger(&self, slot: Slot) -> PathBuf {
        self.0.join(format!("member-{slot}.ledger"))
    }

    /// [`Seeds`] of a member.
    pub fn seeds(&self, slot: Slot) -> PathBuf {
        self.0.join(format!("member-{slot}.seeds"))
    }

    /// What a process says on standard error.
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.log"))
    }

    fn task(&self) -> PathBuf {
        self.0.join("task.toml")
    }
}

/// Laplace noise is for few coordinates, which the demo's model has not.
fn hinted(failure: Failure, args: &Demo) -> Failure {
    match args.mechanism {
        Some(MechanismName::Laplace) => failure.hint(
            "laplace noise grows with the number of coordinates: take skellam or gaussian, a larger epsilon, or fewer rounds",
        ),
        Some(MechanismName::Gaussian | MechanismName::Skellam) | None => failure,
    }
}

fn images(job: &Job) -> Result<usize, JobError> {
    let mut images = job.test()?.map_or(0, |test| test.len());
    for member in 0..job.spec().members {
        images += job.examples(member)?.len();
    }
    Ok(images)
}

fn roster(places: &Places<'_>, members: u32) -> Result<(Roster, PublicKey), Failure> {
    let (authority, coordinator) = (generate()?, generate()?);
    let key = coordinator.to_file_text();
    files::write(
        &places.0.join("coordinator.key"),
        key.as_bytes(),
        Readers::Owner,
        Existing::Keep,
    )?;
    let mut draft = RosterDraft::new(name("demo")?, authority.public(), coordinator.public());
    for slot in (0..members).map(Slot) {
        let identity = generate()?;
        let key = identity.to_file_text();
        files::write(
            &places.key(slot),
            key.as_bytes(),
            Readers::Owner,
            Existing::Keep,
        )?;
        FileLedger::create(places.ledger(slot), &identity.public()).map_err(Failure::failed)?;
        let name = name(&format!("member-{slot}"))?;
        draft
            .add(name, identity.public())
            .map_err(|error| files::roster(&error))?;
    }
    let roster = draft
        .sign(&authority, &mut random::rng()?)
        .map_err(|error| files::roster(&error))?;
    write(&places.roster(), &roster.to_toml())?;
    Ok((roster, authority.public()))
}

/// With noise in the job, members refuse a task without it; what it must be worth they take from the job itself.
fn policy(authority: &PublicKey, parameters: &Parameters, job: &Job) -> String {
    let Parameters { f, c, .. } = parameters;
    let mut text = format!(
        "version = 1\nauthority = \"{authority}\"\nmin_survivors = {f}\nmin_corrupt = {c}\n"
    );
    if let (Some(_), Some(unit)) = (job.spec().privacy, job.unit()) {
        let _ = write!(text, "\n[privacy]\nrequired = true\nunit = \"{unit}\"\n");
    }
    text
}

/// Phases close as soon as everybody has answered, so their time counts only where somebody has vanished.
fn coordinator(args: &Demo, authority: &PublicKey) -> String {
    let crowd = args.members / 10;
    // noise takes its time before an upload
    let noise = if args.epsilon.is_some() { 1500 } else { 0 };
    let phase = if args.vanish {
        1500 + 100 * crowd + noise
    } else {
        15_000
    };
    let (members, rounds) = (args.members, args.rounds);
    format!(
        r#"listen = "127.0.0.1:0"
key = "coordinator.key"
roster = "roster.toml"
authority = "{authority}"
state = "state"
linger = "2s"

[[tasks]]
task = "task.toml"
rounds = {rounds}
results = "results"
job = "job.toml"
gather = {{ members = {members}, wait = "15s" }}

[tasks.deadlines]
advertise = "{phase}ms"
share = "{phase}ms"
accept = "{phase}ms"
upload = "{phase}ms"
confirm = "{phase}ms"
reveal = "{phase}ms"
"#
    )
}

fn seeds(places: &Places<'_>, members: u32) -> Result<Vec<Seeds>, Failure> {
    let one = |slot| {
        let seeds = Seeds {
            rounding: random()?,
            noise: random()?,
        };
        let text = toml::to_string(&seeds).map_err(Failure::failed)?;
        files::write(
            &places.seeds(slot),
            text.as_bytes(),
            Readers::Owner,
            Existing::Keep,
        )?;
        Ok(seeds)
    };
    (0..members).map(Slot).map(one).collect()
}

fn random() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(Failure::failed)?;
    Ok(seed)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::io(path, &error))
}

fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(Failure::failed)
}
