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
}

impl Setting {
    /// `members` of which the last `corrupt` work with the coordinator.
    pub fn new(members: u8, corrupt: u8, missing: u8) -> Self {
        Self {
            members,
            corrupt: (members - corrupt..members).collect(),
            missing,
            restarts: 1,
        }
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
