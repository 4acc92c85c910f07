//! What left honest members in one attempt at a round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilsum_dp::{ChainEnd, ChainValue};
use veilsum_proto::ids::{Sid, Sid2, Slot, UpdateDigest};
use veilsum_proto::message::SurvivorSet;
use veilsum_proto::session::RoundContext;

/// What left honest members in one attempt.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Graph and parameters.
    pub context: Arc<RoundContext>,
    /// Masked updates.
    pub uploads: Vec<Upload>,
    /// Self seeds given by their owner.
    pub self_seeds: BTreeSet<Slot>,
    /// Pair seeds given by one end: lower slot, higher slot, session.
    pub pair_seeds: BTreeSet<(Slot, Slot, Sid)>,
    /// Honest holders that gave their share of the self seed of this slot.
    pub self_shares: BTreeMap<Slot, BTreeSet<Slot>>,
    /// Honest holders that gave their share of the root seed of this slot.
    pub root_shares: BTreeMap<Slot, BTreeSet<Slot>>,
    /// Honest signers of each set.
    pub signed: Vec<(SurvivorSet, BTreeSet<Slot>)>,
    /// Ends of the noise chains in adverts.
    pub chain_ends: BTreeMap<Slot, [u8; 32]>,
    /// Values of noise chains.
    pub chain_values: BTreeMap<Slot, BTreeSet<[u8; 32]>>,
}

/// One masked update.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose.
    pub slot: Slot,
    /// First session.
    pub sid: Sid,
    /// Second session.
    pub sid2: Sid2,
    /// Masked with whom.
    pub peers: BTreeSet<Slot>,
    /// Of which update: equal digests are equal inputs, in whatever round.
    pub update: UpdateDigest,
}

impl Facts {
    /// Of an attempt in which nothing was said yet.
    pub fn new(context: Arc<RoundContext>) -> Self {
        Self {
            context,
            uploads: Vec::new(),
            self_seeds: BTreeSet::new(),
            pair_seeds: BTreeSet::new(),
            self_shares: BTreeMap::new(),
            root_shares: BTreeMap::new(),
            signed: Vec::new(),
            chain_ends: BTreeMap::new(),
            chain_values: BTreeMap::new(),
        }
    }

    /// `one` gave its pair seed with `other`.
    pub fn pair_seed(&mut self, one: Slot, other: Slot, sid: Sid) {
        self.pair_seeds
            .insert((one.min(other), one.max(other), sid));
    }

    /// Whether nothing secret left any honest member.
    pub fn is_silent(&self) -> bool {
        self.self_seeds.is_empty()
            && self.pair_seeds.is_empty()
            && self.self_shares.is_empty()
            && self.root_shares.is_empty()
            && self.chain_values.is_empty()
    }

    /// Sets for which a certificate can be shown, with `corrupt` members signing whatever it takes.
    pub fn certifiable(&self, corrupt: &BTreeSet<Slot>) -> Vec<SurvivorSet> {
        let graph = &self.context.graph;
        let helpers = |set: &SurvivorSet| {
            let corrupt = corrupt.iter();
            corrupt
                .filter(|slot| graph.is_elector(**slot) && set.survivors.contains(**slot))
                .count()
        };
        let enough = self.signed.iter().filter(|(set, signers)| {
            signers.len() + helpers(set) >= self.context.parameters.q as usize
        });
        enough.map(|(set, _)| set.clone()).collect()
    }

    /// Components of a member's noise, beside its base noise, that no value of its chain gives.
    pub(super) fn closed_components(&self, slot: Slot) -> usize {
        let Some(noise) = &self.context.noise else {
            return 0;
        };
        let all = noise.plan().components().len();
        let (Some(end), Some(values)) = (self.chain_ends.get(&slot), self.chain_values.get(&slot))
        else {
            return all;
        };
        let opened = values
            .iter()
            .filter_map(|value| self.opens(slot, value, end));
        opened.min().unwrap_or(all)
    }

    /// Components that stay closed behind a value of the chain that ends in `end`; none when it is no value of it.
    pub(super) fn opens(&self, slot: Slot, value: &[u8; 32], end: &[u8; 32]) -> Option<usize> {
        let plan = self.context.noise.as_ref()?.plan();
        let tolerated = self.context.parameters.tolerated?;
        (0..=tolerated).find_map(|missing| {
            let level = plan.level(missing).ok()?;
            let (value, end) = (ChainValue::new(*value), ChainEnd::new(*end));
            let surplus = plan.surplus(&value, &end, &self.context.noise_context(slot), level);
            surplus.is_ok().then_some(level.components())
        })
    }
}
