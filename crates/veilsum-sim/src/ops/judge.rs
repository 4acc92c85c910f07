//! Not the members' own checks, and not what follows from what they said: that is for [`knowledge`](crate::knowledge). What they
//! promise, held against what they did.
//!
//! The promises are those of `spec/protocol.md`; each is named with its requirement, and tests cite it.

use crate::knowledge::{Finding, Key};
use crate::ops::doubles::Publication;
use crate::ops::record::{Left, Record};
use crate::ops::site::Site;
use crate::ops::stage::Stage;
use crate::updates::plain_sum;
use std::collections::{BTreeMap, BTreeSet};
use veilsum_proto::coordinator::Finished;
use veilsum_proto::ids::{Attempt, Round, Slot, TaskDigest};
use veilsum_proto::ledger::Entry;
use veilsum_proto::session::RoundContext;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The federation cannot be; nothing was played.
    #[error("no such federation: {0}")]
    Setting(String),
    /// A machine panicked.
    #[error("panic: {0}")]
    Panicked(String),
    /// Nothing happened, and there is no sum.
    #[error("round {round} has no sum though nothing happened to it")]
    NoSum {
        /// Round.
        round: Round,
    },
    /// A published sum is not that of its survivors and of the noise that stays.
    #[error("round {round}: the sum over {survivors:?} is not theirs")]
    WrongSum {
        /// Round.
        round: Round,
        /// Survivors named.
        survivors: Vec<Slot>,
    },
    /// The surplus of a member stayed in the sum whose chain value came.
    #[error("round {round}: the surplus of slot {slot} stayed, though it revealed")]
    SurplusStayed {
        /// Round.
        round: Round,
        /// Member.
        slot: Slot,
    },
    /// Fewer survivors than the floor of the task.
    #[error("round {round}: {got} survivors, the floor is {want}")]
    BelowFloor {
        /// Round.
        round: Round,
        /// Found.
        got: u32,
        /// Wanted at least.
        want: u32,
    },
    /// A member was blamed that did not deviate.
    #[error("slot {slot} did nothing wrong and was blamed: {fault}")]
    HonestBlamed {
        /// Member.
        slot: Slot,
        /// The fault.
        fault: String,
    },
    /// The coordinator and the members that lied know something, or can show a certificate, that the theorem rules out.
    #[error(transparent)]
    Known(#[from] Finding),
    /// A member signed two sets in one (task, round).
    #[error("slot {slot} signed twice in round {round}")]
    SignedTwice {
        /// Member.
        slot: Slot,
        /// Round.
        round: Round,
    },
    /// A member gave two values of its noise chain in one (task, round).
    #[error("slot {slot} gave two values of its noise chain in round {round}")]
    TwoChainValues {
        /// Member.
        slot: Slot,
        /// Round.
        round: Round,
    },
    /// Something of both kinds of secret of one member left members' machines in one attempt.
    #[error("both kinds of secret of slot {slot} left members in round {round}, attempt {attempt}")]
    BothKinds {
        /// Whose.
        slot: Slot,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
    },
    /// A member made two vectors in one attempt.
    #[error("slot {slot} made two vectors in round {round}, attempt {attempt}")]
    TwoVectors {
        /// Member.
        slot: Slot,
        /// Round.
        round: Round,
        /// Attempt.
        attempt: Attempt,
    },
    /// Members that come in another order within a phase change the result.
    #[error("the order of arrival matters: {0}")]
    OrderMatters(String),
    /// A ledger that cannot be.
    #[error("ledger of slot {slot}: {what}")]
    Ledger {
        /// Whose.
        slot: Slot,
        /// What is wrong.
        what: &'static str,
    },
}

impl Violation {
    /// Stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Setting(_) => "setting",
            Self::Panicked(_) => "panicked",
            Self::NoSum { .. } => "no_sum",
            Self::WrongSum { .. } => "wrong_sum",
            Self::SurplusStayed { .. } => "surplus_stayed",
            Self::BelowFloor { .. } => "below_floor",
            Self::HonestBlamed { .. } => "honest_blamed",
            Self::Known(_) => "known",
            Self::SignedTwice { .. } => "signed_twice",
            Self::TwoChainValues { .. } => "two_chain_values",
            Self::BothKinds { .. } => "both_kinds",
            Self::TwoVectors { .. } => "two_vectors",
            Self::OrderMatters(_) => "order_matters",
            Self::Ledger { .. } => "ledger",
        }
    }
}

