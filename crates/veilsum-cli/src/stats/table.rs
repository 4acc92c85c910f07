//! The rows of a member, out of a CSV file.
//!
//! No cell is quoted in an error: it names file, line and column, and the rest is the member's secret.

use crate::exit::Failure;
use clap::ValueEnum;
use csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use veilsum_learn::stats::Query;

/// What an empty cell in a column of the query does, where there is no noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Empty {
    /// It is an error that names the cell.
    #[default]
    Refuse,
    /// Its row is left out.
    Skip,
}

/// Rows of a table that are not in the statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// With an empty cell.
    pub empty: usize,
    /// With something else than a number; under noise alone.
    pub malformed: usize,
    /// Beyond the most that a member may bring; under noise alone.
    pub beyond: usize,
}

/// The rows of `path` that a query is about, with a value in each of its columns.
///
/// # Security
///
/// Under noise (`noised`) what a row holds never refuses the query: absence is seen by all. Without it a table must be whole, and `empty` says
/// what an empty cell does.
pub fn read(
    path: &Path,
    query: &Query,
    empty: Empty,
    noised: bool,
) -> Result<(Array2<f64>, LeftOut), Failure> {
    let file = File::open(path).map_err(|error| Failure::io(path, &error))?;
    let found = match noised {
        true => first_rows(file, path, query),
        false => all_rows(file, path, query, empty),
    };
    let (rows, values, left_out) = found?;
    Array2::from_shape_vec((rows, query.columns().len()), values)
        .map(|rows| (rows, left_out))
        .map_err(|error| Failure::failed(error).in_file(path))
}

/// Rows, their values one after the other, and what is left out.
type Found = (usize, Vec<f64>, LeftOut);

/// The usable ones among the first rows of the file, as many as the query takes. A blank line is a row without values: its place counts,
/// so that a row that is made empty brings no other in.
// spec: [stats.query.rows] [stats.query.missing]
fn first_rows(file: impl Read, path: &Path, query: &Query) -> Result<Found, Failure> {
    // the last line ends like all others, so that lines can be counted
    let file = file.chain(&b"\n"[..]);
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
    let places = {
        let mut head = reader
            .headers()
            .map_err(|error| broken(path, &error))?
            .clone();
        head.trim();
        places(&head, path, query)?
    };
    let (mut values, mut rows, mut left_out) = (Vec::new(), 0_usize, LeftOut::default());
    let (mut record, mut place) = (ByteRecord::new(), 0_u64);
    loop {
        let before = reader.position().line();
        if !reader
            .read_byte_record(&mut record)
            .map_err(|error| broken(path, &error))?
        {
            break;
        }
        let lines = reader.position().line().saturating_sub(before);
        let inside = record.as_slice().iter().filter(|byte| **byte == b'\n');
        // blank lines stand before the record
        let blank = lines.saturating_sub(1 + inside.count() as u64);
        place = place.saturating_add(blank + 1);
        if place > query.rows().into() {
            left_out.beyond += 1;
            continue;
        }
        let cells = places.iter().map(|place| {
            let cell = record.get(*place).unwrap_or_default().trim_ascii();
            let text = std::str::from_utf8(cell).ok();
            (cell.is_empty(), text.and_then(number))
        });
        let cells = Vec::from_iter(cells);
        let row: Option<Vec<f64>> = cells.iter().map(|(_, value)| *value).collect();
        match row {
            Some(row) => {
                rows += 1;
                values.extend(row);
            }
            None if cells.iter().any(|(empty, _)| *empty) => left_out.empty += 1,
            None => left_out.malformed += 1,
        }
    }
    Ok((rows, values, left_out))
}

/// All rows; a table that is not whole is refused by line and column.
// spec: [stats.query.rows] [stats.query.missing]
fn all_rows(file: impl Read, path: &Path, query: &Query, empty: Empty) -> Result<Found, Failure> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let head = reader.headers().map_err(|error| broken(path, &error))?;
    let places = places(head, path, query)?;
    let (mut values, mut rows, mut left_out) = (Vec::new(), 0_usize, LeftOut::default());
    for record in reader.records() {
        let record = record.map_err(|error| broken(path, &error))?;
        match row(&record, &places, query.columns()).map_err(|failure| failure.in_file(path))? {
            Row::Values(_) if rows >= query.rows() as usize => {
                return Err(too_many(path, query.rows()));
            }
            Row::Values(found) => {
                rows += 1;
                values.extend(found);
            }
            Row::Empty(_) if empty == Empty::Skip => left_out.empty += 1,
            Row::Empty(column) => {
                let line = line(&record);
                let error = format!("line {line}, column {column:?}: the cell is empty");
                return Err(Failure::usage(error)
                    .in_file(path)
                    .hint("fill it in, or leave rows with empty cells out: --empty skip, or empty = \"skip\" in [stats]"));
            }
        }
    }
    Ok((rows, values, left_out))
}

