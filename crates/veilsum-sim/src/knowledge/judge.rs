//! What is known, held against the theorem of `spec/security.md`.

use crate::knowledge::facts::Facts;
use crate::knowledge::sums::{Input, Sum, Sums, TooManySums};
use std::collections::{BTreeMap, BTreeSet};
use veilsum_proto::ids::{Round, Slot, TaskDigest};
use veilsum_proto::message::SurvivorSet;

/// What the other side knows or can show, and must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Two sets of one round can be certified.
    #[error("round {round}: two sets can be certified: {first:?} and {second:?}")]
    TwoCertificates {
        /// Round.
        round: Round,
        /// One of them.
        first: Box<SurvivorSet>,
        /// Another.
        second: Box<SurvivorSet>,
    },
    /// An input, or a sum of fewer inputs than a sum may have.
    #[error("a sum over {members:?} is known, a sum has at least {floor} honest members")]
    BelowFloor {
        /// Honest members in it.
        members: BTreeSet<Slot>,
        /// Honest members that a sum has at least.
        floor: usize,
    },
    /// Two different sums of one round.
    #[error("round {round}: sums over {first:?} and over {second:?} are known")]
    TwoSums {
        /// Round.
        round: Round,
        /// Members of one.
        first: BTreeSet<Slot>,
        /// Members of another.
        second: BTreeSet<Slot>,
    },
    /// A sum of which no certificate can be shown.
    #[error("round {round}: the sum over {members:?} is known, certified are {certified:?}")]
    NotCertified {
        /// Round.
        round: Round,
        /// Its honest members.
        members: BTreeSet<Slot>,
        /// Honest members of the certified set.
        certified: Option<BTreeSet<Slot>>,
    },
    /// A member's noise that must stay on the sum can be taken off.
    #[error("round {round}: noise of slot {slot} can be taken off the sum")]
    NoiseGone {
        /// Round.
        round: Round,
        /// Whose noise.
        slot: Slot,
    },
    /// A member gave two values of its noise chain, or another one than that of the certified set.
    #[error("round {round}: slot {slot} gave a value of its noise chain that is not its one")]
    ChainValue {
        /// Round.
        round: Round,
        /// Who.
        slot: Slot,
    },
    /// More sums over the same inputs than can be held against each other: no answer is taken for a bad one.
    #[error("{sums} sums share inputs, more than can be judged")]
    TooManySums {
        /// Independent ones.
        sums: usize,
    },
}

impl From<TooManySums> for Finding {
    fn from(found: TooManySums) -> Self {
        Self::TooManySums { sums: found.sums }
    }
}

/// Holds all attempts of all (task, round)s against the theorem, one after the other and then all together: inputs that are
/// equal in two rounds are one unknown. What rounds with noise tell together is for the site's privacy budget to bound, so
/// they are left out of the second part.
///
/// # Errors
///
/// The first finding.
pub fn judge<'a>(
    attempts: impl IntoIterator<Item = &'a Facts>,
    corrupt: &BTreeSet<Slot>,
) -> Result<(), Finding> {
    let mut rounds = BTreeMap::<(TaskDigest, Round), Vec<&Facts>>::new();
    for facts in attempts {
        let (task, round, _) = facts.key();
        rounds.entry((task, round)).or_default().push(facts);
    }
    for ((_, round), facts) in &rounds {
        judge_round(*round, facts, corrupt)?;
    }
    let bare = rounds.values().flatten().copied();
    let bare = bare.filter(|facts| facts.context.noise.is_none());
    let bare = bare.collect::<Vec<_>>();
    let lightest = Sums::of(bare.iter().copied(), corrupt).lightest()?;
    check_floor(bare, corrupt, lightest)
}

