//! What both sides of a round derive alike: parameters, graph, session ids, and the checks on sets of slots.

use crate::bitmap::{Bitmap, BitmapError};
use crate::graph::{Graph, Population, ThinWindow, cohort};
use crate::ids::{
    Attempt, Hash, ModelDigest, RosterDigest, Round, Sid, Sid2, Slot, SurvivorsDigest, TaskDigest,
};
use crate::label::{Label, SUITE, VERSION};
use crate::message::{Deadlines, Open};
use crate::noise::RoundNoise;
use crate::parameters::Parameters;
use crate::roster::Roster;
use crate::task::{Derived, Task, TaskError};
use std::sync::Arc;
use veilsum_dp::NoiseContext;
use veilsum_encode::Plan;

/// One attempt at a round, as member and coordinator derive it from the task and the signed roster.
#[derive(Debug)]
pub struct RoundContext {
    /// Task.
    pub task: Task,
    /// Its digest.
    pub task_digest: TaskDigest,
    /// Signed roster.
    pub roster: Arc<Roster>,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Model the round starts from; all zero when the task has none.
    pub base_model: ModelDigest,
    /// Derived parameters.
    pub parameters: Parameters,
    /// Time each phase is open.
    pub deadlines: Deadlines,
    /// Who masks with whom.
    pub graph: Graph,
    /// Lanes and blocks of a contribution.
    pub plan: Plan,
    /// Noise each contribution carries; `None` in a task without noise.
    pub noise: Option<Arc<RoundNoise>>,
}

/// What is agreed before anybody advertises, as the first session id binds it.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Task.
    pub task: TaskDigest,
    /// Roster.
    pub roster: RosterDigest,
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Model the round starts from; all zero when the task has none.
    pub base_model: ModelDigest,
    /// The roster's randomness.
    pub randomness: [u8; 32],
    /// Derived parameters.
    pub parameters: Parameters,
    /// Slots of the roster.
    pub slots: u32,
}

impl Terms {
    /// First session id over U1 and the root over the signed adverts.
    // spec: [session.sid]
    pub fn sid(&self, advertised: &Bitmap, root: &Hash) -> Sid {
        let hash = Label::Session.hash(&[
            &VERSION.to_be_bytes(),
            &SUITE.to_be_bytes(),
            self.task.as_bytes(),
            self.roster.as_bytes(),
            &self.round.0.to_be_bytes(),
            &self.attempt.0.to_be_bytes(),
            self.base_model.as_bytes(),
            &self.randomness,
            &self.parameters.encode(),
            &self.slots.to_be_bytes(),
            advertised.as_bytes(),
            root.as_bytes(),
        ]);
        Sid(hash.0)
    }
}

/// Why a set of slots cannot stand in a round.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Not a bitmap of this roster.
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
    /// Smaller than the task's floor.
    #[error("{set} has {got} members, the floor of the task is {want}")]
    BelowFloor {
        /// Which set.
        set: &'static str,
        /// Members found.
        got: u32,
        /// Members wanted at least.
        want: u32,
    },
    /// Names a slot that the earlier set does not have.
    #[error("{set} names slot {slot}, which is not in {earlier}")]
    Outside {
        /// Which set.
        set: &'static str,
        /// Slot found.
        slot: Slot,
        /// Set it would have to be in.
        earlier: &'static str,
    },
    /// Does not hold the member that is asked to act on it.
    #[error("{set} does not hold this member, slot {slot}")]
    WithoutMe {
        /// Which set.
        set: &'static str,
        /// This member.
        slot: Slot,
    },
    /// A window of the ring holds too few of it.
    #[error("{set}: {window}")]
    Window {
        /// Which set.
        set: &'static str,
        /// What was found.
        window: ThinWindow,
    },
    /// Too few of it may sign for a quorum.
    #[error("{got} of {set} may sign, the quorum is {want}")]
    TooFewSigners {
        /// Which set.
        set: &'static str,
        /// Members of the electorate found in it.
        got: u32,
        /// Quorum.
        want: u32,
    },
    /// More slots are missing than the noise was made for.
    #[error("{missing} slots are missing from the survivors, the noise tolerates {tolerated}")]
    TooManyMissing {
        /// n - |S|.
        missing: u32,
        /// T.
        tolerated: u32,
    },
}

impl SetError {
    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bitmap(_) => "bitmap",
            Self::BelowFloor { .. } => "below_floor",
            Self::Outside { .. } => "outside_set",
            Self::WithoutMe { .. } => "without_me",
            Self::Window { .. } => "thin_window",
            Self::TooFewSigners { .. } => "too_few_signers",
            Self::TooManyMissing { .. } => "too_many_missing",
        }
    }
}

