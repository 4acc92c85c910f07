//! The noise that a query needs for its epsilon.

use crate::args::stats::Stats;
use crate::caution;
use crate::exit::Failure;
use crate::files;
use crate::output;
use crate::stats::task::{example_clip, spec};
use veilsum_dp::{
    Adjacency, CalibrationError, Cohort, Law, NoiseBound, Rational, Sensitivity, Target, calibrate,
};
use veilsum_encode::Plan;
use veilsum_learn::stats::{Kind, Parameters, Query};
use veilsum_proto::parameters::{Amount, Decimal};
use veilsum_proto::task::{NoiseLaw, NoiseSpec, Task, TaskError, TaskSpec};

/// A query and its task over `members`, with the least noise that all its rounds together need.
///
/// Tables of noise have a limited width. Where the query does not say how fine its integers are, they are as fine as that allows: what
/// is lost to rounding is far below the noise then.
pub(super) fn plan(
    args: &Stats,
    parameters: &Parameters,
    members: u32,
) -> Result<(Query, Task), Failure> {
    let Some(epsilon) = &args.epsilon else {
        let query = query(parameters)?;
        let task = checked(spec(&query, corrupt(args, members), args.dropout)?)?;
        fits(&task, members)?;
        return Ok((query, task));
    };
    let free = parameters.bits.is_none() && parameters.shrink.is_none();
    let mut tried = None;
    for (bits, shrink) in grids(parameters, free) {
        let query = query(&Parameters {
            bits,
            shrink,
            ..parameters.clone()
        })?;
        match with_noise(args, &query, members, epsilon, free) {
            Ok(task) => {
                if let Some(hint) = better_law(args, &query, &task, members) {
                    output::tell(&hint);
                }
                return Ok((query, task));
            }
            Err(Fault::NoTable(failure)) => tried = Some(failure),
            Err(Fault::Other(failure)) => return Err(failure),
        }
    }
    let failure = tried.unwrap_or_else(|| Failure::refused("no grid is coarse enough"));
    Err(failure.hint(match free {
        true if args.query.is_some() => "choose a larger --epsilon, another --mechanism, or less `rows` or `steps` in the query file",
        true => "choose a larger --epsilon, another --mechanism, or fewer --rows or --steps",
        false if args.query.is_some() => "leave `bits` and `shrink` out of the query file, and they are chosen by the noise",
        false => "leave --bits and --shrink out, and they are chosen by the noise",
    }))
}

/// What to say where Laplace noise, which is for one round, is much more than Skellam noise over the rounds of a quantile would be.
fn better_law(args: &Stats, query: &Query, task: &Task, members: u32) -> Option<String> {
    let spec = task.noise().filter(|spec| spec.law == NoiseLaw::Laplace)?;
    if query.kind() != Kind::Quantile {
        return None;
    }
    let parameters = task.parameters(members).ok()?;
    let tolerated = parameters.tolerated.unwrap_or(parameters.d);
    let cohort = Cohort::new(parameters.n, tolerated, parameters.c).ok()?;
    let target = Target {
        epsilon: args.epsilon.as_ref()?.to_f64_down(),
        delta: spec.delta.to_f64(),
        rounds: query.rounds().into(),
    };
    let other = NoiseLaw::Skellam;
    let sharing = NoiseSpec::default_sharing(other);
    let found = calibrate(other.family(), task.sensitivity()?, cohort, sharing, target).ok()?;
    let here = spec.parameter.to_f64() * std::f64::consts::SQRT_2;
    let there = found.plan.target().variance().upper.to_f64_up().sqrt();
    (there < here * MUCH_LESS).then(|| {
        format!(
            "hint: with --mechanism skellam the noise of a count would have a deviation of {there:.1}, here it is {here:.1}"
        )
    })
}

/// Members that may work with the coordinator: in a task for a network as many as the default policy of its members reckons with, if
/// a round can have so many.
fn corrupt(args: &Stats, members: u32) -> Amount {
    let default = match args.task {
        Some(_) => caution::default_corrupt(members, args.dropout.ceil_of(members)),
        None => 0,
    };
    args.corrupt.unwrap_or(Amount::Count(default))
}

