//! Not a CSV reader: whether the quotes of a line are closed where it ends.
//!
//! One quote that is never closed makes, to a reader of CSV, one cell of all lines that follow, and a table loses them without a word. So a row
//! is a line here, and no cell spans two.

/// The first line, from 1, that ends inside a quoted cell; a line ends with LF, CR LF or CR.
// spec: [stats.query.lines] [job.csv]
pub fn first_open(text: &[u8]) -> Option<u64> {
    let mut number = 1_u64;
    for chunk in text.split(|byte| *byte == b'\n') {
        for line in lines(chunk) {
            if is_open(line) {
                return Some(number);
            }
            number = number.saturating_add(1);
        }
    }
    None
}

/// The number, from 1, of the line of a record, counted from 0 with the head; blank lines are no records. For tables without an open quote.
pub fn line_of(text: &[u8], record: u64) -> u64 {
    let record = usize::try_from(record).unwrap_or(usize::MAX);
    lines_of_records(text).nth(record).unwrap_or(0)
}

/// The numbers, from 1, of the lines of all records, the head's first. For tables without an open quote.
pub fn lines_of_records(text: &[u8]) -> impl Iterator<Item = u64> {
    let all = text.split(|byte| *byte == b'\n').flat_map(lines);
    let records = (1_u64..).zip(all).filter(|(_, line)| !line.is_empty());
    records.map(|(number, _)| number)
}

/// As [`line_of`], of where a reader of CSV stands; 0 if it does not say.
pub fn line_at(text: &[u8], position: Option<&csv::Position>) -> u64 {
    position.map_or(0, |position| line_of(text, position.record()))
}

/// What a reader of CSV does not take, with its line: unequal numbers of cells, bytes that are no UTF-8. No cell is quoted.
pub fn broken(error: &csv::Error, text: &[u8]) -> String {
    let line = |position: &Option<csv::Position>| line_at(text, position.as_ref());
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => format!(
            "line {}: found {len} cells, the head has {expected_len}",
            line(pos)
        ),
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!("line {}: found bytes that are not UTF-8", line(pos))
        }
        _ => "found bytes that are no table".to_owned(),
    }
}

/// The lines of what stands before an LF: one, unless a CR ends some.
pub fn lines(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let chunk = chunk.strip_suffix(b"\r").unwrap_or(chunk);
    chunk.split(|byte| *byte == b'\r')
}

/// The cells of a line alone, if it has any and its quotes are closed: no other line has a part in them.
pub fn cells(line: &[u8]) -> Option<csv::ByteRecord> {
    if is_open(line) {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true);
    reader.buffer_capacity(line.len().saturating_add(1));
    let mut record = csv::ByteRecord::new();
    let read = reader.from_reader(line).read_byte_record(&mut record);
    read.unwrap_or(false).then_some(record)
}

/// Whether a line ends inside a quoted cell. A quote opens a cell at its beginning alone, and two are one of its text (RFC 4180).
pub fn is_open(line: &[u8]) -> bool {
    let mut at = At::Start;
    for byte in line {
        at = match (at, byte) {
            (At::Start, b'"') | (At::Quote, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Quote,
            (At::Quoted, _) => At::Quoted,
            (_, b',') => At::Start,
            _ => At::Plain,
        };
    }
    at == At::Quoted
}

/// Where in a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted cell: its end, or the first of two.
    Quote,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_open_a_cell_at_its_beginning_alone() {
        // spec: [stats.query.lines]
        for (line, open) in [
            ("", false),
            ("1,2", false),
            ("\"a\",\"b,c\"", false),
            ("\"a\"\"b\"", false),
            ("6\" wide,2", false),
            ("1,\"", true),
            ("10,\"stray", true),
            ("\"a\"\"", true),
            ("\"a,b", true),
            ("\"a\"b,\"c", true),
            ("\"\"", false),
            ("\"\"\"", true),
        ] {
            assert_eq!(is_open(line.as_bytes()), open, "{line:?}");
        }
    }

    #[test]
    fn lines_are_numbered_whatever_ends_them() {
        for (text, wanted) in [
            ("a\n1\n\"2\n3\n", Some(3)),
            ("a\r\n\r\n\"2\r\n", Some(3)),
            ("a\r1\r\"2", Some(3)),
            ("a\n\"1\n2\"\n", Some(2)),
            ("a\n\"1\"\n", None),
            ("", None),
        ] {
            assert_eq!(first_open(text.as_bytes()), wanted, "{text:?}");
        }
        let text = b"\na\r\n\r\n1\n\n2";
        assert_eq!(
            [0, 1, 2, 3].map(|record| line_of(text, record)),
            [2, 4, 6, 0]
        );
    }
}
