//! Bytes of a round, counted on messages of the right shape with nothing in them.
//!
//! Protocol bytes only: QUIC adds headers and acknowledgements of a few percent. The model that a round starts from and the
//! sum that a member may fetch are not in them.

use serde::Serialize;
use veilsum_dp::Sharing;
use veilsum_encode::Plan;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::ids::{
    Attempt, Hash, ModelDigest, RosterDigest, Round, Sid, Sid2, Slot, TaskDigest,
};
use veilsum_proto::message::{
    Accept, Advert, Adverts, Body, Certificate, Confirmation, Deadlines, DeliveredShare,
    DeliveredShares, Message, Open, PairSeedReveal, ProvenAdvert, Receipt, Reveal, RevealedSeed,
    SealedShare, SealedShares, ShareSet, SignedSlot, SurvivorSet, UNSIGNED, UploadHeader,
    UploadStored,
};
use veilsum_proto::parameters::Parameters;
use veilsum_proto::task::Task;

/// What one member sends and receives in a round, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Traffic {
    /// The masked update alone.
    pub(super) update: u64,
    /// All it sends, when nobody vanishes.
    pub(super) upload: u64,
    /// All it sends, when as many as tolerated vanish before they upload.
    pub(super) upload_with_drop_out: u64,
    /// All it receives, when nobody vanishes.
    pub(super) download: u64,
}

impl Traffic {
    /// Counts for a member that is in the electorate, over a roster of `slots`.
    pub(super) fn of(task: &Task, slots: u32, parameters: &Parameters, plan: &Plan) -> Self {
        let shape = Shape {
            slots,
            neighbours: parameters.k as usize,
            proof: if parameters.is_complete() {
                0
            } else {
                depth(slots)
            },
            share_proof: depth(parameters.k),
            quorum: parameters.q as usize,
            chain: has_chain(task),
            removal: has_chain(task) && parameters.d > 0,
        };
        let update = plan.packed_bytes() as u64;
        Self {
            update,
            upload: shape.control_up(0) + update,
            upload_with_drop_out: shape.control_up(shape.dropped_neighbours(parameters)) + update,
            download: shape.control_down(task, parameters),
        }
    }
}

struct Shape {
    slots: u32,
    neighbours: usize,
    proof: usize,
    share_proof: usize,
    quorum: usize,
    /// Adverts carry the end of a noise chain.
    chain: bool,
    /// Reveals carry a value of it when nobody vanished.
    removal: bool,
}

impl Shape {
    fn control_up(&self, dropped: usize) -> u64 {
        [
            bytes(self.advert()),
            bytes_of_list(self.neighbours, sealed_shares),
            bytes(accept()),
            bytes(upload_header()),
            bytes(confirmation()),
            bytes_of_list(dropped, |dropped| self.reveal(dropped)),
        ]
        .iter()
        .sum()
    }

    fn control_down(&self, task: &Task, parameters: &Parameters) -> u64 {
        [
            bytes(open(task, parameters)),
            bytes_of_list(self.neighbours, |neighbours| self.adverts(neighbours)),
            bytes_of_list(self.neighbours, |neighbours| self.delivered(neighbours)),
            bytes(ShareSet {
                sid: SID,
                shared: self.everybody(),
                accepts: Vec::new(),
            }),
            bytes(UploadStored {
                sid2: SID2,
                slot: SLOT,
            }),
            bytes(self.survivor_set()),
            bytes_of_list(self.quorum, |quorum| Certificate {
                set: self.survivor_set(),
                signatures: vec![SIGNED; quorum],
            }),
            bytes(self.receipt()),
        ]
        .iter()
        .sum()
    }

    /// Neighbours that are among the tolerated drop-outs, on average rounded up.
    fn dropped_neighbours(&self, parameters: &Parameters) -> usize {
        let others = u64::from(parameters.n.saturating_sub(1)).max(1);
        let dropped = u64::from(parameters.k) * u64::from(parameters.d);
        dropped.div_ceil(others) as usize
    }

    fn everybody(&self) -> Bitmap {
        Bitmap::of(self.slots, (0..self.slots).map(Slot))
    }

    fn adverts(&self, neighbours: usize) -> Adverts {
        let neighbour = ProvenAdvert {
            advert: self.advert(),
            proof: vec![HASH; self.proof],
        };
        Adverts {
            task: TASK,
            round: Round(0),
            attempt: Attempt(0),
            advertised: self.everybody(),
            root: HASH,
            own_proof: vec![HASH; self.proof],
            neighbours: vec![neighbour; neighbours],
        }
    }

    fn delivered(&self, neighbours: usize) -> DeliveredShares {
        let share = DeliveredShare {
            from: SLOT,
            part: Some(sealed_share()),
            proof: vec![HASH; self.share_proof],
            signature: UNSIGNED,
        };
        DeliveredShares {
            sid: SID,
            shares: vec![share; neighbours],
        }
    }

    fn survivor_set(&self) -> SurvivorSet {
        SurvivorSet {
            sid: SID,
            sid2: SID2,
            survivors: self.everybody(),
        }
    }

