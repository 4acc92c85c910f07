//! `veilsum task sample`: an update to try a federation out with.

use super::new::tensor_file;
use crate::args::task::Sample;
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing};
use crate::output::Output;
use crate::random;
use half::{bf16, f16};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use veilsum_encode::{Clip, Dtype, Encoding, Manifest, Tensor, TensorData, TensorSpec, Tensors};
use veilsum_proto::task::Task;

pub(super) fn run(args: &Sample, output: Output) -> Outcome {
    files::refuse_existing(&args.out, Existing::forced(args.force))?;
    let task = files::task_file(&args.file)?;
    let coordinates = task.manifest().coordinates();
    if coordinates > MAX_COORDINATES {
        return Err(Failure::refused(format_args!(
            "the task has {coordinates} coordinates, a sample has at most {MAX_COORDINATES}"
        ))
        .in_file(&args.file));
    }
    let mut rng = match args.seed {
        Some(seed) => StdRng::seed_from_u64(seed),
        None => random::rng()?,
    };
    let tensors = sample(&task, &mut rng)?;
    veilsum_learn::files::write(&args.out, &tensors).map_err(|error| tensor_file(&error))?;
    output.show(&Written {
        file: args.out.clone(),
        coordinates,
    });
    Ok(())
}

/// Random values that no clip cuts and no range refuses.
fn sample(task: &Task, rng: &mut StdRng) -> Result<Tensors, Failure> {
    let span = Span::of(task);
    let tensor = |spec: &TensorSpec| {
        let count = usize::try_from(spec.shape.iter().product::<u64>())
            .map_err(|_| Failure::refused("the tensors do not fit the memory"))?;
        let data = values(spec.dtype, span, count, rng);
        let shape = spec.shape.clone();
        Ok((spec.name.clone(), Tensor { shape, data }))
    };
    task.manifest().tensors().iter().map(tensor).collect()
}

/// Most values of a sample, which is made in memory.
const MAX_COORDINATES: u64 = 1 << 30;

#[derive(Clone, Copy)]
enum Span {
    /// From minus this to this.
    Float(f64),
    Integer(i64, i64),
}

impl Span {
    fn of(task: &Task) -> Self {
        match task.encoding() {
            Encoding::Integer { min, max } => Self::Integer(*min, *max),
            Encoding::Float(float) => Self::Float(match float.clip {
                Clip::LInf(bound) => bound,
                Clip::L1(norm) => norm / task.manifest().coordinates() as f64,
                Clip::L2(norm) => norm / root_of_coordinates(task.manifest()),
            }),
        }
    }

    fn float(self, rng: &mut StdRng) -> f64 {
        match self {
            Self::Float(bound) => rng.random_range(-bound..=bound),
            Self::Integer(..) => 0.0,
        }
    }

    /// An integer of the span that is also between `least` and `most`.
    fn integer(self, rng: &mut StdRng, least: i64, most: i64) -> i64 {
        match self {
            Self::Integer(min, max) => {
                let min = min.clamp(least, most);
                rng.random_range(min..=max.clamp(min, most))
            }
            Self::Float(_) => 0,
        }
    }
}

fn root_of_coordinates(manifest: &Manifest) -> f64 {
    (manifest.coordinates() as f64).sqrt()
}

fn values(dtype: Dtype, span: Span, count: usize, rng: &mut StdRng) -> TensorData {
    macro_rules! floats {
        ($kind:ident, $from:expr) => {
            TensorData::$kind((0..count).map(|_| $from(span.float(rng))).collect())
        };
    }
    macro_rules! integers {
        ($kind:ident, $type:ty) => {{
            let least = i64::try_from(<$type>::MIN).unwrap_or(i64::MIN);
            let most = i64::try_from(<$type>::MAX).unwrap_or(i64::MAX);
            TensorData::$kind(
                (0..count)
                    .map(|_| <$type>::try_from(span.integer(rng, least, most)).unwrap_or_default())
                    .collect(),
            )
        }};
    }
    match dtype {
        Dtype::F32 => floats!(F32, |value: f64| value as f32),
        Dtype::F64 => floats!(F64, |value: f64| value),
        Dtype::F16 => floats!(F16, f16::from_f64),
        Dtype::Bf16 => floats!(Bf16, bf16::from_f64),
        Dtype::I8 => integers!(I8, i8),
        Dtype::I16 => integers!(I16, i16),
        Dtype::I32 => integers!(I32, i32),
        Dtype::I64 => integers!(I64, i64),
        Dtype::U8 => integers!(U8, u8),
        Dtype::U16 => integers!(U16, u16),
        Dtype::U32 => integers!(U32, u32),
        Dtype::U64 => integers!(U64, u64),
    }
}

#[derive(Serialize)]
struct Written {
    #[serde(serialize_with = "crate::output::lossy::path")]
    file: PathBuf,
    coordinates: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, coordinates } = self;
        write!(
            f,
            "written to {}: {coordinates} random values that fit the task",
            file.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_encode::Update;

    #[test]
    fn samples_fit_their_task_and_are_not_clipped() {
        for (kind, tensors) in [
            (
                "kind = \"float\"\nclip = { l2 = 2.0 }\nprecision_bits = 16",
                ["f32", "f64", "f16", "bf16"],
            ),
            (
                "kind = \"integer\"\nmin = -300\nmax = 300",
                ["i8", "u8", "i64", "u64"],
            ),
        ] {
            let mut text = format!(
                "version = 1\nname = \"t\"\ncorrupt = 0\ndropout = 0\n[encoding]\n{kind}\n"
            );
            for dtype in tensors {
                text.push_str(&format!(
                    "[[tensors]]\nname = \"{dtype}\"\nshape = [3, 5]\ndtype = \"{dtype}\"\n"
                ));
            }
            let task = Task::from_toml(&text).unwrap();
            let plan = task.plan(3).unwrap();
            let sampled = sample(&task, &mut StdRng::seed_from_u64(1)).unwrap();
            let clipped = Update::new(task.manifest(), sampled)
                .unwrap()
                .clip(&plan)
                .unwrap();
            assert_eq!(clipped.clipping().clipped_norm, None);
        }
    }
}
