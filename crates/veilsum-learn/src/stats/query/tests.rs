//! Queries of several members against the same statistic of all rows in one place, computed apart.

use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;
use veilsum_encode::Encoding;

use super::*;

/// Rows of all members, one column for each of these bounds.
fn tables(columns: usize) -> impl Strategy<Value = Vec<Vec<Vec<f64>>>> {
    let row = prop::collection::vec(-150.0..150.0_f64, columns);
    prop::collection::vec(prop::collection::vec(row, 1..20), 1..5)
}

fn bounded(kind: Kind, columns: usize, bits: u8) -> Query {
    let names = (0..columns).map(|index| format!("c{index}")).collect();
    Query::new(Parameters {
        bounds: vec![[-100.0, 140.0]; columns],
        bits: Some(bits),
        ..Parameters::new(kind, names, 50)
    })
    .unwrap()
}

fn matrix(rows: &[Vec<f64>], columns: usize) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).unwrap()
}

fn add(vectors: impl IntoIterator<Item = Vec<i64>>) -> Vec<i64> {
    let sum =
        |sum: Vec<i64>, vector: Vec<i64>| sum.iter().zip(vector).map(|(a, b)| a + b).collect();
    vectors.into_iter().reduce(sum).unwrap()
}

/// All rounds of a query over members' tables, without noise.
fn ask(query: Query, tables: &[Array2<f64>]) -> Answer {
    let mut inquiry = Inquiry::new(query);
    loop {
        let question = Question::from_bytes(&inquiry.question().to_bytes()).unwrap();
        let sum = add(tables
            .iter()
            .map(|rows| question.encode(rows.view()).unwrap()));
        match inquiry.take(&sum, 0.0).unwrap() {
            Progress::Next(next) => inquiry = *next,
            Progress::Done(answer) => return answer,
        }
    }
}

/// Values of one column as the query sees them.
fn held(tables: &[Vec<Vec<f64>>], column: usize) -> Vec<f64> {
    let values = tables.iter().flatten().map(|row| row[column]);
    values.map(|value| value.clamp(-100.0, 140.0)).collect()
}

fn values(columns: &[ColumnEstimate]) -> Vec<f64> {
    let value = |column: &ColumnEstimate| {
        assert_eq!(column.estimate.standard_error, Some(0.0));
        column.estimate.value.unwrap()
    };
    columns.iter().map(value).collect()
}

