//! The end of a round: masks that do not cancel come off, the sum is decoded.

use crate::abort::Abort;
use crate::coordinator::Coordinator;
use crate::coordinator::reveal::RevealPhase;
use crate::fault::{Fault, FaultKind};
use crate::identity::Identity;
use crate::ids::{Sid, Sid2, Slot};
use crate::keys::{PairSeed, RootSeed, SelfSeed, pair_mask_sign};
use crate::masked::Sum;
use crate::message::{Receipt, UNSIGNED};
use crate::session::RoundContext;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use veilsum_dp::{Kept, Level, Surplus};
use veilsum_encode::{DecodeError, IntegerSum};
use veilsum_math::{Mask, Sign, Threads};

/// Secrets rebuilt from shares.
#[derive(Default)]
pub(super) struct Seeds {
    pub(super) selves: BTreeMap<Slot, SelfSeed>,
    pub(super) roots: BTreeMap<Slot, RootSeed>,
}

/// A round that ended with a sum.
pub struct Finished {
    context: Arc<RoundContext>,
    sum: Sum,
    integers: IntegerSum,
    noise: Option<SumNoise>,
}

/// What noise a sum carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumNoise {
    /// How much it is.
    pub kept: Kept,
    /// Components of each survivor's noise that stay, by the number of members missing.
    pub level: Level,
    /// Survivors whose surplus could not be removed, ascending: they went silent, or their chain value did not stand.
    pub unremoved: Vec<Slot>,
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finished({} survivors)", self.sum.survivors().count())
    }
}

impl Finished {
    /// The sum, packed, with its certified survivors.
    pub fn sum(&self) -> &Sum {
        &self.sum
    }

    /// The sum per coordinate, offsets taken off.
    pub fn integers(&self) -> &IntegerSum {
        &self.integers
    }

    /// The noise in the sum; `None` in a task without noise.
    // spec: [finish.noise]
    pub fn noise(&self) -> Option<&SumNoise> {
        self.noise.as_ref()
    }

    /// What the round was about.
    pub fn context(&self) -> &Arc<RoundContext> {
        &self.context
    }

    /// The result, signed by the coordinator.
    // spec: [receipt.signature]
    pub fn receipt(&self, coordinator: &Identity) -> Receipt {
        let survivors = self.sum.survivors();
        let (sid, sid2): (Sid, Sid2) = (*survivors.sid(), *survivors.sid2());
        let receipt = Receipt {
            task: self.context.task_digest,
            round: self.context.round,
            attempt: self.context.attempt,
            sid,
            sid2,
            survivors: survivors.bitmap().clone(),
            sum: self.sum.digest(),
            signature: UNSIGNED,
        };
        receipt.signed(coordinator)
    }

    pub(super) fn held_bytes(&self) -> usize {
        let packed = self.sum.packed().blocks().len().saturating_mul(8);
        packed.saturating_add(self.integers.values().len().saturating_mul(8))
    }
}

/// Takes off every self mask of a survivor, every pair mask between a survivor and a dropped peer, and the surplus noise.
// spec: [finish.unmask]
pub(super) fn finish(reveal: RevealPhase, seeds: Seeds, faults: &mut Vec<Fault>) -> Coordinator {
    let survivors = reveal.survivors.bitmap().iter().collect::<Vec<_>>();
    let of_each = Threads::All.map(&survivors, |slot| masks_of(&reveal, &seeds, *slot));
    let mut masks = Vec::new();
    for (slot, of_one) in survivors.into_iter().zip(of_each) {
        let Some((of_one, blamed)) = of_one else {
            let reason =
                format!("a mask of slot {slot} cannot be rebuilt from what was advertised");
            return Coordinator::Aborted(Abort::SumOutOfRange { reason });
        };
        masks.extend(of_one);
        faults.extend(blamed);
    }
    let (surpluses, unremoved) = reveal.surpluses();
    let RevealPhase {
        stage,
        sum,
        survivors,
        ..
    } = reveal;
    let context = stage.session.context;
    let noise = kept(&context, survivors.count(), unremoved);
    let sum = sum.unmask(survivors, &masks, Threads::All);
    match noise.and_then(|noise| Ok((noise, decode(&context, sum, &surpluses)?))) {
        Ok((noise, (sum, integers))) => Coordinator::Finished(Box::new(Finished {
            context,
            sum,
            integers,
            noise,
        })),
        Err(reason) => Coordinator::Aborted(Abort::SumOutOfRange { reason }),
    }
}

