//! The kernel for x86-64 with VAES, written once for registers of two blocks and of four: eight
//! registers of counter blocks, a tile, are encrypted side by side, and what all masks add to the
//! limbs of a tile stays in registers until the last mask is in.
//!
//! The unit for AES has no pause, and every other instruction that runs beside it is one that the
//! units it leaves free can take. So nothing is compared to find a carry: a limb's carries follow
//! from the wrapped sum and from the sum of the operands' upper halves, which cannot overflow.
//! And nothing is subtracted: a mask to be subtracted is added as its complement plus one, modulo
//! 2^64.

/// The kernel over the registers of the module that asks for it.
///
/// The module has the type `Register`; `BLOCKS`, how many AES blocks it holds; the instructions as
/// functions `spread`, `all`, `places`, `add`, `sub`, `xor`, `upper_half`, `lower_half`,
/// `reverse_bytes`, `round` and `last_round`; and the proof `$proof` that the processor has `$features`,
/// which those functions are compiled for. `$class` is what the assembler calls the registers.
macro_rules! vaes_kernel {
    ($proof:ident, $features:literal, $class:ident) => {
        /// Round keys in the form of the instructions.
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub(crate) struct Schedule {
            round_keys: KeyRegisters,
            #[zeroize(skip)]
            _proof: $proof,
        }

        impl Schedule {
            pub(super) fn new(round_keys: &RoundKeys, proof: $proof) -> Self {
                Self {
                    round_keys: KeyRegisters::new(round_keys),
                    _proof: proof,
                }
            }

            pub(super) fn fill(&self, first: u64, out: &mut [Batch]) {
                // SAFETY: `_proof` exists only where the processor has the features that `fill` is
                // compiled for.
                unsafe { fill(self.round_keys.get(), first, out) }
            }

            /// Adds or subtracts the keystreams of all `masks`, of which there are fewer than 2^31.
            pub(super) fn accumulate<'a>(
                masks: impl Iterator<Item = (&'a Self, Sign)> + Clone,
                first: u64,
                run: &mut Deferred<'_>,
            ) {
                if masks.clone().next().is_none() {
                    return;
                }
                // SAFETY: there is a schedule, and its `_proof` exists only where the processor has
                // the features that `accumulate` is compiled for.
                unsafe { accumulate(masks, first, run) }
            }

            pub(super) fn add_wrapping(&self, first: u64, limbs: &mut [[u64; BATCH_LIMBS]]) {
                // SAFETY: `_proof` exists only where the processor has the features that
                // `add_wrapping` is compiled for.
                unsafe { add_wrapping(self.round_keys.get(), first, limbs) }
            }

            /// AES of any blocks: keystream has only counters, published vectors have others.
            #[cfg(test)]
            pub(super) fn encrypt(
                &self,
                blocks: &[[u8; 16]; TILE_BLOCKS],
            ) -> [[u8; 16]; TILE_BLOCKS] {
                // SAFETY: `_proof` exists only where the processor has the features that `encrypt`
                // and `all` are compiled for.
                transmute!(unsafe { encrypt(self.round_keys.get(), transmute!(*blocks), all(0)) })
            }
        }

        #[target_feature(enable = $features)]
        fn fill(round_keys: &[__m128i; ROUND_KEYS], first: u64, out: &mut [Batch]) {
            let (tiles, left) = out.as_chunks_mut();
            let mut firsts = (first..).step_by(TILE_BATCHES);
            for (tile, batch) in tiles.iter_mut().zip(&mut firsts) {
                *tile = tile_of(round_keys, batch);
            }
            if let (false, Some(batch)) = (left.is_empty(), firsts.next()) {
                let tile = Zeroizing::new(tile_of(round_keys, batch));
                left.copy_from_slice(&tile[..left.len()]);
            }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn tile_of(round_keys: &[__m128i; ROUND_KEYS], batch: u64) -> [Batch; TILE_BATCHES] {
            transmute!(encrypt(round_keys, counters(batch), all(0)))
        }

        /// A last tile that is short is filled up with zeros, which are masked and thrown away.
        #[target_feature(enable = $features)]
        fn accumulate<'a>(
            masks: impl Iterator<Item = (&'a Schedule, Sign)> + Clone,
            first: u64,
            run: &mut Deferred<'_>,
        ) {
            let (limbs, counts) = run.parts();
            let (limbs, limbs_left) = limbs.as_chunks_mut();
            let (counts, counts_left) = counts.as_chunks_mut();
            let mut firsts = (first..).step_by(TILE_BATCHES);
            for ((limbs, counts), batch) in limbs.iter_mut().zip(counts).zip(&mut firsts) {
                accumulate_tile(masks.clone(), batch, limbs, counts);
            }
            if let (false, Some(batch)) = (limbs_left.is_empty(), firsts.next()) {
                let left = limbs_left.len();
                let mut limbs = Zeroizing::new([0; TILE_LIMBS]);
                let mut counts = Zeroizing::new([0; TILE_LIMBS]);
                limbs[..left].copy_from_slice(limbs_left);
                counts[..left].copy_from_slice(counts_left);
                accumulate_tile(masks, batch, &mut limbs, &mut counts);
                limbs_left.copy_from_slice(&limbs[..left]);
                counts_left.copy_from_slice(&counts[..left]);
            }
        }

        /// Adds to each limb the words `w` of the masks to be added and the complements
        /// `2^64 - 1 - w` of those to be subtracted, for each of which then 1 is missing and `2^64`
        /// is too much.
        ///
        /// The upper halves of all operands have a sum `h`. The exact sum of the operands divided by
        /// 2^32 is `h + e`, where `e` is what the lower halves carry: less than the number of
        /// operands, so below 2^32, and `h + e` modulo 2^32 is the upper half of the wrapped sum.
        /// That gives `e`, and `(h + e) / 2^32` is what the limb carries.
        #[inline]
        #[target_feature(enable = $features)]
        fn accumulate_tile<'a>(
            masks: impl Iterator<Item = (&'a Schedule, Sign)>,
            batch: u64,
            limbs: &mut [u64; TILE_LIMBS],
            counts: &mut [i64; TILE_LIMBS],
        ) {
            let counters = counters(batch);
            let mut sums: [Register; REGISTERS] = transmute!(*limbs);
            let mut uppers = sums.map(|limb| upper_half(limb));
            let mut subtracted = 0;
            for (schedule, sign) in masks {
                // Without a branch: the signs are in no order that could be foreseen.
                let one = i64::from(sign == Sign::Subtract);
                subtracted += one;
                let words = encrypt(schedule.round_keys.get(), counters, all(-one));
                for ((sum, upper), word) in sums.iter_mut().zip(&mut uppers).zip(words) {
                    *sum = add(*sum, word);
                    *upper = add(*upper, upper_half(word));
                }
            }

            let mut owed: [Register; REGISTERS] = transmute!(*counts);
            for ((sum, upper), owed) in sums.iter_mut().zip(uppers).zip(&mut owed) {
                *sum = add(*sum, all(subtracted));
                let from_lower = lower_half(sub(upper_half(*sum), upper));
                let carries = upper_half(add(upper, from_lower));
                *owed = add(*owed, sub(carries, all(subtracted)));
            }
            *limbs = transmute!(sums);
            *counts = transmute!(owed);
        }

        #[target_feature(enable = $features)]
        fn add_wrapping(
            round_keys: &[__m128i; ROUND_KEYS],
            first: u64,
            limbs: &mut [[u64; BATCH_LIMBS]],
        ) {
            let firsts = (first..).step_by(TILE_BATCHES);
            for (batch, limbs) in firsts.zip(limbs.chunks_mut(TILE_BATCHES)) {
                let words = encrypt(round_keys, counters(batch), all(0));
                let (limbs, _) = limbs.as_flattened_mut().as_chunks_mut::<REGISTER_LIMBS>();
                for (limbs, word) in limbs.iter_mut().zip(words) {
                    *limbs = transmute!(add(transmute!(*limbs), word));
                }
            }
        }

        /// The counter blocks of a tile, which starts with any batch. The upper half of a counter
        /// stays zero: there are at most 2^60 blocks.
        #[inline]
        #[target_feature(enable = $features)]
        fn counters(batch: u64) -> [Register; REGISTERS] {
            let first = all((batch * BATCH_BLOCKS as u64) as i64);
            array::from_fn(|register| {
                let places = places((register * BLOCKS) as i64);
                reverse_bytes(add(first, places))
            })
        }

        /// AES-256 of a tile, XORed with `complement`.
        #[inline]
        #[target_feature(enable = $features)]
        fn encrypt(
            round_keys: &[__m128i; ROUND_KEYS],
            blocks: [Register; REGISTERS],
            complement: Register,
        ) -> [Register; REGISTERS] {
            let [whitening, middle @ .., last] = round_keys;
            let whitening = spread(*whitening);
            let mut blocks = blocks.map(|block| xor(block, whitening));
            for round_key in middle {
                let round_key = spread(*round_key);
                for block in &mut blocks {
                    *block = round(*block, round_key);
                }
                hold(&mut blocks);
            }
            let last = xor(spread(*last), complement);
            blocks.map(|block| last_round(block, last))
        }

        /// Keeps the blocks abreast: left alone, the compiler encrypts one after the other to save
        /// registers, and waits for each round.
        #[inline]
        #[target_feature(enable = $features)]
        fn hold(blocks: &mut [Register; REGISTERS]) {
            let [a, b, c, d, e, f, g, h] = blocks;
            // SAFETY: no instruction at all; the registers keep their values, no memory and no flag
            // is touched.
            unsafe {
                asm!(
                    "/* {0} {1} {2} {3} {4} {5} {6} {7} */",
                    inout($class) * a,
                    inout($class) * b,
                    inout($class) * c,
                    inout($class) * d,
                    inout($class) * e,
                    inout($class) * f,
                    inout($class) * g,
                    inout($class) * h,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }

        /// AES blocks of a tile.
        pub(super) const TILE_BLOCKS: usize = REGISTERS * BLOCKS;

        /// Batches of a tile.
        const TILE_BATCHES: usize = TILE_BLOCKS / BATCH_BLOCKS;

        /// Limbs of a tile.
        const TILE_LIMBS: usize = TILE_BATCHES * BATCH_LIMBS;

        /// Limbs of a register.
        const REGISTER_LIMBS: usize = TILE_LIMBS / REGISTERS;
    };
}

/// Registers encrypted side by side: a processor that starts two a cycle, each taking four cycles a
/// round, never waits.
pub(super) const REGISTERS: usize = 8;

pub(super) use vaes_kernel;
