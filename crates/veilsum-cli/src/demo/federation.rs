//! Everything that exists before a round: a folder with keys, roster, task, model and configurations.

use super::data::Data;
use crate::args::demo::Demo;
use crate::commands::keygen::generate;
use crate::exit::Failure;
use crate::files::{self, Existing, Readers};
use crate::random;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veilsum_client::FileLedger;
use veilsum_encode::{Clip, Encoding, FloatEncoding, Manifest, Plan, Range, TensorSpec};
use veilsum_learn::digits;
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::Slot;
use veilsum_proto::parameters::{Amount, ElectorateChoice, GraphChoice, Parameters};
use veilsum_proto::roster::{Name, Roster, RosterDraft};
use veilsum_proto::task::{Task, TaskSpec};

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
    /// The data, cut.
    pub data: Data,
    /// Rounding seeds of the members, by slot.
    pub rounding_seeds: Vec<[u8; 32]>,
    folder: PathBuf,
}

/// What a member's process has to know, beside its files.
#[derive(Debug, Deserialize, Serialize)]
pub struct RunFile {
    /// Number of members.
    pub members: u32,
    /// Seed of the training run.
    pub seed: u64,
    /// Last round.
    pub rounds: u64,
}

/// Where things are in the folder of a demo.
pub struct Places<'a>(pub &'a Path);

impl Federation {
    /// Makes keys, signs a roster, writes a task, a model and configurations into an empty folder.
    pub fn found(args: &Demo, folder: &Path) -> Result<Self, Failure> {
        let places = Places(folder);
        let data = Data::load(args.members, args.seed)?;
        let (roster, authority) = roster(&places, args.members)?;
        let task = task(&data)?;
        let parameters = task
            .parameters(args.members)
            .map_err(|error| files::task(&error))?;
        let plan = task
            .plan(args.members)
            .map_err(|error| files::task(&error))?;
        write(&places.task(), &task.to_toml())?;
        let model = data.first_model()?.to_bytes().map_err(Failure::failed)?;
        files::write(&places.model(), &model, Readers::Owner, Existing::Keep)?;
        write(&places.policy(), &policy(&authority, &parameters))?;
        let run = RunFile {
            members: args.members,
            seed: args.seed,
            rounds: args.rounds,
        };
        write(
            &places.run(),
            &toml::to_string(&run).map_err(Failure::failed)?,
        )?;
        write(&places.coordinator(), &coordinator(args, &authority))?;
        Ok(Self {
            members: args.members,
            rounds: args.rounds,
            roster: Arc::new(roster),
            task,
            parameters,
            plan,
            data,
            rounding_seeds: rounding_seeds(&places, args.members)?,
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

    /// See [`RunFile`].
    pub fn run(&self) -> PathBuf {
        self.0.join("run.toml")
    }

    /// Secret key of a member.
    pub fn key(&self, slot: Slot) -> PathBuf {
        self.0.join(format!("member-{slot}.key"))
    }

    /// Ledger of a member.
    pub fn ledger(&self, slot: Slot) -> PathBuf {
        self.0.join(format!("member-{slot}.ledger"))
    }

    /// Rounding seed of a member, in hex.
    pub fn rounding(&self, slot: Slot) -> PathBuf {
        self.0.join(format!("member-{slot}.rounding"))
    }

    /// What a process says on standard error.
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.log"))
    }

    fn task(&self) -> PathBuf {
        self.0.join("task.toml")
    }

    fn model(&self) -> PathBuf {
        self.0.join("model.safetensors")
    }
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
        FileLedger::create(places.ledger(slot)).map_err(Failure::failed)?;
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

/// Weighted means of softmax updates; a tenth of the members may be corrupt, a quarter may vanish.
fn task(data: &Data) -> Result<Task, Failure> {
    let model = data.first_model()?;
    let spec = |(name, tensor): (&String, &veilsum_encode::Tensor)| TensorSpec {
        name: name.clone(),
        shape: tensor.shape.clone(),
        dtype: tensor.data.dtype(),
    };
    let manifest =
        Manifest::new(model.tensors().iter().map(spec).collect()).map_err(Failure::failed)?;
    let heaviest = data
        .parts
        .iter()
        .map(veilsum_learn::Examples::len)
        .max()
        .unwrap_or(1);
    let encoding = FloatEncoding {
        range: Range::Fixed(digits::CLIP_MAX_ABS),
        ..FloatEncoding::new(Clip::L2(digits::CLIP_L2), 16).weighted(heaviest as u32)
    };
    let rate = |text: &str| text.parse::<Amount>().map_err(Failure::failed);
    Task::new(TaskSpec {
        name: name(TASK)?,
        manifest,
        encoding: Encoding::Float(encoding),
        corrupt: rate("0.1")?,
        dropout: rate("0.25")?,
        floor: None,
        graph: GraphChoice::Auto,
        electorate: ElectorateChoice::Auto,
        cohort: None,
        max_attempts: 5,
        noise: None,
    })
    .map_err(|error| files::task(&error))
}

fn policy(authority: &PublicKey, parameters: &Parameters) -> String {
    let Parameters { f, c, .. } = parameters;
    format!("version = 1\nauthority = \"{authority}\"\nmin_survivors = {f}\nmin_corrupt = {c}\n")
}

/// Phases close as soon as everybody has answered, so their time counts only where somebody has vanished.
fn coordinator(args: &Demo, authority: &PublicKey) -> String {
    let crowd = args.members / 10;
    let phase = if args.vanish {
        1500 + 100 * crowd
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
model = "model.safetensors"
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

fn rounding_seeds(places: &Places<'_>, members: u32) -> Result<Vec<[u8; 32]>, Failure> {
    let one = |slot| {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(Failure::failed)?;
        let text = hex::encode(seed);
        files::write(
            &places.rounding(slot),
            text.as_bytes(),
            Readers::Owner,
            Existing::Keep,
        )?;
        Ok(seed)
    };
    (0..members).map(Slot).map(one).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::io(path, &error))
}

fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(Failure::failed)
}

/// Name of the task.
const TASK: &str = "digits";
