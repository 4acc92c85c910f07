//! What left honest members, and what the coordinator and the corrupt members know from it.

use crate::member::{Fixed, Mutant, Rules};
use crate::slots::Slots;
use std::collections::BTreeSet;

/// Which secret a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The self seed, `b`.
    SelfSeed,
    /// The root seed, `r`, and with it all pair seeds.
    RootSeed,
}

/// A share that a holder gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Released {
    /// Attempt.
    pub attempt: u8,
    /// Who gave it.
    pub holder: u8,
    /// Whose secret.
    pub of: u8,
    /// Which.
    pub kind: Kind,
}

/// Everything that left honest members in a round, over its attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transcript {
    /// Masked updates: attempt, slot, Share set.
    pub uploads: BTreeSet<(u8, u8, Slots)>,
    /// Signatures.
    pub signatures: BTreeSet<(Fixed, u8)>,
    /// Direct reveals: the own self seed, and the pair seeds with the Share set less the survivors.
    pub reveals: BTreeSet<(Fixed, u8)>,
    /// Shares.
    pub shares: BTreeSet<Released>,
}

impl Transcript {
    /// The Share set under which a slot uploaded in an attempt.
    pub fn upload(&self, attempt: u8, slot: u8) -> Option<Slots> {
        let mut of = self.uploads.iter();
        of.find(|(at, by, _)| (*at, *by) == (attempt, slot))
            .map(|(_, _, shared)| *shared)
    }

    /// Slots whose signatures the coordinator can show for a set: honest ones that gave it, and all corrupt ones.
    pub fn signers(&self, rules: &Rules, set: Fixed) -> Slots {
        let honest = self.signatures.iter().filter(|(signed, _)| {
            let same_share_set =
                signed.shared == set.shared || rules.lacks(Mutant::StrangersSurvive);
            (signed.attempt, signed.survivors) == (set.attempt, set.survivors) && same_share_set
        });
        let honest = honest.map(|(_, slot)| *slot).collect::<Slots>();
        honest.or(rules.setting.corrupt).and(set.survivors)
    }

    /// Sets for which the coordinator can show a certificate.
    pub fn certifiable(&self, rules: &Rules) -> BTreeSet<Fixed> {
        let signed = self.signatures.iter().map(|(set, _)| *set);
        signed
            .filter(|set| self.signers(rules, *set).len() >= rules.setting.quorum())
            .collect()
    }

    /// Honest slots of which both secrets are known in one attempt.
    pub fn bare(&self, rules: &Rules) -> Slots {
        let attempts = [0, 1];
        let both = |slot: &u8| {
            attempts.iter().any(|attempt| {
                self.is_known(rules, *attempt, *slot, Kind::SelfSeed)
                    && self.is_known(rules, *attempt, *slot, Kind::RootSeed)
            })
        };
        rules.setting.honest().iter().filter(both).collect()
    }

    /// Honest members whose sum is known, one entry a sum: members joined by masks that nobody outside knows, all of whose
    /// other masks are known.
    pub fn sums(&self, rules: &Rules) -> Vec<Slots> {
        let mut sums = Vec::new();
        for attempt in [0, 1] {
            let uploads = self.uploads.iter().filter(|(at, _, _)| *at == attempt);
            let mut left = uploads.map(|(_, slot, _)| *slot).collect::<Slots>();
            while let Some(start) = left.iter().next() {
                let (sum, is_known) = self.joined_with(rules, attempt, start);
                left = left.less(sum);
                if is_known {
                    sums.push(sum);
                }
            }
        }
        sums
    }

    /// The members joined with `start`, and whether nothing else hides their sum.
    fn joined_with(&self, rules: &Rules, attempt: u8, start: u8) -> (Slots, bool) {
        let (mut joined, mut next) = (Slots::NONE, vec![start]);
        let mut is_known = true;
        while let Some(slot) = next.pop() {
            if joined.has(slot) {
                continue;
            }
            joined = joined.or(Slots::from_iter([slot]));
            is_known &= self.is_known(rules, attempt, slot, Kind::SelfSeed);
            let own = self.upload(attempt, slot);
            let peers = own.map_or(Slots::NONE, |shared| shared.and(rules.setting.honest()));
            for peer in peers.iter().filter(|peer| *peer != slot) {
                if self.is_pair_known(rules, attempt, slot, peer) {
                    continue;
                }
                // the second session is part of every mask's label
                match self.upload(attempt, peer) == own {
                    true => next.push(peer),
                    false => is_known = false,
                }
            }
        }
        (joined, is_known)
    }

    fn is_pair_known(&self, rules: &Rules, attempt: u8, one: u8, other: u8) -> bool {
        let gave = |by: u8, with: u8| {
            self.reveals.iter().any(|(set, slot)| {
                (set.attempt, *slot) == (attempt, by)
                    && set.shared.has(with)
                    && !set.survivors.has(with)
            })
        };
        gave(one, other)
            || gave(other, one)
            || self.is_known(rules, attempt, one, Kind::RootSeed)
            || self.is_known(rules, attempt, other, Kind::RootSeed)
    }

    /// Whether a secret was revealed, or enough shares of it: corrupt members gave theirs to the coordinator long ago.
    fn is_known(&self, rules: &Rules, attempt: u8, slot: u8, kind: Kind) -> bool {
        let revealed = kind == Kind::SelfSeed
            && self
                .reveals
                .iter()
                .any(|(set, by)| (set.attempt, *by) == (attempt, slot));
        let given = self
            .shares
            .iter()
            .filter(|share| (share.attempt, share.of, share.kind) == (attempt, slot, kind));
        revealed || given.count() + rules.setting.corrupt.len() >= rules.setting.threshold()
    }
}