/// Why there is no task.
enum Fault {
    /// No table holds the noise: a coarser grid may help.
    NoTable(Failure),
    Other(Failure),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

/// Bits and shrink to try, from fine to coarse.
fn grids(
    parameters: &Parameters,
    free: bool,
) -> impl Iterator<Item = (Option<u8>, Option<u32>)> + use<> {
    let given = (parameters.bits, parameters.shrink);
    let has_bits = matches!(parameters.kind, Kind::Sum | Kind::Mean | Kind::Variance);
    let bits = (2..=16_u8).rev().filter(move |_| has_bits);
    let bits = bits.map(|bits| (Some(bits), None));
    let coarsest = has_bits.then_some(2);
    let rows = parameters.rows;
    let shrinks = (u32::from(has_bits)..31).map(|power| 1_u32 << power);
    let shrinks = shrinks.take_while(move |shrink| *shrink <= rows);
    let shrinks = shrinks.map(move |shrink| (coarsest, Some(shrink)));
    let all = bits.chain(shrinks).filter(move |_| free);
    all.chain((!free).then_some(given))
}

fn with_noise(
    args: &Stats,
    query: &Query,
    members: u32,
    epsilon: &Rational,
    free: bool,
) -> Result<Task, Fault> {
    let law = args.mechanism;
    let delta = decimal(&args.delta, Round::Down).ok_or_else(|| {
        let delta = &args.delta;
        Failure::usage(format_args!("--delta is {delta}, wanted 1e-18 to below 1"))
    })?;
    let without = spec(query, corrupt(args, members), args.dropout)?;
    let clip = example_clip(query, law, args.unit);
    let of = |parameter| TaskSpec {
        noise: Some(NoiseSpec {
            law,
            parameter,
            sharing: NoiseSpec::default_sharing(law),
            unit: args.unit,
            adjacency: Adjacency::ZeroOut,
            example_clip: clip,
            delta,
        }),
        ..without.clone()
    };
    let sensitivity = Plan::derive(
        &without.manifest,
        &without.encoding,
        members,
        NoiseBound::NONE,
    )
    .and_then(|plan| plan.sensitivity(args.unit, Adjacency::ZeroOut, clip))
    .map_err(Failure::refused)?;
    // any parameter will do: who may be missing does not depend on it
    let draft = checked(of(Decimal::from_tenths(10)))?;
    let parameters = draft
        .parameters(members)
        .map_err(|error| files::task(&error))?;
    let tolerated = parameters.tolerated.unwrap_or(parameters.d);
    let cohort = Cohort::new(parameters.n, tolerated, parameters.c).map_err(Failure::refused)?;
    let target = Target {
        epsilon: epsilon.to_f64_down(),
        delta: delta.to_f64(),
        rounds: query.rounds().into(),
    };
    let too_much = || {
        let error = format!("epsilon {epsilon} needs more noise than there are tables for");
        Fault::NoTable(Failure::refused(error))
    };
    if free && is_needlessly_fine(law, epsilon, &sensitivity) {
        return Err(too_much());
    }
    let found = least(law, epsilon, &sensitivity, cohort, target)?;
    let parameter = decimal(&found, Round::Up).ok_or_else(too_much)?;
    let task = checked(of(parameter))?;
    match task.plan(members) {
        Ok(_) => Ok(task),
        Err(error @ TaskError::NoisePlan(_)) => Err(Fault::NoTable(files::task(&error))),
        Err(error) => Err(files::task(&error).into()),
    }
}

/// Whether the noise is more than about 2 000 steps wide, so that a coarser grid costs nothing, and compiling wide tables would only
/// take time. The table of a Laplace law ends at 218.
fn is_needlessly_fine(law: NoiseLaw, epsilon: &Rational, sensitivity: &Sensitivity) -> bool {
    let (found, most) = match law {
        NoiseLaw::Laplace => (sensitivity.l1().checked_div(epsilon), 300),
        NoiseLaw::Skellam | NoiseLaw::Gaussian => {
            let square = sensitivity.l2_squared().checked_div(&epsilon.squared());
            (square, 1 << 17)
        }
    };
    found.is_some_and(|found| found > Rational::integer(most))
}

/// The parameter of the least noise that meets the target.
fn least(
    law: NoiseLaw,
    epsilon: &Rational,
    sensitivity: &Sensitivity,
    cohort: Cohort,
    target: Target,
) -> Result<Rational, Fault> {
    let pure = match law {
        NoiseLaw::Laplace => {
            let all = sensitivity.l1() * &Rational::integer(target.rounds);
            all.checked_div(epsilon)
        }
        NoiseLaw::Skellam | NoiseLaw::Gaussian => None,
    };
    // of one Laplace sum nothing is better than its scale; over several rounds composition may be
    if let (Some(scale), 1) = (&pure, target.rounds) {
        return Ok(scale.clone());
    }
    let sharing = NoiseSpec::default_sharing(law);
    match (
        calibrate(law.family(), sensitivity, cohort, sharing, target),
        pure,
    ) {
        (Ok(found), None) => Ok(parameter(found.plan.target())),
        (Ok(found), Some(pure)) => Ok(pure.min(parameter(found.plan.target()))),
        (Err(_), Some(pure)) => Ok(pure),
        (Err(error @ CalibrationError::NotATarget { .. }), None) => {
            Err(Failure::usage(error).into())
        }
        (Err(error), None) => Err(Fault::NoTable(Failure::refused(error))),
    }
}

fn query(parameters: &Parameters) -> Result<Query, Failure> {
    let hint = "`veilsum stats --help` has an example of each kind";
    Query::new(parameters.clone()).map_err(|error| Failure::usage(error).hint(hint))
}

fn fits(task: &Task, members: u32) -> Result<(), Failure> {
    task.parameters(members)
        .map_err(|error| files::task(&error))?;
    task.plan(members).map_err(|error| files::task(&error))?;
    Ok(())
}

fn checked(spec: TaskSpec) -> Result<Task, Failure> {
    Task::new(spec).map_err(|error| files::task(&error))
}

fn parameter(law: &Law) -> Rational {
    match law {
        Law::Polya { scale, .. } => scale.clone(),
        Law::Skellam { variance, .. } => variance.clone(),
        Law::DiscreteGaussian { parameter, .. } => parameter.clone(),
    }
}

/// Which neighbour stands for a number with too many digits.
#[derive(Clone, Copy)]
enum Round {
    Up,
    Down,
}

/// A number above 0 with as many places as fit.
fn decimal(number: &Rational, round: Round) -> Option<Decimal> {
    (0..=Decimal::MAX_PLACES).rev().find_map(|places| {
        let power = Rational::integer(10_u64.checked_pow(places.into())?);
        let scaled = number * &power;
        let units = match round {
            Round::Up => scaled.ceil_u64(),
            Round::Down => scaled.floor_u64(),
        }?;
        let places = usize::from(places);
        let digits = format!("{units:0width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let text = match fraction {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        };
        text.parse()
            .ok()
            .filter(|found: &Decimal| *found != Decimal::ZERO)
    })
}

/// Part of the deviation below which another law is worth a hint.
const MUCH_LESS: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_err_to_the_stated_side() {
        for (number, up, down) in [
            ("1e-6", "0.000001", "0.000001"),
            ("1/3", "0.333333333333333334", "0.333333333333333333"),
            ("65534", "65534", "65534"),
            ("1000000/3", "333333.3333333333334", "333333.3333333333333"),
        ] {
            let number: Rational = number.parse().unwrap();
            assert_eq!(decimal(&number, Round::Up), Some(up.parse().unwrap()));
            assert_eq!(decimal(&number, Round::Down), Some(down.parse().unwrap()));
        }
        assert_eq!(decimal(&Rational::zero(), Round::Down), None);
        assert_eq!(decimal(&"1e30".parse().unwrap(), Round::Up), None);
    }
}
