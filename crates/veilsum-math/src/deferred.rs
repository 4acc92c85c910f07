//! Addition of many block integers at once: limbs wrap, carries are counted, and settled when all
//! is added.
//!
//! Add-with-carry makes each limb wait for its right neighbour, for every operand again. Here a
//! limb wraps and only counts what it owes to its left neighbour: +1 for a carry, -1 for a borrow.
//! One pass at the end pays the counts; the result is bit-equal, because a block integer is the sum
//! of `(limb + 2^64 count) 2^(64 i)` all the way, modulo 2^(64 x limbs).

use std::mem;

use crate::backend::{WideLoop, Width};

/// Whether an operand is added or subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The self mask, and the pair mask of the lower slot.
    Add,
    /// The pair mask of the higher slot; also how an added mask is taken off again.
    Subtract,
}

/// A run of limbs, and for each what it owes to the next.
pub(crate) struct Deferred<'a> {
    limbs: &'a mut [u64],
    counts: &'a mut [i64],
}

impl<'a> Deferred<'a> {
    /// Starts with nothing owed. `counts` is at least as long as `limbs`.
    pub(crate) fn new(limbs: &'a mut [u64], counts: &'a mut [i64]) -> Self {
        let counts = &mut counts[..limbs.len()];
        counts.fill(0);
        Self { limbs, counts }
    }

    /// The limbs and their counts, equally long.
    pub(crate) fn parts(&mut self) -> (&mut [u64], &mut [i64]) {
        (self.limbs, self.counts)
    }

    /// Ends the deferral: pays `carry`, then each count to the next limb, and returns what the last
    /// limb owes.
    pub(crate) fn settle(self, carry: i64) -> i64 {
        let Self { limbs, counts } = self;
        let Some(last) = counts.last_mut() else {
            return carry;
        };
        // Each count comes to stand beside the limb that it is paid to.
        let owed = mem::replace(last, carry);
        counts.rotate_right(1);
        let pay = Pay {
            limbs: &mut *limbs,
            counts: &mut *counts,
        };
        // Limbs under a mask, and sums that a mask came off, hardly ever wrap by a count: whether
        // one did says nothing that the limbs do not, and those are sent.
        match Width::detected().run(pay) {
            true => owed + ripple(limbs, counts),
            false => owed,
        }
    }
}

/// Adds to each limb its count, all at once, and leaves in the counts what that owes to the next
/// limbs: -1, 0 or 1. Whether any owes something.
struct Pay<'a> {
    limbs: &'a mut [u64],
    counts: &'a mut [i64],
}

impl WideLoop for Pay<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let mut any = 0;
        for (limb, count) in self.limbs.iter_mut().zip(self.counts) {
            let added = *count as u64;
            *limb = limb.wrapping_add(added);
            // A negative count was added as 2^64 more than it is.
            let wrapped = i64::from(*limb < added);
            *count = wrapped - i64::from(*count < 0);
            any |= *count;
        }
        any != 0
    }
}

/// Pays each count to the limb after it, one after the other.
fn ripple(limbs: &mut [u64], counts: &[i64]) -> i64 {
    let mut carry = 0;
    for (limb, count) in limbs.iter_mut().zip(counts) {
        let paid = i128::from(*limb) + i128::from(carry);
        *limb = paid as u64; // the low 64 bits, also of a negative sum
        // At most the number of operands and one: far from the ends of an i64.
        carry = *count + (paid >> u64::BITS) as i64;
    }
    carry
}

/// Adds or subtracts little-endian limbs read from `bytes`, of which there may be more than `limbs`
/// takes.
pub(crate) fn accumulate(limbs: &mut [u64], counts: &mut [i64], bytes: &[u8], sign: Sign) {
    let (words, _) = bytes.as_chunks();
    for ((limb, count), word) in limbs.iter_mut().zip(counts).zip(words) {
        let word = u64::from_le_bytes(*word);
        match sign {
            Sign::Add => {
                let (sum, carry) = limb.overflowing_add(word);
                *limb = sum;
                *count += i64::from(carry);
            }
            Sign::Subtract => {
                let (difference, borrow) = limb.overflowing_sub(word);
                *limb = difference;
                *count -= i64::from(borrow);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_ripple_through_ones_and_out_of_the_run() {
        let mut limbs = [u64::MAX; 3];
        let mut counts = [7; 3]; // stale
        let mut deferred = Deferred::new(&mut limbs, &mut counts);
        let (l, c) = deferred.parts();
        accumulate(l, c, &[1, 0, 0, 0, 0, 0, 0, 0], Sign::Add);

        assert_eq!(deferred.settle(0), 1);
        assert_eq!(limbs, [0; 3]);
    }

    #[test]
    fn borrows_ripple_through_zeros_and_out_of_the_run() {
        let mut limbs = [0; 3];
        let mut counts = [0; 3];
        let mut deferred = Deferred::new(&mut limbs, &mut counts);
        let (l, c) = deferred.parts();
        accumulate(l, c, &[1, 0, 0, 0, 0, 0, 0, 0], Sign::Subtract);

        assert_eq!(deferred.settle(0), -1);
        assert_eq!(limbs, [u64::MAX; 3]);
    }

    #[test]
    fn a_carry_from_before_is_paid_to_the_first_limb() {
        let mut limbs = [u64::MAX, 5];
        let mut counts = [0; 2];
        assert_eq!(Deferred::new(&mut limbs, &mut counts).settle(3), 0);
        assert_eq!(limbs, [2, 6]);

        assert_eq!(Deferred::new(&mut limbs, &mut counts).settle(-3), 0);
        assert_eq!(limbs, [u64::MAX, 5]);
    }

    #[test]
    fn what_is_paid_ripples_as_far_as_it_goes() {
        // (limbs, counts, carry) and the integer that they are, by add-with-carry alone
        let cases = [
            ([u64::MAX; 4], [1, 0, 0, 0], 0),
            ([u64::MAX, u64::MAX, 5, 0], [0, 1, -1, 7], 1),
            ([0, 0, 0, 9], [-3, 0, 2, -1], -1),
            ([0; 4], [0, -1, 0, 0], -70),
            ([u64::MAX - 1, 1, 0, u64::MAX], [70, -70, 70, -70], 2),
        ];
        for (limbs, counts, carry) in cases {
            let (mut wanted, mut owed) = (limbs, carry);
            for (limb, count) in wanted.iter_mut().zip(counts) {
                let paid = i128::from(*limb) + i128::from(owed);
                *limb = paid as u64;
                owed = count + (paid >> 64) as i64;
            }
            let (mut found, mut counts) = (limbs, counts);
            let deferred = Deferred {
                limbs: &mut found,
                counts: &mut counts,
            };
            assert_eq!((deferred.settle(carry), found), (owed, wanted));
        }
    }

    #[test]
    fn a_carry_and_a_borrow_of_one_limb_cancel() {
        let mut limbs = [u64::MAX, 5];
        let mut counts = [0; 2];
        let mut deferred = Deferred::new(&mut limbs, &mut counts);
        let (l, c) = deferred.parts();
        accumulate(l, c, &[9, 0, 0, 0, 0, 0, 0, 0], Sign::Add);
        accumulate(l, c, &[9, 0, 0, 0, 0, 0, 0, 0], Sign::Subtract);

        assert_eq!(deferred.settle(0), 0);
        assert_eq!(limbs, [u64::MAX, 5]);
    }
}
