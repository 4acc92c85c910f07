//! What `veilsum bench` says.

use super::args::Step;
use super::machine::Machine;
use super::timing::Pairs;
use crate::table::{Side, Table};
use serde::Serialize;
use std::fmt;

/// The result, as JSON and as text.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) version: &'static str,
    pub(super) quick: bool,
    pub(super) wall_s: f64,
    pub(super) rows: Vec<Row>,
}

/// One step beside its limit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    step: String,
    value: f64,
    unit: &'static str,
    limit: f64,
    ratio: f64,
    mark: f64,
    better: Better,
    met: bool,
    repetitions: usize,
    what: String,
}

/// Which way a ratio is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Better {
    Higher,
    Lower,
}

impl Row {
    /// A rate, in gigabytes a second: the higher the better.
    pub(super) fn rate(step: Step, pairs: &Pairs, mark: f64, what: String) -> Self {
        Self::new(step, pairs, ("GB/s", Better::Higher), mark, what)
    }

    /// A time, in milliseconds: the lower the better.
    pub(super) fn time(step: Step, pairs: &Pairs, mark: f64, what: String) -> Self {
        Self::new(step, pairs, ("ms", Better::Lower), mark, what)
    }

    /// The bare loop itself beside the rate that it should have: a limit that is slow is none.
    pub(super) fn of_loop(found: f64, wanted: f64, repetitions: usize) -> Self {
        let pairs = Pairs::from_iter([(found, wanted)]);
        let what = "the limit itself beside the rate expected of it".to_owned();
        Self {
            step: "bare-loop".to_owned(),
            repetitions,
            ..Self::rate(Step::MaskKernel, &pairs, 1.0, what)
        }
    }

    fn new(
        step: Step,
        pairs: &Pairs,
        (unit, better): (&'static str, Better),
        mark: f64,
        what: String,
    ) -> Self {
        let ratio = pairs.ratio();
        let met = match better {
            Better::Higher => ratio >= mark,
            Better::Lower => ratio <= mark,
        };
        Self {
            step: step.to_string(),
            value: pairs.value(),
            unit,
            limit: pairs.limit(),
            ratio,
            mark,
            better,
            met,
            repetitions: pairs.len(),
            what,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; veilsum {}", self.machine, self.version)?;
        let mut table = Table::new(&[
            ("step", Side::Left),
            ("value", Side::Right),
            ("limit", Side::Right),
            ("", Side::Left),
            ("ratio", Side::Right),
            ("mark", Side::Left),
            ("", Side::Left),
        ]);
        for row in &self.rows {
            let sign = match row.better {
                Better::Higher => ">=",
                Better::Lower => "<=",
            };
            table.row([
                row.step.clone(),
                figure(row.value),
                figure(row.limit),
                row.unit.to_owned(),
                format!("{:.2}", row.ratio),
                format!("{sign} {:.2}", row.mark),
                if row.met { "met" } else { "missed" }.to_owned(),
            ]);
        }
        writeln!(f, "{table}")?;
        for row in &self.rows {
            writeln!(f, "{}: {}", row.step, row.what)?;
        }
        if self.quick {
            writeln!(
                f,
                "quick: the rounds were smaller than those the marks are for"
            )?;
        }
        write!(f, "{:.0} s", self.wall_s)
    }
}

/// Three digits.
fn figure(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_on_the_mark_meets_it_and_one_on_the_other_side_does_not() {
        let rate = |ratio: f64| {
            let pairs = Pairs::from_iter([(ratio, 1.0)]);
            Row::rate(Step::Unmask, &pairs, 0.75, String::new()).met
        };
        let time = |ratio: f64| {
            let pairs = Pairs::from_iter([(ratio, 1.0)]);
            Row::time(Step::MemberRest, &pairs, 1.3, String::new()).met
        };
        assert_eq!([rate(0.75), rate(0.9), rate(0.74)], [true, true, false]);
        assert_eq!([time(1.3), time(1.0), time(1.31)], [true, true, false]);
    }

    #[test]
    fn rows_have_the_keys_that_are_documented() {
        let pairs = Pairs::from_iter([(1.0, 2.0)]);
        let row = Row::time(Step::CoordinatorRest, &pairs, 1.5, String::new());
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["step"], "coordinator-rest");
        assert_eq!(json["better"], "lower");
        for key in ["value", "unit", "limit", "ratio", "mark", "met"] {
            assert!(!json[key].is_null(), "{key}");
        }
    }
}
