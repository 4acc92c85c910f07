//! `veilsum task new`.

use super::{Shown, text};
use crate::args::plan::{DEFAULT_BITS, clip_of};
use crate::args::task::{New, RangeArg, TensorArg};
use crate::commands::plan::{Bits, Wanted};
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing, Readers};
use crate::output::Output;
use std::fmt;
use std::path::{Path, PathBuf};
use veilsum_encode::{Clip, Dtype, Encoding, FloatEncoding, Manifest, TensorSpec};
use veilsum_learn::FileError;
use veilsum_learn::files::FileFault;
use veilsum_proto::task::{Task, TaskSpec};

pub(super) fn run(args: &New, output: Output) -> Outcome {
    let existing = Existing::forced(args.force);
    files::refuse_existing(&args.file, existing)?;
    let manifest = Manifest::new(tensors(args)?).map_err(Failure::refused)?;
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
        None if args.tensors.is_empty() => Ok(example(args.integer)),
        None => Ok(args
            .tensors
            .iter()
            .map(|TensorArg(spec)| spec.clone())
            .collect()),
    }
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
fn example(integer: Option<RangeArg>) -> Vec<TensorSpec> {
    vec![TensorSpec {
        name: veilsum_learn::files::NPY_TENSOR.to_owned(),
        shape: vec![1000],
        dtype: match integer {
            Some(_) => Dtype::I64,
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
