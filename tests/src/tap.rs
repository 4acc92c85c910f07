//! What the coordinator and its corrupt members know from what honest members sent.
//!
//! The tap is pessimistic: corrupt members know every share dealt to them and every pair seed with them, whatever they
//! really hold. It notes which sums of honest updates can be computed, and holds them against the theorem: at most one sum
//! per (task, round), over all honest members of the one set that can be certified.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilsum_dp::{ChainEnd, ChainValue};
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::ids::{Attempt, Round, Sid2, Slot};
use veilsum_proto::message::{Advert, Confirmation, Reveal, ShareAnswer, Shares, SurvivorSet};
use veilsum_proto::session::RoundContext;

/// Listens at the honest members' doors.
#[derive(Debug, Default)]
pub struct Tap {
    corrupt: BTreeSet<Slot>,
    attempts: BTreeMap<(Round, Attempt), Heard>,
}

/// What left honest members in one attempt.
#[derive(Debug)]
struct Heard {
    context: Arc<RoundContext>,
    /// Under which second session, and masked with whom.
    uploads: BTreeMap<Slot, (Sid2, BTreeSet<Slot>)>,
    self_seeds: BTreeSet<Slot>,
    pair_seeds: BTreeSet<(Slot, Slot)>,
    /// Honest holders that gave their share of the self seed of this slot.
    self_shares: BTreeMap<Slot, BTreeSet<Slot>>,
    /// Honest holders that gave their share of the root seed of this slot.
    root_shares: BTreeMap<Slot, BTreeSet<Slot>>,
    /// Honest signers of each set.
    signed: Vec<(SurvivorSet, BTreeSet<Slot>)>,
    /// Ends of the noise chains in adverts.
    chain_ends: BTreeMap<Slot, [u8; 32]>,
    /// Values of noise chains.
    chain_values: BTreeMap<Slot, BTreeSet<[u8; 32]>>,
}

impl Tap {
    /// A tap that counts `corrupt` as the coordinator's own.
    pub fn new(corrupt: impl IntoIterator<Item = Slot>) -> Self {
        Self {
            corrupt: corrupt.into_iter().collect(),
            attempts: BTreeMap::new(),
        }
    }

    /// Whether a slot is the coordinator's own.
    pub fn is_corrupt(&self, slot: Slot) -> bool {
        self.corrupt.contains(&slot)
    }

    /// An honest member advertised.
    pub fn advertised(&mut self, context: &Arc<RoundContext>, advert: &Advert) {
        if let Some(end) = advert.chain_end {
            self.heard(context, advert.slot, |heard| {
                heard.chain_ends.insert(advert.slot, end.0);
            });
        }
    }

    /// An honest member uploaded, masked with `peers`.
    pub fn uploaded(
        &mut self,
        context: &Arc<RoundContext>,
        slot: Slot,
        sid2: Sid2,
        peers: BTreeSet<Slot>,
    ) {
        self.heard(context, slot, |heard| {
            heard.uploads.insert(slot, (sid2, peers));
        });
    }

    /// An honest member signed.
    pub fn confirmed(
        &mut self,
        context: &Arc<RoundContext>,
        set: &SurvivorSet,
        confirmation: &Confirmation,
    ) {
        let slot = confirmation.signed.slot;
        self.heard(context, slot, |heard| {
            match heard.signed.iter_mut().find(|(had, _)| had == set) {
                Some((_, signers)) => drop(signers.insert(slot)),
                None => heard.signed.push((set.clone(), BTreeSet::from([slot]))),
            }
        });
    }

    /// An honest member revealed.
    pub fn revealed(&mut self, context: &Arc<RoundContext>, reveal: &Reveal) {
        self.heard(context, reveal.slot, |heard| {
            heard.self_seeds.insert(reveal.slot);
            let pairs = reveal
                .pair_seeds
                .iter()
                .map(|seed| edge(reveal.slot, seed.slot));
            heard.pair_seeds.extend(pairs);
            if let Some(value) = &reveal.chain_value {
                let values = heard.chain_values.entry(reveal.slot).or_default();
                values.insert(value.0);
            }
        });
    }

