//! A run as plain data.

use std::fmt;
use veilsum_dp::Unit;

/// A run of rounds, and what people should know of it.
#[derive(Clone, Debug, Default)]
pub struct RunHistory {
    /// What ran, such as `digits: 12 members, 10 rounds`.
    pub title: String,
    /// What it came to, in a sentence or two.
    pub verdict: String,
    /// Rounds, ascending. A round without a sum has its line too.
    pub rounds: Vec<RoundRow>,
    /// The same training on all data in one place.
    pub pooled: Score,
    /// FedAvg in the clear over the same survivors, at its end; for runs that do not follow it round by round.
    pub clear: Score,
    /// The same guarantee with the noise of one who is trusted with every update, at its end.
    pub central: Score,
    /// Whose bytes the rounds count.
    pub bytes_of: BytesOf,
    /// Noise, if the task has any that nobody knows.
    pub privacy: Option<Privacy>,
    /// The sums hold noise that whoever knows a seed can take off, so that no epsilon is stated.
    pub noise_is_known: bool,
    /// How it was set up.
    pub settings: Vec<Fact>,
    /// What nobody but its owner has seen, a sentence each.
    pub hidden: Vec<String>,
    /// What others have seen, a sentence each.
    pub visible: Vec<String>,
}

/// Whose bytes are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BytesOf {
    /// Of all members together.
    #[default]
    All,
    /// Of that member which has most.
    Each,
}

/// One line of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// Its value, with its unit.
    pub value: String,
}

/// How good a model is; what was not measured is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Share of right answers, 0 to 1.
    pub accuracy: Option<f64>,
    /// Mean loss, in nats.
    pub loss: Option<f64>,
}

/// One round.
#[derive(Clone, Debug)]
pub struct RoundRow {
    /// Its number, from 1.
    pub round: u64,
    /// The attempt that it ended with, from 0.
    pub attempt: u32,
    /// How it ended.
    pub outcome: RoundOutcome,
    /// SHA-256 of the sum, in hex.
    pub digest: Option<String>,
    /// Members that the round was open to.
    pub members: u32,
    /// Members whose contributions are in the sum.
    pub survivors: u32,
    /// Who went silent where.
    pub vanished: Vec<Vanished>,
    /// The model that the masked sums made.
    pub secure: Score,
    /// The model of plain averages over the same survivors, without noise.
    pub plain: Score,
    /// Epsilon of this round alone, of the unit and at the delta of [`Privacy`].
    pub epsilon: Option<f64>,
    /// Epsilon of all rounds so far.
    pub epsilon_total: Option<f64>,
    /// Bytes sent, by [`RunHistory::bytes_of`].
    pub upload_bytes: Option<u64>,
    /// Bytes received; of the demo the models alone.
    pub download_bytes: Option<u64>,
    /// Seconds from its opening to its sum.
    pub wall_s: Option<f64>,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoundOutcome {
    /// The masked sum was held against a plain one and is equal in so many integers.
    Exact {
        /// Integers compared.
        integers: u64,
    },
    /// It was held against a plain one and is equal.
    Equal,
    /// It was held against a plain one and differs.
    Different,
    /// There is a sum, and nobody could compare it: nobody knows the single updates.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "for runs over a network that nobody can look into"
        )
    )]
    Summed,
    /// There is none, for this reason.
    NoSum(String),
}

/// A member that went silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// Its name or slot.
    pub member: String,
    /// The phase that it no longer answered in.
    pub phase: Phase,
    /// Whether its contribution is in the sum all the same.
    pub in_sum: bool,
}

/// Phases of a round that a member can be missing in, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Adverts are awaited.
    Advertise,
    /// Sealed shares are awaited.
    Share,
    /// The second trip of Share.
    Accept,
    /// Masked updates are awaited.
    Upload,
    /// An update began and did not end.
    MidUpload,
    /// Signatures over the survivors are awaited.
    Confirm,
    /// Seeds are awaited.
    Reveal,
    /// Shares of members that went silent are awaited.
    Recover,
}

/// What the noise promises.
#[derive(Clone, Debug)]
pub struct Privacy {
    /// Whose presence epsilon speaks of.
    pub unit: Unit,
    /// The delta that goes with every epsilon.
    pub delta: f64,
    /// The law of the noise and how it is made, in words.
    pub mechanism: String,
    /// Epsilon at which training would stop.
    pub budget: Option<f64>,
}

impl RunHistory {
    /// Rounds with a sum.
    pub fn summed(&self) -> usize {
        let summed = |row: &&RoundRow| row.outcome.has_sum();
        self.rounds.iter().filter(summed).count()
    }

    /// Rounds whose sum was found equal to the plain one.
    pub fn exact(&self) -> usize {
        let exact = |row: &&RoundRow| row.outcome.is_exact();
        self.rounds.iter().filter(exact).count()
    }

    /// The last score with an accuracy.
    pub fn last_accuracy(&self, of: impl Fn(&RoundRow) -> Score) -> Option<f64> {
        self.rounds.iter().rev().find_map(|row| of(row).accuracy)
    }

    /// Epsilon after the last round that spent some.
    pub fn epsilon_total(&self) -> Option<f64> {
        self.rounds.iter().rev().find_map(|row| row.epsilon_total)
    }

    /// Members that went silent, over all rounds.
    pub fn vanished(&self) -> usize {
        self.rounds.iter().map(|row| row.vanished.len()).sum()
    }
}

impl RoundOutcome {
    /// Whether the sum was found equal to the plain one.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Exact { .. } | Self::Equal)
    }

    /// Whether there is a sum.
    pub fn has_sum(&self) -> bool {
        !matches!(self, Self::NoSum(_))
    }
}

impl RoundRow {
    /// Members that went silent and are in the sum all the same.
    pub fn vanished_in_sum(&self) -> u32 {
        let counted = self.vanished.iter().filter(|vanished| vanished.in_sum);
        (counted.count() as u32).min(self.survivors)
    }
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Advertise,
        Self::Share,
        Self::Accept,
        Self::Upload,
        Self::MidUpload,
        Self::Confirm,
        Self::Reveal,
        Self::Recover,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Share => "share",
            Self::Accept => "accept",
            Self::Upload => "upload",
            Self::MidUpload => "mid-upload",
            Self::Confirm => "confirm",
            Self::Reveal => "reveal",
            Self::Recover => "recover",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a unit.
pub fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Example => "example",
        Unit::Member => "member",
    }
}

/// Whose presence a unit hides, in words.
pub fn whose(unit: Unit) -> &'static str {
    match unit {
        Unit::Example => "one example of one member (unit: example)",
        Unit::Member => "all that one member holds (unit: member)",
    }
}
