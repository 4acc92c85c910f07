//! Shared: the sealed shares are out; what comes is what the neighbours dealt.

use crate::bitmap::Bitmap;
use crate::ids::{Hash, Sid, Slot};
use crate::keys::{HeldShare, PairSeed, RootSeed, SealKey, SealingKey, SelfSeed};
use crate::label::Label;
use crate::member::accept::{Accepted, Taken};
use crate::member::noise::OwnNoise;
use crate::member::{Me, Phase, Reply, Step, wrong};
use crate::merkle;
use crate::message::{
    Advert, Adverts, Body, CutReason, DeliveredShare, DeliveredShares, Message, SealedShare,
    SealedShares, sign_shares,
};
use crate::refusal::Refusal;
use crate::session::RoundContext;
use crate::side_by_side::SideBySide;
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use veilsum_math::Threads;
use veilsum_math::sharing::{Point, ShareValue, split_over};

pub(super) struct Shared {
    sid: Sid,
    adverts: Adverts,
    sealed: SealedShares,
    self_seed: SelfSeed,
    pub(super) noise: OwnNoise,
    /// Edges to neighbours in U1 with usable keys.
    edges: BTreeMap<Slot, Edge>,
    /// Edges cut for the other end's keys.
    cuts: BTreeMap<Slot, CutReason>,
}

/// Seeds of the attempt, as the advert committed to them.
pub(super) struct Seeds {
    pub(super) root_seed: RootSeed,
    pub(super) self_seed: SelfSeed,
    pub(super) noise: OwnNoise,
}

/// What this member has of one edge once its Share is built.
struct Edge {
    pair_seed: PairSeed,
    pair_hash: Hash,
    sealing: SealingKey,
}

