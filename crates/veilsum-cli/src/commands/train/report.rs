//! A training as a run for the report.

use super::lines::{Judgement, RoundLine, Summary};
use crate::report::{
    BytesOf, Fact, Privacy, RoundOutcome, RoundRow, RunHistory, Score, epsilon, short, whose,
};
use crate::table::rounds;
use veilsum_learn::Job;

/// All of a training that the report shows.
pub(super) fn of(job: &Job, members: u32, lines: &[RoundLine], summary: &Summary) -> RunHistory {
    RunHistory {
        title: format!(
            "{}: {members} members, {}",
            job.spec().name,
            rounds(summary.rounds)
        ),
        verdict: verdict(summary),
        rounds: lines.iter().map(|line| row(members, line)).collect(),
        pooled: score(summary.pooled),
        clear: score(summary.plain),
        central: score(summary.central),
        bytes_of: BytesOf::Each,
        privacy: privacy(job, summary),
        noise_is_known: summary.noised && summary.seeded,
        settings: settings(job, summary),
        hidden: vec![
            "On a network: each member's update, under masks that only the sum takes off, and its examples.".to_owned(),
        ],
        visible: vec![
            "The sum of each round, the sum of its weights, and the model that they make.".to_owned(),
            "This training ran in one process, which saw everything: it shows what a federation would learn and pay, and keeps nothing from this machine.".to_owned(),
        ],
    }
}

fn verdict(summary: &Summary) -> String {
    let noise = match summary.noised {
        true => " and of the noise that stays",
        false => "",
    };
    let exact = match summary.exact {
        Some(true) => "equals",
        Some(false) => "DOES NOT EQUAL",
        None => return format!("None of {} gave a sum.", rounds(summary.rounds)),
    };
    format!(
        "{} of {} rounds gave a sum ({}). Every sum {exact} the plain sum of its survivors{noise}.",
        summary.sums, summary.rounds, summary.ending
    )
}

fn row(members: u32, line: &RoundLine) -> RoundRow {
    RoundRow {
        round: line.round,
        attempt: 0,
        outcome: match (&line.abort, line.exact) {
            (Some(reason), _) => RoundOutcome::NoSum(reason.clone()),
            (None, Some(false)) => RoundOutcome::Different,
            (None, _) => RoundOutcome::Equal,
        },
        digest: None,
        members,
        survivors: line.survivor_ids.len() as u32,
        vanished: Vec::new(),
        secure: score(line.public.or(line.members)),
        plain: Score::default(),
        epsilon: line.privacy.map(|spent| spent.epsilon),
        epsilon_total: line.privacy.map(|spent| spent.epsilon_total),
        upload_bytes: Some(line.upload_bytes),
        download_bytes: Some(line.download_bytes),
        wall_s: Some(line.wall_s),
    }
}

fn score(found: Option<Judgement>) -> Score {
    Score {
        accuracy: found.map(|found| found.accuracy),
        loss: found.map(|found| found.loss),
    }
}

fn privacy(job: &Job, summary: &Summary) -> Option<Privacy> {
    let (spec, spent) = (job.spec().privacy?, summary.privacy?);
    Some(Privacy {
        unit: spent.unit,
        delta: spent.delta,
        mechanism: format!(
            "{}; epsilon {} over {} at delta {}, for {}",
            spec.mechanism.name(),
            epsilon(spent.epsilon_total),
            rounds(summary.rounds),
            short(spent.delta),
            whose(spent.unit)
        ),
        budget: Some(spent.epsilon_budget),
    })
}

fn settings(job: &Job, summary: &Summary) -> Vec<Fact> {
    let weighted = match job.is_weighted() {
        true => "weighted by examples",
        false => "every member counts alike",
    };
    let noise = summary.seeded.then(|| {
        let text = match summary.noised {
            true => "from the seed, nothing is private",
            false => "none; rounding is from the seed",
        };
        ("noise", text.to_owned())
    });
    let facts = [
        ("algorithm", format!("{}, {weighted}", summary.algorithm)),
        ("judged on", summary.judged_on.to_owned()),
        ("seed of the training", job.spec().seed.to_string()),
        (
            "model",
            format!(
                "version {}, SHA-256 {}",
                summary.version, summary.model_sha256
            ),
        ),
    ];
    let facts = facts.into_iter().chain(noise);
    facts
        .map(|(name, value)| Fact {
            name: name.to_owned(),
            value,
        })
        .collect()
}
