use aes::Aes256;
use cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use proptest::prelude::*;

use super::*;

/// NIST SP 800-38A, F.5.5: CTR-AES256.Encrypt.
fn nist_key() -> [u8; 32] {
    let key =
        hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
    key.try_into().unwrap()
}

#[test]
fn the_detected_kernel_is_the_first_available_and_the_portable_one_the_last() {
    let available = Backend::available();
    assert_eq!(available.first(), Some(&Backend::detected()));
    assert_eq!(available.last(), Some(&Backend::Portable));
}

/// aarch64 has AES instructions here by this kernel alone.
#[test]
fn the_kernel_of_crate_aes_stands_before_the_portable_one_where_it_has_instructions() {
    let mut slowest_first = Backend::available().into_iter().rev().skip(1);
    let found = slowest_first.next();
    assert_eq!(
        matches!(found, Some(Backend::Library(_))),
        aes::hardware_accelerated()
    );
}

/// The counters of the published blocks start at f0f1f2..., not at 0, so the kernels get them as
/// blocks.
#[test]
fn every_kernel_encrypts_the_published_counters() {
    let first = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feffu128;
    let counters: [[u8; 16]; BATCH_BLOCKS] =
        std::array::from_fn(|i| (first + i as u128).to_be_bytes());
    let text = hex::decode(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    )
    .unwrap();

    for backend in Backend::available() {
        let blocks = match Schedule::new(&nist_key(), backend) {
            Schedule::Portable(schedule) => {
                let mut blocks = [[[0; 16]; 4]; portable::LANES];
                blocks.as_flattened_mut()[..BATCH_BLOCKS].copy_from_slice(&counters);
                *schedule
                    .encrypt(&blocks)
                    .as_flattened()
                    .first_chunk()
                    .unwrap()
            }
            Schedule::Library(schedule) => {
                let mut blocks = counters;
                schedule.encrypt(&mut blocks);
                blocks
            }
            #[cfg(target_arch = "x86_64")]
            Schedule::AesNi(schedule) => schedule.encrypt(&counters),
            #[cfg(target_arch = "x86_64")]
            Schedule::Vaes256(schedule) => start(schedule.encrypt(&padded(counters))),
            #[cfg(target_arch = "x86_64")]
            Schedule::Vaes512(schedule) => start(schedule.encrypt(&padded(counters))),
        };
        let sum: Vec<u8> = text
            .iter()
            .zip(blocks.as_flattened())
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(
            hex::encode(sum),
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
             2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
            "{}",
            backend.name()
        );
    }
}

proptest! {
    #[test]
    fn every_kernel_makes_the_keystream_of_the_oracle(key: [u8; 32], first in 0u64..1 << 57, batches in 0usize..11) {
        let mut want = vec![[0; BATCH_BYTES]; batches];
        let counter = u128::from(first) * BATCH_BLOCKS as u128;
        Ctr128BE::<Aes256>::new(&key.into(), &counter.to_be_bytes().into())
            .apply_keystream(want.as_flattened_mut());

        for backend in Backend::available() {
            let mut out = vec![[0xaa; BATCH_BYTES]; batches];
            Schedule::new(&key, backend).fill(first, &mut out);
            prop_assert_eq!(&out, &want, "{}", backend.name());
        }
    }

    /// Over several tiles and a part of one, from any batch on, each limb by itself.
    #[test]
    fn every_kernel_counts_the_same_carries(
        signed in prop::collection::vec((any::<[u8; 32]>(), sign()), 0..5),
        first in 0u64..1 << 57,
        limbs in prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 0..200),
    ) {
        let mut exact: Vec<i128> = limbs.iter().copied().map(i128::from).collect();
        for (key, sign) in &signed {
            let mut keystream = vec![[0; BATCH_BYTES]; limbs.len().div_ceil(BATCH_LIMBS)];
            Schedule::new(key, Backend::Portable).fill(first, &mut keystream);
            for (exact, word) in exact.iter_mut().zip(keystream.as_flattened().as_chunks().0) {
                let word = i128::from(u64::from_le_bytes(*word));
                *exact += if *sign == Sign::Add { word } else { -word };
            }
        }

        for backend in Backend::available() {
            let (mut got, mut counts) = (limbs.clone(), vec![9; limbs.len()]);
            let mut run = Deferred::new(&mut got, &mut counts);
            let schedules: Vec<_> = signed.iter().map(|(key, sign)| (Schedule::new(key, backend), *sign)).collect();
            accumulate(schedules.iter().map(|(schedule, sign)| (schedule, *sign)), first, &mut run);

            for (i, exact) in exact.iter().enumerate() {
                let counted = i128::from(got[i]) + (i128::from(counts[i]) << 64);
                prop_assert_eq!(counted, *exact, "{} limb {}", backend.name(), i);
            }
        }
    }

    #[test]
    fn every_kernel_adds_the_same_words_when_limbs_wrap(
        key: [u8; 32],
        first in 0u64..1 << 57,
        limbs in prop::collection::vec(any::<[u64; BATCH_LIMBS]>(), 0..11),
    ) {
        let mut want = limbs.clone();
        let mut keystream = vec![[0; BATCH_BYTES]; limbs.len()];
        Schedule::new(&key, Backend::Portable).fill(first, &mut keystream);
        for (limb, word) in want.as_flattened_mut().iter_mut().zip(keystream.as_flattened().as_chunks().0) {
            *limb = limb.wrapping_add(u64::from_le_bytes(*word));
        }

        for backend in Backend::available() {
            let mut got = limbs.clone();
            Schedule::new(&key, backend).add_wrapping(first, &mut got);
            prop_assert_eq!(&got, &want, "{}", backend.name());
        }
    }
}

fn sign() -> impl Strategy<Value = Sign> {
    prop_oneof![Just(Sign::Add), Just(Sign::Subtract)]
}

fn padded<const N: usize>(blocks: [[u8; 16]; BATCH_BLOCKS]) -> [[u8; 16]; N] {
    std::array::from_fn(|i| blocks.get(i).copied().unwrap_or_default())
}

fn start<const N: usize>(blocks: [[u8; 16]; N]) -> [[u8; 16]; BATCH_BLOCKS] {
    *blocks.first_chunk().unwrap()
}
