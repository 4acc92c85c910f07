//! What one honest member does with what it is shown.

use crate::views::cohort::{Cohort, Set, bit};

/// What the coordinator shows to one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct View {
    /// Advertised set, U1.
    pub advertised: Set,
    /// Share set, U2.
    pub shared: Set,
    /// Survivor sets it is asked to sign, one after the other.
    pub asked: [Option<Set>; 2],
}

/// A rule that members do not keep, to show that the search finds what the rule stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// All rules are kept.
    Nothing,
    /// R1: signs every survivor set it is asked to sign.
    SignsTwice,
    /// R1: as many signatures of own neighbours as the threshold are a certificate.
    LocalCertificate,
    /// R2: no window is looked at.
    ThinWindows,
    /// R3: survivors need not be in the Share set, which neither masks nor signatures name.
    UnsignedShareSet,
    /// R3: shares of self seeds go out without the header of their owner.
    NoHeader,
    /// R9: one signature less than the quorum is a certificate.
    SmallQuorum,
    /// R10: shares of root seeds of survivors go out too.
    OppositeKind,
}

impl Broken {
    /// Every rule that can be left out.
    pub const ALL: [Self; 7] = [
        Self::SignsTwice,
        Self::LocalCertificate,
        Self::ThinWindows,
        Self::UnsignedShareSet,
        Self::NoHeader,
        Self::SmallQuorum,
        Self::OppositeKind,
    ];
}

impl Cohort {
    /// Whether `slot` takes the advertised set of its view.
    pub(super) fn joins(&self, slot: u32, view: &View) -> bool {
        view.advertised & bit(slot) != 0 && self.is_large(view.advertised)
    }

    /// Whether `slot` takes the Share set of its view, the parts of `dealt` being at hand.
    pub(super) fn uploads(&self, slot: u32, view: &View, dealt: Set, broken: Broken) -> bool {
        let wanted = view.shared & self.neighbours(slot);
        self.stands(slot, view.shared, view.advertised, broken) && wanted & !dealt == 0
    }

    /// Whether `slot` acts on this survivor set.
    pub(super) fn takes(&self, slot: u32, view: &View, survivors: Set, broken: Broken) -> bool {
        let outer = match broken {
            Broken::UnsignedShareSet => self.all(),
            _ => view.shared,
        };
        self.stands(slot, survivors, outer, broken)
    }

    fn stands(&self, slot: u32, set: Set, outer: Set, broken: Broken) -> bool {
        set & bit(slot) != 0
            && set & !outer == 0
            && self.is_large(set)
            && (broken == Broken::ThinWindows || self.is_thick(set))
    }
}
