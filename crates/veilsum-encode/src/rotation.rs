//! A seeded rotation that spreads an update's energy over its coordinates.
//!
//! Not for secrecy: the seed is public and the rotation is undone by anyone. It makes all coordinates about equally
//! large, so that one quantisation range fits them all.
//!
//! The padded vector is read as a matrix in row-major order. Every entry gets a random sign, then each column goes
//! through an orthonormal Walsh-Hadamard transform. A column takes entries that lie far apart in the vector, so
//! layers of different scale share every column.

use rayon::prelude::*;

use crate::keystream::Keystream;

/// The shape of a rotation: `rows`, a power of two, times `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    rows: usize,
    columns: usize,
}

impl Rotation {
    /// The rotation of vectors of `coordinates` entries; `None` if they do not fit the address space.
    pub fn of(coordinates: u64) -> Option<Self> {
        // spec: [encode.rotation.rows]
        let padded = |rows: u64| coordinates.div_ceil(rows).checked_mul(rows);
        let fits = |rows: &u64| {
            padded(*rows).is_some_and(|padded| padded - coordinates <= coordinates / 8)
        };
        let rows = (0..=MAX_ROWS_LOG2)
            .rev()
            .map(|log2| 1_u64 << log2)
            .find(fits)?;
        let columns = usize::try_from(coordinates.div_ceil(rows)).ok()?;
        isize::try_from(padded(rows)?.checked_mul(8)?).ok()?;
        Some(Self {
            rows: usize::try_from(rows).ok()?,
            columns,
        })
    }

    /// Rows of the matrix, a power of two.
    pub const fn rows(self) -> usize {
        self.rows
    }

    /// Entries of the padded vector.
    pub const fn padded(self) -> u64 {
        self.rows as u64 * self.columns as u64
    }

    /// Rotates a padded vector in place.
    pub fn apply(self, vector: &mut [f64], seed: &[u8; 32]) {
        flip_signs(vector, seed);
        self.transform(vector);
    }

    /// Undoes [`apply`](Self::apply), up to rounding.
    pub fn invert(self, vector: &mut [f64], seed: &[u8; 32]) {
        self.transform(vector);
        flip_signs(vector, seed);
    }

    /// The orthonormal Walsh-Hadamard transform of each column; its own inverse.
    fn transform(self, vector: &mut [f64]) {
        // spec: [encode.rotation.transform]
        hadamard(vector, self.columns);
        let scale = 1.0 / (self.rows as f64).sqrt();
        vector
            .par_chunks_mut(PAGE)
            .for_each(|page| page.iter_mut().for_each(|x| *x *= scale));
    }
}

/// Butterflies between the upper and the lower half of the rows, then within each half.
fn hadamard(rows: &mut [f64], columns: usize) {
    if rows.len() <= columns {
        return;
    }
    let (upper, lower) = rows.split_at_mut(rows.len() / 2);
    if upper.len() < PARALLEL_FROM {
        butterflies(upper, lower);
        hadamard(upper, columns);
        hadamard(lower, columns);
    } else {
        upper
            .par_chunks_mut(PAGE)
            .zip(lower.par_chunks_mut(PAGE))
            .for_each(|(upper, lower)| butterflies(upper, lower));
        rayon::join(|| hadamard(upper, columns), || hadamard(lower, columns));
    }
}

