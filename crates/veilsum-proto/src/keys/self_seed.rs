//! Self seed: the mask that stays on an update until its member is a certified survivor.

use crate::ids::{Attempt, Hash, Round, Sid2, Slot, TaskDigest};
use crate::keys::derive;
use crate::label::Label;
use rand_core::CryptoRng;
use veilsum_math::sharing::Secret;
use veilsum_math::{KeystreamKey, Mask, Sign};

/// Seed of a member's own mask.
///
/// # Security
///
/// Together with the pair seeds it bares the update. It is handed out, or rebuilt from shares, for certified survivors only.
pub struct SelfSeed(Secret);

impl SelfSeed {
    /// Draws a fresh self seed, uniform in the sharing field and independent of everything else.
    // spec: [key.uniform]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::random(&mut &mut *rng))
    }

    /// A self seed that was revealed or rebuilt; compare [`SelfSeed::commitment`] with the advert before use.
    pub fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// What is shared among the neighbours.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Commitment in the advert.
    // spec: [key.commitment]
    pub fn commitment(
        &self,
        task: &TaskDigest,
        round: Round,
        attempt: Attempt,
        slot: Slot,
    ) -> Hash {
        Label::SelfSeedCommitment.hash(&[
            task.as_bytes(),
            &round.0.to_be_bytes(),
            &attempt.0.to_be_bytes(),
            &slot.0.to_be_bytes(),
            self.0.expose_bytes().as_ref(),
        ])
    }

    /// The member's own mask under the Share set `sid2`; added by the member, subtracted by the coordinator.
    pub fn mask(&self, sid2: &Sid2, slot: Slot, sign: Sign) -> Mask {
        mask_of(&self.0.expose_bytes(), sid2, slot, sign)
    }
}

/// As [`SelfSeed::mask`], of bytes that need not be a canonical scalar, as vectors of the key schedule have them.
#[cfg(feature = "vectors")]
pub fn self_mask_of_bytes(seed: &[u8; 32], sid2: &Sid2, slot: Slot, sign: Sign) -> Mask {
    mask_of(seed, sid2, slot, sign)
}

fn mask_of(seed: &[u8; 32], sid2: &Sid2, slot: Slot, sign: Sign) -> Mask {
    let parts: [&[u8]; 2] = [sid2.as_bytes(), &slot.0.to_be_bytes()];
    let key = derive(seed, Label::SelfMask, &parts);
    Mask::new(KeystreamKey::new(**key), sign)
}
