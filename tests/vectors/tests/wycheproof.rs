//! The primitives as we use them, against the test vectors of Project Wycheproof.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce, Tag};
use ed25519_dalek::{Signature, VerifyingKey};
use hkdf::Hkdf;
use sha2::Sha256;
use veilsum_proto::identity::PublicKey;
use veilsum_proto::ids::{Sid, Slot};
use veilsum_proto::keys::pair_seed_of_mask_key;
use wycheproof::{TestResult, aead, eddsa, hkdf as kdf, xdh};
use x25519_dalek::{PublicKey as Exchange, StaticSecret};

#[test]
fn x25519_agrees_and_refuses_a_secret_of_zero() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("a test set");
    let (mut agreed, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = test.private_key.as_ref().try_into().expect("32 bytes");
        let Ok(public) = <[u8; 32]>::try_from(test.public_key.as_ref()) else {
            continue;
        };
        let shared = StaticSecret::from(private).diffie_hellman(&Exchange::from(public));
        assert_eq!(
            shared.as_bytes(),
            test.shared_secret.as_ref(),
            "{}",
            test.tc_id
        );
        // Ours refuses where Wycheproof lets an implementation choose: what is agreed without contribution is zero.
        let ours = pair_seed_of_mask_key(private, &Sid([1; 32]), Slot(0), Slot(1), &public);
        let zero = test.shared_secret.iter().all(|byte| *byte == 0);
        assert_eq!(ours.is_err(), zero, "{}", test.tc_id);
        match zero {
            true => refused += 1,
            false => agreed += 1,
        }
    }
    println!("{agreed} agreed, {refused} refused");
    assert!(
        agreed > 400 && refused > 0,
        "{agreed} agreed, {refused} refused"
    );
}

#[test]
fn ed25519_verifies_strictly() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("a test set");
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk.as_ref().try_into().expect("32 bytes");
        PublicKey::parse(&key).expect("a key that a roster takes");
        let key = VerifyingKey::from_bytes(&key).expect("a point");
        for test in &group.tests {
            let signature = Signature::from_slice(&test.sig);
            let good =
                signature.is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
            assert_eq!(good, test.result == TestResult::Valid, "{}", test.tc_id);
            match good {
                true => valid += 1,
                false => invalid += 1,
            }
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert!(
        valid > 50 && invalid > 50,
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn aes_256_gcm_with_a_nonce_of_96_bits_and_a_whole_tag() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).expect("a test set");
    let (mut valid, mut invalid) = (0, 0);
    let groups = set.test_groups.iter();
    for group in
        groups.filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128))
    {
        for test in &group.tests {
            let key: [u8; 32] = test.key.as_ref().try_into().expect("32 bytes");
            let nonce: [u8; 12] = test.nonce.as_ref().try_into().expect("12 bytes");
            let tag = Tag::try_from(test.tag.as_ref()).expect("16 bytes");
            let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(key));
            let nonce = Nonce::from(nonce);
            let mut text = test.ct.to_vec();
            let opened =
                cipher.decrypt_inout_detached(&nonce, &test.aad, text.as_mut_slice().into(), &tag);
            assert_eq!(
                opened.is_ok(),
                test.result == TestResult::Valid,
                "{}",
                test.tc_id
            );
            if opened.is_err() {
                invalid += 1;
                continue;
            }
            assert_eq!(text, test.pt.as_ref(), "{}", test.tc_id);
            let sealed = cipher
                .encrypt_inout_detached(&nonce, &test.aad, text.as_mut_slice().into())
                .expect("a short text");
            assert_eq!(
                (text.as_slice(), sealed),
                (test.ct.as_ref(), tag),
                "{}",
                test.tc_id
            );
            valid += 1;
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert!(
        valid > 20 && invalid > 20,
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn hkdf_sha_256() {
    let set = kdf::TestSet::load(kdf::TestName::HkdfSha256).expect("a test set");
    let (mut valid, mut invalid) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut out = vec![0; test.size];
        let made = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut out);
        assert_eq!(
            made.is_ok(),
            test.result == TestResult::Valid,
            "{}",
            test.tc_id
        );
        match made {
            Ok(()) => {
                assert_eq!(out, test.okm.as_ref(), "{}", test.tc_id);
                valid += 1;
            }
            Err(_) => invalid += 1,
        }
    }
    println!("{valid} valid, {invalid} invalid");
    assert!(
        valid > 50 && invalid > 0,
        "{valid} valid, {invalid} invalid"
    );
}
