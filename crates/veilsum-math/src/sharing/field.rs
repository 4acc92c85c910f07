//! Not a field: two operations on integers modulo the group order `2^252 + DELTA`, in little-endian
//! limbs, reduced only as far as they must be.
//!
//! What it is for: the loops of sharing over all points and coefficients. The one factor of splitting
//! and of Lagrange coefficients is a public point or a difference of two, at most 2^32, so that a
//! product is a few bits too long, and these fold down with two multiplications. Nothing here
//! branches on a value.

use std::array;

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, Zeroizing};

use super::Point;

/// An integer below 2^254, standing for its residue modulo the group order.
#[derive(Zeroize)]
pub(super) struct Lazy([u64; 4]);

impl Lazy {
    pub(super) const ZERO: Self = Self([0; 4]);
    pub(super) const ONE: Self = Self([1, 0, 0, 0]);

    /// The value times `factor`, which is at most 2^32, plus `addend`.
    ///
    /// With `value < 2^254` the product is `high 2^252 + low`, where `high` is at most 2^34, and
    /// is congruent to `low - high DELTA`. The addend holds the group order once, more than
    /// `high DELTA`, which is below 2^160; so nothing is negative, and the result is below
    /// `2^252 + 2 (2^252 + DELTA)`, hence below 2^254 again.
    #[inline]
    pub(super) fn multiply_add(&self, factor: u64, addend: &Addend) -> Self {
        let mut product = [0; 5];
        let mut carry = 0;
        for (out, limb) in product.iter_mut().zip(self.0) {
            (*out, carry) = limb.carrying_mul(factor, carry);
        }
        product[4] = carry;

        let high = product[3] >> TOP_BITS | product[4] << (64 - TOP_BITS);
        product[3] &= (1 << TOP_BITS) - 1;
        let (low, carry) = DELTA[0].carrying_mul(high, 0);
        let (middle, top) = DELTA[1].carrying_mul(high, carry);

        let mut sum = [0; 4];
        let (mut carry, mut borrow) = (false, false);
        for (((out, limb), more), less) in (sum.iter_mut().zip(product))
            .zip(addend.0)
            .zip([low, middle, top, 0])
        {
            (*out, carry) = limb.carrying_add(more, carry);
            (*out, borrow) = out.borrowing_sub(less, borrow);
        }
        Self(sum)
    }

    pub(super) fn reduce(&self) -> Scalar {
        Scalar::from_bytes_mod_order(bytes(&self.0))
    }
}

/// A residue plus the group order, below `2 (2^252 + DELTA)`.
#[derive(Zeroize)]
pub(super) struct Addend([u64; 4]);

impl Addend {
    pub(super) const ZERO: Self = Self(ORDER);

    pub(super) fn new(scalar: &Scalar) -> Self {
        let mut sum = limbs(scalar);
        let mut carry = false;
        for (limb, order) in sum.iter_mut().zip(ORDER) {
            (*limb, carry) = limb.carrying_add(order, carry);
        }
        Self(sum)
    }
}

/// As many numbers of points as are worked on side by side, so that one's multiplications fill the
/// time in which another's carries ripple. Where there are fewer points, the others are zero.
pub(super) fn lanes(points: &[Point]) -> [u64; LANES] {
    array::from_fn(|lane| points.get(lane).map_or(0, |point| point.number()))
}

/// The sum of the products of pairs, reduced once for many.
pub(super) fn sum_of_products(pairs: &[(&Scalar, &Scalar)]) -> Scalar {
    let sum_of_some = |pairs: &[(&Scalar, &Scalar)]| {
        let mut sum = Zeroizing::new([0; 8]);
        for (a, b) in pairs {
            add_product(&mut sum, &limbs(a), &limbs(b));
        }
        Scalar::from_bytes_mod_order_wide(&bytes(&sum))
    };
    pairs.chunks(UNREDUCED).map(sum_of_some).sum()
}

