//! The task of a job: its tensors and encoding, and noise that is worth what the job asks for.

use crate::exit::Failure;
use crate::files;
use veilsum_dp::{Cohort, Family, Law, NoiseBound, Target, calibrate};
use veilsum_encode::Plan;
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
        Some(privacy) => noised(spec, &privacy, members)?,
        None => spec,
    };
    let task = Task::new(spec).map_err(|error| files::task(&error))?;
    task.parameters(members)
        .map_err(|error| files::task(&error))?;
    Ok(task)
}

/// The same with the least noise that gives the guarantee.
// spec: [job.noise]
fn noised(spec: TaskSpec, privacy: &PrivacyParts, members: u32) -> Result<TaskSpec, Failure> {
    let refused = |error: &dyn std::fmt::Display| {
        Failure::refused(error).hint("a larger epsilon or delta, fewer rounds, or more members need less noise")
    };
    let plan = Plan::derive(&spec.manifest, &spec.encoding, 1, NoiseBound::NONE)
        .map_err(Failure::refused)?;
    let sensitivity = plan
        .sensitivity(privacy.unit, privacy.adjacency, privacy.example_clip)
        .map_err(Failure::refused)?;
    let cohort = cohort(&spec, privacy, members)?;
    let target = Target {
        epsilon: privacy.epsilon,
        delta: privacy.delta,
        rounds: privacy.rounds,
    };
    let found = calibrate(privacy.family, &sensitivity, cohort, privacy.sharing, target)
        .map_err(|error| refused(&error))?;
    let parameter = parameter(found.plan.target())
        .ok_or_else(|| refused(&"the noise that is needed has no decimal"))?;
    Ok(TaskSpec {
        noise: Some(noise(privacy, parameter)?),
        ..spec
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
    (0..=PLACES).rev().find_map(|places| Decimal::at_least(value, places))
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

/// Digits after the point of a noise parameter.
const PLACES: u8 = 9;
