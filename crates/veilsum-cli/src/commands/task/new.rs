//! `veilsum task new`.

use super::{Shown, text};
use crate::args::plan::{DEFAULT_BITS, Privacy, clip_of};
use crate::args::task::{New, RangeArg, TensorArg};
use crate::commands::plan::{Bits, Wanted};
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing, Readers};
use crate::output::Output;
use std::fmt;
use std::path::{Path, PathBuf};
use veilsum_dp::Unit;
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, PlanError, TensorSpec};
use veilsum_learn::FileError;
use veilsum_learn::files::FileFault;
use veilsum_proto::task::{Task, TaskSpec};

pub(super) fn run(args: &New, output: Output) -> Outcome {
    let existing = Existing::forced(args.force);
    files::refuse_existing(&args.file, existing)?;
    let tensors = tensors(args)?;
    keeps_examples_apart(args, &tensors)?;
    let manifest = Manifest::new(tensors).map_err(Failure::refused)?;
    let task = Task::new(TaskSpec {
        name: args.name.clone(),
        manifest,
        encoding: encoding(args),
        corrupt: args.corrupt,
        dropout: args.dropout,
        floor: args.floor,
        graph: args.graph,
        electorate: args.electorate,
        cohort: args.cohort,
        max_attempts: args.attempts,
        noise: None,
    })
    .map_err(|error| files::task(&error))?;
    let task = with_noise(task, args)?;
    let text = text::explained(&task);
    files::write(&args.file, text.as_bytes(), Readers::Everyone, existing)?;
    output.show(&Written {
        file: args.file.clone(),
        task: Shown::of(&task),
    });
    Ok(())
}

fn with_noise(task: Task, args: &New) -> Result<Task, Failure> {
    match (Wanted::of(&args.privacy, args.rounds), args.members) {
        (Some(wanted), Some(members)) => {
            let outlined = wanted.outlined(task).map_err(|error| files::task(&error))?;
            wanted.chosen(&outlined, members, Bits::of(args.bits))
        }
        (None, _) | (_, None) => Ok(task),
    }
}

fn tensors(args: &New) -> Result<Vec<TensorSpec>, Failure> {
    match &args.from {
        Some(path) => tensors_of(path),
        None if args.tensors.is_empty() => Ok(example(args)),
        None => Ok(args
            .tensors
            .iter()
            .map(|TensorArg(spec)| spec.clone())
            .collect()),
    }
}

/// Whether the noise hides an example in an update of floats, whose sum over examples must not be rounded before it is clipped.
fn hides_an_example(args: &New) -> bool {
    let Privacy { epsilon, unit, .. } = args.privacy;
    epsilon.is_some() && unit == Unit::Example && args.integer.is_none()
}

/// Refuses narrow floats for the unit example, with what to say instead.
fn keeps_examples_apart(args: &New, tensors: &[TensorSpec]) -> Outcome {
    let narrow = |spec: &&TensorSpec| {
        let float = [Dtype::F32, Dtype::F16, Dtype::Bf16];
        float.contains(&spec.dtype)
    };
    let Some(found) = tensors
        .iter()
        .find(narrow)
        .filter(|_| hides_an_example(args))
    else {
        return Ok(());
    };
    let found = found.dtype;
    let options: Vec<String> = tensors.iter().map(in_f64).collect();
    let (options, file) = (options.join(" "), args.file.display());
    let instead = match &args.from {
        Some(from) => format!("in the place of --from {}", from.display()),
        None => "in the place of the tensors given".to_owned(),
    };
    Err(
        Failure::refused(PlanError::ExampleDtype { found }).hint(format_args!(
            "members train in what they like and contribute f64; {instead}: veilsum task new {file} {options}, and the other options as they are"
        )),
    )
}

/// A tensor as `--tensor` takes it.
fn in_f64(spec: &TensorSpec) -> String {
    let shape: Vec<String> = spec.shape.iter().map(ToString::to_string).collect();
    format!("--tensor '{}:f64:{}'", spec.name, shape.join("x"))
}

fn tensors_of(path: &Path) -> Result<Vec<TensorSpec>, Failure> {
    let tensors = veilsum_learn::files::read(path).map_err(|error| tensor_file(&error))?;
    let spec = |(name, tensor): (String, veilsum_encode::Tensor)| TensorSpec {
        name,
        dtype: tensor.data.dtype(),
        shape: tensor.shape,
    };
    Ok(tensors.into_iter().map(spec).collect())
}

/// The failure that a tensor file's error is.
pub fn tensor_file(error: &FileError) -> Failure {
    match &error.fault {
        FileFault::Io(io) => Failure::io(&error.path, io),
        FileFault::Extension { .. } => {
            Failure::usage(error).hint("name the file *.safetensors or *.npy")
        }
        _ => Failure::usage(error),
    }
}

/// A tensor to start from; `veilsum_learn`'s name for the one tensor of an .npy file.
fn example(args: &New) -> Vec<TensorSpec> {
    vec![TensorSpec {
        name: veilsum_learn::files::NPY_TENSOR.to_owned(),
        shape: vec![1000],
        dtype: match args.integer {
            Some(_) => Dtype::I64,
            None if hides_an_example(args) => Dtype::F64,
            None => Dtype::F32,
        },
    }]
}

fn encoding(args: &New) -> Encoding {
    if let Some(RangeArg { min, max }) = args.integer {
        return Encoding::Integer { min, max };
    }
    let clip = clip_of(args.clip_l1, args.clip_l2, args.clip_linf).unwrap_or(Clip::L2(1.0));
    Encoding::Float(FloatEncoding {
        rotation: args.rotation,
        rounding: args.rounding,
        max_weight: args.max_weight,
        ..FloatEncoding::new(clip, args.bits.unwrap_or(DEFAULT_BITS))
    })
}

#[derive(serde::Serialize)]
struct Written<'a> {
    #[serde(serialize_with = "crate::output::lossy::path")]
    file: PathBuf,
    #[serde(flatten)]
    task: Shown<'a>,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(
            f,
            "{}\n\nwritten to {file}; check it: veilsum task check {file} --members N",
            self.task
        )
    }
}
