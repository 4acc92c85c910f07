//! Not a data loader for any format: labelled examples in memory, and the ways to cut them.
//!
//! All cuts are functions of a [`RunSeed`]: the same seed gives the same cut on every machine.

use ndarray::{Array2, ArrayView2, Axis};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use thiserror::Error;

use crate::seed::RunSeed;

/// Labelled examples: one row of features each, and a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    features: Array2<f32>,
    labels: Vec<u8>,
    classes: u8,
    /// Where each stood in its table, ascending, if places between them are empty.
    places: Option<Vec<usize>>,
}

/// The two parts of [`Examples::split_test`].
#[derive(Debug, Clone, PartialEq)]
pub struct TrainTest {
    /// What models are trained on.
    pub train: Examples,
    /// What models are judged by, never trained on.
    pub test: Examples,
}

/// Why examples cannot be made or cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExamplesError {
    /// Features and labels do not pair up.
    #[error("found {labels} labels, wanted {rows}, one for each row of features")]
    Unpaired {
        /// Labels found.
        labels: usize,
        /// Rows of features found.
        rows: usize,
    },
    /// A label outside the classes.
    #[error("example {row} has label {label}, wanted one below {classes}")]
    Label {
        /// Which example.
        row: usize,
        /// Its label.
        label: u8,
        /// How many classes there are.
        classes: u8,
    },
    /// A feature that is NaN or infinite.
    #[error("feature {column} of example {row} is not finite")]
    NotFinite {
        /// Which example.
        row: usize,
        /// Which feature.
        column: usize,
    },
    /// A test share outside 1..=99 percent.
    #[error("found a test share of {found} percent, wanted 1 to 99")]
    TestShare {
        /// The share asked for.
        found: u32,
    },
    /// Parts that are about different things.
    #[error("found examples of {} features and {} classes, wanted {} and {}", found.0, found.1, wanted.0, wanted.1)]
    Features {
        /// Features and classes found.
        found: (usize, u8),
        /// Features and classes of the first part.
        wanted: (usize, u8),
    },
    /// A concentration of the Dirichlet law outside 0.01..=1000.
    #[error("found an alpha of {found}, wanted 0.01 to 1000")]
    Alpha {
        /// The concentration asked for.
        found: String,
    },
    /// More members than the examples can serve, or none.
    #[error("found {found} members, wanted 1 to {most} for {examples} examples")]
    Members {
        /// Members asked for.
        found: usize,
        /// The most that these examples can serve.
        most: usize,
        /// How many examples there are.
        examples: usize,
    },
}

impl Examples {
    /// Pairs `features` (examples x features, finite) with `labels` (one each, below `classes`).
    ///
    /// # Errors
    ///
    /// [`ExamplesError::Unpaired`], [`ExamplesError::Label`] and [`ExamplesError::NotFinite`], for the first offence.
    pub fn new(features: Array2<f32>, labels: Vec<u8>, classes: u8) -> Result<Self, ExamplesError> {
        if labels.len() != features.nrows() {
            return Err(ExamplesError::Unpaired {
                labels: labels.len(),
                rows: features.nrows(),
            });
        }
        if let Some((row, &label)) = labels
            .iter()
            .enumerate()
            .find(|(_, label)| **label >= classes)
        {
            return Err(ExamplesError::Label {
                row,
                label,
                classes,
            });
        }
        if let Some(((row, column), _)) = features
            .indexed_iter()
            .find(|(_, value)| !value.is_finite())
        {
            return Err(ExamplesError::NotFinite { row, column });
        }
        Ok(Self {
            features,
            labels,
            classes,
            places: None,
        })
    }

