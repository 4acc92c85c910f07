//! Who takes part, and the numbers of the complete graph.

use crate::slots::Slots;

/// A round of few members in the complete graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Slots of the roster, n.
    pub members: u8,
    /// Members that work with the coordinator.
    pub corrupt: Slots,
    /// Slots that may be missing, d.
    pub missing: u8,
    /// How often members may be restarted, together.
    pub restarts: u8,
    /// What the coordinator lies about.
    pub lies: Lies,
}

/// What the coordinator lies about. Both at once are too many rounds to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// Share sets and attempts; nobody cuts an edge.
    Views,
    /// Which accepts it shows to whom. All are in the one Share set of the one attempt, nobody restarts.
    Cuts {
        /// Honest members for whom the part of the first corrupt dealer does not open: they cut its edge.
        wronged: Slots,
    },
}

impl Setting {
    /// `members` of which the last `corrupt` work with the coordinator.
    pub fn new(members: u8, corrupt: u8, missing: u8) -> Self {
        Self {
            members,
            corrupt: (members - corrupt..members).collect(),
            missing,
            restarts: 1,
            lies: Lies::Views,
        }
    }

    /// The same against a coordinator that lies about cuts, and a corrupt dealer whose parts do not open for `wronged`.
    pub fn with_cuts(self, wronged: Slots) -> Self {
        Self {
            restarts: 0,
            lies: Lies::Cuts { wronged },
            ..self
        }
    }

    /// Whether sets and attempts are lied about.
    pub fn lies_about_views(&self) -> bool {
        self.lies == Lies::Views
    }

    /// The dealer whose edge `slot` cuts in its own accept.
    pub fn own_cut(&self, slot: u8) -> Slots {
        match self.lies {
            Lies::Cuts { wronged } if wronged.has(slot) => self.corrupt.iter().take(1).collect(),
            _ => Slots::NONE,
        }
    }

    /// Edges of one member that may be cut: of so many corrupt neighbours.
    pub fn cut_limit(&self) -> usize {
        self.corrupt.len()
    }

    /// Components of the noise that stay on a sum over so many survivors, when a chain has one for each slot that may be missing:
    /// the value that opens the others is revealed. None when all stay, and no value is.
    pub fn level(&self, present: usize, survivors: usize) -> Option<u8> {
        let missing = u8::try_from(present - survivors).unwrap();
        (missing < self.missing).then_some(missing)
    }

    /// All slots.
    pub fn all(&self) -> Slots {
        Slots::first(self.members)
    }

    /// Slots that keep to the rules.
    pub fn honest(&self) -> Slots {
        self.all().less(self.corrupt)
    }

    /// Signatures of a certificate: more than half of all slots and the corrupt ones together.
    pub fn quorum(&self) -> usize {
        (usize::from(self.members) + self.corrupt.len()) / 2 + 1
    }

    /// Shares that rebuild a secret.
    pub fn threshold(&self) -> usize {
        self.quorum().min(usize::from(self.members) - 1)
    }

    /// Smallest set that a member joins.
    pub fn floor(&self) -> usize {
        (self.corrupt.len() + 2).max(usize::from(self.members - self.missing))
    }

    /// Whether a set may be `U2`, or survivors.
    pub fn is_large(&self, set: Slots) -> bool {
        set.len() >= self.floor()
    }
}
