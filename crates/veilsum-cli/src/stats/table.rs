//! The rows of a member, out of a CSV file.
//!
//! No cell is quoted in an error: it names file, line and column, and the rest is the member's secret.

use crate::exit::Failure;
use clap::ValueEnum;
use csv::{ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;
use serde::Deserialize;
use std::fs::File;
use std::path::Path;
use veilsum_dp::Unit;
use veilsum_learn::stats::Query;

/// What an empty cell in a column of the query does.
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
    /// Beyond the most that a member may bring.
    pub beyond: usize,
}

/// The rows of `path` that a query is about, with a value in each of its columns. `unit` is the task's, if it has noise.
// spec: [stats.query.missing]
pub fn read(
    path: &Path,
    query: &Query,
    empty: Empty,
    unit: Option<Unit>,
) -> Result<(Array2<f64>, LeftOut), Failure> {
    let file = File::open(path).map_err(|error| Failure::io(path, &error))?;
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let head = reader.headers().map_err(|error| broken(path, &error))?;
    let places = query.columns().iter().map(|name| place(head, name));
    let places = places
        .collect::<Result<Vec<_>, _>>()
        .map_err(|failure| failure.in_file(path))?;
    let (mut values, mut rows, mut left_out) = (Vec::new(), 0_usize, LeftOut::default());
    for record in reader.records() {
        let record = record.map_err(|error| broken(path, &error))?;
        match row(&record, &places, query.columns()).map_err(|failure| failure.in_file(path))? {
            Row::Values(found) => match (rows < query.rows() as usize, unit) {
                (true, _) => {
                    rows += 1;
                    values.extend(found);
                }
                // spec: [stats.query.rows]
                (false, Some(Unit::Member)) => left_out.beyond += 1,
                (false, Some(Unit::Example) | None) => return Err(too_many(path, query.rows())),
            },
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
    let shape = (rows, query.columns().len());
    Array2::from_shape_vec(shape, values)
        .map(|rows| (rows, left_out))
        .map_err(|error| Failure::failed(error).in_file(path))
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
        let value = cell.parse().ok().filter(|value: &f64| value.is_finite());
        values.push(value.ok_or_else(|| {
            let line = line(record);
            Failure::usage(format_args!(
                "line {line}, column {name:?}: found something else than a number"
            ))
            .hint("numbers are written as 12, -0.5 or 1e3, with a point and without units")
        })?);
    }
    Ok(Row::Values(values))
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
        .hint("ask with a larger --rows (`rows` of the query): leaving rows out would let one row's absence bring another in")
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
        unit: Option<Unit>,
    ) -> Result<(Array2<f64>, LeftOut), Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, query, empty, unit)
    }

    #[test]
    fn columns_are_found_by_name_and_quoted_cells_read() {
        let text = "id,\"b\", a \n1,2,3\n2, -4 ,\"1e2\"\n";
        let (found, _) = rows(text, &query(&["a", "b"], 9), Empty::Refuse, None).unwrap();
        assert_eq!(found, ndarray::array![[3.0, 2.0], [100.0, -4.0]]);
        let (found, _) = rows(text, &query(&[], 9), Empty::Refuse, None).unwrap();
        assert_eq!(found.dim(), (2, 0));
    }

    #[test]
    fn empty_cells_end_it_or_leave_their_row_out() {
        // spec: [stats.query.missing]
        let text = "a,b\n1,\n,2\n3,4\n";
        let told = rows(text, &query(&["b"], 9), Empty::Refuse, None).unwrap_err();
        assert!(
            told.message()
                .contains("t.csv: line 2, column \"b\": the cell is empty"),
            "{told}"
        );
        let (found, left_out) = rows(text, &query(&["a", "b"], 9), Empty::Skip, None).unwrap();
        assert_eq!(found, ndarray::array![[3.0, 4.0]]);
        assert_eq!(
            left_out,
            LeftOut {
                empty: 2,
                beyond: 0
            }
        );
    }

    #[test]
    fn bad_cells_are_named_and_not_quoted() {
        for cell in ["secret", "12 years", "NaN", "inf", "1,5"] {
            let text = format!("a,b\n1,2\n\"{cell}\",3\n");
            let told = rows(&text, &query(&["a"], 9), Empty::Skip, None).unwrap_err();
            assert!(told.message().contains("line 3, column \"a\""), "{told}");
            assert!(!told.to_string().contains(cell), "{told}");
        }
        let told = rows("a,b\n1,2\n3\n", &query(&["a"], 9), Empty::Skip, None).unwrap_err();
        assert!(
            told.message()
                .contains("line 3: found 1 cells, the head has 2"),
            "{told}"
        );
        let told = rows("a,b\n", &query(&["c"], 9), Empty::Skip, None).unwrap_err();
        assert!(
            told.to_string().contains("no column \"c\"") && told.to_string().contains("a, b"),
            "{told}"
        );
        assert!(rows("a,a\n", &query(&["a"], 9), Empty::Skip, None).is_err());
    }

    #[test]
    fn rows_beyond_the_limit_are_refused_unless_the_unit_is_the_member() {
        // spec: [stats.query.rows]
        let text = "a\n1\n2\n3\n";
        for unit in [None, Some(Unit::Example)] {
            let told = rows(text, &query(&["a"], 2), Empty::Refuse, unit).unwrap_err();
            assert!(told.message().contains("more than 2 rows"), "{told}");
        }
        let (found, left_out) =
            rows(text, &query(&["a"], 2), Empty::Refuse, Some(Unit::Member)).unwrap();
        assert_eq!(found, ndarray::array![[1.0], [2.0]]);
        assert_eq!(left_out.beyond, 1);
    }
}
