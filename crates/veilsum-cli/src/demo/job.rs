//! The training that the demo's flags ask for, as the job that every process of the demo reads.

use crate::args::demo::{AlgorithmName, Demo, MechanismName, UnitName};
use crate::commands::train::setup::failure;
use crate::exit::Failure;
use crate::limits;
use veilsum_dp::Unit;
use veilsum_encode::{Encoding, Range};
use veilsum_learn::job::{
    Algorithm, Amount, DataSpec, EncodingSpec, EvaluationSpec, FederationSpec, JobSpec, Judge,
    LocalSpec, Mechanism, PrivacySpec, ServerSpec, Split, TaskParts,
};
use veilsum_learn::{Job, LocalSgd, digits};

/// The digits, dealt by label; a tenth of the members may be corrupt, a quarter may vanish.
pub fn job(args: &Demo) -> Result<Job, Failure> {
    if let Some(epsilon) = args.epsilon {
        limits::epsilon("--epsilon", epsilon)?;
    }
    let algorithm = algorithm(args);
    let spec = JobSpec {
        name: TASK.to_owned(),
        seed: args.seed,
        server: ServerSpec {
            rate: rate(algorithm),
            ..ServerSpec::default()
        },
        local: LocalSpec {
            epochs: LocalSgd::DIGITS.epochs,
            batch_size: LocalSgd::DIGITS.batch_size,
            rate: LocalSgd::DIGITS.learning_rate,
            ..LocalSpec::default()
        },
        evaluation: EvaluationSpec {
            on: Some(Judge::Public),
            ..EvaluationSpec::default()
        },
        encoding: EncodingSpec {
            bits: args.bits,
            // a rotation pays for few bits and for noise; without both the update keeps its length
            rotation: (args.bits.is_none() && args.epsilon.is_none()).then_some(false),
            ..EncodingSpec::default()
        },
        privacy: args.epsilon.map(|epsilon| privacy(args, epsilon)),
        federation: FederationSpec {
            corrupt: Amount::Rate(0.1),
            dropout: dropout(args),
        },
        ..JobSpec::new(
            args.members,
            args.rounds,
            DataSpec::digits(Split::ByLabel),
            algorithm,
        )
    };
    Job::new(spec).map_err(|error| failure(&error).hint(HINT))
}

/// A quarter of the members; none of three, since a sum of two tells each the other's update.
fn dropout(args: &Demo) -> Amount {
    match args.members {
        ..=3 => Amount::Count(0),
        _ => Amount::Rate(0.25),
    }
}

/// What the job asks of the masked sum; updates of FedAvg on the digits are known to be small.
pub fn parts(job: &Job) -> Result<TaskParts, Failure> {
    let mut parts = job.task().map_err(|error| failure(&error))?;
    if let (Encoding::Float(encoding), Algorithm::FedAvg {}, None) = (
        &mut parts.encoding,
        job.spec().algorithm,
        job.spec().encoding.bits,
    ) {
        encoding.range = Range::Fixed(digits::CLIP_MAX_ABS);
    }
    Ok(parts)
}

/// The same training without noise.
pub fn without_noise(job: &Job) -> Result<Job, Failure> {
    let spec = JobSpec {
        privacy: None,
        ..job.spec().clone()
    };
    Job::new(spec).map_err(|error| failure(&error))
}

fn privacy(args: &Demo, epsilon: f64) -> PrivacySpec {
    let default = PrivacySpec::new(epsilon, args.delta.unwrap_or(DELTA));
    PrivacySpec {
        unit: args.unit.map(|unit| match unit {
            UnitName::Example => Unit::Example,
            UnitName::Member => Unit::Member,
        }),
        mechanism: match args.mechanism {
            Some(MechanismName::Laplace) => Mechanism::Laplace,
            Some(MechanismName::Gaussian) => Mechanism::Gaussian,
            Some(MechanismName::Skellam) | None => Mechanism::Skellam,
        },
        ..default
    }
}

fn algorithm(args: &Demo) -> Algorithm {
    let name = args.algorithm.unwrap_or(match (args.epsilon, args.unit) {
        (None, _) => AlgorithmName::FedAvg,
        (Some(_), Some(UnitName::Member)) => AlgorithmName::DpFedAvg,
        (Some(_), Some(UnitName::Example) | None) => AlgorithmName::DpSgd,
    });
    let laplace = args.mechanism == Some(MechanismName::Laplace);
    match name {
        AlgorithmName::FedAvg => Algorithm::FedAvg {},
        AlgorithmName::FedProx => Algorithm::FedProx { mu: 0.1 },
        AlgorithmName::FedSgd => Algorithm::FedSgd { momentum: 0.9 },
        AlgorithmName::FedAvgM => Algorithm::FedAvgM { momentum: 0.5 },
        AlgorithmName::FedAdam => Algorithm::FedAdam {
            beta1: 0.9,
            beta2: 0.99,
            tau: 1e-2,
        },
        AlgorithmName::FedYogi => Algorithm::FedYogi {
            beta1: 0.9,
            beta2: 0.99,
            tau: 1e-2,
        },
        AlgorithmName::FedAdagrad => Algorithm::FedAdagrad {
            beta1: 0.0,
            tau: 1e-2,
        },
        AlgorithmName::DpSgd => Algorithm::DpSgd {
            // the L1 norm of such a gradient is about five times its L2 norm
            clip: if laplace { 5.0 } else { 1.0 },
            sampling: 1.0,
            momentum: 0.9,
        },
        AlgorithmName::DpFedAvg => Algorithm::DpFedAvg {
            clip: if laplace { 5.0 } else { 1.0 },
            adaptive_quantile: None,
            adaptive_rate: 0.2,
            momentum: 0.0,
        },
    }
}

/// Rates that bring the algorithm as far as it gets in about ten rounds.
fn rate(algorithm: Algorithm) -> Option<f64> {
    match algorithm {
        Algorithm::FedSgd { .. } => Some(2.0),
        Algorithm::DpSgd { .. } => Some(4.0),
        _ => None,
    }
}

/// Name of the task.
const TASK: &str = "digits";
const DELTA: f64 = 1e-5;
const HINT: &str = "without noise: any algorithm; with --epsilon: --unit example with dp-sgd, or --unit member with dp-fedavg";
