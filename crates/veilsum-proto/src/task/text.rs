//! `task.toml`: the task for people.

use super::{DEFAULT_ATTEMPTS, NoiseLaw, NoiseSpec, Task, TaskError, TaskSpec};
use crate::label::VERSION;
use crate::parameters::{Amount, Decimal, ElectorateChoice, GraphChoice, decimal};
use crate::roster::{Name, TomlError};
use serde::Deserialize;
use veilsum_dp::{Adjacency, Sharing, Unit};
use veilsum_encode::{Clip, Encoding, FloatEncoding, Manifest, Range, Rounding, TensorSpec};

impl Task {
    /// Reads a task file.
    ///
    /// # Errors
    ///
    /// [`TaskError::Toml`] with the line for a key that is missing, unknown or of the wrong kind;
    /// [`TaskError::EncodingLacks`] and [`TaskError::EncodingHas`] for a mix of the two kinds of encoding;
    /// [`TaskError::Version`]; [`TaskError::Manifest`]; whatever [`Task::new`] refuses.
    // spec: [task.text]
    pub fn from_toml(text: &str) -> Result<Self, TaskError> {
        let file: TaskFile = toml::from_str(text).map_err(|error| TomlError::new(text, &error))?;
        if file.version != VERSION {
            return Err(TaskError::Version {
                found: file.version,
                wanted: VERSION,
            });
        }
        Self::new(TaskSpec {
            name: file.name,
            manifest: Manifest::new(file.tensors)?,
            encoding: file.encoding.into_encoding()?,
            corrupt: file.corrupt,
            dropout: file.dropout,
            floor: file.floor,
            graph: file.graph,
            electorate: file.electorate,
            cohort: file.cohort,
            max_attempts: file.max_attempts,
            noise: file.noise.map(NoiseTable::into_spec),
        })
    }

    /// The task as `task.toml`, every choice spelled out.
    pub fn to_toml(&self) -> String {
        let TaskSpec {
            name,
            manifest,
            encoding,
            corrupt,
            dropout,
            floor,
            graph,
            electorate,
            cohort,
            max_attempts,
            noise,
        } = self.spec();
        let mut text = format!("{HEAD}\nversion = {VERSION}\nname = \"{name}\"\n");
        let (corrupt, dropout) = (amount(corrupt), amount(dropout));
        text.push_str(&format!("corrupt = {corrupt}\ndropout = {dropout}\n"));
        if let Some(floor) = floor {
            text.push_str(&format!("floor = {floor}\n"));
        }
        match graph {
            GraphChoice::Auto | GraphChoice::Complete => {
                text.push_str(&format!("graph = \"{graph}\"\n"))
            }
            GraphChoice::Degree(degree) => text.push_str(&format!("graph = {degree}\n")),
        }
        text.push_str(&format!("electorate = \"{electorate}\"\n"));
        if let Some(cohort) = cohort {
            text.push_str(&format!("cohort = {cohort}\n"));
        }
        text.push_str(&format!("max_attempts = {max_attempts}\n\n[encoding]\n"));
        push_encoding(&mut text, encoding);
        if let Some(noise) = noise {
            text.push('\n');
            text.push_str(&noise.to_toml());
        }
        for TensorSpec { name, shape, dtype } in manifest.tensors() {
            let name = toml::Value::String(name.clone());
            text.push_str(&format!(
                "\n[[tensors]]\nname = {name}\nshape = {shape:?}\ndtype = \"{dtype}\"\n"
            ));
        }
        text
    }
}