#[inline]
fn add_product(sum: &mut [u64; 8], a: &[u64; 4], b: &[u64; 4]) {
    let mut product = [0; 8];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, b) in b.iter().enumerate() {
            (product[i + j], carry) = a.carrying_mul_add(*b, product[i + j], carry);
        }
        product[i + 4] = carry;
    }
    let mut carry = false;
    for (limb, more) in sum.iter_mut().zip(product) {
        (*limb, carry) = limb.carrying_add(more, carry);
    }
}

fn limbs(scalar: &Scalar) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (limb, bytes) in limbs.iter_mut().zip(scalar.as_bytes().as_chunks().0) {
        *limb = u64::from_le_bytes(*bytes);
    }
    limbs
}

fn bytes<const LIMBS: usize, const BYTES: usize>(limbs: &[u64; LIMBS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(limbs) {
        *bytes = limb.to_le_bytes();
    }
    bytes
}

/// Points side by side.
pub(super) const LANES: usize = 4;

/// The group order, `2^252 + DELTA`.
const ORDER: [u64; 4] = [DELTA[0], DELTA[1], 0, 1 << TOP_BITS];

/// 27742317777372353535851937790883648493.
const DELTA: [u64; 2] = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6];

/// Bits of the top limb below 2^252.
const TOP_BITS: u32 = 252 - 192;

/// Products of two scalars, each below 2^505, whose sum has 512 bits at most.
const UNREDUCED: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest lazy value by the largest factor: where something would overflow first.
    #[test]
    fn the_largest_operands_stay_in_range() {
        let largest = Lazy([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 2]);
        let minus_one = -Scalar::ONE;
        let factor = 1 << 32;

        let got = largest.multiply_add(factor, &Addend::new(&minus_one));

        assert!(got.0[3] < 1 << 62);
        assert_eq!(
            got.reduce(),
            largest.reduce() * Scalar::from(factor) - Scalar::ONE
        );
    }

    /// Nothing is added but the order, and the most is taken off.
    #[test]
    fn the_smallest_sum_is_not_negative() {
        let high = Lazy([0, 0, 0, 0x3 << 60]);
        let got = high.multiply_add(1 << 32, &Addend::ZERO);
        assert!(got.0[3] < 1 << 62);
        assert_eq!(got.reduce(), high.reduce() * Scalar::from(1u64 << 32));
    }

    #[test]
    fn sums_of_the_largest_products_do_not_overflow() {
        for count in [0usize, 1, 63, 64, 65, 200] {
            let minus_one = -Scalar::ONE;
            let pairs = vec![(&minus_one, &minus_one); count];
            assert_eq!(sum_of_products(&pairs), Scalar::from(count as u64));
        }
    }

    proptest! {
        #[test]
        fn multiplying_and_adding_is_that_of_the_field(
            mut value: [u64; 4],
            factor in prop_oneof![0u64..=1 << 32, Just(0), Just(1), Just(1 << 32)],
            wide in any::<[u8; 32]>(),
        ) {
            value[3] >>= 2;
            let addend = Scalar::from_bytes_mod_order(wide);
            let got = Lazy(value).multiply_add(factor, &Addend::new(&addend));
            prop_assert!(got.0[3] < 1 << 62);
            let want = Scalar::from_bytes_mod_order(bytes(&value)) * Scalar::from(factor) + addend;
            prop_assert_eq!(got.reduce(), want);
        }

        #[test]
        fn sums_of_products_are_those_of_the_field(wide in prop::collection::vec(any::<([u8; 32], [u8; 32])>(), 0..150)) {
            let scalars: Vec<_> = wide.iter().map(|(a, b)| (Scalar::from_bytes_mod_order(*a), Scalar::from_bytes_mod_order(*b))).collect();
            let pairs: Vec<_> = scalars.iter().map(|(a, b)| (a, b)).collect();
            prop_assert_eq!(sum_of_products(&pairs), scalars.iter().map(|(a, b)| a * b).sum::<Scalar>());
        }
    }
}