proptest! {
    #[test]
    fn moments_are_those_of_all_rows_up_to_the_grid(tables in tables(2), bits in 10_u8..=20) {
        // spec: [stats.query.sum] [stats.query.mean] [stats.query.variance] [stats.query.count]
        let matrices: Vec<_> = tables.iter().map(|rows| matrix(rows, 2)).collect();
        let half = f64::from((1_u32 << (bits - 1)) - 1);
        let Answer::Sum { columns: sums } = ask(bounded(Kind::Sum, 2, bits), &matrices) else { unreachable!() };
        let Answer::Mean { count, columns: means } = ask(bounded(Kind::Mean, 2, bits), &matrices) else { unreachable!() };
        let Answer::Variance { columns: variances, .. } = ask(bounded(Kind::Variance, 2, bits), &matrices) else { unreachable!() };
        let counted = ask(Query::new(Parameters::new(Kind::Count, vec!["c0".into(), "c1".into()], 50)).unwrap(), &matrices);
        for column in 0..2 {
            let held = held(&tables, column);
            let n = held.len() as f64;
            let sum: f64 = held.iter().sum();
            let mean = sum / n;
            let variance = held.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
            // each member's sum is rounded by half a step of 1 / half of the reach
            let rounded = tables.len() as f64 / 2.0 / half;
            prop_assert!((values(&sums)[column] - sum).abs() <= 140.0 * rounded * 1.001);
            prop_assert!((values(&means)[column] - mean).abs() <= 120.0 * rounded / n * 1.001);
            prop_assert!((values(&variances)[column] - variance).abs() <= 120.0 * 120.0 * 2.6 * rounded / n);
            prop_assert_eq!(count.value, Some(n));
            let Answer::Count { count, .. } = &counted else { unreachable!() };
            prop_assert_eq!(count.value, Some(n));
        }
    }

    #[test]
    fn histogram_is_that_of_all_rows(tables in tables(1)) {
        let edges = vec![-120.0, -3.5, 0.0, 77.0];
        let query = Parameters { edges: edges.clone(), ..Parameters::new(Kind::Histogram, vec!["c".into()], 50) };
        let matrices: Vec<_> = tables.iter().map(|rows| matrix(rows, 1)).collect();
        let Answer::Histogram { bins, .. } = ask(Query::new(query).unwrap(), &matrices) else { unreachable!() };
        prop_assert_eq!(bins.len(), 5);
        for bin in bins {
            let (from, to) = (bin.from.unwrap_or(f64::NEG_INFINITY), bin.to.unwrap_or(f64::INFINITY));
            let wanted = tables.iter().flatten().filter(|row| row[0] >= from && row[0] < to).count();
            prop_assert_eq!(bin.count, wanted as f64);
        }
    }

    #[test]
    fn quantile_is_that_of_all_rows_up_to_its_interval(tables in tables(1), tenth in 1_u32..10) {
        // spec: [stats.query.quantile]
        let quantile = f64::from(tenth) / 10.0;
        let query = Parameters {
            bounds: vec![[-100.0, 140.0]],
            quantile: Some(quantile),
            steps: Some(30),
            ..Parameters::new(Kind::Quantile, vec!["c".into()], 50)
        };
        let matrices: Vec<_> = tables.iter().map(|rows| matrix(rows, 1)).collect();
        let Answer::Quantile { estimate, low, high, lost_rounds, .. } = ask(Query::new(query).unwrap(), &matrices) else { unreachable!() };
        let mut held = held(&tables, 0);
        held.sort_by(f64::total_cmp);
        let wanted = held[(quantile * held.len() as f64).ceil() as usize - 1];
        prop_assert!(low <= wanted && wanted <= high && high - low < 1e-6);
        prop_assert!((estimate.value.unwrap() - wanted).abs() < 1e-6);
        prop_assert_eq!((estimate.standard_error, lost_rounds), (Some(0.0), 0));
    }

    /// The bound holds for every row, and some row reaches it.
    #[test]
    fn row_moves_the_vector_by_at_most_its_change(rows in tables(2), row in prop::array::uniform2(-500.0..500.0_f64), bits in 2_u8..=20, shrink in 1_u32..=50) {
        // spec: [stats.query.change]
        let rows = matrix(&rows[0], 2);
        let mut queries: Vec<Query> = [Kind::Sum, Kind::Mean, Kind::Variance].iter().map(|kind| bounded(*kind, 2, bits)).collect();
        queries.push(Query::new(Parameters::new(Kind::Count, vec!["a".into(), "b".into()], 50)).unwrap());
        for query in queries {
            let bound = query.row_change();
            let question = Question::first(query);
            let found = moved(&question, rows.view(), &row);
            prop_assert!(found.l1 <= bound.l1 && found.l2_squared <= bound.l2_squared && found.linf <= bound.linf, "{found:?} {bound:?}");
            prop_assert_eq!(moved(&question, rows.view(), &[140.0, 140.0]), bound);
            // spec: [stats.query.round]
            let shrunk = Query::new(Parameters { shrink: Some(shrink), ..question.query().parameters() }).unwrap();
            let (bound, found) = (shrunk.row_change(), moved(&Question::first(shrunk), rows.view(), &row));
            prop_assert!(found.l1 <= bound.l1 && found.l2_squared <= bound.l2_squared && found.linf <= bound.linf, "{found:?} {bound:?}");
        }
        let one = rows.column(0).insert_axis(ndarray::Axis(1)).to_owned();
        for query in [histogram(), median()] {
            let bound = query.row_change();
            prop_assert_eq!(moved(&Question::first(query), one.view(), &row[..1]), bound);
        }
    }

    #[test]
    fn any_sum_and_any_noise_are_decoded_without_panic(sum in prop::collection::vec(any::<i64>(), 0..6), noise in any::<f64>()) {
        for query in [bounded(Kind::Sum, 2, 20), bounded(Kind::Mean, 2, 20), bounded(Kind::Variance, 2, 2), histogram(), median()] {
            let (columns, wanted) = (query.columns().len(), query.integers());
            match Inquiry::new(query).take(&sum, noise) {
                Ok(Progress::Done(Answer::Mean { columns: found, .. } | Answer::Variance { columns: found, .. })) => {
                    prop_assert_eq!(found.len(), columns);
                }
                Ok(_) => prop_assert_eq!(sum.len(), wanted),
                Err(_) => prop_assert_ne!(sum.len(), wanted),
            }
        }
    }

    #[test]
    fn any_bytes_are_a_question_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        // spec: [stats.query.bytes]
        let _ = Question::from_bytes(&bytes);
        let _ = Question::from_bytes(&[b"veilsum/v1 question\0".as_slice(), &bytes].concat());
    }
}

