//! The two kinds of field elements: what is shared, and what a holder keeps of it.

use std::fmt;

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A uniform element of the scalar field: what is shared.
///
/// # Security
///
/// In the protocol this is a root seed or a self seed; whoever has it takes the masks derived from
/// it off the member's update.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(Box<Scalar>);

impl Secret {
    /// Draws a uniform element, zero included: 64 random bytes, reduced, so that the bias is below
    /// 2^-250.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut wide = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut *wide);
        Self(Box::new(Scalar::from_bytes_mod_order_wide(&wide)))
    }

    pub(super) fn from_scalar(scalar: Box<Scalar>) -> Self {
        Self(scalar)
    }
}

/// One holder's share of a [`Secret`]: the value of the polynomial at the holder's
/// [`Point`](super::Point).
///
/// # Security
///
/// As many of them as the threshold are the secret itself.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ShareValue(Box<Scalar>);

impl ShareValue {
    pub(super) fn from_scalar(scalar: Box<Scalar>) -> Self {
        Self(scalar)
    }
}

/// Bytes that are not the canonical encoding of a field element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("found an integer not below the group order, wanted a canonical scalar")]
pub struct NonCanonical;

/// What both kinds have in common, written once.
macro_rules! field_element {
    ($kind:ident) => {
        impl $kind {
            /// Reads the 32-byte little-endian encoding.
            ///
            /// # Errors
            ///
            /// The integer is not below the group order: a second encoding of the same element
            /// would pass under another digest.
            pub fn from_canonical_bytes(bytes: &[u8; 32]) -> Result<Self, NonCanonical> {
                // Branches on whether the encoding is canonical, which the refusal makes public
                // anyway.
                Option::from(Scalar::from_canonical_bytes(*bytes))
                    .map(|scalar| Self(Box::new(scalar)))
                    .ok_or(NonCanonical)
            }

            /// The 32-byte little-endian encoding, below the group order.
            ///
            /// # Security
            ///
            /// The bytes are wiped when dropped; copies of them are not.
            pub fn expose_bytes(&self) -> Zeroizing<[u8; 32]> {
                Zeroizing::new(self.0.to_bytes())
            }

            /// Compares without branching on either value.
            pub fn ct_eq(&self, other: &Self) -> Choice {
                self.0.ct_eq(&other.0)
            }

            pub(super) fn scalar(&self) -> &Scalar {
                &self.0
            }
        }

        impl ConstantTimeEq for $kind {
            fn ct_eq(&self, other: &Self) -> Choice {
                self.0.ct_eq(&other.0)
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self(_) = self; // a new field must be decided on here
                f.write_str(concat!(stringify!($kind), "(..)"))
            }
        }
    };
}

field_element!(Secret);
field_element!(ShareValue);
