//! Not an optimiser: how large the server's step is in each round.
//!
//! The rate is a function of the round alone, with the same bits on every machine.

use crate::elementary::{cos_quarter_turns, power};
use crate::setting::{SettingError, require};

/// The learning rate of each round: a warm-up in a straight line, then a decay.
///
/// ```
/// use veilsum_learn::schedule::{Decay, Schedule};
///
/// let schedule = Schedule { base: 0.8, warm_up: 4, decay: Decay::Step { every: 10, factor: 0.5 } };
/// assert_eq!([1, 4, 5, 14, 15].map(|round| schedule.at(round)), [0.2, 0.8, 0.8, 0.8, 0.4]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Rate after the warm-up, above 0.
    pub base: f64,
    /// Rounds of the warm-up: round `r` of them has the rate `base r / warm_up`. 0 for none.
    pub warm_up: u64,
    /// What happens after the warm-up.
    pub decay: Decay,
}

/// How the rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// Not at all.
    None,
    /// Times `factor` after every `every` rounds.
    Step {
        /// Rounds between two falls, at least 1.
        every: u64,
        /// Above 0, at most 1.
        factor: f64,
    },
    /// From `base` to `base least` along half a period of the cosine, over `rounds` rounds, then constant (Loshchilov and Hutter
    /// 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", without restarts).
    Cosine {
        /// Rounds until the least rate, at least 1.
        rounds: u64,
        /// Share of `base` that is left, 0 to 1.
        least: f64,
    },
}

impl Schedule {
    /// The same rate in every round.
    pub const fn constant(base: f64) -> Self {
        Self {
            base,
            warm_up: 0,
            decay: Decay::None,
        }
    }

    /// Checks the ranges of all settings.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for the first one out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        require(
            "base learning rate",
            self.base,
            "a number above 0",
            |base| base > 0.0,
        )?;
        match self.decay {
            Decay::None => Ok(()),
            Decay::Step { every, factor } => {
                let wanted = "at least 1 round between two falls";
                require("rounds", every as f64, wanted, |every| every >= 1.0)?;
                let wanted = "a number above 0, at most 1";
                require("decay factor", factor, wanted, |factor| {
                    factor > 0.0 && factor <= 1.0
                })
            }
            Decay::Cosine { rounds, least } => {
                require("rounds", rounds as f64, "at least 1 round", |rounds| {
                    rounds >= 1.0
                })?;
                let wanted = "a share from 0 to 1";
                require("least rate", least, wanted, |least| {
                    (0.0..=1.0).contains(&least)
                })
            }
        }
    }

    /// Rate of a round; rounds are numbered from 1.
    // spec: [schedule.rate]
    pub fn at(&self, round: u64) -> f64 {
        if round <= self.warm_up {
            return self.base * round as f64 / self.warm_up as f64;
        }
        let since = round.saturating_sub(self.warm_up).saturating_sub(1);
        match self.decay {
            Decay::None => self.base,
            Decay::Step { every, factor } => self.base * power(factor, since / every.max(1)),
            Decay::Cosine { rounds, least } => {
                let share = (since as f64 / rounds.max(1) as f64).min(1.0);
                let cosine = cos_quarter_turns(share);
                self.base * (least + (1.0 - least) * cosine * cosine)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_every_decay_are_those_of_the_formula() {
        // spec: [schedule.rate]
        let schedule = |warm_up, decay| Schedule {
            base: 0.4,
            warm_up,
            decay,
        };
        assert_eq!(Schedule::constant(0.4).at(1_000), 0.4);
        let step = schedule(
            0,
            Decay::Step {
                every: 2,
                factor: 0.1,
            },
        );
        for (round, wanted) in [(1, 0.4), (2, 0.4), (3, 0.04), (5, 0.004)] {
            assert!((step.at(round) - wanted).abs() < 1e-15);
        }
        let cosine = schedule(
            2,
            Decay::Cosine {
                rounds: 8,
                least: 0.1,
            },
        );
        for (round, wanted) in [
            (1, 0.2),
            (2, 0.4),
            (3, 0.4),
            (7, 0.22),
            (11, 0.04),
            (500, 0.04),
        ] {
            assert!((cosine.at(round) - wanted).abs() < 1e-15, "round {round}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for decay in [
            Decay::Step {
                every: 0,
                factor: 0.5,
            },
            Decay::Step {
                every: 1,
                factor: 1.5,
            },
            Decay::Cosine {
                rounds: 0,
                least: 0.0,
            },
            Decay::Cosine {
                rounds: 1,
                least: f64::NAN,
            },
        ] {
            let schedule = Schedule {
                decay,
                ..Schedule::constant(1.0)
            };
            assert!(schedule.check().is_err(), "{decay:?}");
        }
        let refused = Schedule::constant(0.0).check().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "found 0 as base learning rate, wanted a number above 0"
        );
        assert_eq!(Schedule::constant(1.0).check(), Ok(()));
    }
}
