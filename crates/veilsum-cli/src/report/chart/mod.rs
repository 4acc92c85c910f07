//! Shapes that figures are made of: axes, lines, bars, dots, and labels at the end of what they name.
//!
//! Shapes have classes, never colours; [`super::style`] says what a class looks like on paper.

mod bars;
mod frame;
mod label;
mod line;

pub use bars::{Dot, Layer, dots, layers};
pub use frame::Frame;
pub use label::EndLabel;
pub use line::{Trace, level, trace};

use maud::{Markup, PreEscaped};

/// Width of every figure.
pub const WIDTH: f64 = 440.0;
/// Height of every figure.
pub const HEIGHT: f64 = 244.0;

/// A figure without its frame of text: the page and the picture each set title and caption their own way.
pub struct Figure {
    /// Its name in the page.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// What one has to know to read it.
    pub caption: String,
    /// Its content in words, for those who do not see it.
    pub about: String,
    /// The shapes.
    pub shapes: Markup,
}

/// A coordinate with as many places as can be seen.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// Shapes one after the other.
pub fn together(shapes: impl IntoIterator<Item = Markup>) -> Markup {
    PreEscaped(shapes.into_iter().map(|shape| shape.0).collect())
}

/// Width of a text of 11 px, a little more than most fonts need.
pub fn text_width(text: &str) -> f64 {
    text.chars().map(char_width).sum()
}

fn char_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 3.4,
        'f' | 't' | 'r' | '(' | ')' | '-' | '/' => 4.6,
        'm' | 'w' | 'M' | 'W' | '%' => 9.6,
        letter if letter.is_ascii_uppercase() => 7.8,
        _ => 6.6,
    }
}
