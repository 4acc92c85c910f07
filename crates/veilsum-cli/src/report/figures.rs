//! Which figures a run has.

use super::chart::{
    Dot, EndLabel, Figure, Frame, Layer, Trace, WIDTH, dots, layers, level, text_width, together,
    trace,
};
use super::history::{Phase, Privacy, RoundOutcome, RoundRow, RunHistory, Score, unit_name, whose};
use super::number::{epsilon, percent, seconds, short, tick};
use super::scale::Scale;
use crate::table::bytes;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// All figures that this run has values for.
pub fn figures(history: &RunHistory) -> Vec<Figure> {
    let Some(rounds) = span(history) else {
        return Vec::new();
    };
    let mut figures: Vec<Figure> = [
        accuracy(history, rounds),
        loss(history, rounds),
        privacy(history, rounds),
        survivors(history, rounds),
        vanished(history, rounds),
        traffic(history, rounds),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !figures.len().is_multiple_of(2) {
        // figures stand in pairs
        figures.extend(time(history, rounds));
    }
    figures
}

type Rounds = (u64, u64);

fn accuracy(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    let scores = Scores::of(history, |score| score.accuracy.map(|value| value * 100.0));
    let scale = scores.scale(false)?.at_most(100.0);
    let name = |value: f64| percent(value / 100.0);
    Some(Figure {
        id: "accuracy",
        title: "Accuracy".into(),
        caption: scores.caption("share of right answers on examples that nobody trained on"),
        about: scores.about("accuracy", name),
        shapes: scores.draw(rounds, scale, "accuracy, %", name),
    })
}

fn loss(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    let scores = Scores::of(history, |score| score.loss);
    let scale = scores.scale(true)?;
    Some(Figure {
        id: "loss",
        title: "Loss".into(),
        caption: scores.caption("mean cross-entropy on the same examples"),
        about: scores.about("loss in nats", nats),
        shapes: scores.draw(rounds, scale, "loss, nats", nats),
    })
}

/// One measure of the models that are compared.
struct Scores {
    secure: Vec<(u64, f64)>,
    plain: Vec<(u64, f64)>,
    pooled: Option<f64>,
    noised: bool,
}

impl Scores {
    fn of(history: &RunHistory, measure: impl Fn(Score) -> Option<f64>) -> Self {
        Self {
            secure: values(history, |row| measure(row.secure)),
            plain: values(history, |row| measure(row.plain)),
            pooled: measure(history.pooled),
            noised: history.privacy.is_some(),
        }
    }

    /// `None` without a value.
    fn scale(&self, from_zero: bool) -> Option<Scale> {
        if self.secure.is_empty() {
            return None;
        }
        let lines = self.secure.iter().chain(&self.plain);
        let values = lines.map(|(_, value)| *value).chain(self.pooled);
        Some(Scale::around(values, from_zero, 4))
    }

    fn secure_name(&self) -> &'static str {
        if self.noised {
            "masked + noise"
        } else {
            "masked sums"
        }
    }

    fn caption(&self, what: &str) -> String {
        let mut text = format!("After each round: {what}.");
        if !self.plain.is_empty() {
            text += match self.noised {
                true => {
                    " The broad line has the same rounds and survivors without masks and noise."
                }
                false => " The broad line has the same rounds and survivors without masks.",
            };
        }
        text
    }

    fn about(&self, what: &str, name: impl Fn(f64) -> String) -> String {
        let mut text = format!("A line of the {what} after each round.");
        for (whose, values) in [
            (self.secure_name(), &self.secure),
            ("plain averages", &self.plain),
        ] {
            if let (Some((_, first)), Some((_, last))) = (values.first(), values.last()) {
                text += &format!(" {whose}: from {} to {}.", name(*first), name(*last));
            }
        }
        if let Some(pooled) = self.pooled {
            text += &format!(" Pooled data: {}.", name(pooled));
        }
        text
    }

    fn draw(
        &self,
        rounds: Rounds,
        scale: Scale,
        what: &str,
        name: impl Fn(f64) -> String,
    ) -> Markup {
        let named = [
            (
                self.secure_name(),
                "secure",
                self.secure.last().map(|(_, value)| *value),
            ),
            (
                "plain averages",
                "plain",
                self.plain.last().map(|(_, value)| *value),
            ),
            ("pooled data", "pooled", self.pooled),
        ];
        let room = EndLabel::room(
            named
                .iter()
                .filter(|(_, _, value)| value.is_some())
                .map(|(name, ..)| *name),
        );
        let frame = Frame::new(rounds, scale, room);
        let labels = named.into_iter().filter_map(|(text, class, value)| {
            let value = value?;
            Some(EndLabel::new(
                frame.y(value),
                class,
                [text.to_owned(), name(value)],
            ))
        });
        let labels = labels.collect();
        let plain: BTreeMap<u64, f64> = self.plain.iter().copied().collect();
        html! {
            (frame.axes(what, |value| tick(value, scale.step)))
            @if let Some(pooled) = self.pooled { (level(&frame, pooled, "pooled")) }
            (trace(&frame, &self.plain, "plain broad", Trace::Straight))
            (trace(&frame, &self.secure, "secure", Trace::Straight))
            (EndLabel::draw(&frame, labels))
            (tips(&frame, &self.secure, |round, value| {
                let mut lines = vec![format!("{}: {}", self.secure_name(), name(value))];
                lines.extend(plain.get(&round).map(|value| format!("plain averages: {}", name(*value))));
                lines
            }))
        }
    }
}

