//! Which seeds are known: by their owner's word, or from enough shares.

use crate::knowledge::facts::{Facts, Upload};
use std::collections::{BTreeMap, BTreeSet};
use veilsum_proto::ids::Slot;

/// Seeds of one attempt that the other side knows.
pub(super) struct Secrets<'a> {
    facts: &'a Facts,
    corrupt: &'a BTreeSet<Slot>,
    selves: BTreeSet<Slot>,
    roots: BTreeSet<Slot>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(facts: &'a Facts, corrupt: &'a BTreeSet<Slot>) -> Self {
        let uploaders = facts.uploads.iter().map(|upload| upload.slot);
        let masked_with = facts.uploads.iter().flat_map(|upload| &upload.peers);
        let all = uploaders
            .chain(masked_with.copied())
            .collect::<BTreeSet<_>>();
        let rebuilt = |shares: &BTreeMap<Slot, BTreeSet<Slot>>| {
            let slots = all.iter().copied();
            slots
                .filter(|slot| is_rebuilt(facts, corrupt, shares, *slot))
                .collect::<BTreeSet<_>>()
        };
        let mut selves = rebuilt(&facts.self_shares);
        selves.extend(&facts.self_seeds);
        Self {
            roots: rebuilt(&facts.root_shares),
            selves,
            facts,
            corrupt,
        }
    }

    /// Whether the self mask of an upload can be taken off.
    pub(super) fn is_self_known(&self, upload: &Upload) -> bool {
        self.selves.contains(&upload.slot)
    }

    /// Whether the mask of an upload with `peer` can be taken off.
    pub(super) fn is_pair_known(&self, upload: &Upload, peer: Slot) -> bool {
        let edge = (upload.slot.min(peer), upload.slot.max(peer), upload.sid);
        self.corrupt.contains(&peer)
            || self.facts.pair_seeds.contains(&edge)
            || self.roots.contains(&upload.slot)
            || self.roots.contains(&peer)
    }
}

/// Whether the shares given and those of all corrupt neighbours, each holder once, reach the threshold.
fn is_rebuilt(
    facts: &Facts,
    corrupt: &BTreeSet<Slot>,
    shares: &BTreeMap<Slot, BTreeSet<Slot>>,
    slot: Slot,
) -> bool {
    let graph = &facts.context.graph;
    let inside = corrupt
        .iter()
        .filter(|other| graph.are_neighbours(slot, **other));
    let given = shares.get(&slot).into_iter().flatten();
    let holders = given.chain(inside).collect::<BTreeSet<_>>();
    holders.len() >= facts.context.parameters.t as usize
}