impl Shared {
    /// Checklist 6. Consumes the root seed: nothing of it but the pair seeds is kept.
    // spec: [share.once]
    pub(super) fn build(
        me: &Me,
        adverts: &Adverts,
        own: &Advert,
        seal_key: SealKey,
        seeds: Seeds,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Refusal> {
        let Seeds {
            root_seed,
            self_seed,
            noise,
        } = seeds;
        let context = &me.context;
        let sid = context.sid(&adverts.advertised, &adverts.root);
        let (mut edges, mut cuts) = (BTreeMap::new(), BTreeMap::new());
        let agreed = me.threads.map(&adverts.neighbours, |proven| {
            let edge = Edge::agree(&sid, own, &proven.advert, &seal_key, &root_seed);
            (proven.advert.slot, edge)
        });
        for (slot, edge) in agreed {
            match edge {
                Some(edge) => drop(edges.insert(slot, edge)),
                // spec: [share.cut-key]
                None => drop(cuts.insert(slot, CutReason::Key)),
            }
        }
        let mut roots = deal(me, root_seed.secret(), rng)?;
        let mut selves = deal(me, self_seed.secret(), rng)?;
        let dealt = edges.iter().filter_map(|(slot, edge)| {
            let (root, own) = (roots.remove(slot)?, selves.remove(slot)?);
            Some((edge, root, own))
        });
        let dealt = dealt.collect::<Vec<_>>();
        let parts = me.threads.map(dealt, |(edge, root, own)| {
            edge.sealing.seal(&root, &own, edge.pair_hash)
        });
        let root = parts_root(context, &sid, me.slot, &adverts.advertised, &parts);
        let signature = sign_shares(&me.identity, &sid, me.slot, &root);
        let sealed = SealedShares {
            sid,
            slot: me.slot,
            parts,
            signature,
        };
        Ok(Self {
            sid,
            adverts: adverts.clone(),
            sealed,
            self_seed,
            noise,
            edges,
            cuts,
        })
    }

    pub(super) fn sealed(&self) -> &SealedShares {
        &self.sealed
    }

    pub(super) fn receive(self: Box<Self>, me: &Me, message: &Message) -> Step {
        match &message.body {
            Body::Adverts(adverts) => {
                // spec: [advert.once]
                let reply = match *adverts == self.adverts {
                    true => Ok(Reply::Send(Message::new(self.sealed.clone()))),
                    false => Err(Refusal::Second("Adverts")),
                };
                (Phase::Shared(self), reply)
            }
            Body::DeliveredShares(delivered) => match self.check(me, delivered) {
                Ok(()) => {
                    let accepted = self.accept(me, delivered);
                    let reply = Message::new(accepted.accept().clone());
                    (Phase::Accepted(Box::new(accepted)), Ok(Reply::Send(reply)))
                }
                Err(refusal) => (Phase::Shared(self), Err(refusal)),
            },
            _ => (Phase::Shared(self), Err(wrong(message, "shared"))),
        }
    }

    /// The session, and dealers that are neighbours in U1 in ascending order. What the parts say is judged later.
    // spec: [share.delivered]
    fn check(&self, me: &Me, delivered: &DeliveredShares) -> Result<(), Refusal> {
        if delivered.sid != self.sid {
            return Err(Refusal::OtherSession {
                got: "DeliveredShares",
                what: "session",
            });
        }
        let mut last = None;
        for share in &delivered.shares {
            let neighbour = self.adverts.advertised.contains(share.from)
                && me.context.graph.are_neighbours(me.slot, share.from);
            if !neighbour || last.is_some_and(|slot| slot >= share.from) {
                return Err(Refusal::Delivered(share.from));
            }
            last = Some(share.from);
        }
        Ok(())
    }

    /// Checklist 7: a bad signature is not received; a signed part that is wrong cuts the edge.
    fn accept(self, me: &Me, delivered: &DeliveredShares) -> Accepted {
        let Self {
            sid,
            adverts,
            self_seed,
            noise,
            mut edges,
            cuts,
            ..
        } = self;
        let mut taken = Taken {
            held: BTreeMap::new(),
            pair_seeds: BTreeMap::new(),
            cuts,
            seen: BTreeSet::new(),
        };
        let received = delivered.shares.iter();
        let received = received.map(|share| (share, edges.remove(&share.from)));
        let opened = me
            .threads
            .map(received.collect::<Vec<_>>(), |(share, edge)| {
                // spec: [share.signature]
                let signed = is_signed(me, &sid, &adverts.advertised, share);
                signed.then(|| (share.from, edge.map(|edge| edge.take(share))))
            });
        for (from, taking) in opened.into_iter().flatten() {
            taken.seen.insert(from);
            match taking {
                Some(Ok((held, pair_seed))) => {
                    taken.held.insert(from, held);
                    taken.pair_seeds.insert(from, pair_seed);
                }
                Some(Err(reason)) => drop(taken.cuts.insert(from, reason)),
                None => {} // cut for its keys before
            }
        }
        Accepted::new(
            me,
            sid,
            adverts.advertised,
            delivered.clone(),
            self_seed,
            noise,
            taken,
        )
    }
}

impl Edge {
    /// Both agreements of the edge; `None` when a key of the other end is unusable: non-contributory, or a copy of ours.
    // spec: [advert.key]
    fn agree(
        sid: &Sid,
        own: &Advert,
        other: &Advert,
        seal_key: &SealKey,
        root_seed: &RootSeed,
    ) -> Option<Self> {
        let copies = [&other.seal_key, &other.mask_key];
        if copies
            .into_iter()
            .any(|key| *key == own.seal_key || *key == own.mask_key)
        {
            return None;
        }
        let sealing = seal_key
            .agree(sid, own.slot, other.slot, &other.seal_key)
            .ok()?;
        let pair_seed = root_seed
            .pair_seed(sid, own.slot, other.slot, &other.mask_key)
            .ok()?;
        let pair_hash = pair_seed.hash(sid, own.slot, other.slot);
        Some(Self {
            pair_seed,
            pair_hash,
            sealing,
        })
    }

