//! The search: what runs once per value, on secrets.

use super::Table;

impl Table {
    /// Adds `multiplier` times the value of each draw to `out`. Draw `i` is the 16 bytes of `bytes` at
    /// `16 * (first + i * stride)`, little-endian: bit 127 is the sign, the others the point on the cumulative
    /// distribution.
    ///
    /// Every value takes `depth` steps of one comparison; nothing branches on a secret.
    // spec: [noise.table.steps] [noise.draw]
    pub fn add(
        &self,
        bytes: &[[u8; 16]],
        first: usize,
        stride: usize,
        multiplier: i64,
        out: &mut [i64],
    ) {
        let (groups, rest) = out.as_chunks_mut::<LANES>();
        let mut at = first;
        for group in groups {
            let mut words = [0; LANES];
            for word in &mut words {
                *word = u128::from_le_bytes(bytes[at]);
                at += stride;
            }
            let values = self.values(words);
            for (out, value) in group.iter_mut().zip(values) {
                *out = out.wrapping_add(multiplier.wrapping_mul(value));
            }
        }
        for out in rest {
            let [value] = self.values([u128::from_le_bytes(bytes[at])]);
            *out = out.wrapping_add(multiplier.wrapping_mul(value));
            at += stride;
        }
    }

    /// One signed value per word. Several searches run side by side, so that their loads overlap.
    #[inline]
    fn values<const N: usize>(&self, words: [u128; N]) -> [i64; N] {
        let mask = self.tree.len() - 1;
        let points = words.map(|word| word & (u128::MAX >> 1));
        let mut nodes = [1usize; N];
        for _ in 0..self.depth {
            for (node, point) in nodes.iter_mut().zip(&points) {
                // The mask changes nothing; with it the bounds check is gone.
                let right = *point >= self.tree[*node & mask];
                *node = 2 * *node + usize::from(right);
            }
        }
        let mut values = [0; N];
        for ((value, node), word) in values.iter_mut().zip(nodes).zip(words) {
            let magnitude = (node - self.tree.len()) as i64;
            let sign = (word >> 127) as i64;
            *value = (magnitude ^ -sign) + sign;
        }
        values
    }
}

/// Searches side by side.
const LANES: usize = 8;
