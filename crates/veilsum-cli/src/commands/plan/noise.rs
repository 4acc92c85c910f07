//! The least noise for a wanted guarantee.

use crate::args::plan::Privacy;
use crate::exit::Failure;
use crate::files;
use crate::limits;
use veilsum_dp::{CalibrationError, Cohort, Law, NoisePlanError, Rational, Target, calibrate};
use veilsum_encode::Encoding;
use veilsum_proto::parameters::{Decimal, Parameters};
use veilsum_proto::task::{NoiseSpec, Task, TaskError};

/// A guarantee, and the kind of noise that is to give it.
pub struct Wanted {
    epsilon: f64,
    rounds: u64,
    /// Its parameter is to be chosen.
    noise: NoiseSpec,
}

/// Whether the bits of a coordinate are part of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// They stay.
    Given,
    /// They may be fewer, so that the noise has tables.
    Chosen,
}

impl Bits {
    /// Of an option of the command line.
    pub const fn of(given: Option<u8>) -> Self {
        match given {
            Some(_) => Self::Given,
            None => Self::Chosen,
        }
    }
}

/// Why a grid has no noise for a guarantee.
enum Unfit {
    /// On a coarser grid the noise would be fewer steps.
    TooFine(Failure),
    Other(Failure),
}

impl Wanted {
    /// What the command line asks for; `None` without `--epsilon`.
    pub fn of(args: &Privacy, rounds: u64) -> Option<Self> {
        let Privacy {
            epsilon,
            delta,
            unit,
            mechanism,
            sharing,
            adjacency,
            example_clip,
        } = *args;
        Some(Self {
            epsilon: epsilon?,
            rounds,
            noise: NoiseSpec {
                law: mechanism,
                parameter: Decimal::from_tenths(10),
                sharing: sharing.unwrap_or(NoiseSpec::default_sharing(mechanism)),
                unit,
                adjacency,
                example_clip,
                delta,
            },
        })
    }

    /// The task with such noise, its parameter not chosen yet: what the parameters of a round follow from.
    ///
    /// # Errors
    ///
    /// Encoding and noise do not fit.
    pub fn outlined(&self, task: Task) -> Result<Task, TaskError> {
        let mut spec = task.into_spec();
        spec.noise = Some(self.noise);
        Task::new(spec)
    }

    /// The outlined task with the least noise that gives the guarantee over so many members, rounded up to few digits; with
    /// fewer bits a coordinate where these are to be chosen too and the noise has no tables otherwise.
    ///
    /// # Errors
    ///
    /// Epsilon or delta is out of range, no noise reaches them, or the noise that does has no tables.
    pub fn chosen(&self, outlined: &Task, members: u32, bits: Bits) -> Result<Task, Failure> {
        limits::epsilon("--epsilon", self.epsilon)?;
        let failure = match self.on_its_grid(outlined, members) {
            Ok(task) => return Ok(task),
            Err(Unfit::Other(failure)) => return Err(failure),
            Err(Unfit::TooFine(failure)) => failure,
        };
        match (self.on_a_coarser_grid(outlined, members), bits) {
            (Some(task), Bits::Chosen) => Ok(task),
            (Some(task), Bits::Given) => {
                let bits = precision(&task);
                Err(failure.hint(format_args!(
                    "take at most {bits} bits (`--bits {bits}`, in a task `precision_bits = {bits}`): with more, the noise has no tables"
                )))
            }
            (None, _) => Err(failure
                .hint("take another --mechanism or --sharing, a larger epsilon or fewer rounds")),
        }
    }

    /// The most bits, below those of the task, with which there is such noise: a coarser grid has smaller tables.
    fn on_a_coarser_grid(&self, outlined: &Task, members: u32) -> Option<Task> {
        let of = |bits| {
            self.on_its_grid(&with_precision(outlined, bits)?, members)
                .ok()
        };
        let (mut least, mut beyond) = (BITS_MIN, precision(outlined));
        let mut found = if least < beyond {
            of(least)?
        } else {
            return None;
        };
        while beyond.saturating_sub(least) > 1 {
            let middle = least + (beyond - least) / 2;
            match of(middle) {
                Some(task) => (found, least) = (task, middle),
                None => beyond = middle,
            }
        }
        Some(found)
    }

