//! Not a file and not a sum: the limbs of one upload while its bytes come.
//!
//! Bytes go from the datagram to the limb that they belong to, and nowhere between: a whole upload is an update without being
//! copied again.

/// Limbs that are written by bytes in their order, whatever the pieces.
pub(crate) struct Limbs {
    whole: Vec<u64>,
    /// First bytes of the limb that comes next.
    part: [u8; LIMB],
    /// How many of them are here, fewer than a limb has.
    parts: usize,
}

impl Limbs {
    /// Room for `bytes` bytes; pages come as they are written.
    pub(crate) fn with_room_for(bytes: u64) -> Self {
        let limbs = usize::try_from(bytes).unwrap_or_default().div_ceil(LIMB);
        Self {
            whole: Vec::with_capacity(limbs),
            part: [0; LIMB],
            parts: 0,
        }
    }

    /// Writes the next bytes.
    // spec: [wire.vector]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let bytes = self.complete(bytes);
        let (limbs, rest) = bytes.as_chunks::<LIMB>();
        let limbs = limbs.iter().map(|limb| u64::from_le_bytes(*limb));
        self.whole.extend(limbs);
        self.keep(rest);
    }

    /// The limbs; bytes that make no whole one are left out.
    pub(crate) fn into_limbs(self) -> Vec<u64> {
        self.whole
    }

    /// Bytes written.
    pub(crate) fn bytes(&self) -> usize {
        let whole = self.whole.len().saturating_mul(LIMB);
        whole.saturating_add(self.parts)
    }

    /// Ends the limb that was begun, if the bytes are enough for it; returns the rest.
    fn complete<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.parts == 0 {
            return bytes;
        }
        let missing = LIMB.saturating_sub(self.parts);
        let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.keep(head);
        if self.parts == LIMB {
            self.whole.push(u64::from_le_bytes(self.part));
            self.parts = 0;
        }
        rest
    }

    /// Notes bytes of a limb that is not whole.
    fn keep(&mut self, bytes: &[u8]) {
        for (place, byte) in self.part.iter_mut().skip(self.parts).zip(bytes) {
            *place = *byte;
            self.parts = self.parts.saturating_add(1);
        }
    }
}

const LIMB: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // spec: [wire.vector]
        #[test]
        fn limbs_are_the_same_in_any_pieces(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(0_usize..24, 0..60),
        ) {
            let mut limbs = Limbs::with_room_for(bytes.len() as u64);
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (piece, others) = rest.split_at(cut.min(rest.len()));
                limbs.push(piece);
                rest = others;
            }
            limbs.push(rest);
            prop_assert_eq!(limbs.bytes(), bytes.len());
            let wanted = bytes.as_chunks::<8>().0.iter().map(|limb| u64::from_le_bytes(*limb));
            prop_assert_eq!(limbs.into_limbs(), wanted.collect::<Vec<_>>());
        }
    }
}
