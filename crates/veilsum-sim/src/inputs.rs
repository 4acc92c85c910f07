//! What members contribute: integers from a stated formula or from a matrix, one row a member, made when needed.

use veilsum_proto::ids::Slot;

/// Rows of integers, one per slot.
pub trait Inputs: Sync {
    /// Coordinates of each row.
    fn coordinates(&self) -> usize;

    /// The row of `slot`.
    fn row(&self, slot: Slot) -> Vec<i64>;
}

/// Inputs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Not one row per member.
    #[error("inputs have {got} rows, the round has {want} members")]
    Rows {
        /// Rows found.
        got: usize,
        /// Members.
        want: u32,
    },
    /// Values that do not fill whole rows.
    #[error("inputs have {got} values, {rows} rows of {coordinates} coordinates need {want}")]
    Values {
        /// Values found.
        got: usize,
        /// Values wanted.
        want: usize,
        /// Rows.
        rows: usize,
        /// Coordinates.
        coordinates: usize,
    },
    /// A value that the task's range does not hold.
    #[error(
        "input of member {slot} at coordinate {coordinate} is {got}, {bits} bits hold 0 to {max}"
    )]
    Range {
        /// Member.
        slot: Slot,
        /// Coordinate.
        coordinate: usize,
        /// Value found.
        got: i64,
        /// Bits of the task.
        bits: u8,
        /// Largest value.
        max: i64,
    },
}

/// `x[slot][j]` = the top `bits` bits of `splitmix64(seed + 2^32 * slot + j + 1)`, where `splitmix64(i)` is the i-th output of the
/// generator of that name (Steele, Lea, Flood 2014) from state 0: the finaliser applied to `i * 0x9E3779B97F4A7C15` modulo 2^64.
#[derive(Clone, Copy, Debug)]
pub struct Formula {
    /// Seed.
    pub seed: u64,
    /// Coordinates of each row.
    pub coordinates: usize,
    /// Bits of each value, 1 to 62.
    pub bits: u8,
}

impl Formula {
    /// Value of one coordinate.
    pub fn value(&self, slot: Slot, coordinate: u64) -> i64 {
        let index = self
            .seed
            .wrapping_add(u64::from(slot.0) << 32)
            .wrapping_add(coordinate)
            .wrapping_add(1);
        let shift = 64u32.saturating_sub(u32::from(self.bits));
        (splitmix64(index) >> shift).cast_signed()
    }
}

impl Inputs for Formula {
    fn coordinates(&self) -> usize {
        self.coordinates
    }

    fn row(&self, slot: Slot) -> Vec<i64> {
        (0..self.coordinates as u64)
            .map(|coordinate| self.value(slot, coordinate))
            .collect()
    }
}

/// Rows that are held.
#[derive(Clone, Debug)]
pub struct Matrix {
    values: Vec<i64>,
    coordinates: usize,
}

impl Matrix {
    /// A matrix of `members` rows in row-major order, all values within 0 to 2^bits - 1.
    ///
    /// # Errors
    ///
    /// [`InputError`] when values do not fill the rows, or one is out of range; it is named.
    pub fn new(
        values: Vec<i64>,
        rows: usize,
        coordinates: usize,
        members: u32,
        bits: u8,
    ) -> Result<Self, InputError> {
        if rows != members as usize {
            return Err(InputError::Rows {
                got: rows,
                want: members,
            });
        }
        let want = rows.saturating_mul(coordinates);
        if values.len() != want || coordinates == 0 {
            return Err(InputError::Values {
                got: values.len(),
                want,
                rows,
                coordinates,
            });
        }
        let max = largest(bits);
        if let Some(index) = values.iter().position(|value| !(0..=max).contains(value)) {
            return Err(InputError::Range {
                slot: Slot(
                    u32::try_from(index.checked_div(coordinates).unwrap_or(0)).unwrap_or(u32::MAX),
                ),
                coordinate: index.checked_rem(coordinates).unwrap_or(0),
                got: values.get(index).copied().unwrap_or_default(),
                bits,
                max,
            });
        }
        Ok(Self {
            values,
            coordinates,
        })
    }
}

impl Inputs for Matrix {
    fn coordinates(&self) -> usize {
        self.coordinates
    }

    fn row(&self, slot: Slot) -> Vec<i64> {
        let row = self
            .values
            .chunks_exact(self.coordinates.max(1))
            .nth(slot.index());
        row.map(<[i64]>::to_vec).unwrap_or_default()
    }
}

/// Largest value of `bits` bits.
pub(crate) fn largest(bits: u8) -> i64 {
    (1i64 << bits.min(62)).saturating_sub(1)
}

fn splitmix64(index: u64) -> u64 {
    let mut z = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // First outputs of splitmix64 from state 0, as published with xoshiro's seeding code.
        assert_eq!(splitmix64(1), 0xE220_A839_7B1D_CDAF);
        assert_eq!(splitmix64(2), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn values_fit_their_bits() {
        let formula = Formula {
            seed: 7,
            coordinates: 1000,
            bits: 5,
        };
        let row = formula.row(Slot(3));
        assert!(row.iter().all(|value| (0..32).contains(value)));
        assert!(row.contains(&31) && row.contains(&0));
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let refused = Matrix::new(vec![0, 1, 2, 4], 2, 2, 2, 2).unwrap_err();
        assert!(matches!(
            refused,
            InputError::Range {
                slot: Slot(1),
                coordinate: 1,
                got: 4,
                ..
            }
        ));
        assert!(matches!(
            Matrix::new(vec![0; 4], 2, 2, 3, 2),
            Err(InputError::Rows { .. })
        ));
    }
}