#[test]
fn noise_that_leaves_no_count_leaves_no_mean() {
    // spec: [stats.query.empty]
    let half = 511;
    for n in [i64::MIN, -1, 0, half - 1] {
        let done = Inquiry::new(bounded(Kind::Mean, 1, 10))
            .take(&[n, 5], 9.0)
            .unwrap();
        let Progress::Done(Answer::Mean { count, columns }) = done else {
            unreachable!()
        };
        assert_eq!(
            (
                columns[0].estimate.value,
                columns[0].estimate.standard_error
            ),
            (None, None)
        );
        assert!(count.value.unwrap() >= 0.0);
    }
    let done = Inquiry::new(bounded(Kind::Variance, 1, 10))
        .take(&[half, half * 9, -half * 9], 9.0)
        .unwrap();
    let Progress::Done(Answer::Variance { columns, .. }) = done else {
        unreachable!()
    };
    assert_eq!(columns[0].estimate.value, Some(0.0));
    let done = Inquiry::new(bounded(Kind::Mean, 1, 10))
        .take(&[half, half * 9], 1e12)
        .unwrap();
    let Progress::Done(Answer::Mean { columns, .. }) = done else {
        unreachable!()
    };
    assert_eq!(
        (
            columns[0].estimate.value,
            columns[0].estimate.standard_error
        ),
        (Some(140.0), Some(240.0))
    );
}

#[test]
fn round_without_a_count_is_lost_and_counted() {
    // spec: [stats.query.empty]
    let mut inquiry = Inquiry::new(median());
    for sum in [[-3, 2], [4, 4], [0, 0]] {
        let Progress::Next(next) = inquiry.take(&sum, 1.0).unwrap() else {
            unreachable!()
        };
        inquiry = *next;
    }
    assert_eq!(inquiry.question().threshold(), Some(25.0));
    let Progress::Done(Answer::Quantile {
        estimate,
        low,
        high,
        lost_rounds,
        ..
    }) = inquiry.take(&[9, 1], 1.0).unwrap()
    else {
        unreachable!()
    };
    assert_eq!((low, high, lost_rounds), (0.0, 25.0, 2));
    // 9 of 10 is more than two deviations above a half, 4 of 8 is not: the upper end is 25, the lower the bound
    assert_eq!(
        (estimate.value, estimate.standard_error),
        (Some(12.5), Some(6.25))
    );
}

#[test]
fn a_quantile_ends_where_no_float_is_left_between_its_bounds() {
    // spec: [stats.query.repeated]
    let bounds = vec![[1.0, 1.0 + 4.0 * f64::EPSILON]];
    let query = Query::new(Parameters {
        bounds,
        steps: Some(64),
        ..median().parameters()
    });
    for noise in [0.0, 1.0] {
        let mut inquiry = Inquiry::new(query.clone().unwrap());
        let mut asked = Vec::new();
        loop {
            let threshold = inquiry.question().threshold().unwrap();
            assert!(!asked.contains(&threshold), "{threshold} again");
            asked.push(threshold);
            match inquiry.take(&[9, 1], noise).unwrap() {
                Progress::Next(next) => inquiry = *next,
                Progress::Done(_) => break,
            }
        }
        assert_eq!(asked.len(), 2, "four floats are halved twice");
    }
}

#[test]
fn a_quantile_without_rows_and_without_noise_is_asked_once() {
    // spec: [stats.query.repeated] [stats.query.empty]
    let Progress::Done(Answer::Quantile { lost_rounds, .. }) =
        Inquiry::new(median()).take(&[0, 0], 0.0).unwrap()
    else {
        panic!("members refuse the same question");
    };
    assert_eq!(lost_rounds, 1);
    let asked_again = Inquiry::new(median()).take(&[0, 0], 1.0).unwrap();
    assert!(matches!(asked_again, Progress::Next(_)));
}

