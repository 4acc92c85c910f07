//! Aligned columns for people.

use std::fmt;

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells under a head, each column as wide as its widest cell, two spaces between columns.
#[derive(Clone, Debug)]
pub struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; an empty head is not shown.
    pub fn new(columns: &[(&str, Side)]) -> Self {
        let head: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let has_head = head.iter().any(|name| !name.is_empty());
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: if has_head { vec![head] } else { Vec::new() },
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.sides.len()).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for ((cell, side), width) in row.iter().zip(&self.sides).zip(&widths) {
                let cell = match side {
                    Side::Left => format!("{cell:<width$}"),
                    Side::Right => format!("{cell:>width$}"),
                };
                line.push_str(&cell);
                line.push_str("  ");
            }
            let end = if number + 1 < self.rows.len() {
                "\n"
            } else {
                ""
            };
            write!(f, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Bytes for people: powers of 1024, three digits.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let places = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!(
        "{value:.places$} {}",
        UNITS.get(unit).copied().unwrap_or("TiB")
    )
}

/// A count with thin groups: `1 000 000`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A count of rounds in words.
pub fn rounds(count: u64) -> String {
    match count {
        1 => "1 round".to_owned(),
        _ => format!("{count} rounds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[("name", Side::Left), ("n", Side::Right)]);
        table.row(["a".into(), "100".into()]);
        table.row(["longer".into(), "7".into()]);
        assert_eq!(table.to_string(), "name      n\na       100\nlonger    7");
    }

    #[test]
    fn bytes_have_three_digits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(1_023_000), "999 KiB");
        assert_eq!(bytes(1_023_900), "1.00 MiB".replace("1.00", "0.98"));
        assert_eq!(bytes(u64::MAX), "16777216 TiB");
    }

    #[test]
    fn groups_have_three_digits() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1797), "1 797");
        assert_eq!(grouped(1_000_000), "1 000 000");
    }
}