/// A row in the columns of the query.
enum Row<'a> {
    Values(Vec<f64>),
    /// The first column without a value.
    Empty(&'a str),
}

fn row<'a>(
    record: &StringRecord,
    places: &[usize],
    names: &'a [String],
) -> Result<Row<'a>, Failure> {
    let mut values = Vec::with_capacity(places.len());
    for (place, name) in places.iter().zip(names) {
        let cell = record.get(*place).unwrap_or_default();
        if cell.is_empty() {
            return Ok(Row::Empty(name));
        }
        values.push(number(cell).ok_or_else(|| {
            let line = line(record);
            Failure::usage(format_args!(
                "line {line}, column {name:?}: found something else than a number"
            ))
            .hint("numbers are written as 12, -0.5 or 1e3, with a point and without units")
        })?);
    }
    Ok(Row::Values(values))
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

fn places(head: &StringRecord, path: &Path, query: &Query) -> Result<Vec<usize>, Failure> {
    let places = query.columns().iter().map(|name| place(head, name));
    let places: Result<_, _> = places.collect();
    places.map_err(|failure: Failure| failure.in_file(path))
}

fn place(head: &StringRecord, name: &str) -> Result<usize, Failure> {
    let mut places = head.iter().enumerate().filter(|(_, found)| *found == name);
    match (places.next(), places.next()) {
        (Some((place, _)), None) => Ok(place),
        (Some(_), Some(_)) => Err(Failure::usage(format_args!(
            "line 1: found the column {name:?} twice, wanted it once"
        ))),
        (None, _) => {
            let found: Vec<&str> = head.iter().take(20).collect();
            Err(
                Failure::usage(format_args!("line 1: found no column {name:?}"))
                    .hint(format_args!("the head has: {}", found.join(", "))),
            )
        }
    }
}

