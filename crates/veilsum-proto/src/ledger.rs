//! The member's ledger: what it did, recorded before it did it (R7, R8).
//!
//! Not for secrets: none is ever written. The rules are here, in [`LedgerState`]; where the entries are kept is the
//! business of whoever implements [`Ledger`] (a file with fsync in the member's SDK, memory in simulations).

mod charges;

pub use charges::{Charge, Limit};

use crate::ids::{Attempt, RosterDigest, Round, Sid2, SurvivorsDigest, TaskDigest, UpdateDigest};
use charges::Charges;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use veilsum_dp::{Release, Statement, Unit};

/// One act, recorded before it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Entry {
    /// An advert is about to be sent.
    Advert {
        /// Task.
        task: TaskDigest,
        /// Roster the member takes part under.
        roster: RosterDigest,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
    },
    /// The first update of a (task, round) with noise is about to be recorded: whatever comes of the round, its cost counts.
    Charged {
        /// Task.
        task: TaskDigest,
        /// Round.
        round: Round,
        /// Its noise against its sensitivity.
        release: Box<Release>,
        /// Delta that the task states its epsilon at.
        delta: f64,
    },
    /// The first byte of a masked update is about to be sent.
    Update {
        /// Task.
        task: TaskDigest,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
        /// Digest of the update's values as given.
        update: UpdateDigest,
    },
    /// The survivors are about to be signed.
    Signed {
        /// Task.
        task: TaskDigest,
        /// Round.
        round: Round,
        /// Second session.
        sid2: Sid2,
        /// The survivors.
        survivors: SurvivorsDigest,
    },
    /// A certificate was accepted and is about to be answered.
    Certified {
        /// Task.
        task: TaskDigest,
        /// Round.
        round: Round,
        /// Second session.
        sid2: Sid2,
        /// The survivors.
        survivors: SurvivorsDigest,
    },
    /// The member has erased its secrets of the attempt.
    Closed {
        /// Task.
        task: TaskDigest,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
    },
}

/// Where entries are kept.
///
/// # Security
///
/// [`Ledger::record`] returns only when the entry survives a crash. A ledger that is missing, older than it was, or cannot be
/// written must fail; the member then refuses to act.
// spec: [ledger.durable]
pub trait Ledger {
    /// Everything recorded so far.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it cannot be trusted.
    fn state(&self) -> Result<&LedgerState, LedgerError>;

    /// Makes one entry durable.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when it is not durable.
    fn record(&mut self, entry: Entry) -> Result<(), LedgerError>;
}

/// The ledger cannot be read, written or trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ledger: {0}")]
pub struct LedgerError(pub String);

/// Why the ledger forbids an act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerRefusal {
    /// The (task, round) has a signature or a certificate of this member: nothing more of it is joined.
    #[error(
        "round {round} was already signed or certified by this member; it joins no further attempt of it"
    )]
    RoundClosed {
        /// Round asked for.
        round: Round,
    },
    /// The (task, round) was joined under another roster.
    #[error("round {round} was joined under roster {had}, now it is opened under roster {got}")]
    OtherRoster {
        /// Round asked for.
        round: Round,
        /// Roster recorded.
        had: RosterDigest,
        /// Roster asked for.
        got: RosterDigest,
    },
    /// A later round of the task was joined before.
    #[error("round {got} is behind round {had}, which this member already joined")]
    OldRound {
        /// Round asked for.
        got: Round,
        /// Highest round recorded.
        had: Round,
    },
    /// An attempt not later than the last one joined.
    #[error(
        "attempt {got} of round {round} is not after attempt {had}, which this member already joined"
    )]
    OldAttempt {
        /// Round asked for.
        round: Round,
        /// Attempt asked for.
        got: Attempt,
        /// Attempt recorded.
        had: Attempt,
    },
    /// Another attempt of the round was joined, and the site's policy forbids a second.
    #[error("round {round} was already tried; policy `retry = \"never\"` forbids attempt {got}")]
    NoRetry {
        /// Round asked for.
        round: Round,
        /// Attempt asked for.
        got: Attempt,
    },
    /// The update went into another round.
    #[error("update already used in round {round} of task {task}")]
    UpdateUsed {
        /// Task it went into.
        task: TaskDigest,
        /// Round it went into.
        round: Round,
    },
    /// Another update was uploaded in an earlier attempt of the same round.
    #[error("round {round} already has an update of this member, and this is another one")]
    OtherUpdate {
        /// Round.
        round: Round,
    },
    /// The round was charged with another release.
    #[error("round {round} was charged with other noise, or another sensitivity, than it has now")]
    OtherRelease {
        /// Round.
        round: Round,
    },
    /// A later attempt of the round was advertised in: what is left of this one is not acted on.
    #[error("attempt {got} of round {round} ended when this member advertised in attempt {had}")]
    Superseded {
        /// Round.
        round: Round,
        /// Attempt that would act.
        got: Attempt,
        /// Attempt recorded last.
        had: Attempt,
    },
    /// A set of survivors was already signed or certified in this round.
    #[error("round {round} has survivors signed or certified by this member already")]
    SignedBefore {
        /// Round.
        round: Round,
    },
}

