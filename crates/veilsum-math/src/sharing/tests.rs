use std::sync::Arc;

use curve25519_dalek::Scalar;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;
use rand_core::{Infallible, TryCryptoRng, TryRng};

use super::*;
use crate::Threads;

/// The group order minus one, the largest canonical encoding.
const LARGEST: &str = "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

#[test]
fn any_threshold_of_the_shares_rebuild_the_secret() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let (secret, points) = (Secret::random(&mut rng), points(5));
    let shares = split(&secret, 3, &points, &mut rng).unwrap();

    for chosen in 0u32..1 << 5 {
        let set: Vec<usize> = (0..5).filter(|i| chosen >> i & 1 == 1).collect();
        if set.is_empty() {
            continue;
        }
        let rebuilt = rebuild(&set, &points, &shares);
        // Fewer shares give another value, with a probability of 2^-252 the same.
        assert_eq!(
            bool::from(rebuilt.ct_eq(&secret)),
            set.len() >= 3,
            "{set:?}"
        );
    }
}

#[test]
fn a_threshold_of_one_gives_everyone_the_secret() {
    let mut rng = ChaCha12Rng::seed_from_u64(2);
    let secret = Secret::random(&mut rng);
    for share in split(&secret, 1, &points(3), &mut rng).unwrap() {
        assert_eq!(*share.expose_bytes(), *secret.expose_bytes());
    }
}

/// For every other secret there is one polynomial that gives the same `threshold - 1` shares: the
/// dealer's plus the difference times the product of `(1 - x / x_i)`. Its coefficients are as
/// likely as the dealer's own.
#[test]
fn one_share_less_than_the_threshold_fits_every_secret() {
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let points = points(4);
    let coefficients: Vec<Scalar> = (0..4).map(|_| *Secret::random(&mut rng).scalar()).collect();
    let other = *Secret::random(&mut rng).scalar();

    let mut vanishing = vec![other - coefficients[0]];
    for point in &points[..3] {
        let slope = -scalar(*point).invert();
        let mut product = vanishing.clone();
        product.push(Scalar::ZERO);
        for (i, coefficient) in vanishing.iter().enumerate() {
            product[i + 1] += coefficient * slope;
        }
        vanishing = product;
    }
    let fitting: Vec<Scalar> = coefficients
        .iter()
        .zip(&vanishing)
        .map(|(a, b)| a + b)
        .collect();
    assert_eq!(fitting[0], other);

    let dealt = split_with_coefficients(&coefficients, &points);
    let dealt_otherwise = split_with_coefficients(&fitting, &points);
    for (share, same) in dealt.iter().zip(&dealt_otherwise).take(3) {
        assert!(bool::from(share.ct_eq(same)));
    }
    assert!(!bool::from(dealt[3].ct_eq(&dealt_otherwise[3])));
    assert_eq!(
        *rebuild(&[0, 1, 2, 3], &points, &dealt_otherwise).scalar(),
        other
    );
}

#[test]
fn shares_are_the_values_of_the_drawn_polynomial() {
    let coefficients = [5u64, 7, 11].map(Scalar::from);
    let points = [
        Point::of_slot(0),
        Point::of_slot(9),
        Point::of_slot(u32::MAX),
    ];
    let shares = split_with_coefficients(&coefficients, &points);

    for (share, x) in shares.iter().zip([1u128, 10, 1 << 32]) {
        assert_eq!(*share.scalar(), Scalar::from(5 + 7 * x + 11 * x * x));
    }
}

#[test]
fn several_threads_deal_the_shares_of_one() {
    let secret = Secret::random(&mut ChaCha12Rng::seed_from_u64(8));
    for count in [1, 4, 301] {
        let deal = |threads| {
            let rng = &mut ChaCha12Rng::seed_from_u64(9);
            let threshold = count as usize / 2 + 1;
            let shares = split_over(&secret, threshold, &points(count), threads, rng).unwrap();
            shares
                .iter()
                .map(|share| *share.expose_bytes())
                .collect::<Vec<_>>()
        };
        assert_eq!(deal(Threads::One), deal(Threads::All), "{count} points");
    }
}

#[test]
fn zero_coefficients_are_dealt_like_any_others() {
    let points = points(4);
    for zeros in [
        [0u64, 0, 0, 0],
        [9, 0, 0, 0],
        [9, 4, 0, 0],
        [9, 0, 4, 0],
        [0, 0, 0, 4],
    ] {
        let coefficients = zeros.map(Scalar::from);
        let shares = split_with_coefficients(&coefficients, &points);
        assert_eq!(
            *rebuild(&[0, 1, 2, 3], &points, &shares).scalar(),
            coefficients[0]
        );
    }
    // All drawn coefficients zero: every share is the secret, and nothing drew again to avoid it.
    let shares = split_with_coefficients(&[9u64, 0, 0, 0].map(Scalar::from), &points);
    assert!(
        shares
            .iter()
            .all(|share| *share.scalar() == Scalar::from(9u64))
    );
}

