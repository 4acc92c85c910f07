//! The rows of a member, out of a CSV file.
//!
//! No cell is quoted in an error: it names file, line and column, and the rest is the member's secret.

use crate::exit::Failure;
use clap::ValueEnum;
use csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use veilsum_learn::quotes;
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
    /// Beyond the first rows that count.
    pub beyond: usize,
}

/// How a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// How many rows count, from the first one on, blank lines included.
    pub most: u32,
    /// Columns in which a row has to have numbers, whether the query is about them or not.
    pub whole: &'a [String],
    /// What an empty cell does where there is no noise.
    pub empty: Empty,
    /// Whether noise is added to what comes of it.
    pub noised: bool,
}

/// The rows of `path` that a query is about, with a value in each of its columns.
///
/// # Security
///
/// Absence is seen by all: no number of rows refuses the query. Under noise neither does what a row holds. Without it all rows that count must have
/// numbers, but for what `empty` says of an empty cell.
///
/// `most` is the asker's choice, and `whole` empty, only where noise covers one row more: see [`bound`](super::allow::StatsTable::bound).
pub fn read(
    path: &Path,
    query: &Query,
    reading: Reading<'_>,
) -> Result<(Array2<f64>, LeftOut), Failure> {
    let asked = query.columns();
    let others = reading.whole.iter().filter(|name| !asked.contains(name));
    let columns = Columns {
        names: asked.iter().chain(others).map(String::as_str).collect(),
        asked: asked.len(),
    };
    let found = match reading.noised {
        true => first_rows(path, &columns, reading.most),
        false => all_rows(path, &columns, reading.most, reading.empty),
    };
    let (rows, values, left_out) = found?;
    Array2::from_shape_vec((rows, columns.asked), values)
        .map(|rows| (rows, left_out))
        .map_err(|error| Failure::failed(error).in_file(path))
}

/// Columns in which a row has to have numbers.
struct Columns<'a> {
    names: Vec<&'a str>,
    /// How many of them, the first ones, the query is about.
    asked: usize,
}

/// How many rows a table has: its lines after the head, whatever they hold, blank ones too.
pub fn count_rows(path: &Path) -> Result<u64, Failure> {
    let (mut count, mut head) = (0_u64, false);
    each_line(path, |line| {
        match head {
            true => count = count.saturating_add(1),
            // blank lines stand before the head
            false => head = !line.is_empty(),
        }
        Ok(())
    })?;
    Ok(count)
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::io(path, &error))
}

/// Rows, their values one after the other, and what is left out.
type Found = (usize, Vec<f64>, LeftOut);

/// The usable ones among the first rows of the file. A row is a line, whatever it holds: a blank one or one with
/// an open quote has its place too, so that no row brings others in or takes others along.
// spec: [stats.query.rows] [stats.query.missing] [stats.query.lines]
fn first_rows(path: &Path, columns: &Columns<'_>, most: u32) -> Result<Found, Failure> {
    let (mut values, mut rows, mut left_out) = (Vec::new(), 0_usize, LeftOut::default());
    let (mut found, mut number, mut place) = (None::<Vec<usize>>, 0_u64, 0_u64);
    each_line(path, |line| {
        number = number.saturating_add(1);
        let Some(found) = &found else {
            // blank lines stand before the head
            if !line.is_empty() {
                found = Some(head_of(line, number, path, columns)?);
            }
            return Ok(());
        };
        place = place.saturating_add(1);
        if line.is_empty() {
            return Ok(());
        }
        if place > most.into() {
            left_out.beyond += 1;
            return Ok(());
        }
        let Some(record) = quotes::cells(line) else {
            left_out.malformed += 1;
            return Ok(());
        };
        match cells(&record, found) {
            Cells::Values(row) => {
                rows += 1;
                values.extend(row.into_iter().take(columns.asked));
            }
            Cells::Empty => left_out.empty += 1,
            Cells::Malformed => left_out.malformed += 1,
        }
        Ok(())
    })?;
    match found {
        Some(_) => Ok((rows, values, left_out)),
        // a file without a line lacks every column
        None => places(&StringRecord::new(), path, columns).map(|_| (0, values, left_out)),
    }
}

fn each_line(
    path: &Path,
    mut line: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut file = BufReader::new(open(path)?);
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        let read = file.read_until(b'\n', &mut chunk);
        if read.map_err(|error| Failure::io(path, &error))? == 0 {
            return Ok(());
        }
        let chunk = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
        quotes::lines(chunk).try_for_each(&mut line)?;
    }
}

