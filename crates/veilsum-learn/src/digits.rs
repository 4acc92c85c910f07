//! Not a benchmark of learning: a small real data set that trains in a second, embedded so that the demo needs no download.
//!
//! The UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998, CC BY 4.0) as bundled by scikit-learn:
//! 1 797 images of 8 x 8 pixels. Where the file comes from is told in `data/digits/README.md`.

use ndarray::Array2;
use thiserror::Error;

use crate::examples::{Examples, ExamplesError};

/// Pixels of an image, row by row.
pub const PIXELS: usize = 64;

/// Classes: the digits 0 to 9.
pub const CLASSES: u8 = 10;

/// A clip of the L2 norm that cuts no honest update of softmax regression with [`LocalSgd::DIGITS`](crate::LocalSgd::DIGITS).
///
/// Largest norms observed among the members over several seeds, in the first, second, fifth and tenth round:
///
/// | members | L2 norm | greatest coordinate |
/// |---|---|---|
/// | 3 | 9.7, 4.7, 2.6, 2.1 | 2.2, 1.2, 0.6, 0.5 |
/// | 12 | 5.9, 4.5, 2.9, 2.1 | 1.6, 1.3, 0.9, 0.6 |
/// | 30 | 4.6, 3.9, 2.5, 1.9 | 1.3, 1.1, 0.9, 0.6 |
pub const CLIP_L2: f64 = 12.0;

/// A clip of every coordinate that cuts no honest update of softmax regression with
/// [`LocalSgd::DIGITS`](crate::LocalSgd::DIGITS); observed values stand at [`CLIP_L2`].
pub const CLIP_MAX_ABS: f64 = 3.0;

/// Why the text of the data set cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DigitsError {
    /// A line with the wrong number of fields.
    #[error("line {line} has {found} fields, wanted {wanted}")]
    Fields {
        /// Which line, from 1.
        line: usize,
        /// Fields found.
        found: usize,
        /// Fields wanted: the pixels and the label.
        wanted: usize,
    },
    /// A field that is no number in its range.
    #[error("field {field} of line {line} is {found:?}, wanted a number from 0 to {most}")]
    Value {
        /// Which line, from 1.
        line: usize,
        /// Which field, from 1.
        field: usize,
        /// The field's text.
        found: String,
        /// The greatest number allowed.
        most: u8,
    },
    /// The numbers make no set of examples.
    #[error(transparent)]
    Examples(#[from] ExamplesError),
}

/// All 1 797 images in the order of the file, pixels scaled to 0..=1.
///
/// # Errors
///
/// [`DigitsError`] if the file embedded at build time is not the data set; a test keeps that from happening.
pub fn load() -> Result<Examples, DigitsError> {
    parse(CSV)
}

fn parse(csv: &str) -> Result<Examples, DigitsError> {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for (index, text) in csv.lines().enumerate() {
        let line = index + 1;
        let fields: Vec<&str> = text.split(',').collect();
        let [ink @ .., label] = fields.as_slice() else {
            continue;
        };
        if ink.len() != PIXELS {
            return Err(DigitsError::Fields {
                line,
                found: fields.len(),
                wanted: PIXELS + 1,
            });
        }
        for (column, field) in ink.iter().enumerate() {
            pixels
                .push(f32::from(number(field, MOST_INK, line, column + 1)?) / f32::from(MOST_INK));
        }
        labels.push(number(label, CLASSES - 1, line, PIXELS + 1)?);
    }
    let shape = (labels.len(), PIXELS);
    let features = Array2::from_shape_fn(shape, |(row, column)| pixels[row * PIXELS + column]);
    Ok(Examples::new(features, labels, CLASSES)?)
}

fn number(text: &str, most: u8, line: usize, field: usize) -> Result<u8, DigitsError> {
    match text.parse() {
        Ok(value) if value <= most => Ok(value),
        _ => Err(DigitsError::Value {
            line,
            field,
            found: text.to_owned(),
            most,
        }),
    }
}

const MOST_INK: u8 = 16;
const CSV: &str = include_str!("../../../data/digits/digits.csv");

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn embedded_file_is_the_one_its_attribution_names() {
        let digest = hex::encode(Sha256::digest(CSV));
        let attribution = include_str!("../../../data/digits/README.md");
        assert!(attribution.contains(&digest), "found {digest}");
    }

    #[test]
    fn data_set_has_1797_images_of_ten_digits() {
        let all = load().unwrap();
        assert_eq!(all.len(), 1797);
        assert_eq!(all.features().dim(), (1797, PIXELS));
        assert_eq!(
            all.count_by_label(),
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        );
        assert!(
            all.features()
                .iter()
                .all(|value| (0.0..=1.0).contains(value))
        );
        assert_eq!(all.features()[(0, 2)], 5.0 / 16.0);
    }

    #[test]
    fn short_lines_and_values_out_of_range_are_refused() {
        assert_eq!(
            parse("1,2,3"),
            Err(DigitsError::Fields {
                line: 1,
                found: 3,
                wanted: 65
            })
        );
        let bad_ink = format!("{}17,{}3", "0,".repeat(10), "0,".repeat(53));
        assert_eq!(
            parse(&bad_ink),
            Err(DigitsError::Value {
                line: 1,
                field: 11,
                found: "17".to_owned(),
                most: 16
            })
        );
        let bad_label = format!("{}10", "0,".repeat(64));
        assert_eq!(
            parse(&bad_label),
            Err(DigitsError::Value {
                line: 1,
                field: 65,
                found: "10".to_owned(),
                most: 9
            })
        );
    }
}
