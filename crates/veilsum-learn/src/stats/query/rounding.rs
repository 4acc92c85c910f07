//! Not noise: how far the rounding of integers may have moved a number, at most.

use super::answer::{Answer, ColumnEstimate};
use super::{Query, Statistic, scale};

impl Answer {
    /// Says of each column how far rounding may have moved its number, over so many members. For sums without noise: the bounds use
    /// that no mean is out of its range, which noise does not keep to.
    // spec: [stats.query.round]
    #[must_use]
    pub fn rounded_by(mut self, query: &Query, members: u32) -> Self {
        let of = Rounding::of(query, members);
        match (&mut self, &query.statistic) {
            (Self::Sum { columns }, _) => {
                for column in columns {
                    column.rounding = Some(column.step * of.sum());
                }
            }
            (Self::Mean { count, columns }, Statistic::Mean(scales, _)) => {
                let count = of.count(count.value);
                set(columns, scales, |width| {
                    Some(width / 2.0 * of.ratio(count?, of.rows(count?, VALUE)))
                });
            }
            (Self::Variance { count, columns }, Statistic::Variance(scales, _)) => {
                let count = of.count(count.value);
                set(columns, scales, |width| {
                    let count = count?;
                    let mean = of.ratio(count, of.rows(count, VALUE));
                    let square = of.ratio(count, of.rows(count, SQUARE));
                    // the variance is reach^2 ((q + 1) / 2 - m^2) with |m| <= 1
                    let reach = width / 2.0;
                    Some(reach * reach * (square / 2.0 + 2.0 * mean + mean * mean))
                });
            }
            _ => {}
        }
        self
    }
}

impl Query {
    /// Whether a sum without noise gives the very number: counts of which nothing is divided away.
    pub fn is_exact(&self) -> bool {
        matches!(self.statistic, Statistic::Count | Statistic::Histogram(_)) && self.shrink == 1
    }

    /// How far rounding may have moved each count of a count or histogram over so many members, at most.
    pub fn count_rounding(&self, members: u32) -> f64 {
        match self.shrink {
            1 => 0.0,
            shrink => f64::from(members) * f64::from(shrink) / 2.0,
        }
    }
}

/// What is known of the rounding of a sum, in its integers.
struct Rounding {
    members: f64,
    /// Most rows of all members.
    most: f64,
    half: f64,
    shrink: f64,
}

impl Rounding {
    fn of(query: &Query, members: u32) -> Self {
        Self {
            members: members.into(),
            most: f64::from(members) * f64::from(query.rows),
            half: query.half() as f64,
            shrink: query.shrink.into(),
        }
    }

    /// Of a sum: half an integer a member, and what each row lost to the finer grid before.
    fn sum(&self) -> f64 {
        self.members / 2.0 + self.fine(self.most, VALUE)
    }

    /// The same for `count` integers' worth of rows.
    fn rows(&self, count: f64, fine: f64) -> f64 {
        let rows = (count + self.of_count()) * self.shrink / self.half;
        self.members / 2.0 + self.fine(rows.min(self.most), fine)
    }

    fn fine(&self, rows: f64, fine: f64) -> f64 {
        rows * fine / (scale::FINE as f64 * self.shrink)
    }

    /// Of the integer of the count: a whole number of rows is not rounded unless it is divided.
    fn of_count(&self) -> f64 {
        match self.shrink > 1.0 {
            true => self.members / 2.0,
            false => 0.0,
        }
    }

    /// The integer of the count, out of the number of rows; none without any.
    fn count(&self, rows: Option<f64>) -> Option<f64> {
        let count = rows? * self.half / self.shrink;
        (count > 0.0).then_some(count)
    }

    /// Of a sum over the count, which is at most 1 in size: the errors of both add up.
    fn ratio(&self, count: f64, sum: f64) -> f64 {
        (sum + self.of_count()) / count
    }
}

fn set(
    columns: &mut [ColumnEstimate],
    scales: &[scale::Centred],
    rounding: impl Fn(f64) -> Option<f64>,
) {
    for (column, scale) in columns.iter_mut().zip(scales) {
        column.rounding = column.estimate.value.and_then(|_| rounding(scale.width()));
    }
}

/// What a value may be off on the fine grid, and its float.
const VALUE: f64 = 0.501;
/// What its square may be off there: four times as much, and its own rounding.
const SQUARE: f64 = 2.6;

#[cfg(test)]
mod tests {
    use super::super::{Inquiry, Kind, Parameters, Progress};
    use super::*;
    use ndarray::{Array2, Axis};
    use proptest::prelude::*;

    /// The first column's number without noise over members with these values, and its rounding.
    fn asked(kind: Kind, members: &[Vec<f64>], bits: u8, shrink: u32) -> (f64, f64) {
        let query = Query::new(Parameters {
            bounds: vec![[-3.0, 997.0]],
            bits: Some(bits),
            shrink: Some(shrink),
            ..Parameters::new(kind, vec!["a".into()], 50)
        })
        .unwrap();
        let inquiry = Inquiry::new(query.clone());
        let mut sum = vec![0; query.integers()];
        for values in members {
            let table = Array2::from_shape_vec((values.len(), 1), values.clone()).unwrap();
            assert_eq!(table.len_of(Axis(1)), 1);
            let vector = inquiry.question().encode(table.view()).unwrap();
            sum.iter_mut()
                .zip(vector)
                .for_each(|(sum, own)| *sum += own);
        }
        let Progress::Done(answer) = inquiry.take(&sum, 0.0).unwrap() else {
            unreachable!("one round")
        };
        let (Answer::Sum { columns }
        | Answer::Mean { columns, .. }
        | Answer::Variance { columns, .. }) = answer.rounded_by(&query, members.len() as u32)
        else {
            unreachable!("a number for each column")
        };
        (
            columns[0].estimate.value.unwrap(),
            columns[0].rounding.unwrap(),
        )
    }

    fn statistics(members: &[Vec<f64>]) -> [(Kind, f64); 3] {
        let all = members.concat();
        let sum: f64 = all.iter().sum();
        let mean = sum / all.len() as f64;
        let square = all.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        [
            (Kind::Sum, sum),
            (Kind::Mean, mean),
            (Kind::Variance, square / all.len() as f64),
        ]
    }

    proptest! {
        #[test]
        fn no_number_is_further_off_than_its_rounding(
            members in prop::collection::vec(prop::collection::vec(-3.0..997.0, 5..40), 2..6),
            bits in 4_u8..=20,
            shrink in 1_u32..4,
        ) {
            // spec: [stats.query.round]
            for (kind, wanted) in statistics(&members) {
                let (found, rounding) = asked(kind, &members, bits, shrink);
                prop_assert!(
                    (found - wanted).abs() <= rounding * (1.0 + 1e-9) + 1e-9,
                    "{kind}: found {found}, wanted {wanted} within {rounding}"
                );
            }
        }
    }

    #[test]
    fn rounding_is_half_a_step_a_member_and_little_more() {
        let members = vec![vec![10.0; 5]; 3];
        let (_, sum) = asked(Kind::Sum, &members, 16, 1);
        let step = 997.0 / 32_767.0;
        assert!((1.5..1.501).contains(&(sum / step)), "{sum}");
        let (_, mean) = asked(Kind::Mean, &members, 16, 1);
        let step = 1_000.0 / 65_534.0;
        assert!((1.5..1.501).contains(&(mean * 15.0 / step)), "{mean}");
    }
}
