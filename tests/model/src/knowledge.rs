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

/// A masked update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upload {
    /// Attempt.
    pub attempt: u8,
    /// Whose.
    pub slot: u8,
    /// Share set.
    pub shared: Slots,
    /// Edges that were cut, and carry no mask of it.
    pub cut: Slots,
}

impl Upload {
    /// Whether it is masked with this slot.
    pub fn is_masked_with(&self, slot: u8) -> bool {
        slot != self.slot && self.shared.has(slot) && !self.cut.has(slot)
    }
}

/// Everything that left honest members in a round, over its attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transcript {
    /// Masked updates.
    pub uploads: BTreeSet<Upload>,
    /// Signatures.
    pub signatures: BTreeSet<(Fixed, u8)>,
    /// Direct reveals: the own self seed, and the pair seeds with the Share set less the survivors.
    pub reveals: BTreeSet<(Fixed, u8)>,
    /// Shares.
    pub shares: BTreeSet<Released>,
}

impl Transcript {
    /// What a slot uploaded in an attempt.
    pub fn upload(&self, attempt: u8, slot: u8) -> Option<Upload> {
        let mut of = self.uploads.iter().copied();
        of.find(|upload| (upload.attempt, upload.slot) == (attempt, slot))
    }

    /// Values of noise chains that left their members: attempt, whose, components that they leave closed.
    pub fn chain_values(&self, rules: &Rules) -> BTreeSet<(u8, u8, u8)> {
        let early = rules.lacks(Mutant::OpensNoiseEarly);
        let early = self.signatures.iter().filter(|_| early);
        let given = self.reveals.iter().chain(early);
        let values = given.filter_map(|(set, slot)| {
            let level = rules.chain_value(*set)?;
            Some((set.attempt, *slot, level))
        });
        values.collect()
    }

    /// Whether each member gave one value of its chain at most, over all attempts, and just that of a set with a certificate.
    pub fn is_noise_kept(&self, rules: &Rules) -> bool {
        let values = self.chain_values(rules);
        let owners = values.iter().map(|(_, slot, _)| *slot).collect::<Slots>();
        let certified = self.certifiable(rules);
        let is_its = |(attempt, _, level): &(u8, u8, u8)| {
            certified.iter().any(|set| {
                let present = usize::from(rules.setting.members);
                let wanted = rules.setting.level(present, set.survivors.len());
                set.attempt == *attempt && wanted == Some(*level)
            })
        };
        owners.len() == values.len() && values.iter().all(is_its)
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
            let uploads = self.uploads.iter();
            let uploads = uploads.filter(|upload| upload.attempt == attempt);
            let mut left = uploads.map(|upload| upload.slot).collect::<Slots>();
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
            let Some(own) = self.upload(attempt, slot) else {
                continue;
            };
            let honest = rules.setting.honest();
            for peer in honest.iter().filter(|peer| own.is_masked_with(*peer)) {
                if self.is_pair_known(rules, attempt, slot, peer) {
                    continue;
                }
                // the second session is part of every mask's label, and each end cuts for itself
                let other = self.upload(attempt, peer);
                let has_it =
                    |other: &Upload| other.shared == own.shared && other.is_masked_with(slot);
                match other.as_ref().is_some_and(has_it) {
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
                    && !set.survivors.has(with)
                    && self
                        .upload(attempt, by)
                        .is_some_and(|upload| upload.is_masked_with(with))
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
