//! What the coordinator knows with the corrupt members, as a test states it.

use super::Play;

impl Play {
    /// Asserts that what left honest members determines these sums over honest members and nothing else: no input, no smaller
    /// sum, no difference of two. Sums come by round, within a round by their first member.
    ///
    /// # Panics
    ///
    /// When other sums are known, or a promise of the theorem is broken.
    pub fn assert_known(&self, sums: &[&[u32]]) {
        let rounds = self.tap.rounds().into_iter();
        let known = rounds.flat_map(|round| self.tap.known_sums(round));
        let known = known.map(|sum| sum.into_iter().map(|slot| slot.0).collect::<Vec<_>>());
        assert_eq!(known.collect::<Vec<_>>(), sums, "sums that are known");
        self.tap.assert_safe();
    }
}