/// Judges what left the members and what is in their ledgers.
pub(super) fn judge(stage: &Stage, record: &Record, sites: &[Site]) -> Result<(), Violation> {
    signatures(stage, record)?;
    one_of_each(record)?;
    kinds_of_secrets(record)?;
    sites.iter().try_for_each(|site| {
        ledger(site).map_err(|what| Violation::Ledger {
            slot: site.slot,
            what,
        })
    })
}

/// [finish.unmask], [finish.surplus], [confirm.set]: a published sum is the plain sum of the named survivors and of the noise that
/// stays, and these are not fewer than the floor. A survivor that lied about its vector makes its sum anybody's guess.
pub(super) fn check_sum(
    stage: &Stage,
    finished: &Finished,
    publication: &Publication,
    record: &Record,
) -> Result<(), Violation> {
    let context = finished.context();
    let (round, attempt) = (context.round, context.attempt);
    let survivors = &publication.survivors;
    let (got, want) = (
        u32::try_from(survivors.len()).unwrap_or(u32::MAX),
        context.parameters.f,
    );
    if got < want || got < SITE_FLOOR {
        return Err(Violation::BelowFloor { round, got, want });
    }
    surplus_left(finished, publication, record)?;
    if survivors
        .iter()
        .any(|slot| record.spoiled.contains(&(round, attempt, *slot)))
    {
        return Ok(());
    }
    let wanted = wanted_sum(stage, context, finished, survivors, record);
    if wanted.is_some_and(|(wanted, weight)| {
        wanted == publication.sum && weight == finished.integers().weight()
    }) {
        return Ok(());
    }
    Err(Violation::WrongSum {
        round,
        survivors: survivors.clone(),
    })
}

/// [finish.surplus]: only of a survivor that went silent, or lied.
fn surplus_left(
    finished: &Finished,
    publication: &Publication,
    record: &Record,
) -> Result<(), Violation> {
    let round = finished.context().round;
    let unremoved = finished.noise().map_or(&[][..], |noise| &noise.unremoved);
    let revealed =
        |slot: &&Slot| !publication.recovered.contains(slot) && !record.liars.contains(slot);
    match unremoved.iter().find(revealed) {
        Some(slot) => Err(Violation::SurplusStayed { round, slot: *slot }),
        None => Ok(()),
    }
}

fn wanted_sum(
    stage: &Stage,
    context: &RoundContext,
    finished: &Finished,
    survivors: &[Slot],
    record: &Record,
) -> Option<(Vec<i64>, u64)> {
    let (mut sum, weight) = plain_sum(&stage.updates(context.round), context, survivors)?;
    if let Some((of_round, stays)) = context.noise.as_ref().zip(finished.noise()) {
        for slot in survivors {
            let noise = record
                .noises
                .get(&(context.round, context.attempt, *slot))?;
            match stays.unremoved.contains(slot) {
                true => of_round.plan().draw(noise, 0, &mut sum),
                false => of_round.plan().draw_kept(noise, stays.level, 0, &mut sum),
            }
        }
    }
    Some((sum, weight))
}

/// [confirm.once], [confirm.set]: one set for each member and (task, round), none below the floor.
fn signatures(stage: &Stage, record: &Record) -> Result<(), Violation> {
    let mut by_member = BTreeMap::<(Slot, TaskDigest, Round), Vec<u8>>::new();
    for (slot, (task, round, attempt), left) in &record.left {
        let Left::Signed(set, _) = left else {
            continue;
        };
        let content = set.content();
        let first = by_member.entry((*slot, *task, *round));
        if *first.or_insert_with(|| content.clone()) != content {
            return Err(Violation::SignedTwice {
                slot: *slot,
                round: *round,
            });
        }
        let want = stage
            .known(*round, *attempt)
            .map_or(0, |opening| opening.context.parameters.f);
        let got = set.survivors.count();
        if got < want {
            return Err(Violation::BelowFloor {
                round: *round,
                got,
                want,
            });
        }
    }
    Ok(())
}

/// [upload.duplicate], [reveal.chain], [confirm.record], [reveal.record]: one vector for each member and attempt, one chain value for
/// each member and (task, round); nothing signed or revealed that is not in the ledger.
fn one_of_each(record: &Record) -> Result<(), Violation> {
    let mut vectors = BTreeMap::<(Slot, Key), &[u8]>::new();
    let mut chains = BTreeMap::<(Slot, TaskDigest, Round), [u8; 32]>::new();
    for (slot, key, left) in &record.left {
        let (slot, (task, round, attempt)) = (*slot, *key);
        match left {
            Left::Vector(bytes)
                if *vectors.entry((slot, *key)).or_insert(bytes) != bytes.as_slice() =>
            {
                return Err(Violation::TwoVectors {
                    slot,
                    round,
                    attempt,
                });
            }
            Left::Revealed(_, Some(value), _)
                if chains.entry((slot, task, round)).or_insert(*value) != value =>
            {
                return Err(Violation::TwoChainValues { slot, round });
            }
            Left::Signed(_, false) => {
                return Err(Violation::Ledger {
                    slot,
                    what: "a signature left that it does not have",
                });
            }
            Left::Revealed(_, _, false) => {
                return Err(Violation::Ledger {
                    slot,
                    what: "secrets left for survivors that it does not have",
                });
            }
            Left::Vector(_) | Left::Revealed(..) | Left::Signed(..) | Left::Gave(..) => {}
        }
    }
    Ok(())
}

