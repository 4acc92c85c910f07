//! Elimination of hidden columns from sparse rows.

use crate::knowledge::number::Number;

/// Coefficients by column, ascending, none of them 0.
pub(super) type Row = Vec<(usize, Number)>;

/// What the span of `rows` holds that has no column below `hidden`, as a reduced echelon basis.
pub(super) fn eliminate(rows: Vec<Row>, hidden: usize) -> Vec<Row> {
    let mut holders = vec![Vec::new(); hidden];
    for (index, row) in rows.iter().enumerate() {
        for (column, _) in row.iter().take_while(|(column, _)| *column < hidden) {
            holders[*column].push(index);
        }
    }
    let mut rows = rows.into_iter().map(Some).collect::<Vec<_>>();
    for column in 0..hidden {
        let mut holding = std::mem::take(&mut holders[column]);
        holding.sort_unstable();
        holding.dedup();
        holding.retain(|index| coefficient(rows[*index].as_ref(), column).is_some());
        let shortest = holding
            .iter()
            .copied()
            .min_by_key(|index| rows[*index].as_ref().map_or(0, Vec::len));
        let Some(pivot) = shortest.and_then(|index| rows[index].take().map(|row| (index, row)))
        else {
            continue;
        };
        for other in holding.into_iter().filter(|index| *index != pivot.0) {
            rows[other] = rows[other]
                .take()
                .map(|row| without(&row, &pivot.1, column));
            for (gained, _) in pivot.1.iter().take_while(|(column, _)| *column < hidden) {
                holders[*gained].push(other);
            }
        }
    }
    reduced(rows.into_iter().flatten().collect())
}

/// A reduced echelon basis of the span of `rows`.
pub(super) fn reduced(rows: Vec<Row>) -> Vec<Row> {
    let mut basis = Vec::<Row>::new();
    for mut row in rows {
        for pivot in &basis {
            row = without(&row, pivot, pivot[0].0);
        }
        let Some((column, leading)) = row.first().copied() else {
            continue;
        };
        let inverse = leading.inverse();
        for (_, coefficient) in &mut row {
            *coefficient = *coefficient * inverse;
        }
        for earlier in &mut basis {
            *earlier = without(earlier, &row, column);
        }
        basis.push(row);
        basis.sort_unstable_by_key(|row| row[0].0);
    }
    basis
}

/// `row` less the multiple of `pivot` that takes its `column` away.
fn without(row: &Row, pivot: &Row, column: usize) -> Row {
    let own = coefficient(Some(row), column);
    let Some((own, of_pivot)) = own.zip(coefficient(Some(pivot), column)) else {
        return row.clone();
    };
    let factor = -(own * of_pivot.inverse());
    let (mut left, mut right) = (row.iter().peekable(), pivot.iter().peekable());
    let mut sum = Vec::with_capacity(row.len() + pivot.len());
    loop {
        let (column, value) = match (left.peek(), right.peek()) {
            (None, None) => return sum,
            (Some(one), None) => (one.0, one.1),
            (None, Some(other)) => (other.0, factor * other.1),
            (Some(one), Some(other)) if one.0 < other.0 => (one.0, one.1),
            (Some(one), Some(other)) if one.0 > other.0 => (other.0, factor * other.1),
            (Some(one), Some(other)) => (one.0, one.1 + factor * other.1),
        };
        left.next_if(|entry| entry.0 == column);
        right.next_if(|entry| entry.0 == column);
        if !value.is_zero() {
            sum.push((column, value));
        }
    }
}

fn coefficient(row: Option<&Row>, column: usize) -> Option<Number> {
    let row = row?;
    let found = row.binary_search_by_key(&column, |(column, _)| *column);
    found.ok().map(|index| row[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(entries: &[(usize, i32)]) -> Row {
        let number = |value: i32| match value {
            ..0 => (value..0).fold(Number::ZERO, |sum, _| sum - Number::ONE),
            _ => (0..value).fold(Number::ZERO, |sum, _| sum + Number::ONE),
        };
        entries.iter().map(|(c, v)| (*c, number(*v))).collect()
    }

    #[test]
    fn an_inverse_times_its_number_is_1() {
        let seven = row(&[(0, 7)])[0].1;
        assert_eq!(seven * seven.inverse(), Number::ONE);
        assert_eq!(-seven * (-seven).inverse(), Number::ONE);
    }

    #[test]
    fn masks_with_opposite_signs_leave_the_sum() {
        let rows = vec![row(&[(0, 1), (5, 1)]), row(&[(0, -1), (6, 1)])];
        assert_eq!(eliminate(rows, 1), [row(&[(5, 1), (6, 1)])]);
    }

    #[test]
    fn a_mask_in_one_row_only_hides_it() {
        let rows = vec![row(&[(0, 1), (5, 1)]), row(&[(0, -1), (1, 1), (6, 1)])];
        assert!(eliminate(rows, 2).is_empty());
    }

    #[test]
    fn a_cycle_of_masks_leaves_one_sum() {
        let rows = vec![
            row(&[(0, 1), (1, 1), (5, 1)]),
            row(&[(0, -1), (2, 1), (6, 1)]),
            row(&[(1, -1), (2, -1), (7, 1)]),
        ];
        assert_eq!(eliminate(rows, 3), [row(&[(5, 1), (6, 1), (7, 1)])]);
    }

    #[test]
    fn two_sums_give_their_difference() {
        let rows = vec![row(&[(5, 1), (6, 1), (7, 1)]), row(&[(5, 1), (6, 1)])];
        assert_eq!(eliminate(rows, 0), [row(&[(5, 1), (6, 1)]), row(&[(7, 1)])]);
    }
}
