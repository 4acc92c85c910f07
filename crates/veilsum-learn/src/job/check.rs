//! Every number of a job in its range, every table of the right kind.

use veilsum_dp::Sharing;

use super::data::Data;
use super::error::{JobError, key};
use super::spec::{
    Algorithm, Amount, DataSpec, JobSpec, Judge, Mechanism, ModelSpec, PrivacySpec, Split,
};
use super::task::{optimizer, schedule};
use crate::dp_sgd::MOST_EXAMPLES;
use crate::network::Network;

/// Largest epsilon of all rounds together: one limit for jobs, tasks and statistics.
///
/// A guarantee of e^40 hides nothing from anybody, and bounds of the accountant end not far above: beyond it the same noise came out
/// whatever was asked, or none with a guarantee.
pub const EPSILON_MOST: f64 = 40.0;

/// What can be said before any example is looked at.
pub(super) fn check(spec: &JobSpec) -> Result<(), JobError> {
    name(&spec.name)?;
    range("members", spec.members.into(), 3, 100_000, "3 to 100 000")?;
    range("rounds", spec.rounds, 1, 1_000_000, "1 to 1 000 000")?;
    if let Some(clients) = spec.clients_per_round {
        let wanted = "3 to the number of members";
        range(
            "clients_per_round",
            clients.into(),
            3,
            spec.members.into(),
            wanted,
        )?;
    }
    data(spec)?;
    if let ModelSpec::Mlp(hidden) = spec.model {
        range(
            "model.mlp",
            hidden.into(),
            1,
            1 << 16,
            "1 to 65 536 hidden units",
        )?;
    }
    algorithm(spec)?;
    evaluation(spec)?;
    encoding(spec)?;
    federation(spec)?;
    match &spec.privacy {
        Some(found) => privacy(spec, found),
        None => Ok(()),
    }
}

/// What needs the examples, or the numbers that stand for them.
pub(super) fn fits(spec: &JobSpec, data: &Data, network: Network) -> Result<(), JobError> {
    if (network.inputs(), network.classes()) != (data.features, data.classes.into()) {
        let found = format!(
            "a model of {} features and {} classes",
            network.inputs(),
            network.classes()
        );
        return Err(key(
            "model.file",
            found,
            "one of the features and classes of the data",
        ));
    }
    let private = matches!(spec.algorithm, Algorithm::DpSgd { .. });
    // spec: [dp.sum.most]
    if private && data.most > MOST_EXAMPLES {
        let wanted = "at most 2^20 with dp-sgd, whose clip leaves room for the rounding of no more";
        return Err(key("data.max_examples", data.most, wanted));
    }
    if private && data.total.is_none() {
        let wanted = "a public number with dp-sgd: about how many examples all members have";
        return Err(key("data.total_examples", "missing", wanted));
    }
    Ok(())
}

fn name(name: &str) -> Result<(), JobError> {
    let sound =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(sound) {
        return Ok(());
    }
    let wanted = "1 to 64 of a to z, 0 to 9, `-`, `_` and `.`";
    Err(key("name", format_args!("{name:?}"), wanted))
}

fn data(spec: &JobSpec) -> Result<(), JobError> {
    match &spec.data {
        DataSpec::Digits { split, .. } if *split == Split::Hospitals => Err(key(
            "data.split",
            "hospitals",
            "iid, by-label or dirichlet for the digits",
        )),
        DataSpec::Cancer {
            split: Split::Hospitals,
            ..
        } if spec.members != 5 => Err(key(
            "members",
            spec.members,
            "5 for the split into five hospitals",
        )),
        DataSpec::Digits { .. } | DataSpec::Cancer { .. } => Ok(()),
        DataSpec::Csv {
            files,
            features,
            classes,
            scaling,
            max_examples,
            total_examples,
            ..
        } => {
            if !files.is_empty() && files.len() != spec.members as usize {
                let found = format!("{} files", files.len());
                return Err(key(
                    "data.files",
                    found,
                    "one file for each member, or none",
                ));
            }
            range(
                "data.features",
                (*features).into(),
                1,
                1 << 20,
                "1 to 1 048 576",
            )?;
            range("data.classes", (*classes).into(), 2, 255, "2 to 255")?;
            range(
                "data.max_examples",
                (*max_examples).into(),
                1,
                1 << 24,
                "1 to 2^24",
            )?;
            if let Some(total) = total_examples {
                range("data.total_examples", *total, 1, 1 << 40, "1 to 2^40")?;
            }
            if scaling.is_empty() || scaling.len() == *features as usize {
                return Ok(());
            }
            let found = format!("{} pairs", scaling.len());
            Err(key(
                "data.scaling",
                found,
                "mean and deviation of each feature, or nothing",
            ))
        }
    }
}

