//! Not the uneven cut of [`Examples::split_by_label`]: two more ways to deal all examples to members.

use ndarray::Axis;
use ndarray::concatenate;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;

use crate::examples::{Examples, ExamplesError, TrainTest};
use crate::seed::RunSeed;

impl Examples {
    /// Deals all examples to `members` at random, in parts whose sizes differ by at most one: members are all alike.
    ///
    /// # Errors
    ///
    /// [`ExamplesError::Members`] if `members` is 0 or somebody would get less than two.
    pub fn split_iid(&self, members: usize, seed: RunSeed) -> Result<Vec<Self>, ExamplesError> {
        self.enough_for(members)?;
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut seed.rng("split-iid", &[]));
        let part = |member| Vec::from_iter(rows.iter().copied().skip(member).step_by(members));
        Ok((0..members)
            .map(|member| self.select(&part(member)))
            .collect())
    }

    /// Deals the examples of each label in shares from a symmetric Dirichlet law: the smaller `alpha`, the more members differ (Hsu, Qi
    /// and Brown 2019, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification").
    ///
    /// Drawn by Pólya's urn: an example goes to a member with a probability in proportion to `alpha` plus the examples of its label that the
    /// member has, which is the Dirichlet law with its shares summed out (Blackwell and MacQueen 1973), in additions and
    /// multiplications alone. Then whoever has less than two takes some from whoever has most.
    ///
    /// # Errors
    ///
    /// [`ExamplesError::Members`] if `members` is 0 or there are less than two examples for each; [`ExamplesError::Alpha`] unless `alpha`
    /// is 0.01 to 1000.
    pub fn split_dirichlet(
        &self,
        members: usize,
        alpha: f64,
        seed: RunSeed,
    ) -> Result<Vec<Self>, ExamplesError> {
        self.enough_for(members)?;
        if !(0.01..=1000.0).contains(&alpha) {
            return Err(ExamplesError::Alpha {
                found: alpha.to_string(),
            });
        }
        let mut rng = seed.rng("split-dirichlet", &[alpha.to_bits()]);
        let mut dealt = vec![Vec::new(); members];
        for mut rows in self.rows_by_label() {
            rows.shuffle(&mut rng);
            let mut weights = vec![alpha; members];
            for (before, row) in rows.into_iter().enumerate() {
                let total = members as f64 * alpha + before as f64;
                let member = pick(&weights, rng.random::<f64>() * total);
                weights[member] += 1.0;
                dealt[member].push(row);
            }
        }
        while let Some(poor) = dealt.iter().position(|rows| rows.len() < LEAST) {
            let rich = (0..members).max_by_key(|&member| dealt[member].len());
            let row = rich.and_then(|rich| dealt[rich].pop());
            dealt[poor].extend(row);
        }
        dealt.iter_mut().for_each(|rows| rows.sort_unstable());
        Ok(dealt.iter().map(|rows| self.select(rows)).collect())
    }

    /// Cuts off `percent` of one member's examples at random, rounded down, for judging; at least one is left to train on.
    ///
    /// # Errors
    ///
    /// [`ExamplesError::TestShare`] if `percent` is not 1 to 99.
    pub fn hold_out(
        &self,
        percent: u32,
        seed: RunSeed,
        member: u32,
    ) -> Result<TrainTest, ExamplesError> {
        if !(1..=99).contains(&percent) {
            return Err(ExamplesError::TestShare { found: percent });
        }
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut seed.rng("hold-out", &[member.into()]));
        let mut train = rows.split_off(rows.len() * percent as usize / 100);
        train.sort_unstable();
        rows.sort_unstable();
        Ok(TrainTest {
            train: self.select(&train),
            test: self.select(&rows),
        })
    }

    /// All examples of the parts, in their order.
    ///
    /// # Errors
    ///
    /// [`ExamplesError::Members`] without parts, [`ExamplesError::Features`] for parts with other features or classes than the first.
    pub fn concat(parts: &[Self]) -> Result<Self, ExamplesError> {
        let none = ExamplesError::Members {
            found: 0,
            most: usize::MAX,
            examples: 0,
        };
        let first = parts.first().ok_or(none)?;
        let wanted = (first.features().ncols(), first.classes());
        for part in parts {
            let found = (part.features().ncols(), part.classes());
            if found != wanted {
                return Err(ExamplesError::Features { found, wanted });
            }
        }
        let views = Vec::from_iter(parts.iter().map(Self::features));
        let features = concatenate(Axis(0), &views).unwrap_or_default();
        let labels = parts.iter().flat_map(|part| part.labels().iter().copied());
        Self::new(features, labels.collect(), first.classes())
    }

    fn enough_for(&self, members: usize) -> Result<(), ExamplesError> {
        let most = self.len() / LEAST;
        if (1..=most).contains(&members) {
            return Ok(());
        }
        Err(ExamplesError::Members {
            found: members,
            most,
            examples: self.len(),
        })
    }
}