impl LedgerRefusal {
    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RoundClosed { .. } => "round_closed",
            Self::OtherRoster { .. } => "other_roster",
            Self::OldRound { .. } => "old_round",
            Self::OldAttempt { .. } => "old_attempt",
            Self::NoRetry { .. } => "no_retry",
            Self::UpdateUsed { .. } => "update_used",
            Self::OtherUpdate { .. } => "other_update",
            Self::OtherRelease { .. } => "other_release",
            Self::Superseded { .. } => "superseded",
            Self::SignedBefore { .. } => "signed_before",
        }
    }
}

/// What the entries add up to.
#[derive(Clone, Debug, Default)]
pub struct LedgerState {
    rounds: BTreeMap<(TaskDigest, Round), RoundStanding>,
    updates: BTreeMap<UpdateDigest, BTreeSet<(TaskDigest, Round)>>,
    charges: Charges,
}

/// In which other rounds an update may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// In none.
    Never,
    /// In charged rounds of the same task: this one has noise too, and what the task costs is bounded.
    OfTask,
    /// In charged rounds: this one has noise too, and what all of them cost is bounded.
    WithNoise,
    /// In any: the site says so.
    Allowed,
}

/// What a member has done in one (task, round).
#[derive(Clone, Debug, Default)]
struct RoundStanding {
    joined: Option<(RosterDigest, Attempt)>,
    update: Option<UpdateDigest>,
    survivors: Option<(Sid2, SurvivorsDigest)>,
}

