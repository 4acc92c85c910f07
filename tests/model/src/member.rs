//! An honest member: what it has on disk, what in memory, and what it does when it is shown something.

use crate::setting::Setting;
use crate::slots::Slots;

/// What a member is bound to once it signed, or accepted a certificate: in its ledger, for the whole round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fixed {
    /// Attempt, and with it the first session.
    pub attempt: u8,
    /// Share set, and with it the second session.
    pub shared: Slots,
    /// Survivors.
    pub survivors: Slots,
}

/// What a member has in memory between its Share and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session {
    /// Attempt.
    pub attempt: u8,
    /// The Share set it uploaded under.
    pub shared: Option<Slots>,
    /// Its edges that were cut before that, by either end.
    pub cut: Slots,
    /// The survivors that it reveals for.
    pub certified: Option<Slots>,
}

impl Session {
    /// At its start.
    pub fn of(attempt: u8) -> Self {
        Self {
            attempt,
            shared: None,
            cut: Slots::NONE,
            certified: None,
        }
    }
}

/// One honest member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// Its slot.
    pub slot: u8,
    /// Its ledger.
    pub fixed: Option<Fixed>,
    /// Its memory; none after a restart or at its end.
    pub session: Option<Session>,
}

/// A check that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// R1: the ledger is not asked before a signature or a reveal.
    SignsTwice,
    /// R3: survivors may be strangers to the Share set, and nothing signed names the Share set.
    StrangersSurvive,
    /// R7: a member that signed joins the next attempt.
    RetriesAfterSigning,
    /// R8: the ledger does not outlive a restart.
    LedgerForgets,
    /// R9: the own signature is counted besides the quorum.
    CountsItself,
    /// R10: a holder gives both shares of a member.
    GivesBothShares,
    /// R5: an accept that cuts an edge needs no signature of its other end.
    TakesUnsignedCuts,
    /// R5: an accept need not name the edge that it cuts.
    TakesCutsOfOthers,
    /// R12: the value of the noise chain goes out with the signature, before there is a certificate.
    OpensNoiseEarly,
    /// R12: missing slots are counted from the Share set, not from the roster.
    CountsFromShareSet,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SignsTwice,
        Self::StrangersSurvive,
        Self::RetriesAfterSigning,
        Self::LedgerForgets,
        Self::CountsItself,
        Self::GivesBothShares,
        Self::TakesUnsignedCuts,
        Self::TakesCutsOfOthers,
        Self::OpensNoiseEarly,
        Self::CountsFromShareSet,
    ];

    /// A small round in which it is missed.
    pub fn setting(self) -> Setting {
        match self {
            Self::TakesUnsignedCuts => Setting::new(5, 2, 1).with_cuts(Slots::NONE),
            Self::TakesCutsOfOthers => Setting::new(5, 2, 1).with_cuts(Slots::from_iter([1, 2])),
            _ => Setting::new(4, 1, 1),
        }
    }

    /// What the attack breaks that the check stops.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::SignsTwice | Self::RetriesAfterSigning | Self::LedgerForgets => ONE_CERTIFICATE,
            Self::StrangersSurvive
            | Self::CountsItself
            | Self::TakesUnsignedCuts
            | Self::TakesCutsOfOthers => ONE_SUM,
            Self::GivesBothShares => NOBODY_BARE,
            Self::OpensNoiseEarly | Self::CountsFromShareSet => NOISE_STAYS,
        }
    }
}

/// Over all attempts and sessions of the (task, round).
pub const ONE_CERTIFICATE: &str = "at most one set has a certificate";
/// Self seed and root seed of one attempt are never both known.
pub const NOBODY_BARE: &str = "no honest member is bare";
/// And its set is not below the floor.
pub const ONE_SUM: &str = "only the certified sum is known";
/// A member gives one value of its noise chain at most, and that of the certified set.
pub const NOISE_STAYS: &str = "no noise is opened but the surplus of the certified set";

/// The checks of a member, whole or less one.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The round's numbers.
    pub setting: Setting,
    /// What is left out.
    pub without: Option<Mutant>,
}

