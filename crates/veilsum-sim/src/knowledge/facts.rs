//! What left honest members in one attempt at a round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilsum_dp::{ChainEnd, ChainValue};
use veilsum_proto::ids::{Attempt, Round, Sid, Sid2, Slot, TaskDigest, UpdateDigest};
use veilsum_proto::message::{
    Accept, Advert, Reveal, ShareAnswer, ShareSet, Shares, SurvivorSet, UploadHeader,
};
use veilsum_proto::session::RoundContext;

/// One attempt at a round of some task.
pub type Key = (TaskDigest, Round, Attempt);

/// What left honest members in one attempt.
///
/// What corrupt members said may be among it: it is neither counted twice nor judged.
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
    /// Holders that gave their share of the self seed of this slot.
    pub self_shares: BTreeMap<Slot, BTreeSet<Slot>>,
    /// Holders that gave their share of the root seed of this slot.
    pub root_shares: BTreeMap<Slot, BTreeSet<Slot>>,
    /// Signers of each set.
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

/// The neighbours that `slot` masks with under `set`: those in the Share set whose edge to it neither end cut. `accept` is its
/// own.
pub fn peers(
    context: &RoundContext,
    slot: Slot,
    accept: Option<&Accept>,
    set: &ShareSet,
) -> BTreeSet<Slot> {
    let own = accept.iter().flat_map(|accept| &accept.cuts);
    let own = own.map(|cut| cut.slot);
    let cut = own.chain(set.accepts.iter().map(|accept| accept.slot));
    let cut = cut.collect::<BTreeSet<_>>();
    let neighbours = context.neighbours_in(slot, &set.shared).into_iter();
    neighbours.filter(|peer| !cut.contains(peer)).collect()
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

    /// A member advertised.
    pub fn advertised(&mut self, advert: &Advert) {
        if let Some(end) = advert.chain_end {
            self.chain_ends.insert(advert.slot, end.0);
        }
    }

    /// A member uploaded this update, masked with `peers`.
    pub fn uploaded(&mut self, header: &UploadHeader, peers: BTreeSet<Slot>, update: UpdateDigest) {
        self.uploads.push(Upload {
            slot: header.slot,
            sid: header.sid,
            sid2: header.sid2,
            peers,
            update,
        });
    }

    /// `slot` signed.
    pub fn confirmed(&mut self, set: &SurvivorSet, slot: Slot) {
        match self.signed.iter_mut().find(|(had, _)| had == set) {
            Some((_, signers)) => drop(signers.insert(slot)),
            None => self.signed.push((set.clone(), BTreeSet::from([slot]))),
        }
    }

    /// A member revealed. Pair seeds are those of the session that it uploaded in; without an upload they open nothing.
    pub fn revealed(&mut self, reveal: &Reveal) {
        self.self_seeds.insert(reveal.slot);
        let mut uploads = self.uploads.iter();
        if let Some(sid) = uploads
            .find(|upload| upload.slot == reveal.slot)
            .map(|upload| upload.sid)
        {
            for seed in &reveal.pair_seeds {
                self.pair_seed(reveal.slot, seed.slot, sid);
            }
        }
        if let Some(value) = &reveal.chain_value {
            let values = self.chain_values.entry(reveal.slot).or_default();
            values.insert(*value.expose());
        }
    }

    /// A member gave shares.
    pub fn shared(&mut self, shares: &Shares) {
        for answer in &shares.answers {
            let (all, of) = match answer {
                ShareAnswer::SelfSeed(slot, _) => (&mut self.self_shares, slot),
                ShareAnswer::RootSeed(slot, _) => (&mut self.root_shares, slot),
            };
            all.entry(*of).or_default().insert(shares.slot);
        }
    }

    /// `one` gave its pair seed with `other`.
    pub fn pair_seed(&mut self, one: Slot, other: Slot, sid: Sid) {
        self.pair_seeds
            .insert((one.min(other), one.max(other), sid));
    }

    /// Which attempt it is.
    pub fn key(&self) -> Key {
        let context = &self.context;
        (context.task_digest, context.round, context.attempt)
    }

    /// Whether nothing secret left any member.
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
        let quorum = self.context.parameters.q as usize;
        let signers = |set: &SurvivorSet, honest: &BTreeSet<Slot>| {
            let may = |slot: &&Slot| graph.is_elector(**slot) && set.survivors.contains(**slot);
            let helpers = corrupt.iter().filter(may);
            helpers.chain(honest).collect::<BTreeSet<_>>().len()
        };
        let enough = self
            .signed
            .iter()
            .filter(|(set, honest)| signers(set, honest) >= quorum);
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
    pub fn opens(&self, slot: Slot, value: &[u8; 32], end: &[u8; 32]) -> Option<usize> {
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
