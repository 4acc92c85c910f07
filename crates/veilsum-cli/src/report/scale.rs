//! From values to places on paper.

/// A range of values with round ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Distance of ticks.
    pub step: f64,
}

impl Scale {
    /// The smallest range with round ends that holds all values; from zero on if asked for. About `ticks` ticks.
    pub fn around(values: impl IntoIterator<Item = f64>, from_zero: bool, ticks: u32) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (mut low, mut high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if from_zero {
            low = low.min(0.0);
        }
        if high - low < f64::EPSILON * high.abs().max(1.0) * 16.0 {
            let around = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
            high += around;
            if !from_zero {
                low -= around;
            }
        }
        let step = round_step((high - low) / f64::from(ticks.max(1)));
        Self {
            low: (low / step + SLACK).floor() * step,
            high: (high / step - SLACK).ceil() * step,
            step,
        }
    }

    /// Counts from zero to `most`, in whole steps.
    pub fn counts(most: u64, ticks: u32) -> Self {
        let most = most.max(1) as f64;
        let scale = Self::around([most], true, ticks);
        Self {
            low: 0.0,
            high: most,
            step: scale.step.ceil(),
        }
    }

    /// Keeps it from going beyond a value that is a natural end.
    pub fn at_most(mut self, end: f64) -> Self {
        self.high = self.high.min(end);
        self
    }

    /// The ticks.
    pub fn ticks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step + SLACK)
            .floor()
            .clamp(0.0, 64.0) as u32;
        let tick = |index| self.low + f64::from(index) * self.step;
        (0..=count).map(tick).collect()
    }

    /// Where between `from` (the lower end) and `to` a value lies; what is beyond an end lies on it.
    pub fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        from + share.clamp(0.0, 1.0) * (to - from)
    }
}

/// Rounds side by side, each in a band of the same width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    first: u64,
    count: u64,
    left: f64,
    right: f64,
}

impl Bands {
    /// Bands for the rounds from `first` to `last`, between two places.
    pub fn new(first: u64, last: u64, left: f64, right: f64) -> Self {
        let count = last.saturating_sub(first) + 1;
        Self {
            first,
            count,
            left,
            right,
        }
    }

    /// Width of a band.
    pub fn width(&self) -> f64 {
        (self.right - self.left) / self.count as f64
    }

    /// Middle of the band of a round.
    pub fn middle(&self, round: u64) -> f64 {
        self.start(round) + self.width() / 2.0
    }

    /// Left end of the band of a round.
    pub fn start(&self, round: u64) -> f64 {
        self.left + round.saturating_sub(self.first) as f64 * self.width()
    }

    /// Rounds to be named under the axis, at least `apart` from each other, the first and the last among them.
    pub fn named(&self, apart: f64) -> Vec<u64> {
        let last = self.first + self.count - 1;
        let least = (apart / self.width()).ceil().max(1.0) as u64;
        // one more leaves room between the first round, which is 1, and the first multiple
        let step = whole_step(if least > 1 { least + 1 } else { 1 });
        let far = |a: u64, b: u64| (b - a) as f64 * self.width() >= apart;
        let mut named = vec![self.first];
        let multiples = (self.first + 1..last).filter(|round| round.is_multiple_of(step));
        named.extend(multiples.filter(|round| far(self.first, *round) && far(*round, last)));
        if last > self.first && (far(self.first, last) || named.len() > 1) {
            named.push(last);
        }
        named
    }
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let found = [1.0, 2.0, 2.5, 5.0].into_iter().map(|part| part * power);
    found
        .into_iter()
        .find(|step| *step >= least * (1.0 - SLACK))
        .unwrap_or(power * 10.0)
}

/// The next of 1, 2, 5 times a power of ten.
fn whole_step(least: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for part in [1, 2, 5] {
            if power.saturating_mul(part) >= least {
                return power.saturating_mul(part);
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Against the last bits of floats.
const SLACK: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_is_within_and_ticks_are_few(values in prop::collection::vec(-1e6_f64..1e6, 1..20), from_zero: bool) {
            let scale = Scale::around(values.iter().copied(), from_zero, 4);
            for value in values {
                prop_assert!(scale.low <= value + 1e-6 && value <= scale.high + 1e-6, "{scale:?} {value}");
            }
            prop_assert!((2..=8).contains(&scale.ticks().len()), "{scale:?}");
        }

        #[test]
        fn names_under_the_axis_are_apart(first in 1_u64..50, count in 1_u64..2000) {
            let bands = Bands::new(first, first + count - 1, 40.0, 350.0);
            let named = bands.named(30.0);
            prop_assert_eq!((named[0], named[named.len() - 1]), (first, first + count - 1));
            for pair in named.windows(2) {
                prop_assert!(bands.middle(pair[1]) - bands.middle(pair[0]) >= 29.9, "{:?}", named);
            }
        }
    }

    #[test]
    fn equal_values_have_a_range() {
        let scale = Scale::around([0.5, 0.5], false, 4);
        assert!(scale.low < 0.5 && scale.high > 0.5);
        let zero = Scale::around([0.0], true, 4);
        assert!(zero.low == 0.0 && zero.high > 0.0);
    }

    #[test]
    fn few_rounds_are_all_named() {
        assert_eq!(Bands::new(1, 3, 0.0, 300.0).named(30.0), [1, 2, 3]);
        assert_eq!(
            Bands::new(1, 100, 0.0, 300.0).named(30.0),
            [1, 20, 40, 60, 80, 100]
        );
    }

    #[test]
    fn counts_have_whole_steps() {
        assert_eq!(Scale::counts(3, 4).ticks(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Scale::counts(12, 4).ticks(), [0.0, 5.0, 10.0]);
        assert_eq!(Scale::counts(12, 4).high, 12.0);
    }
}
