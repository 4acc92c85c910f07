//! Who vanishes where.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use veilsum_proto::ids::Slot;

/// The last thing a member does not do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vanish {
    /// Never advertises.
    Advertise,
    /// Advertises, sends no shares.
    Share,
    /// Shares, sends no accept.
    Accept,
    /// Accepts, uploads nothing.
    Upload,
    /// Uploads a part.
    MidUpload,
    /// Uploads, signs nothing.
    Confirm,
    /// Signs if asked, reveals nothing.
    Reveal,
    /// Reveals, answers no share request.
    Recover,
}

impl Vanish {
    /// All points, in the order of a round.
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

    /// Phase in which it happens, in the words of reports.
    pub fn phase(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Share | Self::Accept => "share",
            Self::Upload | Self::MidUpload => "upload",
            Self::Confirm => "confirm",
            Self::Reveal | Self::Recover => "reveal",
        }
    }

    /// Whether the member's contribution is in the sum all the same.
    pub fn is_late(self) -> bool {
        self >= Self::Confirm
    }
}

/// Who vanishes where; everybody else stays to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(BTreeMap<Slot, Vanish>);

impl Script {
    /// A script from pairs.
    pub fn of(pairs: impl IntoIterator<Item = (Slot, Vanish)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// `early` members vanish in Upload, every second of them half-way through it; `late` ones in Confirm and Reveal by
    /// turns. Upload is where a drop-out costs most: everybody has masked with it already. The seed draws who.
    pub fn drawn(members: u32, early: u32, late: u32, seed: u64) -> Self {
        let mut slots = (0..members).map(Slot).collect::<Vec<_>>();
        slots.shuffle(&mut ChaCha20Rng::seed_from_u64(seed));
        let points = alternate([Vanish::Upload, Vanish::MidUpload], early);
        let points = points.chain(alternate([Vanish::Confirm, Vanish::Reveal], late));
        Self::of(slots.into_iter().zip(points))
    }

    /// Where `slot` vanishes, if it does.
    pub fn of_slot(&self, slot: Slot) -> Option<Vanish> {
        self.0.get(&slot).copied()
    }

    /// Whether `slot` still acts at `point`.
    pub fn acts(&self, slot: Slot, point: Vanish) -> bool {
        self.of_slot(slot).is_none_or(|vanish| vanish > point)
    }

    /// All that vanish, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, Vanish)> + '_ {
        self.0.iter().map(|(slot, vanish)| (*slot, *vanish))
    }
}

fn alternate(points: [Vanish; 2], count: u32) -> impl Iterator<Item = Vanish> {
    points.into_iter().cycle().take(count as usize)
}
