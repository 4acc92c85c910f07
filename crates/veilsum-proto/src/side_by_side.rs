//! Not another hash: [`Label::hash`] of many short messages at once.
//!
//! A round of SHA-256 waits for the one before. With several messages side by side, block by block, the processor begins on the
//! next one meanwhile: a tree over the parts of a dealer takes three quarters of the time.

use crate::ids::Hash;
use crate::label::Label;
use sha2::block_api::compress256;
use std::slice;

/// Messages to be hashed, so many at a time that they stay in the cache.
#[derive(Debug, Default)]
pub(crate) struct SideBySide {
    /// Messages that wait for others beside them, padded.
    bytes: Vec<u8>,
    /// Blocks of each of them: fewer than [`LANES`].
    blocks: Vec<usize>,
    hashes: Vec<Hash>,
}

impl SideBySide {
    /// Room for so many messages of so many blocks each; more are taken too.
    pub(crate) fn with_capacity(messages: usize, blocks: usize) -> Self {
        let waiting = messages.min(LANES);
        let bytes = waiting.saturating_mul(blocks).saturating_mul(BLOCK);
        Self {
            bytes: Vec::with_capacity(bytes),
            blocks: Vec::with_capacity(waiting),
            hashes: Vec::with_capacity(messages),
        }
    }

    /// Adds what [`Label::hash`] would hash.
    // spec: [label.prefix]
    pub(crate) fn push(&mut self, label: Label, parts: &[&[u8]]) {
        let begin = self.bytes.len();
        let text = label.text().as_bytes();
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend_from_slice(text);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.pad(begin);
        if self.blocks.len() == LANES {
            self.compress();
        }
    }

    /// The hashes, in the order in which their messages came; none of these is left. The next ones are expected to be no more.
    pub(crate) fn hash(&mut self) -> Vec<Hash> {
        self.compress();
        let room = Vec::with_capacity(self.hashes.len());
        std::mem::replace(&mut self.hashes, room)
    }

    /// Hashes the messages that wait.
    fn compress(&mut self) {
        let (mut rest, _) = self.bytes.as_chunks::<BLOCK>();
        let mut lanes = [[].as_slice(); LANES];
        for (lane, count) in lanes.iter_mut().zip(&self.blocks) {
            (*lane, rest) = rest.split_at_checked(*count).unwrap_or_default();
        }
        let states = compressed(lanes);
        let digests = states.iter().take(self.blocks.len()).map(digest);
        self.hashes.extend(digests);
        self.bytes.clear();
        self.blocks.clear();
    }

    /// Ends the message that begins there: one bit, zeros, and its length in bits. FIPS 180-4, section 5.1.1.
    fn pad(&mut self, begin: usize) {
        let length = self.bytes.len().saturating_sub(begin);
        let blocks = length.saturating_add(9).div_ceil(BLOCK);
        let end = begin.saturating_add(blocks.saturating_mul(BLOCK));
        let bits = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(8);
        self.bytes.push(0x80);
        self.bytes.resize(end.saturating_sub(8), 0);
        self.bytes.extend_from_slice(&bits.to_be_bytes());
        self.blocks.push(blocks);
    }
}

/// What is left of each message after its last block. The next block of every one comes before the one after of any.
fn compressed(mut lanes: [&[[u8; BLOCK]]; LANES]) -> [[u32; 8]; LANES] {
    let mut states = [INITIAL; LANES];
    while lanes.iter().any(|lane| !lane.is_empty()) {
        for (state, lane) in states.iter_mut().zip(&mut lanes) {
            if let Some((block, rest)) = lane.split_first() {
                compress256(state, slice::from_ref(block));
                *lane = rest;
            }
        }
    }
    states
}

fn digest(state: &[u32; 8]) -> Hash {
    let mut bytes = [0; 32];
    for (four, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *four = word.to_be_bytes();
    }
    Hash(bytes)
}

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// Messages side by side; with more the processor loses sight of the first ones.
const LANES: usize = 8;

/// FIPS 180-4, section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // spec: [label.prefix]
        #[test]
        fn side_by_side_messages_have_the_hashes_that_each_has_alone(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
            cut in 0_usize..300,
        ) {
            let mut batch = SideBySide::default();
            for label in [Label::Node, Label::ShareLeaf] {
                for message in &messages {
                    let (head, tail) = message.split_at(cut.min(message.len()));
                    batch.push(label, &[head, tail]);
                }
                let alone = messages.iter().map(|message| label.hash(&[message]));
                prop_assert_eq!(batch.hash(), alone.collect::<Vec<_>>());
            }
        }
    }
}
