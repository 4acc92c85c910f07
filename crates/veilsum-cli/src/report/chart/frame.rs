//! The plane of a figure: rounds to the right, values up, quiet lines behind.

use super::{HEIGHT, WIDTH, at};
use crate::report::scale::{Bands, Scale};
use maud::{Markup, html};

/// Where rounds and values lie.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Rounds.
    pub bands: Bands,
    /// Values.
    pub scale: Scale,
    /// Left end of the plane.
    pub left: f64,
    /// Right end.
    pub right: f64,
    /// Upper end.
    pub top: f64,
    /// Lower end, where the axis is.
    pub bottom: f64,
}

impl Frame {
    /// A plane for these rounds, with room for labels of a width on its right.
    pub fn new(rounds: (u64, u64), scale: Scale, labels: f64) -> Self {
        let (left, right) = (LEFT, WIDTH - labels);
        Self {
            bands: Bands::new(rounds.0, rounds.1, left, right),
            scale,
            left,
            right,
            top: TOP,
            bottom: HEIGHT - BOTTOM,
        }
    }

    /// The same with its left end moved for wider names.
    pub fn beside(mut self, left: f64, rounds: (u64, u64)) -> Self {
        self.left = left;
        self.bands = Bands::new(rounds.0, rounds.1, left, self.right);
        self
    }

    /// Where a value lies.
    pub fn y(&self, value: f64) -> f64 {
        self.scale.place(value, self.bottom, self.top)
    }

    /// Grid and axes; `what` names the values with their unit, `name` writes one.
    pub fn axes(&self, what: &str, name: impl Fn(f64) -> String) -> Markup {
        html! {
            text.axis-name x=(at(4.0)) y=(at(self.top - 15.0)) { (what) }
            @for tick in self.scale.ticks() {
                @let y = self.y(tick);
                line.grid x1=(at(self.left)) x2=(at(self.right)) y1=(at(y)) y2=(at(y)) {}
                text.tick.end x=(at(self.left - 7.0)) y=(at(y + 4.0)) { (name(tick)) }
            }
            (self.rounds())
        }
    }

    /// The axis of rounds alone.
    pub fn rounds(&self) -> Markup {
        let y = self.bottom;
        html! {
            line.axis x1=(at(self.left)) x2=(at(self.right)) y1=(at(y)) y2=(at(y)) {}
            @for round in self.bands.named(NAMES_APART) {
                @let x = self.bands.middle(round);
                line.axis x1=(at(x)) x2=(at(x)) y1=(at(y)) y2=(at(y + 4.0)) {}
                text.tick.middle x=(at(x)) y=(at(y + 17.0)) { (round) }
            }
            text.axis-name.middle x=(at((self.left + self.right) / 2.0)) y=(at(y + 33.0)) { "round" }
        }
    }

    /// What is told of a round where the pointer is over it; nothing is seen of it otherwise.
    pub fn tip(&self, round: u64, lines: &[String]) -> Markup {
        let (x, width) = (self.bands.start(round), self.bands.width());
        html! {
            rect.tip fill="none" x=(at(x)) y=(at(self.top)) width=(at(width)) height=(at(self.bottom - self.top)) {
                title { "round " (round) @for line in lines { "\n" (line) } }
            }
        }
    }
}

const LEFT: f64 = 46.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 42.0;
const NAMES_APART: f64 = 24.0;
