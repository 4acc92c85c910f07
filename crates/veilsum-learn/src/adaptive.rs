//! Not the noise and not the clip that protects (the task's encoding clips again): a clip that follows a quantile of the members' norms.
//!
//! Andrew, Thakkar, McMahan and Ramaswamy (2021), "Differentially Private Learning with Adaptive Clipping". A member's update is clipped
//! to the norm C and divided by C; one more value says whether it was within C. The sum of these values, noised like the
//! others, tells the share b of members within the clip, and C becomes C exp(-e (b - q)), for the quantile q and rate e.
//!
//! Because the contribution is divided by C, its norm never passes [`AdaptiveSettings::joint_norm`], whatever C is: the task's encoding, its clip and
//! its noise stay as they are while C moves.
//!
//! # Security
//!
//! The bit has weight w: it is sent as w/2 or -w/2, and moves the joint norm from 1 to sqrt(1 + w²/4). Give the task that joint norm as its L2
//! clip; noise calibrated to it covers the bit. A smaller w costs less of the budget and makes the noise on b larger, by
//! 1/w. C itself is public: it is a function of noised sums. Members must count alike, so the task has no weights.

use thiserror::Error;
use veilsum_encode::{Tensor, TensorData, Tensors};

use crate::bytes::Reader;
use crate::elementary::exp_near_zero;
use crate::setting::{SettingError, require};
use crate::tensors::{Mismatch, Norms, combine, to_f64};

/// Settings of [`AdaptiveClip`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveSettings {
    /// Share of the members whose norms shall be within the clip, 0 to 1.
    pub quantile: f64,
    /// How fast the clip moves, above 0, at most 1; 0.2 in the paper.
    pub rate: f64,
    /// Weight w of the bit beside an update of norm 1, above 0, at most 2.
    pub bit_weight: f64,
}

/// The clip of a round and how it moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveClip {
    settings: AdaptiveSettings,
    clip: f64,
}

/// What came out of a round's mean.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedMean {
    /// Mean of the clipped updates.
    pub update: Tensors,
    /// Share of the members whose update was within the clip, with the sum's noise, held to 0..=1.
    pub within: f64,
}

/// Why an update cannot be made ready, or a mean not be taken apart.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AdaptiveError {
    /// Tensors of integers.
    #[error(transparent)]
    Tensors(#[from] Mismatch),
    /// An update that is not finite.
    #[error("update has a norm that is not finite")]
    NotFinite,
    /// The name of the bit is taken by, or missing from, the tensors.
    #[error("tensor {BIT_TENSOR:?} of 1 value is missing, or one of that name is there already")]
    Bit,
}

/// Name of the tensor that carries the bit.
pub const BIT_TENSOR: &str = "veilsum.within_clip";

impl AdaptiveSettings {
    /// The median, as the paper recommends, at its rate, with a bit that adds 0.5 % to the joint norm.
    pub const MEDIAN: Self = Self {
        quantile: 0.5,
        rate: 0.2,
        bit_weight: 0.2,
    };

    /// Greatest L2 norm of a contribution: sqrt(1 + w²/4).
    pub fn joint_norm(self) -> f64 {
        (1.0 + self.bit_weight * self.bit_weight / 4.0).sqrt()
    }

    fn check(self) -> Result<(), SettingError> {
        let Self {
            quantile,
            rate,
            bit_weight,
        } = self;
        let wanted = "a share from 0 to 1";
        require("quantile", quantile, wanted, |share| {
            (0.0..=1.0).contains(&share)
        })?;
        let wanted = "a number above 0, at most 1";
        require("rate of the clip", rate, wanted, |rate| {
            rate > 0.0 && rate <= 1.0
        })?;
        let wanted = "a number above 0, at most 2";
        require("weight of the bit", bit_weight, wanted, |weight| {
            weight > 0.0 && weight <= 2.0
        })
    }
}