fn line(record: &StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn too_many(path: &Path, most: u32) -> Failure {
    Failure::refused(format_args!("found more than {most} rows, the query takes no more of a member"))
        .in_file(path)
        .hint("ask with a larger --rows (`rows` of the query), or with noise, where the first rows of the table count")
}

/// Unequal numbers of cells, bytes that are no UTF-8, a disk that fails.
fn broken(path: &Path, error: &csv::Error) -> Failure {
    let line = match error.kind() {
        csv::ErrorKind::Io(error) => return Failure::io(path, error),
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let error = format!("line {line}: found {len} cells, the head has {expected_len}");
            return Failure::usage(error).in_file(path);
        }
        csv::ErrorKind::Utf8 { pos, .. } => pos.as_ref().map_or(0, csv::Position::line),
        _ => 0,
    };
    Failure::usage(format_args!(
        "line {line}: found bytes that are not a CSV row in UTF-8"
    ))
    .in_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilsum_learn::stats::{Kind, Parameters};

    fn query(columns: &[&str], rows: u32) -> Query {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Query::new(Parameters::new(Kind::Count, columns, rows)).unwrap()
    }

    fn rows(
        text: &str,
        query: &Query,
        empty: Empty,
        noised: bool,
    ) -> Result<(Array2<f64>, LeftOut), Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, query, empty, noised)
    }

    #[test]
    fn columns_are_found_by_name_and_quoted_cells_read() {
        let text = "id,\"b\", a \n1,2,3\n2, -4 ,\"1e2\"\n";
        let (found, _) = rows(text, &query(&["a", "b"], 9), Empty::Refuse, false).unwrap();
        assert_eq!(found, ndarray::array![[3.0, 2.0], [100.0, -4.0]]);
        let (found, _) = rows(text, &query(&[], 9), Empty::Refuse, false).unwrap();
        assert_eq!(found.dim(), (2, 0));
    }

    #[test]
    fn empty_cells_end_it_or_leave_their_row_out() {
        // spec: [stats.query.missing]
        let text = "a,b\n1,\n,2\n3,4\n";
        let told = rows(text, &query(&["b"], 9), Empty::Refuse, false).unwrap_err();
        assert!(
            told.message()
                .contains("t.csv: line 2, column \"b\": the cell is empty"),
            "{told}"
        );
        let (found, left_out) = rows(text, &query(&["a", "b"], 9), Empty::Skip, false).unwrap();
        assert_eq!(found, ndarray::array![[3.0, 4.0]]);
        assert_eq!(
            left_out,
            LeftOut {
                empty: 2,
                ..LeftOut::default()
            }
        );
    }

    #[test]
    fn bad_cells_are_named_and_not_quoted() {
        for cell in ["secret", "12 years", "NaN", "inf", "1,5"] {
            let text = format!("a,b\n1,2\n\"{cell}\",3\n");
            let told = rows(&text, &query(&["a"], 9), Empty::Skip, false).unwrap_err();
            assert!(told.message().contains("line 3, column \"a\""), "{told}");
            assert!(!told.to_string().contains(cell), "{told}");
        }
        let told = rows("a,b\n1,2\n3\n", &query(&["a"], 9), Empty::Skip, false).unwrap_err();
        assert!(
            told.message()
                .contains("line 3: found 1 cells, the head has 2"),
            "{told}"
        );
        let told = rows("a,b\n", &query(&["c"], 9), Empty::Skip, false).unwrap_err();
        assert!(
            told.to_string().contains("no column \"c\"") && told.to_string().contains("a, b"),
            "{told}"
        );
        assert!(rows("a,a\n", &query(&["a"], 9), Empty::Skip, false).is_err());
    }

    #[test]
    fn rows_beyond_the_limit_are_refused_without_noise() {
        // spec: [stats.query.rows]
        let told = rows("a\n1\n2\n3\n", &query(&["a"], 2), Empty::Refuse, false).unwrap_err();
        assert!(told.message().contains("more than 2 rows"), "{told}");
    }

    /// Whether a member answers is seen by all: a row that decides it is read out without any noise.
    #[test]
    fn under_noise_no_row_refuses_the_query() {
        // spec: [stats.query.missing]
        let whole = "a,b\n1,2\nCELL,3\n4,5";
        let cells = ["", "secret", "NaN", "inf", "1,5", "\"", "\"1\n2\"", "1e999"];
        for cell in cells {
            let text = whole.replace("CELL,3", &format!("{cell},3"));
            for empty in [Empty::Refuse, Empty::Skip] {
                let (found, left_out) = rows(&text, &query(&["a"], 2), empty, true).unwrap();
                assert_eq!(found.column(0)[0], 1.0, "{cell:?}");
                let LeftOut {
                    empty, malformed, ..
                } = left_out;
                assert!(empty + malformed == 1 || cell == "1,5", "{cell:?}");
            }
        }
        let ragged = "a,b\n1\n2,3,4\n5,6\n";
        let (found, left_out) = rows(ragged, &query(&["b"], 9), Empty::Refuse, true).unwrap();
        assert_eq!(found, ndarray::array![[3.0], [6.0]]);
        assert_eq!(left_out.empty, 1);
        // the head is no row
        assert!(rows("a\n1\n", &query(&["b"], 9), Empty::Refuse, true).is_err());
    }

    #[test]
    fn under_noise_a_row_made_empty_brings_no_other_in() {
        // spec: [stats.query.rows]
        for (text, wanted, beyond) in [
            (" a \n1\n 2 \n3\n4", vec![1.0, 2.0], 2),
            ("a\n1\n\n3\n4\n", vec![1.0], 2),
            ("a\r\n\r\n2\r\n3\r\n", vec![2.0], 1),
            ("a\n\"\"\n2\n3\n", vec![2.0], 1),
            ("a,b\n1,\"x\ny\"\n2,z\n3,z\n", vec![1.0, 2.0], 1),
            ("a,b\n,x\n,\n3,z\n", vec![], 1),
        ] {
            let (found, left_out) = rows(text, &query(&["a"], 2), Empty::Refuse, true).unwrap();
            assert_eq!(found.column(0).to_vec(), wanted, "{text:?}");
            assert_eq!(left_out.beyond, beyond, "{text:?}");
        }
    }
}