    fn on_its_grid(&self, outlined: &Task, members: u32) -> Result<Task, Unfit> {
        let parameters = outlined.parameters(members)?;
        let target = self.calibrated(outlined, &parameters)?;
        let parameter = few_digits(parameter_of(&target));
        let parameter = parameter.ok_or(CalibrationError::Unreachable {
            epsilon: self.epsilon,
            delta: self.noise.delta.to_f64(),
        })?;
        let mut spec = outlined.spec().clone();
        spec.noise = Some(NoiseSpec {
            parameter,
            ..self.noise
        });
        let task = Task::new(spec)?;
        self.check(&task, members)?;
        Ok(task)
    }

    fn calibrated(
        &self,
        outlined: &Task,
        parameters: &Parameters,
    ) -> Result<Law, CalibrationError> {
        let Parameters { n, c, d, .. } = *parameters;
        let cohort = Cohort::new(n, d, c)?;
        let unreachable = CalibrationError::Unreachable {
            epsilon: self.epsilon,
            delta: self.noise.delta.to_f64(),
        };
        let target = Target {
            epsilon: self.epsilon,
            delta: self.noise.delta.to_f64(),
            rounds: self.rounds,
        };
        let sensitivity = outlined.sensitivity().ok_or(unreachable)?;
        let family = self.noise.law.family();
        let found = calibrate(family, sensitivity, cohort, self.noise.sharing, target)?;
        Ok(found.plan.target().clone())
    }

    /// Rounding up only adds noise; what the task then guarantees is asked of the task itself all the same.
    fn check(&self, task: &Task, members: u32) -> Result<(), Unfit> {
        let noise = task.round_noise(members)?;
        let total = noise.map(|noise| noise.total(self.rounds));
        match total {
            Some(total) if total.epsilon <= self.epsilon => Ok(()),
            Some(_) | None => Err(CalibrationError::Unreachable {
                epsilon: self.epsilon,
                delta: self.noise.delta.to_f64(),
            }
            .into()),
        }
    }
}

fn parameter_of(law: &Law) -> &Rational {
    match law {
        Law::Polya { scale, .. } => scale,
        Law::Skellam { variance, .. } => variance,
        Law::DiscreteGaussian { parameter, .. } => parameter,
    }
}

/// The fewest digits after the point, at most six, with which rounding up costs at most one part in 2 000.
fn few_digits(exact: &Rational) -> Option<Decimal> {
    let slack = Rational::new(2001, 2000)?;
    let most = exact * &slack;
    let candidates = (0..=PLACES).filter_map(|places| Decimal::at_least(exact, places));
    let mut last = None;
    for candidate in candidates {
        last = Some(candidate);
        if candidate.to_rational() <= most {
            break;
        }
    }
    last
}

/// Bits a coordinate; none of an integer task.
fn precision(task: &Task) -> u8 {
    match task.encoding() {
        Encoding::Float(float) => float.precision_bits,
        Encoding::Integer { .. } => 0,
    }
}

fn with_precision(task: &Task, precision_bits: u8) -> Option<Task> {
    let mut spec = task.spec().clone();
    if let Encoding::Float(float) = &mut spec.encoding {
        float.precision_bits = precision_bits;
    }
    Task::new(spec).ok()
}

impl From<CalibrationError> for Unfit {
    fn from(error: CalibrationError) -> Self {
        let failure = Failure::refused(&error);
        match error {
            CalibrationError::NotATarget { .. } => Self::Other(Failure::usage(error)),
            CalibrationError::Unreachable { .. } => Self::TooFine(failure),
            CalibrationError::Plan(plan) => Self::plan(failure, &plan),
        }
    }
}

impl From<TaskError> for Unfit {
    fn from(error: TaskError) -> Self {
        let failure = files::task(&error);
        match &error {
            TaskError::NoisePlan(plan) => Self::plan(failure, plan),
            _ => Self::Other(failure),
        }
    }
}

impl Unfit {
    fn plan(failure: Failure, error: &NoisePlanError) -> Self {
        match error {
            NoisePlanError::Sampler(_) | NoisePlanError::Law(_) => Self::TooFine(failure),
            _ => Self::Other(failure),
        }
    }
}

/// Fewest bits of a coordinate.
const BITS_MIN: u8 = 2;
/// Digits after the point of a chosen parameter.
const PLACES: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_few_digits_and_are_never_below() {
        for (exact, wanted) in [
            ("123456.789", "123457"),
            ("1234.1", "1234.1"),
            ("1.00049", "1.0005"),
            ("0.3333333333", "0.3334"),
            ("0.00000012", "0.000001"),
        ] {
            let exact: Rational = exact.parse().unwrap();
            let found = few_digits(&exact).unwrap();
            assert_eq!(found.to_string(), wanted);
            assert!(found.to_rational() >= exact);
        }
    }
}
