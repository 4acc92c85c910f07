//! Who could still bring a secret that lacks shares. Not the shares themselves.
//!
//! Kept up to date message by message: with k neighbours each, a reveal or a share costs k steps, and not one for each silent survivor and neighbour.

use super::Target;
use crate::ids::Slot;
use std::collections::{BTreeMap, BTreeSet};

/// Secrets that are needed and have too few shares, counted by those who could help.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    /// Silent survivors for whose sake a secret is needed.
    needed_by: BTreeMap<Target, BTreeSet<Slot>>,
    /// Secrets that lack shares, by who holds a share of them.
    held: BTreeMap<Slot, u32>,
    /// Secrets that lack shares, by the silent survivor that needs them.
    needs: BTreeMap<Slot, u32>,
}

impl Outstanding {
    /// What the silence of each survivor makes necessary; no holder is known yet.
    pub(super) fn new(silent: impl IntoIterator<Item = (Slot, Vec<Target>)>) -> Self {
        let mut needed_by = BTreeMap::<Target, BTreeSet<Slot>>::new();
        for (silent, targets) in silent {
            for target in targets {
                needed_by.entry(target).or_default().insert(silent);
            }
        }
        Self {
            needed_by,
            ..Self::default()
        }
    }

    /// Secrets needed, each once.
    pub(super) fn targets(&self) -> impl Iterator<Item = Target> {
        self.needed_by.keys().copied()
    }

    /// A needed secret that lacks shares has these holders.
    pub(super) fn lacks(&mut self, target: Target, holders: &BTreeSet<Slot>) {
        holders.iter().for_each(|slot| more(&mut self.held, *slot));
        let silent = self.needed_by.get(&target).into_iter().flatten();
        silent.for_each(|slot| more(&mut self.needs, *slot));
    }

    /// It has shares enough.
    pub(super) fn has(&mut self, target: Target, holders: &BTreeSet<Slot>) {
        holders.iter().for_each(|slot| less(&mut self.held, *slot));
        let silent = self.needed_by.get(&target).into_iter().flatten();
        silent.for_each(|slot| less(&mut self.needs, *slot));
    }

    /// A silent survivor is not silent any more. Tells whether nobody else needs the secret, one of those that it needed.
    pub(super) fn spare(&mut self, from: Slot, target: Target, is_short: bool) -> bool {
        let Some(silent) = self.needed_by.get_mut(&target) else {
            return false;
        };
        if silent.remove(&from) && is_short {
            less(&mut self.needs, from);
        }
        let needless = silent.is_empty();
        if needless {
            self.needed_by.remove(&target);
        }
        needless
    }

    /// Who holds a share of a secret that lacks some, ascending.
    pub(super) fn holders(&self) -> impl Iterator<Item = Slot> {
        self.held.keys().copied()
    }

    /// Silent survivors whose own reveal would spare a secret that lacks shares, ascending.
    pub(super) fn silent(&self) -> impl Iterator<Item = Slot> {
        self.needs.keys().copied()
    }
}

fn more(counts: &mut BTreeMap<Slot, u32>, slot: Slot) {
    let count = counts.entry(slot).or_default();
    *count = count.saturating_add(1);
}