fn algorithm(spec: &JobSpec) -> Result<(), JobError> {
    let local = spec.local;
    range(
        "local.epochs",
        local.epochs.into(),
        1,
        10_000,
        "1 to 10 000",
    )?;
    range(
        "local.batch_size",
        local.batch_size.into(),
        1,
        u32::MAX.into(),
        "at least 1",
    )?;
    number(
        "local.rate",
        local.rate.into(),
        "a number above 0",
        |rate| rate > 0.0,
    )?;
    optimizer(spec).check()?;
    schedule(spec).check()?;
    match spec.algorithm {
        Algorithm::FedProx { mu } => {
            let wanted = "a number from 0, below 2 over the local rate";
            number("algorithm.mu", mu.into(), wanted, |found| {
                found >= 0.0 && mu * local.rate < 2.0
            })
        }
        Algorithm::DpSgd { clip, sampling, .. } => {
            bound("algorithm.clip", clip)?;
            let wanted = "a probability above 0, at most 1";
            number("algorithm.sampling", sampling, wanted, |rate| {
                rate > 0.0 && rate <= 1.0
            })
        }
        Algorithm::DpFedAvg {
            clip,
            adaptive_quantile,
            adaptive_rate,
            ..
        } => {
            bound("algorithm.clip", clip)?;
            let wanted = "a share from 0 to 1";
            number(
                "algorithm.adaptive_quantile",
                adaptive_quantile.unwrap_or(0.5),
                wanted,
                |share| (0.0..=1.0).contains(&share),
            )?;
            let wanted = "a number above 0, at most 1";
            number("algorithm.adaptive_rate", adaptive_rate, wanted, |rate| {
                rate > 0.0 && rate <= 1.0
            })
        }
        _ => Ok(()),
    }
}

fn evaluation(spec: &JobSpec) -> Result<(), JobError> {
    let found = &spec.evaluation;
    range(
        "evaluation.held_out_percent",
        found.held_out_percent.into(),
        1,
        50,
        "1 to 50",
    )?;
    // spec: [job.evaluation.private]
    if spec.privacy.is_some() && found.on == Some(Judge::Members) && found.every > 0 {
        let wanted = "\"public\" in a job with privacy: sums over held-out examples are exact, and no epsilon would cover them";
        return Err(key("evaluation.on", "\"members\"", wanted));
    }
    if found.on == Some(Judge::Public) && found.every > 0 && !has_test(&spec.data) {
        return Err(key(
            "evaluation.on",
            "\"public\"",
            "a file of public examples in data.test with it",
        ));
    }
    let Some(stop) = &spec.stop else {
        return Ok(());
    };
    range(
        "stop.patience",
        stop.patience.into(),
        1,
        u32::MAX.into(),
        "at least 1",
    )?;
    number(
        "stop.min_delta",
        stop.min_delta,
        "a number from 0",
        |delta| delta >= 0.0,
    )?;
    let judged = found.every > 0 && (spec.privacy.is_none() || has_test(&spec.data));
    if judged {
        return Ok(());
    }
    Err(key("stop", "set", "nothing in a job without evaluations"))
}

fn encoding(spec: &JobSpec) -> Result<(), JobError> {
    let found = spec.encoding;
    range(
        "encoding.bits",
        found.bits.unwrap_or(16).into(),
        4,
        16,
        "4 to 16",
    )?;
    let wanted = "a share above 0, at most 1";
    number("encoding.subset", found.subset, wanted, |share| {
        share > 0.0 && share <= 1.0
    })?;
    let wanted = "a share from 0 to 1";
    number("encoding.memory", found.memory, wanted, |share| {
        (0.0..=1.0).contains(&share)
    })?;
    if let Some(clip) = found.clip {
        bound("encoding.clip", clip)?;
    }
    let builtin = !matches!(spec.data, DataSpec::Csv { .. });
    match spec.algorithm {
        Algorithm::DpFedAvg { .. } if found.clip.is_some() => Err(key(
            "encoding.clip",
            "set",
            "nothing with dp-fedavg, whose clip is algorithm.clip",
        )),
        // A memory would bring an example into several rounds.
        // spec: [job.subset.private]
        Algorithm::DpSgd { .. } if found.subset < 1.0 => Err(key(
            "encoding.subset",
            found.subset,
            "1 with dp-sgd: what is remembered would count twice",
        )),
        Algorithm::DpSgd { .. } if found.clip.is_none() && !builtin => Err(key(
            "encoding.clip",
            "missing",
            "a bound of a member's summed gradients with dp-sgd on files",
        )),
        _ => Ok(()),
    }
}

