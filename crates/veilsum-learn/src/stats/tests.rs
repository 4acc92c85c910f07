//! Sums of members' vectors against the same statistic of all values in one place.

use ndarray::Array2;
use proptest::prelude::*;

use super::*;
use crate::{LocalSgd, LocalTrainer, Model, Network, RunSeed, digits, evaluate, plain_round};

#[test]
fn moments_of_members_are_those_of_all_values() {
    // spec: [stats.grid] [stats.moments]
    let data = digits::load().unwrap();
    let grids = vec![Grid::new(0.0, 1.0, 16).unwrap(); 64];
    let moments = Moments::new(grids, 1_000).unwrap();
    let parts = data.split_by_label(7, RunSeed(1)).unwrap();
    let sum = add(parts
        .iter()
        .map(|part| moments.encode(part.features()).unwrap()));
    let (count, found) = moments.decode(&sum).unwrap();
    assert_eq!(count, 1_797);
    let all = data.features().mapv(f64::from);
    for (column, moment) in all.columns().into_iter().zip(found) {
        let step = 1.0 / 65_535.0;
        assert!((moment.mean - column.mean().unwrap()).abs() < step);
        assert!((moment.sum - column.sum()).abs() < step * 1_797.0);
        assert!((moment.variance - column.var(0.0)).abs() < 2.0 * step);
    }
}

/// Values 1, 2, 4 on a grid of whole numbers: mean 7/3, variance 14/9.
#[test]
fn small_moments_are_exact() {
    // spec: [stats.moments]
    let moments = Moments::new(vec![Grid::new(0.0, 255.0, 8).unwrap()], 3).unwrap();
    let rows = Array2::from_shape_vec((3, 1), vec![1.0, 2.0, 4.0]).unwrap();
    let vector = moments.encode(rows.view()).unwrap();
    assert_eq!(vector, [3, 7, 21]);
    let (_, found) = moments.decode(&vector).unwrap();
    assert_eq!((found[0].sum, found[0].mean), (7.0, 7.0 / 3.0));
    assert!((found[0].variance - 14.0 / 9.0).abs() < 1e-15);
    assert_eq!(moments.range(), (0, 3 * 255 * 255));
}

#[test]
fn noise_that_makes_the_variance_negative_makes_it_zero() {
    let moments = Moments::new(vec![Grid::new(-1.0, 1.0, 8).unwrap()], 3).unwrap();
    let (_, found) = moments.decode(&[10, 100, -5]).unwrap();
    assert_eq!(found[0].variance, 0.0);
    assert_eq!(
        moments.decode(&[0, 1, 1]),
        Err(StatsError::NoCount { found: 0 })
    );
    assert!(moments.decode(&[i64::MAX; 3]).is_ok());
    assert!(moments.decode(&[1; 4]).is_err());
}

#[test]
fn values_out_of_bounds_are_moved_and_nan_is_refused() {
    // spec: [stats.grid]
    let grid = Grid::new(-1.0, 3.0, 2).unwrap();
    let points =
        [-9.0, -1.0, -0.4, -0.3, 2.4, 3.0, f64::INFINITY].map(|value| grid.quantise(value));
    assert_eq!(points, [0, 0, 0, 1, 3, 3, 3].map(Some));
    assert_eq!(grid.quantise(f64::NAN), None);
    assert!(Grid::new(1.0, 1.0, 8).is_err());
    assert!(Grid::new(0.0, 1.0, 21).is_err());
}

#[test]
fn histogram_counts_every_value_once() {
    // spec: [stats.histogram]
    let histogram = Histogram::new(vec![0.0, 1.0, 2.5]).unwrap();
    let vector = histogram
        .encode(&[-5.0, 0.0, 0.5, 1.0, 2.5, f64::INFINITY])
        .unwrap();
    assert_eq!(vector, [1, 2, 1, 2]);
    assert_eq!(histogram.decode(&[-3, 2, 0, 9]).unwrap(), [0, 2, 0, 9]);
    assert!(histogram.encode(&[f64::NAN]).is_err());
    assert!(histogram.decode(&[1]).is_err());
    for edges in [vec![], vec![1.0, 1.0], vec![f64::NAN]] {
        assert!(Histogram::new(edges).is_err());
    }
}

#[test]
fn tally_of_members_is_the_evaluation_of_all() {
    // spec: [stats.tally]
    let data = digits::load().unwrap();
    let parts = data.split_by_label(5, RunSeed(1)).unwrap();
    let network = Network::Softmax {
        inputs: 64,
        classes: 10,
    };
    let first = Model::new(0, network.init(RunSeed(1))).unwrap();
    let settings = LocalSgd {
        epochs: 1,
        ..LocalSgd::DIGITS
    };
    let mut member = LocalTrainer::new(parts[0].clone(), settings, RunSeed(1), 0).unwrap();
    let model = plain_round(&first, [&mut member], 1).unwrap();
    let sum = add(parts
        .iter()
        .map(|part| Tally::of(&model, part).unwrap().encode()));
    let (count, found) = Tally::decode(&sum).unwrap();
    let wanted = evaluate(&model, &data).unwrap();
    assert_eq!((count, found.accuracy), (1_797, wanted.accuracy));
    assert!((found.loss - wanted.loss).abs() < 1e-5);
    assert!(Tally::decode(&Tally::nothing()).is_err());
}

proptest! {
    #[test]
    fn bisection_finds_the_quantile(
        members in prop::collection::vec(prop::collection::vec(-1e3_f64..1e3, 1..20), 1..6),
        share in 1_u32..=10,
    ) {
        // spec: [stats.bisection]
        let quantile = f64::from(share) / 10.0;
        let mut search = Bisection::new(quantile, -1e3, 1e3).unwrap();
        for _ in 0..45 {
            let sum = add(members.iter().map(|values| search.encode(values).unwrap()));
            search.observe(&sum).unwrap();
        }
        let mut all = members.concat();
        all.sort_by(f64::total_cmp);
        let needed = (quantile * all.len() as f64).ceil() as usize;
        let (low, high) = search.interval();
        prop_assert!(low <= all[needed - 1] && all[needed - 1] <= high && high - low < 1e-9);
    }

    #[test]
    fn any_sum_is_decoded_without_panic(sum in prop::collection::vec(any::<i64>(), 0..6)) {
        let moments = Moments::new(vec![Grid::new(0.0, 1.0, 20).unwrap(); 2], 9).unwrap();
        if let Ok((_, found)) = moments.decode(&sum) {
            prop_assert!(found.iter().all(|moment| moment.variance >= 0.0 && moment.mean.is_finite()));
        }
        let _ = Tally::decode(&sum);
        let _ = Bisection::new(0.5, 0.0, 1.0).unwrap().observe(&sum);
    }
}

fn add(vectors: impl Iterator<Item = Vec<i64>>) -> Vec<i64> {
    vectors
        .reduce(|sum, vector| {
            sum.iter()
                .zip(vector)
                .map(|(sum, value)| sum + value)
                .collect()
        })
        .unwrap()
}