/// The sum per coordinate, less the surplus noise; packed again if there was any.
// spec: [finish.range] [finish.surplus]
fn decode(
    context: &RoundContext,
    sum: Sum,
    surpluses: &[Surplus],
) -> Result<(Sum, IntegerSum), String> {
    let plan = &context.plan;
    let text = |error: DecodeError| error.to_string();
    let mut integers = sum.packed().unpack(plan).map_err(text)?;
    let Some(noise) = context.noise.as_ref().filter(|_| !surpluses.is_empty()) else {
        return Ok((sum, integers));
    };
    integers
        .remove(plan, noise.plan(), surpluses)
        .map_err(text)?;
    let packed = integers.pack(plan).map_err(text)?;
    Ok((sum.repacked(packed), integers))
}

/// What noise the sum of so many survivors carries.
// spec: [noise.kept.stated]
fn kept(
    context: &RoundContext,
    survivors: u32,
    unremoved: Vec<Slot>,
) -> Result<Option<SumNoise>, String> {
    let Some(noise) = &context.noise else {
        return Ok(None);
    };
    let missing = context.parameters.n.saturating_sub(survivors);
    let silent = u32::try_from(unremoved.len()).unwrap_or(u32::MAX);
    let level = noise.plan().level(missing);
    let level = level.map_err(|error| error.to_string())?;
    let kept = noise.plan().kept(missing, silent);
    Ok(Some(SumNoise {
        kept: kept.map_err(|error| error.to_string())?,
        level,
        unremoved,
    }))
}

/// What has to come off for one survivor, and whom its pair seeds convict; `None` if it cannot be rebuilt.
fn masks_of(reveal: &RevealPhase, seeds: &Seeds, slot: Slot) -> Option<(Vec<Mask>, Vec<Fault>)> {
    let mut faults = Vec::new();
    let mut masks = vec![self_mask(reveal, seeds, slot)?];
    masks.extend(pair_masks(reveal, seeds, slot, &mut faults)?);
    Some((masks, faults))
}

fn self_mask(reveal: &RevealPhase, seeds: &Seeds, slot: Slot) -> Option<Mask> {
    let revealed = reveal
        .revealed
        .get(&slot)
        .map(|revealed| &revealed.self_seed);
    let seed = revealed.or_else(|| seeds.selves.get(&slot))?;
    Some(seed.mask(&reveal.stage.sid2, slot, Sign::Subtract))
}

fn pair_masks(
    reveal: &RevealPhase,
    seeds: &Seeds,
    slot: Slot,
    faults: &mut Vec<Fault>,
) -> Option<Vec<Mask>> {
    let sid2 = &reveal.stage.sid2;
    let unmask = |dropped: Slot, seed: &PairSeed| {
        // What the survivor put on with its own sign, the opposite takes off.
        seed.mask(sid2, slot, dropped, pair_mask_sign(dropped, slot))
    };
    if let Some(revealed) = reveal.revealed.get(&slot) {
        let masks = revealed.pair_seeds.iter();
        return Some(
            masks
                .map(|(dropped, seed)| unmask(*dropped, seed))
                .collect(),
        );
    }
    let dropped = reveal.dropped_peers(slot).into_iter();
    let masks = dropped.map(|dropped| {
        let seed = rebuilt_pair_seed(reveal, seeds, slot, dropped)?;
        if !reveal.is_signed_by(slot, dropped, &seed) {
            faults.push(FaultKind::PairSeed(dropped).of(slot));
        }
        Some(unmask(dropped, &seed))
    });
    masks.collect()
}

/// The pair seed of a silent survivor with a dropped peer, from the peer's rebuilt root seed.
fn rebuilt_pair_seed(
    reveal: &RevealPhase,
    seeds: &Seeds,
    slot: Slot,
    dropped: Slot,
) -> Option<PairSeed> {
    let session = &reveal.stage.session;
    let mask_key = &session.adverts.get(&slot)?.mask_key;
    seeds
        .roots
        .get(&dropped)?
        .pair_seed(&session.sid, dropped, slot, mask_key)
        .ok()
}
