//! What the noise costs, unit and delta beside every epsilon.

use super::{Rounds, tips, values};
use crate::report::chart::{EndLabel, Figure, Frame, Trace, level, trace};
use crate::report::history::{Privacy, RunHistory, unit_name, whose};
use crate::report::number::{epsilon, short, tick};
use crate::report::scale::Scale;
use maud::html;

pub(super) fn privacy(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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
        (frame.axes(&format!("epsilon so far ({}, {})", beside.0, beside.1), |value| tick(value, scale.step)))
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
