//! The slots a round is drawn over.

use super::rank::Ranks;
use crate::ids::{RosterDigest, Round, Slot};
use crate::label::Label;

/// The slots that take part in a round: the whole roster, or a cohort of it.
///
/// Slots keep their numbers in a cohort; its *index* of a slot counts the slots of the cohort below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Slots 0 to this, excluded.
    Roster(u32),
    /// Ascending.
    Cohort(Vec<Slot>),
}

/// The cohort of a round with client sampling: the `size` slots of the lowest ranks; the whole roster when it has no more.
///
/// # Security
///
/// Its size comes from the task, which a site's policy judges and can pin by digest; the parameters of such a round from
/// [`Demand::for_cohort`](crate::parameters::Demand::for_cohort).
// spec: [graph.cohort]
pub fn cohort(
    roster_slots: u32,
    size: u32,
    randomness: &[u8; 32],
    roster: &RosterDigest,
    round: Round,
) -> Population {
    if size >= roster_slots {
        return Population::whole(roster_slots);
    }
    let ranks = Ranks::new(Label::Cohort, randomness, roster, round);
    Population(Kind::Cohort(
        ranks.lowest((0..roster_slots).map(Slot), size),
    ))
}

impl Population {
    /// All slots of a roster.
    pub fn whole(roster_slots: u32) -> Self {
        Self(Kind::Roster(roster_slots))
    }

    /// How many slots take part.
    pub fn len(&self) -> u32 {
        match &self.0 {
            Kind::Roster(slots) => *slots,
            // a cohort is a part of a roster, whose slots are counted by a u32
            Kind::Cohort(slots) => u32::try_from(slots.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether nobody takes part.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots of the population are below this one; none for a slot outside.
    pub fn index_of(&self, slot: Slot) -> Option<u32> {
        match &self.0 {
            Kind::Roster(slots) => (slot.0 < *slots).then_some(slot.0),
            Kind::Cohort(slots) => u32::try_from(slots.binary_search(&slot).ok()?).ok(),
        }
    }

    /// Whether a slot takes part.
    pub fn contains(&self, slot: Slot) -> bool {
        self.index_of(slot).is_some()
    }

    /// The slots, ascending.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let (whole, cohort): (u32, &[Slot]) = match &self.0 {
            Kind::Roster(slots) => (*slots, &[]),
            Kind::Cohort(slots) => (0, slots),
        };
        (0..whole).map(Slot).chain(cohort.iter().copied())
    }
}