    /// Cuts off `percent` of each label's examples as the test set, at random; the same labels are frequent in both parts.
    ///
    /// # Errors
    ///
    /// [`ExamplesError::TestShare`] if `percent` is not 1 to 99.
    pub fn split_test(&self, percent: u32, seed: RunSeed) -> Result<TrainTest, ExamplesError> {
        if !(1..=99).contains(&percent) {
            return Err(ExamplesError::TestShare { found: percent });
        }
        let mut rng = seed.rng("split-test", &[]);
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for mut rows in self.rows_by_label() {
            rows.shuffle(&mut rng);
            let cut = (rows.len() * percent as usize + 50) / 100;
            test.extend_from_slice(&rows[..cut]);
            train.extend_from_slice(&rows[cut..]);
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok(TrainTest {
            train: self.select(&train),
            test: self.select(&test),
        })
    }

    /// Deals all examples to `members` so that their data differ: mainly few labels each, and uneven numbers.
    ///
    /// A tenth of each label is dealt evenly. The rest is sorted by label, cut into two shards a member of uneven size (the
    /// largest at most three times the smallest, up to rounding), and the shards are dealt at random. Every example goes to
    /// exactly one member, and every member gets at least two. The shards are those of the "pathological non-IID" split of
    /// McMahan et al. (2017), "Communication-Efficient Learning of Deep Networks from Decentralized Data", section 3; the even
    /// tenth stands for the rare labels that real members also see.
    ///
    /// # Errors
    ///
    /// [`ExamplesError::Members`] if `members` is 0 or there is less than one example for each shard.
    pub fn split_by_label(
        &self,
        members: usize,
        seed: RunSeed,
    ) -> Result<Vec<Self>, ExamplesError> {
        let mut rng = seed.rng("split-by-label", &[]);
        let (mut sorted, mut even) = (Vec::with_capacity(self.len()), Vec::new());
        for mut rows in self.rows_by_label() {
            rows.shuffle(&mut rng);
            even.extend(rows.drain(..rows.len() / 10));
            sorted.append(&mut rows);
        }
        even.shuffle(&mut rng);
        let most = sorted.len() / SHARDS_PER_MEMBER;
        if members == 0 || members > most {
            return Err(ExamplesError::Members {
                found: members,
                most,
                examples: self.len(),
            });
        }
        let shares: Vec<usize> = (0..members * SHARDS_PER_MEMBER)
            .map(|_| rng.random_range(SHARD_SHARES))
            .collect();
        let mut shards = cut_in_shares(&sorted, &shares);
        shards.shuffle(&mut rng);
        let dealt = shards
            .chunks(SHARDS_PER_MEMBER)
            .enumerate()
            .map(|(member, shards)| {
                let mut rows = shards.concat();
                rows.extend(even.iter().skip(member).step_by(members));
                self.select(&rows)
            });
        Ok(dealt.collect())
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features of all examples, examples x features.
    pub fn features(&self) -> ArrayView2<'_, f32> {
        self.features.view()
    }

    /// Labels of all examples, each below [`Examples::classes`].
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Number of classes that labels may name; not every class need occur.
    pub fn classes(&self) -> u8 {
        self.classes
    }

    /// How many examples each class has.
    pub fn count_by_label(&self) -> Vec<usize> {
        self.rows_by_label().iter().map(Vec::len).collect()
    }

    /// The examples of the given rows, in that order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self {
            features: self.features.select(Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            classes: self.classes,
            places: None,
        }
    }

    /// The same examples at these places of a table, ascending, one for each; the places between them are empty.
    pub(crate) fn at(self, places: Vec<usize>) -> Self {
        let places = Some(places).filter(|places| places.len() == self.len());
        Self { places, ..self }
    }

    /// Where an example stood in its table. What is drawn for examples is drawn for places, so that one that is missing moves no other.
    pub(crate) fn place(&self, row: usize) -> usize {
        let place = self.places.as_ref().and_then(|places| places.get(row));
        place.copied().unwrap_or(row)
    }

    pub(crate) fn rows_by_label(&self) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.classes.into()];
        for (row, &label) in self.labels.iter().enumerate() {
            groups[usize::from(label)].push(row);
        }
        groups
    }
}

/// Cuts `rows` into consecutive shards, one row each plus the rest in proportion to `shares`.
///
/// `rows` has at least one row for each share.
fn cut_in_shares(rows: &[usize], shares: &[usize]) -> Vec<Vec<usize>> {
    let total: usize = shares.iter().sum();
    let spare = rows.len() - shares.len();
    let (mut start, mut before) = (0, 0);
    let mut shards = Vec::with_capacity(shares.len());
    for (index, share) in shares.iter().enumerate() {
        before += share;
        let end = index + 1 + spare * before / total;
        shards.push(rows[start..end].to_vec());
        start = end;
    }
    shards
}

