//! Not numbers of any length, and not for secrets: unsigned integers of 512 bits on the stack, whose steps depend on their value. What would be larger is
//! the largest there is, so that an upper end stays one.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "128-bit products and sums of 64-bit limbs fit; what wraps is said to"
)]

use std::cmp::Ordering;

/// An integer from 0 to 2^512 - 1, least significant limb first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide([u64; LIMBS]);

/// A divisor above 0, with what makes many divisions by it cheap: Möller and Granlund 2011, *Improved division by invariant integers*, algorithms 4 and 5.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divisor {
    /// Shifted until its top bit is set.
    normalised: u64,
    shift: u32,
    /// floor((2^128 - 1) / normalised) - 2^64.
    reciprocal: u64,
}

impl Wide {
    pub(super) const ZERO: Self = Self([0; LIMBS]);

    const MAX: Self = Self([u64::MAX; LIMBS]);

    /// 2^exponent.
    pub(super) fn power_of_two(exponent: u32) -> Self {
        let (place, bit) = (exponent / u64::BITS, exponent % u64::BITS);
        let mut limbs = [0; LIMBS];
        match limbs.get_mut(place as usize) {
            Some(limb) => *limb = 1 << bit,
            None => return Self::MAX,
        }
        Self(limbs)
    }

    pub(super) fn times(mut self, factor: u64) -> Self {
        let mut carry = 0;
        for limb in &mut self.0 {
            let product = u128::from(*limb) * u128::from(factor) + carry;
            (*limb, carry) = (low(product), product >> u64::BITS);
        }
        if carry == 0 { self } else { Self::MAX }
    }

    pub(super) fn plus(mut self, other: &Self) -> Self {
        let mut carry = 0;
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            let sum = u128::from(*limb) + u128::from(*other) + carry;
            (*limb, carry) = (low(sum), sum >> u64::BITS);
        }
        if carry == 0 { self } else { Self::MAX }
    }

    pub(super) fn plus_small(self, other: u64) -> Self {
        let mut limbs = [0; LIMBS];
        if let Some(limb) = limbs.first_mut() {
            *limb = other;
        }
        self.plus(&Self(limbs))
    }

    /// The difference; 0 where it would be below.
    pub(super) fn minus(mut self, other: &Self) -> Self {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(&other.0) {
            let (difference, first) = limb.overflowing_sub(*other);
            let (difference, second) = difference.overflowing_sub(borrow.into());
            (*limb, borrow) = (difference, first || second);
        }
        if borrow { Self::ZERO } else { self }
    }

    /// Limbs, least significant first.
    pub(super) fn limbs(&self) -> [u64; LIMBS] {
        self.0
    }
}

impl Divisor {
    /// For `divisor`; for 1 in the place of 0.
    pub(super) fn new(divisor: u64) -> Self {
        let divisor = divisor.max(1);
        let shift = divisor.leading_zeros();
        let normalised = divisor << shift;
        let ones = u128::from(!normalised) << u64::BITS | u128::from(u64::MAX);
        Self {
            normalised,
            shift,
            reciprocal: low(ones / u128::from(normalised)),
        }
    }

    /// Two quotients, rounded down: each limb waits for the one before it, and two numbers wait together.
    pub(super) fn both(&self, mut one: Wide, mut other: Wide) -> (Wide, Wide) {
        let (mut first, mut second) = (0, 0);
        for (one, other) in one.0.iter_mut().zip(&mut other.0).rev() {
            (*one, first) = self.divide(first, *one);
            (*other, second) = self.divide(second, *other);
        }
        (one, other)
    }

    /// Quotient and remainder of `above` 2^64 + `limb`, where `above` is below the divisor.
    fn divide(&self, above: u64, limb: u64) -> (u64, u64) {
        let Self {
            normalised,
            shift,
            reciprocal,
        } = *self;
        let number = (u128::from(above) << u64::BITS | u128::from(limb)) << shift;
        let (high, rest) = (low(number >> u64::BITS), low(number));
        let guess = u128::from(reciprocal) * u128::from(high);
        // at most one too large, or with wrapping one too small
        let guess = guess.wrapping_add(number);
        let mut quotient = low(guess >> u64::BITS).wrapping_add(1);
        let mut remainder = rest.wrapping_sub(quotient.wrapping_mul(normalised));
        if remainder > low(guess) {
            quotient = quotient.wrapping_sub(1);
            remainder = remainder.wrapping_add(normalised);
        }
        if remainder >= normalised {
            quotient = quotient.wrapping_add(1);
            remainder -= normalised;
        }
        (quotient, remainder >> shift)
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Wide {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

const LIMBS: usize = 8;

/// The lower half.
fn low(number: u128) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use num_traits::{One as _, ToPrimitive as _};
    use proptest::prelude::*;

    fn big(wide: &Wide) -> BigUint {
        let bytes = wide.limbs().map(u64::to_le_bytes);
        BigUint::from_bytes_le(bytes.as_flattened())
    }

    fn held(big: BigUint) -> BigUint {
        big.min((BigUint::one() << 512_u32) - 1_u32)
    }

    /// Limbs of all lengths, among them those at which a carry runs through.
    fn wide() -> impl Strategy<Value = Wide> {
        let limb = prop_oneof![Just(0), Just(u64::MAX), Just(1 << 63), any::<u64>()];
        prop::array::uniform8(limb).prop_map(Wide)
    }

    fn small() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(1),
            Just(u64::MAX),
            Just(1 << 63),
            Just((1 << 63) - 1),
            Just((1 << 63) + 1),
            Just(1 << 32),
            any::<u64>(),
            (0_u32..64, any::<u64>()).prop_map(|(shift, number)| number >> shift),
        ]
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_numbers_of_any_length(one in wide(), other in wide(), factor in small()) {
            let (a, b) = (big(&one), big(&other));
            prop_assert_eq!(big(&one.times(factor)), held(&a * factor));
            prop_assert_eq!(big(&one.plus(&other)), held(&a + &b));
            prop_assert_eq!(big(&one.plus_small(factor)), held(&a + factor));
            let difference = if a > b { &a - &b } else { BigUint::ZERO };
            prop_assert_eq!(big(&one.minus(&other)), difference);
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
            let divisor = factor.max(1);
            let (first, second) = Divisor::new(divisor).both(one, other);
            prop_assert_eq!((big(&first), big(&second)), (&a / divisor, &b / divisor));
        }

        #[test]
        fn a_limb_is_divided_as_the_processor_does(above in any::<u64>(), limb in small(), divisor in small()) {
            let divisor = divisor.max(1);
            let above = above % divisor;
            let number = u128::from(above) << 64 | u128::from(limb);
            let wanted = (number / u128::from(divisor), number % u128::from(divisor));
            let (quotient, remainder) = Divisor::new(divisor).divide(above, limb);
            prop_assert_eq!((u128::from(quotient), u128::from(remainder)), wanted);
        }
    }

    #[test]
    fn powers_of_two_are_those_that_fit() {
        for exponent in 0..512 {
            let wanted = BigUint::one() << exponent;
            assert_eq!(big(&Wide::power_of_two(exponent)), wanted);
        }
        assert_eq!(Wide::power_of_two(512), Wide::MAX);
        assert_eq!(big(&Wide::power_of_two(70)).to_f64(), Some(2_f64.powi(70)));
    }
}
