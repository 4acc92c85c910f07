//! The demo as a run for the report.

use super::federation::Federation;
use super::report::{Report, noise_words, privacy_words};
use super::round::Judged;
use super::script::Point;
use crate::report::{
    BytesOf, Fact, Phase, Privacy, RoundOutcome, RoundRow, RunHistory, Score, Vanished, whose,
};
use crate::table::{bytes, grouped, rounds};
use veilsum_learn::Evaluation;
use veilsum_proto::ids::Slot;

/// All of the run that the report shows.
pub fn of(federation: &Federation, report: &Report) -> RunHistory {
    RunHistory {
        title: format!(
            "Veilsum demo: {} members, {}",
            federation.members,
            rounds(federation.rounds)
        ),
        verdict: format!(
            "{} The coordinator learned the sums and no single update.",
            report.verdict()
        ),
        rounds: report.rounds().iter().map(row).collect(),
        pooled: score(report.pooled()),
        clear: Score::default(),
        central: Score::default(),
        bytes_of: BytesOf::All,
        privacy: federation.noise.as_ref().map(|noise| Privacy {
            unit: noise.unit(),
            delta: noise.delta(),
            mechanism: format!(
                "{}; {}",
                noise_words(&federation.job, noise),
                privacy_words(&federation.job, noise)
            ),
            budget: federation.job.spec().privacy.map(|privacy| privacy.epsilon),
        }),
        noise_is_known: false,
        settings: settings(federation, report),
        hidden: hidden(federation),
        visible: visible(report),
    }
}

fn row(round: &Judged) -> RoundRow {
    let survived = |slot: &Slot| round.survivor_ids.contains(slot);
    let vanished = round.vanished.iter().map(|vanished| Vanished {
        member: format!("member {}", vanished.member),
        phase: phase(vanished.phase),
        in_sum: survived(&vanished.member),
    });
    let summed = round.abort.is_none();
    RoundRow {
        round: round.round.0,
        attempt: round.attempt.0,
        outcome: match &round.abort {
            Some(reason) => RoundOutcome::NoSum(reason.clone()),
            None if round.exact => RoundOutcome::Exact {
                integers: round.integers as u64,
            },
            None => RoundOutcome::Different,
        },
        digest: round.digest.clone(),
        members: round.members,
        survivors: round.survivors as u32,
        vanished: vanished.collect(),
        secure: score(round.secure),
        plain: score(round.plain),
        epsilon: round.epsilon,
        epsilon_total: round.epsilon_total,
        upload_bytes: summed.then_some(round.upload_bytes),
        download_bytes: (round.download_bytes > 0).then_some(round.download_bytes),
        wall_s: summed.then_some(round.wall_s),
    }
}

fn score(found: Evaluation) -> Score {
    Score {
        accuracy: Some(found.accuracy),
        loss: Some(found.loss),
    }
}

fn phase(point: Point) -> Phase {
    match point {
        Point::Advertise => Phase::Advertise,
        Point::Share => Phase::Share,
        Point::Upload => Phase::Upload,
        Point::MidUpload => Phase::MidUpload,
        Point::Confirm => Phase::Confirm,
        Point::Reveal => Phase::Reveal,
    }
}

fn settings(federation: &Federation, report: &Report) -> Vec<Fact> {
    let Federation {
        members,
        parameters,
        plan,
        job,
        images,
        ..
    } = federation;
    let weighted = match job.is_weighted() {
        true => "weighted by examples",
        false => "every member counts alike",
    };
    [
        (
            "data",
            format!(
                "{} handwritten digits (UCI), dealt by label: members see different digits",
                grouped(*images as u64)
            ),
        ),
        (
            "judged on",
            format!("{} images that nobody trained on", grouped(report.test_images() as u64)),
        ),
        ("algorithm", format!("{}, {weighted}", job.spec().algorithm.name())),
        ("seed of the training", job.spec().seed.to_string()),
        (
            "update",
            format!(
                "{} coordinates of {} bits, masked: {}",
                grouped(plan.coordinates()),
                plan.lane_bits(),
                bytes(plan.packed_bytes() as u64)
            ),
        ),
        ("quorum", format!("{} of {members} sign who is in a sum", parameters.q)),
        (
            "withstands",
            format!(
                "{} members that vanish at any moment, and beside them {} that work with the coordinator",
                parameters.d, parameters.c
            ),
        ),
        ("smallest sum", format!("{} members", parameters.f)),
    ]
    .map(|(name, value)| Fact {
        name: name.to_owned(),
        value,
    })
    .into()
}

fn hidden(federation: &Federation) -> Vec<String> {
    let mut hidden = vec![
        "Each member's update. The coordinator received it under masks that only the sum takes off."
            .to_owned(),
        "The images. They never left their member's process.".to_owned(),
    ];
    if federation.job.is_weighted() {
        hidden.push(
            "Each member's number of examples: it is a lane of the same masked vector.".to_owned(),
        );
    }
    if let Some(noise) = &federation.noise {
        hidden.push(format!(
            "Up to epsilon and delta: {}. Noise was in each update before it was masked.",
            whose(noise.unit())
        ));
    }
    hidden
}

fn visible(report: &Report) -> Vec<String> {
    let mut visible = vec![
        "The sum of each round, the sum of its weights, and the model that they make. What a sum tells about a member depends on how many are in it.",
        "Who took part in which round, who went silent when, and how many bytes each sent.",
    ];
    if report.spent().is_none() {
        visible.push(
            "No noise was added, so nothing bounds what the sums tell: no epsilon can be stated.",
        );
    }
    visible.push("The demo itself holds the seeds of its members, which is how it could make every contribution again and compare: nothing is hidden from it.");
    visible.into_iter().map(str::to_owned).collect()
}