const SHARDS_PER_MEMBER: usize = 2;
const SHARD_SHARES: std::ops::RangeInclusive<usize> = 5..=15;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::digits;

    #[test]
    fn test_split_keeps_every_example_once_and_each_label_in_proportion() {
        let all = digits::load().unwrap();
        let split = all.split_test(20, RunSeed(1)).unwrap();
        assert_eq!(split.train.len() + split.test.len(), all.len());
        assert_eq!(
            count_images([&split.train, &split.test]),
            count_images([&all])
        );
        for (in_test, in_all) in split.test.count_by_label().iter().zip(all.count_by_label()) {
            assert!(
                in_test.abs_diff(in_all / 5) <= 1,
                "found {in_test} of {in_all}"
            );
        }
    }

    #[test]
    fn splits_repeat_for_one_seed_and_differ_for_another() {
        let all = digits::load().unwrap();
        assert_eq!(
            all.split_test(20, RunSeed(1)),
            all.split_test(20, RunSeed(1))
        );
        assert_ne!(
            all.split_test(20, RunSeed(1)),
            all.split_test(20, RunSeed(2))
        );
        assert_eq!(
            all.split_by_label(12, RunSeed(1)),
            all.split_by_label(12, RunSeed(1))
        );
        assert_ne!(
            all.split_by_label(12, RunSeed(1)),
            all.split_by_label(12, RunSeed(2))
        );
    }

    #[test]
    fn label_split_uses_every_example_exactly_once() {
        let all = digits::load().unwrap();
        for members in [1, 2, 3, 12, 100, 810] {
            let parts = all.split_by_label(members, RunSeed(3)).unwrap();
            assert_eq!(parts.len(), members);
            assert!(parts.iter().all(|part| part.len() >= 2));
            assert_eq!(count_images(&parts), count_images([&all]));
        }
    }

    #[test]
    fn label_split_gives_each_of_twelve_members_mainly_four_labels_at_most() {
        let all = digits::load().unwrap();
        for seed in 0..20 {
            for part in all.split_by_label(12, RunSeed(seed)).unwrap() {
                let mut counts = part.count_by_label();
                counts.sort_unstable();
                let main: usize = counts[6..].iter().sum();
                assert!(
                    main * 100 >= part.len() * 80,
                    "found {main} of {}",
                    part.len()
                );
            }
        }
    }

    #[test]
    fn label_split_gives_members_different_numbers_of_examples() {
        let parts = digits::load()
            .unwrap()
            .split_by_label(12, RunSeed(1))
            .unwrap();
        let counts: Vec<usize> = parts.iter().map(Examples::len).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most * 10 > least * 13, "found {counts:?}");
    }

    #[test]
    fn impossible_numbers_of_members_are_refused() {
        let all = digits::load().unwrap();
        for found in [0, 811] {
            let refused = all.split_by_label(found, RunSeed(0));
            assert_eq!(
                refused,
                Err(ExamplesError::Members {
                    found,
                    most: 810,
                    examples: 1797
                })
            );
        }
    }

    #[test]
    fn impossible_test_shares_are_refused() {
        let all = digits::load().unwrap();
        for found in [0, 100] {
            assert_eq!(
                all.split_test(found, RunSeed(0)),
                Err(ExamplesError::TestShare { found })
            );
        }
    }

    #[test]
    fn unpaired_labels_foreign_labels_and_nan_are_refused() {
        let zeros = Array2::zeros((2, 3));
        assert_eq!(
            Examples::new(zeros.clone(), vec![0], 2),
            Err(ExamplesError::Unpaired { labels: 1, rows: 2 })
        );
        assert_eq!(
            Examples::new(zeros.clone(), vec![0, 2], 2),
            Err(ExamplesError::Label {
                row: 1,
                label: 2,
                classes: 2
            })
        );
        let mut nan = zeros;
        nan[(1, 2)] = f32::NAN;
        assert_eq!(
            Examples::new(nan, vec![0, 1], 2),
            Err(ExamplesError::NotFinite { row: 1, column: 2 })
        );
    }

    fn count_images<'a>(
        parts: impl IntoIterator<Item = &'a Examples>,
    ) -> BTreeMap<(Vec<u32>, u8), usize> {
        let mut counts = BTreeMap::new();
        for part in parts {
            for (row, label) in part.features.rows().into_iter().zip(&part.labels) {
                let key = (row.iter().map(|value| value.to_bits()).collect(), *label);
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
    }
}