fn privacy(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    let privacy = history.privacy.as_ref()?;
    let total = values(history, |row| row.epsilon_total);
    let (_, last) = *total.last()?;
    let shown = total.iter().map(|(_, value)| *value).chain(privacy.budget);
    let scale = Scale::around(shown, true, 4);
    let beside = beside(privacy);
    let name = format!("epsilon {}", epsilon(last));
    let room = EndLabel::room([name.as_str(), beside.0.as_str(), beside.1.as_str()]);
    let frame = Frame::new(rounds, scale, room);
    let mut labels = vec![EndLabel::new(
        frame.y(last),
        "secure",
        [name, beside.0.clone(), beside.1.clone()],
    )];
    if let Some(budget) = privacy.budget {
        labels.push(EndLabel::new(
            frame.y(budget),
            "pooled",
            ["budget".into(), epsilon(budget)],
        ));
    }
    let shapes = html! {
        (frame.axes("epsilon of all rounds so far", |value| tick(value, scale.step)))
        @if let Some(budget) = privacy.budget { (level(&frame, budget, "pooled")) }
        (trace(&frame, &total, "secure", Trace::Steps))
        (EndLabel::draw(&frame, labels))
        (tips(&frame, &total, |_, value| vec![format!("epsilon so far: {}", epsilon(value)), beside.0.clone(), beside.1.clone()]))
    };
    Some(Figure {
        id: "epsilon",
        title: "Privacy spent".into(),
        caption: format!(
            "Epsilon at delta {}, for {}. Less is more private; it only grows.",
            short(privacy.delta),
            whose(privacy.unit)
        ),
        about: format!(
            "Epsilon grows to {} ({}, {}) in {} rounds.",
            epsilon(last),
            beside.0,
            beside.1,
            total.len()
        ),
        shapes,
    })
}

/// Unit and delta, which stand beside every epsilon.
fn beside(privacy: &Privacy) -> (String, String) {
    (
        format!("unit: {}", unit_name(privacy.unit)),
        format!("delta {}", short(privacy.delta)),
    )
}

