//! The task of a job: its tensors and encoding, and noise that is worth what the job asks for.

use crate::exit::Failure;
use crate::files;
use veilsum_dp::{Cohort, Family, Law, NoiseBound, Target, calibrate};
use veilsum_encode::{Encoding, FloatEncoding, Plan};
use veilsum_learn::job::{Amount, PrivacyParts, TaskParts};
use veilsum_proto::parameters::{self, Decimal, ElectorateChoice, GraphChoice};
use veilsum_proto::roster::Name;
use veilsum_proto::task::{DEFAULT_ATTEMPTS, NoiseLaw, NoiseSpec, Task, TaskSpec};

/// The task over a roster of `members`.
pub(crate) fn task(parts: TaskParts, members: u32) -> Result<Task, Failure> {
    let name = Name::try_from(parts.name).map_err(Failure::usage)?;
    let spec = TaskSpec {
        name,
        manifest: parts.manifest,
        encoding: parts.encoding,
        corrupt: amount(parts.corrupt)?,
        dropout: amount(parts.dropout)?,
        floor: None,
        graph: GraphChoice::Auto,
        electorate: ElectorateChoice::Auto,
        cohort: parts.cohort.filter(|cohort| *cohort < members),
        max_attempts: DEFAULT_ATTEMPTS,
        noise: None,
    };
    let spec = match parts.privacy {
        Some(privacy) if parts.bits_are_free => fewest_bits(&spec, &privacy, members)?,
        Some(privacy) => noised(&spec, &privacy, members)?.spec,
        None => spec,
    };
    let task = Task::new(spec).map_err(|error| files::task(&error))?;
    task.parameters(members)
        .map_err(|error| files::task(&error))?;
    Ok(task)
}

/// Whether a task sums what these parts say, in the clear of any noise and over all members: the name does not matter.
// spec: [job.evaluation.refuse]
pub(crate) fn is_of(parts: &TaskParts, task: &Task) -> bool {
    let same = parts.manifest == *task.manifest() && parts.encoding == *task.encoding();
    same && task.noise().is_none() && task.spec().cohort.is_none()
}

/// A task with noise, and what the noise of a sum is worth.
struct Noised {
    spec: TaskSpec,
    /// Variance of noise and rounding of a sum, in the units of the values.
    variance: f64,
}

/// The fewest bits with which the noise is hardly more than with the best choice: a coarser grid costs rounding, a finer one nothing but
/// bytes and draws.
// spec: [job.bits]
fn fewest_bits(spec: &TaskSpec, privacy: &PrivacyParts, members: u32) -> Result<TaskSpec, Failure> {
    let Encoding::Float(float) = spec.encoding else {
        return Ok(noised(spec, privacy, members)?.spec);
    };
    let (mut fewest, mut least, mut refusal) = (None, f64::INFINITY, None);
    for precision_bits in (FEWEST_BITS..=float.precision_bits).rev() {
        let encoding = Encoding::Float(FloatEncoding {
            precision_bits,
            ..float
        });
        let spec = TaskSpec {
            encoding,
            ..spec.clone()
        };
        match noised(&spec, privacy, members) {
            Ok(noised) => {
                least = least.min(noised.variance);
                // a coarser grid only adds
                if noised.variance > least * EXCESS {
                    break;
                }
                fewest = Some(noised.spec);
            }
            Err(refused) => refusal = Some(refused),
        }
    }
    fewest.ok_or_else(|| {
        refusal.unwrap_or_else(|| {
            let most = float.precision_bits;
            Failure::failed(format_args!(
                "found {most} bits as the most, wanted {FEWEST_BITS} or more to choose from"
            ))
            .hint("name `bits` in [encoding]")
        })
    })
}

