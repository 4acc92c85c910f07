//! Which figures a run has.

mod members;
mod privacy;
mod scores;
mod traffic;

use super::chart::{Figure, Frame, together};
use super::history::{RoundRow, RunHistory};
use maud::Markup;

/// All figures that this run has values for.
pub fn figures(history: &RunHistory) -> Vec<Figure> {
    let Some(rounds) = span(history) else {
        return Vec::new();
    };
    let mut figures: Vec<Figure> = [
        scores::accuracy(history, rounds),
        scores::loss(history, rounds),
        privacy::privacy(history, rounds),
        members::survivors(history, rounds),
        members::vanished(history, rounds),
        traffic::traffic(history, rounds),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !figures.len().is_multiple_of(2) {
        // figures stand in pairs
        figures.extend(traffic::time(history, rounds));
    }
    figures
}

type Rounds = (u64, u64);

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
