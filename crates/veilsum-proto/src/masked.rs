//! A vector's way through a round: masked by its member, added up by the coordinator, unmasked once the survivors stand.
//!
//! The types carry the promises: only a [`Contribution`] can be masked, only a [`MaskedUpdate`] leaves a member, only
//! [`Survivors`] turn what was added up into a [`Sum`].
//!
//! ```compile_fail
//! // A contribution has no encoding: it cannot be sent before it is masked.
//! fn send(contribution: veilsum_encode::Contribution) -> Vec<u8> {
//!     contribution.to_le_bytes()
//! }
//! ```
//!
//! ```compile_fail
//! // A sum needs survivors with a certificate, not just a set of slots.
//! fn early(added: veilsum_proto::masked::Accumulator, slots: veilsum_proto::bitmap::Bitmap) {
//!     let _ = added.unmask(slots, &[], veilsum_math::Threads::One);
//! }
//! ```

use crate::certificate::Survivors;
use crate::ids::Hash;
use sha2::{Digest as _, Sha256};
use std::fmt;
use veilsum_encode::{Contribution, PackedSum};
use veilsum_math::{Blocks, LengthMismatch, Mask, PartialLimb, Threads, apply_masks};

/// A member's vector under its masks: all that the coordinator ever gets of it.
#[derive(PartialEq, Eq)]
pub struct MaskedUpdate(Blocks);

impl MaskedUpdate {
    /// Puts all masks on a contribution, in place.
    // spec: [mask.keystream]
    pub(crate) fn mask(contribution: Contribution, masks: &[Mask], threads: Threads) -> Self {
        let mut blocks = contribution.into_blocks();
        apply_masks(&mut blocks, masks, threads);
        Self(blocks)
    }

    /// A masked update as it came from the wire; any limbs are one.
    pub fn from_blocks(blocks: Blocks) -> Self {
        Self(blocks)
    }

    /// A masked update from little-endian limbs.
    ///
    /// # Errors
    ///
    /// [`PartialLimb`] when the length is no multiple of 8.
    // spec: [wire.vector]
    pub fn from_le_bytes(bytes: &[u8]) -> Result<Self, PartialLimb> {
        Blocks::from_le_bytes(bytes).map(Self)
    }

    /// The masked blocks.
    pub fn blocks(&self) -> &Blocks {
        &self.0
    }

    /// Length in limbs.
    pub fn limbs(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for MaskedUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedUpdate({} limbs)", self.0.len())
    }
}

/// A masked update where it lies: what a coordinator has of one that came from the wire.
#[derive(Clone, Copy)]
pub struct MaskedLimbs<'a>(&'a [u64]);

impl<'a> MaskedLimbs<'a> {
    /// Limbs as they came from the wire; any are a masked update.
    // spec: [wire.vector]
    pub fn from_wire(limbs: &'a [u64]) -> Self {
        Self(limbs)
    }

    /// The limbs.
    pub fn limbs(&self) -> &'a [u64] {
        self.0
    }
}

impl<'a> From<&'a MaskedUpdate> for MaskedLimbs<'a> {
    fn from(update: &'a MaskedUpdate) -> Self {
        Self(update.0.limbs())
    }
}

impl fmt::Debug for MaskedLimbs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedLimbs({} limbs)", self.0.len())
    }
}

/// The running sum of masked updates. One vector, however many members.
#[derive(Debug)]
pub struct Accumulator(Blocks);

impl Accumulator {
    /// Nothing added yet; `limbs` long.
    pub fn new(limbs: usize) -> Self {
        Self(Blocks::zeroed(limbs))
    }

    /// Adds one whole masked update.
    ///
    /// # Errors
    ///
    /// [`LengthMismatch`] when it has another length; nothing is added then.
    pub fn add<'a>(&mut self, update: impl Into<MaskedLimbs<'a>>) -> Result<(), LengthMismatch> {
        self.0.add_limbs(update.into().0)
    }

    /// Length in limbs.
    pub fn limbs(&self) -> usize {
        self.0.len()
    }

    /// Takes the masks off that do not cancel, which the certified survivors' answers gave.
    pub fn unmask(self, survivors: Survivors, masks: &[Mask], threads: Threads) -> Sum {
        let mut blocks = self.0;
        apply_masks(&mut blocks, masks, threads);
        Sum {
            packed: PackedSum::new(blocks, survivors.count()),
            survivors,
        }
    }
}

/// The sum of the contributions of certified survivors, packed; less the surplus of their noise, where there is one.
#[derive(Debug)]
pub struct Sum {
    packed: PackedSum,
    survivors: Survivors,
}

impl Sum {
    /// The same survivors' sum once surplus noise was taken off its lanes.
    pub(crate) fn repacked(self, packed: PackedSum) -> Self {
        Self { packed, ..self }
    }

    /// The packed lanes, for decoding.
    pub fn packed(&self) -> &PackedSum {
        &self.packed
    }

    /// Whose contributions it holds.
    pub fn survivors(&self) -> &Survivors {
        &self.survivors
    }

    /// SHA-256 over the packed sum as little-endian limbs, as receipts name it.
    pub fn digest(&self) -> Hash {
        let blocks = self.packed.blocks();
        let bytes = (0..blocks.block_count()).filter_map(|index| blocks.le_bytes_of_block(index));
        let digest = bytes.fold(Sha256::new(), |digest, block| digest.chain_update(block));
        Hash(digest.finalize().into())
    }
}
