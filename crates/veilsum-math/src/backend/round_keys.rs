//! The AES-256 key expansion (FIPS 197, 5.2), once for all kernels, without a table.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::bitslice::{SBOX_CONSTANT, State};

/// The 15 round keys in the byte order of FIPS 197; wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct RoundKeys(Box<[[u8; 16]; ROUND_KEYS]>);

impl RoundKeys {
    pub(super) fn expand(key: &[u8; 32]) -> Self {
        let mut words = [0; 4 * ROUND_KEYS];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        // Little-endian words: the first byte is the lowest, so FIPS 197's RotWord is a rotation to
        // the right.
        let mut round_constant = 1;
        for i in KEY_WORDS..words.len() {
            let mut last = words[i - 1];
            if i.is_multiple_of(KEY_WORDS) {
                last = sub_word(last.rotate_right(8)) ^ round_constant;
                round_constant <<= 1;
            } else if i % KEY_WORDS == 4 {
                last = sub_word(last);
            }
            words[i] = words[i - KEY_WORDS] ^ last;
        }

        let mut round_keys = Self(Box::new([[0; 16]; ROUND_KEYS]));
        for (bytes, word) in round_keys
            .0
            .as_flattened_mut()
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(&words)
        {
            *bytes = word.to_le_bytes();
        }
        words.zeroize();
        round_keys
    }

    pub(super) fn bytes(&self) -> &[[u8; 16]; ROUND_KEYS] {
        &self.0
    }
}

/// The S-box on four bytes: the first column of an otherwise empty state.
fn sub_word(word: u32) -> u32 {
    let mut blocks = [[0; 16]; 4];
    blocks[0][..4].copy_from_slice(&word.to_le_bytes());
    let mut state = State::<1>::load(&[blocks]);
    blocks.zeroize();
    state.sub_bytes();
    let mut blocks = state.store();
    let [[[a, b, c, d, ..], ..]] = blocks;
    blocks.zeroize();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_ne_bytes([SBOX_CONSTANT; 4])
}

/// Rounds of AES-256, and one key before the first.
pub(super) const ROUND_KEYS: usize = 15;

/// 32-bit words of the key.
const KEY_WORDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_that_of_fips_197_appendix_a3() {
        let key = hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
            .unwrap();
        let round_keys = RoundKeys::expand(key.as_slice().try_into().unwrap());

        assert_eq!(round_keys.bytes().as_flattened()[..32], key);
        assert_eq!(
            hex::encode(round_keys.bytes()[2]),
            "9ba354118e6925afa51a8b5f2067fcde"
        );
        assert_eq!(
            hex::encode(round_keys.bytes()[3]),
            "a8b09c1a93d194cdbe49846eb75d5b9a"
        );
        assert_eq!(
            hex::encode(round_keys.bytes()[14]),
            "fe4890d1e6188d0b046df344706c631e"
        );
    }
}