/// [reveal.self-of-survivor], [reveal.root-of-dropped], [reveal.direct]: of no member anything of the self seed and anything behind
/// its pair masks, in one attempt, whatever the sessions.
fn kinds_of_secrets(record: &Record) -> Result<(), Violation> {
    let (mut selves, mut roots) = (
        BTreeSet::<(Key, Slot)>::new(),
        BTreeSet::<(Key, Slot)>::new(),
    );
    for (slot, key, left) in &record.left {
        match left {
            Left::Revealed(pairs, _, _) => {
                selves.insert((*key, *slot));
                roots.extend(pairs.iter().map(|of| (*key, *of)));
            }
            Left::Gave(of_selves, of_roots) => {
                selves.extend(of_selves.iter().map(|of| (*key, *of)));
                roots.extend(of_roots.iter().map(|of| (*key, *of)));
            }
            Left::Vector(_) | Left::Signed(..) => {}
        }
    }
    match selves.intersection(&roots).next() {
        Some(((_, round, attempt), slot)) => Err(Violation::BothKinds {
            slot: *slot,
            round: *round,
            attempt: *attempt,
        }),
        None => Ok(()),
    }
}

/// What one (task, round) has in a ledger.
#[derive(Default)]
struct Standing {
    advert: Option<Attempt>,
    charged: bool,
    update: Option<veilsum_proto::ids::UpdateDigest>,
    survivors: Option<(
        veilsum_proto::ids::Sid2,
        veilsum_proto::ids::SurvivorsDigest,
    )>,
    closed: BTreeSet<Attempt>,
}

/// [join.ledger], [join.closed], [attempt.superseded], [upload.reuse], [upload.charge], [confirm.once], [close.record]: entries in an
/// order that the rules allow.
fn ledger(site: &Site) -> Result<(), &'static str> {
    let mut standings = BTreeMap::<(TaskDigest, Round), Standing>::new();
    for entry in site.ledger.entries() {
        match entry {
            Entry::Advert {
                task,
                round,
                attempt,
                ..
            } => {
                let later = standings
                    .keys()
                    .any(|(other, had)| other == task && had > round);
                let standing = standings.entry((*task, *round)).or_default();
                if later || standing.advert.is_some_and(|had| had >= *attempt) {
                    return Err(
                        "an advert after one in a later round, or in this or a later attempt",
                    );
                }
                if standing.survivors.is_some() {
                    return Err("an advert in a round that was signed or certified");
                }
                standing.advert = Some(*attempt);
            }
            Entry::Charged { task, round, .. } => {
                let standing = standings.entry((*task, *round)).or_default();
                if standing.charged || standing.update.is_some() {
                    return Err("a charge after the update, or a second one");
                }
                standing.charged = true;
            }
            Entry::Update {
                task,
                round,
                attempt,
                update,
            } => {
                let standing = standings.entry((*task, *round)).or_default();
                if standing.advert != Some(*attempt) {
                    return Err("an update in an attempt that is not the last one joined");
                }
                if standing.survivors.is_some() || standing.update.is_some_and(|had| had != *update)
                {
                    return Err("another update, or one after the round was signed");
                }
                standing.update = Some(*update);
            }
            Entry::Signed {
                task,
                round,
                sid2,
                survivors,
            }
            | Entry::Certified {
                task,
                round,
                sid2,
                survivors,
            } => {
                let standing = standings.entry((*task, *round)).or_default();
                if standing.update.is_none() || standing.survivors.is_some() {
                    return Err("survivors without an update, or for the second time");
                }
                standing.survivors = Some((*sid2, *survivors));
            }
            Entry::Closed {
                task,
                round,
                attempt,
            } => {
                let standing = standings.entry((*task, *round)).or_default();
                if standing.advert.is_none() || !standing.closed.insert(*attempt) {
                    return Err("a close without an advert, or for the second time");
                }
            }
        }
    }
    Ok(())
}

/// What sites demand at least, the default of [`Floors`](veilsum_proto::member::Floors).
const SITE_FLOOR: u32 = 2;
