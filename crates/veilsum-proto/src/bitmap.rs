//! A set of slots as a public bitmap of exact length.

use crate::ids::Slot;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Set of slots of one roster, one bit each: slot `i` is bit `i mod 8` of byte `i / 8`.
///
/// A bitmap from a peer is usable only after [`Bitmap::check`] against the roster's size: exact length, unused bits zero.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserializeBytes,
)]
pub struct Bitmap(Vec<u8>);

/// Why a bitmap from a peer is not one of this roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BitmapError {
    /// The number of bytes is not that of the roster.
    #[error("bitmap has {got} bytes, a roster of {slots} slots needs {want}")]
    Length {
        /// Bytes found.
        got: usize,
        /// Bytes wanted.
        want: usize,
        /// Slots of the roster.
        slots: u32,
    },
    /// A bit beyond the last slot is set.
    #[error("bitmap names slot {slot}, the roster has {slots} slots")]
    BeyondRoster {
        /// Slot named.
        slot: Slot,
        /// Slots of the roster.
        slots: u32,
    },
}

impl Bitmap {
    /// No slot of a roster of `slots`.
    pub fn empty(slots: u32) -> Self {
        Self(vec![0; Self::bytes(slots)])
    }

    /// The given slots of a roster of `slots`; those beyond it are left out.
    pub fn of(slots: u32, members: impl IntoIterator<Item = Slot>) -> Self {
        let mut bitmap = Self::empty(slots);
        for slot in members {
            if slot.0 < slots {
                bitmap.insert(slot);
            }
        }
        bitmap
    }

    /// Bytes of a bitmap over `slots`.
    pub fn bytes(slots: u32) -> usize {
        slots.div_ceil(8) as usize
    }

    /// Adds a slot; slots beyond the length are ignored.
    pub fn insert(&mut self, slot: Slot) {
        if let Some(byte) = self.0.get_mut(slot.index() / 8) {
            *byte |= 1 << (slot.0 % 8);
        }
    }

    /// Whether it holds `slot`; false beyond its length.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0
            .get(slot.index() / 8)
            .is_some_and(|byte| byte & (1 << (slot.0 % 8)) != 0)
    }

    /// Number of slots in the set.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }

    /// Number of slots in the set that are below `slot`.
    pub fn rank(&self, slot: Slot) -> u32 {
        let whole = self
            .0
            .iter()
            .take(slot.index() / 8)
            .map(|byte| byte.count_ones());
        let below = (1u8 << (slot.0 % 8)).wrapping_sub(1);
        let last = self
            .0
            .get(slot.index() / 8)
            .map_or(0, |byte| (byte & below).count_ones());
        whole.sum::<u32>().saturating_add(last)
    }

    /// Slots of the set in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        (0u32..).zip(&self.0).flat_map(|(index, byte)| {
            (0u32..8)
                .filter(move |bit| byte & (1 << bit) != 0)
                .map(move |bit| Slot(index.saturating_mul(8).saturating_add(bit)))
        })
    }

    /// First slot that is here and not in `other`.
    pub fn first_outside(&self, other: &Self) -> Option<Slot> {
        self.iter().find(|slot| !other.contains(*slot))
    }

    /// Bytes as they stand on the wire, without their length.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Refuses a bitmap that is not one of a roster of `slots`.
    ///
    /// # Errors
    ///
    /// [`BitmapError::Length`] when it has another number of bytes, [`BitmapError::BeyondRoster`] when an unused bit is set.
    // spec: [bitmap.exact]
    pub fn check(&self, slots: u32) -> Result<(), BitmapError> {
        let want = Self::bytes(slots);
        if self.0.len() != want {
            return Err(BitmapError::Length {
                got: self.0.len(),
                want,
                slots,
            });
        }
        match self.iter().find(|slot| slot.0 >= slots) {
            Some(slot) => Err(BitmapError::BeyondRoster { slot, slots }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_in_order() {
        let bitmap = Bitmap::of(20, [19, 3, 8].map(Slot));
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), [3, 8, 19].map(Slot));
        assert_eq!(bitmap.count(), 3);
        assert_eq!(
            [0, 3, 4, 8, 9, 19, 99].map(|slot| bitmap.rank(Slot(slot))),
            [0, 0, 1, 1, 2, 2, 3]
        );
        assert!(
            bitmap.contains(Slot(8)) && !bitmap.contains(Slot(9)) && !bitmap.contains(Slot(999))
        );
        assert_eq!(bitmap.check(20), Ok(()));
    }

    #[test]
    fn a_bitmap_of_another_length_is_refused() {
        assert!(matches!(
            Bitmap::empty(24).check(16),
            Err(BitmapError::Length {
                got: 3,
                want: 2,
                ..
            })
        ));
    }

    #[test]
    fn a_bit_beyond_the_roster_is_refused() {
        let mut bitmap = Bitmap::empty(12);
        bitmap.insert(Slot(13));
        assert!(matches!(
            bitmap.check(12),
            Err(BitmapError::BeyondRoster { slot: Slot(13), .. })
        ));
    }
}
