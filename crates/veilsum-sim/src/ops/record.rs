//! What happened, as far as it is judged: what left members' hands, whom the coordinator blamed, what it published.

use crate::knowledge::{Facts, Finding, Key, judge};
use crate::ops::judge::Violation;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilsum_dp::MemberNoise;
use veilsum_proto::abort::Abort;
use veilsum_proto::fault::{Fault, FaultKind};
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::ledger::{Ledger as _, MemoryLedger};
use veilsum_proto::message::{Body, Message, ShareAnswer, SurvivorSet};
use veilsum_proto::session::{RoundContext, survivors_digest};

/// What came out of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Every attempt, in order.
    pub ends: Vec<End>,
    /// Whom the coordinator blamed, with the name of the fault.
    pub faults: Vec<(Slot, &'static str)>,
    /// Who was told that a message came too late, with the name of the fault: the network's doing.
    pub late: Vec<(Slot, &'static str)>,
    /// What members refused, with the name of the refusal.
    pub refusals: Vec<(Slot, &'static str)>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Round.
    pub round: Round,
    /// Attempt.
    pub attempt: Attempt,
    /// Survivors and their sum, or why there is none.
    pub result: Result<(Vec<Slot>, Vec<i64>), Abort>,
}

/// What happened so far.
#[derive(Default)]
pub(super) struct Record {
    pub left: Vec<(Slot, Key, Left)>,
    /// The same for the knowledge model. A member that was shown another task has other attempts than the coordinator.
    facts: BTreeMap<Key, Facts>,
    pub ends: Vec<End>,
    pub faults: Vec<(Slot, &'static str)>,
    pub late: Vec<(Slot, &'static str)>,
    pub refusals: Vec<(Slot, &'static str)>,
    /// Members whose messages were forged on the way to the coordinator: they deviated.
    pub liars: BTreeSet<Slot>,
    /// Members that were sent forged messages: whatever their honest answers look like to the coordinator is not their fault.
    pub misled: BTreeSet<Slot>,
    /// Masked updates that counted and were not what the member's machine made.
    pub spoiled: BTreeSet<(Round, Attempt, Slot)>,
    /// The noise in each contribution.
    pub noises: BTreeMap<(Round, Attempt, Slot), MemberNoise>,
    /// The first violation that showed at once.
    pub violation: Option<Violation>,
}

/// What a member's machine gave out.
pub(super) enum Left {
    /// A masked update, as bytes.
    Vector(Vec<u8>),
    /// A signature over survivors, and whether the ledger had them.
    Signed(SurvivorSet, bool),
    /// Own self seed, pair seeds with these slots, a chain value; and whether the ledger had the survivors.
    Revealed(Vec<Slot>, Option<[u8; 32]>, bool),
    /// Shares of the self seeds of some slots, of the root seeds of others.
    Gave(Vec<Slot>, Vec<Slot>),
}

impl Record {
    /// Notes an answer that is about to leave a member.
    pub fn leaves(
        &mut self,
        slot: Slot,
        context: &Arc<RoundContext>,
        ledger: &MemoryLedger,
        asked: &Message,
        answer: &Message,
    ) {
        self.overhear(context, slot, asked, answer);
        let key = key_of(context);
        let certified = ledger
            .state()
            .ok()
            .and_then(|state| state.certified(&key.0, key.1));
        let left = match (&asked.body, &answer.body) {
            (Body::SurvivorSet(set), Body::Confirmation(_)) => {
                let wanted = (set.sid2, survivors_digest(&set.sid2, &set.survivors));
                Left::Signed(set.clone(), certified == Some(wanted))
            }
            (_, Body::Reveal(reveal)) => {
                let pairs = reveal.pair_seeds.iter().map(|seed| seed.slot).collect();
                let chain = reveal.chain_value.as_ref().map(|value| *value.expose());
                Left::Revealed(
                    pairs,
                    chain,
                    certified.is_some_and(|(sid2, _)| sid2 == reveal.sid2),
                )
            }
            (_, Body::Shares(shares)) => {
                let (mut selves, mut roots) = (Vec::new(), Vec::new());
                for answer in &shares.answers {
                    match answer {
                        ShareAnswer::SelfSeed(of, _) => selves.push(*of),
                        ShareAnswer::RootSeed(of, _) => roots.push(*of),
                    }
                }
                Left::Gave(selves, roots)
            }
            _ => return,
        };
        self.left.push((slot, key, left));
    }

    /// Notes what an answer gives away.
    fn overhear(
        &mut self,
        context: &Arc<RoundContext>,
        slot: Slot,
        asked: &Message,
        answer: &Message,
    ) {
        let facts = self.facts(context);
        match (&asked.body, &answer.body) {
            (Body::SurvivorSet(set), Body::Confirmation(_)) => facts.confirmed(set, slot),
            (_, Body::Reveal(reveal)) => facts.revealed(reveal),
            (_, Body::Shares(shares)) => facts.shared(shares),
            _ => {}
        }
    }

    /// What left members in this attempt, to be added to.
    pub fn facts(&mut self, context: &Arc<RoundContext>) -> &mut Facts {
        let of_attempt = self.facts.entry(key_of(context));
        of_attempt.or_insert_with(|| Facts::new(context.clone()))
    }

    /// Holds what the coordinator knows, with the liars as its own, against the theorem. Attempts that reckon with fewer than lied
    /// promise nothing.
    pub fn judge_knowledge(&self) -> Result<(), Finding> {
        let reckoned = |facts: &&Facts| self.liars.len() <= facts.context.parameters.c as usize;
        judge(self.facts.values().filter(reckoned), &self.liars)
    }

    /// Notes a fault. Nobody is to be blamed that did not deviate; but what came too late for its phase may be told so.
    pub fn blame(&mut self, fault: &Fault, stale: bool) {
        let slot = fault.slot;
        let untimely = matches!(
            fault.kind,
            FaultKind::WrongPhase { .. }
                | FaultKind::NotExpected { .. }
                | FaultKind::OtherSession { .. }
        );
        if stale && untimely {
            self.late.push((slot, fault.kind.name()));
            return;
        }
        self.faults.push((slot, fault.kind.name()));
        if !self.liars.contains(&slot) && !self.misled.contains(&slot) {
            self.violate(Violation::HonestBlamed {
                slot,
                fault: fault.to_string(),
            });
        }
    }

    pub fn refuse(&mut self, slot: Slot, kind: &'static str) {
        self.refusals.push((slot, kind));
    }

    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }
}

pub(super) fn key_of(context: &RoundContext) -> Key {
    (context.task_digest, context.round, context.attempt)
}
