//! The demo as a run for the report.

use super::federation::Federation;
use super::report::Report;
use super::round::Judged;
use super::script::Point;
use crate::report::{Fact, Phase, RoundOutcome, RoundRow, RunHistory, Score, Vanished};
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
        privacy: None,
        settings: settings(federation),
        hidden: HIDDEN.map(str::to_owned).into(),
        visible: VISIBLE.map(str::to_owned).into(),
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
        epsilon: None,
        epsilon_total: None,
        upload_bytes: summed.then_some(round.upload_bytes),
        download_bytes: None,
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

fn settings(federation: &Federation) -> Vec<Fact> {
    let Federation {
        members,
        parameters,
        plan,
        data,
        ..
    } = federation;
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    vec![
        fact(
            "data",
            format!(
                "{} handwritten digits (UCI), dealt by label: members see different digits",
                grouped((data.train.len() + data.test.len()) as u64)
            ),
        ),
        fact(
            "judged on",
            format!(
                "{} images that nobody trained on",
                grouped(data.test.len() as u64)
            ),
        ),
        fact("seed", data.seed().0.to_string()),
        fact("algorithm", "FedAvg, weighted by examples".to_owned()),
        fact(
            "update",
            format!(
                "{} coordinates of {} bits, masked: {}",
                grouped(plan.coordinates()),
                plan.lane_bits(),
                bytes(plan.packed_bytes() as u64)
            ),
        ),
        fact(
            "quorum",
            format!("{} of {members} sign who is in a sum", parameters.q),
        ),
        fact(
            "withstands",
            format!(
                "{} members that vanish at any moment, and beside them {} that work with the coordinator",
                parameters.d, parameters.c
            ),
        ),
        fact("smallest sum", format!("{} members", parameters.f)),
    ]
}

const HIDDEN: [&str; 3] = [
    "Each member's update. The coordinator received it under masks that only the sum takes off.",
    "Each member's number of examples: it is a lane of the same masked vector.",
    "The images. They never left their member's process.",
];

const VISIBLE: [&str; 4] = [
    "The sum of each round, the sum of its weights, and the model that they make. What a sum tells about a member depends on how many are in it.",
    "Who took part in which round, who went silent when, and how many bytes each sent.",
    "No noise was added, so nothing bounds what the sums tell: no epsilon can be stated.",
    "The demo itself holds the seeds of its members, which is how it could make every contribution again and compare.",
];
