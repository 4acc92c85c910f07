//! Sealing shares for a neighbour: one X25519 per edge, one single-use AES-256-GCM key per direction.

use crate::ids::{Hash, Sid, Slot};
use crate::keys::agreement::{Agreed, NotContributory, agree};
use crate::keys::{Derived, derive};
use crate::label::{Label, SUITE, VERSION};
use crate::message::{RevealedSeed, SealedShare};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Key, KeyInit, Tag};
use rand_core::CryptoRng;
use veilsum_math::sharing::ShareValue;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// Private key under which neighbours seal shares for this member; fresh per attempt.
pub struct SealKey(Box<StaticSecret>);

impl SealKey {
    /// Draws a fresh key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(Box::new(StaticSecret::random_from_rng(rng)))
    }

    /// Public half.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(self.0.as_ref()).to_bytes()
    }

    /// Keys of both directions of the edge to `other`.
    ///
    /// # Errors
    ///
    /// [`NotContributory`] when the other end's seal key does not contribute.
    pub fn agree(
        &self,
        sid: &Sid,
        own: Slot,
        other: Slot,
        seal_key: &[u8; 32],
    ) -> Result<SealingKey, NotContributory> {
        let agreed = agree(&self.0, seal_key)?;
        Ok(SealingKey {
            outgoing: directional(&agreed, sid, own, other),
            incoming: directional(&agreed, sid, other, own),
            sid: *sid,
            own,
            other,
        })
    }
}

/// Directional keys of one edge, each good for one share pair.
pub struct SealingKey {
    outgoing: Derived,
    incoming: Derived,
    sid: Sid,
    own: Slot,
    other: Slot,
}

/// The shares of one dealer as their holder keeps them.
///
/// # Security
///
/// Giving out both of one dealer bares its update, hence the answers of `Reveal` are an enum.
pub struct HeldShare {
    /// Share of the dealer's root seed.
    pub root: ShareValue,
    /// Share of the dealer's self seed.
    pub self_seed: ShareValue,
}

/// Why a sealed share cannot be used; the dealer signed it, so the edge is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The ciphertext does not authenticate.
    #[error("sealed share does not open")]
    Ciphertext,
    /// A share is no canonical scalar.
    #[error("share is not a canonical field element")]
    NotCanonical,
    /// A share is not the one its digest names.
    #[error("share does not match its signed digest")]
    Digest,
}

impl SealingKey {
    /// Seals the shares for the other end; consumed together with [`SealingKey::open`] once per session.
    pub fn seal(&self, root: &ShareValue, self_seed: &ShareValue, pair_hash: Hash) -> SealedShare {
        let mut plain = Zeroizing::new([0u8; 64]);
        let (first, second) = plain.split_at_mut(32);
        first.copy_from_slice(root.expose_bytes().as_ref());
        second.copy_from_slice(self_seed.expose_bytes().as_ref());
        let aad = associated(&self.sid, self.own, self.other);
        let cipher = cipher(&self.outgoing);
        // 64 bytes are far below the limit of AES-GCM, the only condition under which sealing fails.
        let tag = cipher.encrypt_inout_detached(&NONCE.into(), &aad, plain.as_mut_slice().into());
        debug_assert!(tag.is_ok(), "a fixed short plaintext seals");
        let mut ciphertext = [0u8; 80];
        let (body, end) = ciphertext.split_at_mut(64);
        body.copy_from_slice(plain.as_ref());
        end.copy_from_slice(&tag.unwrap_or_default());
        SealedShare {
            to: self.other,
            ciphertext,
            root_digest: root_share_digest(&self.sid, self.own, self.other, &root.expose_bytes()),
            self_digest: self_share_digest(
                &self.sid,
                self.own,
                self.other,
                &self_seed.expose_bytes(),
            ),
            pair_hash,
        }
    }

    /// Opens what the other end sealed and compares it with its signed digests.
    ///
    /// # Errors
    ///
    /// [`OpenError`], each of which lets the holder cut the edge.
    // spec: [share.open]
    pub fn open(self, sealed: &SealedShare) -> Result<HeldShare, OpenError> {
        let mut plain = Zeroizing::new([0u8; 64]);
        let (body, tag) = sealed.ciphertext.split_at(64);
        plain.copy_from_slice(body);
        let aad = associated(&self.sid, self.other, self.own);
        let tag = Tag::try_from(tag).map_err(|_| OpenError::Ciphertext)?;
        cipher(&self.incoming)
            .decrypt_inout_detached(&NONCE.into(), &aad, plain.as_mut_slice().into(), &tag)
            .map_err(|_| OpenError::Ciphertext)?;
        let (first, second) = plain.split_at(32);
        let held = HeldShare {
            root: scalar(first)?,
            self_seed: scalar(second)?,
        };
        let root_digest =
            root_share_digest(&self.sid, self.other, self.own, &held.root.expose_bytes());
        let self_digest = self_share_digest(
            &self.sid,
            self.other,
            self.own,
            &held.self_seed.expose_bytes(),
        );
        if root_digest != sealed.root_digest || self_digest != sealed.self_digest {
            return Err(OpenError::Digest);
        }
        Ok(held)
    }
}

/// Digest under which a dealer signs its root seed's share for `holder`.
pub fn root_share_digest(sid: &Sid, dealer: Slot, holder: Slot, share: &[u8; 32]) -> Hash {
    Label::RootShareDigest.hash(&[
        sid.as_bytes(),
        &dealer.0.to_be_bytes(),
        &holder.0.to_be_bytes(),
        share,
    ])
}

/// Digest under which a dealer signs its self seed's share for `holder`.
pub fn self_share_digest(sid: &Sid, dealer: Slot, holder: Slot, share: &[u8; 32]) -> Hash {
    Label::SelfShareDigest.hash(&[
        sid.as_bytes(),
        &dealer.0.to_be_bytes(),
        &holder.0.to_be_bytes(),
        share,
    ])
}

/// A share on its way to the coordinator.
pub fn to_revealed(share: &ShareValue) -> RevealedSeed {
    RevealedSeed::new(&share.expose_bytes())
}

// spec: [seal.directional]
fn directional(agreed: &Agreed, sid: &Sid, from: Slot, to: Slot) -> Derived {
    derive(
        agreed.bytes(),
        Label::ShareSeal,
        &[sid.as_bytes(), &from.0.to_be_bytes(), &to.0.to_be_bytes()],
    )
}

// spec: [seal.aad]
fn associated(sid: &Sid, from: Slot, to: Slot) -> Vec<u8> {
    let (version, suite) = (VERSION.to_be_bytes(), SUITE.to_be_bytes());
    let parts: [&[u8]; 5] = [
        &version,
        &suite,
        sid.as_bytes(),
        &from.0.to_be_bytes(),
        &to.0.to_be_bytes(),
    ];
    Label::ShareSeal.prefix(&parts)
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))
}

fn scalar(bytes: &[u8]) -> Result<ShareValue, OpenError> {
    let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes).map_err(|_| OpenError::NotCanonical)?);
    ShareValue::from_canonical_bytes(&bytes).map_err(|_| OpenError::NotCanonical)
}

/// Each key seals once, so the nonce is constant.
const NONCE: [u8; 12] = [0; 12];