impl RoundContext {
    /// Derives everything from the task and the roster.
    ///
    /// # Errors
    ///
    /// [`TaskError`] when the task's numbers do not fit this roster.
    pub fn new(
        task: Task,
        roster: Arc<Roster>,
        round: Round,
        attempt: Attempt,
        base_model: ModelDigest,
        deadlines: Deadlines,
    ) -> Result<Self, TaskError> {
        let slots = roster.len();
        let Derived {
            parameters,
            plan,
            noise,
        } = task.derive(slots)?;
        let population = match task.spec().cohort {
            Some(size) => cohort(slots, size, roster.randomness(), &roster.digest(), round),
            None => Population::whole(slots),
        };
        let graph = Graph::new(
            population,
            &parameters,
            roster.randomness(),
            &roster.digest(),
            round,
        );
        Ok(Self {
            task_digest: task.digest(),
            task,
            roster,
            round,
            attempt,
            base_model,
            parameters,
            deadlines,
            graph,
            plan,
            noise,
        })
    }

    /// The message that opens the attempt.
    pub fn open(&self) -> Open {
        Open {
            task: self.task.encode().to_vec(),
            roster: self.roster.digest(),
            round: self.round,
            attempt: self.attempt,
            base_model: self.base_model,
            parameters: self.parameters,
            deadlines: self.deadlines,
        }
    }

    /// Slots of the roster; the size of every bitmap.
    pub fn slots(&self) -> u32 {
        self.roster.len()
    }

    /// Seed of the rotation shared by all members of the round; public.
    pub fn rotation_seed(&self) -> [u8; 32] {
        Label::Rotation
            .hash(&[self.task_digest.as_bytes(), &self.round.0.to_be_bytes()])
            .0
    }

    /// Whose noise it is that `slot` adds in this attempt.
    // spec: [noise.chain.labels]
    pub fn noise_context(&self, slot: Slot) -> NoiseContext {
        NoiseContext {
            task: *self.task_digest.as_bytes(),
            round: self.round.0,
            attempt: self.attempt.0,
            slot: slot.0,
        }
    }

    /// Whether adverts carry the end of a noise chain, and survivors reveal a value of it.
    pub fn has_chain(&self) -> bool {
        self.noise.as_ref().is_some_and(|noise| noise.has_chain())
    }

    /// First session id over U1 and the root over the signed adverts.
    pub fn sid(&self, advertised: &Bitmap, root: &Hash) -> Sid {
        let terms = Terms {
            task: self.task_digest,
            roster: self.roster.digest(),
            round: self.round,
            attempt: self.attempt,
            base_model: self.base_model,
            randomness: *self.roster.randomness(),
            parameters: self.parameters,
            slots: self.slots(),
        };
        terms.sid(advertised, root)
    }

    /// Neighbours of `slot` in `set`, ascending.
    pub fn neighbours_in(&self, slot: Slot, set: &Bitmap) -> Vec<Slot> {
        let mut neighbours = self.graph.neighbours(slot);
        neighbours.retain(|neighbour| set.contains(*neighbour));
        neighbours
    }

    /// Where `neighbour` stands among the neighbours of `dealer` in `set`, and how many these are; `None` when they are no
    /// neighbours or `set` does not hold it.
    pub fn position_in(
        &self,
        dealer: Slot,
        neighbour: Slot,
        set: &Bitmap,
    ) -> Option<(usize, usize)> {
        if !self.graph.are_neighbours(dealer, neighbour) || !set.contains(neighbour) {
            return None;
        }
        if self.parameters.is_complete() {
            let own = usize::from(set.contains(dealer));
            let before = usize::from(dealer < neighbour && set.contains(dealer));
            let rank = set.rank(neighbour) as usize;
            return Some((
                rank.checked_sub(before)?,
                (set.count() as usize).checked_sub(own)?,
            ));
        }
        let neighbours = self.neighbours_in(dealer, set);
        neighbours
            .binary_search(&neighbour)
            .ok()
            .map(|position| (position, neighbours.len()))
    }