    /// An honest member gave shares.
    pub fn shared(&mut self, context: &Arc<RoundContext>, shares: &Shares) {
        self.heard(context, shares.slot, |heard| {
            for answer in &shares.answers {
                let (all, of) = match answer {
                    ShareAnswer::SelfSeed(slot, _) => (&mut heard.self_shares, slot),
                    ShareAnswer::RootSeed(slot, _) => (&mut heard.root_shares, slot),
                };
                all.entry(*of).or_default().insert(shares.slot);
            }
        });
    }

    /// Whether nothing secret left any honest member in any attempt.
    pub fn is_silent(&self) -> bool {
        self.attempts.values().all(|heard| {
            heard.self_seeds.is_empty()
                && heard.pair_seeds.is_empty()
                && heard.self_shares.is_empty()
                && heard.root_shares.is_empty()
                && heard.chain_values.is_empty()
        })
    }

    /// Sets for which the coordinator can show a certificate in `round`, over all attempts.
    pub fn certifiable(&self, round: Round) -> Vec<SurvivorSet> {
        let heard = self.of_round(round);
        heard
            .flat_map(|heard| heard.certifiable(&self.corrupt))
            .collect()
    }

    /// Honest members whose sum the coordinator knows in `round`, one entry per sum, over all attempts.
    pub fn known_sums(&self, round: Round) -> Vec<BTreeSet<Slot>> {
        let heard = self.of_round(round);
        heard
            .flat_map(|heard| heard.known_sums(&self.corrupt))
            .collect()
    }

    /// Holds what is known against the theorem of `spec/security.md`.
    ///
    /// # Panics
    ///
    /// When a round has two sets that can be certified, a sum is known that is not the one over all honest members of the
    /// certified set, or a member gave a value of its noise chain that is not the one of that set.
    pub fn assert_safe(&self) {
        let rounds = self
            .attempts
            .keys()
            .map(|(round, _)| *round)
            .collect::<BTreeSet<_>>();
        for round in rounds {
            let certifiable = self.certifiable(round);
            assert!(
                certifiable.len() <= 1,
                "round {round} has two certified sets: {certifiable:?}"
            );
            let honest = certifiable
                .first()
                .map(|set| self.honest_of(&set.survivors));
            for sum in self.known_sums(round) {
                assert_eq!(
                    Some(&sum),
                    honest.as_ref(),
                    "round {round}: the sum over {sum:?} is known"
                );
                assert!(sum.len() >= 2, "the input of {sum:?} is known");
            }
            self.assert_one_chain_value(round, certifiable.first());
        }
    }

    /// At most one value of a member's noise chain, over all attempts, and it opens just the surplus of the certified set.
    fn assert_one_chain_value(&self, round: Round, certified: Option<&SurvivorSet>) {
        let mut seen = BTreeSet::new();
        for heard in self.of_round(round) {
            for (slot, values) in &heard.chain_values {
                assert!(
                    seen.insert(*slot) && values.len() == 1,
                    "round {round}: slot {slot} gave two values of its noise chain"
                );
                let set = certified.expect("a chain value was given without a certificate");
                let noise = heard.context.noise.as_ref().expect("the task has noise");
                let missing = heard.context.parameters.n - set.survivors.count();
                let level = noise.plan().level(missing).unwrap();
                let end = ChainEnd::new(heard.chain_ends[slot]);
                for value in values {
                    let context = heard.context.noise_context(*slot);
                    let value = ChainValue::new(*value);
                    let surplus = noise.plan().surplus(&value, &end, &context, level);
                    assert!(surplus.is_ok(), "slot {slot} gave another value");
                }
            }
        }
    }

    fn honest_of(&self, set: &Bitmap) -> BTreeSet<Slot> {
        set.iter().filter(|slot| !self.is_corrupt(*slot)).collect()
    }

    fn of_round(&self, round: Round) -> impl Iterator<Item = &Heard> {
        let heard = self.attempts.iter();
        heard
            .filter(move |((of, _), _)| *of == round)
            .map(|(_, heard)| heard)
    }

