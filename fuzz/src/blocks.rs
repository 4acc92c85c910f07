//! Ring blocks and masks: every kernel gives the same bytes, addition and subtraction are inverse, masks are additions.

use crate::source::{Source, expand};
use veilsum_math::{
    BLOCK_LIMBS, Backend, Blocks, Keystream, KeystreamKey, Mask, Sign, Threads, apply_masks,
};

/// Any keys, offsets, lengths and limbs.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    keystreams_are_equal(&mut source);
    let vector = vector(&mut source);
    additions_are_inverse(&vector, &mut source);
    masks_are_additions(&vector, &mut source);
}

fn keystreams_are_equal(source: &mut Source) {
    let (key, offset) = (source.array(), source.number());
    // All offsets, and often those around the borders of batches and blocks.
    let offset = match source.below(3) {
        0 => offset,
        1 => offset % 1024,
        _ => offset % 8 * (BLOCK_LIMBS as u64 * 8) + u64::from(source.byte()),
    };
    let length = source.below(1500);
    let offset = offset.min(u64::MAX - length as u64);
    let want = keystream(key, Backend::Portable, offset, length);
    for backend in Backend::available() {
        assert_eq!(
            keystream(key, backend, offset, length),
            want,
            "{}",
            backend.name()
        );
    }
    let cut = source.below(length + 1);
    let (head, tail) = want.split_at(cut);
    assert_eq!(keystream(key, Backend::detected(), offset, cut), head);
    let rest = keystream(key, Backend::detected(), offset + cut as u64, length - cut);
    assert_eq!(rest, tail, "read in two parts");
}

fn additions_are_inverse(vector: &[u64], source: &mut Source) {
    let other = Blocks::from_limbs(limbs_like(vector, source.number()));
    let mut sum = Blocks::from_limbs(vector.to_vec());
    sum.add(&other).expect("equal lengths");
    let mut turned = Blocks::from_limbs(other.limbs().to_vec());
    turned
        .add(&Blocks::from_limbs(vector.to_vec()))
        .expect("equal lengths");
    assert_eq!(sum, turned, "addition commutes");
    let mut by_block = Blocks::from_limbs(vector.to_vec());
    for (index, block) in other.iter_blocks().enumerate() {
        by_block.add_block(index, block).expect("equal lengths");
    }
    assert_eq!(sum, by_block, "block by block");
    sum.subtract(&other).expect("equal lengths");
    assert_eq!(sum.limbs(), vector, "subtraction undoes addition");
    let longer = Blocks::zeroed(vector.len() + 1);
    assert!(sum.add(&longer).is_err() && sum.subtract(&longer).is_err());
    assert_eq!(sum.limbs(), vector, "a refused operand changes nothing");
    let again = Blocks::from_le_bytes(&sum.to_le_bytes()).expect("whole limbs");
    assert_eq!(again, sum);
}

fn masks_are_additions(vector: &[u64], source: &mut Source) {
    let seeds = (0..source.below(5))
        .map(|_| (source.array(), source.below(2) == 0))
        .collect::<Vec<([u8; 32], bool)>>();
    let mut want = Blocks::from_limbs(vector.to_vec());
    for (key, add) in &seeds {
        let stream = keystream(*key, Backend::Portable, 0, vector.len() * 8);
        let stream = Blocks::from_le_bytes(&stream).expect("whole limbs");
        match add {
            true => want.add(&stream).expect("equal lengths"),
            false => want.subtract(&stream).expect("equal lengths"),
        }
    }
    for backend in Backend::available() {
        for threads in [Threads::One, Threads::All] {
            let mut masked = Blocks::from_limbs(vector.to_vec());
            apply_masks(&mut masked, &masks(&seeds, backend, false), threads);
            assert!(masked == want, "{} {threads:?}", backend.name());
            apply_masks(&mut masked, &masks(&seeds, backend, true), threads);
            assert!(masked.limbs() == vector, "opposite signs cancel");
        }
    }
}

/// Up to a little over two blocks, often of the lengths where something changes; carries run far through it.
fn vector(source: &mut Source) -> Vec<u64> {
    let length = match source.below(4) {
        0 => source.below(70),
        1 => 500 + source.below(30),
        2 => BLOCK_LIMBS - 3 + source.below(7),
        _ => 2 * BLOCK_LIMBS - 3 + source.below(40),
    };
    limbs_like(&vec![0; length], source.number())
}

/// As many limbs as `vector` has; a third of the seeds give all ones, or ones and zeros in turn.
fn limbs_like(vector: &[u64], seed: u64) -> Vec<u64> {
    let random = expand(seed).take(vector.len());
    match seed % 3 {
        0 => random.collect(),
        1 => random.map(|word| word | !(seed >> 8)).collect(),
        _ => random
            .map(|word| if word % 16 == 0 { word } else { u64::MAX })
            .collect(),
    }
}

fn masks(seeds: &[([u8; 32], bool)], backend: Backend, turned: bool) -> Vec<Mask> {
    let sign = |add| match add {
        true => Sign::Add,
        false => Sign::Subtract,
    };
    let masks = seeds.iter().map(|(key, add)| {
        Mask::with_backend(KeystreamKey::new(*key), sign(*add != turned), backend)
    });
    masks.collect()
}

fn keystream(key: [u8; 32], backend: Backend, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Keystream::with_backend(KeystreamKey::new(key), backend).fill(offset, &mut bytes);
    bytes
}
