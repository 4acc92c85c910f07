//! What a run of training came to, for people: `report.html` and `report.png`.
//!
//! Not for scripts, which read JSON, and not evidence, which the signed receipts are. Nothing here knows of rounds in progress,
//! keys or updates: [`RunHistory`] is plain data that is public anyway, filled by whoever ran the rounds.
//!
//! ```text
//! RunHistory -> figures (Figure: a title, a caption, shapes) -+-> html    one page, nothing fetched, nothing executed
//!                                                             +-> poster  one picture of the same shapes, with the fonts shipped here
//! ```
//!
//! The figures are drawn once, as SVG with classes for colours; the page and the picture each have a style sheet for them.

mod chart;
mod figures;
mod files;
mod history;
mod html;
mod number;
mod poster;
mod scale;
mod style;
#[cfg(test)]
mod testing;

pub use files::{Place, Written};
pub use history::{
    BytesOf, Fact, Phase, Privacy, RoundOutcome, RoundRow, RunHistory, Score, Vanished, whose,
};
pub use number::{epsilon, short};
