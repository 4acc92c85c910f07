//! What comes instead of a message.

use crate::ops::list::Forgery;
use crate::ops::site::Parcel;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::identity::Identity;
use veilsum_proto::ids::{Attempt, Hash, Round, Slot};
use veilsum_proto::merkle::{Tree, empty_leaf};
use veilsum_proto::message::{
    Accept, Body, Caps, Cut, CutReason, Message, RevealedSeed, SealedShares, ShareAnswer,
    ShareWanted, sign_shares,
};
use veilsum_proto::session::RoundContext;

/// Who forges.
pub(super) struct Forger<'a> {
    pub context: &'a RoundContext,
    pub caps: &'a Caps,
    /// The member's, or the coordinator's.
    pub identity: &'a Identity,
    /// U1 as the member was shown it.
    pub advertised: Option<&'a Bitmap>,
}

impl Forger<'_> {
    /// What comes instead of `parcel`; `earlier` went the way that a replay names, the last one last.
    pub fn forge(&self, forgery: Forgery, parcel: &Parcel, earlier: &[Parcel]) -> Parcel {
        match forgery {
            Forgery::Flip { byte, bit } => flipped(parcel, byte, bit),
            Forgery::Replay { back, .. } => {
                let earlier = earlier.iter().rev().nth(back as usize);
                let replayed = earlier.unwrap_or(parcel).clone();
                Parcel {
                    session: parcel.session,
                    ..replayed
                }
            }
            Forgery::Lie { choice } if parcel.vector.is_some() && choice % 2 == 1 => Parcel {
                vector: parcel.vector.as_ref().map(|vector| {
                    vector
                        .iter()
                        .map(|byte| !byte.rotate_left(choice % 7))
                        .collect()
                }),
                spoiled: true,
                ..parcel.clone()
            },
            Forgery::Lie { choice } => self.changed(parcel, |body| self.lie(body, choice)),
            Forgery::Toggle { slot } => self.changed(parcel, |body| self.toggle(body, Slot(slot))),
        }
    }

    fn changed(&self, parcel: &Parcel, change: impl FnOnce(Body) -> Body) -> Parcel {
        match Message::decode(&parcel.frame, self.caps) {
            Ok(message) => Parcel {
                frame: Message::new(change(message.body)).encode(),
                ..parcel.clone()
            },
            Err(_) => parcel.clone(),
        }
    }

    fn lie(&self, body: Body, choice: u32) -> Body {
        let other = Slot(choice.checked_rem(self.context.slots()).unwrap_or(0));
        match body {
            Body::Open(mut open) => {
                match choice % 4 {
                    0 => open.base_model.0 = [1; 32],
                    1 => open.attempt = Attempt(open.attempt.0.saturating_add(1)),
                    2 => open.round = Round(open.round.0.saturating_add(1)),
                    _ => open.deadlines.share_ms = 1,
                }
                open.into()
            }
            Body::Advert(mut advert) => {
                match choice % 4 {
                    0 => advert.seal_key = [0; 32],
                    1 => advert.mask_key = [0; 32],
                    2 => advert.commitment = Hash([7; 32]),
                    _ => advert.chain_end = advert.chain_end.map_or(Some(Hash([7; 32])), |_| None),
                }
                advert.signed(self.identity).into()
            }
            Body::Adverts(mut adverts) => {
                match choice % 3 {
                    0 => adverts.root = Hash([7; 32]),
                    1 => drop(adverts.neighbours.pop()),
                    _ => adverts.neighbours.reverse(),
                }
                adverts.into()
            }
            Body::SealedShares(shares) => self.mis_dealt(shares, choice).into(),
            Body::DeliveredShares(mut delivered) => {
                let index = place(choice / 3, delivered.shares.len());
                match (choice % 3, delivered.shares.get_mut(index)) {
                    (0, Some(_)) => drop(delivered.shares.remove(index)),
                    (1, Some(share)) => share.part = None,
                    (_, Some(share)) => share.from = other,
                    (_, None) => {}
                }
                delivered.into()
            }
            Body::Accept(accept) => self.toggled_cut(accept, other).into(),
            Body::ShareSet(mut set) => {
                set.accepts.clear();
                toggle(&mut set.shared, other);
                set.into()
            }
            Body::UploadHeader(mut header) => {
                match choice % 4 {
                    0 => header.limbs = header.limbs.saturating_add(1),
                    _ => header.sid2.0 = [7; 32],
                }
                header.signed(self.identity).into()
            }
            Body::UploadStored(mut stored) => {
                stored.sid2.0 = [7; 32];
                stored.into()
            }
            Body::SurvivorSet(mut set) => {
                toggle(&mut set.survivors, other);
                set.into()
            }
            Body::Confirmation(mut confirmation) => {
                confirmation.signed.slot = other;
                confirmation.into()
            }
            Body::Certificate(mut certificate) => {
                match choice % 3 {
                    0 => drop(certificate.signatures.pop()),
                    1 => certificate
                        .signatures
                        .extend_from_within(..1.min(certificate.signatures.len())),
                    _ => toggle(&mut certificate.set.survivors, other),
                }
                certificate.into()
            }
            Body::Reveal(mut reveal) => {
                match choice % 4 {
                    0 => reveal.self_seed = RevealedSeed::new(&[1; 32]),
                    1 => drop(reveal.pair_seeds.pop()),
                    2 => reveal
                        .pair_seeds
                        .iter_mut()
                        .for_each(|pair| pair.seed = RevealedSeed::new(&[1; 32])),
                    _ => {
                        reveal.chain_value = reveal
                            .chain_value
                            .take()
                            .map_or(Some(RevealedSeed::new(&[1; 32])), |_| None)
                    }
                }
                reveal.into()
            }
            Body::ShareRequest(mut request) => {
                match choice % 3 {
                    0 => request.wanted.push(ShareWanted::RootSeed(other)),
                    1 => request.wanted = vec![ShareWanted::RootSeed(other)],
                    _ => request
                        .wanted
                        .retain(|wanted| matches!(wanted, ShareWanted::RootSeed(_))),
                }
                request.into()
            }
            Body::Shares(mut shares) => {
                for answer in &mut shares.answers {
                    *answer = match answer.clone() {
                        ShareAnswer::SelfSeed(slot, share) if choice.is_multiple_of(2) => {
                            ShareAnswer::RootSeed(slot, share)
                        }
                        ShareAnswer::RootSeed(slot, share) if choice.is_multiple_of(2) => {
                            ShareAnswer::SelfSeed(slot, share)
                        }
                        ShareAnswer::SelfSeed(slot, _) => {
                            ShareAnswer::SelfSeed(slot, RevealedSeed::new(&[1; 32]))
                        }
                        ShareAnswer::RootSeed(slot, _) => {
                            ShareAnswer::RootSeed(slot, RevealedSeed::new(&[1; 32]))
                        }
                    };
                }
                shares.into()
            }
            Body::Receipt(mut receipt) => {
                toggle(&mut receipt.survivors, other);
                receipt.signed(self.identity).into()
            }
            Body::AbortNotice(mut notice) => {
                notice.attempt = Attempt(notice.attempt.0.saturating_add(1));
                notice.into()
            }
            Body::FaultNotice(notice) => notice.into(),
        }
    }

    fn toggle(&self, body: Body, slot: Slot) -> Body {
        match body {
            Body::Adverts(mut adverts) => {
                toggle(&mut adverts.advertised, slot);
                adverts.into()
            }
            Body::ShareSet(mut set) => {
                toggle(&mut set.shared, slot);
                set.into()
            }
            Body::SurvivorSet(mut set) => {
                toggle(&mut set.survivors, slot);
                set.into()
            }
            Body::Certificate(mut certificate) => {
                toggle(&mut certificate.set.survivors, slot);
                certificate.into()
            }
            Body::Accept(accept) => self.toggled_cut(accept, slot).into(),
            other => self.lie(other, slot.0),
        }
    }

    /// One part is wrong or missing; all of it is signed.
    fn mis_dealt(&self, mut shares: SealedShares, choice: u32) -> SealedShares {
        let index = place(choice / 5, shares.parts.len());
        match (choice % 5, shares.parts.get_mut(index)) {
            (0, Some(part)) => part.ciphertext = part.ciphertext.map(|byte| !byte),
            (1, Some(part)) => part.pair_hash = Hash([7; 32]),
            (2, Some(part)) => part.self_digest = Hash([7; 32]),
            (3, Some(part)) => part.root_digest = Hash([7; 32]),
            (_, Some(_)) => drop(shares.parts.remove(index)),
            (_, None) => {}
        }
        let Some(advertised) = self.advertised else {
            return shares;
        };
        let neighbours = self.context.neighbours_in(shares.slot, advertised);
        let leaf = |slot: Slot| match shares.parts.iter().find(|part| part.to == slot) {
            Some(part) => part.leaf(&shares.sid, shares.slot),
            None => empty_leaf(),
        };
        let root = Tree::new(neighbours.into_iter().map(leaf).collect()).root();
        shares.signature = sign_shares(self.identity, &shares.sid, shares.slot, &root);
        shares
    }

    /// One cut more or less, signed.
    fn toggled_cut(&self, mut accept: Accept, slot: Slot) -> Accept {
        match accept.cuts.binary_search_by_key(&slot, |cut| cut.slot) {
            Ok(at) => drop(accept.cuts.remove(at)),
            Err(at) => accept.cuts.insert(
                at,
                Cut {
                    slot,
                    reason: CutReason::Share,
                },
            ),
        }
        accept.signed(self.identity)
    }
}

fn flipped(parcel: &Parcel, byte: u32, bit: u8) -> Parcel {
    let mut parcel = parcel.clone();
    let in_vector = parcel.vector.as_mut().filter(|_| byte % 2 == 1);
    let bytes = match in_vector {
        Some(vector) => {
            parcel.spoiled = true;
            vector
        }
        None => &mut parcel.frame,
    };
    let place = place(byte, bytes.len());
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << (bit % 8);
    }
    parcel
}

/// A place among so many.
fn place(choice: u32, count: usize) -> usize {
    (choice as usize).checked_rem(count).unwrap_or(0)
}

fn toggle(set: &mut Bitmap, slot: Slot) {
    let slots = u32::try_from(set.as_bytes().len().saturating_mul(8)).unwrap_or(u32::MAX);
    let had = set.contains(slot);
    let mut all = Bitmap::of(slots, set.iter().filter(|member| *member != slot));
    if !had {
        all.insert(slot);
    }
    *set = all;
}
