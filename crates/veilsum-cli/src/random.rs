//! Randomness of the operating system.

use crate::exit::Failure;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};

/// A cryptographic generator seeded by the operating system.
pub fn rng() -> Result<StdRng, Failure> {
    StdRng::try_from_rng(&mut SysRng).map_err(|error| {
        Failure::failed(format_args!(
            "no randomness of the operating system: {error}"
        ))
    })
}