/// Holds all attempts at one round against the theorem; returns the one sum that is known, if any.
///
/// # Errors
///
/// The first finding.
pub fn judge_round(
    round: Round,
    attempts: &[&Facts],
    corrupt: &BTreeSet<Slot>,
) -> Result<Option<Sum>, Finding> {
    let certifiable = attempts
        .iter()
        .flat_map(|facts| facts.certifiable(corrupt))
        .collect::<Vec<_>>();
    if let [first, second, ..] = &certifiable[..] {
        return Err(Finding::TwoCertificates {
            round,
            first: Box::new(first.clone()),
            second: Box::new(second.clone()),
        });
    }
    let sums = Sums::of(attempts.iter().copied(), corrupt);
    // Where there are too many for that, there are two of them.
    let lightest = sums.lightest().unwrap_or_default();
    check_floor(attempts.iter().copied(), corrupt, lightest)?;
    if let [first, second, ..] = sums.basis() {
        return Err(Finding::TwoSums {
            round,
            first: first.members(),
            second: second.members(),
        });
    }
    if let Some(sum) = sums.basis().first() {
        check_certified(round, sum, certifiable.first(), corrupt)?;
        check_noise(round, sum, certifiable.first(), attempts)?;
    }
    check_chains(round, attempts, certifiable.first(), corrupt)?;
    Ok(sums.basis().first().cloned())
}

fn check_floor<'a>(
    attempts: impl IntoIterator<Item = &'a Facts>,
    corrupt: &BTreeSet<Slot>,
    lightest: Option<BTreeSet<Input>>,
) -> Result<(), Finding> {
    let Some(inputs) = lightest else {
        return Ok(());
    };
    let floors = attempts.into_iter().map(|facts| {
        let of_task = facts.context.parameters.f as usize;
        of_task.saturating_sub(corrupt.len()).max(2)
    });
    let floor = floors.min().unwrap_or(2);
    let members = inputs.into_iter().map(|(slot, _)| slot);
    let members = members.collect::<BTreeSet<_>>();
    match members.len() < floor {
        true => Err(Finding::BelowFloor { members, floor }),
        false => Ok(()),
    }
}

fn check_certified(
    round: Round,
    sum: &Sum,
    certified: Option<&SurvivorSet>,
    corrupt: &BTreeSet<Slot>,
) -> Result<(), Finding> {
    let members = sum.members();
    let certified = certified.map(|set| {
        let honest = set.survivors.iter().filter(|slot| !corrupt.contains(slot));
        honest.collect::<BTreeSet<_>>()
    });
    match certified.as_ref() == Some(&members) && sum.inputs.len() == members.len() {
        true => Ok(()),
        false => Err(Finding::NotCertified {
            round,
            members,
            certified,
        }),
    }
}

/// Base noise and all components up to the level of the set stay on the sum.
fn check_noise(
    round: Round,
    sum: &Sum,
    certified: Option<&SurvivorSet>,
    attempts: &[&Facts],
) -> Result<(), Finding> {
    let of_set = |facts: &&&Facts| facts.signed.iter().any(|(set, _)| Some(set) == certified);
    let Some(facts) = attempts.iter().find(of_set) else {
        return Ok(());
    };
    let Some(stays) = certified.and_then(|set| level(facts, set)) else {
        return Ok(());
    };
    let is_bare = |slot: &Slot| {
        let there = sum.noise.get(&(facts.key(), *slot));
        !there.is_some_and(|there| (0..=stays).all(|part| there.contains(&part)))
    };
    match sum.members().into_iter().find(is_bare) {
        Some(slot) => Err(Finding::NoiseGone { round, slot }),
        None => Ok(()),
    }
}

/// At most one value of a member's chain over all attempts, and it opens just the surplus of the certified set.
fn check_chains(
    round: Round,
    attempts: &[&Facts],
    certified: Option<&SurvivorSet>,
    corrupt: &BTreeSet<Slot>,
) -> Result<(), Finding> {
    let mut seen = BTreeSet::new();
    for facts in attempts {
        let values = facts.chain_values.iter();
        for (slot, values) in values.filter(|(slot, _)| !corrupt.contains(slot)) {
            let wanted = certified.and_then(|set| level(facts, set));
            let end = facts.chain_ends.get(slot);
            let opens_level = |value| {
                let opened = end.and_then(|end| facts.opens(*slot, value, end));
                opened.is_some() && opened == wanted
            };
            if !seen.insert(*slot) || values.len() != 1 || !values.iter().all(opens_level) {
                return Err(Finding::ChainValue { round, slot: *slot });
            }
        }
    }
    Ok(())
}

/// Components that stay on the sum over a set.
fn level(facts: &Facts, set: &SurvivorSet) -> Option<usize> {
    let missing = facts.context.parameters.n - set.survivors.count();
    let plan = facts.context.noise.as_ref()?.plan();
    plan.level(missing).ok().map(|level| level.components())
}