impl AdaptiveClip {
    /// Starts at the clip `first`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a setting or a first clip out of its range.
    pub fn new(settings: AdaptiveSettings, first: f64) -> Result<Self, SettingError> {
        settings.check()?;
        let wanted = "a number from 1e-30 to 1e30";
        require("clip", first, wanted, |clip| RANGE.contains(&clip))?;
        Ok(Self {
            settings,
            clip: first,
        })
    }

    /// Coordinator: takes the mean of contributions apart and moves the clip for the next round. `mean` is that of the round whose
    /// contributions were made with this clip.
    ///
    /// # Errors
    ///
    /// [`AdaptiveError`] if the bit's tensor is missing or the mean is not finite; the clip is then as it was.
    pub fn follow(&mut self, mean: &Tensors) -> Result<AdaptedMean, AdaptiveError> {
        let mut update = mean.clone();
        let bit = update.remove(BIT_TENSOR).ok_or(AdaptiveError::Bit)?;
        let [bit] = to_f64(&bit.data)[..] else {
            return Err(AdaptiveError::Bit);
        };
        if !bit.is_finite() {
            return Err(AdaptiveError::NotFinite);
        }
        let clip = self.clip;
        let update = combine(&update, &update, |value, _| value * clip)?;
        // spec: [adaptive.step]
        let within = (bit / self.settings.bit_weight + 0.5).clamp(0.0, 1.0);
        let exponent = -self.settings.rate * (within - self.settings.quantile);
        self.clip = (clip * exp_near_zero(exponent)).clamp(*RANGE.start(), *RANGE.end());
        Ok(AdaptedMean { update, within })
    }

    /// Member: the update clipped to the clip, divided by it, with the bit.
    ///
    /// # Errors
    ///
    /// [`AdaptiveError`] for an update that is not finite, of integers, or that has a tensor of the bit's name.
    // spec: [adaptive.contribution]
    pub fn contribution(&self, update: &Tensors) -> Result<Tensors, AdaptiveError> {
        if update.contains_key(BIT_TENSOR) {
            return Err(AdaptiveError::Bit);
        }
        let norm = Norms::of(update).l2;
        if !norm.is_finite() {
            return Err(AdaptiveError::NotFinite);
        }
        let within = norm <= self.clip;
        let divisor = self.clip.max(norm);
        let mut tensors = combine(update, update, |value, _| value / divisor)?;
        let half = self.settings.bit_weight / 2.0;
        tensors.insert(
            BIT_TENSOR.to_owned(),
            bit(if within { half } else { -half }),
        );
        Ok(tensors)
    }

    /// The clip of the round.
    pub fn clip(&self) -> f64 {
        self.clip
    }

    /// The settings.
    pub fn settings(&self) -> AdaptiveSettings {
        self.settings
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let AdaptiveSettings {
            quantile,
            rate,
            bit_weight,
        } = self.settings;
        let numbers = [quantile, rate, bit_weight, self.clip];
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let settings = AdaptiveSettings {
            quantile: reader.f64()?,
            rate: reader.f64()?,
            bit_weight: reader.f64()?,
        };
        let clip = Self::new(settings, reader.f64()?).ok()?;
        reader.is_empty().then_some(clip)
    }
}

fn bit(value: f64) -> Tensor {
    Tensor {
        shape: vec![1],
        data: TensorData::F32(vec![value as f32]),
    }
}

