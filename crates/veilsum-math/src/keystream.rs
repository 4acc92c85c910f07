//! Keystream.

use std::fmt;

use aes::Aes256;
use cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use ctr::Ctr128BE;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Key of one keystream.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeystreamKey(Box<[u8; 32]>);

impl KeystreamKey {
    /// Takes over a key.
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = Self(Box::new(bytes));
        bytes.zeroize();
        key
    }
}

impl fmt::Debug for KeystreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("KeystreamKey(..)")
    }
}

/// An expanded keystream.
pub struct Keystream {
    key: KeystreamKey,
}

impl Keystream {
    /// Expands a key.
    pub fn new(key: KeystreamKey) -> Self {
        Self { key }
    }

    /// Writes the keystream from byte `byte_offset` on.
    pub fn fill(&self, byte_offset: u64, out: &mut [u8]) {
        out.fill(0);
        let mut cipher = Ctr128BE::<Aes256>::new((&*self.key.0).into(), &[0; 16].into());
        cipher.seek(byte_offset);
        cipher.apply_keystream(out);
    }
}
