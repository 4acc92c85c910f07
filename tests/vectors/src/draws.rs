//! Not a source of randomness: hands a machine the named draws of a vector, in the order in which the machine asks.

use crate::bytes::Bytes;
use rand_core::utils::next_word_via_fill;
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

/// Draws by name, as in the vectors.
pub type Named = BTreeMap<String, Bytes>;

/// The draws that are left.
#[derive(Debug, Default)]
pub struct Draws {
    queue: VecDeque<Vec<u8>>,
    wrong: Option<String>,
}

impl Draws {
    /// In this order.
    pub fn new(draws: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            queue: draws.into_iter().collect(),
            wrong: None,
        }
    }

    /// A member's secrets in the order in which our machine draws them: keys and seeds, noise, both polynomials, rounding.
    ///
    /// Our machine draws a noise chain with every noise; where the task has no use for one, the vectors name none.
    pub fn of_member(named: &Named) -> Self {
        let one = |name: &str| named.get(name).map(|Bytes(bytes)| bytes.clone());
        let chain = one("noise chain").or_else(|| one("noise base seed").map(|_| vec![0; 32]));
        let secrets = [
            one("seal key"),
            one("root seed"),
            one("self seed"),
            one("noise base seed"),
            chain,
        ];
        let coefficients = ["root", "self"].map(|of| {
            let numbered = (1..).map(move |i| one(&format!("{of} coefficient {i}")));
            numbered.map_while(|draw| draw)
        });
        let rounding = one("rounding key");
        Self::new(
            secrets
                .into_iter()
                .flatten()
                .chain(coefficients.into_iter().flatten())
                .chain(rounding),
        )
    }

    /// What was asked for that the vectors do not name.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }
}

/// Draws of another source, noted as they are drawn.
pub struct Noted<'a> {
    rng: &'a mut dyn CryptoRng,
    drawn: Vec<Vec<u8>>,
}

impl<'a> Noted<'a> {
    /// Nothing drawn yet.
    pub fn new(rng: &'a mut dyn CryptoRng) -> Self {
        Self {
            rng,
            drawn: Vec::new(),
        }
    }

    /// What was drawn, once more.
    pub fn again(self) -> Draws {
        Draws::new(self.drawn)
    }
}

impl TryRng for Noted<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(out);
        self.drawn.push(out.to_vec());
        Ok(())
    }
}

impl TryCryptoRng for Noted<'_> {}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        match self.queue.pop_front() {
            Some(draw) if draw.len() == out.len() => out.copy_from_slice(&draw),
            draw => {
                let next = draw.map_or(0, |draw| draw.len());
                self.wrong = Some(format!(
                    "{} random bytes are asked for, the next draw has {next}",
                    out.len()
                ));
            }
        }
        Ok(())
    }
}

impl TryCryptoRng for Draws {}