fn less(counts: &mut BTreeMap<Slot, u32>, slot: Slot) {
    if let Some(count) = counts.get_mut(&slot) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha20Rng;

    const N: u32 = 1_000;
    const K: u32 = 40;
    const T: usize = 12;

    /// Survivors, silent ones and dropped members on a ring, and the shares that came.
    struct Ring {
        fate: Vec<Fate>,
        outstanding: Outstanding,
        targets: BTreeMap<Target, BTreeSet<Slot>>,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Fate {
        Revealed,
        Silent,
        Dropped,
    }

    impl Ring {
        fn new(rng: &mut ChaCha20Rng) -> Self {
            let fate = (0..N).map(|_| match rng.random_range(0..10) {
                0 => Fate::Dropped,
                1 | 2 => Fate::Silent,
                _ => Fate::Revealed,
            });
            let mut ring = Self {
                fate: fate.collect(),
                outstanding: Outstanding::default(),
                targets: BTreeMap::new(),
            };
            let silent = ring.with(Fate::Silent);
            let targets = silent.map(|slot| (slot, ring.targets_of(slot)));
            ring.outstanding = Outstanding::new(targets.collect::<Vec<_>>());
            ring.targets = ring
                .outstanding
                .targets()
                .map(|target| (target, BTreeSet::new()))
                .collect();
            for target in ring.targets.keys() {
                let holders = ring.holders(*target);
                ring.outstanding.lacks(*target, &holders);
            }
            ring
        }

        fn with(&self, wanted: Fate) -> impl Iterator<Item = Slot> + '_ {
            let slots = (0..N).zip(&self.fate);
            slots
                .filter(move |(_, fate)| **fate == wanted)
                .map(|(slot, _)| Slot(slot))
        }

        fn peers(&self, slot: Slot, is_dropped: bool) -> impl Iterator<Item = Slot> + '_ {
            let peers =
                (1..=K / 2).flat_map(move |step| [(slot.0 + step) % N, (slot.0 + N - step) % N]);
            peers
                .map(Slot)
                .filter(move |peer| (self.fate[peer.index()] == Fate::Dropped) == is_dropped)
        }

        fn targets_of(&self, silent: Slot) -> Vec<Target> {
            let roots = self.peers(silent, true).map(Target::RootSeed);
            roots.chain([Target::SelfSeed(silent)]).collect()
        }

        fn holders(&self, target: Target) -> BTreeSet<Slot> {
            self.peers(target.slot(), false).collect()
        }

        fn share(&mut self, target: Target, from: Slot) {
            let holders = self.holders(target);
            let Some(shares) = self
                .targets
                .get_mut(&target)
                .filter(|_| holders.contains(&from))
            else {
                return;
            };
            if shares.insert(from) && shares.len() == T {
                self.outstanding.has(target, &holders);
            }
        }

        fn reveal(&mut self, from: Slot) {
            self.fate[from.index()] = Fate::Revealed;
            for target in self.targets_of(from) {
                let is_short = self.targets[&target].len() < T;
                if self.outstanding.spare(from, target, is_short) {
                    if is_short {
                        let holders = self.holders(target);
                        self.outstanding.has(target, &holders);
                    }
                    self.targets.remove(&target);
                }
            }
        }

        /// The same, made anew.
        fn assert_right(&self) {
            let silent = || self.with(Fate::Silent);
            let needed: BTreeSet<Target> =
                silent().flat_map(|slot| self.targets_of(slot)).collect();
            assert!(needed.iter().eq(self.targets.keys()));
            let is_short = |target: &Target| self.targets[target].len() < T;
            let short = needed.iter().filter(|target| is_short(target));
            let holders: BTreeSet<Slot> = short.flat_map(|target| self.holders(*target)).collect();
            assert!(self.outstanding.holders().eq(holders));
            let needing = silent().filter(|slot| self.targets_of(*slot).iter().any(is_short));
            assert!(self.outstanding.silent().eq(needing));
        }
    }

    // spec: [recover.targets] [recover.late]
    #[test]
    fn whoever_could_help_of_a_thousand_is_known_after_each_message_as_if_it_were_counted_anew() {
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        let mut ring = Ring::new(rng);
        assert!(ring.targets.len() > 200);
        ring.assert_right();
        let mut came = 0;
        while !ring.targets.is_empty() {
            match rng.random_range(0..4) {
                0 => {
                    let silent: Vec<Slot> = ring.with(Fate::Silent).collect();
                    let back = silent[rng.random_range(0..silent.len())];
                    ring.reveal(back);
                    assert!(!ring.outstanding.silent().any(|slot| slot == back));
                }
                // a holder answers all it is asked for
                _ => {
                    let from = Slot(rng.random_range(0..N));
                    let targets: Vec<Target> = ring.targets.keys().copied().collect();
                    if ring.fate[from.index()] == Fate::Revealed {
                        targets
                            .into_iter()
                            .for_each(|target| ring.share(target, from));
                    }
                }
            }
            came += 1;
            if came % 16 == 0 {
                ring.assert_right();
            }
        }
        ring.assert_right();
        assert!(ring.outstanding.holders().next().is_none());
    }
}