/// The first member at which the weights so far pass `point`.
fn pick(weights: &[f64], mut point: f64) -> usize {
    for (member, weight) in weights.iter().enumerate() {
        point -= weight;
        if point < 0.0 {
            return member;
        }
    }
    weights.len() - 1
}

/// Examples that every member gets.
const LEAST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits;

    #[test]
    fn every_example_goes_to_one_member_whatever_the_split() {
        let all = digits::load().unwrap();
        let seed = RunSeed(3);
        let mut splits = vec![all.split_iid(17, seed).unwrap()];
        for alpha in [0.01, 0.1, 1.0, 100.0] {
            splits.push(all.split_dirichlet(17, alpha, seed).unwrap());
        }
        for parts in splits {
            assert_eq!(parts.len(), 17);
            assert!(parts.iter().all(|part| part.len() >= 2));
            assert_eq!(total(&parts), counts(std::slice::from_ref(&all)));
            let pixels = |parts: &[Examples]| -> f64 {
                let sums = parts
                    .iter()
                    .flat_map(|part| part.features().iter().copied().collect::<Vec<_>>());
                sums.map(f64::from).sum()
            };
            assert_eq!(pixels(&parts), pixels(std::slice::from_ref(&all)));
        }
    }

    #[test]
    fn members_differ_more_the_smaller_alpha() {
        let all = digits::load().unwrap();
        let skews = [0.1, 1.0, 100.0].map(|alpha| {
            let parts = all.split_dirichlet(10, alpha, RunSeed(1)).unwrap();
            skew(&parts)
        });
        assert!(skews.is_sorted_by(|more, less| more > less), "{skews:?}");
        assert!(skew(&all.split_iid(10, RunSeed(1)).unwrap()) < 0.25);
        // With alpha large the split is nearly even; with 0.1 a label is mostly with one or two members.
        assert!(skews[0] > 0.5 && skews[2] < 0.3, "{skews:?}");
    }

    #[test]
    fn shares_of_a_label_have_the_variance_of_the_dirichlet_law() {
        // A share of Dirichlet(a, ..., a) over m has variance (1/m)(1 - 1/m)/(m a + 1); dealing n examples adds (p - p^2 - v)/n.
        let all = digits::load().unwrap();
        let (members, alpha) = (5_usize, 0.5);
        let mut squares = 0.0;
        let mut count = 0.0;
        for seed in 0..60 {
            let parts = all.split_dirichlet(members, alpha, RunSeed(seed)).unwrap();
            let whole = all.count_by_label();
            for part in &parts {
                for (own, whole) in part.count_by_label().into_iter().zip(&whole) {
                    let share = own as f64 / *whole as f64 - 0.2;
                    squares += share * share;
                    count += 1.0;
                }
            }
        }
        let variance = 0.2 * 0.8 / (5.0 * alpha + 1.0);
        let wanted = variance + (0.16 - variance) / 180.0;
        let found = squares / count;
        assert!((found / wanted - 1.0).abs() < 0.1, "{found} {wanted}");
    }

    #[test]
    fn too_many_members_and_foreign_alphas_are_refused() {
        let all = digits::load().unwrap();
        for members in [0, 899] {
            assert!(all.split_iid(members, RunSeed(1)).is_err());
            assert!(all.split_dirichlet(members, 1.0, RunSeed(1)).is_err());
        }
        for alpha in [0.0, f64::NAN, 1e4] {
            assert!(matches!(
                all.split_dirichlet(3, alpha, RunSeed(1)),
                Err(ExamplesError::Alpha { .. })
            ));
        }
    }

    /// Mean share of a member's most frequent label beyond a tenth.
    fn skew(parts: &[Examples]) -> f64 {
        let most = parts.iter().map(|part| {
            let most = part.count_by_label().into_iter().max().unwrap_or(0);
            most as f64 / part.len() as f64
        });
        most.sum::<f64>() / parts.len() as f64 - 0.1
    }

    fn counts(parts: &[Examples]) -> Vec<usize> {
        parts[0].count_by_label()
    }

    fn total(parts: &[Examples]) -> Vec<usize> {
        let mut total = vec![0; 10];
        for part in parts {
            total
                .iter_mut()
                .zip(part.count_by_label())
                .for_each(|(total, own)| *total += own);
        }
        total
    }
}
