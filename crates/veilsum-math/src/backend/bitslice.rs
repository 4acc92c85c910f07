//! AES on bit planes: plane `j` holds bit `j` of every byte of the state, so that the S-box is a
//! circuit of ANDs and XORs. There is no table and no branch, hence no time and no address that
//! depends on a key.
//!
//! A 64-bit plane word holds four AES blocks: the byte of row `r` and column `c` of block `b` is at
//! bit `16 r + 4 c + b`. ShiftRows is then a rotation inside 16-bit rows, MixColumns rotations by
//! whole rows. `N` words side by side are what the compiler puts into vector registers.

use std::array;

use zeroize::Zeroize;

/// The states of `4 N` AES blocks: eight planes of `N` words, the lowest bit first.
#[derive(Zeroize)]
pub(super) struct State<const N: usize>([[u64; N]; 8]);

impl<const N: usize> State<N> {
    /// Slices blocks into planes.
    pub(super) fn load(blocks: &[[[u8; 16]; 4]; N]) -> Self {
        let mut state = Self([[0; N]; 8]);
        for (n, four) in blocks.iter().enumerate() {
            for (b, block) in four.iter().enumerate() {
                let (even, odd) = interleave(block);
                state.0[b][n] = even;
                state.0[b + 4][n] = odd;
            }
        }
        state.transpose();
        state
    }

    /// Puts planes together to blocks again.
    pub(super) fn store(mut self) -> [[[u8; 16]; 4]; N] {
        self.transpose();
        let blocks =
            array::from_fn(|n| array::from_fn(|b| deinterleave(self.0[b][n], self.0[b + 4][n])));
        self.zeroize();
        blocks
    }

    /// XORs a round key, given as planes that are the same for all words.
    pub(super) fn add_round_key(&mut self, round_key: &[u64; 8]) {
        self.for_each_word(|planes| array::from_fn(|j| planes[j] ^ round_key[j]));
    }

    /// SubBytes without its constant: every byte comes out XORed with [`SBOX_CONSTANT`]. ShiftRows
    /// and MixColumns keep a state of equal bytes, so whoever adds the next round key adds the
    /// constant to it beforehand.
    pub(super) fn sub_bytes(&mut self) {
        self.for_each_word(s_box_circuit);
    }

    /// ShiftRows: row `r` moves by `r` columns, 4 bits each, inside its 16 bits.
    pub(super) fn shift_rows(&mut self) {
        self.for_each_word(|planes| {
            planes.map(|x| {
                (x & 0x0000_0000_0000_ffff)
                    | ((x & 0x0000_0000_fff0_0000) >> 4)
                    | ((x & 0x0000_0000_000f_0000) << 12)
                    | ((x & 0x0000_ff00_0000_0000) >> 8)
                    | ((x & 0x0000_00ff_0000_0000) << 8)
                    | ((x & 0xf000_0000_0000_0000) >> 12)
                    | ((x & 0x0fff_0000_0000_0000) << 4)
            })
        });
    }

    /// MixColumns: with the row below as `b`, every byte `a` becomes `2 (a + b) + b` plus the same
    /// `a + b` two rows down.
    pub(super) fn mix_columns(&mut self) {
        self.for_each_word(|planes| {
            let below = planes.map(|x| x.rotate_right(16));
            let both: [u64; 8] = array::from_fn(|j| planes[j] ^ below[j]);
            // Doubling moves planes up by one and reduces by x^8 = x^4 + x^3 + x + 1.
            let [b0, b1, b2, b3, b4, b5, b6, b7] = both;
            let doubled = [b7, b0 ^ b7, b1, b2 ^ b7, b3 ^ b7, b4, b5, b6];
            array::from_fn(|j| doubled[j] ^ below[j] ^ both[j].rotate_right(32))
        });
    }

    /// Swaps the number of a plane with the lowest three bits of a position in it; its own inverse.
    fn transpose(&mut self) {
        self.for_each_word(|mut planes| {
            for (distance, low) in SWAPS {
                for i in (0..8).filter(|i| i & distance == 0) {
                    let (a, b) = (planes[i], planes[i + distance]);
                    planes[i] = (a & low) | ((b & low) << distance);
                    planes[i + distance] = ((a & !low) >> distance) | (b & !low);
                }
            }
            planes
        });
    }

    /// The same for each word, of which the compiler does several at once.
    #[inline(always)]
    fn for_each_word(&mut self, step: impl Fn([u64; 8]) -> [u64; 8]) {
        for n in 0..N {
            let planes = step(array::from_fn(|j| self.0[j][n]));
            for (plane, word) in self.0.iter_mut().zip(planes) {
                plane[n] = word;
            }
        }
    }
}

