//! Addition of many block integers at once: limbs wrap, carries are counted, and settled when all
//! is added.
//!
//! Add-with-carry makes each limb wait for its right neighbour, for every operand again. Here a
//! limb wraps and only counts what it owes to its left neighbour: +1 for a carry, -1 for a borrow.
//! One pass at the end pays the counts; the result is bit-equal, because a block integer is the sum
//! of `(limb + 2^64 count) 2^(64 i)` all the way, modulo 2^(64 x limbs).

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
    pub(crate) fn settle(self, mut carry: i64) -> i64 {
        for (limb, count) in self.limbs.iter_mut().zip(self.counts) {
            let paid = i128::from(*limb) + i128::from(carry);
            *limb = paid as u64; // the low 64 bits, also of a negative sum
            // At most the number of operands and one: far from the ends of an i64.
            carry = *count + (paid >> u64::BITS) as i64;
        }
        carry
    }
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
