//! The same strategy on the machines.

use crate::play::Play;
use crate::views::cohort::{Cohort, Set, slots};
use crate::views::strategy::Strategy;
use std::collections::{BTreeMap, BTreeSet};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Attempt, Round, Slot};
use veilsum_proto::message::{Certificate, ShareRequest, ShareWanted, SignedSlot, SurvivorSet};
use veilsum_sim::knowledge::{Facts, Sums};

/// Shows the machines what the strategy says, then every certificate that can be put together, good or not, and asks
/// everybody for every share of both kinds.
///
/// # Panics
///
/// When the strategy shows other adverts than all of them.
pub fn replay(cohort: &Cohort, strategy: &Strategy) -> Play {
    let corrupt = slots(cohort.corrupt).collect::<Vec<_>>();
    let mut play = Play::new(&cohort.setup, &corrupt);
    play.run_to(PhaseName::Upload);
    let views = &strategy.views;
    let honest = cohort.honest().collect::<Vec<_>>();
    for slot in &honest {
        let view = &views[*slot as usize];
        assert!(view == &Default::default() || view.advertised == cohort.all());
        let set = play.share_set(&cohort.bitmap(view.shared));
        let _refused = play.show_and_upload(*slot, set);
    }
    let mut sets = BTreeMap::<(Set, Set), (SurvivorSet, Vec<SignedSlot>)>::new();
    for slot in &honest {
        let view = &views[*slot as usize];
        for survivors in view.asked.into_iter().flatten() {
            let entry = sets.entry((view.shared, survivors)).or_insert_with(|| {
                let (shared, survivors) = (cohort.bitmap(view.shared), cohort.bitmap(survivors));
                (play.survivor_set(&shared, &survivors), Vec::new())
            });
            if let Ok(signature) = play.ask(*slot, &entry.0) {
                entry.1.push(signature);
            }
        }
    }
    let forgers = cohort.corrupt & cohort.electors();
    for ((_, survivors), (set, signatures)) in &mut sets {
        signatures.extend(slots(forgers & survivors).map(|slot| play.forged_signature(slot, set)));
        signatures.sort_by_key(|signed| signed.slot);
        signatures.dedup();
        for slot in &honest {
            let certificate = Certificate {
                set: set.clone(),
                signatures: signatures.clone(),
            };
            let _refused = play.tell(*slot, certificate);
        }
    }
    let mut sessions = sets.values().map(|(set, _)| set.sid2).collect::<Vec<_>>();
    sessions.sort_unstable();
    sessions.dedup();
    let headers = play
        .players
        .values()
        .filter_map(|player| player.header.clone());
    let headers = headers.map(ShareWanted::SelfSeed);
    let roots = (0..cohort.members()).map(Slot).map(ShareWanted::RootSeed);
    let wanted = headers.chain(roots).collect::<Vec<_>>();
    for slot in &honest {
        for sid2 in &sessions {
            for one in &wanted {
                let (sid2, wanted) = (*sid2, vec![one.clone()]);
                let _refused = play.tell(*slot, ShareRequest { sid2, wanted });
            }
        }
    }
    play
}

/// Holds what left the machines against what the search says leaves them.
///
/// # Panics
///
/// When they differ.
pub fn assert_same(cohort: &Cohort, facts: Option<&Facts>, play: &Play) {
    let corrupt = cohort.corrupt_slots();
    let Some(facts) = facts else {
        assert!(play.tap.is_silent(), "the machines answered");
        return;
    };
    let real = play.tap.facts(Round(1), Attempt(0)).expect("they uploaded");
    let uploads = |facts: &Facts| {
        let uploads = facts.uploads.iter();
        uploads
            .map(|upload| (upload.slot, upload.peers.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(uploads(real), uploads(facts), "uploads");
    let signed = |facts: &Facts| {
        let signed = facts.signed.iter();
        signed
            .map(|(set, signers)| (set.survivors.as_bytes().to_vec(), signers.clone()))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(signed(real), signed(facts), "signatures");
    assert_eq!(real.self_seeds, facts.self_seeds, "self seeds");
    let pairs = |facts: &Facts| {
        let pairs = facts.pair_seeds.iter();
        pairs
            .map(|(low, high, _)| (*low, *high))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(pairs(real), pairs(facts), "pair seeds");
    assert_eq!(real.self_shares, facts.self_shares, "shares of self seeds");
    assert_eq!(real.root_shares, facts.root_shares, "shares of root seeds");
    let sums = |facts: &Facts| {
        let sums = Sums::of([facts], &corrupt);
        sums.basis()
            .iter()
            .map(|sum| sum.members())
            .collect::<Vec<_>>()
    };
    assert_eq!(sums(real), sums(facts), "sums");
}
