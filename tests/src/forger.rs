//! A member without a machine: it owns a slot's keys and says what a test likes.

use crate::noise::Seeds;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::sync::Arc;
use veilsum_dp::{Level, MemberNoise};
use veilsum_encode::Contribution;
use veilsum_math::sharing::{Point, Secret, ShareValue, split};
use veilsum_math::{Sign, Threads, apply_masks};
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Hash, Sid, Sid2, Slot};
use veilsum_proto::keys::{RootSeed, SealKey, SelfSeed, pair_mask_sign};
use veilsum_proto::masked::MaskedUpdate;
use veilsum_proto::merkle::{Tree, empty_leaf};
use veilsum_proto::message::{
    Accept, Advert, Adverts, Cut, PairSeedReveal, Reveal, RevealedSeed, SealedShare, SealedShares,
    UNSIGNED, UploadHeader, sign_shares,
};
use veilsum_proto::session::RoundContext;

/// A corrupt member.
pub struct Forger {
    /// Its slot.
    pub slot: Slot,
    /// The key of its slot on the roster.
    pub identity: Arc<Identity>,
    /// The advert it shows; a test may change and re-sign it.
    pub advert: Advert,
    /// What its noise is drawn from, in a task with noise.
    pub seeds: Option<Seeds>,
    context: Arc<RoundContext>,
    seal_key: SealKey,
    root: RootSeed,
    self_seed: SelfSeed,
    rng: ChaCha20Rng,
    seen: Option<(Sid, Adverts)>,
}

/// How a dealer deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dealing {
    /// Points of one polynomial of the right degree.
    Right,
    /// Points of no polynomial, with digests that match.
    Inconsistent,
}

