//! Lines over rounds.

use super::{Frame, at};
use maud::{Markup, html};
use std::fmt::Write as _;

/// How a line goes from one round to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Straight.
    Straight,
    /// Up at the start of a round, then level: what is spent stays spent.
    Steps,
}

/// A line through these values, with a dot each where there is room for dots. Rounds without a value are bridged.
pub fn trace(frame: &Frame, values: &[(u64, f64)], class: &'static str, trace: Trace) -> Markup {
    let dotted = frame.bands.width() >= 9.0 && trace == Trace::Straight;
    html! {
        path class={"line " (class)} fill="none" d=(path(frame, values, trace)) {}
        @if (dotted && !class.ends_with("broad")) || values.len() == 1 {
            @for (round, value) in values {
                circle class={"dot " (class)} cx=(at(frame.bands.middle(*round))) cy=(at(frame.y(*value))) r="2.6" {}
            }
        }
        @if trace == Trace::Steps {
            path class={"area " (class)} d=(area(frame, values)) {}
        }
    }
}

/// A value that holds for all rounds.
pub fn level(frame: &Frame, value: f64, class: &'static str) -> Markup {
    let y = at(frame.y(value));
    html! {
        line class={"level " (class)} x1=(at(frame.left)) x2=(at(frame.right)) y1=(y) y2=(y) {}
    }
}

fn path(frame: &Frame, values: &[(u64, f64)], trace: Trace) -> String {
    let mut path = String::new();
    for (index, (round, value)) in values.iter().enumerate() {
        let y = at(frame.y(*value));
        let _ = match (trace, index) {
            (Trace::Straight, 0) => write!(path, "M{} {y}", at(frame.bands.middle(*round))),
            (Trace::Straight, _) => write!(path, "L{} {y}", at(frame.bands.middle(*round))),
            (Trace::Steps, 0) => {
                let (x, bottom) = (at(frame.bands.start(*round)), at(frame.bottom));
                write!(path, "M{x} {bottom}V{y}")
            }
            (Trace::Steps, _) => write!(path, "H{}V{y}", at(frame.bands.start(*round))),
        };
    }
    if let (Trace::Steps, Some((round, _))) = (trace, values.last()) {
        let end = frame.bands.start(*round) + frame.bands.width();
        let _ = write!(path, "H{}", at(end));
    }
    path
}

/// What is below steps.
fn area(frame: &Frame, values: &[(u64, f64)]) -> String {
    match values {
        [] => String::new(),
        _ => format!(
            "{}V{}Z",
            path(frame, values, Trace::Steps),
            at(frame.bottom)
        ),
    }
}
