//! What left honest members, as facts of a [`knowledge`](veilsum_sim::knowledge) model.
//!
//! The tap is pessimistic: corrupt members know every share dealt to them and every pair seed with them, whatever they
//! really hold. It notes what can be computed, and holds it against the theorem: at most one sum per (task, round), over all
//! honest members of the one set that can be certified.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilsum_proto::ids::{Attempt, Round, Slot, UpdateDigest};
use veilsum_proto::message::{Advert, Confirmation, Reveal, Shares, SurvivorSet, UploadHeader};
use veilsum_proto::session::RoundContext;
use veilsum_sim::knowledge::{Facts, Finding, Sums, judge};

/// Listens at the honest members' doors.
#[derive(Debug, Default)]
pub struct Tap {
    corrupt: BTreeSet<Slot>,
    attempts: BTreeMap<(Round, Attempt), Facts>,
}

impl Tap {
    /// A tap that counts `corrupt` as the coordinator's own.
    pub fn new(corrupt: impl IntoIterator<Item = Slot>) -> Self {
        Self {
            corrupt: corrupt.into_iter().collect(),
            attempts: BTreeMap::new(),
        }
    }

    /// Whether a slot is the coordinator's own.
    pub fn is_corrupt(&self, slot: Slot) -> bool {
        self.corrupt.contains(&slot)
    }

    /// How many slots are the coordinator's own.
    pub fn corrupt(&self) -> usize {
        self.corrupt.len()
    }

    /// An honest member advertised.
    pub fn advertised(&mut self, context: &Arc<RoundContext>, advert: &Advert) {
        self.heard(context, advert.slot, |facts| facts.advertised(advert));
    }

    /// An honest member uploaded this update, masked with `peers`.
    pub fn uploaded(
        &mut self,
        context: &Arc<RoundContext>,
        header: &UploadHeader,
        peers: BTreeSet<Slot>,
        update: UpdateDigest,
    ) {
        self.heard(context, header.slot, |facts| {
            facts.uploaded(header, peers, update)
        });
    }

    /// An honest member signed.
    pub fn confirmed(
        &mut self,
        context: &Arc<RoundContext>,
        set: &SurvivorSet,
        confirmation: &Confirmation,
    ) {
        let slot = confirmation.signed.slot;
        self.heard(context, slot, |facts| facts.confirmed(set, slot));
    }

    /// An honest member revealed.
    pub fn revealed(&mut self, context: &Arc<RoundContext>, reveal: &Reveal) {
        self.heard(context, reveal.slot, |facts| facts.revealed(reveal));
    }

    /// An honest member gave shares.
    pub fn shared(&mut self, context: &Arc<RoundContext>, shares: &Shares) {
        self.heard(context, shares.slot, |facts| facts.shared(shares));
    }

    /// Forgets everything, for tests that make honest members give away what they never would.
    pub fn forget(&mut self) {
        self.attempts.clear();
    }

    /// What left honest members in one attempt.
    pub fn facts(&self, round: Round, attempt: Attempt) -> Option<&Facts> {
        self.attempts.get(&(round, attempt))
    }

    /// Whether nothing secret left any honest member in any attempt.
    pub fn is_silent(&self) -> bool {
        self.attempts.values().all(Facts::is_silent)
    }

    /// Rounds in which honest members said something.
    pub fn rounds(&self) -> BTreeSet<Round> {
        self.attempts.keys().map(|(round, _)| *round).collect()
    }

    /// Sets for which the coordinator can show a certificate in `round`, over all attempts.
    pub fn certifiable(&self, round: Round) -> Vec<SurvivorSet> {
        let facts = self.of_round(round);
        facts
            .flat_map(|facts| facts.certifiable(&self.corrupt))
            .collect()
    }

    /// Honest members whose sum the coordinator knows in `round`, one entry per sum, over all attempts.
    pub fn known_sums(&self, round: Round) -> Vec<BTreeSet<Slot>> {
        let sums = Sums::of(self.of_round(round), &self.corrupt);
        sums.basis().iter().map(|sum| sum.members()).collect()
    }

    /// Members of the smallest sum that is known over all rounds, be it the difference of two.
    ///
    /// # Panics
    ///
    /// When more sums share inputs than can be held against each other.
    pub fn smallest_sum(&self) -> Option<BTreeSet<Slot>> {
        let sums = Sums::of(self.attempts.values(), &self.corrupt);
        let inputs = sums.lightest().expect("few rounds were played")?;
        Some(inputs.into_iter().map(|(slot, _)| slot).collect())
    }

    /// Holds what is known against the theorem of `spec/security.md`.
    ///
    /// # Errors
    ///
    /// The first [`Finding`].
    pub fn judge(&self) -> Result<(), Finding> {
        judge(self.attempts.values(), &self.corrupt)
    }

    /// As [`Tap::judge`], for tests.
    ///
    /// # Panics
    ///
    /// With the first finding.
    pub fn assert_safe(&self) {
        if let Err(finding) = self.judge() {
            panic!("{finding}");
        }
    }

    fn of_round(&self, round: Round) -> impl Iterator<Item = &Facts> {
        let attempts = self.attempts.iter();
        attempts
            .filter(move |((of, _), _)| *of == round)
            .map(|(_, facts)| facts)
    }

    fn heard(&mut self, context: &Arc<RoundContext>, from: Slot, note: impl FnOnce(&mut Facts)) {
        if !self.is_corrupt(from) {
            let key = (context.round, context.attempt);
            let facts = self.attempts.entry(key);
            note(facts.or_insert_with(|| Facts::new(context.clone())));
        }
    }
}
