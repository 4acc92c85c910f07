//! How much a member counts.

use std::num::NonZeroU32;

/// How much a member counts in a mean, for instance its number of examples; at least 1.
///
/// The weight travels in a lane of the masked vector, never in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(NonZeroU32);

impl Weight {
    /// The weight of every member in a task without weights.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// A weight; `None` for zero, since a member that counts for nothing does not contribute.
    #[must_use]
    pub fn new(weight: u32) -> Option<Self> {
        NonZeroU32::new(weight).map(Self)
    }

    /// The weight as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}
