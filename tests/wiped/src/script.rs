//! Generators: one that writes down what it gave, and one that gives what was written down.

use rand_core::utils::next_word_via_fill;
use rand_core::{Infallible, TryCryptoRng, TryRng};
use veilsum_math::{Keystream, KeystreamKey};
use zeroize::Zeroizing;

/// Bytes of one draw.
pub type Draw = Zeroizing<Vec<u8>>;

/// A generator of a seed, without a buffer in which its output would stay. While it records, what it gave is kept.
pub struct Recorder {
    stream: Keystream,
    given: u64,
    draws: Option<Vec<Draw>>,
}

impl Recorder {
    /// The generator of a seed.
    pub fn new(seed: u64, records: bool) -> Self {
        let mut key = [0; 32];
        let (start, _) = key.split_at_mut(8);
        start.copy_from_slice(&seed.to_le_bytes());
        Self {
            stream: Keystream::new(KeystreamKey::new(key)),
            given: 0,
            draws: records.then(Vec::new),
        }
    }

    /// What it gave, if it records.
    pub fn draws(&self) -> &[Draw] {
        self.draws.as_deref().unwrap_or_default()
    }
}

impl TryRng for Recorder {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.stream.fill(self.given, out);
        self.given += out.len() as u64;
        if let Some(draws) = &mut self.draws {
            draws.push(Zeroizing::new(out.to_vec()));
        }
        Ok(())
    }
}

impl TryCryptoRng for Recorder {}

/// Gives one draw again, and after it zeros.
pub struct Again<'a>(pub &'a [u8]);

impl TryRng for Again<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0);
        out.iter_mut()
            .zip(self.0)
            .for_each(|(out, byte)| *out = *byte);
        Ok(())
    }
}

impl TryCryptoRng for Again<'_> {}
