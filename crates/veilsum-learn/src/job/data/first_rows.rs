//! Not for jobs without privacy: the examples of a table of which no row decides whether there is a member.
//!
//! Who takes part is seen by all, and no noise covers it. So a row that holds no example leaves its place empty, and rows beyond the most
//! are not looked at.

use csv::StringRecord;
use ndarray::Array2;

use super::place_of_label;
use crate::examples::Examples;
use crate::quotes;
use crate::scaling::Standardizer;

/// What a row must be.
pub(super) struct Rows<'a> {
    /// The column of the label.
    pub(super) label: &'a str,
    /// Columns beside it.
    pub(super) features: usize,
    /// Classes that a label may name.
    pub(super) classes: u8,
    /// Rows that count, from the first.
    pub(super) most: usize,
    /// What features are scaled by.
    pub(super) scaling: Option<Standardizer>,
}

impl Rows<'_> {
    /// The examples among the first rows, at their places. A row is a line, whatever it holds: a blank one or one with an open quote has its place
    /// too, so that no row brings others in or takes others along.
    ///
    /// # Errors
    ///
    /// What the head lacks, never what a row holds.
    // spec: [job.finite]
    pub(super) fn read(&self, text: &[u8]) -> Result<Examples, String> {
        let lines = text.split(|byte| *byte == b'\n').flat_map(quotes::lines);
        // blank lines stand before the head
        let mut lines = lines.skip_while(|line| line.is_empty());
        let label = self.place_of_label(lines.next().unwrap_or_default())?;
        let (mut values, mut labels, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, line) in lines.take(self.most).enumerate() {
            if let Some(example) = self.example(line, label) {
                values.extend(example.features());
                labels.extend_from_slice(example.labels());
                places.push(place);
            }
        }
        let features = Array2::from_shape_vec((labels.len(), self.features), values);
        let features = features.map_err(|error| error.to_string())?;
        let examples = Examples::new(features, labels, self.classes);
        Ok(examples.map_err(|error| error.to_string())?.at(places))
    }

    fn place_of_label(&self, line: &[u8]) -> Result<usize, String> {
        let mut head =
            StringRecord::from_byte_record_lossy(quotes::cells(line).unwrap_or_default());
        head.trim();
        place_of_label(&head, self.label, self.features)
    }

    /// The example of a row, if it holds one that is finite, also once it is scaled.
    fn example(&self, line: &[u8], label: usize) -> Option<Examples> {
        let record = quotes::cells(line).filter(|record| record.len() == self.features + 1)?;
        let (mut values, mut class) = (Vec::with_capacity(self.features), None);
        for (column, cell) in record.iter().enumerate() {
            let cell = std::str::from_utf8(cell.trim_ascii()).ok()?;
            match column == label {
                true => class = Some(cell.parse().ok()?),
                false => values.push(cell.parse().ok()?),
            }
        }
        let features = Array2::from_shape_vec((1, self.features), values).ok()?;
        let example = Examples::new(features, vec![class?], self.classes).ok()?;
        match &self.scaling {
            Some(scaling) => scaling.apply(&example).ok(),
            None => Some(example),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], most: usize, scaling: Option<(f64, f64)>) -> Result<Examples, String> {
        let scaling = scaling.map(|scaling| Standardizer::new(vec![scaling; 2]).unwrap());
        let rows = Rows {
            label: "y",
            features: 2,
            classes: 2,
            most,
            scaling,
        };
        rows.read(text)
    }

    fn places(text: &[u8], most: usize) -> Vec<usize> {
        let examples = read(text, most, None).unwrap();
        (0..examples.len()).map(|row| examples.place(row)).collect()
    }

    #[test]
    fn a_row_that_holds_no_example_leaves_its_place_empty() {
        // spec: [job.finite]
        let cells = [
            &b"1,NaN,2"[..],
            b"1,inf,2",
            b"1,1e999,2",
            b"1,,2",
            b"2,1,2",
            b"-1,1,2",
            b"x,1,2",
            b"1,x,2",
            b"1,\xff,2",
            b"1,2",
            b"1,2,3,4",
            b"",
            b",,",
            b"\"1,2,3",
            b"1,2,\"3",
        ];
        for cell in cells {
            let text = [&b"y,a,b\n0,1,2\n"[..], cell, b"\n 1 , 3 ,4\r\n0,5,6"].concat();
            assert_eq!(places(&text, 9), [0, 2, 3], "{cell:?}");
            assert_eq!(places(&text, 3), [0, 2], "{cell:?}");
            assert_eq!(places(&text, 2), [0], "{cell:?}");
        }
        assert_eq!(places(b"y,a,b\n\n\n0,1,2\n", 2), [0; 0]);
        assert_eq!(places(b"y,a,b\n", 2), [0; 0]);
        assert_eq!(places(b"\n\ny,a,b\r0,\"1\",2\r\r1,1,2", 3), [0, 2]);
    }

    #[test]
    fn what_scaling_makes_infinite_is_no_example() {
        // spec: [job.finite]
        let text = b"y,a,b\n0,1,2\n1,3e38,0\n1,4,4\n";
        let examples = read(text, 9, Some((1.0, 1e-5))).unwrap();
        assert_eq!((examples.len(), examples.place(1)), (2, 2));
        assert_eq!(examples.features()[(0, 1)], 1e5);
    }

    #[test]
    fn what_the_head_lacks_is_still_told() {
        assert!(read(b"z,a,b\n0,1,2\n", 9, None).is_err());
        assert!(read(b"y,a\n0,1\n", 9, None).is_err());
        assert!(read(b"", 9, None).is_err());
    }
}
