//! From values to fine integers of at most H F in size, H = 2^(bits-1) - 1, F = 2^20, and from their sums to integers.

use crate::setting::{SettingError, require};

/// Grid whose middle is that of the bounds: integers from -H to H.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Centred {
    low: f64,
    high: f64,
    half: i64,
}

/// Grid whose middle is 0: what the sum needs, which then needs no count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Anchored {
    low: f64,
    high: f64,
    half: i64,
}

impl Centred {
    pub(super) fn new(bounds: [f64; 2], bits: u8) -> Result<Self, SettingError> {
        let (low, high, half) = checked(bounds, bits)?;
        Ok(Self { low, high, half })
    }

    /// The nearest fine point, halves upwards; `None` for NaN.
    // spec: [stats.query.mean]
    pub(super) fn point(&self, value: f64) -> Option<i64> {
        let fine = self.half.saturating_mul(FINE);
        let share = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        let point = (share * fine.saturating_mul(2) as f64 + 0.5).floor() as i64;
        (!value.is_nan()).then_some(point.saturating_sub(fine))
    }

    /// The square of a fine point, moved and scaled to the same size.
    // spec: [stats.query.variance]
    pub(super) fn square(&self, point: i64) -> i64 {
        let (point, fine) = (
            i128::from(point),
            i128::from(self.half.saturating_mul(FINE)),
        );
        let four = point.saturating_mul(point).saturating_mul(4);
        let nearest = four
            .saturating_add(fine)
            .div_euclid(fine.saturating_mul(2).max(1));
        i64::try_from(nearest.saturating_sub(fine)).unwrap_or(i64::MAX)
    }

    /// What 1 of a row's H stands for.
    pub(super) fn step(&self) -> f64 {
        (self.high - self.low) / self.half.saturating_mul(2) as f64
    }

    pub(super) fn middle(&self) -> f64 {
        self.low + (self.high - self.low) / 2.0
    }

    pub(super) fn width(&self) -> f64 {
        self.high - self.low
    }

    pub(super) fn bounds(&self) -> [f64; 2] {
        [self.low, self.high]
    }
}

impl Anchored {
    pub(super) fn new(bounds: [f64; 2], bits: u8) -> Result<Self, SettingError> {
        let (low, high, half) = checked(bounds, bits)?;
        Ok(Self { low, high, half })
    }

    /// The nearest fine point, halves upwards; `None` for NaN.
    // spec: [stats.query.sum]
    pub(super) fn point(&self, value: f64) -> Option<i64> {
        let share = value.clamp(self.low, self.high) / self.most();
        let point = (share * self.half.saturating_mul(FINE) as f64 + 0.5).floor() as i64;
        (!value.is_nan()).then_some(point)
    }

    pub(super) fn step(&self) -> f64 {
        self.most() / self.half as f64
    }

    pub(super) fn bounds(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    fn most(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }
}

/// The integer that a sum of fine integers rounds to, halves upwards.
// spec: [stats.query.round]
pub(super) fn rounded(fine: i128, shrink: u32) -> i64 {
    let step = i128::from(FINE).saturating_mul(shrink.max(1).into());
    let moved = fine.saturating_mul(2).saturating_add(step);
    i64::try_from(moved.div_euclid(step.saturating_mul(2))).unwrap_or(i64::MAX)
}

/// A quotient, rounded up.
pub(super) fn divided_up(number: i64, shrink: u32) -> i64 {
    let shrink = i64::from(shrink.max(1));
    let before = number.saturating_sub(1).div_euclid(shrink);
    before.saturating_add(1)
}

/// H of so many bits.
pub(super) fn half(bits: u8) -> i64 {
    1_i64
        .checked_shl(u32::from(bits).saturating_sub(1))
        .unwrap_or(1)
        .saturating_sub(1)
        .max(1)
}

/// Fine integers that are 1.
pub(super) const FINE: i64 = 1 << 20;

fn checked([low, high]: [f64; 2], bits: u8) -> Result<(f64, f64, i64), SettingError> {
    let wanted = "a number within 1e100";
    require("lower bound", low, wanted, |low| low.abs() <= 1e100)?;
    let wanted = "one above the lower bound, within 1e100";
    require("upper bound", high, wanted, |high| {
        high > low && high <= 1e100
    })?;
    require("bits", bits.into(), "2 to 20 bits", |bits| {
        (2.0..=20.0).contains(&bits)
    })?;
    Ok((low, high, half(bits)))
}
