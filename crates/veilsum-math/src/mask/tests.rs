use num_bigint::BigUint;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng;

use super::*;

/// Lengths around every border: batches of 16 limbs, chunks of 512, blocks of 4096.
const LENGTHS: [usize; 14] = [
    0, 1, 15, 16, 17, 33, 511, 512, 513, 4095, 4096, 4097, 8192, 9001,
];

#[test]
fn a_self_mask_is_the_keystream_read_as_block_integers() {
    let mut vector = Blocks::zeroed(4096 + 5);
    apply_masks(&mut vector, &masks(&[(1, Sign::Add)]), Threads::One);

    let mut keystream = vec![0; vector.len() * 8];
    Keystream::new(key(1)).fill(0, &mut keystream);
    assert_eq!(vector.to_le_bytes(), keystream);
}

#[test]
fn masks_of_a_pair_cancel_among_others() {
    for length in LENGTHS {
        let mut vector = random(length, 1);
        let plain = vector.to_le_bytes();
        apply_masks(
            &mut vector,
            &masks(&[(1, Sign::Add), (2, Sign::Subtract)]),
            Threads::One,
        );
        if length > 0 {
            assert_ne!(vector.to_le_bytes(), plain);
        }
        apply_masks(
            &mut vector,
            &masks(&[(2, Sign::Add), (1, Sign::Subtract)]),
            Threads::All,
        );
        assert_eq!(vector.to_le_bytes(), plain, "{length} limbs");
    }
}

#[test]
fn the_order_of_masks_is_irrelevant() {
    let signed = [
        (1, Sign::Add),
        (2, Sign::Subtract),
        (3, Sign::Subtract),
        (4, Sign::Add),
    ];
    let reversed: Vec<_> = signed.iter().copied().rev().collect();
    for length in LENGTHS {
        let (mut forth, mut back) = (random(length, 2), random(length, 2));
        apply_masks(&mut forth, &masks(&signed), Threads::One);
        apply_masks(&mut back, &masks(&reversed), Threads::One);
        assert_eq!(forth, back, "{length} limbs");
    }
}

#[test]
fn all_threads_do_what_one_does() {
    let masks = masks(&[(1, Sign::Add), (2, Sign::Subtract)]);
    for length in LENGTHS {
        let (mut one, mut all) = (random(length, 3), random(length, 3));
        apply_masks(&mut one, &masks, Threads::One);
        apply_masks(&mut all, &masks, Threads::All);
        assert_eq!(one, all, "{length} limbs");
    }
}

/// Of a short vector each thread takes some masks, of a long one some blocks.
#[test]
fn a_pool_of_any_size_does_what_one_thread_does() {
    let sign = |i: u8| match i % 3 {
        0 => Sign::Subtract,
        _ => Sign::Add,
    };
    for count in [0, 1, 7, 8, 23] {
        let signed: Vec<_> = (0..count).map(|i| (i, sign(i))).collect();
        let masks = masks(&signed);
        for length in [0, 1, 513, 4096, 4097, 9001] {
            let mut one = random(length, 7);
            apply_masks(&mut one, &masks, Threads::One);
            for threads in [1, 2, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let mut all = random(length, 7);
                pool.unwrap()
                    .install(|| apply_masks(&mut all, &masks, Threads::All));
                assert_eq!(one, all, "{count} masks, {length} limbs, {threads} threads");
            }
        }
    }
}

#[test]
fn a_block_alone_is_masked_as_in_its_vector() {
    let masks = masks(&[(1, Sign::Add), (2, Sign::Subtract)]);
    let mut vector = random(2 * 4096 + 100, 4);
    let mut block = vector.block(2).unwrap().to_vec();

    apply_masks(&mut vector, &masks, Threads::One);
    apply_masks_to_block(2, &mut block, &masks);

    assert_eq!(vector.block(2), Some(&block[..]));
}

#[test]
fn a_short_block_takes_the_first_bytes_of_its_keystream() {
    let masks = masks(&[(1, Sign::Add)]);
    let (mut long, mut short) = (vec![0; 4096], vec![0; 3]);
    apply_masks_to_block(1, &mut long, &masks);
    apply_masks_to_block(1, &mut short, &masks);
    assert_eq!(short, long[..3]);
}

#[test]
fn no_mask_changes_nothing() {
    let mut vector = random(5000, 5);
    apply_masks(&mut vector, &[], Threads::All);
    assert_eq!(vector, random(5000, 5));
}

#[test]
#[should_panic(expected = "found a block of 4097 limbs, wanted at most 4096")]
fn more_than_a_block_is_refused() {
    apply_masks_to_block(0, &mut [0; 4097], &[]);
}

