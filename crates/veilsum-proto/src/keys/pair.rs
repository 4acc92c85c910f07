//! Pair seed: what two neighbours have in common, and the mask that cancels between them.

use crate::ids::{Hash, Sid, Sid2, Slot};
use crate::keys::{Agreed, Derived, derive};
use crate::label::Label;
use crate::message::RevealedSeed;
use veilsum_math::{KeystreamKey, Mask, Sign};
use zeroize::Zeroizing;

/// Seed of the mask of one edge.
///
/// # Security
///
/// Whoever holds it can take that mask off both ends. It is handed out only for an edge with an end that is no survivor.
///
/// ```compile_fail,E0599
/// // spec: [key.memory]
/// # fn copy(seed: &veilsum_proto::keys::PairSeed) {
/// let _: veilsum_proto::keys::PairSeed = seed.clone();
/// # }
/// ```
///
/// ```compile_fail,E0277
/// // spec: [key.memory]
/// # fn show(seed: &veilsum_proto::keys::PairSeed) {
/// println!("{seed:?}");
/// # }
/// ```
pub struct PairSeed(Derived);

impl PairSeed {
    // spec: [key.pair]
    pub(super) fn derive(agreed: &Agreed, sid: &Sid, one: Slot, other: Slot) -> Self {
        let (low, high) = ordered(one, other);
        Self(derive(
            agreed.bytes(),
            Label::PairSeed,
            &[sid.as_bytes(), &low, &high],
        ))
    }

    /// A pair seed that a member revealed; compare [`PairSeed::hash`] with what it signed before use.
    pub fn from_revealed(seed: &RevealedSeed) -> Self {
        Self(Box::new(Zeroizing::new(*seed.expose())))
    }

    /// The seed on its way to the coordinator.
    pub fn to_revealed(&self) -> RevealedSeed {
        RevealedSeed::new(&self.0)
    }

    /// Hash by which each end states the seed in its Share.
    // spec: [key.pair-hash]
    pub fn hash(&self, sid: &Sid, one: Slot, other: Slot) -> Hash {
        let (low, high) = ordered(one, other);
        Label::PairSeedHash.hash(&[sid.as_bytes(), &low, &high, self.0.as_slice()])
    }

    /// The mask of the edge under the Share set `sid2`.
    // spec: [mask.sid2]
    pub fn mask(&self, sid2: &Sid2, one: Slot, other: Slot, sign: Sign) -> Mask {
        let (low, high) = ordered(one, other);
        let key = derive(&self.0, Label::PairMask, &[sid2.as_bytes(), &low, &high]);
        Mask::new(KeystreamKey::new(**key), sign)
    }
}

/// Sign with which `own` applies the mask it shares with `other`: the lower slot adds, the higher subtracts.
// spec: [mask.sign]
pub fn pair_mask_sign(own: Slot, other: Slot) -> Sign {
    if own < other {
        Sign::Add
    } else {
        Sign::Subtract
    }
}

fn ordered(one: Slot, other: Slot) -> ([u8; 4], [u8; 4]) {
    (
        one.min(other).0.to_be_bytes(),
        one.max(other).0.to_be_bytes(),
    )
}
