//! Reveal, trip 2: shares stand in for survivors that went silent after Upload.

mod outstanding;

use crate::abort::Abort;
use crate::coordinator::finish::{Seeds, finish};
use crate::coordinator::reveal::{RevealPhase, is_committed};
use crate::coordinator::{
    Coordinator, PhaseName, check_expected, check_sender, check_session, wrong,
};
use crate::fault::{Fault, FaultKind};
use crate::ids::Slot;
use crate::keys::{RootSeed, SelfSeed, root_share_digest, self_share_digest};
use crate::message::{Body, Message, RevealedSeed, ShareAnswer, ShareRequest, ShareWanted, Shares};
use outstanding::Outstanding;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use veilsum_math::Secret;
use veilsum_math::sharing::{LagrangeCache, Point, ShareValue};

/// Waits for shares.
#[derive(Debug)]
pub struct RecoverPhase {
    pub(super) reveal: RevealPhase,
    /// Secrets wanted, with the good shares that came, by holder.
    targets: BTreeMap<Target, Gathered>,
    /// Those of them that lack shares, by who could help.
    outstanding: Outstanding,
    answered: BTreeSet<Slot>,
}

/// A secret to be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Self seed of a survivor that went silent.
    SelfSeed(Slot),
    /// Root seed of a dropped member that a silent survivor masked with.
    RootSeed(Slot),
}

/// One secret on its way back: who holds shares of it, and the good ones that came.
struct Gathered {
    holders: BTreeSet<Slot>,
    shares: BTreeMap<Slot, ShareValue>,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Gathered({} of {} shares)",
            self.shares.len(),
            self.holders.len()
        )
    }
}

impl Target {
    fn slot(self) -> Slot {
        match self {
            Self::SelfSeed(slot) | Self::RootSeed(slot) => slot,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SelfSeed(_) => "self",
            Self::RootSeed(_) => "root",
        }
    }
}

impl RecoverPhase {
    // spec: [recover.targets]
    pub(super) fn new(reveal: RevealPhase) -> Self {
        let silent = reveal.waits_for().into_iter();
        let mut outstanding =
            Outstanding::new(silent.map(|slot| (slot, targets_of(&reveal, slot))));
        let targets = outstanding.targets().map(|target| {
            let holders = holders(&reveal, target);
            (
                target,
                Gathered {
                    holders,
                    shares: BTreeMap::new(),
                },
            )
        });
        let targets = targets.collect::<BTreeMap<_, _>>();
        for (target, gathered) in &targets {
            outstanding.lacks(*target, &gathered.holders);
        }
        Self {
            reveal,
            targets,
            outstanding,
            answered: BTreeSet::new(),
        }
    }

    /// Shares; or a reveal that comes late, which spares its shares.
    // spec: [recover.late]
    pub(super) fn receive(&mut self, from: Slot, message: &Message) -> Result<(), FaultKind> {
        match &message.body {
            Body::Reveal(reveal) => {
                let before = self.reveal.revealed.len();
                // A chain value that does not stand blames its sender, whose seeds count all the same.
                let outcome = self.reveal.receive_reveal(from, reveal);
                if self.reveal.revealed.len() > before {
                    self.forget_needless(from);
                }
                outcome
            }
            Body::Shares(shares) => self.receive_shares(from, shares),
            _ => Err(wrong(message, PhaseName::Recover)),
        }
    }

    /// Good shares count even beside a bad one; the first bad one is the fault.
    // spec: [recover.verify]
    fn receive_shares(&mut self, from: Slot, shares: &Shares) -> Result<(), FaultKind> {
        check_expected(self.reveal.survivors.bitmap(), from, PhaseName::Recover)?;
        check_sender(from, shares.slot)?;
        check_session("Shares", &shares.sid2, &self.reveal.stage.sid2)?;
        self.answered.insert(from);
        let mut outcome = Ok(());
        for answer in &shares.answers {
            let (target, share) = match answer {
                ShareAnswer::SelfSeed(slot, share) => (Target::SelfSeed(*slot), share),
                ShareAnswer::RootSeed(slot, share) => (Target::RootSeed(*slot), share),
            };
            let taken = self.take(from, target, share);
            outcome = outcome.and(taken);
        }
        outcome
    }