const RANGE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clip_converges_to_the_quantile_of_the_norms() {
        // spec: [adaptive.step]
        for quantile in [0.25, 0.5, 0.9] {
            let settings = AdaptiveSettings {
                quantile,
                ..AdaptiveSettings::MEDIAN
            };
            for first in [0.1, 10.0] {
                let mut clip = AdaptiveClip::new(settings, first).unwrap();
                for _ in 0..250 {
                    let mean = mean(&clip, 101);
                    clip.follow(&mean).unwrap();
                }
                // Norms are 1.00, 1.01 ... 2.00, so the quantile q is 1 + q.
                let wanted = 1.0 + quantile;
                assert!(
                    (clip.clip() - wanted).abs() < 0.03,
                    "found {}, wanted {wanted}",
                    clip.clip()
                );
            }
        }
    }

    #[test]
    fn step_is_that_of_the_paper() {
        // spec: [adaptive.step]
        let mut clip = AdaptiveClip::new(AdaptiveSettings::MEDIAN, 2.0).unwrap();
        let means = Tensors::from([(BIT_TENSOR.to_owned(), bit(0.1))]);
        assert_eq!(clip.follow(&means).unwrap().within, 1.0);
        assert!((clip.clip() - 2.0 * (-0.1_f64).exp()).abs() < 1e-7);
    }

    #[test]
    fn contribution_has_a_bounded_norm_and_tells_whether_it_was_clipped() {
        // spec: [adaptive.contribution]
        let clip = AdaptiveClip::new(AdaptiveSettings::MEDIAN, 2.0).unwrap();
        for (norm, wanted) in [(0.5, (0.25, 0.1)), (2.0, (1.0, 0.1)), (6.0, (1.0, -0.1))] {
            let found = clip.contribution(&update(norm)).unwrap();
            assert!(Norms::of(&found).l2 <= AdaptiveSettings::MEDIAN.joint_norm() * (1.0 + 1e-6));
            let values = [&found["w"], &found[BIT_TENSOR]].map(|tensor| to_f64(&tensor.data)[0]);
            assert_eq!(
                values.map(|value| (value * 1e6).round() / 1e6),
                [wanted.0, wanted.1]
            );
        }
    }

    #[test]
    fn mean_of_updates_within_the_clip_is_their_mean() {
        let mut clip = AdaptiveClip::new(AdaptiveSettings::MEDIAN, 4.0).unwrap();
        let found = clip.follow(&mean(&clip, 101)).unwrap();
        assert!((to_f64(&found.update["w"].data)[0] - 1.5).abs() < 1e-5);
        assert_eq!(found.within, 1.0);
    }

    #[test]
    fn noise_beyond_the_shares_is_held_and_bad_means_change_nothing() {
        let mut clip = AdaptiveClip::new(AdaptiveSettings::MEDIAN, 1.0).unwrap();
        let before = clip;
        for bad in [
            Tensors::new(),
            Tensors::from([(BIT_TENSOR.to_owned(), bit(f64::NAN))]),
        ] {
            assert!(clip.follow(&bad).is_err());
            assert_eq!(clip, before);
        }
        let noisy = Tensors::from([(BIT_TENSOR.to_owned(), bit(-50.0))]);
        assert_eq!(clip.follow(&noisy).unwrap().within, 0.0);
        assert!(clip.contribution(&update(f64::INFINITY)).is_err());
        assert_eq!(clip.contribution(&noisy), Err(AdaptiveError::Bit));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let base = AdaptiveSettings::MEDIAN;
        for settings in [
            AdaptiveSettings {
                quantile: 1.1,
                ..base
            },
            AdaptiveSettings { rate: 0.0, ..base },
            AdaptiveSettings {
                bit_weight: 3.0,
                ..base
            },
        ] {
            assert!(AdaptiveClip::new(settings, 1.0).is_err());
        }
        assert!(AdaptiveClip::new(base, 0.0).is_err());
    }

    /// Mean of contributions of members with norms 1.00, 1.01 and so on.
    fn mean(clip: &AdaptiveClip, members: u32) -> Tensors {
        let mut mean = crate::WeightedMean::new(&clip.contribution(&update(1.0)).unwrap());
        for member in 0..members {
            let update = update(1.0 + f64::from(member) / 100.0);
            mean.add(&clip.contribution(&update).unwrap(), 1).unwrap();
        }
        mean.mean().unwrap()
    }

    fn update(norm: f64) -> Tensors {
        Tensors::from([("w".to_owned(), bit(norm))])
    }
}