// spec: [encode.float]
fn butterflies(upper: &mut [f64], lower: &mut [f64]) {
    for (a, b) in upper.iter_mut().zip(lower) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

/// Negates entry `i` if bit `i` of the sign stream is set.
fn flip_signs(vector: &mut [f64], seed: &[u8; 32]) {
    // spec: [encode.rotation.signs]
    let keystream = Keystream::of_seed(SIGN_LABEL, seed);
    vector
        .par_chunks_mut(PAGE)
        .enumerate()
        .for_each(|(page, entries)| {
            let mut signs = [0_u8; PAGE / 8];
            keystream.read(page as u64 * (PAGE / 8) as u64, &mut signs);
            for (entries, signs) in entries.chunks_mut(8).zip(signs) {
                for (i, entry) in entries.iter_mut().enumerate() {
                    let sign = u64::from(signs >> i & 1) << 63;
                    *entry = f64::from_bits(entry.to_bits() ^ sign);
                }
            }
        });
}

const SIGN_LABEL: &[u8] = b"veilsum rotation signs v1";
const MAX_ROWS_LOG2: u32 = 12;
const PAGE: usize = 4096;
const PARALLEL_FROM: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(len: u64) -> Vec<f64> {
        (0..len)
            .map(|i| {
                (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
            })
            .collect()
    }

    // spec: [encode.rotation.rows]
    #[test]
    fn rows_are_the_largest_power_of_two_that_pads_by_an_eighth_at_most() {
        for (coordinates, rows, padded) in [
            (1, 1, 1),
            (7, 1, 7),
            (8, 8, 8),
            (650, 64, 704),
            (1797, 128, 1920),
            (2048, 2048, 2048),
            (32_768, 4096, 32_768),
            (1_000_000, 4096, 1_003_520),
        ] {
            let rotation = Rotation::of(coordinates).unwrap();
            assert_eq!(
                (rotation.rows(), rotation.padded()),
                (rows, padded),
                "{coordinates} coordinates"
            );
        }
        for coordinates in 1..20_000 {
            let padded = Rotation::of(coordinates).unwrap().padded();
            assert!(padded >= coordinates && 8 * (padded - coordinates) <= coordinates);
        }
        assert_eq!(Rotation::of(u64::MAX), None);
    }

    // spec: [encode.rotation.transform]
    #[test]
    fn inverse_gives_the_vector_back() {
        for coordinates in [1, 7, 650, 1797, 100_000] {
            let rotation = Rotation::of(coordinates).unwrap();
            let vector = sample(rotation.padded());
            let mut turned = vector.clone();
            rotation.apply(&mut turned, &[7; 32]);
            let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert!(
                (norm(&turned) / norm(&vector) - 1.0).abs() < 1e-12,
                "a rotation keeps the norm"
            );
            rotation.invert(&mut turned, &[7; 32]);
            assert!(
                turned
                    .iter()
                    .zip(&vector)
                    .all(|(a, b)| (a - b).abs() < 1e-12)
            );
        }
    }

    // spec: [encode.rotation.transform]
    #[test]
    fn transform_matches_its_matrix() {
        let rotation = Rotation {
            rows: 8,
            columns: 3,
        };
        let vector = sample(24);
        let mut fast = vector.clone();
        rotation.transform(&mut fast);
        for row in 0..8_usize {
            for column in 0..3 {
                let slow: f64 = (0..8_usize)
                    .map(|k| {
                        if (row & k).count_ones() % 2 == 0 {
                            vector[k * 3 + column]
                        } else {
                            -vector[k * 3 + column]
                        }
                    })
                    .sum();
                assert!((fast[row * 3 + column] - slow / 8_f64.sqrt()).abs() < 1e-14);
            }
        }
    }

    // spec: [encode.rotation.signs]
    #[test]
    fn signs_depend_on_the_seed_and_are_balanced() {
        let mut one = vec![1.0; 10_000];
        let mut two = one.clone();
        flip_signs(&mut one, &[1; 32]);
        flip_signs(&mut two, &[2; 32]);
        for signs in [&one, &two] {
            let negative = signs.iter().filter(|x| **x < 0.0).count();
            assert!((4_700..5_300).contains(&negative), "{negative} of 10000");
        }
        assert!((4_700..5_300).contains(&one.iter().zip(&two).filter(|(a, b)| a == b).count()));
    }

    #[test]
    fn a_spike_is_spread_over_its_column() {
        let rotation = Rotation::of(1 << 17).unwrap();
        let mut vector = vec![0.0; 1 << 17];
        vector[12_345] = 64.0;
        rotation.apply(&mut vector, &[3; 32]);
        assert!(vector.iter().all(|x| *x == 0.0 || x.abs() == 1.0));
        assert_eq!(vector.iter().filter(|x| **x != 0.0).count(), 4096);
    }
}