impl Rules {
    /// Whether this check is left out.
    pub fn lacks(&self, mutant: Mutant) -> bool {
        self.without == Some(mutant)
    }

    /// Whether a member may advertise in a further attempt. `[join.closed]`
    pub fn may_join(&self, member: &Member) -> bool {
        member.fixed.is_none() || self.lacks(Mutant::RetriesAfterSigning)
    }

    /// Whether `shared` can be the Share set of a member, given who advertised. `[share.set]`
    pub fn is_share_set(&self, member: &Member, advertised: Slots, shared: Slots) -> bool {
        shared.within(advertised) && shared.has(member.slot) && self.setting.is_large(shared)
    }

    /// Whether a member takes the accepts of `shown` for cuts of its edges to them. Corrupt members sign whatever it takes; honest
    /// ones cut no edge among them, and what they sign says so. `[share.cut-signed]` `[share.cut-limit]`
    pub fn takes_cuts(&self, member: &Member, advertised: Slots, shown: Slots) -> bool {
        let setting = &self.setting;
        let wronged = |slot: &u8| !setting.own_cut(*slot).is_empty();
        let cuts = match self.without {
            Some(Mutant::TakesUnsignedCuts) => advertised,
            Some(Mutant::TakesCutsOfOthers) => {
                setting
                    .corrupt
                    .or(setting.honest().iter().filter(wronged).collect())
            }
            _ => setting.corrupt,
        };
        shown.within(cuts)
            && shown.within(advertised)
            && !shown.has(member.slot)
            && shown.or(setting.own_cut(member.slot)).len() <= setting.cut_limit()
    }

    /// The value of its noise chain that a member reveals for these survivors, by how many components it leaves closed; none
    /// when all stay. `[reveal.chain]` `[noise.plan.level]`
    pub fn chain_value(&self, set: Fixed) -> Option<u8> {
        let present = match self.lacks(Mutant::CountsFromShareSet) {
            true => set.shared.len(),
            false => usize::from(self.setting.members),
        };
        self.setting.level(present, set.survivors.len())
    }

    /// Whether a member signs `survivors`. `[confirm.set]` `[confirm.once]`
    pub fn signs(&self, member: &Member, survivors: Slots) -> bool {
        let Some(session) = &member.session else {
            return false;
        };
        session.certified.is_none()
            && self.may_survive(member, survivors)
            && (self.is_free(member) || self.lacks(Mutant::SignsTwice))
    }

    /// Whether a member reveals for `survivors`, for which `signers` signed. `[reveal.certificate]` `[reveal.record]`
    pub fn reveals(&self, member: &Member, survivors: Slots, signers: Slots) -> bool {
        let Some((session, shared)) = uploaded(member) else {
            return false;
        };
        let this = Fixed {
            attempt: session.attempt,
            shared,
            survivors,
        };
        let own = usize::from(self.lacks(Mutant::CountsItself));
        session.certified.is_none()
            && self.may_survive(member, survivors)
            && signers.and(survivors).len() + own >= self.setting.quorum()
            && (member.fixed == Some(this)
                || self.is_free(member)
                || self.lacks(Mutant::SignsTwice))
    }

    /// What binds a member to its session: another attempt's signature does not, if it could join after it.
    fn is_free(&self, member: &Member) -> bool {
        let elsewhere = member
            .fixed
            .zip(member.session)
            .is_some_and(|(fixed, session)| fixed.attempt != session.attempt);
        member.fixed.is_none() || (elsewhere && self.lacks(Mutant::RetriesAfterSigning))
    }

    /// What a set of survivors has to be, to a member that uploaded.
    fn may_survive(&self, member: &Member, survivors: Slots) -> bool {
        uploaded(member).is_some_and(|(_, shared)| {
            let known = match self.lacks(Mutant::StrangersSurvive) {
                true => self.setting.all(),
                false => shared,
            };
            survivors.within(known)
                && survivors.has(member.slot)
                && self.setting.is_large(survivors)
        })
    }
}

/// The session of a member that uploaded, and the Share set it did so under.
fn uploaded(member: &Member) -> Option<(Session, Slots)> {
    member
        .session
        .and_then(|session| Some((session, session.shared?)))
}
