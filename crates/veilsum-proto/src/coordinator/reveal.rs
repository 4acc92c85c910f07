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
use veilsum_dp::{ChainEnd, ChainValue, Level, NoisePlan, Surplus};
use veilsum_math::Secret;

/// Waits for seeds.
#[derive(Debug)]
pub struct RevealPhase {
    pub(super) stage: ShareStage,
    pub(super) headers: BTreeMap<Slot, UploadHeader>,
    pub(super) sum: Accumulator,
    pub(super) certificate: Certificate,
    /// The certificate as its message.
    encoded: Vec<u8>,
    pub(super) survivors: Survivors,
    pub(super) revealed: BTreeMap<Slot, Revealed>,
    /// How much noise stays in the sum, where a surplus is to come off it.
    level: Option<Level>,
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
        let level = removal_level(&stage, &survivors);
        Self {
            stage,
            headers,
            sum,
            encoded: Message::new(certificate.clone()).encode(),
            certificate,
            survivors,
            revealed: BTreeMap::new(),
            level,
        }
    }

    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        let Body::Reveal(reveal) = &message.body else {
            return Err(wrong(message, PhaseName::Reveal));
        };
        self.receive_reveal(from, reveal)
    }

    /// Seeds count whole or not at all; a member whose seeds do not count is recovered by shares. A chain value that does not
    /// stand is a fault beside seeds that count: without them more would be lost than a little accuracy.
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
        let surplus = self.surplus_in(from, reveal);
        self.revealed.insert(
            from,
            Revealed {
                message: reveal.clone(),
                self_seed,
                pair_seeds,
            },
        );
        surplus.map(|_| ())
    }

    /// The surplus that comes off for each survivor whose chain value stands, and the slots of those whose surplus stays in;
    /// nothing of either where none is to come off.
    pub(super) fn surpluses(&self) -> (Vec<Surplus>, Vec<Slot>) {
        let (mut surpluses, mut unremoved) = (Vec::new(), Vec::new());
        if self.level.is_none() {
            return (surpluses, unremoved);
        }
        for slot in self.survivors.bitmap().iter() {
            let revealed = self.revealed.get(&slot);
            match revealed.map(|revealed| self.surplus_in(slot, &revealed.message)) {
                Some(Ok(Some(surplus))) => surpluses.push(surplus),
                Some(Ok(None) | Err(_)) | None => unremoved.push(slot),
            }
        }
        (surpluses, unremoved)
    }

    /// What a chain value opens: there exactly if a surplus is to come off, and on the chain of the member's advert.
    // spec: [reveal.chain-checked] [noise.reveal.checked]
    fn surplus_in(&self, slot: Slot, reveal: &Reveal) -> Result<Option<Surplus>, FaultKind> {
        let (plan, level, value) = match (self.removal(), &reveal.chain_value) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(FaultKind::ChainValue("was not asked for")),
            (Some(_), None) => return Err(FaultKind::ChainValue("is missing")),
            (Some((plan, level)), Some(value)) => (plan, level, value),
        };
        let not_on_chain = FaultKind::ChainValue("does not lead to the end in its advert");
        let session = &self.stage.session;
        let advert = session.adverts.get(&slot);
        let Some(end) = advert.and_then(|advert| advert.chain_end) else {
            return Err(not_on_chain);
        };
        let context = session.context.noise_context(slot);
        plan.surplus(
            &ChainValue::new(*value.expose()),
            &ChainEnd::new(end.0),
            &context,
            level,
        )
        .map(Some)
        .map_err(|_| not_on_chain)
    }

    fn removal(&self) -> Option<(&NoisePlan, Level)> {
        let noise = self.stage.session.context.noise.as_deref()?;
        Some((noise.plan(), self.level?))
    }

    fn self_seed(&self, from: Slot, reveal: &Reveal) -> Result<SelfSeed, FaultKind> {
        let secret = Secret::from_canonical_bytes(reveal.self_seed.expose())
            .map_err(|_| FaultKind::SelfSeed)?;
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
        self.is_due(slot)
            .then(|| Message::new(self.certificate.clone()))
    }

    pub(super) fn encoded_for(&self, slot: Slot) -> Option<Vec<u8>> {
        self.is_due(slot).then(|| self.encoded.clone())
    }

    fn is_due(&self, slot: Slot) -> bool {
        self.survivors.bitmap().contains(slot) && !self.revealed.contains_key(&slot)
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

/// The level of the certified survivors, if components above it are to come off the sum.
// spec: [noise.plan.level]
fn removal_level(stage: &ShareStage, survivors: &Survivors) -> Option<Level> {
    let context = &stage.session.context;
    let noise = context.noise.as_ref().filter(|noise| noise.has_chain())?;
    let missing = context.parameters.n.checked_sub(survivors.count())?;
    let level = noise.plan().level(missing).ok()?;
    (level.components() < noise.plan().components().len()).then_some(level)
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
