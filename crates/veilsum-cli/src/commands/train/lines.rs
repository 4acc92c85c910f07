//! What a training says: one line a round, and a summary.

use crate::table::bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use veilsum_dp::Unit;
use veilsum_learn::Evaluation;

/// A round, as it is printed and as the history keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RoundLine {
    pub(super) event: String,
    pub(super) round: u64,
    pub(super) rounds: u64,
    /// Slots in the sum; none after an abort.
    pub(super) survivor_ids: Vec<u32>,
    /// Slots that vanished.
    pub(super) vanished_ids: Vec<u32>,
    /// Why there is no sum.
    pub(super) abort: Option<String>,
    /// Whether the sum is the plain sum of the survivors and of the noise that stays.
    pub(super) exact: Option<bool>,
    /// Version and digest of the model after the round.
    pub(super) version: u64,
    pub(super) model_sha256: String,
    /// Rate of the coordinator's step.
    pub(super) rate: Option<f64>,
    /// Clip that adapts, and share of the members within it.
    pub(super) clip: Option<f64>,
    pub(super) within: Option<f64>,
    /// On held-out examples of the members, by a masked sum.
    pub(super) members: Option<Judgement>,
    /// On public examples.
    pub(super) public: Option<Judgement>,
    /// Share of the members whose update the clip of the task cut (of a clip of coordinates: of those in whose place it cut one).
    #[serde(default)]
    pub(super) clipped: Option<f64>,
    /// Whether no model so far was better.
    pub(super) best: bool,
    /// Most bytes that any member sent and received, evaluation and model included.
    pub(super) upload_bytes: u64,
    pub(super) download_bytes: u64,
    /// What the rounds cost so far; none without noise, and none if it is `seeded`.
    pub(super) privacy: Option<Spent>,
    /// Noise and rounding follow from the seed of the job: nothing is private.
    #[serde(default)]
    pub(super) seeded: bool,
    pub(super) wall_s: f64,
}

/// How well a model does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Judgement {
    pub(super) accuracy: f64,
    pub(super) loss: f64,
}

/// What the rounds so far cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// Of this round alone.
    pub(super) epsilon: f64,
    /// Of all rounds so far.
    pub(super) epsilon_total: f64,
    /// What the job allows.
    pub(super) epsilon_budget: f64,
    pub(super) delta: f64,
    pub(super) unit: Unit,
}

/// The end of a training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) event: &'static str,
    pub(super) ending: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) rounds: u64,
    pub(super) sums: u64,
    /// Whether every sum is the plain sum; none without a sum.
    pub(super) exact: Option<bool>,
    pub(super) version: u64,
    pub(super) model_sha256: String,
    pub(super) last: Option<Judgement>,
    pub(super) best: Option<Judgement>,
    pub(super) best_version: Option<u64>,
    /// On which examples the models are judged.
    pub(super) judged_on: &'static str,
    pub(super) plain: Option<Judgement>,
    pub(super) pooled: Option<Judgement>,
    /// The same guarantee with the noise of one who is trusted with every update.
    pub(super) central: Option<Judgement>,
    pub(super) upload_bytes: u64,
    pub(super) download_bytes: u64,
    /// What all rounds cost; none without noise, and none if it is `seeded`.
    pub(super) privacy: Option<Spent>,
    /// Whether the sums hold noise.
    #[serde(skip)]
    pub(super) noised: bool,
    /// Noise and rounding follow from the seed of the job: nothing is private.
    pub(super) seeded: bool,
    #[serde(serialize_with = "crate::output::lossy::path")]
    pub(super) model: PathBuf,
    #[serde(serialize_with = "crate::output::lossy::path")]
    pub(super) history: PathBuf,
    /// Page with figures; none if a file of somebody else is in its place.
    #[serde(serialize_with = "crate::output::lossy::maybe")]
    pub(super) report: Option<PathBuf>,
    pub(super) wall_s: f64,
}

/// A task that was written for a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct WrittenTask {
    pub(super) task: String,
    pub(super) digest: String,
    #[serde(serialize_with = "crate::output::lossy::path")]
    pub(super) file: PathBuf,
}

