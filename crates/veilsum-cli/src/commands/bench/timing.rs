//! Clocks and medians.

use cpu_time::{ProcessTime, ThreadTime};
use std::time::{Duration, Instant};

/// Processor time of this thread: what others run beside it changes it little.
pub(super) fn thread<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = ThreadTime::now();
    let done = work();
    (start.elapsed(), done)
}

/// Processor time of all threads.
pub(super) fn process<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = ProcessTime::now();
    let done = work();
    (start.elapsed(), done)
}

/// Time on the wall.
pub(super) fn wall<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

/// Gigabytes a second.
pub(super) fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE) / 1e9
}

/// A step and its limit, measured by turns: the repetitions stand beside each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    pub(super) fn push(&mut self, value: f64, limit: f64) {
        self.0.push((value, limit));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn value(&self) -> f64 {
        median(self.0.iter().map(|(value, _)| *value))
    }

    pub(super) fn limit(&self) -> f64 {
        median(self.0.iter().map(|(_, limit)| *limit))
    }

    /// The median of the ratios of each turn, not the ratio of the medians: a machine that was slow for a while was slow for
    /// both.
    pub(super) fn ratio(&self) -> f64 {
        median(self.0.iter().map(|(value, limit)| value / limit))
    }
}

impl FromIterator<(f64, f64)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (f64, f64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_turn_moves_neither_median_nor_ratio() {
        let pairs: Pairs = [(8.0, 10.0), (0.8, 1.0), (8.2, 10.0)].into_iter().collect();
        assert_eq!((pairs.len(), pairs.value(), pairs.limit()), (3, 8.0, 10.0));
        assert!((pairs.ratio() - 0.8).abs() < 1e-9);
    }

    #[test]
    fn rates_are_in_powers_of_ten() {
        assert_eq!(rate(3_000_000_000, Duration::from_secs(2)), 1.5);
    }
}