/// Deviations of 4 000 noised sums against what is reported: their ratio is off by 10 % with probability below 1e-15 for a
/// normal law (chi-square with 4 000 degrees, 0.1 is 9 deviations).
#[test]
fn standard_error_is_the_deviation_of_the_noised_result() {
    // spec: [stats.query.error]
    use rand::{RngExt as _, SeedableRng as _};
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
    let rows = Array2::from_shape_fn((5_000, 1), |(row, _)| -100.0 + (row % 97) as f64 * 1.5);
    let sigma = 40_000.0;
    for kind in [Kind::Mean, Kind::Variance, Kind::Sum] {
        let query = Query::new(Parameters {
            rows: 5_000,
            ..bounded(kind, 1, 12).parameters()
        })
        .unwrap();
        let exact = Question::first(query.clone()).encode(rows.view()).unwrap();
        let mut found = Vec::new();
        let mut stated = 0.0;
        for _ in 0..4_000 {
            let noised: Vec<i64> = exact
                .iter()
                .map(|value| {
                    let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
                    value + (normal * sigma) as i64
                })
                .collect();
            let Progress::Done(answer) = Inquiry::new(query.clone())
                .take(&noised, sigma * sigma)
                .unwrap()
            else {
                unreachable!()
            };
            let (Answer::Mean { columns, .. }
            | Answer::Variance { columns, .. }
            | Answer::Sum { columns }) = answer
            else {
                unreachable!()
            };
            found.push(columns[0].estimate.value.unwrap());
            stated += columns[0].estimate.standard_error.unwrap() / 4_000.0;
        }
        let mean = found.iter().sum::<f64>() / 4_000.0;
        let deviation = (found
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / 4_000.0)
            .sqrt();
        assert!(
            (deviation / stated - 1.0).abs() < 0.1,
            "{kind}: found {deviation}, stated {stated}"
        );
    }
}

/// Ten members of 40 rows, integers divided by 7: each is off by half, in steps of 7 rows.
#[test]
fn shrunk_integers_are_rounded_once_by_each_member() {
    // spec: [stats.query.round]
    let rows: Vec<Array2<f64>> = (0..10)
        .map(|member| Array2::from_elem((40, 1), f64::from(member)))
        .collect();
    let of = |kind| {
        let parameters = Parameters {
            shrink: Some(7),
            ..Parameters::new(kind, vec!["c".into()], 50)
        };
        match kind {
            Kind::Count => parameters,
            _ => Parameters {
                bounds: vec![[-10.0, 10.0]],
                bits: Some(2),
                ..parameters
            },
        }
    };
    let count = Query::new(of(Kind::Count)).unwrap();
    assert_eq!(count.encoding(), Encoding::Integer { min: 0, max: 8 });
    let Answer::Count { count, .. } = ask(count, &rows) else {
        unreachable!()
    };
    assert!((count.value.unwrap() - 400.0).abs() <= 35.0);
    let Answer::Sum { columns } = ask(Query::new(of(Kind::Sum)).unwrap(), &rows) else {
        unreachable!()
    };
    assert_eq!(columns[0].step, 70.0);
    assert!((values(&columns)[0] - 1_800.0).abs() <= 350.0);
    let Answer::Mean { columns, .. } = ask(Query::new(of(Kind::Mean)).unwrap(), &rows) else {
        unreachable!()
    };
    assert!((values(&columns)[0] - 4.5).abs() <= 1.5);
}

#[test]
fn rows_above_the_limit_and_nan_are_refused() {
    // spec: [stats.query.rows]
    let question = Question::first(bounded(Kind::Mean, 1, 10));
    let found = question.encode(Array2::zeros((51, 1)).view());
    assert_eq!(
        found,
        Err(StatsError::TooMany {
            found: 51,
            most: 50
        })
    );
    assert!(question.encode(Array2::zeros((3, 2)).view()).is_err());
    for query in [
        bounded(Kind::Variance, 1, 10),
        bounded(Kind::Sum, 1, 10),
        histogram(),
        median(),
    ] {
        let rows = Array2::from_shape_vec((2, 1), vec![0.0, f64::NAN]).unwrap();
        let found = Question::first(query).encode(rows.view());
        assert_eq!(found, Err(StatsError::NotANumber { index: 1 }));
    }
}

#[test]
fn task_has_the_integers_and_the_range_of_the_query() {
    let mean = bounded(Kind::Mean, 3, 10);
    assert_eq!(
        (mean.integers(), mean.manifest().unwrap().coordinates()),
        (4, 4)
    );
    assert_eq!(
        mean.encoding(),
        Encoding::Integer {
            min: -50 * 511,
            max: 50 * 511
        }
    );
    assert_eq!(
        histogram().encoding(),
        Encoding::Integer { min: 0, max: 50 }
    );
}

