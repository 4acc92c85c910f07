//! How long a message of each type can be in a round; longer ones are refused before they are decoded.

/// Bounds that follow from the roster and the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    slots: usize,
    neighbours: usize,
}

impl Caps {
    /// Caps for a roster of `slots` and at most `neighbours` neighbours per member (`slots - 1` in the complete graph).
    pub fn new(slots: u32, neighbours: u32) -> Self {
        Self {
            slots: slots as usize,
            neighbours: neighbours.min(slots) as usize,
        }
    }

    /// Caps for a roster of `slots` whatever the graph.
    pub fn of_roster(slots: u32) -> Self {
        Self::new(slots, slots)
    }

    /// Most bytes a message of type `kind` can have, 0 for an unknown type.
    pub fn bytes_of(&self, kind: u8) -> usize {
        let bitmap = self.slots.div_ceil(8).saturating_add(8);
        let list = |entry: usize| {
            self.neighbours
                .saturating_mul(entry)
                .saturating_add(LIST_PREFIX)
        };
        let accepts = list(ACCEPT.saturating_add(self.neighbours.saturating_mul(CUT)));
        let body = match kind {
            1 => TASK.saturating_add(OPEN),
            2 => ADVERT,
            3 => SMALL
                .saturating_add(PROOF)
                .saturating_add(bitmap)
                .saturating_add(list(ADVERT.saturating_add(PROOF))),
            4 => SMALL.saturating_add(list(SEALED)),
            5 => SMALL.saturating_add(list(SEALED.saturating_add(PROOF).saturating_add(SMALL))),
            6 => ACCEPT.saturating_add(list(CUT)),
            7 => SMALL.saturating_add(bitmap).saturating_add(accepts),
            8 | 9 => SMALL,
            10 => SMALL.saturating_add(bitmap),
            11 => SMALL,
            12 => SMALL
                .saturating_add(bitmap)
                .saturating_add(self.slots.saturating_mul(SIGNED_SLOT)),
            13 | 15 => SMALL.saturating_add(list(SEED_OF_SLOT)),
            14 => SMALL.saturating_add(list(SMALL)),
            16 => SMALL.saturating_add(SMALL).saturating_add(bitmap),
            17 | 18 => NOTICE,
            _ => return 0,
        };
        body.saturating_add(HEADER)
    }

    /// Most bytes any message can have.
    pub fn largest(&self) -> usize {
        (1..=18).map(|kind| self.bytes_of(kind)).max().unwrap_or(0)
    }
}

/// Version, suite, type.
const HEADER: usize = 5;
/// Canonical encoding of the largest task.
const TASK: usize = crate::task::MAX_BYTES;
/// Everything of an Open but the task.
const OPEN: usize = 256;
/// An advert with a chain end.
const ADVERT: usize = 320;
/// A proof in a tree of up to 2^32 leaves.
const PROOF: usize = 32 * 32 + LIST_PREFIX;
/// A sealed share.
const SEALED: usize = 4 + 80 + 3 * 32;
/// An accept without its cuts.
const ACCEPT: usize = 32 + 4 + 64 + LIST_PREFIX;
/// One cut.
const CUT: usize = 5;
/// A signature with its slot.
const SIGNED_SLOT: usize = 68;
/// A seed with its slot and kind.
const SEED_OF_SLOT: usize = 37;
/// Fixed fields of any message, an upload header among them.
const SMALL: usize = 200;
/// A notice with its text.
const NOTICE: usize = 4096;
/// Longest length in front of a list.
const LIST_PREFIX: usize = 8;
