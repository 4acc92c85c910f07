//! Not for seeds: whoever draws brings a key that is used for one component of one round and nothing else.
//!
//! What it is for: draws of a law from one or several tables. Value `i` uses the same bytes of the keystream whatever
//! was drawn before, so any range of coordinates can be drawn on its own, by the member and again by the coordinator.
//! `spec/noise.md`, section 4.

mod parts;

use std::fmt;

use thiserror::Error;
use veilsum_math::{Keystream, KeystreamKey};
use zeroize::Zeroizing;

use crate::law::PartLaw;
use crate::table::{Table, TableError};
use crate::{Law, NoiseBound, Rational};

/// Draws of one law: a sum of a few table draws, each times a whole number.
///
/// Compiling takes milliseconds to tenths of a second; drawing uses integers only.
///
/// ```
/// use veilsum_dp::{Law, NoiseStream, Rational, Sampler};
///
/// let sampler = Sampler::compile(&Law::skellam(Rational::integer(50))?)?;
/// let stream = NoiseStream::new(veilsum_math::KeystreamKey::new([7; 32]));
/// let mut all = [0; 1000];
/// sampler.add(&stream, 0, &mut all);
///
/// let mut some = [0; 10];
/// sampler.add(&stream, 500, &mut some);
/// assert_eq!(some, all[500..510]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Law of each table.
    laws: Vec<PartLaw>,
    tables: Vec<Table>,
    terms: Vec<Term>,
    bound: NoiseBound,
    distance: Rational,
}

/// One table draw of a value.
#[derive(Clone, Copy, Debug)]
struct Term {
    table: usize,
    multiplier: i64,
}

/// One table draw of a value, for whoever compares tables: laws and thresholds are public.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    law: &'a PartLaw,
    table: &'a Table,
    multiplier: i64,
}

impl Part<'_> {
    /// What is drawn.
    #[must_use]
    pub const fn law(&self) -> &PartLaw {
        self.law
    }

    /// What the draw is multiplied by, at least 1.
    #[must_use]
    pub const fn factor(&self) -> u64 {
        self.multiplier.unsigned_abs()
    }

    /// Cumulative masses of the magnitudes 0, 1, 2, ... in units of 2^-127, as many as the largest magnitude.
    #[must_use]
    pub fn thresholds(&self) -> Vec<u128> {
        self.table.thresholds()
    }
}

/// Why a law has no sampler.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SamplerError {
    /// A part of the law needs too large a table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Shares of discrete Laplace noise, or a multiple of it, with a scale above the largest table.
    #[error(
        "found discrete Laplace noise of scale {scale} in shares of shape {shape}, the largest table holds scales of up to about {SHARED_SCALE}: take a coarser grid \
         (fewer bits), Skellam noise, whose shares may be as wide as the whole, or let every member add the whole (local)"
    )]
    WideShares {
        /// Scale of the noise.
        scale: Rational,
        /// Shape of a share.
        shape: Rational,
    },
    /// The law would need more table draws a value than allowed.
    #[error(
        "found noise that needs {found} draws a value, wanted at most {PARTS_MAX}; a coarser grid loses nothing then"
    )]
    TooManyParts {
        /// Draws it would need.
        found: u64,
    },
}

/// The keystream of one noise component, wiped on drop.
///
/// # Security
///
/// Whoever holds it can subtract the component. One key serves one component of one member in one attempt; the same
/// key under two updates gives the difference of the updates.
pub struct NoiseStream(Keystream);

impl NoiseStream {
    /// Expands the key of a component.
    #[must_use]
    pub fn new(key: KeystreamKey) -> Self {
        Self(Keystream::new(key))
    }
}

impl fmt::Debug for NoiseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self; // a new field must be decided on here
        f.write_str("NoiseStream(..)")
    }
}

impl Sampler {
    /// Compiles the tables of a law.
    ///
    /// # Errors
    ///
    /// The law is too wide: a part of it exceeds the largest table, or it would need too many draws a value.
    pub fn compile(law: &Law) -> Result<Self, SamplerError> {
        parts::compile(law)
    }

    /// Adds the noise of coordinates `first, first + 1, ...`, all below `2^50`, to `out`, wrapping.
    pub fn add(&self, stream: &NoiseStream, first: u64, out: &mut [i64]) {
        self.accumulate(stream, first, out, 1);
    }

    /// Subtracts what [`Self::add`] adds.
    pub fn subtract(&self, stream: &NoiseStream, first: u64, out: &mut [i64]) {
        self.accumulate(stream, first, out, -1);
    }

    /// Writes the noise of coordinates `first, first + 1, ...` of a component key over `out`.
    ///
    /// # Security
    ///
    /// See [`NoiseStream`]: a key serves one component once.
    pub fn fill(&self, key: KeystreamKey, first: u64, out: &mut [i64]) {
        out.fill(0);
        self.add(&NoiseStream::new(key), first, out);
    }

    /// The table draws of a value, in the order in which they take their bytes of the keystream.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.terms.iter().map(|term| Part {
            law: &self.laws[term.table],
            table: &self.tables[term.table],
            multiplier: term.multiplier,
        })
    }

    /// Largest magnitude of one value.
    #[must_use]
    pub const fn bound(&self) -> NoiseBound {
        self.bound
    }

    /// Proven upper bound of the total variation distance between one value and the law.
    #[must_use]
    pub const fn distance(&self) -> &Rational {
        &self.distance
    }

    /// Bytes of all tables; each alone is at most [`crate::TABLE_BYTES_MAX`].
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.tables.iter().map(Table::bytes).sum()
    }

    // spec: [noise.draw.seek]
    fn accumulate(&self, stream: &NoiseStream, first: u64, out: &mut [i64], sign: i64) {
        let stride = self.terms.len();
        let page = (PAGE_DRAWS / stride).max(1);
        let mut bytes = Zeroizing::new(vec![[0u8; DRAW_BYTES]; page * stride]);
        for (number, out) in (0u64..).zip(out.chunks_mut(page)) {
            let value = first + number * page as u64;
            let drawn = &mut bytes[..out.len() * stride];
            let offset = value * (stride * DRAW_BYTES) as u64;
            stream.0.fill(offset, drawn.as_flattened_mut());
            for (index, term) in self.terms.iter().enumerate() {
                let table = &self.tables[term.table];
                table.add(drawn, index, stride, sign * term.multiplier, out);
            }
        }
    }
}

/// Most table draws a value may take.
pub const PARTS_MAX: u64 = 64;

/// Largest scale of shares, in words: shape 1 ends at 211, shares of a hundred members at 235.
const SHARED_SCALE: u32 = 210;

/// Bytes of keystream for one table draw.
const DRAW_BYTES: usize = 16;

/// Table draws whose keystream is made at once: 16 KiB, which stay in the L1 cache.
const PAGE_DRAWS: usize = 1024;

#[cfg(test)]
mod tests;