/// The same with the least noise that gives the guarantee.
// spec: [job.noise]
fn noised(spec: &TaskSpec, privacy: &PrivacyParts, members: u32) -> Result<Noised, Failure> {
    let plan = Plan::derive(&spec.manifest, &spec.encoding, 1, NoiseBound::NONE)
        .map_err(Failure::refused)?;
    let sensitivity = plan
        .sensitivity(privacy.unit, privacy.adjacency, privacy.example_clip)
        .map_err(Failure::refused)?;
    let cohort = cohort(spec, privacy, members)?;
    let target = Target {
        epsilon: privacy.epsilon,
        delta: privacy.delta,
        rounds: privacy.rounds,
    };
    let found = calibrate(
        privacy.family,
        &sensitivity,
        cohort,
        privacy.sharing,
        target,
    )
    .map_err(|error| {
        Failure::refused(error).hint(
            "fewer bits, a larger epsilon or delta, fewer rounds, or more members need less noise",
        )
    })?;
    let parameter = parameter(found.plan.target()).ok_or_else(|| {
        let variance = found.plan.target().variance().upper.to_f64_up();
        Failure::refused(format_args!(
            "found noise of variance {variance:e} in steps of the grid, more than a task can say"
        ))
        .hint(
            "fewer bits, a larger epsilon or delta, fewer rounds, or more members need less noise",
        )
    })?;
    let step = plan.step().map_or(1.0, |step| step.to_f64_up());
    let steps = found.plan.target().variance().upper.to_f64_up() + f64::from(members) / 4.0;
    Ok(Noised {
        spec: TaskSpec {
            noise: Some(noise(privacy, parameter)?),
            ..spec.clone()
        },
        variance: steps * step * step,
    })
}

/// Members, drop-outs tolerated and corrupt ones of a task with noise: the parameters do not depend on how much of it.
fn cohort(spec: &TaskSpec, privacy: &PrivacyParts, members: u32) -> Result<Cohort, Failure> {
    let some = Decimal::from_tenths(10_000);
    let task = Task::new(TaskSpec {
        noise: Some(noise(privacy, some)?),
        ..spec.clone()
    });
    let parameters = task
        .and_then(|task| task.parameters(members))
        .map_err(|error| files::task(&error))?;
    let tolerated = parameters.tolerated.unwrap_or(parameters.d);
    Cohort::new(parameters.n, tolerated, parameters.c).map_err(Failure::refused)
}

fn noise(privacy: &PrivacyParts, parameter: Decimal) -> Result<NoiseSpec, Failure> {
    Ok(NoiseSpec {
        law: match privacy.family {
            Family::Polya => NoiseLaw::Laplace,
            Family::Skellam => NoiseLaw::Skellam,
            Family::DiscreteGaussian => NoiseLaw::Gaussian,
        },
        parameter,
        sharing: privacy.sharing,
        unit: privacy.unit,
        adjacency: privacy.adjacency,
        example_clip: privacy.example_clip,
        delta: decimal(privacy.delta)?,
    })
}

/// The parameter of a law as a decimal that is not below it.
fn parameter(law: &Law) -> Option<Decimal> {
    let value = match law {
        Law::Polya { scale, .. } => scale,
        Law::Skellam { variance, .. } => variance,
        Law::DiscreteGaussian { parameter, .. } => parameter,
    };
    (0..=PLACES)
        .rev()
        .find_map(|places| Decimal::at_least(value, places))
}

fn amount(amount: Amount) -> Result<parameters::Amount, Failure> {
    Ok(match amount {
        Amount::Count(count) => parameters::Amount::Count(count),
        Amount::Rate(rate) => parameters::Amount::Rate(decimal(rate)?),
    })
}

/// The decimal that the shortest text of a float is.
fn decimal(value: f64) -> Result<Decimal, Failure> {
    // `{}` of a float never has an exponent
    value.to_string().parse().map_err(Failure::usage)
}

/// Fewest bits of a job.
const FEWEST_BITS: u8 = 4;

/// Variance allowed beyond the least there is, so that deviations are within 2 %.
const EXCESS: f64 = 1.04;

/// Digits after the point of a noise parameter.
const PLACES: u8 = 9;