#[test]
fn debug_shows_the_sign_only() {
    assert_eq!(
        format!("{:?}", Mask::new(key(1), Sign::Add)),
        "Mask { sign: Add, .. }"
    );
}

/// Equal masks, so that a limb with a large word carries or borrows nearly every time: more than a
/// byte counts.
#[test]
fn hundreds_of_carries_per_limb_are_paid() {
    let mask = keystream_integer(1, 0, 140);
    let modulus = BigUint::from(1u8) << (64 * 140);
    for backend in Backend::available() {
        for sign in [Sign::Add, Sign::Subtract] {
            let many: Vec<Mask> = (0..600)
                .map(|_| Mask::with_backend(key(1), sign, backend))
                .collect();
            let (mut block, want) = match sign {
                Sign::Add => (
                    [u64::MAX; 140],
                    (&modulus - 1u8 + &mask * 600u16) % &modulus,
                ),
                Sign::Subtract => ([0; 140], (&modulus * 600u16 - &mask * 600u16) % &modulus),
            };
            apply_masks_to_block(0, &mut block, &many);
            assert_eq!(integer(&block), want, "{} {sign:?}", backend.name());
        }
    }
}

#[test]
fn masks_of_several_kernels_go_into_one_block() {
    let (mut mixed, mut alike) = (random(4096, 6).into_limbs(), random(4096, 6).into_limbs());
    let of = |backends: &[Backend]| -> Vec<Mask> {
        let backends = backends.iter().cycle();
        // more than go over a chunk at a time
        (0..161)
            .zip(backends)
            .map(|(i, backend)| {
                let sign = if i % 2 == 0 {
                    Sign::Add
                } else {
                    Sign::Subtract
                };
                Mask::with_backend(key(i), sign, *backend)
            })
            .collect()
    };
    apply_masks_to_block(3, &mut mixed, &of(&Backend::available()));
    apply_masks_to_block(3, &mut alike, &of(&[Backend::Portable]));
    assert_eq!(mixed, alike);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn masking_is_the_arithmetic_of_integers_modulo_the_block(
        index in prop_oneof![0usize..4, Just(1 << 40)],
        block in block(),
        signed in prop::collection::vec((any::<u8>(), prop_oneof![Just(Sign::Add), Just(Sign::Subtract)]), 0..6),
    ) {
        let modulus = BigUint::from(1u8) << (64 * block.len());
        let mut want = integer(&block);
        for (seed, sign) in &signed {
            let mask = keystream_integer(*seed, index, block.len());
            want = match sign {
                Sign::Add => (want + mask) % &modulus,
                Sign::Subtract => (want + &modulus - mask) % &modulus,
            };
        }

        for backend in Backend::available() {
            let masks: Vec<_> =
                signed.iter().map(|(seed, sign)| Mask::with_backend(key(*seed), *sign, backend)).collect();
            let mut got = block.clone();
            apply_masks_to_block(index, &mut got, &masks);
            prop_assert_eq!(integer(&got), want.clone(), "{}", backend.name());
        }
    }
}

fn key(seed: u8) -> KeystreamKey {
    KeystreamKey::new([seed; 32])
}

fn masks(signed: &[(u8, Sign)]) -> Vec<Mask> {
    signed
        .iter()
        .map(|(seed, sign)| Mask::new(key(*seed), *sign))
        .collect()
}

fn random(length: usize, seed: u64) -> Blocks {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    Blocks::from_limbs((0..length).map(|_| rng.next_u64()).collect())
}

/// All ones, all zeros, the neighbour of a mask's negative, or anything.
fn block() -> impl Strategy<Value = Vec<u64>> {
    let length = prop_oneof![0usize..40, 500usize..530, Just(4095), Just(4096)];
    length.prop_flat_map(|length| {
        prop_oneof![
            Just(vec![u64::MAX; length]),
            Just(vec![0; length]),
            prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], length),
        ]
    })
}

fn keystream_integer(seed: u8, index: usize, limbs: usize) -> BigUint {
    let mut bytes = vec![0; limbs * 8];
    Keystream::with_backend(key(seed), Backend::Portable)
        .fill(index as u64 * BLOCK_BYTES as u64, &mut bytes);
    BigUint::from_bytes_le(&bytes)
}

fn integer(limbs: &[u64]) -> BigUint {
    BigUint::from_bytes_le(
        &limbs
            .iter()
            .flat_map(|limb| limb.to_le_bytes())
            .collect::<Vec<_>>(),
    )
}