    fn heard(&mut self, context: &Arc<RoundContext>, from: Slot, note: impl FnOnce(&mut Heard)) {
        if !self.is_corrupt(from) {
            let key = (context.round, context.attempt);
            let heard = self.attempts.entry(key);
            note(heard.or_insert_with(|| Heard::new(context.clone())));
        }
    }
}

impl Heard {
    fn new(context: Arc<RoundContext>) -> Self {
        Self {
            context,
            uploads: BTreeMap::new(),
            self_seeds: BTreeSet::new(),
            pair_seeds: BTreeSet::new(),
            self_shares: BTreeMap::new(),
            root_shares: BTreeMap::new(),
            signed: Vec::new(),
            chain_ends: BTreeMap::new(),
            chain_values: BTreeMap::new(),
        }
    }

    fn certifiable(&self, corrupt: &BTreeSet<Slot>) -> Vec<SurvivorSet> {
        let graph = &self.context.graph;
        let helpers = |set: &SurvivorSet| {
            let corrupt = corrupt.iter();
            corrupt
                .filter(|slot| graph.is_elector(**slot) && set.survivors.contains(**slot))
                .count()
        };
        let signed = self.signed.iter();
        let enough = signed.filter(|(set, signers)| {
            signers.len() + helpers(set) >= self.context.parameters.q as usize
        });
        enough.map(|(set, _)| set.clone()).collect()
    }

    /// Components of honest members joined by masks that nobody outside knows, all of whose other masks are known.
    fn known_sums(&self, corrupt: &BTreeSet<Slot>) -> Vec<BTreeSet<Slot>> {
        let mut left = self.uploads.keys().copied().collect::<BTreeSet<_>>();
        let mut sums = Vec::new();
        while let Some(start) = left.pop_first() {
            let (mut component, mut bare) = (BTreeSet::new(), true);
            let mut next = vec![start];
            while let Some(slot) = next.pop() {
                if !component.insert(slot) {
                    continue;
                }
                left.remove(&slot);
                bare &= self.is_self_known(slot, corrupt);
                for peer in self.hidden_peers(slot, corrupt) {
                    if self.cancels(slot, peer) {
                        next.push(peer);
                    } else {
                        bare = false;
                    }
                }
            }
            if bare {
                sums.push(component);
            }
        }
        sums
    }

    /// Peers with whom `slot` shares a mask that is not known.
    fn hidden_peers(&self, slot: Slot, corrupt: &BTreeSet<Slot>) -> Vec<Slot> {
        let Some((_, peers)) = self.uploads.get(&slot) else {
            return Vec::new();
        };
        let peers = peers.iter().copied();
        let hidden = peers.filter(|peer| {
            !corrupt.contains(peer)
                && !self.pair_seeds.contains(&edge(slot, *peer))
                && !self.is_root_known(slot, corrupt)
                && !self.is_root_known(*peer, corrupt)
        });
        hidden.collect()
    }

    /// Whether the other end put the same mask on an upload of its own.
    fn cancels(&self, slot: Slot, peer: Slot) -> bool {
        match (self.uploads.get(&slot), self.uploads.get(&peer)) {
            (Some((one, _)), Some((other, peers))) => one == other && peers.contains(&slot),
            _ => false,
        }
    }

    fn is_self_known(&self, slot: Slot, corrupt: &BTreeSet<Slot>) -> bool {
        self.self_seeds.contains(&slot) || self.is_rebuilt(&self.self_shares, slot, corrupt)
    }

    fn is_root_known(&self, slot: Slot, corrupt: &BTreeSet<Slot>) -> bool {
        self.is_rebuilt(&self.root_shares, slot, corrupt)
    }

    fn is_rebuilt(
        &self,
        shares: &BTreeMap<Slot, BTreeSet<Slot>>,
        slot: Slot,
        corrupt: &BTreeSet<Slot>,
    ) -> bool {
        let graph = &self.context.graph;
        let inside = corrupt
            .iter()
            .filter(|other| graph.are_neighbours(slot, **other));
        let given = shares.get(&slot).map_or(0, BTreeSet::len);
        given + inside.count() >= self.context.parameters.t as usize
    }
}

fn edge(one: Slot, other: Slot) -> (Slot, Slot) {
    (one.min(other), one.max(other))
}
