//! How good the models are: accuracy and loss.

use super::{Rounds, tips, values};
use crate::report::chart::{EndLabel, Figure, Frame, Trace, level, trace};
use crate::report::history::{RunHistory, Score};
use crate::report::number::{percent, tick};
use crate::report::scale::Scale;
use maud::{Markup, html};
use std::collections::BTreeMap;

pub(super) fn accuracy(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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

pub(super) fn loss(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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
    /// Name and class of models made another way, and how good they are in the end.
    levels: Vec<(&'static str, &'static str, f64)>,
    noised: bool,
}

impl Scores {
    fn of(history: &RunHistory, measure: impl Fn(Score) -> Option<f64>) -> Self {
        Self {
            secure: values(history, |row| measure(row.secure)),
            plain: values(history, |row| measure(row.plain)),
            levels: [
                ("pooled data", "pooled", history.pooled),
                ("in the clear", "plain", history.clear),
                ("central noise", "down", history.central),
            ]
            .into_iter()
            .filter_map(|(name, class, score)| Some((name, class, measure(score)?)))
            .collect(),
            noised: history.privacy.is_some(),
        }
    }

    /// `None` without a value.
    fn scale(&self, from_zero: bool) -> Option<Scale> {
        if self.secure.is_empty() {
            return None;
        }
        let lines = self.secure.iter().chain(&self.plain);
        let values = lines
            .map(|(_, value)| *value)
            .chain(self.levels.iter().map(|(.., value)| *value));
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
        for (whose, _, value) in &self.levels {
            text += &format!(" {whose}: {}.", name(*value));
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
        let end = |values: &[(u64, f64)]| values.last().map(|(_, value)| *value);
        let lines = [
            (self.secure_name(), "secure", end(&self.secure)),
            ("plain averages", "plain", end(&self.plain)),
        ];
        let lines = lines
            .into_iter()
            .filter_map(|(name, class, value)| Some((name, class, value?)));
        let named: Vec<_> = lines.chain(self.levels.iter().copied()).collect();
        let frame = Frame::new(
            rounds,
            scale,
            EndLabel::room(named.iter().map(|(name, ..)| *name)),
        );
        let labels = named.iter().map(|(text, class, value)| {
            EndLabel::new(frame.y(*value), class, [(*text).to_owned(), name(*value)])
        });
        let labels = labels.collect();
        let plain: BTreeMap<u64, f64> = self.plain.iter().copied().collect();
        html! {
            (frame.axes(what, |value| tick(value, scale.step)))
            @for (_, class, value) in &self.levels { (level(&frame, *value, class)) }
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

fn nats(value: f64) -> String {
    format!("{value:.3}")
}
