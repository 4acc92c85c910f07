//! What leaves honest members under one strategy.

use crate::views::cohort::{Cohort, Set, bit, sid, sid2, slots};
use crate::views::member::{Broken, View};
use std::collections::{BTreeMap, BTreeSet};
use veilsum_proto::ids::{Slot, UpdateDigest};
use veilsum_sim::knowledge::{Facts, Upload};

/// What the coordinator shows to each member; views of corrupt members mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// By slot.
    pub views: Vec<View>,
}

/// What is signed: advertised, Share and survivor set.
type Signed = (Set, Set, Set);

/// Everything that leaves honest members; nothing when no certificate can be made, since nothing is released then.
pub fn outcome(cohort: &Cohort, strategy: &Strategy, broken: Broken) -> Option<Facts> {
    Attack::new(cohort, strategy, broken).released()
}

struct Attack<'a> {
    cohort: &'a Cohort,
    views: &'a [View],
    broken: Broken,
    uploaded: Set,
    /// Honest signers of each set.
    signers: BTreeMap<Signed, Set>,
    /// The set each member signed first.
    first: Vec<Option<Set>>,
}

impl<'a> Attack<'a> {
    fn new(cohort: &'a Cohort, strategy: &'a Strategy, broken: Broken) -> Self {
        let views = &strategy.views[..];
        let mut attack = Self {
            first: vec![None; views.len()],
            signers: BTreeMap::new(),
            uploaded: 0,
            cohort,
            views,
            broken,
        };
        attack.upload();
        attack.sign();
        attack
    }

    fn upload(&mut self) {
        let cohort = self.cohort;
        let joined = cohort
            .honest()
            .filter(|slot| cohort.joins(*slot, &self.views[*slot as usize]))
            .fold(0, |set, slot| set | bit(slot));
        for slot in slots(joined) {
            let view = &self.views[slot as usize];
            let same = |other: &u32| self.views[*other as usize].advertised == view.advertised;
            let dealt = slots(joined)
                .filter(same)
                .fold(0, |set, slot| set | bit(slot));
            if cohort.uploads(slot, view, dealt | cohort.corrupt, self.broken) {
                self.uploaded |= bit(slot);
            }
        }
    }

    fn sign(&mut self) {
        for slot in slots(self.uploaded & self.cohort.electors()) {
            let view = &self.views[slot as usize];
            for survivors in view.asked.into_iter().flatten() {
                let first = &mut self.first[slot as usize];
                let may = first.is_none() || self.broken == Broken::SignsTwice;
                if may && self.cohort.takes(slot, view, survivors, self.broken) {
                    first.get_or_insert(survivors);
                    let signed = (view.advertised, self.share_set(view), survivors);
                    *self.signers.entry(signed).or_default() |= bit(slot);
                }
            }
        }
    }

    /// The Share set as far as it is signed and masked with.
    fn share_set(&self, view: &View) -> Set {
        match self.broken {
            Broken::UnsignedShareSet => 0,
            _ => view.shared,
        }
    }

    /// Whether `slot` takes the signatures of this set for a certificate.
    fn is_certificate(&self, slot: u32, signed: &Signed, signers: Set) -> bool {
        let parameters = &self.cohort.context.parameters;
        let all = signers | (self.cohort.corrupt & self.cohort.electors() & signed.2);
        match self.broken {
            Broken::SmallQuorum => all.count_ones() + 1 >= parameters.q,
            Broken::LocalCertificate => {
                let corrupt = self.cohort.corrupt & signed.2;
                let own = self.cohort.neighbours(slot) | bit(slot);
                ((signers | corrupt) & own).count_ones() >= parameters.t
            }
            _ => all.count_ones() >= parameters.q,
        }
    }

    /// The set for which `slot` answers: the one it signed if there is a certificate of it, else any.
    fn certified(&self, slot: u32) -> Option<Set> {
        let view = &self.views[slot as usize];
        let of_session = self.signers.iter().filter(|(signed, signers)| {
            (signed.0, signed.1) == (view.advertised, self.share_set(view))
                && self.cohort.takes(slot, view, signed.2, self.broken)
                && self.is_certificate(slot, signed, **signers)
        });
        let sets = of_session.map(|(signed, _)| signed.2);
        let mut sets = sets.collect::<Vec<_>>();
        match self.first[slot as usize] {
            Some(first) => sets.contains(&first).then_some(first),
            None => sets.pop(),
        }
    }

    fn released(&self) -> Option<Facts> {
        let certified = slots(self.uploaded)
            .filter_map(|slot| Some((slot, self.certified(slot)?)))
            .collect::<Vec<_>>();
        if certified.is_empty() {
            return None;
        }
        let mut facts = Facts::new(self.cohort.context.clone());
        facts.uploads = slots(self.uploaded).map(|slot| self.fact(slot)).collect();
        for ((advertised, shared, survivors), signers) in &self.signers {
            let set = self.cohort.survivor_set(*advertised, *shared, *survivors);
            facts.signed.push((set, of_slots(*signers)));
        }
        for (slot, survivors) in certified {
            self.reveal(&mut facts, slot, survivors);
        }
        Some(facts)
    }

    fn fact(&self, slot: u32) -> Upload {
        let view = &self.views[slot as usize];
        Upload {
            slot: Slot(slot),
            sid: sid(view.advertised),
            sid2: sid2(view.advertised, self.share_set(view)),
            peers: of_slots(self.peers(slot)),
            update: UpdateDigest([u8::try_from(slot).unwrap(); 32]),
        }
    }

    fn peers(&self, slot: u32) -> Set {
        self.cohort.neighbours(slot) & self.views[slot as usize].shared
    }

    /// The direct answer, and every share that is given on request.
    fn reveal(&self, facts: &mut Facts, slot: u32, survivors: Set) {
        let view = &self.views[slot as usize];
        let (peers, holder) = (self.peers(slot), Slot(slot));
        facts.self_seeds.insert(holder);
        for other in slots(peers & !survivors) {
            facts.pair_seed(holder, Slot(other), sid(view.advertised));
            facts
                .root_shares
                .entry(Slot(other))
                .or_default()
                .insert(holder);
        }
        for other in slots(peers & survivors & !self.cohort.corrupt) {
            if self.broken == Broken::NoHeader || self.has_header(other, view) {
                facts
                    .self_shares
                    .entry(Slot(other))
                    .or_default()
                    .insert(holder);
            }
            if self.broken == Broken::OppositeKind {
                facts
                    .root_shares
                    .entry(Slot(other))
                    .or_default()
                    .insert(holder);
            }
        }
    }

    /// Whether `other` uploaded under the second session of this view.
    fn has_header(&self, other: u32, view: &View) -> bool {
        let its = &self.views[other as usize];
        self.uploaded & bit(other) != 0
            && its.advertised == view.advertised
            && self.share_set(its) == self.share_set(view)
    }
}

fn of_slots(set: Set) -> BTreeSet<Slot> {
    slots(set).map(Slot).collect()
}