#[test]
fn query_reads_back_from_text_and_unknown_keys_are_refused() {
    for query in [
        bounded(Kind::Sum, 2, 12),
        histogram(),
        median(),
        bounded(Kind::Variance, 1, 20),
    ] {
        let text = serde_json::to_string(&query).unwrap();
        assert_eq!(serde_json::from_str::<Query>(&text).unwrap(), query);
    }
    let refused = |text: &str| serde_json::from_str::<Query>(text).unwrap_err().to_string();
    let told = refused(r#"{"kind": "mean", "columns": ["a"], "rows": 9, "bound": [[0, 1]]}"#);
    assert!(told.contains("bound"), "{told}");
    let told = refused(r#"{"kind": "mean", "columns": ["a"], "rows": 9}"#);
    assert!(
        told.contains("a query of kind mean needs `bounds`"),
        "{told}"
    );
    let told = refused(r#"{"kind": "count", "columns": ["a"], "rows": 9, "steps": 3}"#);
    assert!(
        told.contains("a query of kind count has no `steps`"),
        "{told}"
    );
    let told = refused(r#"{"kind": "mean", "columns": ["a", "b"], "rows": 9, "bounds": [[0, 1]]}"#);
    assert!(told.contains("found 1 bounds, wanted 2"), "{told}");
    let told = refused(
        r#"{"kind": "mean", "columns": ["a", "a"], "rows": 9, "bounds": [[0, 1], [0, 1]]}"#,
    );
    assert!(told.contains("each once"), "{told}");
}

#[test]
fn bytes_of_a_question_are_those_of_the_spec() {
    // spec: [stats.query.bytes]
    let mut inquiry = Inquiry::new(median());
    let Progress::Next(next) = inquiry.take(&[9, 1], 0.0).unwrap() else {
        unreachable!()
    };
    inquiry = *next;
    let bytes = inquiry.question().to_bytes();
    let mut wanted = b"veilsum/v1 question\0\x06".to_vec();
    for number in [50_u64, 1, 1, 1] {
        wanted.extend(number.to_le_bytes());
    }
    wanted.push(b'c');
    for float in [0.5_f64, 0.0, 100.0] {
        wanted.extend(float.to_le_bytes());
    }
    wanted.extend(4_u64.to_le_bytes());
    wanted.extend(1_u64.to_le_bytes());
    for float in [0.0_f64, 50.0] {
        wanted.extend(float.to_le_bytes());
    }
    assert_eq!(bytes, wanted);
    assert_eq!(&Question::from_bytes(&bytes).unwrap(), inquiry.question());
    for length in 0..bytes.len() {
        assert!(Question::from_bytes(&bytes[..length]).is_err());
    }
    assert_eq!(
        Question::from_bytes(&[&bytes[..], &[0]].concat()),
        Err(StatsError::Bytes)
    );
    let mut later = bytes.clone();
    let place = bytes.len() - 24;
    later[place] = 4;
    assert_eq!(
        Question::from_bytes(&later),
        Err(StatsError::Bytes),
        "a round after the last"
    );
    let mut wider = bytes;
    wider[place + 8..place + 16].copy_from_slice(&(-1.0_f64).to_le_bytes());
    assert_eq!(
        Question::from_bytes(&wider),
        Err(StatsError::Bytes),
        "bounds wider than the query's"
    );
}

fn histogram() -> Query {
    let query = Parameters {
        edges: vec![0.0, 5.0],
        ..Parameters::new(Kind::Histogram, vec!["c".into()], 50)
    };
    Query::new(query).unwrap()
}

fn median() -> Query {
    let query = Parameters {
        bounds: vec![[0.0, 100.0]],
        quantile: Some(0.5),
        steps: Some(4),
        ..Parameters::new(Kind::Quantile, vec!["c".into()], 50)
    };
    Query::new(query).unwrap()
}

/// Change of the vector by one row more.
fn moved(question: &Question, rows: ArrayView2<'_, f64>, row: &[f64]) -> Change {
    let before = question.encode(rows).unwrap();
    let mut more = rows.to_owned();
    more.push_row(ndarray::ArrayView1::from(row)).unwrap();
    let after = question.encode(more.view()).unwrap();
    let change = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after.abs_diff(*before));
    let change: Vec<u64> = change.collect();
    Change {
        l1: change.iter().sum(),
        l2_squared: change.iter().map(|part| u128::from(*part).pow(2)).sum(),
        linf: change.iter().copied().max().unwrap(),
    }
}