impl State<1> {
    /// The planes of one round key, the same for each of the four blocks of a word.
    pub(super) fn round_key(round_key: &[u8; 16]) -> [u64; 8] {
        let mut state = Self::load(&[[*round_key; 4]]);
        let planes = state.0.map(|[plane]| plane);
        state.zeroize();
        planes
    }
}

/// What [`State::sub_bytes`] leaves out: the constant of the S-box's affine map.
pub(super) const SBOX_CONSTANT: u8 = 0x63;

/// Pairs of planes and the halves of bits that they exchange, from neighbours outwards.
const SWAPS: [(usize, u64); 3] = [
    (1, 0x5555_5555_5555_5555),
    (2, 0x3333_3333_3333_3333),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
];

/// The S-box as the circuit of Boyar, Peralta and Calik with 113 gates ("SLP_AES_113"), without its
/// four NOTs.
#[inline(always)]
fn s_box_circuit([u7, u6, u5, u4, u3, u2, u1, u0]: [u64; 8]) -> [u64; 8] {
    // Top linear layer.
    let y14 = u3 ^ u5;
    let y13 = u0 ^ u6;
    let y9 = u0 ^ u3;
    let y8 = u0 ^ u5;
    let t0 = u1 ^ u2;
    let y1 = t0 ^ u7;
    let y4 = y1 ^ u3;
    let y12 = y13 ^ y14;
    let y2 = y1 ^ u0;
    let y5 = y1 ^ u6;
    let y3 = y5 ^ y8;
    let t1 = u4 ^ y12;
    let y15 = t1 ^ u5;
    let y20 = t1 ^ u1;
    let y6 = y15 ^ u7;
    let y10 = y15 ^ t0;
    let y11 = y20 ^ y9;
    let y7 = u7 ^ y11;
    let y17 = y10 ^ y11;
    let y19 = y10 ^ y8;
    let y16 = t0 ^ y11;
    let y21 = y13 ^ y16;
    let y18 = u0 ^ y16;

    // Inversion in GF(2^8).
    let t2 = y12 & y15;
    let t3 = y3 & y6;
    let t4 = t3 ^ t2;
    let t5 = y4 & u7;
    let t6 = t5 ^ t2;
    let t7 = y13 & y16;
    let t8 = y5 & y1;
    let t9 = t8 ^ t7;
    let t10 = y2 & y7;
    let t11 = t10 ^ t7;
    let t12 = y9 & y11;
    let t13 = y14 & y17;
    let t14 = t13 ^ t12;
    let t15 = y8 & y10;
    let t16 = t15 ^ t12;
    let t17 = t4 ^ y20;
    let t18 = t6 ^ t16;
    let t19 = t9 ^ t14;
    let t20 = t11 ^ t16;
    let t21 = t17 ^ t14;
    let t22 = t18 ^ y19;
    let t23 = t19 ^ y21;
    let t24 = t20 ^ y18;
    let t25 = t21 ^ t22;
    let t26 = t21 & t23;
    let t27 = t24 ^ t26;
    let t28 = t25 & t27;
    let t29 = t28 ^ t22;
    let t30 = t23 ^ t24;
    let t31 = t22 ^ t26;
    let t32 = t31 & t30;
    let t33 = t32 ^ t24;
    let t34 = t23 ^ t33;
    let t35 = t27 ^ t33;
    let t36 = t24 & t35;
    let t37 = t36 ^ t34;
    let t38 = t27 ^ t36;
    let t39 = t29 & t38;
    let t40 = t25 ^ t39;
    let t41 = t40 ^ t37;
    let t42 = t29 ^ t33;
    let t43 = t29 ^ t40;
    let t44 = t33 ^ t37;
    let t45 = t42 ^ t41;
    let z0 = t44 & y15;
    let z1 = t37 & y6;
    let z2 = t33 & u7;
    let z3 = t43 & y16;
    let z4 = t40 & y1;
    let z5 = t29 & y7;
    let z6 = t42 & y11;
    let z7 = t45 & y17;
    let z8 = t41 & y10;
    let z9 = t44 & y12;
    let z10 = t37 & y3;
    let z11 = t33 & y4;
    let z12 = t43 & y13;
    let z13 = t40 & y5;
    let z14 = t29 & y2;
    let z15 = t42 & y9;
    let z16 = t45 & y14;
    let z17 = t41 & y8;

    // Bottom linear layer.
    let tc1 = z15 ^ z16;
    let tc2 = z10 ^ tc1;
    let tc3 = z9 ^ tc2;
    let tc4 = z0 ^ z2;
    let tc5 = z1 ^ z0;
    let tc6 = z3 ^ z4;
    let tc7 = z12 ^ tc4;
    let tc8 = z7 ^ tc6;
    let tc9 = z8 ^ tc7;
    let tc10 = tc8 ^ tc9;
    let tc11 = tc6 ^ tc5;
    let tc12 = z3 ^ z5;
    let tc13 = z13 ^ tc1;
    let tc14 = tc4 ^ tc12;
    let tc16 = z6 ^ tc8;
    let tc17 = z14 ^ tc10;
    let tc18 = tc13 ^ tc14;
    let tc20 = z15 ^ tc16;
    let tc21 = tc2 ^ z11;
    let tc26 = tc17 ^ tc20;
    let s0 = tc3 ^ tc16;
    let s3 = tc3 ^ tc11;
    let s1 = s3 ^ tc16;
    let s2 = tc26 ^ z17;
    let s4 = tc14 ^ s3;
    let s5 = tc21 ^ tc17;
    let s6 = tc10 ^ tc18;
    let s7 = z12 ^ tc18;

    [s7, s6, s5, s4, s3, s2, s1, s0]
}

