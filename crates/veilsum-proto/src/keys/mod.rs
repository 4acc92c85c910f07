//! Keys and seeds of one attempt and what is derived from them; `spec/crypto.md`, "Key schedule".
//!
//! Everything here lives in memory only, is wiped on drop and cannot be cloned. Identities are in [`crate::identity`].

mod agreement;
mod pair;
mod root;
mod seal;
mod self_seed;
#[cfg(test)]
mod tests;

pub use agreement::{Agreed, NotContributory};
pub use pair::{PairSeed, pair_mask_sign};
pub use root::RootSeed;
#[cfg(feature = "vectors")]
pub use root::pair_seed_of_mask_key;
pub use seal::{
    HeldShare, OpenError, SealKey, SealingKey, root_share_digest, self_share_digest, to_revealed,
};
pub use self_seed::SelfSeed;
#[cfg(feature = "vectors")]
pub use self_seed::self_mask_of_bytes;

use crate::label::Label;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A derived key. Boxed: a move leaves no copy behind.
// spec: [key.memory]
type Derived = Box<Zeroizing<[u8; 32]>>;

/// HKDF-SHA-256 without salt; the info is the label with its parts.
// spec: [key.hkdf]
fn derive(secret: &[u8; 32], label: Label, parts: &[&[u8]]) -> Derived {
    let mut key = Box::new(Zeroizing::new([0; 32]));
    let expanded =
        Hkdf::<Sha256>::new(None, secret).expand(&label.prefix(parts), key.as_mut_slice());
    debug_assert!(
        expanded.is_ok(),
        "32 bytes are within the limit of HKDF-SHA-256"
    );
    key
}
