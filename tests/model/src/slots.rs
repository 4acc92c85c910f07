//! Sets of slots.

use std::fmt;

/// A set of at most 16 slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slots(u16);

impl Slots {
    /// No slot.
    pub const NONE: Self = Self(0);

    /// Slots `0..count`.
    pub fn first(count: u8) -> Self {
        (0..count).collect()
    }

    /// Whether the slot is in the set.
    pub fn has(self, slot: u8) -> bool {
        self.0 >> slot & 1 == 1
    }

    /// How many.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of them are in `other`.
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Those of both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of either.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that `other` has not.
    pub fn less(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..16).filter(move |slot| self.has(*slot))
    }

    /// Every subset, the empty one first.
    pub fn subsets(self) -> impl Iterator<Item = Self> {
        (0..=self.0)
            .map(Self)
            .filter(move |subset| subset.within(self))
    }
}

impl FromIterator<u8> for Slots {
    fn from_iter<I: IntoIterator<Item = u8>>(slots: I) -> Self {
        Self(slots.into_iter().fold(0, |set, slot| set | 1 << slot))
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_three_has_eight_subsets() {
        let set = Slots::from_iter([1, 4, 5]);
        let subsets = set.subsets().collect::<Vec<_>>();
        assert_eq!(subsets.len(), 8);
        assert!(subsets.iter().all(|subset| subset.within(set)));
        assert_eq!(
            set.less(Slots::from_iter([4])).iter().collect::<Vec<_>>(),
            [1, 5]
        );
    }
}
