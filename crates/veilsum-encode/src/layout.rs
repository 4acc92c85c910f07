//! Where lanes lie in ring blocks.

use veilsum_math::ring::BLOCK_LIMBS;

/// Lanes of equal width in blocks of 4 096 limbs.
///
/// A block is one little-endian integer; lane `j` of it takes bits `j b` to `(j + 1) b - 1`. A full block holds
/// floor(262144 / b) lanes, none crosses its border, and the fewer than `b` bits left at its top are zero. The last
/// block has as many limbs as its lanes need.
///
/// ```
/// use veilsum_encode::Layout;
///
/// let layout = Layout::new(100_000, 20).expect("fits");
/// assert_eq!(layout.lanes_per_block(), 13_107); // 4 bits of padding
/// assert_eq!((layout.blocks(), layout.limbs()), (8, 7 * 4096 + 2579));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    lanes: u64,
    lane_bits: u8,
    limbs: usize,
}

impl Layout {
    /// A layout of at least one lane of 1 to 64 bits; `None` otherwise, or if the unpacked lanes would not fit the
    /// address space.
    #[must_use]
    pub fn new(lanes: u64, lane_bits: u8) -> Option<Self> {
        if lanes == 0 || !(1..=64).contains(&lane_bits) {
            return None;
        }
        // spec: [encode.layout.last]
        let per_block = lanes_per_block(lane_bits);
        let rest = (lanes - 1) % per_block + 1;
        let full = (lanes - 1) / per_block;
        let last = (rest * u64::from(lane_bits)).div_ceil(64);
        let limbs = full.checked_mul(BLOCK_LIMBS as u64)?.checked_add(last)?;
        let fits = |words: u64| isize::try_from(words.checked_mul(8)?).ok();
        fits(lanes)?;
        fits(limbs)?;
        Some(Self {
            lanes,
            lane_bits,
            limbs: usize::try_from(limbs).ok()?,
        })
    }

    /// Number of lanes.
    #[must_use]
    pub const fn lanes(&self) -> u64 {
        self.lanes
    }

    /// Width of a lane, 1 to 64 bits.
    #[must_use]
    pub const fn lane_bits(&self) -> u8 {
        self.lane_bits
    }

    /// Whole lanes in a full block: floor(262144 / lane bits).
    #[must_use]
    pub const fn lanes_per_block(&self) -> u64 {
        lanes_per_block(self.lane_bits)
    }

    /// Limbs of all blocks.
    #[must_use]
    pub const fn limbs(&self) -> usize {
        self.limbs
    }

    /// Number of blocks, the short last one included.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.limbs.div_ceil(BLOCK_LIMBS)
    }

    /// Bytes of all blocks, in memory as on the wire.
    #[must_use]
    pub const fn packed_bytes(&self) -> usize {
        self.limbs * 8
    }
}

const fn lanes_per_block(lane_bits: u8) -> u64 {
    // spec: [encode.layout.border]
    BLOCK_LIMBS as u64 * 64 / lane_bits as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: [encode.layout.border] [encode.layout.last]
    #[test]
    fn limbs_follow_the_stated_formula_for_every_width() {
        for bits in 1..=64_u8 {
            let per_block = 262_144 / u64::from(bits);
            for lanes in [
                1,
                63,
                per_block - 1,
                per_block,
                per_block + 1,
                3 * per_block,
                3 * per_block + 7,
            ] {
                let layout = Layout::new(lanes, bits).unwrap();
                let (mut rest, mut limbs, mut blocks) = (lanes, 0, 0);
                while rest > 0 {
                    let here = rest.min(per_block);
                    let full = rest > per_block;
                    limbs += if full {
                        4096
                    } else {
                        (here * u64::from(bits)).div_ceil(64)
                    };
                    rest -= here;
                    blocks += 1;
                }
                assert_eq!(
                    (layout.limbs() as u64, layout.blocks()),
                    (limbs, blocks),
                    "{lanes} lanes of {bits}"
                );
            }
        }
    }

    #[test]
    fn impossible_layouts_are_refused() {
        assert_eq!(Layout::new(0, 8), None);
        assert_eq!(Layout::new(8, 0), None);
        assert_eq!(Layout::new(8, 65), None);
        assert_eq!(
            Layout::new(u64::MAX, 1),
            None,
            "packed it would fit, unpacked it does not"
        );
        assert_eq!(Layout::new(u64::MAX, 64), None);
    }
}
