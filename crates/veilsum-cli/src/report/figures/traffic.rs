//! What rounds cost in bytes and time.

use super::{Rounds, tips, values};
use crate::report::chart::{EndLabel, Figure, Frame, Trace, trace};
use crate::report::history::{BytesOf, RunHistory};
use crate::report::number::{seconds, tick};
use crate::report::scale::Scale;
use crate::table::bytes;
use maud::html;
use std::collections::BTreeMap;

pub(super) fn traffic(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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
    let whose = match history.bytes_of {
        BytesOf::All => "all members",
        BytesOf::Each => "one member",
    };
    let shapes = html! {
        (frame.axes(&format!("{name} a round, {whose}"), |value| tick(value, scale.step)))
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
        caption: match history.bytes_of {
            BytesOf::All if down.is_empty() => "What all members together sent in a round, every attempt counted.",
            BytesOf::All => "What all members together sent in a round, every attempt counted, and what they received of its model.",
            BytesOf::Each => "What that member which had most to send sent in a round, and what it received, the model included.",
        }
        .into(),
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

pub(super) fn time(history: &RunHistory, rounds: Rounds) -> Option<Figure> {
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