impl NoiseSpec {
    /// The table `[noise]` of a task file, every choice spelled out.
    pub fn to_toml(&self) -> String {
        let Self {
            law,
            parameter,
            sharing,
            unit,
            adjacency,
            example_clip,
            delta,
        } = self;
        let sharing = match sharing {
            Sharing::Local => "local",
            Sharing::Shared => "shared",
            Sharing::DropoutExact => "dropout-exact",
        };
        let adjacency = match adjacency {
            Adjacency::ZeroOut => "zero-out",
            Adjacency::Replace => "replace",
        };
        let mut text = format!(
            "[noise]\nlaw = \"{law}\"\nparameter = {}\n",
            number(*parameter)
        );
        text.push_str(&format!("sharing = \"{sharing}\"\nunit = \"{unit}\"\n"));
        text.push_str(&format!("adjacency = \"{adjacency}\"\n"));
        if let Some(clip) = example_clip {
            text.push_str(&format!("example_clip = {}\n", clip_text(*clip)));
        }
        text.push_str(&format!("delta = {}\n", number(*delta)));
        text
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    version: u16,
    name: Name,
    corrupt: Amount,
    dropout: Amount,
    floor: Option<u32>,
    #[serde(default)]
    graph: GraphChoice,
    #[serde(default)]
    electorate: ElectorateChoice,
    cohort: Option<u32>,
    #[serde(default = "default_attempts")]
    max_attempts: u32,
    encoding: EncodingTable,
    noise: Option<NoiseTable>,
    tensors: Vec<TensorSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoiseTable {
    law: NoiseLaw,
    #[serde(deserialize_with = "decimal::read")]
    parameter: Decimal,
    sharing: Option<Sharing>,
    unit: Unit,
    #[serde(default = "zero_out")]
    adjacency: Adjacency,
    example_clip: Option<Clip>,
    #[serde(deserialize_with = "decimal::read")]
    delta: Decimal,
}

impl NoiseTable {
    fn into_spec(self) -> NoiseSpec {
        NoiseSpec {
            law: self.law,
            parameter: self.parameter,
            sharing: self
                .sharing
                .unwrap_or_else(|| NoiseSpec::default_sharing(self.law)),
            unit: self.unit,
            adjacency: self.adjacency,
            example_clip: self.example_clip,
            delta: self.delta,
        }
    }
}

/// Both kinds in one table, so that a key of the wrong kind is named as such.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodingTable {
    kind: Kind,
    clip: Option<Clip>,
    precision_bits: Option<u8>,
    rotation: Option<bool>,
    range: Option<RangeTable>,
    rounding: Option<Rounding>,
    max_weight: Option<u32>,
    min: Option<i64>,
    max: Option<i64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Float,
    Integer,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RangeTable {
    Auto,
    Full,
    Deviations(u8),
    Fixed(f64),
}

impl EncodingTable {
    fn into_encoding(self) -> Result<Encoding, TaskError> {
        match self.kind {
            Kind::Float => {
                refuse(
                    "float",
                    [("min", self.min.is_some()), ("max", self.max.is_some())],
                )?;
                self.into_float().map(Encoding::Float)
            }
            Kind::Integer => {
                let foreign = [
                    ("clip", self.clip.is_some()),
                    ("precision_bits", self.precision_bits.is_some()),
                    ("rotation", self.rotation.is_some()),
                    ("range", self.range.is_some()),
                    ("rounding", self.rounding.is_some()),
                    ("max_weight", self.max_weight.is_some()),
                ];
                refuse("integer", foreign)?;
                Ok(Encoding::Integer {
                    min: wanted("integer", "min", self.min)?,
                    max: wanted("integer", "max", self.max)?,
                })
            }
        }
    }

    fn into_float(self) -> Result<FloatEncoding, TaskError> {
        let clip = wanted("float", "clip", self.clip)?;
        let precision_bits = wanted("float", "precision_bits", self.precision_bits)?;
        let default = FloatEncoding::new(clip, precision_bits);
        Ok(FloatEncoding {
            rotation: self.rotation.unwrap_or(default.rotation),
            range: self.range.map_or(default.range, Range::from),
            rounding: self.rounding.unwrap_or(default.rounding),
            max_weight: self.max_weight.unwrap_or(default.max_weight),
            ..default
        })
    }
}

impl From<RangeTable> for Range {
    fn from(table: RangeTable) -> Self {
        match table {
            RangeTable::Auto => Self::Auto,
            RangeTable::Full => Self::Full,
            RangeTable::Deviations(deviations) => Self::Spread { deviations },
            RangeTable::Fixed(range) => Self::Fixed(range),
        }
    }
}

fn wanted<T>(kind: &'static str, key: &'static str, value: Option<T>) -> Result<T, TaskError> {
    value.ok_or(TaskError::EncodingLacks { kind, key })
}

fn refuse<const N: usize>(
    kind: &'static str,
    foreign: [(&'static str, bool); N],
) -> Result<(), TaskError> {
    match foreign.into_iter().find(|(_, found)| *found) {
        Some((key, _)) => Err(TaskError::EncodingHas { kind, key }),
        None => Ok(()),
    }
}

/// Floats are written with `{:?}`, the shortest text that reads back as the same float.
fn push_encoding(text: &mut String, encoding: &Encoding) {
    let float = match encoding {
        Encoding::Float(float) => float,
        Encoding::Integer { min, max } => {
            text.push_str(&format!("kind = \"integer\"\nmin = {min}\nmax = {max}\n"));
            return;
        }
    };
    let clip = clip_text(float.clip);
    let range = match float.range {
        Range::Auto => "\"auto\"".to_owned(),
        Range::Full => "\"full\"".to_owned(),
        Range::Spread { deviations } => format!("{{ deviations = {deviations} }}"),
        Range::Fixed(range) => format!("{{ fixed = {range:?} }}"),
    };
    text.push_str(&format!("kind = \"float\"\nclip = {clip}\n"));
    text.push_str(&format!("precision_bits = {}\n", float.precision_bits));
    text.push_str(&format!("rotation = {}\nrange = {range}\n", float.rotation));
    let rounding = match float.rounding {
        Rounding::Stochastic => "stochastic",
        Rounding::Conditional => "conditional",
    };
    text.push_str(&format!("rounding = \"{rounding}\"\n"));
    text.push_str(&format!("max_weight = {}\n", float.max_weight));
}

fn clip_text(clip: Clip) -> String {
    format!("{{ {} = {:?} }}", clip.norm(), clip.bound())
}

/// A count, or a rate as [`number`] writes it.
fn amount(amount: &Amount) -> String {
    match amount {
        Amount::Rate(rate) if number(*rate).starts_with('"') => number(*rate),
        Amount::Rate(_) | Amount::Count(_) => amount.to_string(),
    }
}

/// A number where a float reads back as the same decimal, else a string.
fn number(decimal: Decimal) -> String {
    match Decimal::try_from(decimal.to_f64()) {
        Ok(read) if read == decimal => decimal.to_string(),
        Ok(_) | Err(_) => format!("\"{decimal}\""),
    }
}

const fn zero_out() -> Adjacency {
    Adjacency::ZeroOut
}

fn default_attempts() -> u32 {
    DEFAULT_ATTEMPTS
}

const HEAD: &str = "\
# Task of a Veilsum federation: what is summed, how values become integers, and what the round must withstand.
# Members and coordinator hold the same task; its digest enters every session.
# corrupt, dropout: an integer is a number of members, a number with a point a part of those that take part.
";
