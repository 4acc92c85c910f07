//! What two questions have in common that ask for the same (`spec/member.md`, section 4.1).

use sha2::{Digest as _, Sha256};

use super::{Question, Statistic};
use crate::bytes::put_sized;

impl Question {
    /// Digest of what is asked: of kind, columns, and what decides which number a row counts as. Neither how finely the answer is told
    /// (`bits`, `shrink`), nor the order of columns, nor, of a quantile, anything but the threshold makes another question. Nor does `rows`: without noise an
    /// answer is of the same rows whatever it is (`[stats.query.bound]`), and with noise whoever wants a second sum could choose it freely.
    ///
    /// ```
    /// use veilsum_learn::stats::{Inquiry, Kind, Parameters, Query};
    ///
    /// let mean = |rows, high| {
    ///     let bounds = vec![[0.0, high]];
    ///     let query = Query::new(Parameters { bounds, ..Parameters::new(Kind::Mean, vec!["age".into()], rows) })?;
    ///     Ok::<_, veilsum_learn::stats::StatsError>(Inquiry::new(query).question().asked())
    /// };
    /// assert_eq!(mean(1_000, 120.0)?, mean(1_001, 120.0)?);
    /// assert_ne!(mean(1_000, 120.0)?, mean(1_000, 121.0)?);
    /// # Ok::<(), veilsum_learn::stats::StatsError>(())
    /// ```
    // spec: [answer.asked]
    pub fn asked(&self) -> [u8; 32] {
        let query = &self.query;
        let mut out = LABEL.to_vec();
        put_sized(&mut out, query.kind().name().as_bytes());
        let bounds = match query.statistic {
            Statistic::Sum(..) | Statistic::Mean(..) | Statistic::Variance(..) => query.bounds(),
            Statistic::Count | Statistic::Histogram(_) | Statistic::Quantile { .. } => Vec::new(),
        };
        let bounds = bounds.into_iter().map(Some);
        let bounds = bounds.chain(std::iter::repeat(None));
        let mut columns = Vec::from_iter(query.columns.iter().zip(bounds));
        // names differ
        columns.sort_unstable_by_key(|(name, _)| *name);
        put_count(&mut out, columns.len());
        for (name, bounds) in columns {
            put_sized(&mut out, name.as_bytes());
            put_numbers(&mut out, bounds.as_slice().as_flattened());
        }
        put_numbers(&mut out, query.edges());
        put_numbers(&mut out, self.threshold().as_slice());
        Sha256::digest(out).into()
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u64).to_le_bytes());
}

/// Numbers after their count.
fn put_numbers(out: &mut Vec<u8>, numbers: &[f64]) {
    put_count(out, numbers.len());
    for number in numbers {
        // values compare with both zeros alike
        let number = if *number == 0.0 { 0.0 } else { *number };
        out.extend_from_slice(&number.to_le_bytes());
    }
}

const LABEL: &[u8] = b"veilsum/v1 asked\0";

#[cfg(test)]
mod tests {
    use super::super::{Kind, Parameters, Progress, Query};
    use super::*;
    use crate::stats::Inquiry;

    fn parameters(kind: Kind, columns: &[&str]) -> Parameters {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Parameters::new(kind, columns, 100)
    }

    fn question(parameters: Parameters) -> Question {
        Question::first(Query::new(parameters).unwrap())
    }

    fn mean(change: impl Fn(&mut Parameters)) -> [u8; 32] {
        let mut parameters = Parameters {
            bounds: vec![[0.0, 120.0], [-1.0, 1.0]],
            ..parameters(Kind::Mean, &["age", "b"])
        };
        change(&mut parameters);
        question(parameters).asked()
    }

    fn quantile(quantile: f64, bounds: [f64; 2], steps: u32) -> Question {
        question(Parameters {
            quantile: Some(quantile),
            bounds: vec![bounds],
            steps: Some(steps),
            ..parameters(Kind::Quantile, &["age"])
        })
    }

    #[test]
    fn what_leaves_the_answer_as_it_is_makes_no_other_question() {
        // spec: [answer.asked]
        let one = mean(|_| {});
        assert_eq!(mean(|other| other.rows = 101), one);
        assert_eq!(mean(|other| other.bits = Some(15)), one);
        assert_eq!(mean(|other| other.shrink = Some(2)), one);
        assert_eq!(mean(|other| other.bounds[0] = [-0.0, 120.0]), one);
        let turned = mean(|other| {
            other.columns.reverse();
            other.bounds.reverse();
        });
        assert_eq!(turned, one);

        let median = quantile(0.5, [0.0, 128.0], 16).asked();
        for other in [
            quantile(0.9, [0.0, 128.0], 16),
            quantile(0.5, [0.0, 128.0], 3),
            quantile(0.5, [32.0, 96.0], 16),
        ] {
            assert_eq!(other.asked(), median);
        }
    }

    #[test]
    fn what_changes_the_answer_of_some_table_makes_another_question() {
        // spec: [answer.asked]
        let edges = |edges: &[f64]| {
            let edges = edges.to_vec();
            question(Parameters {
                edges,
                ..parameters(Kind::Histogram, &["age"])
            })
        };
        let of = |kind| Parameters {
            bounds: vec![[0.0, 120.0], [-1.0, 1.0]],
            ..parameters(kind, &["age", "b"])
        };
        let all = [
            mean(|_| {}),
            mean(|other| other.columns[0] = "height".into()),
            mean(|other| other.bounds[0][1] = 121.0),
            // the bounds of the one are those of the other
            mean(|other| other.bounds.reverse()),
            question(of(Kind::Sum)).asked(),
            question(of(Kind::Variance)).asked(),
            question(parameters(Kind::Count, &["age", "b"])).asked(),
            question(parameters(Kind::Count, &["age"])).asked(),
            question(parameters(Kind::Count, &[])).asked(),
            edges(&[40.0]).asked(),
            edges(&[40.0, 60.0]).asked(),
            edges(&[41.0]).asked(),
            quantile(0.5, [0.0, 80.0], 16).asked(),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn every_round_of_a_bisection_asks_something_else() {
        // spec: [answer.asked]
        let query = quantile(0.5, [0.0, 128.0], 8).query;
        let mut inquiry = Inquiry::new(query);
        let mut seen = Vec::new();
        loop {
            let asked = inquiry.question().asked();
            assert!(!seen.contains(&asked));
            seen.push(asked);
            // nobody has a value between any two thresholds: all answers are equal
            match inquiry.take(&[30, 0], 0.0).unwrap() {
                Progress::Next(next) => inquiry = *next,
                Progress::Done(_) => break,
            }
        }
        assert_eq!(seen.len(), 8);
    }
}
