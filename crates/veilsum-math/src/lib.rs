//! Not a protocol and not an encoding: nothing here knows who a vector belongs to, what its lanes
//! mean, or how a key was agreed. It gives no authenticity either, and a mask hides a vector only
//! if its key is used once.
//!
//! What it is for: the three pieces of arithmetic that Veilsum stands on.
//!
//! - [`ring`]: vectors of 64-bit limbs, cut into [`BLOCK_LIMBS`]-limb blocks that each are one
//!   little-endian integer;
//! - [`keystream`] and [`mask`]: AES-256 in counter mode, added to or subtracted from those blocks
//!   for many keys in one pass;
//! - [`sharing`]: Shamir's secret sharing over the scalar field of Curve25519.
//!
//! ```
//! use veilsum_math::{Blocks, KeystreamKey, Mask, Sign, Threads, apply_masks};
//!
//! let mut vector = Blocks::from_limbs(vec![7; 5000]);
//! apply_masks(&mut vector, &[Mask::new(KeystreamKey::new([1; 32]), Sign::Add)], Threads::One);
//! assert_ne!(vector.limbs(), [7; 5000]);
//!
//! apply_masks(&mut vector, &[Mask::new(KeystreamKey::new([1; 32]), Sign::Subtract)], Threads::One);
//! assert_eq!(vector.limbs(), [7; 5000]);
//! ```

pub mod backend;
mod deferred;
pub mod keystream;
pub mod mask;
pub mod ring;
pub mod sharing;
mod threads;

pub use backend::Backend;
pub use keystream::{Keystream, KeystreamKey};
pub use mask::{Mask, Sign, apply_masks, apply_masks_to_block};
pub use ring::{BLOCK_BYTES, BLOCK_LIMBS, Blocks, LengthMismatch, PartialLimb};
pub use sharing::{
    Lagrange, LagrangeCache, NonCanonical, Point, Secret, ShareValue, SharingError, split,
    split_over,
};
pub use threads::Threads;
