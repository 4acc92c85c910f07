//! Root seed: the mask key comes from it, and nothing else.

use crate::ids::{Attempt, Round, Sid, Slot, TaskDigest};
use crate::keys::agreement::{NotContributory, agree};
use crate::keys::{PairSeed, derive};
use crate::label::Label;
use rand_core::CryptoRng;
use veilsum_math::sharing::Secret;
use x25519_dalek::{PublicKey, StaticSecret};

/// The secret behind a member's pair masks of one attempt.
///
/// # Security
///
/// Whoever holds it can compute every pair seed of the member in this session. It is rebuilt from shares only for members
/// that are not survivors.
pub struct RootSeed {
    secret: Secret,
    mask_key: Box<StaticSecret>,
}

impl RootSeed {
    /// Draws a fresh root seed, uniform in the sharing field.
    // spec: [key.uniform]
    pub fn random(
        task: &TaskDigest,
        round: Round,
        attempt: Attempt,
        slot: Slot,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self::from_secret(Secret::random(&mut &mut *rng), task, round, attempt, slot)
    }

    /// The root seed of `slot` from its rebuilt secret.
    // spec: [key.root-only-mask]
    pub fn from_secret(
        secret: Secret,
        task: &TaskDigest,
        round: Round,
        attempt: Attempt,
        slot: Slot,
    ) -> Self {
        let bytes = secret.expose_bytes();
        let parts: [&[u8]; 4] = [
            task.as_bytes(),
            &round.0.to_be_bytes(),
            &attempt.0.to_be_bytes(),
            &slot.0.to_be_bytes(),
        ];
        let mask_key = Box::new(StaticSecret::from(**derive(&bytes, Label::MaskKey, &parts)));
        Self { secret, mask_key }
    }

    /// What is shared among the neighbours.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Public half of the mask key.
    pub fn mask_public(&self) -> [u8; 32] {
        PublicKey::from(self.mask_key.as_ref()).to_bytes()
    }

    /// Pair seed of the edge `own`–`other`.
    ///
    /// # Errors
    ///
    /// [`NotContributory`] when the other end's mask key does not contribute.
    pub fn pair_seed(
        &self,
        sid: &Sid,
        own: Slot,
        other: Slot,
        mask_key: &[u8; 32],
    ) -> Result<PairSeed, NotContributory> {
        let agreed = agree(&self.mask_key, mask_key)?;
        Ok(PairSeed::derive(&agreed, sid, own, other))
    }
}

/// A pair seed from a mask key instead of the root seed that it comes from, which cannot be had back from it.
///
/// # Errors
///
/// [`NotContributory`], as [`RootSeed::pair_seed`].
#[cfg(feature = "vectors")]
pub fn pair_seed_of_mask_key(
    private: [u8; 32],
    sid: &Sid,
    own: Slot,
    other: Slot,
    mask_key: &[u8; 32],
) -> Result<PairSeed, NotContributory> {
    let agreed = agree(&StaticSecret::from(private), mask_key)?;
    Ok(PairSeed::derive(&agreed, sid, own, other))
}
