//! Advertised: the secrets of the attempt are drawn, the advert is out; what comes is who else advertised.

use crate::ids::{Hash, Slot};
use crate::keys::{RootSeed, SealKey, SelfSeed};
use crate::label::Label;
use crate::member::noise::OwnNoise;
use crate::member::share::{Seeds, Shared};
use crate::member::{Me, Phase, Reply, Step, wrong};
use crate::merkle;
use crate::message::{Advert, Adverts, Body, Message, ProvenAdvert, UNSIGNED};
use crate::refusal::Refusal;
use crate::session::{ADVERTISED, RoundContext, check_holds};
use rand_core::CryptoRng;

pub(super) struct Advertised {
    advert: Advert,
    seal_key: SealKey,
    root_seed: RootSeed,
    self_seed: SelfSeed,
    pub(super) noise: OwnNoise,
}

impl Advertised {
    // spec: [advertise.fresh]
    pub(super) fn draw(
        me: &Me,
        rng: &mut dyn CryptoRng,
        noise_rng: Option<&mut dyn CryptoRng>,
    ) -> Self {
        let context = &me.context;
        let (task, round, attempt) = (context.task_digest, context.round, context.attempt);
        let seal_key = SealKey::random(rng);
        let root_seed = RootSeed::random(&task, round, attempt, me.slot, rng);
        let self_seed = SelfSeed::random(rng);
        let noise = match noise_rng {
            Some(own) => OwnNoise::draw(me, own),
            None => OwnNoise::draw(me, rng),
        };
        let advert = Advert {
            task,
            roster: context.roster.digest(),
            round,
            attempt,
            slot: me.slot,
            seal_key: seal_key.public(),
            mask_key: root_seed.mask_public(),
            commitment: self_seed.commitment(&task, round, attempt, me.slot),
            chain_end: noise.chain_end(context),
            signature: UNSIGNED,
        };
        let advert = advert.signed(&me.identity);
        Self {
            advert,
            seal_key,
            root_seed,
            self_seed,
            noise,
        }
    }

    pub(super) fn advert(&self) -> &Advert {
        &self.advert
    }

    pub(super) fn receive(
        self: Box<Self>,
        me: &Me,
        message: &Message,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        let Body::Adverts(adverts) = &message.body else {
            return (Phase::Advertised(self), Err(wrong(message, "advertised")));
        };
        if let Err(refusal) = check_adverts(me, &self.advert, adverts) {
            return (Phase::Advertised(self), Err(refusal));
        }
        let Self {
            advert,
            seal_key,
            root_seed,
            self_seed,
            noise,
        } = *self;
        let seeds = Seeds {
            root_seed,
            self_seed,
            noise,
        };
        match Shared::build(me, adverts, &advert, seal_key, seeds, rng) {
            Ok(shared) => {
                let reply = Message::new(shared.sealed().clone());
                (Phase::Shared(Box::new(shared)), Ok(Reply::Send(reply)))
            }
            Err(refusal) => (Phase::Closed, Err(refusal)),
        }
    }
}

/// Checklist 5: own leaf, neighbours at locally computed slots, inclusion, signatures, floor.
fn check_adverts(me: &Me, own: &Advert, adverts: &Adverts) -> Result<(), Refusal> {
    let context = &me.context;
    // spec: [advert.attempt]
    if (adverts.task, adverts.round, adverts.attempt)
        != (context.task_digest, context.round, context.attempt)
    {
        return Err(Refusal::OtherSession {
            got: "Adverts",
            what: "attempt",
        });
    }
    context.check_advertised(&adverts.advertised)?;
    check_holds(ADVERTISED, &adverts.advertised, me.slot)?;
    check_neighbours(context, me.slot, adverts)?;
    if context.parameters.is_complete() {
        check_whole_tree(context, own, adverts)?;
    } else {
        check_proofs(context, own, adverts)?;
    }
    // spec: [advert.signature]
    let checked = me.threads.map(&adverts.neighbours, |proven| {
        check_advert(context, &proven.advert)
            .map_err(|_| Refusal::AdvertSignature(proven.advert.slot))
    });
    checked.into_iter().collect()
}

