//! `veilsum task`: what is summed.

mod check;
mod new;
mod sample;
mod text;

pub use new::tensor_file;

use crate::args::task::{Command, Show};
use crate::exit::Outcome;
use crate::files;
use crate::output::Output;
use crate::table::{Side, Table, grouped};
use serde::Serialize;
use std::fmt;
use veilsum_dp::{Adjacency, Sharing, Unit};
use veilsum_encode::{Clip, Encoding, FloatEncoding, Range, Rounding, TensorSpec};
use veilsum_proto::ids::TaskDigest;
use veilsum_proto::task::{NoiseLaw, NoiseSpec, Task, TaskSpec};

/// Runs the command.
pub fn run(command: &Command, output: Output) -> Outcome {
    match command {
        Command::New(args) => new::run(args, output),
        Command::Show(args) => show(args, output),
        Command::Check(args) => check::run(args, output),
        Command::Sample(args) => sample::run(args, output),
    }
}

fn show(args: &Show, output: Output) -> Outcome {
    output.show(&Shown::of(&files::task_file(&args.file)?));
    Ok(())
}

/// A task as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    digest: TaskDigest,
    coordinates: u64,
    corrupt: String,
    dropout: String,
    floor: Option<u32>,
    graph: String,
    electorate: String,
    cohort: Option<u32>,
    max_attempts: u32,
    encoding: &'a Encoding,
    #[serde(skip_serializing_if = "Option::is_none")]
    noise: Option<ShownNoise>,
    tensors: &'a [TensorSpec],
}

/// Noise as it is shown; decimals are text, which is exact.
#[derive(Serialize)]
struct ShownNoise {
    law: NoiseLaw,
    parameter: String,
    sharing: Sharing,
    unit: Unit,
    adjacency: Adjacency,
    example_clip: Option<Clip>,
    delta: String,
}

impl ShownNoise {
    fn of(noise: &NoiseSpec) -> Self {
        Self {
            law: noise.law,
            parameter: noise.parameter.to_string(),
            sharing: noise.sharing,
            unit: noise.unit,
            adjacency: noise.adjacency,
            example_clip: noise.example_clip,
            delta: noise.delta.to_string(),
        }
    }

    fn in_words(&self) -> String {
        let Self {
            law,
            parameter,
            unit,
            delta,
            ..
        } = self;
        let sharing = match self.sharing {
            Sharing::DropoutExact => "dropout-exact",
            Sharing::Shared => "shared",
            Sharing::Local => "local",
        };
        format!("{law} of parameter {parameter}, {sharing}, hides one {unit} at delta {delta}")
    }
}

impl<'a> Shown<'a> {
    fn of(task: &'a Task) -> Self {
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
        } = task.spec();
        Self {
            name: name.as_str(),
            digest: task.digest(),
            coordinates: manifest.coordinates(),
            corrupt: corrupt.to_string(),
            dropout: dropout.to_string(),
            floor: *floor,
            graph: graph.to_string(),
            electorate: electorate.to_string(),
            cohort: *cohort,
            max_attempts: *max_attempts,
            encoding,
            noise: noise.as_ref().map(ShownNoise::of),
            tensors: manifest.tensors(),
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choice = |choice: Option<u32>, absent: &str| {
            choice.map_or_else(|| absent.to_owned(), |number| number.to_string())
        };
        let mut facts = Table::new(&[("", Side::Left), ("", Side::Left)]);
        for (name, value) in [
            ("task", self.name.to_owned()),
            ("digest", self.digest.to_string()),
            ("encoding", encoding_in_words(self.encoding)),
            (
                "noise",
                self.noise
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), ShownNoise::in_words),
            ),
            (
                "corrupt",
                format!("{} of the members at most", self.corrupt),
            ),
            (
                "drop-out",
                format!("{} of the members tolerated", self.dropout),
            ),
            (
                "floor",
                choice(self.floor, "all but the tolerated drop-out"),
            ),
            ("graph", self.graph.clone()),
            ("electorate", self.electorate.clone()),
            ("cohort", choice(self.cohort, "everybody")),
            ("attempts", self.max_attempts.to_string()),
            ("coordinates", grouped(self.coordinates)),
        ] {
            facts.row([name.to_owned(), value]);
        }
        let mut tensors = Table::new(&[
            ("tensor", Side::Left),
            ("type", Side::Left),
            ("shape", Side::Left),
        ]);
        for TensorSpec { name, shape, dtype } in self.tensors {
            let shape: Vec<String> = shape.iter().map(u64::to_string).collect();
            tensors.row([name.clone(), dtype.to_string(), shape.join(" x ")]);
        }
        write!(f, "{facts}\n\n{tensors}")
    }
}

fn encoding_in_words(encoding: &Encoding) -> String {
    let float = match encoding {
        Encoding::Integer { min, max } => {
            return format!("integers from {min} to {max}, summed as they are");
        }
        Encoding::Float(float) => float,
    };
    let FloatEncoding {
        clip,
        precision_bits,
        rotation,
        range,
        max_weight,
        rounding,
    } = float;
    let clip = match clip {
        Clip::L1(bound) => format!("clipped to l1 norm {bound}"),
        Clip::L2(bound) => format!("clipped to norm {bound}"),
        Clip::LInf(bound) => format!("clipped to {bound} a coordinate"),
    };
    let rotation = if *rotation { ", rotated" } else { "" };
    let range = match range {
        Range::Auto | Range::Full => String::new(),
        Range::Spread { deviations } => format!(" over {deviations} deviations"),
        Range::Fixed(range) => format!(" over +-{range}"),
    };
    let rounding = match rounding {
        Rounding::Stochastic => "",
        Rounding::Conditional => ", rounded conditionally",
    };
    format!(
        "{clip}{rotation}, {precision_bits} bits a coordinate{range}{rounding}, weights up to {max_weight}"
    )
}
