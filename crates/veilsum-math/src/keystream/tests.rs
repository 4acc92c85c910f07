use aes::Aes256;
use cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use ctr::Ctr128BE;
use proptest::prelude::*;

use super::*;

fn each_backend(key: [u8; 32]) -> impl Iterator<Item = (Backend, Keystream)> {
    Backend::available().into_iter().map(move |backend| {
        (
            backend,
            Keystream::with_backend(KeystreamKey::new(key), backend),
        )
    })
}

/// Published bytes under counters from 0: the GCM specification (McGrew and Viega, appendix B)
/// prints AES-256 under the zero key of block 0 as H, of block 1 as the tag of test case 13, of
/// block 2 as the ciphertext of case 14.
#[test]
fn the_zero_key_gives_the_blocks_of_the_gcm_specification() {
    for (backend, keystream) in each_backend([0; 32]) {
        let mut blocks = [0; 48];
        keystream.fill(0, &mut blocks);
        assert_eq!(
            hex::encode(&blocks[..16]),
            "dc95c078a2408989ad48a21492842087",
            "{}",
            backend.name()
        );
        assert_eq!(
            hex::encode(&blocks[16..32]),
            "530f8afbc74536b9a963b4f1c4cb738b",
            "{}",
            backend.name()
        );
        assert_eq!(
            hex::encode(&blocks[32..]),
            "cea7403d4d606b6e074ec5d3baf39d18",
            "{}",
            backend.name()
        );
    }
}

#[test]
fn the_last_bytes_of_the_offset_range_can_be_read_and_passed() {
    for (backend, keystream) in each_backend([3; 32]) {
        let mut out = [0; 300];
        keystream.fill(u64::MAX - 100, &mut out);
        let mut want = [0; 300 + 11];
        let counter = u128::from((u64::MAX - 100) / 16).to_be_bytes();
        Ctr128BE::<Aes256>::new(&[3; 32].into(), &counter.into()).apply_keystream(&mut want);
        assert_eq!(out, want[11..], "{}", backend.name());
    }
}

#[test]
#[should_panic(expected = "found 17 limbs, wanted a multiple of 16")]
fn a_part_of_a_batch_is_not_added() {
    Keystream::new(KeystreamKey::new([1; 32])).add_wrapping(&mut [0; 17]);
}

#[test]
fn debug_shows_nothing_of_a_key() {
    assert_eq!(
        format!("{:?}", KeystreamKey::new([0x42; 32])),
        "KeystreamKey(..)"
    );
    assert_eq!(
        format!("{:?}", Keystream::new(KeystreamKey::new([0x42; 32]))),
        "Keystream(..)"
    );
}

proptest! {
    #[test]
    fn any_window_is_that_of_the_oracle(key: [u8; 32], offset in 0u64..1 << 40, length in 0usize..600) {
        let mut want = vec![0; length];
        let mut oracle = Ctr128BE::<Aes256>::new(&key.into(), &[0; 16].into());
        oracle.seek(offset);
        oracle.apply_keystream(&mut want);

        for (backend, keystream) in each_backend(key) {
            let mut out = vec![0x55; length];
            keystream.fill(offset, &mut out);
            prop_assert_eq!(&out, &want, "{}", backend.name());
        }
    }

    #[test]
    fn any_window_is_part_of_the_whole(key: [u8; 32], offset in 0usize..1500, length in 0usize..600) {
        for (_, keystream) in each_backend(key) {
            let mut whole = vec![0; offset + length];
            keystream.fill(0, &mut whole);
            let mut window = vec![0; length];
            keystream.fill(offset as u64, &mut window);
            prop_assert_eq!(&window, &whole[offset..]);
        }
    }
}