#[test]
fn coefficients_are_64_bytes_reduced() {
    // 2^512 - 1 for each coefficient.
    let mut rng = Script(vec![[0xff; 64]; 2]);
    let shares = split(&secret(Scalar::from(1u64)), 3, &points(3), &mut rng).unwrap();

    let wide = Scalar::from_bytes_mod_order_wide(&[0xff; 64]);
    assert_eq!(
        *shares[1].scalar(),
        Scalar::from(1u64) + Scalar::from(6u64) * wide
    );
    assert!(rng.0.is_empty());
}

#[test]
fn impossible_thresholds_are_refused() {
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let secret = Secret::random(&mut rng);
    for (threshold, count) in [(0, 3), (4, 3), (1, 0), (0, 0)] {
        let refused = split(&secret, threshold, &points(count), &mut rng).unwrap_err();
        assert_eq!(
            refused,
            SharingError::Threshold {
                threshold,
                points: count as usize
            }
        );
    }
    assert_eq!(
        SharingError::Threshold {
            threshold: 4,
            points: 3
        }
        .to_string(),
        "found threshold 4, wanted 1 to 3, the number of points"
    );
}

#[test]
fn a_point_named_twice_is_refused() {
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let twice = [3, 1, 3].map(Point::of_slot);
    let refused = SharingError::DuplicatePoint(Point::of_slot(3));

    assert_eq!(
        split(&Secret::random(&mut rng), 2, &twice, &mut rng).unwrap_err(),
        refused
    );
    assert_eq!(Lagrange::at_zero(&twice).unwrap_err(), refused);
    assert_eq!(
        refused.to_string(),
        "found slot 3 twice, wanted each point once"
    );
}

#[test]
fn nothing_cannot_be_interpolated() {
    assert_eq!(Lagrange::at_zero(&[]).unwrap_err(), SharingError::NoPoints);
}

#[test]
fn another_number_of_shares_is_refused() {
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let shares = split(&Secret::random(&mut rng), 2, &points(3), &mut rng).unwrap();
    let lagrange = Lagrange::at_zero(&points(2)).unwrap();

    let refused = lagrange.combine(&[&shares[0]]).unwrap_err();
    assert_eq!(
        refused,
        SharingError::ShareCount {
            found: 1,
            wanted: 2
        }
    );
}

#[test]
fn encodings_from_the_group_order_on_are_refused() {
    let largest = bytes(LARGEST);
    assert_eq!(
        *Secret::from_canonical_bytes(&largest)
            .unwrap()
            .expose_bytes(),
        largest
    );
    assert_eq!(
        *ShareValue::from_canonical_bytes(&largest)
            .unwrap()
            .expose_bytes(),
        largest
    );

    let mut order = largest;
    order[0] += 1; // zero, encoded a second time
    let mut high_bit = [0; 32];
    high_bit[31] = 0x80;
    for encoding in [order, high_bit, [0xff; 32]] {
        assert_eq!(
            Secret::from_canonical_bytes(&encoding).unwrap_err(),
            NonCanonical
        );
        assert_eq!(
            ShareValue::from_canonical_bytes(&encoding).unwrap_err(),
            NonCanonical
        );
    }
}

#[test]
fn debug_shows_nothing_of_a_value() {
    assert_eq!(format!("{:?}", secret(Scalar::from(7u64))), "Secret(..)");
    assert_eq!(
        format!("{:?}", ShareValue::from_canonical_bytes(&[0; 32]).unwrap()),
        "ShareValue(..)"
    );
}

#[test]
fn the_cache_computes_a_set_once() {
    let mut cache = LagrangeCache::default();
    let first = cache.get(&points(3)).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.get(&points(3)).unwrap()));
    assert_eq!(*first, Lagrange::at_zero(&points(3)).unwrap());
}

#[test]
fn the_cache_tells_orders_of_a_set_apart() {
    let mut cache = LagrangeCache::default();
    let [a, b] = [1, 2].map(Point::of_slot);
    assert_ne!(cache.get(&[a, b]).unwrap(), cache.get(&[b, a]).unwrap());
    assert_eq!(cache.len(), 2);
}

#[test]
fn a_full_cache_drops_the_set_used_longest_ago() {
    let mut cache = LagrangeCache::with_capacity(2);
    let (one, two) = (
        cache.get(&points(1)).unwrap(),
        cache.get(&points(2)).unwrap(),
    );
    assert!(Arc::ptr_eq(&one, &cache.get(&points(1)).unwrap()));

    cache.get(&points(3)).unwrap();

    assert_eq!(cache.len(), 2);
    assert!(Arc::ptr_eq(&one, &cache.get(&points(1)).unwrap()));
    assert!(!Arc::ptr_eq(&two, &cache.get(&points(2)).unwrap()));
}

