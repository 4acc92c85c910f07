//! Bars of several layers, and dots on a grid of rounds and names.

use super::{Frame, at, together};
use maud::{Markup, html};
use std::fmt::Write as _;

/// One layer of stacked bars.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Class of its bars.
    pub class: &'static str,
    /// Round, lower and upper end of each.
    pub bars: Vec<(u64, f64, f64)>,
}

/// Stacked bars.
pub fn layers(frame: &Frame, layers: &[Layer]) -> Markup {
    let width = frame.bands.width();
    let gap = if width >= 5.0 {
        (width * 0.22).min(10.0)
    } else {
        0.0
    };
    together(layers.iter().map(|layer| {
        let mut path = String::new();
        for (round, from, to) in layer.bars.iter().filter(|(_, from, to)| from < to) {
            let (left, right) = (
                frame.bands.start(*round) + gap / 2.0,
                frame.bands.start(*round) + width - gap / 2.0,
            );
            let (low, high) = (at(frame.y(*from)), at(frame.y(*to)));
            let _ = write!(path, "M{} {low}V{high}H{}V{low}Z", at(left), at(right));
        }
        html! { @if !path.is_empty() { path class={"bar " (layer.class)} d=(path) {} } }
    }))
}

/// A count at a round, on a line of its own height.
#[derive(Clone, Copy, Debug)]
pub struct Dot {
    /// The round.
    pub round: u64,
    /// Height of its line.
    pub y: f64,
    /// The count.
    pub count: u32,
    /// Class of the dot.
    pub class: &'static str,
}

/// Dots whose areas grow with their counts; counts above one are written into them where there is room.
pub fn dots(frame: &Frame, dots: &[Dot], most: u32) -> Markup {
    let largest = (frame.bands.width() * 0.62).clamp(2.2, 9.0);
    let smallest = (largest * 0.6).max(2.2);
    html! {
        @for dot in dots {
            @let share = f64::from(dot.count.saturating_sub(1)) / f64::from(most.saturating_sub(1).max(1));
            @let radius = (smallest * smallest + share * (largest * largest - smallest * smallest)).sqrt();
            @let x = frame.bands.middle(dot.round);
            circle class={"spot " (dot.class)} cx=(at(x)) cy=(at(dot.y)) r=(at(radius)) {}
            @if dot.count > 1 && radius >= 6.0 {
                text.count.middle x=(at(x)) y=(at(dot.y + 3.6)) { (dot.count) }
            }
        }
    }
}
