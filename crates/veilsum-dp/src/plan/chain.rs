//! The hash chain of component seeds: one value opens all later ones and none before. `spec/noise.md`, section 6.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use veilsum_math::KeystreamKey;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What noise is for: seeds of another round, attempt or slot give other noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseContext {
    /// Digest of the task.
    pub task: [u8; 32],
    /// Number of the round.
    pub round: u64,
    /// Number of the attempt.
    pub attempt: u32,
    /// Slot of the member whose noise it is.
    pub slot: u32,
}

/// Seed of a member's base noise, which is never revealed.
///
/// # Security
///
/// It must be 32 fresh random bytes for each attempt, independent of the chain.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct BaseSeed(Box<[u8; 32]>);

/// A value `s_i` of the chain.
///
/// # Security
///
/// It opens components `i` to `m` of its member, and nothing of the base noise. The first value must be 32 fresh random
/// bytes for each attempt. A member reveals one value at most, that of the certified set.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ChainValue(Box<[u8; 32]>);

/// The last value `s_(m+1)`, which no component is drawn from: public, in the member's advert.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainEnd([u8; 32]);

impl BaseSeed {
    /// Takes over fresh random bytes and wipes its argument.
    #[must_use]
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let seed = Self(Box::new(bytes));
        bytes.zeroize();
        seed
    }

    /// The keystream key of the base noise.
    // spec: [noise.chain.base]
    #[must_use]
    pub fn key(&self, context: &NoiseContext) -> KeystreamKey {
        KeystreamKey::new(*expand(&self.0, BASE_LABEL, context, None))
    }
}

impl ChainValue {
    /// Takes over 32 bytes, fresh ones or revealed ones, and wipes its argument.
    #[must_use]
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let value = Self(Box::new(bytes));
        bytes.zeroize();
        value
    }

    /// The value `s_(index + 1)`, this one being `s_index`.
    // spec: [noise.chain.next]
    #[must_use]
    pub fn next(&self, context: &NoiseContext, index: u32) -> Self {
        Self::new(*expand(&self.0, CHAIN_LABEL, context, Some(index)))
    }

    /// The keystream key of component `index`, this value being `s_index`.
    // spec: [noise.chain.component]
    #[must_use]
    pub fn component_key(&self, context: &NoiseContext, index: u32) -> KeystreamKey {
        KeystreamKey::new(*expand(&self.0, COMPONENT_LABEL, context, Some(index)))
    }

    /// Walks the chain: this value is `s_from`, the result `s_to`; calls `visit` with each value before `s_to` and its
    /// index.
    pub(super) fn walk(
        &self,
        context: &NoiseContext,
        from: u32,
        to: u32,
        mut visit: impl FnMut(&Self, u32),
    ) -> Self {
        let mut value = Self::new(*self.0);
        for index in from..to {
            visit(&value, index);
            value = value.next(context, index);
        }
        value
    }

    /// The bytes, as they are revealed.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn end(&self) -> ChainEnd {
        ChainEnd(*self.0)
    }

    // Both sides are public once compared, but a revealed value that does not fit may still be a secret of its member.
    pub(super) fn is_end(&self, end: &ChainEnd) -> bool {
        bool::from(self.0.as_slice().ct_eq(end.0.as_slice()))
    }
}

impl ChainEnd {
    /// From the bytes of an advert.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BaseSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self; // a new field must be decided on here
        f.write_str("BaseSeed(..)")
    }
}

impl fmt::Debug for ChainValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self; // a new field must be decided on here
        f.write_str("ChainValue(..)")
    }
}

impl fmt::Debug for ChainEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// HKDF-SHA-256 without salt; info is `u8(length of label) || label || task || round || attempt || slot [|| index]`,
/// integers big-endian.
// spec: [noise.chain.labels]
fn expand(
    seed: &[u8; 32],
    label: &str,
    context: &NoiseContext,
    index: Option<u32>,
) -> Zeroizing<[u8; 32]> {
    let NoiseContext {
        task,
        round,
        attempt,
        slot,
    } = context;
    let index = index.map(u32::to_be_bytes);
    let length = [u8::try_from(label.len()).unwrap_or(u8::MAX)];
    let info: [&[u8]; 7] = [
        &length,
        label.as_bytes(),
        task,
        &round.to_be_bytes(),
        &attempt.to_be_bytes(),
        &slot.to_be_bytes(),
        index.as_ref().map_or(&[], <[u8; 4]>::as_slice),
    ];
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, seed).expand_multi_info(&info, key.as_mut_slice());
    debug_assert!(
        expanded.is_ok(),
        "32 bytes are within the limit of HKDF-SHA-256"
    );
    key
}

/// Label of the key of the base noise.
pub const BASE_LABEL: &str = "veilsum/1 noise base";
/// Label of the next value of the chain.
pub const CHAIN_LABEL: &str = "veilsum/1 noise chain";
/// Label of the key of a component.
pub const COMPONENT_LABEL: &str = "veilsum/1 noise component";