/// Columns 0 and 2, and columns 1 and 3, byte by byte.
fn interleave(block: &[u8; 16]) -> (u64, u64) {
    let [c0, c1, c2, c3]: [u64; 4] = array::from_fn(|c| spread(&block[4 * c..]));
    (c0 | c2 << 8, c1 | c3 << 8)
}

/// Undoes [`interleave`].
fn deinterleave(even: u64, odd: u64) -> [u8; 16] {
    let mut block = [0; 16];
    for (column, word) in block
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip([even, odd, even >> 8, odd >> 8])
    {
        *column = gather(word);
    }
    block
}

/// The first four bytes, each in the low half of 16 bits.
fn spread(bytes: &[u8]) -> u64 {
    let word = u64::from(bytes[0]) | u64::from(bytes[1]) << 16 | u64::from(bytes[2]) << 32;
    word | u64::from(bytes[3]) << 48
}

/// Undoes [`spread`].
fn gather(word: u64) -> [u8; 4] {
    [
        word as u8,
        (word >> 16) as u8,
        (word >> 32) as u8,
        (word >> 48) as u8,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct_bytes() -> [[[u8; 16]; 4]; 2] {
        array::from_fn(|n| array::from_fn(|b| array::from_fn(|i| (64 * n + 16 * b + i) as u8)))
    }

    #[test]
    fn storing_undoes_loading() {
        assert_eq!(State::load(&distinct_bytes()).store(), distinct_bytes());
    }

    #[test]
    fn a_byte_sits_where_the_layout_says() {
        let mut blocks = [[[0; 16]; 4]; 2];
        blocks[1][2][4 * 3 + 1] = 1 << 5; // lane 1, block 2, column 3, row 1
        let State(planes) = State::load(&blocks);

        for (j, words) in planes.iter().enumerate() {
            assert_eq!(*words, [0, if j == 5 { 1 << (16 + 4 * 3 + 2) } else { 0 }]);
        }
    }

    #[test]
    fn the_circuit_is_the_s_box_on_every_byte() {
        for first in [0u8, 128] {
            let blocks =
                distinct_bytes().map(|four| four.map(|block| block.map(|byte| byte + first)));
            let mut state = State::load(&blocks);
            state.sub_bytes();

            let out = state.store();
            for (x, s) in blocks
                .as_flattened()
                .as_flattened()
                .iter()
                .zip(out.as_flattened().as_flattened())
            {
                assert_eq!(s ^ SBOX_CONSTANT, s_box(*x), "of {x:#04x}");
            }
        }
    }

    #[test]
    fn rows_shift_by_their_number() {
        let mut state = State::load(&distinct_bytes());
        state.shift_rows();

        let want = distinct_bytes()
            .map(|four| four.map(|block| array::from_fn(|i| block[(4 * (i % 4) + i) % 16])));
        assert_eq!(state.store(), want);
    }

    /// FIPS 197, 5.1.1, by its definition: the inverse, then the affine map.
    fn s_box(x: u8) -> u8 {
        let inverse = (0..=255).find(|y| multiply(x, *y) == 1).unwrap_or(0);
        (0..5).fold(SBOX_CONSTANT, |sum, i| sum ^ inverse.rotate_left(i))
    }

    fn multiply(mut x: u8, y: u8) -> u8 {
        let mut product = 0;
        for i in 0..8 {
            product ^= x * (y >> i & 1);
            x = (x << 1) ^ ((x >> 7) * 0x1b);
        }
        product
    }
}