    /// U1: exact, inside the population, not below the floor.
    ///
    /// # Errors
    ///
    /// [`SetError`] naming what was found and wanted.
    // spec: [advertise.floor]
    pub fn check_advertised(&self, advertised: &Bitmap) -> Result<(), SetError> {
        advertised.check(self.slots())?;
        if let Some(slot) = advertised.iter().find(|slot| !self.graph.contains(*slot)) {
            return Err(SetError::Outside {
                set: ADVERTISED,
                slot,
                earlier: "the cohort",
            });
        }
        self.check_floor(ADVERTISED, advertised)
    }

    /// U2: exact, inside U1, not below the floor, no thin window.
    ///
    /// # Errors
    ///
    /// [`SetError`] naming what was found and wanted.
    // spec: [share.set]
    pub fn check_shared(&self, shared: &Bitmap, advertised: &Bitmap) -> Result<(), SetError> {
        shared.check(self.slots())?;
        check_inside(SHARED, shared, ADVERTISED, advertised)?;
        self.check_floor(SHARED, shared)?;
        self.check_windows(SHARED, shared)
    }

    /// S: exact, inside U2, not below the floor, no thin window, with noise not more missing than it tolerates.
    ///
    /// # Errors
    ///
    /// [`SetError`] naming what was found and wanted.
    // spec: [confirm.set]
    pub fn check_survivors(&self, survivors: &Bitmap, shared: &Bitmap) -> Result<(), SetError> {
        survivors.check(self.slots())?;
        check_inside(SURVIVORS, survivors, SHARED, shared)?;
        self.check_floor(SURVIVORS, survivors)?;
        self.check_windows(SURVIVORS, survivors)?;
        // spec: [confirm.noise]
        let missing = self.parameters.n.saturating_sub(survivors.count());
        match self.parameters.tolerated {
            Some(tolerated) if missing > tolerated => {
                Err(SetError::TooManyMissing { missing, tolerated })
            }
            _ => Ok(()),
        }
    }

    /// Whether enough of the survivors may sign. Asked by the coordinator before it asks anybody to sign: nobody's one
    /// signature of the round is spent on a set that cannot be certified.
    ///
    /// # Errors
    ///
    /// [`SetError::TooFewSigners`].
    // spec: [upload.quorum]
    pub fn check_signers(&self, survivors: &Bitmap) -> Result<(), SetError> {
        let signers = self
            .graph
            .electorate()
            .iter()
            .filter(|slot| survivors.contains(**slot));
        let (got, want) = (
            u32::try_from(signers.count()).unwrap_or(u32::MAX),
            self.parameters.q,
        );
        if got < want {
            Err(SetError::TooFewSigners {
                set: SURVIVORS,
                got,
                want,
            })
        } else {
            Ok(())
        }
    }

    fn check_floor(&self, set: &'static str, slots: &Bitmap) -> Result<(), SetError> {
        let (got, want) = (slots.count(), self.parameters.f);
        if got < want {
            Err(SetError::BelowFloor { set, got, want })
        } else {
            Ok(())
        }
    }

    fn check_windows(&self, set: &'static str, slots: &Bitmap) -> Result<(), SetError> {
        self.graph
            .check_windows(slots)
            .map_err(|window| SetError::Window { set, window })
    }
}

/// Second session id: the first with the Share set.
// spec: [session.sid2]
pub fn second_sid(sid: &Sid, shared: &Bitmap) -> Sid2 {
    Sid2(
        Label::SecondSession
            .hash(&[sid.as_bytes(), shared.as_bytes()])
            .0,
    )
}

/// Digest of a survivor set under its second session, as a ledger records it.
// spec: [session.survivors]
pub fn survivors_digest(sid2: &Sid2, survivors: &Bitmap) -> SurvivorsDigest {
    SurvivorsDigest(
        Label::Survivors
            .hash(&[sid2.as_bytes(), survivors.as_bytes()])
            .0,
    )
}

/// Refuses a set that does not hold `slot`.
///
/// # Errors
///
/// [`SetError::WithoutMe`].
pub fn check_holds(set: &'static str, slots: &Bitmap, slot: Slot) -> Result<(), SetError> {
    if slots.contains(slot) {
        Ok(())
    } else {
        Err(SetError::WithoutMe { set, slot })
    }
}

fn check_inside(
    set: &'static str,
    slots: &Bitmap,
    earlier: &'static str,
    outer: &Bitmap,
) -> Result<(), SetError> {
    match slots.first_outside(outer) {
        Some(slot) => Err(SetError::Outside { set, slot, earlier }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

/// U1 in words.
pub const ADVERTISED: &str = "the advertised set";
/// U2 in words.
pub const SHARED: &str = "the Share set";
/// S in words.
pub const SURVIVORS: &str = "the survivor set";
