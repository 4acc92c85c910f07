//! From a packed sum back to integers and floats.
//!
//! Decoding is total: whatever the limbs, it ends in a sum or in an error.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod error;
mod integer;
mod packed;
mod removal;

pub use self::error::DecodeError;
pub use self::integer::{IntegerSum, sha256_of_values};
pub use self::packed::PackedSum;
use crate::Plan;

fn check_contributors(found: u32, plan: &Plan) -> Result<(), DecodeError> {
    // spec: [encode.decode.contributors]
    if (1..=plan.enrolled()).contains(&found) {
        Ok(())
    } else {
        Err(DecodeError::Contributors {
            found,
            enrolled: plan.enrolled(),
        })
    }
}

/// Values that are handled in one go.
const PAGE: usize = 4096;
