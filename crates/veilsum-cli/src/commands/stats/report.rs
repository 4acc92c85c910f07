//! What `veilsum stats` says.

use super::rounds::RoundLine;
use crate::table::{Side, Table, rounds};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use veilsum_dp::{Sharing, Unit};
use veilsum_learn::stats::{Answer, Bin, ColumnEstimate, Estimate, Kind, Query};
use veilsum_proto::noise::RoundNoise;
use veilsum_proto::task::{NoiseLaw, NoiseSpec, Task};

/// A statistic, what it cost, and who was in it.
#[derive(Debug, Serialize)]
pub struct StatsResult {
    query: Query,
    answer: Answer,
    members: u32,
    /// Members whose rows are in every round.
    survivors: usize,
    rounds: Vec<RoundLine>,
    noise: Option<NoiseLine>,
}

/// A task that was written for a query.
#[derive(Debug, Serialize)]
pub(super) struct TaskWritten {
    #[serde(serialize_with = "crate::output::lossy::path")]
    file: PathBuf,
    query: Query,
    digest: String,
    rounds: u32,
    noise: Option<NoiseLine>,
}

/// Noise and what it is worth.
#[derive(Clone, Debug, Serialize)]
struct NoiseLine {
    mechanism: NoiseLaw,
    /// Scale, variance or sigma squared, in the integers of the sum.
    parameter: String,
    sharing: Sharing,
    unit: Unit,
    /// Of all rounds together.
    epsilon: f64,
    epsilon_per_round: f64,
    delta: f64,
}

impl StatsResult {
    /// An answer with the rounds it took; with noise, as many rounds as are charged.
    pub fn new(
        query: Query,
        answer: Answer,
        members: u32,
        rounds: Vec<RoundLine>,
        noise: Option<(&NoiseSpec, &RoundNoise, u64)>,
    ) -> Self {
        let survivors = rounds.iter().map(|round| round.survivors).min();
        let survivors = survivors.unwrap_or(0);
        let of = u32::try_from(survivors).unwrap_or(u32::MAX);
        // the bounds are of counts and sums as members gave them, and noise takes these anywhere
        let answer = match noise {
            None => answer.rounded_by(&query, of),
            Some(_) => answer,
        };
        Self {
            noise: noise.map(|(spec, noise, spent)| NoiseLine::new(spec, noise, spent)),
            survivors,
            query,
            answer,
            members,
            rounds,
        }
    }
}

impl StatsResult {
    /// Numbers of which rounding may be a good part, in words.
    pub fn warnings(&self) -> Vec<String> {
        let (Answer::Sum { columns }
        | Answer::Mean { columns, .. }
        | Answer::Variance { columns, .. }) = &self.answer
        else {
            return Vec::new();
        };
        columns.iter().filter_map(coarse).collect()
    }

    /// What stands in the place of noise where there is none.
    fn without_noise(&self) -> String {
        let members = u32::try_from(self.survivors).unwrap_or(u32::MAX);
        let counts = self.query.count_rounding(members);
        let rounding = match self.query.kind() {
            Kind::Sum | Kind::Mean | Kind::Variance => {
                "not exact (rounding as shown), without noise".to_owned()
            }
            Kind::Quantile => "between two thresholds, without noise".to_owned(),
            _ if self.query.is_exact() => "exact, without noise".to_owned(),
            _ => format!(
                "without noise, rounding at most ± {} a count",
                number(counts)
            ),
        };
        format!("{rounding}: it may tell much about single rows")
    }
}

/// Why a number says little: rounding may be more than a hundredth of it, and noise does not hide that.
fn coarse(column: &ColumnEstimate) -> Option<String> {
    let (value, rounding) = (column.estimate.value?, column.rounding?);
    let noise = column.estimate.standard_error.unwrap_or(0.0);
    let little = rounding > value.abs() / 100.0 && rounding > noise && rounding > 0.0;
    little.then(|| {
        format!(
            "the number for {} is {}, and rounding may have moved it by up to {}: ask with narrower --bounds, more --bits or a smaller --shrink",
            column.column,
            number(value),
            number(rounding)
        )
    })
}

impl TaskWritten {
    pub(super) fn new(
        file: &Path,
        query: &Query,
        task: &Task,
        noise: Option<(&NoiseSpec, &RoundNoise)>,
    ) -> Self {
        let rounds = query.rounds();
        Self {
            file: file.to_owned(),
            query: query.clone(),
            digest: task.digest().to_string(),
            rounds,
            noise: noise.map(|(spec, noise)| NoiseLine::new(spec, noise, rounds.into())),
        }
    }
}

impl NoiseLine {
    fn new(spec: &NoiseSpec, noise: &RoundNoise, rounds: u64) -> Self {
        Self {
            mechanism: spec.law,
            parameter: spec.parameter.to_string(),
            sharing: spec.sharing,
            unit: spec.unit,
            epsilon: noise.total(rounds).epsilon,
            epsilon_per_round: noise.statement().epsilon,
            delta: noise.delta(),
        }
    }
}

