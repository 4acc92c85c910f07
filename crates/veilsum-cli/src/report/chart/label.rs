//! Labels to the right of the plane, beside what they name, none over another.

use super::{Frame, at, text_width};
use maud::{Markup, html};

/// A name in the colour of what it names, with lines below it.
#[derive(Clone, Debug)]
pub struct EndLabel {
    /// Height at which what it names ends.
    pub y: f64,
    /// Class of the name.
    pub class: &'static str,
    /// The name, then further lines.
    pub lines: Vec<String>,
}

impl EndLabel {
    /// A label with lines.
    pub fn new(y: f64, class: &'static str, lines: impl IntoIterator<Item = String>) -> Self {
        Self {
            y,
            class,
            lines: lines.into_iter().collect(),
        }
    }

    /// Room that labels with these lines need.
    pub fn room<'a>(lines: impl IntoIterator<Item = &'a str>) -> f64 {
        let widest = lines.into_iter().map(text_width).fold(40.0, f64::max);
        GAP + widest * BOLD
    }

    /// All labels of a figure.
    pub fn draw(frame: &Frame, mut labels: Vec<Self>) -> Markup {
        labels.sort_by(|a, b| a.y.total_cmp(&b.y));
        let tops = spread(&labels, frame.top - 12.0, frame.bottom + 12.0);
        html! {
            @for (label, top) in labels.iter().zip(tops) {
                @let middle = top + label.height() / 2.0;
                polyline.leader fill="none" points=(format!("{},{} {},{} {},{}",
                    at(frame.right + 2.0), at(label.y), at(frame.right + 5.0), at(label.y), at(frame.right + GAP - 4.0), at(middle))) {}
                @for (index, line) in label.lines.iter().enumerate() {
                    @let y = top + LINE * (index as f64) + 10.0;
                    @if index == 0 {
                        text class={"name " (label.class)} x=(at(frame.right + GAP)) y=(at(y)) { (line) }
                    } @else {
                        text.value x=(at(frame.right + GAP)) y=(at(y)) { (line) }
                    }
                }
            }
        }
    }

    fn height(&self) -> f64 {
        LINE * self.lines.len() as f64
    }
}

/// Upper ends of labels that want to be centred on their `y`, in order, as near as they can be without overlap.
fn spread(labels: &[EndLabel], from: f64, to: f64) -> Vec<f64> {
    let mut tops = Vec::with_capacity(labels.len());
    let mut free = from;
    for label in labels {
        let top = (label.y - label.height() / 2.0).max(free);
        free = top + label.height() + BETWEEN;
        tops.push(top);
    }
    let mut end = to;
    for (label, top) in labels.iter().zip(&mut tops).rev() {
        *top = top.min(end - label.height());
        end = *top - BETWEEN;
    }
    tops
}

const GAP: f64 = 16.0;
const LINE: f64 = 13.5;
const BETWEEN: f64 = 5.0;
/// Bold letters are wider, and so are the letters of some readers' fonts.
const BOLD: f64 = 1.16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn label(y: f64, lines: usize) -> EndLabel {
        EndLabel::new(y, "a", vec![String::new(); lines])
    }

    proptest! {
        #[test]
        fn labels_never_overlap(mut at in prop::collection::vec((30.0_f64..210.0, 1_usize..3), 1..5)) {
            at.sort_by(|a, b| a.0.total_cmp(&b.0));
            let labels: Vec<EndLabel> = at.into_iter().map(|(y, lines)| label(y, lines)).collect();
            let tops = spread(&labels, 20.0, 214.0);
            for (pair, labels) in tops.windows(2).zip(&labels) {
                prop_assert!(pair[0] + labels.height() <= pair[1] + 1e-9, "{tops:?}");
            }
        }
    }

    #[test]
    fn label_without_neighbours_is_where_it_belongs() {
        assert_eq!(spread(&[label(100.0, 2)], 20.0, 214.0), [100.0 - LINE]);
    }
}