/// Places of the columns in the line of the head.
fn head_of(
    line: &[u8],
    number: u64,
    path: &Path,
    columns: &Columns<'_>,
) -> Result<Vec<usize>, Failure> {
    if quotes::is_open(line) {
        return Err(open_quote(path, number));
    }
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(line);
    let head = reader
        .headers()
        .map_err(|error| broken(path, &error, line))?;
    places(head, path, columns)
}

/// What a line holds in the columns.
enum Cells {
    Values(Vec<f64>),
    Empty,
    Malformed,
}

fn cells(record: &ByteRecord, columns: &[usize]) -> Cells {
    let cells = columns.iter().map(|place| {
        let cell = record.get(*place).unwrap_or_default().trim_ascii();
        let text = std::str::from_utf8(cell).ok();
        (cell.is_empty(), text.and_then(number))
    });
    let cells = Vec::from_iter(cells);
    let row: Option<Vec<f64>> = cells.iter().map(|(_, value)| *value).collect();
    match row {
        Some(row) => Cells::Values(row),
        None if cells.iter().any(|(empty, _)| *empty) => Cells::Empty,
        None => Cells::Malformed,
    }
}

/// The first rows; one of them without its numbers, and a file of another form, is refused by line and column.
// spec: [stats.query.rows] [stats.query.missing] [stats.query.lines]
fn all_rows(path: &Path, columns: &Columns<'_>, most: u32, empty: Empty) -> Result<Found, Failure> {
    let mut text = Vec::new();
    let read = open(path)?.read_to_end(&mut text);
    read.map_err(|error| Failure::io(path, &error))?;
    if let Some(line) = quotes::first_open(&text) {
        return Err(open_quote(path, line));
    }
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_slice());
    let head = reader
        .headers()
        .map_err(|error| broken(path, &error, &text))?;
    let places = places(head, path, columns)?;
    let mut lines = quotes::lines_of_records(&text);
    let head = lines.next().unwrap_or_default();
    let (mut values, mut rows, mut left_out) = (Vec::new(), 0_usize, LeftOut::default());
    for (line, record) in lines.zip(reader.records()) {
        let record = record.map_err(|error| broken(path, &error, &text))?;
        // a blank line has its place too
        if line.saturating_sub(head) > most.into() {
            left_out.beyond += 1;
            continue;
        }
        match row(&record, line, &places, &columns.names)
            .map_err(|failure| failure.in_file(path))?
        {
            Row::Values(found) => {
                rows += 1;
                values.extend(found.into_iter().take(columns.asked));
            }
            Row::Empty(_) if empty == Empty::Skip => left_out.empty += 1,
            Row::Empty(column) => {
                let error = format!("line {line}, column {column:?}: the cell is empty");
                return Err(Failure::usage(error)
                    .in_file(path)
                    .hint("fill it in, or leave rows with empty cells out: --empty skip, or empty = \"skip\" in [stats]"));
            }
        }
    }
    Ok((rows, values, left_out))
}

/// A row in the columns.
enum Row<'a> {
    Values(Vec<f64>),
    /// The first column without a value.
    Empty(&'a str),
}

fn row<'a>(
    record: &StringRecord,
    line: u64,
    places: &[usize],
    names: &[&'a str],
) -> Result<Row<'a>, Failure> {
    let mut values = Vec::with_capacity(places.len());
    for (place, name) in places.iter().zip(names) {
        let cell = record.get(*place).unwrap_or_default();
        if cell.is_empty() {
            return Ok(Row::Empty(name));
        }
        values.push(number(cell).ok_or_else(|| {
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

fn places(head: &StringRecord, path: &Path, columns: &Columns<'_>) -> Result<Vec<usize>, Failure> {
    let places = columns.names.iter().map(|name| place(head, name));
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

fn open_quote(path: &Path, line: u64) -> Failure {
    let error = format!("line {line}: found a quoted cell that does not end in its line");
    Failure::usage(error)
        .in_file(path)
        .hint("close the quote, or take it away; a cell cannot span lines")
}

fn broken(path: &Path, error: &csv::Error, text: &[u8]) -> Failure {
    Failure::usage(quotes::broken(error, text)).in_file(path)
}

#[cfg(test)]
mod tests;