fn survivors(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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
            "in it, then gone",
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
            _ => total
                .map(|row| u64::from(row.survivors - row.vanished_in_sum()))
                .sum(),
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

fn vanished(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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

fn traffic(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    let up = values(history, |row| row.upload_bytes.map(|count| count as f64));
    let down = values(history, |row| row.download_bytes.map(|count| count as f64));
    let largest = up
        .iter()
        .chain(&down)
        .map(|(_, value)| *value)
        .fold(0.0, f64::max);
    if up.is_empty() || largest <= 0.0 {
        return None;
    }
    let (unit, name) = unit_of(largest);
    let in_units = |values: &[(u64, f64)]| -> Vec<(u64, f64)> {
        values
            .iter()
            .map(|(round, value)| (*round, value / unit))
            .collect()
    };
    let scale = Scale::around(
        in_units(&up)
            .iter()
            .chain(&in_units(&down))
            .map(|(_, value)| *value),
        true,
        4,
    );
    let total = |values: &[(u64, f64)]| bytes(values.iter().map(|(_, value)| *value as u64).sum());
    let lines = [("sent", "secure", &up), ("received", "down", &down)];
    let texts: Vec<String> = lines
        .iter()
        .map(|(_, _, values)| format!("{} in all", total(values)))
        .collect();
    let room = EndLabel::room(texts.iter().map(String::as_str));
    let frame = Frame::new(rounds, scale, room);
    let labels = lines
        .iter()
        .zip(&texts)
        .filter_map(|((text, class, values), total)| {
            let (_, last) = values.last()?;
            Some(EndLabel::new(
                frame.y(last / unit),
                class,
                [(*text).to_owned(), total.clone()],
            ))
        });
    let labels = labels.collect();
    let received: BTreeMap<u64, f64> = down.iter().copied().collect();
    let shapes = html! {
        (frame.axes(&format!("{name} a round, all members"), |value| tick(value, scale.step)))
        (trace(&frame, &in_units(&down), "down", Trace::Straight))
        (trace(&frame, &in_units(&up), "secure", Trace::Straight))
        (EndLabel::draw(&frame, labels))
        (tips(&frame, &up, |round, value| {
            let mut lines = vec![format!("sent: {}", bytes(value as u64))];
            lines.extend(received.get(&round).map(|value| format!("received: {}", bytes(*value as u64))));
            lines
        }))
    };
    Some(Figure {
        id: "bytes",
        title: "Bytes".into(),
        caption: match down.is_empty() {
            true => "What all members together sent in a round, every attempt counted.".into(),
            false => {
                "What all members together sent and received in a round, every attempt counted."
                    .into()
            }
        },
        about: lines
            .iter()
            .zip(&texts)
            .filter(|((_, _, values), _)| !values.is_empty())
            .map(|((text, ..), total)| format!("{text}: {total}. "))
            .collect::<String>()
            .trim_end()
            .to_owned(),
        shapes,
    })
}

fn time(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
    let time = values(history, |row| row.wall_s);
    let longest = time.iter().map(|(_, value)| *value).reduce(f64::max)?;
    let (unit, name) = if longest < 1.0 {
        (0.001, "milliseconds")
    } else {
        (1.0, "seconds")
    };
    let shown: Vec<(u64, f64)> = time
        .iter()
        .map(|(round, value)| (*round, value / unit))
        .collect();
    let scale = Scale::around(shown.iter().map(|(_, value)| *value), true, 4);
    let total = seconds(time.iter().map(|(_, value)| value).sum());
    let all = format!("{total} in all");
    let frame = Frame::new(rounds, scale, EndLabel::room([all.as_str()]));
    let end = shown.last().map_or(0.0, |(_, value)| *value);
    let shapes = html! {
        (frame.axes(&format!("{name} a round"), |value| tick(value, scale.step)))
        (trace(&frame, &shown, "secure", Trace::Straight))
        (EndLabel::draw(&frame, vec![EndLabel::new(frame.y(end), "secure", ["time".to_owned(), all.clone()])]))
        (tips(&frame, &time, |_, value| vec![seconds(value)]))
    };
    Some(Figure {
        id: "time",
        title: "Time".into(),
        caption: "From the opening of a round to its sum, training included.".into(),
        about: format!("{all}, at most {} a round.", seconds(longest)),
        shapes,
    })
}

fn nats(value: f64) -> String {
    format!("{value:.3}")
}

/// The unit that a count of bytes is best told in.
fn unit_of(largest: f64) -> (f64, &'static str) {
    const KIB: f64 = 1024.0;
    match largest {
        v if v < 4.0 * KIB => (1.0, "bytes"),
        v if v < 4.0 * KIB * KIB => (KIB, "KiB"),
        v if v < 4.0 * KIB * KIB * KIB => (KIB * KIB, "MiB"),
        _ => (KIB * KIB * KIB, "GiB"),
    }
}

fn values(history: &RunHistory, of: impl Fn(&RoundRow) -> Option<f64>) -> Vec<(u64, f64)> {
    let rows = history.rounds.iter();
    rows.filter_map(|row| Some((row.round, of(row).filter(|value| value.is_finite())?)))
        .collect()
}

fn span(history: &RunHistory) -> Option<Rounds> {
    let rounds = || history.rounds.iter().map(|row| row.round);
    Some((rounds().min()?, rounds().max()?))
}

/// Tips for the rounds that have a value; too many would only make the page heavy.
fn tips(frame: &Frame, values: &[(u64, f64)], lines: impl Fn(u64, f64) -> Vec<String>) -> Markup {
    let tips = values.iter().filter(|_| values.len() <= MOST_TIPS);
    together(tips.map(|(round, value)| frame.tip(*round, &lines(*round, *value))))
}

const MOST_TIPS: usize = 400;