fn federation(spec: &JobSpec) -> Result<(), JobError> {
    for (name, amount) in [
        ("federation.corrupt", spec.federation.corrupt),
        ("federation.dropout", spec.federation.dropout),
    ] {
        match amount {
            Amount::Count(count) => {
                let wanted = "a number below that of the members";
                range(name, count.into(), 0, u64::from(spec.members) - 1, wanted)?;
            }
            Amount::Rate(rate) => {
                let wanted = "a rate from 0 to below 1, or a whole number of members";
                number(name, rate, wanted, |rate| (0.0..1.0).contains(&rate))?;
            }
        }
    }
    Ok(())
}

fn privacy(spec: &JobSpec, found: &PrivacySpec) -> Result<(), JobError> {
    let wanted = "a number above 0, at most 40";
    number("privacy.epsilon", found.epsilon, wanted, |epsilon| {
        epsilon > 0.0 && epsilon <= EPSILON_MOST
    })?;
    let wanted = "a number above 0, below 1";
    number("privacy.delta", found.delta, wanted, |delta| {
        delta > 0.0 && delta < 1.0
    })?;
    // spec: [job.unit]
    let Some(unit) = spec.algorithm.unit() else {
        let wanted =
            "dp-sgd (hides an example) or dp-fedavg (hides a member) in a job with privacy";
        return Err(key("algorithm.name", spec.algorithm.name(), wanted));
    };
    if found.unit.is_some_and(|wanted| wanted != unit) {
        let wanted = "\"example\" with dp-sgd, \"member\" with dp-fedavg";
        return Err(key("privacy.unit", unit_name(found.unit), wanted));
    }
    if found.mechanism == Mechanism::Gaussian && found.sharing == Some(Sharing::DropoutExact) {
        let wanted = "shared or local for gaussian noise, whose shares do not add up";
        return Err(key("privacy.sharing", "dropout-exact", wanted));
    }
    if found.mechanism != Mechanism::Laplace {
        return Ok(());
    }
    if spec.encoding.rotation == Some(true) {
        let wanted = "false with laplace noise, since a rotation keeps the Euclidean norm alone";
        return Err(key("encoding.rotation", true, wanted));
    }
    match spec.algorithm {
        Algorithm::DpFedAvg {
            adaptive_quantile: Some(quantile),
            ..
        } => {
            let wanted =
                "nothing with laplace noise: a clip that adapts is one of the Euclidean norm";
            Err(key("algorithm.adaptive_quantile", quantile, wanted))
        }
        _ => Ok(()),
    }
}

fn unit_name(unit: Option<veilsum_dp::Unit>) -> String {
    unit.map_or_else(String::new, |unit| format!("\"{unit}\""))
}

pub(super) fn has_test(data: &DataSpec) -> bool {
    match data {
        DataSpec::Digits { .. } | DataSpec::Cancer { .. } => true,
        DataSpec::Csv { test, .. } => test.is_some(),
    }
}

fn range(
    name: &'static str,
    found: u64,
    least: u64,
    most: u64,
    wanted: &'static str,
) -> Result<(), JobError> {
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(key(name, found, wanted)),
    }
}

fn bound(name: &'static str, found: f64) -> Result<(), JobError> {
    let wanted = "a number from 1e-20 to 1e20";
    number(name, found, wanted, |clip| (1e-20..=1e20).contains(&clip))
}

fn number(
    name: &'static str,
    found: f64,
    wanted: &'static str,
    fit: impl Fn(f64) -> bool,
) -> Result<(), JobError> {
    match found.is_finite() && fit(found) {
        true => Ok(()),
        false => Err(key(name, found, wanted)),
    }
}