    fn advert(&self) -> Advert {
        Advert {
            task: TASK,
            roster: RosterDigest([0; 32]),
            round: Round(0),
            attempt: Attempt(0),
            slot: SLOT,
            seal_key: [0; 32],
            mask_key: [0; 32],
            commitment: HASH,
            chain_end: self.chain.then_some(HASH),
            signature: UNSIGNED,
        }
    }

    fn reveal(&self, dropped: usize) -> Reveal {
        let pair_seed = PairSeedReveal {
            slot: SLOT,
            seed: RevealedSeed::new(&[0; 32]),
        };
        Reveal {
            sid2: SID2,
            slot: SLOT,
            self_seed: RevealedSeed::new(&[0; 32]),
            pair_seeds: vec![pair_seed; dropped],
            chain_value: (self.removal && dropped == 0).then_some(RevealedSeed::new(&[0; 32])),
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            task: TASK,
            round: Round(0),
            attempt: Attempt(0),
            sid: SID,
            sid2: SID2,
            survivors: self.everybody(),
            sum: HASH,
            signature: UNSIGNED,
        }
    }
}

fn sealed_share() -> SealedShare {
    SealedShare {
        to: SLOT,
        ciphertext: [0; 80],
        root_digest: HASH,
        self_digest: HASH,
        pair_hash: HASH,
    }
}

fn sealed_shares(parts: usize) -> SealedShares {
    SealedShares {
        sid: SID,
        slot: SLOT,
        parts: vec![sealed_share(); parts],
        signature: UNSIGNED,
    }
}

fn accept() -> Accept {
    Accept {
        sid: SID,
        slot: SLOT,
        cuts: Vec::new(),
        signature: UNSIGNED,
    }
}

fn upload_header() -> UploadHeader {
    UploadHeader {
        sid: SID,
        sid2: SID2,
        slot: SLOT,
        limbs: 0,
        signature: UNSIGNED,
    }
}

fn confirmation() -> Confirmation {
    Confirmation {
        sid2: SID2,
        signed: SIGNED,
    }
}

fn open(task: &Task, parameters: &Parameters) -> Open {
    Open {
        task: task.encode().to_vec(),
        roster: RosterDigest([0; 32]),
        round: Round(0),
        attempt: Attempt(0),
        base_model: ModelDigest([0; 32]),
        parameters: *parameters,
        deadlines: Deadlines::default(),
    }
}

fn bytes(body: impl Into<Body>) -> u64 {
    Message::new(body.into()).encode().len() as u64
}

/// Bytes of a message with a list of so many items, without making more than [`MANY`] of them: a complete graph of a large
/// federation has messages of a gigabyte.
///
/// An item has the same bytes wherever it stands, and the length of the list has four bytes from `MANY / 2` items of 16 bytes or
/// more on, and eight from 2^30 bytes on.
fn bytes_of_list<B: Into<Body>>(count: usize, message: impl Fn(usize) -> B) -> u64 {
    if count <= MANY {
        return bytes(message(count));
    }
    let (few, many) = (bytes(message(MANY / 2)), bytes(message(MANY)));
    let item = many.saturating_sub(few) / (MANY / 2) as u64;
    let rest = item.saturating_mul(count.saturating_sub(MANY) as u64);
    let long = item.saturating_mul(count as u64) >= 1 << 30;
    many.saturating_add(rest)
        .saturating_add(if long { 4 } else { 0 })
}

// spec: [task.noise.chain]
fn has_chain(task: &Task) -> bool {
    task.noise()
        .is_some_and(|noise| noise.sharing == Sharing::DropoutExact)
}

/// Siblings from a leaf to the root of a tree over so many leaves.
fn depth(leaves: u32) -> usize {
    let full = leaves.checked_next_power_of_two();
    full.map_or(u32::BITS, u32::trailing_zeros) as usize
}

/// Items of a list that is made to be counted.
const MANY: usize = 2048;
const SLOT: Slot = Slot(0);
const TASK: TaskDigest = TaskDigest([0; 32]);
const HASH: Hash = Hash([0; 32]);
const SID: Sid = Sid([0; 32]);
const SID2: Sid2 = Sid2([0; 32]);
const SIGNED: SignedSlot = SignedSlot {
    slot: SLOT,
    signature: UNSIGNED,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_reckoned_to_the_byte() {
        let shape = Shape {
            slots: 10_000,
            neighbours: 0,
            proof: 7,
            share_proof: 13,
            quorum: 0,
            chain: true,
            removal: true,
        };
        for count in [MANY, MANY + 1, 5_000, 9_999] {
            assert_eq!(
                bytes_of_list(count, sealed_shares),
                bytes(sealed_shares(count))
            );
            let adverts = |count| shape.adverts(count);
            assert_eq!(bytes_of_list(count, adverts), bytes(adverts(count)));
            let delivered = |count| shape.delivered(count);
            assert_eq!(bytes_of_list(count, delivered), bytes(delivered(count)));
            let reveal = |count| shape.reveal(count);
            assert_eq!(bytes_of_list(count, reveal), bytes(reveal(count)));
        }
    }
}
