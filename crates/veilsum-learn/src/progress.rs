//! Not what makes a model better: when to stop, and which model to keep.

use crate::bytes::Reader;
use crate::model::Model;
use crate::setting::{SettingError, require};
use crate::train::Evaluation;

/// Which number of an evaluation is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Accuracy, the higher the better.
    Accuracy,
    /// Loss, the lower the better.
    Loss,
}

/// Stops training when nothing has become better for a while (Prechelt 1998, "Early Stopping - But When?").
///
/// ```
/// use veilsum_learn::progress::{EarlyStop, Verdict, Watch};
/// # use veilsum_learn::Evaluation;
/// let mut stop = EarlyStop::new(Watch::Loss, 2, 0.01)?;
/// let mut observe = |loss| stop.observe(Evaluation { accuracy: 0.9, loss });
/// assert_eq!(observe(1.0), Verdict::Better);
/// assert_eq!(observe(0.995), Verdict::Wait { left: 1 });
/// assert_eq!(observe(f64::NAN), Verdict::Stop);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStop {
    watch: Watch,
    patience: u32,
    min_delta: f64,
    best: Option<f64>,
    stale: u32,
}

/// What [`EarlyStop::observe`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Better by more than the least difference.
    Better,
    /// Not better; so many more evaluations without becoming better are allowed.
    Wait {
        /// Evaluations left.
        left: u32,
    },
    /// Not better for as many evaluations as patience allows.
    Stop,
}

/// The best model so far, by any difference; of equals the first.
#[derive(Debug, Clone, PartialEq)]
pub struct BestModel {
    watch: Watch,
    best: Option<(Model, Evaluation)>,
}

impl Watch {
    /// The watched number, turned so that higher is better.
    fn score(self, evaluation: Evaluation) -> f64 {
        match self {
            Self::Accuracy => evaluation.accuracy,
            Self::Loss => -evaluation.loss,
        }
    }
}

impl EarlyStop {
    /// Stops after `patience` evaluations in a row that are not better than the best by more than `min_delta`.
    ///
    /// # Errors
    ///
    /// [`SettingError`] for a patience of 0 or a negative difference.
    pub fn new(watch: Watch, patience: u32, min_delta: f64) -> Result<Self, SettingError> {
        require("patience", patience.into(), "at least 1", |patience| {
            patience >= 1.0
        })?;
        require("least difference", min_delta, "a number from 0", |delta| {
            delta >= 0.0
        })?;
        Ok(Self {
            watch,
            patience,
            min_delta,
            best: None,
            stale: 0,
        })
    }

    /// Takes in one evaluation. NaN is never better.
    // spec: [progress.stop]
    pub fn observe(&mut self, evaluation: Evaluation) -> Verdict {
        let score = self.watch.score(evaluation);
        if !score.is_nan() && self.best.is_none_or(|best| score > best + self.min_delta) {
            self.best = Some(score);
            self.stale = 0;
            return Verdict::Better;
        }
        self.stale = self.stale.saturating_add(1);
        match self.patience.saturating_sub(self.stale) {
            0 => Verdict::Stop,
            left => Verdict::Wait { left },
        }
    }

    /// Whether patience is at its end.
    pub fn is_over(&self) -> bool {
        self.stale >= self.patience
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = vec![self.watch as u8, u8::from(self.best.is_some())];
        out.extend_from_slice(&self.best.unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&self.min_delta.to_le_bytes());
        out.extend_from_slice(&u64::from(self.patience).to_le_bytes());
        out.extend_from_slice(&u64::from(self.stale).to_le_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let watch = match reader.byte()? {
            0 => Watch::Accuracy,
            1 => Watch::Loss,
            _ => return None,
        };
        let known = reader.byte()? == 1;
        let (best, min_delta) = (reader.f64()?, reader.f64()?);
        let patience = u32::try_from(reader.u64()?).ok()?;
        let stale = u32::try_from(reader.u64()?).ok()?;
        let mut stop = Self::new(watch, patience, min_delta).ok()?;
        (stop.best, stop.stale) = (known.then_some(best), stale);
        (reader.is_empty() && stop.to_bytes() == bytes).then_some(stop)
    }
}

impl BestModel {
    /// Nothing kept yet.
    pub fn new(watch: Watch) -> Self {
        Self { watch, best: None }
    }