/// Exactly the neighbours in U1, ascending.
// spec: [advert.neighbours]
fn check_neighbours(context: &RoundContext, own: Slot, adverts: &Adverts) -> Result<(), Refusal> {
    let wanted = context.neighbours_in(own, &adverts.advertised);
    let mut found = adverts.neighbours.iter().map(|proven| proven.advert.slot);
    for slot in wanted {
        match found.next() {
            Some(got) if got == slot => {}
            Some(got) => return Err(Refusal::NeighbourAdverts(got)),
            None => return Err(Refusal::NeighbourAdverts(slot)),
        }
    }
    found
        .next()
        .map_or(Ok(()), |slot| Err(Refusal::NeighbourAdverts(slot)))
}

/// The complete graph: all adverts are here, the root is rebuilt.
// spec: [advert.tree]
fn check_whole_tree(
    context: &RoundContext,
    own: &Advert,
    adverts: &Adverts,
) -> Result<(), Refusal> {
    let others = adverts
        .neighbours
        .iter()
        .map(|proven| (proven.advert.slot, proven.advert.leaf()));
    let leaves = advert_leaves(context.slots(), others.chain([(own.slot, own.leaf())]));
    if merkle::Tree::new(leaves).root() != adverts.root {
        return Err(Refusal::OwnAdvert);
    }
    Ok(())
}

/// The ring: own leaf and each neighbour's, by proof.
// spec: [advert.own-leaf] [advert.proof]
fn check_proofs(context: &RoundContext, own: &Advert, adverts: &Adverts) -> Result<(), Refusal> {
    let count = context.slots() as usize;
    let stands = |advert: &Advert, proof: &[Hash]| {
        merkle::verify(
            &adverts.root,
            count,
            advert.slot.index(),
            &advert.leaf(),
            proof,
        )
    };
    if !stands(own, &adverts.own_proof) {
        return Err(Refusal::OwnAdvert);
    }
    let wrong = adverts
        .neighbours
        .iter()
        .find(|ProvenAdvert { advert, proof }| !stands(advert, proof));
    wrong.map_or(Ok(()), |proven| {
        Err(Refusal::AdvertProof(proven.advert.slot))
    })
}

/// Leaves of the tree over adverts: one per slot of the roster, empty where none advertised.
pub(crate) fn advert_leaves(slots: u32, adverts: impl Iterator<Item = (Slot, Hash)>) -> Vec<Hash> {
    let mut leaves = vec![merkle::empty_leaf(); slots as usize];
    for (slot, leaf) in adverts {
        if let Some(place) = leaves.get_mut(slot.index()) {
            *place = leaf;
        }
    }
    leaves
}

/// What is wrong with an advert, whoever checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdvertError {
    /// It names another task, roster, round or attempt.
    Session(&'static str),
    /// Its signature does not verify.
    Signature,
    /// It has a noise chain end and the task no plan, or the other way round.
    ChainEnd,
}

/// Whether an advert is for this attempt and signed by its slot's key on the roster.
// spec: [advert.session]
pub(crate) fn check_advert(context: &RoundContext, advert: &Advert) -> Result<(), AdvertError> {
    if advert.task != context.task_digest {
        return Err(AdvertError::Session("task"));
    }
    if advert.roster != context.roster.digest() {
        return Err(AdvertError::Session("roster"));
    }
    if advert.round != context.round {
        return Err(AdvertError::Session("round"));
    }
    if advert.attempt != context.attempt {
        return Err(AdvertError::Session("attempt"));
    }
    if advert.chain_end.is_some() != context.has_chain() {
        return Err(AdvertError::ChainEnd);
    }
    let key = context
        .roster
        .verifier_of(advert.slot)
        .ok_or(AdvertError::Signature)?;
    key.verify(Label::SignAdvert, &[&advert.content()], &advert.signature)
        .map_err(|_| AdvertError::Signature)
}