impl Forger {
    /// Draws secrets as an honest member would.
    pub fn new(context: &Arc<RoundContext>, identity: Arc<Identity>, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x000F_0E0D);
        let slot = context.roster.slot_of(&identity.public()).unwrap();
        let (task, round, attempt) = (context.task_digest, context.round, context.attempt);
        let seal_key = SealKey::random(&mut rng);
        let root = RootSeed::random(&task, round, attempt, slot, &mut rng);
        let self_seed = SelfSeed::random(&mut rng);
        let seeds = Seeds::random(context, slot, &mut rng);
        let end = seeds.as_ref().filter(|_| context.has_chain());
        let end = end.map(|seeds| Hash(seeds.chain_end(context)));
        let advert = Advert {
            task,
            roster: context.roster.digest(),
            round,
            attempt,
            slot,
            seal_key: seal_key.public(),
            mask_key: root.mask_public(),
            commitment: self_seed.commitment(&task, round, attempt, slot),
            chain_end: end,
            signature: UNSIGNED,
        };
        Self {
            slot,
            advert: advert.signed(&identity),
            identity,
            seeds,
            context: context.clone(),
            seal_key,
            root,
            self_seed,
            rng,
            seen: None,
        }
    }

    /// The noise an honest member would add.
    pub fn member_noise(&self) -> Option<MemberNoise> {
        let noise = self.context.noise.as_ref()?;
        let secrets = self.seeds.as_ref()?.secrets();
        Some(noise.plan().member_noise(&secrets))
    }

    /// The chain value an honest member would reveal for this level.
    pub fn chain_value(&self, level: Level) -> Option<RevealedSeed> {
        let noise = self.context.noise.as_ref()?;
        let secrets = self.seeds.as_ref()?.secrets();
        let value = noise.plan().reveal(&secrets, level)?;
        Some(RevealedSeed::new(value.expose()))
    }

    /// Signs the advert as it stands now.
    pub fn sign_advert(&mut self) {
        self.advert = self.advert.clone().signed(&self.identity);
    }

    /// Parts for every neighbour, before they are signed.
    pub fn parts(&mut self, adverts: &Adverts, dealing: Dealing) -> Vec<SealedShare> {
        let sid = self.context.sid(&adverts.advertised, &adverts.root);
        self.seen = Some((sid, adverts.clone()));
        let neighbours = self.context.graph.neighbours(self.slot);
        let roots = deal(
            &self.context,
            &neighbours,
            self.root.secret(),
            dealing,
            &mut self.rng,
        );
        let selves = deal(
            &self.context,
            &neighbours,
            self.self_seed.secret(),
            dealing,
            &mut self.rng,
        );
        let mut parts = Vec::new();
        for proven in &adverts.neighbours {
            let other = &proven.advert;
            let at = neighbours.binary_search(&other.slot).unwrap();
            let sealing = self
                .seal_key
                .agree(&sid, self.slot, other.slot, &other.seal_key)
                .unwrap();
            let pair = self
                .root
                .pair_seed(&sid, self.slot, other.slot, &other.mask_key)
                .unwrap();
            parts.push(sealing.seal(
                &roots[at],
                &selves[at],
                pair.hash(&sid, self.slot, other.slot),
            ));
        }
        parts
    }

    /// Signs these parts.
    pub fn sealed(&self, parts: Vec<SealedShare>) -> SealedShares {
        let (sid, adverts) = self.seen.as_ref().expect("the adverts were seen");
        let neighbours = self.context.neighbours_in(self.slot, &adverts.advertised);
        let leaf = |slot: Slot| match parts.iter().find(|part| part.to == slot) {
            Some(part) => part.leaf(sid, self.slot),
            None => empty_leaf(),
        };
        let root = Tree::new(neighbours.into_iter().map(leaf).collect()).root();
        SealedShares {
            sid: *sid,
            slot: self.slot,
            signature: sign_shares(&self.identity, sid, self.slot, &root),
            parts,
        }
    }

    /// An accept with these cuts.
    pub fn accept(&self, cuts: Vec<Cut>) -> Accept {
        let (sid, _) = self.seen.as_ref().expect("the adverts were seen");
        let accept = Accept {
            sid: *sid,
            slot: self.slot,
            cuts,
            signature: UNSIGNED,
        };
        accept.signed(&self.identity)
    }

    /// The honest upload of this contribution, masked with `peers`.
    pub fn upload(
        &self,
        sid2: &Sid2,
        peers: &[Slot],
        contribution: Contribution,
    ) -> (UploadHeader, MaskedUpdate) {
        let (sid, adverts) = self.seen.as_ref().expect("the adverts were seen");
        let mut masks = vec![self.self_seed.mask(sid2, self.slot, Sign::Add)];
        for proven in adverts
            .neighbours
            .iter()
            .filter(|proven| peers.contains(&proven.advert.slot))
        {
            let other = proven.advert.slot;
            let seed = self
                .root
                .pair_seed(sid, self.slot, other, &proven.advert.mask_key)
                .unwrap();
            masks.push(seed.mask(sid2, self.slot, other, pair_mask_sign(self.slot, other)));
        }
        let mut blocks = contribution.into_blocks();
        apply_masks(&mut blocks, &masks, Threads::One);
        let header = UploadHeader {
            sid: *sid,
            sid2: *sid2,
            slot: self.slot,
            limbs: blocks.len() as u64,
            signature: UNSIGNED,
        };
        (
            header.signed(&self.identity),
            MaskedUpdate::from_blocks(blocks),
        )
    }

    /// The honest reveal when `dropped` are the peers that are no survivors; without a chain value.
    pub fn reveal(&self, sid2: &Sid2, dropped: &[Slot]) -> Reveal {
        let (sid, adverts) = self.seen.as_ref().expect("the adverts were seen");
        let owed = adverts
            .neighbours
            .iter()
            .filter(|proven| dropped.contains(&proven.advert.slot));
        let pair_seeds = owed.map(|proven| {
            let (slot, key) = (proven.advert.slot, &proven.advert.mask_key);
            let seed = self.root.pair_seed(sid, self.slot, slot, key).unwrap();
            PairSeedReveal {
                slot,
                seed: seed.to_revealed(),
            }
        });
        Reveal {
            sid2: *sid2,
            slot: self.slot,
            self_seed: RevealedSeed::new(&self.self_seed.secret().expose_bytes()),
            pair_seeds: pair_seeds.collect(),
            chain_value: None,
        }
    }
}

fn deal(
    context: &RoundContext,
    holders: &[Slot],
    secret: &Secret,
    dealing: Dealing,
    rng: &mut ChaCha20Rng,
) -> Vec<ShareValue> {
    let points = holders
        .iter()
        .map(|slot| Point::of_slot(slot.0))
        .collect::<Vec<_>>();
    match dealing {
        Dealing::Right => split(secret, context.parameters.t as usize, &points, rng).unwrap(),
        Dealing::Inconsistent => points
            .iter()
            .map(|_| ShareValue::from_canonical_bytes(&Secret::random(rng).expose_bytes()).unwrap())
            .collect(),
    }
}