    /// Goes on with what was kept before.
    pub fn resume(watch: Watch, best: Option<(Model, Evaluation)>) -> Self {
        Self { watch, best }
    }

    /// Keeps the model if it is better than all before, and says whether it is.
    pub fn offer(&mut self, model: &Model, evaluation: Evaluation) -> bool {
        let score = self.watch.score(evaluation);
        let better = !score.is_nan()
            && self
                .best
                .as_ref()
                .is_none_or(|(_, best)| score > self.watch.score(*best));
        if better {
            self.best = Some((model.clone(), evaluation));
        }
        better
    }

    /// The best model and how well it did.
    pub fn best(&self) -> Option<(&Model, Evaluation)> {
        self.best.as_ref().map(|(model, found)| (model, *found))
    }

    /// What is watched.
    pub fn watch(&self) -> Watch {
        self.watch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, RunSeed};

    const fn of(accuracy: f64, loss: f64) -> Evaluation {
        Evaluation { accuracy, loss }
    }

    #[test]
    fn stops_after_patience_without_an_improvement_above_the_least_difference() {
        // spec: [progress.stop]
        let mut stop = EarlyStop::new(Watch::Accuracy, 3, 0.01).unwrap();
        let verdicts: Vec<Verdict> = [0.5, 0.505, 0.51, 0.52, 0.5, 0.53, 0.53]
            .map(|accuracy| stop.observe(of(accuracy, 1.0)))
            .to_vec();
        let wait = |left| Verdict::Wait { left };
        assert_eq!(
            verdicts,
            [
                Verdict::Better,
                wait(2),
                // 0.51 is not above 0.5 + 0.01.
                wait(1),
                Verdict::Better,
                wait(2),
                wait(1),
                Verdict::Stop
            ]
        );
        assert_eq!(stop.observe(of(0.9, 1.0)), Verdict::Better);
    }

    #[test]
    fn loss_is_better_when_it_falls_and_nan_never() {
        let mut stop = EarlyStop::new(Watch::Loss, 2, 0.0).unwrap();
        assert_eq!(stop.observe(of(0.0, f64::NAN)), Verdict::Wait { left: 1 });
        assert_eq!(stop.observe(of(0.0, 2.0)), Verdict::Better);
        assert_eq!(stop.observe(of(0.0, 1.0)), Verdict::Better);
        assert_eq!(stop.observe(of(0.0, 1.0)), Verdict::Wait { left: 1 });
    }

    #[test]
    fn state_survives_its_bytes_and_other_bytes_are_refused() {
        let mut stop = EarlyStop::new(Watch::Loss, 4, 0.25).unwrap();
        for _ in 0..2 {
            let bytes = stop.to_bytes();
            assert_eq!(EarlyStop::from_bytes(&bytes), Some(stop));
            assert_eq!(EarlyStop::from_bytes(&bytes[1..]), None);
            stop.observe(of(0.0, 1.0));
        }
        assert_eq!(EarlyStop::from_bytes(&[2; 34]), None);
    }

    #[test]
    fn best_model_is_the_first_of_the_best() {
        let network = Network::Softmax {
            inputs: 1,
            classes: 2,
        };
        let model = |version| Model::new(version, network.init(RunSeed(1))).unwrap();
        let mut best = BestModel::new(Watch::Accuracy);
        assert_eq!(best.best(), None);
        let taken = [(1, 0.5), (2, 0.7), (3, 0.7), (4, f64::NAN), (5, 0.6)]
            .map(|(version, accuracy)| best.offer(&model(version), of(accuracy, 1.0)));
        assert_eq!(taken, [true, true, false, false, false]);
        assert_eq!(best.best().unwrap().0.version(), 2);
    }

    #[test]
    fn no_patience_and_negative_differences_are_refused() {
        assert!(EarlyStop::new(Watch::Loss, 0, 0.0).is_err());
        assert!(EarlyStop::new(Watch::Loss, 1, -0.1).is_err());
        assert!(EarlyStop::new(Watch::Loss, 1, f64::NAN).is_err());
    }
}