impl LedgerState {
    /// Takes one recorded entry in.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Advert {
                task,
                roster,
                round,
                attempt,
            } => {
                self.standing(task, *round).joined = Some((*roster, *attempt));
            }
            Entry::Charged {
                task,
                round,
                release,
                ..
            } => self.charges.add(*round, Charge { task, release }),
            Entry::Update {
                task,
                round,
                update,
                ..
            } => {
                self.standing(task, *round).update = Some(*update);
                let uses = self.updates.entry(*update).or_default();
                uses.insert((*task, *round));
            }
            Entry::Signed {
                task,
                round,
                sid2,
                survivors,
            }
            | Entry::Certified {
                task,
                round,
                sid2,
                survivors,
            } => {
                self.standing(task, *round).survivors = Some((*sid2, *survivors));
            }
            Entry::Closed { .. } => {}
        }
    }

    /// Whether the member may advertise in this attempt.
    ///
    /// # Errors
    ///
    /// [`LedgerRefusal`] naming what was recorded before.
    // spec: [join.ledger]
    pub fn may_join(
        &self,
        task: &TaskDigest,
        roster: &RosterDigest,
        round: Round,
        attempt: Attempt,
        retry: bool,
    ) -> Result<(), LedgerRefusal> {
        if let Some(had) = self.highest_round(task).filter(|had| *had > round) {
            return Err(LedgerRefusal::OldRound { got: round, had });
        }
        let Some(standing) = self.rounds.get(&(*task, round)) else {
            return Ok(());
        };
        // spec: [join.closed]
        if standing.survivors.is_some() {
            return Err(LedgerRefusal::RoundClosed { round });
        }
        match standing.joined {
            Some((had, _)) if had != *roster => Err(LedgerRefusal::OtherRoster {
                round,
                had,
                got: *roster,
            }),
            Some((_, had)) if had >= attempt => Err(LedgerRefusal::OldAttempt {
                round,
                got: attempt,
                had,
            }),
            Some(_) if !retry => Err(LedgerRefusal::NoRetry {
                round,
                got: attempt,
            }),
            _ => Ok(()),
        }
    }

    /// Whether no later attempt of the round was advertised in, so that the secrets of this one may still be used (R7).
    ///
    /// # Errors
    ///
    /// [`LedgerRefusal::Superseded`].
    // spec: [attempt.superseded]
    pub fn is_current(
        &self,
        task: &TaskDigest,
        round: Round,
        attempt: Attempt,
    ) -> Result<(), LedgerRefusal> {
        let standing = self.rounds.get(&(*task, round));
        match standing.and_then(|standing| standing.joined) {
            Some((_, had)) if had > attempt => Err(LedgerRefusal::Superseded {
                round,
                got: attempt,
                had,
            }),
            _ => Ok(()),
        }
    }

    /// Whether some attempt of this (task, round) has an update recorded.
    pub fn has_update(&self, task: &TaskDigest, round: Round) -> bool {
        let standing = self.rounds.get(&(*task, round));
        standing.is_some_and(|standing| standing.update.is_some())
    }

    /// Whether the update may be uploaded in this (task, round).
    ///
    /// # Errors
    ///
    /// [`LedgerRefusal::UpdateUsed`] when it went into another round and `reuse` forbids that, [`LedgerRefusal::OtherUpdate`] when
    /// an earlier attempt of this round carried another one.
    // spec: [upload.reuse]
    pub fn may_upload(
        &self,
        task: &TaskDigest,
        round: Round,
        update: &UpdateDigest,
        reuse: Reuse,
    ) -> Result<(), LedgerRefusal> {
        let standing = self.rounds.get(&(*task, round));
        if standing
            .and_then(|standing| standing.update)
            .is_some_and(|had| had != *update)
        {
            return Err(LedgerRefusal::OtherUpdate { round });
        }
        let allows = |(used_task, used_round): &&(TaskDigest, Round)| match reuse {
            Reuse::Never => false,
            Reuse::OfTask => used_task == task && self.charged(used_task, *used_round).is_some(),
            Reuse::WithNoise => self.charged(used_task, *used_round).is_some(),
            Reuse::Allowed => true,
        };
        let others = self.updates.get(update).into_iter().flatten();
        let mut others = others.filter(|used| **used != (*task, round));
        match others.find(|used| !allows(used)) {
            Some((task, round)) => Err(LedgerRefusal::UpdateUsed {
                task: *task,
                round: *round,
            }),
            None => Ok(()),
        }
    }

    /// Whether a (task, round) with this noise is still to be charged.
    ///
    /// # Errors
    ///
    /// [`LedgerRefusal::OtherRelease`] when it was charged with another release.
    // spec: [upload.charge]
    pub fn must_charge(&self, round: Round, charge: Charge<'_>) -> Result<bool, LedgerRefusal> {
        match self.charged(charge.task, round) {
            None => Ok(true),
            Some(release) if release == charge.release => Ok(false),
            Some(_) => Err(LedgerRefusal::OtherRelease { round }),
        }
    }

    /// What was charged for a (task, round).
    pub fn charged(&self, task: &TaskDigest, round: Round) -> Option<&Release> {
        self.charges.of_round(task, round)
    }

    /// What the charged rounds of a task cost the unit of the first of them together, at `delta`; `None` if there are none.
    pub fn spent(&self, task: &TaskDigest, delta: f64) -> Option<Statement> {
        self.charges.of_task(task, delta)
    }

    /// What all charged rounds of all tasks cost the unit of the limit together, as the limit counts it; `None` if there are none. An
    /// example is touched by rounds for either unit, a member is protected by those for members alone.
    // spec: [noise.account.adaptive]
    pub fn spent_total(&self, limit: Limit) -> Option<Statement> {
        self.charges.of_unit(limit)
    }

    /// What the rounds of a task would cost with one more, to be held against the limit. Infinite where the round protects another
    /// unit.
    pub fn spent_with(&self, charge: Charge<'_>, limit: Limit) -> Statement {
        self.charges.of_task_with(charge, limit)
    }

    /// What all rounds would cost with one more, to be held against the limit.
    pub fn spent_total_with(&self, charge: Charge<'_>, limit: Limit) -> Statement {
        self.charges.of_unit_with(charge, limit)
    }

    /// Whether any round was charged that protects examples alone.
    pub fn has_examples(&self) -> bool {
        self.charges.any_of(Unit::Example)
    }

    /// Whether the member may sign a survivor set in this (task, round).
    ///
    /// # Errors
    ///
    /// [`LedgerRefusal::SignedBefore`] after any signature or certificate in it.
    // spec: [confirm.once]
    pub fn may_sign(&self, task: &TaskDigest, round: Round) -> Result<(), LedgerRefusal> {
        match self.certified(task, round) {
            Some(_) => Err(LedgerRefusal::SignedBefore { round }),
            None => Ok(()),
        }
    }

    /// Survivors that this member signed, or whose certificate it accepted.
    pub fn certified(&self, task: &TaskDigest, round: Round) -> Option<(Sid2, SurvivorsDigest)> {
        self.rounds
            .get(&(*task, round))
            .and_then(|standing| standing.survivors)
    }

    /// Highest round of the task with any entry.
    pub fn highest_round(&self, task: &TaskDigest) -> Option<Round> {
        let all = (*task, Round(0))..=(*task, Round(u64::MAX));
        self.rounds
            .range(all)
            .next_back()
            .map(|((_, round), _)| *round)
    }

    fn standing(&mut self, task: &TaskDigest, round: Round) -> &mut RoundStanding {
        self.rounds.entry((*task, round)).or_default()
    }
}

/// Entries in memory, for simulations and tests.
///
/// # Security
///
/// It forgets everything with the process: a member that relies on it can be made to sign twice by a restart.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: LedgerState,
    entries: Vec<Entry>,
}

impl MemoryLedger {
    /// Entries in the order of their recording.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Ledger for MemoryLedger {
    fn state(&self) -> Result<&LedgerState, LedgerError> {
        Ok(&self.state)
    }

    fn record(&mut self, entry: Entry) -> Result<(), LedgerError> {
        self.state.apply(&entry);
        self.entries.push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