    fn take(&mut self, from: Slot, target: Target, share: &RevealedSeed) -> Result<(), FaultKind> {
        let slot = target.slot();
        let stage = &self.reveal.stage;
        let signed = stage
            .dealt
            .get(&slot)
            .and_then(|dealt| dealt.part(from))
            .ok_or(FaultKind::NotAsked(slot))?;
        let sid = &stage.session.sid;
        let matches = match target {
            Target::SelfSeed(_) => {
                self_share_digest(sid, slot, from, share.expose()) == signed.self_digest
            }
            Target::RootSeed(_) => {
                root_share_digest(sid, slot, from, share.expose()) == signed.root_digest
            }
        };
        if !matches {
            return Err(FaultKind::Share(slot));
        }
        let value =
            ShareValue::from_canonical_bytes(share.expose()).map_err(|_| FaultKind::Share(slot))?;
        let threshold = self.threshold();
        match self.targets.get_mut(&target) {
            Some(gathered) if gathered.holders.contains(&from) => {
                let first = gathered.shares.insert(from, value).is_none();
                if first && gathered.shares.len() == threshold {
                    self.outstanding.has(target, &gathered.holders);
                }
            }
            Some(_) => return Err(FaultKind::NotAsked(slot)),
            // A share of a secret that a late reveal made needless is no fault.
            None => {}
        }
        Ok(())
    }

    /// What a survivor needed that is silent no more, and nobody else needs.
    fn forget_needless(&mut self, from: Slot) {
        let threshold = self.threshold();
        for target in targets_of(&self.reveal, from) {
            let Some(gathered) = self.targets.get(&target) else {
                continue;
            };
            let is_short = gathered.shares.len() < threshold;
            if !self.outstanding.spare(from, target, is_short) {
                continue;
            }
            if is_short {
                self.outstanding.has(target, &gathered.holders);
            }
            self.targets.remove(&target);
        }
    }

    // spec: [recover.silent]
    pub(super) fn message_for(&self, slot: Slot) -> Option<Message> {
        if !self.reveal.survivors.bitmap().contains(slot) || self.answered.contains(&slot) {
            return None;
        }
        // A survivor that comes back is asked for its own reveal: it may not have seen the certificate.
        if !self.reveal.revealed.contains_key(&slot) {
            return self.reveal.message_for(slot);
        }
        let held = self
            .targets
            .iter()
            .filter(|(_, gathered)| gathered.holders.contains(&slot));
        let wanted = held
            .filter_map(|(target, _)| self.wanted(*target))
            .collect::<Vec<_>>();
        (!wanted.is_empty()).then(|| {
            Message::new(ShareRequest {
                sid2: self.reveal.stage.sid2,
                wanted,
            })
        })
    }

    fn wanted(&self, target: Target) -> Option<ShareWanted> {
        match target {
            Target::SelfSeed(slot) => self
                .reveal
                .headers
                .get(&slot)
                .cloned()
                .map(ShareWanted::SelfSeed),
            Target::RootSeed(slot) => Some(ShareWanted::RootSeed(slot)),
        }
    }

    /// Nobody, once every secret has enough shares. Before, the holders of those that have not, and the silent survivors whose
    /// own reveal would spare them: these until the deadline, whatever the holders have said.
    // spec: [recover.late]
    pub(super) fn waits_for(&self) -> Vec<Slot> {
        let holders = self.outstanding.holders();
        let mut awaited = holders
            .filter(|slot| !self.answered.contains(slot))
            .collect::<BTreeSet<_>>();
        awaited.extend(self.outstanding.silent());
        awaited.into_iter().collect()
    }

