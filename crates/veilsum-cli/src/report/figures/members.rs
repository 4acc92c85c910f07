//! Who is in the sums, and who went silent where.

use super::Rounds;
use crate::report::chart::{
    Dot, EndLabel, Figure, Frame, Layer, WIDTH, dots, layers, text_width, together,
};
use crate::report::history::{Phase, RoundOutcome, RoundRow, RunHistory};
use crate::report::number::tick;
use crate::report::scale::Scale;
use maud::html;
use std::collections::BTreeMap;

pub(super) fn survivors(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    let most = history
        .rounds
        .iter()
        .map(|row| row.members.max(row.survivors))
        .max()?;
    let scale = Scale::counts(u64::from(most), 4);
    let bar = |from: fn(&RoundRow) -> u32, to: fn(&RoundRow) -> u32| -> Vec<(u64, f64, f64)> {
        let bars = history.rounds.iter().filter(|row| row.outcome.has_sum());
        bars.map(|row| (row.round, f64::from(from(row)), f64::from(to(row))))
            .collect()
    };
    let stack = [
        (
            "in the sum",
            "stayed",
            bar(|_| 0, |row| row.survivors - row.vanished_in_sum()),
        ),
        (
            "of them gone later",
            "later",
            bar(
                |row| row.survivors - row.vanished_in_sum(),
                |row| row.survivors,
            ),
        ),
        (
            "not in the sum",
            "lost",
            bar(|row| row.survivors, |row| row.members),
        ),
    ];
    let seen =
        |bars: &[(u64, f64, f64)]| bars.iter().rev().find(|(_, from, to)| to > from).copied();
    let named: Vec<_> = stack
        .iter()
        .filter_map(|(name, class, bars)| Some((*name, *class, seen(bars)?)))
        .collect();
    let room = EndLabel::room(named.iter().map(|(name, ..)| *name));
    let frame = Frame::new(rounds, scale, room);
    let labels = named.iter().map(|(name, class, (_, from, to))| {
        let total = history.rounds.iter().filter(|row| row.outcome.has_sum());
        let total: u64 = match *class {
            "later" => total.map(|row| u64::from(row.vanished_in_sum())).sum(),
            "lost" => total
                .map(|row| u64::from(row.members.saturating_sub(row.survivors)))
                .sum(),
            // those who are gone later are in it too
            _ => total.map(|row| u64::from(row.survivors)).sum(),
        };
        EndLabel::new(
            frame.y((from + to) / 2.0),
            class,
            [(*name).to_owned(), format!("{total} in all")],
        )
    });
    let labels = labels.collect();
    let drawn: Vec<Layer> = stack
        .iter()
        .map(|(_, class, bars)| Layer {
            class,
            bars: bars.clone(),
        })
        .collect();
    let without = history.rounds.iter().filter(|row| !row.outcome.has_sum());
    let shapes = html! {
        (frame.axes("members", |value| tick(value, scale.step)))
        (layers(&frame, &drawn))
        @for row in without {
            text.cross.middle x=(format!("{:.1}", frame.bands.middle(row.round))) y=(format!("{:.1}", frame.bottom - 6.0)) { "×" }
        }
        (EndLabel::draw(&frame, labels))
        (together(history.rounds.iter().map(|row| frame.tip(row.round, &told(row)))))
    };
    let (least, summed) = (
        history
            .rounds
            .iter()
            .filter(|row| row.outcome.has_sum())
            .map(|row| row.survivors)
            .min(),
        history.summed(),
    );
    Some(Figure {
        id: "survivors",
        title: "Who is in the sums".into(),
        caption: match summed == history.rounds.len() {
            true => "Members of each round. Whoever goes silent after its upload is in the sum all the same.".into(),
            false => "Members of each round; × marks a round that ended without a sum.".into(),
        },
        about: format!(
            "Bars of the members in each of {summed} sums; at least {} of {most}.",
            least.unwrap_or(0)
        ),
        shapes,
    })
}

fn told(row: &RoundRow) -> Vec<String> {
    let mut lines = vec![format!("{} of {} in the sum", row.survivors, row.members)];
    lines.extend(
        row.vanished
            .iter()
            .map(|vanished| format!("{} silent in {}", vanished.member, vanished.phase)),
    );
    if let RoundOutcome::NoSum(reason) = &row.outcome {
        lines.push(format!("no sum: {reason}"));
    }
    lines
}

pub(super) fn vanished(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    if history.vanished() == 0 {
        return None;
    }
    let mut counts = BTreeMap::<(Phase, u64), (u32, u32)>::new();
    for row in &history.rounds {
        for vanished in &row.vanished {
            let (count, kept) = counts.entry((vanished.phase, row.round)).or_default();
            *count += 1;
            *kept += u32::from(vanished.in_sum);
        }
    }
    let seen = |phase: &Phase| counts.keys().any(|(seen, _)| seen == phase);
    let rare = [Phase::Accept, Phase::MidUpload, Phase::Recover];
    let phases: Vec<Phase> = Phase::ALL
        .into_iter()
        .filter(|phase| seen(phase) || !rare.contains(phase))
        .collect();
    let left = 22.0
        + phases
            .iter()
            .map(|phase| text_width(phase.name()))
            .fold(0.0, f64::max);
    let scale = Scale::counts(1, 1);
    let frame = Frame::new(rounds, scale, 52.0).beside(left, rounds);
    let row = (frame.bottom - frame.top) / phases.len().max(1) as f64;
    let most = counts.values().map(|(count, _)| *count).max().unwrap_or(1);
    let y = |phase: Phase| {
        let place = phases.iter().position(|other| *other == phase).unwrap_or(0);
        frame.top + row * (place as f64 + 0.5)
    };
    let spots = counts.iter().map(|((phase, round), (count, kept))| Dot {
        round: *round,
        y: y(*phase),
        count: *count,
        class: if kept * 2 >= *count { "later" } else { "lost" },
    });
    let spots: Vec<Dot> = spots.collect();
    let in_all = |phase: Phase| -> u32 {
        let own = counts.iter().filter(|((other, _), _)| *other == phase);
        own.map(|(_, (count, _))| count).sum()
    };
    let edge = |value: f64| format!("{value:.1}");
    let shapes = html! {
        text.axis-name x="4" y=(edge(frame.top - 15.0)) { "silent from" }
        text.axis-name.end x=(edge(WIDTH - 4.0)) y=(edge(frame.top - 15.0)) { "in all" }
        @for phase in &phases {
            line.grid x1=(edge(frame.left)) x2=(edge(frame.right)) y1=(edge(y(*phase))) y2=(edge(y(*phase))) {}
            text.row x="4" y=(edge(y(*phase) + 4.0)) { (phase) }
            text.value.end x=(edge(WIDTH - 4.0)) y=(edge(y(*phase) + 4.0)) { (in_all(*phase)) }
        }
        (frame.rounds())
        (dots(&frame, &spots, most))
        (together(history.rounds.iter().filter(|row| !row.vanished.is_empty()).map(|row| frame.tip(row.round, &told(row)))))
    };
    Some(Figure {
        id: "vanished",
        title: "Where members went silent".into(),
        caption: "The phase that a member no longer answered in. Blue: its contribution is in the sum; orange: it is not.".into(),
        about: phases.iter().map(|phase| format!("{phase}: {}. ", in_all(*phase))).collect::<String>().trim_end().to_owned(),
        shapes,
    })
}