#[test]
fn a_cache_keeps_no_refused_set_and_with_no_room_nothing() {
    let mut cache = LagrangeCache::with_capacity(0);
    assert_eq!(cache.get(&[]).unwrap_err(), SharingError::NoPoints);
    cache.get(&points(2)).unwrap();
    assert!(cache.is_empty());

    let mut cache = LagrangeCache::default();
    assert_eq!(cache.get(&[]).unwrap_err(), SharingError::NoPoints);
    assert!(cache.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_subset_of_any_slots_in_any_order_rebuilds(
        slots in prop::collection::btree_set(any::<u32>(), 1..20),
        threshold in any::<prop::sample::Index>(),
        seed: u64,
    ) {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let points: Vec<Point> = slots.into_iter().map(Point::of_slot).collect();
        let threshold = threshold.index(points.len()) + 1;
        let secret = Secret::random(&mut rng);
        let shares = split(&secret, threshold, &points, &mut rng).unwrap();

        let mut chosen: Vec<usize> = (0..points.len()).collect();
        chosen.shuffle(&mut rng);
        chosen.truncate(threshold);
        prop_assert!(bool::from(rebuild(&chosen, &points, &shares).ct_eq(&secret)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Horner's rule and Lagrange's formula in the field's own arithmetic, at any points.
    #[test]
    fn shares_and_coefficients_are_those_of_plain_field_arithmetic(
        slots in prop::collection::btree_set(prop_oneof![0u32..50, u32::MAX - 20..=u32::MAX, any::<u32>()], 1..40),
        coefficients in prop::collection::vec(field_element(), 1..40),
        shuffle: u64,
    ) {
        let mut points: Vec<Point> = slots.into_iter().map(Point::of_slot).collect();
        points.shuffle(&mut ChaCha12Rng::seed_from_u64(shuffle));
        let coefficients = &coefficients[..coefficients.len().min(points.len())];

        let shares = split_with_coefficients(coefficients, &points);
        for (share, point) in shares.iter().zip(&points) {
            let horner = |value, coefficient| value * scalar(*point) + coefficient;
            prop_assert_eq!(*share.scalar(), coefficients.iter().rev().fold(Scalar::ZERO, horner));
        }

        let lagrange = Lagrange::at_zero(&points).unwrap();
        let shares: Vec<&ShareValue> = shares.iter().collect();
        let mut sum = Scalar::ZERO;
        for (point, share) in points.iter().zip(&shares) {
            let others = points.iter().filter(|other| *other != point);
            let factors = others.map(|other| scalar(*other) * (scalar(*other) - scalar(*point)).invert());
            sum += factors.product::<Scalar>() * share.scalar();
        }
        prop_assert_eq!(*lagrange.combine(&shares).unwrap().scalar(), sum);
        prop_assert_eq!(sum, coefficients[0]);
    }
}

/// Any, and often one next to a border of the canonical ones.
fn field_element() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(Scalar::from_bytes_mod_order),
        any::<u8>().prop_map(Scalar::from),
        any::<u8>().prop_map(|below| -Scalar::from(below)),
    ]
}

fn scalar(point: Point) -> Scalar {
    Scalar::from(point.number())
}

/// An rng whose draws are written down.
struct Script(Vec<[u8; 64]>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("field elements are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("field elements are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0.remove(0));
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// Deals as if the rng had drawn the coefficients after the first, which is the secret.
fn split_with_coefficients(coefficients: &[Scalar], points: &[Point]) -> Vec<ShareValue> {
    let script = coefficients[1..].iter().map(|coefficient| {
        let mut wide = [0; 64];
        wide[..32].copy_from_slice(coefficient.as_bytes());
        wide
    });
    split(
        &secret(coefficients[0]),
        coefficients.len(),
        points,
        &mut Script(script.collect()),
    )
    .unwrap()
}

fn rebuild(chosen: &[usize], points: &[Point], shares: &[ShareValue]) -> Secret {
    let points: Vec<Point> = chosen.iter().map(|i| points[*i]).collect();
    let shares: Vec<&ShareValue> = chosen.iter().map(|i| &shares[*i]).collect();
    Lagrange::at_zero(&points)
        .unwrap()
        .combine(&shares)
        .unwrap()
}

fn secret(value: Scalar) -> Secret {
    Secret::from_canonical_bytes(value.as_bytes()).unwrap()
}

fn points(count: u32) -> Vec<Point> {
    (0..count).map(Point::of_slot).collect()
}

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}