    pub(super) fn waits_for_nothing(&self) -> bool {
        self.targets.is_empty()
    }

    // spec: [recover.rebuild]
    pub(super) fn close(self, faults: &mut Vec<Fault>) -> Coordinator {
        match self.rebuild(faults) {
            Ok(seeds) => finish(self.reveal, seeds, faults),
            Err(abort) => Coordinator::Aborted(abort),
        }
    }

    fn rebuild(&self, faults: &mut Vec<Fault>) -> Result<Seeds, Abort> {
        let mut cache = LagrangeCache::default();
        let mut seeds = Seeds::default();
        for (target, gathered) in &self.targets {
            let secret = self.combine(*target, gathered, &mut cache)?;
            if !self.accept(*target, secret, &mut seeds) {
                let slot = target.slot();
                faults.push(FaultKind::InconsistentDealer.of(slot));
                return Err(Abort::InconsistentDealer { slot });
            }
        }
        Ok(seeds)
    }

    fn combine(
        &self,
        target: Target,
        gathered: &Gathered,
        cache: &mut LagrangeCache,
    ) -> Result<Secret, Abort> {
        let want = self.threshold();
        let missing = || Abort::MissingShares {
            slot: target.slot(),
            secret: target.name(),
            got: gathered.shares.len(),
            want: self.reveal.stage.session.context.parameters.t,
        };
        if gathered.shares.len() < want {
            return Err(missing());
        }
        let (slots, shares): (Vec<&Slot>, Vec<&ShareValue>) =
            gathered.shares.iter().take(want).unzip();
        let points = slots
            .iter()
            .map(|slot| Point::of_slot(slot.0))
            .collect::<Vec<_>>();
        let lagrange = cache.get(&points).map_err(|_| missing())?;
        lagrange.combine(&shares).map_err(|_| missing())
    }

    /// Takes a rebuilt secret if it is the one that was advertised.
    // spec: [recover.advertised]
    fn accept(&self, target: Target, secret: Secret, seeds: &mut Seeds) -> bool {
        let stage = &self.reveal.stage;
        let context = &stage.session.context;
        match target {
            Target::SelfSeed(slot) => {
                let seed = SelfSeed::from_secret(secret);
                let good = is_committed(stage, slot, &seed);
                seeds.selves.insert(slot, seed);
                good
            }
            Target::RootSeed(slot) => {
                let (task, round, attempt) = (&context.task_digest, context.round, context.attempt);
                let root = RootSeed::from_secret(secret, task, round, attempt, slot);
                let advert = stage.session.adverts.get(&slot);
                let good = advert.is_some_and(|advert| advert.mask_key == root.mask_public());
                seeds.roots.insert(slot, root);
                good
            }
        }
    }

    fn threshold(&self) -> usize {
        self.reveal.stage.session.context.parameters.t as usize
    }

    pub(super) fn held_bytes(&self) -> usize {
        let shares = self
            .targets
            .values()
            .map(|gathered| gathered.shares.len().saturating_mul(48));
        self.reveal.held_bytes().saturating_add(shares.sum())
    }
}

/// Secrets that the silence of one survivor makes necessary.
fn targets_of(reveal: &RevealPhase, silent: Slot) -> Vec<Target> {
    let dropped = reveal.dropped_peers(silent).into_iter();
    let roots = dropped.map(Target::RootSeed);
    roots
        .chain(std::iter::once(Target::SelfSeed(silent)))
        .collect()
}

/// Survivors that hold a share of the target: its uncut neighbours.
fn holders(reveal: &RevealPhase, target: Target) -> BTreeSet<Slot> {
    let peers = reveal.stage.peers(target.slot());
    peers
        .into_iter()
        .filter(|peer| reveal.survivors.bitmap().contains(*peer))
        .collect()
}
