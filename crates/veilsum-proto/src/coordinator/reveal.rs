//! Reveal, trip 1: live survivors hand out what they owe; each value is checked against what was signed before.

use crate::certificate::Survivors;
use crate::coordinator::{
    Coordinator, PhaseName, RecoverPhase, ShareStage, check_expected, check_sender, check_session,
    wrong,
};
use crate::fault::{Fault, FaultKind};
use crate::ids::Slot;
use crate::keys::{PairSeed, SelfSeed};
use crate::masked::Accumulator;
use crate::message::{Body, Certificate, Message, PairSeedReveal, Reveal, UploadHeader};
use std::collections::BTreeMap;
use std::fmt;
use veilsum_math::Secret;

/// Waits for seeds.
#[derive(Debug)]
pub struct RevealPhase {
    pub(super) stage: ShareStage,
    pub(super) headers: BTreeMap<Slot, UploadHeader>,
    pub(super) sum: Accumulator,
    pub(super) certificate: Certificate,
    pub(super) survivors: Survivors,
    pub(super) revealed: BTreeMap<Slot, Revealed>,
}

/// What one survivor revealed, checked.
pub(super) struct Revealed {
    message: Reveal,
    pub(super) self_seed: SelfSeed,
    pub(super) pair_seeds: BTreeMap<Slot, PairSeed>,
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revealed({} pair seeds, ..)", self.pair_seeds.len())
    }
}

impl RevealPhase {
    pub(super) fn new(
        stage: ShareStage,
        headers: BTreeMap<Slot, UploadHeader>,
        sum: Accumulator,
        certificate: Certificate,
        survivors: Survivors,
    ) -> Self {
        Self {
            stage,
            headers,
            sum,
            certificate,
            survivors,
            revealed: BTreeMap::new(),
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::Reveal(reveal) = &message.body else {
            return Err(wrong(message, PhaseName::Reveal));
        };
        self.receive_reveal(from, reveal)
    }

    /// A reveal counts whole or not at all; a member whose reveal does not count is recovered by shares.
    // spec: [reveal.verify]
    pub(super) fn receive_reveal(&mut self, from: Slot, reveal: &Reveal) -> Result<(), FaultKind> {
        check_expected(self.survivors.bitmap(), from, PhaseName::Reveal)?;
        check_sender(from, reveal.slot)?;
        check_session("Reveal", &reveal.sid2, &self.stage.sid2)?;
        match self.revealed.get(&from) {
            Some(first) if first.message == *reveal => return Ok(()),
            Some(_) => return Err(FaultKind::Second("Reveal")),
            None => {}
        }
        let self_seed = self.self_seed(from, reveal)?;
        let pair_seeds = self.pair_seeds(from, &reveal.pair_seeds)?;
        self.revealed.insert(
            from,
            Revealed {
                message: reveal.clone(),
                self_seed,
                pair_seeds,
            },
        );
        Ok(())
    }

    fn self_seed(&self, from: Slot, reveal: &Reveal) -> Result<SelfSeed, FaultKind> {
        let secret =
            Secret::from_canonical_bytes(&reveal.self_seed.0).map_err(|_| FaultKind::SelfSeed)?;
        let seed = SelfSeed::from_secret(secret);
        if is_committed(&self.stage, from, &seed) {
            Ok(seed)
        } else {
            Err(FaultKind::SelfSeed)
        }
    }

    fn pair_seeds(
        &self,
        from: Slot,
        found: &[PairSeedReveal],
    ) -> Result<BTreeMap<Slot, PairSeed>, FaultKind> {
        let mut found = found.iter();
        let mut seeds = BTreeMap::new();
        for owed in self.dropped_peers(from) {
            let reveal = found.next().ok_or(FaultKind::MissingPairSeed(owed))?;
            if reveal.slot != owed {
                return Err(FaultKind::MissingPairSeed(owed));
            }
            let seed = PairSeed::from_revealed(&reveal.seed);
            if !self.is_signed_by(from, owed, &seed) {
                return Err(FaultKind::PairSeed(owed));
            }
            seeds.insert(owed, seed);
        }
        found
            .next()
            .map_or(Ok(seeds), |extra| Err(FaultKind::NotAsked(extra.slot)))
    }

    /// Peers that `slot` masked with and that are no survivors, ascending.
    pub(super) fn dropped_peers(&self, slot: Slot) -> Vec<Slot> {
        let mut peers = self.stage.peers(slot);
        peers.retain(|peer| !self.survivors.bitmap().contains(*peer));
        peers
    }

    /// Whether `dealer` signed the hash of this pair seed with `other`.
    pub(super) fn is_signed_by(&self, dealer: Slot, other: Slot, seed: &PairSeed) -> bool {
        let part = self
            .stage
            .dealt
            .get(&dealer)
            .and_then(|dealt| dealt.part(other));
        part.is_some_and(|part| part.pair_hash == seed.hash(&self.stage.session.sid, dealer, other))
    }

    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        let due = self.survivors.bitmap().contains(slot) && !self.revealed.contains_key(&slot);
        due.then(|| Message::new(self.certificate.clone()))
    }

    pub(super) fn waits_for(&self) -> Vec<Slot> {
        self.survivors
            .bitmap()
            .iter()
            .filter(|slot| !self.revealed.contains_key(slot))
            .collect()
    }

    pub(super) fn close(self, faults: &mut Vec<Fault>) -> Coordinator {
        let recover = RecoverPhase::new(self);
        if recover.waits_for_nothing() {
            return recover.close(faults);
        }
        Coordinator::Recover(Box::new(recover))
    }

    pub(super) fn held_bytes(&self) -> usize {
        let seeds = self
            .revealed
            .values()
            .map(|revealed| revealed.pair_seeds.len().saturating_mul(100));
        self.stage
            .held_bytes()
            .saturating_add(self.sum.limbs().saturating_mul(8))
            .saturating_add(seeds.sum())
            .saturating_add(self.headers.len().saturating_mul(size_of::<UploadHeader>()))
    }
}

/// Whether `seed` is the one that `slot` committed to in its advert.
pub(super) fn is_committed(stage: &ShareStage, slot: Slot, seed: &SelfSeed) -> bool {
    let context = &stage.session.context;
    let commitment = seed.commitment(&context.task_digest, context.round, context.attempt, slot);
    stage
        .session
        .adverts
        .get(&slot)
        .is_some_and(|advert| advert.commitment == commitment)
}