impl fmt::Display for WrittenTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, digest, file } = self;
        write!(
            f,
            "task {task} with the digest {digest} in {}",
            file.display()
        )
    }
}

impl From<Evaluation> for Judgement {
    fn from(Evaluation { accuracy, loss }: Evaluation) -> Self {
        Self { accuracy, loss }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accuracy, loss } = self;
        write!(f, "accuracy {accuracy:.4}, loss {loss:.4}")
    }
}

/// Rounded up, so that no digit promises more than the number.
impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epsilon_total,
            delta,
            unit,
            ..
        } = self;
        let shown = (epsilon_total * 1e3).ceil() / 1e3;
        write!(f, "epsilon {shown:.3} at delta {delta:e} per {unit}")
    }
}

impl fmt::Display for RoundLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {:>3}/{}", self.round, self.rounds)?;
        if let Some(abort) = &self.abort {
            return write!(f, "  no sum: {abort}");
        }
        if let Some(found) = &self.members {
            write!(f, "  members: {found}")?;
        }
        if let Some(found) = &self.public {
            write!(f, "  test: {found}")?;
        }
        if self.best {
            f.write_str(" (best)")?;
        }
        write!(f, "  {} survivors", self.survivor_ids.len())?;
        if !self.vanished_ids.is_empty() {
            write!(f, ", {} vanished", self.vanished_ids.len())?;
        }
        write!(
            f,
            "  {} up, {} down",
            bytes(self.upload_bytes),
            bytes(self.download_bytes)
        )?;
        if let Some(clip) = self.clip {
            write!(f, "  clip {clip:.3}")?;
        }
        if let Some(clipped) = self.clipped.filter(|share| *share > 0.0) {
            write!(f, "  {:.0} % clipped", clipped * 100.0)?;
        }
        if let Some(privacy) = &self.privacy {
            write!(f, "  {privacy}")?;
        }
        if self.exact == Some(false) {
            f.write_str("  THE SUM IS NOT THE PLAIN SUM OF THE SURVIVORS")?;
        }
        Ok(())
    }
}

/// The algorithm of the comparison in the clear: the same, and FedAvg in the place of private ones.
fn in_the_clear(algorithm: &'static str) -> &'static str {
    match algorithm {
        "dp-sgd" | "dp-fedavg" => "fedavg",
        other => other,
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{}: {} of {} rounds gave a sum ({})",
            self.algorithm, self.sums, self.rounds, self.ending
        )?;
        if self.sums > 0 {
            writeln!(
                f,
                "every sum {} the plain sum of the survivors{}",
                match self.exact {
                    Some(false) => "DOES NOT EQUAL",
                    Some(true) | None => "equals",
                },
                match self.noised {
                    true => " and of the noise that stays",
                    false => "",
                }
            )?;
        }
        let plain = format!("{} in the clear", in_the_clear(self.algorithm));
        let judged = [
            ("model", &self.last),
            ("best model", &self.best),
            ("noise of one trusted", &self.central),
            (plain.as_str(), &self.plain),
            ("all data in one place", &self.pooled),
        ];
        for (name, found) in judged {
            if let Some(found) = found {
                writeln!(f, "{name:<22} {found} (on {})", self.judged_on)?;
            }
        }
        if let Some(privacy) = &self.privacy {
            writeln!(f, "privacy of all rounds together: {privacy}")?;
        }
        if self.noised && self.seeded {
            writeln!(
                f,
                "the noise is from the seed of the job: nothing is private"
            )?;
        }
        writeln!(
            f,
            "a member sends {} and receives {} in all",
            bytes(self.upload_bytes),
            bytes(self.download_bytes)
        )?;
        write!(
            f,
            "model in {}, a line for each round in {}; {:.1} s",
            self.model.display(),
            self.history.display(),
            self.wall_s
        )?;
        match &self.report {
            Some(page) => write!(f, "\nreport with figures in {}", page.display()),
            None => Ok(()),
        }
    }
}
