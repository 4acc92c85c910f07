//! Bytes from a key, readable from any position: public rotation signs and a member's rounding randomness.
//!
//! Not for masks; those are expanded in `veilsum-math`.

use aes::Aes256;
use cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use ctr::Ctr128BE;
use sha2::{Digest, Sha256};
use zeroize::ZeroizeOnDrop;

/// AES-256 in counter mode with a big-endian 128-bit counter from zero.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Keystream(Box<[u8; 32]>);

impl Keystream {
    /// The stream under a key.
    pub const fn new(key: Box<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The stream under SHA-256(label, seed).
    pub fn of_seed(label: &[u8], seed: &[u8; 32]) -> Self {
        let key = Sha256::new()
            .chain_update(label)
            .chain_update(seed)
            .finalize();
        Self(Box::new(key.into()))
    }

    /// Reads the bytes from position `from` on.
    pub fn read(&self, from: u64, out: &mut [u8]) {
        let mut cipher = Ctr128BE::<Aes256>::new((&*self.0).into(), &[0; 16].into());
        cipher.seek(from);
        out.fill(0);
        cipher.apply_keystream(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_same_as_in_the_whole() {
        let stream = Keystream::of_seed(b"test", &[9; 32]);
        let mut whole = [0; 100];
        let mut part = [0; 40];
        stream.read(0, &mut whole);
        stream.read(37, &mut part);
        assert_eq!(part, whole[37..77]);
    }
}
