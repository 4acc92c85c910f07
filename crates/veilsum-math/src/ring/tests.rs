use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;

#[test]
fn a_vector_is_cut_into_full_blocks_and_a_short_last_one() {
    let vector = Blocks::from_limbs((0..2 * 4096 + 3).collect());

    assert_eq!(vector.block_count(), 3);
    assert_eq!(vector.block(1).map(|block| block[0]), Some(4096));
    assert_eq!(vector.block(2), Some(&[8192, 8193, 8194][..]));
    assert_eq!(vector.block(3), None);
    assert_eq!(
        vector.iter_blocks().map(<[u64]>::len).collect::<Vec<_>>(),
        [4096, 4096, 3]
    );
}

#[test]
fn an_empty_vector_has_no_block() {
    let vector = Blocks::zeroed(0);
    assert!(vector.is_empty());
    assert_eq!(vector.block_count(), 0);
    assert_eq!(vector.block(0), None);
}

#[test]
fn a_vector_of_exactly_one_block_has_no_second_one() {
    assert_eq!(Blocks::zeroed(4096).block_count(), 1);
    assert_eq!(Blocks::zeroed(4096).block(1), None);
}

#[test]
fn a_carry_goes_through_a_block_and_not_into_the_next() {
    let mut sum = Blocks::from_limbs(vec![u64::MAX; 4096 + 2]);
    let mut one = Blocks::zeroed(4096 + 2);
    one.limbs_mut()[0] = 1;

    sum.add(&one).unwrap();

    assert!(sum.block(0).unwrap().iter().all(|limb| *limb == 0));
    assert_eq!(sum.block(1).unwrap(), [u64::MAX; 2]);
}

#[test]
fn a_borrow_goes_through_a_block_and_not_into_the_next() {
    let mut difference = Blocks::zeroed(4096 + 2);
    let mut one = Blocks::zeroed(4096 + 2);
    one.limbs_mut()[0] = 1;

    difference.subtract(&one).unwrap();

    assert!(
        difference
            .block(0)
            .unwrap()
            .iter()
            .all(|limb| *limb == u64::MAX)
    );
    assert_eq!(difference.block(1).unwrap(), [0; 2]);
}

#[test]
fn other_lengths_are_refused_and_change_nothing() {
    let mut vector = Blocks::from_limbs(vec![1; 4097]);
    let longer = Blocks::from_limbs(vec![1; 4098]);
    let refused = LengthMismatch {
        found: 4098,
        wanted: 4097,
    };

    assert_eq!(vector.add(&longer), Err(refused));
    assert_eq!(vector.subtract(&longer), Err(refused));
    assert_eq!(
        vector.add_block(1, &[1, 1]),
        Err(LengthMismatch {
            found: 2,
            wanted: 1
        })
    );
    assert_eq!(
        vector.add_block(2, &[1]),
        Err(LengthMismatch {
            found: 1,
            wanted: 0
        })
    );
    assert_eq!(vector.limbs(), [1; 4097]);
    assert_eq!(refused.to_string(), "found 4098 limbs, wanted 4097");
}

#[test]
fn a_block_is_added_at_its_index_only() {
    let mut sum = Blocks::zeroed(2 * 4096 + 1);
    sum.add_block(1, &[7; 4096]).unwrap();

    assert!(sum.block(0).unwrap().iter().all(|limb| *limb == 0));
    assert_eq!(sum.block(1).unwrap(), [7; 4096]);
    assert_eq!(sum.block(2).unwrap(), [0]);
}

#[test]
fn bytes_are_little_endian() {
    let vector = Blocks::from_le_bytes(&[1, 2, 0, 0, 0, 0, 0, 0x80]).unwrap();
    assert_eq!(vector.limbs(), [0x8000_0000_0000_0201]);
    assert_eq!(vector.to_le_bytes(), [1, 2, 0, 0, 0, 0, 0, 0x80]);
}

#[test]
fn bytes_that_end_inside_a_limb_are_refused() {
    let refused = Blocks::from_le_bytes(&[0; 13]).unwrap_err();
    assert_eq!(refused, PartialLimb { found: 13 });
    assert_eq!(
        refused.to_string(),
        "found 13 bytes, wanted a multiple of 8"
    );
}

#[test]
fn the_bytes_of_a_block_are_its_part_of_all_bytes() {
    let vector = Blocks::from_limbs((0..4096 + 2).collect());
    let bytes = vector.to_le_bytes();

    assert_eq!(
        vector.le_bytes_of_block(0).as_deref(),
        Some(&bytes[..BLOCK_BYTES])
    );
    assert_eq!(
        vector.le_bytes_of_block(1).as_deref(),
        Some(&bytes[BLOCK_BYTES..])
    );
    assert_eq!(vector.le_bytes_of_block(2), None);
    if cfg!(target_endian = "little") {
        assert!(matches!(
            vector.le_bytes_of_block(0),
            Some(Cow::Borrowed(_))
        ));
    }
}

#[test]
fn limbs_come_out_as_they_went_in() {
    let blocks = Blocks::from_limbs(vec![3, 2, 1]);
    assert_eq!((blocks.len(), blocks.is_empty()), (3, false));
    assert_eq!(blocks.limbs(), [3, 2, 1]);
    assert_eq!(blocks.into_limbs(), [3, 2, 1]);
    assert!(Blocks::from_limbs(Vec::new()).is_empty());
}

#[test]
fn debug_shows_lengths_only() {
    let vector = Blocks::from_limbs(vec![0x1234_5678; 4097]);
    assert_eq!(
        format!("{vector:?}"),
        "Blocks { limbs: 4097, blocks: 2, .. }"
    );
}

proptest! {
    #[test]
    fn addition_and_subtraction_are_those_of_integers_per_block(
        (a, b) in (1usize..40).prop_flat_map(|len| (limbs(len), limbs(len))),
    ) {
        let modulus = BigUint::from(1u8) << (64 * a.len());
        let (x, y) = (integer(&a), integer(&b));

        let mut sum = Blocks::from_limbs(a.clone());
        sum.add(&Blocks::from_limbs(b.clone())).unwrap();
        prop_assert_eq!(integer(sum.limbs()), (&x + &y) % &modulus);

        let mut difference = Blocks::from_limbs(a);
        difference.subtract(&Blocks::from_limbs(b)).unwrap();
        prop_assert_eq!(integer(difference.limbs()), (x + &modulus - y) % modulus);
    }

    #[test]
    fn reading_undoes_writing(limbs in limbs(30)) {
        let vector = Blocks::from_limbs(limbs);
        prop_assert_eq!(&Blocks::from_le_bytes(&vector.to_le_bytes()).unwrap(), &vector);
    }
}

fn limbs(len: usize) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(
        prop_oneof![Just(0), Just(u64::MAX), Just(1), any::<u64>()],
        len,
    )
}

fn integer(limbs: &[u64]) -> BigUint {
    BigUint::from_bytes_le(
        &limbs
            .iter()
            .flat_map(|limb| limb.to_le_bytes())
            .collect::<Vec<_>>(),
    )
}