impl fmt::Display for StatsResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", InWords(&self.answer))?;
        write!(
            f,
            "{} of {} members, {}",
            self.survivors,
            self.members,
            rounds(self.rounds.len() as u64)
        )?;
        match &self.noise {
            Some(noise) => write!(f, "; {noise}"),
            None => write!(f, "; {}", self.without_noise()),
        }
    }
}

impl fmt::Display for TaskWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, kind) = (self.file.display(), self.query.kind());
        let rounds = rounds(self.rounds.into());
        write!(
            f,
            "{file}: task for a {kind}, {rounds}, digest {}",
            self.digest
        )?;
        match &self.noise {
            Some(noise) => write!(f, "; {noise}"),
            None => f.write_str("; without noise"),
        }?;
        write!(
            f,
            "\n\nThe query for the coordinator's configuration:\n\nquery = {}",
            Inline(&self.query)
        )
    }
}

/// A query as one line of TOML.
struct Inline<'a>(&'a Query);

impl fmt::Display for Inline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        toml::Value::try_from(self.0)
            .map_err(|_| fmt::Error)?
            .fmt(f)
    }
}

impl fmt::Display for NoiseLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // rounded up, so that no digit promises more than the number
        let epsilon = (self.epsilon * 1e4).ceil() / 1e4;
        let (delta, unit, mechanism) = (self.delta, self.unit, self.mechanism);
        write!(
            f,
            "epsilon {epsilon:.4} at delta {delta:e} per {unit}, {mechanism} noise"
        )
    }
}

struct InWords<'a>(&'a Answer);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[("", Side::Left), ("", Side::Right), ("", Side::Left)]);
        match self.0 {
            Answer::Count { columns, count } => {
                let what = match columns.is_empty() {
                    true => "rows".to_owned(),
                    false => format!("rows with {}", columns.join(", ")),
                };
                table.row(cells(what, count));
            }
            Answer::Sum { columns } => add(&mut table, "sum", columns),
            Answer::Mean { count, columns } => {
                add(&mut table, "mean", columns);
                table.row(cells("rows".to_owned(), count));
            }
            Answer::Variance { count, columns } => {
                add(&mut table, "variance", columns);
                table.row(cells("rows".to_owned(), count));
            }
            Answer::Histogram { column, bins } => bins.iter().for_each(|bin| {
                let Bin {
                    from,
                    to,
                    count,
                    standard_error,
                } = bin;
                let what = match (from, to) {
                    (None, Some(to)) => format!("{column} below {to}"),
                    (Some(from), Some(to)) => format!("{column} from {from} to below {to}"),
                    (Some(from), None) => format!("{column} from {from}"),
                    (None, None) => column.clone(),
                };
                table.row([what, number(*count), error(Some(*standard_error))]);
            }),
            Answer::Quantile {
                column,
                quantile,
                estimate,
                low,
                high,
                lost_rounds,
            } => {
                table.row(cells(format!("quantile {quantile} of {column}"), estimate));
                let interval = format!("{} to {}", number(*low), number(*high));
                table.row(["bisected to".to_owned(), interval, String::new()]);
                if *lost_rounds > 0 {
                    let lost = format!("{lost_rounds} without a count");
                    table.row(["lost rounds".to_owned(), lost, String::new()]);
                }
            }
        }
        table.fmt(f)
    }
}

fn add(table: &mut Table, what: &str, columns: &[ColumnEstimate]) {
    for ColumnEstimate {
        column,
        estimate,
        rounding,
        ..
    } in columns
    {
        let mut cells = cells(format!("{what} of {column}"), estimate);
        let (noise, rounding) = (estimate.standard_error, rounding.unwrap_or(0.0));
        if estimate.value.is_some() && rounding > 0.0 && noise.unwrap_or(0.0) < rounding {
            let [.., error] = &mut cells;
            let comma = if error.is_empty() { "" } else { ", " };
            error.push_str(&format!(
                "{comma}± {} at most by rounding",
                number(rounding)
            ));
        }
        table.row(cells);
    }
}

fn cells(what: String, estimate: &Estimate) -> [String; 3] {
    match estimate.value {
        Some(value) => [what, number(value), error(estimate.standard_error)],
        None => [
            what,
            "none".to_owned(),
            "the sum has no count left to divide by".to_owned(),
        ],
    }
}

fn error(deviation: Option<f64>) -> String {
    match deviation {
        Some(deviation) if deviation > 0.0 => format!("± {} by noise", number(deviation)),
        _ => String::new(),
    }
}

/// Seven digits, no exponent unless it is needed.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-4..1e15).contains(&size) {
        let before = size.log10().floor().max(0.0) as usize;
        let text = format!("{value:.places$}", places = 6_usize.saturating_sub(before));
        return match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        };
    }
    format!("{value:.6e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_seven_digits() {
        let shown = [
            0.0,
            1.0,
            -2.5,
            41.302_123_456,
            1_234_567.9,
            0.000_123_456,
            1e-9,
        ]
        .map(number);
        assert_eq!(
            shown,
            [
                "0",
                "1",
                "-2.5",
                "41.30212",
                "1234568",
                "0.000123",
                "1.000000e-9"
            ]
        );
    }
}