    // spec: [share.cut-pair] [share.cut-share]
    fn take(self, share: &DeliveredShare) -> Result<(HeldShare, PairSeed), CutReason> {
        let part = share.part.as_ref().ok_or(CutReason::PairSeed)?;
        if part.pair_hash != self.pair_hash {
            return Err(CutReason::PairSeed);
        }
        let held = self.sealing.open(part).map_err(|_| CutReason::Share)?;
        Ok((held, self.pair_seed))
    }
}

/// Whether the dealer signed this part, or its lack, for this member in this session.
fn is_signed(me: &Me, sid: &Sid, advertised: &Bitmap, share: &DeliveredShare) -> bool {
    let context = &me.context;
    let leaf = match &share.part {
        Some(part) if part.to != me.slot => return false,
        Some(part) => part.leaf(sid, share.from),
        None => merkle::empty_leaf(),
    };
    let Some((position, count)) = context.position_in(share.from, me.slot, advertised) else {
        return false;
    };
    let Some(root) = merkle::root_of(count, position, &leaf, &share.proof) else {
        return false;
    };
    is_root_signed(context, sid, share.from, &root, &share.signature)
}

/// Whether `dealer` signed `root` as the root of its parts in session `sid`.
pub(crate) fn is_root_signed(
    context: &RoundContext,
    sid: &Sid,
    dealer: Slot,
    root: &Hash,
    signature: &crate::identity::Signature,
) -> bool {
    context.roster.verifier_of(dealer).is_some_and(|key| {
        let parts: [&[u8]; 3] = [sid.as_bytes(), &dealer.0.to_be_bytes(), root.as_bytes()];
        key.verify(Label::SignShares, &parts, signature).is_ok()
    })
}

/// Root over a dealer's parts: one leaf per neighbour in U1 ascending, the empty leaf where there is no part.
pub(crate) fn parts_root(
    context: &RoundContext,
    sid: &Sid,
    dealer: Slot,
    advertised: &Bitmap,
    parts: &[SealedShare],
) -> Hash {
    let receivers = context.neighbours_in(dealer, advertised);
    parts_tree(sid, dealer, &receivers, parts).root()
}

/// The tree whose root [`parts_root`] gives, over the dealer's neighbours in U1.
pub(crate) fn parts_tree(
    sid: &Sid,
    dealer: Slot,
    receivers: &[Slot],
    parts: &[SealedShare],
) -> merkle::Tree {
    let mut leaves = SideBySide::with_capacity(parts.len(), SealedShare::LEAF_BLOCKS);
    for part in parts {
        part.push_leaf(sid, dealer, &mut leaves);
    }
    let leaves = leaves.hash();
    let mut parts = parts.iter().zip(leaves).peekable();
    let leaves = receivers.iter().map(|receiver| {
        let part = parts.next_if(|(part, _)| part.to == *receiver);
        part.map_or_else(merkle::empty_leaf, |(_, leaf)| leaf)
    });
    merkle::Tree::new(leaves.collect())
}

/// Shares of one secret for all neighbours on the graph, present or not: the threshold does not depend on who came.
// spec: [share.threshold]
fn deal(
    me: &Me,
    secret: &veilsum_math::Secret,
    rng: &mut dyn CryptoRng,
) -> Result<BTreeMap<Slot, ShareValue>, Refusal> {
    let neighbours = me.context.graph.neighbours(me.slot);
    let points = neighbours
        .iter()
        .map(|slot| Point::of_slot(slot.0))
        .collect::<Vec<_>>();
    let threads = match points.len() < MANY_POINTS {
        true => Threads::One,
        false => me.threads,
    };
    let threshold = me.context.parameters.t as usize;
    let shares = split_over(secret, threshold, &points, threads, &mut &mut *rng)
        .map_err(|error| Refusal::Sharing(error.to_string()))?;
    Ok(neighbours.into_iter().zip(shares).collect())
}

/// Points whose shares take long enough to be worth several threads.
const MANY_POINTS: usize = 256;
