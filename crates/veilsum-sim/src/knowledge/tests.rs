use crate::Federation;
use crate::knowledge::{Facts, Sums, Upload};
use std::collections::BTreeSet;
use std::sync::Arc;
use veilsum_proto::bitmap::Bitmap;
use veilsum_proto::ids::{Attempt, ModelDigest, Round, Sid, Sid2, Slot, UpdateDigest};
use veilsum_proto::message::{Deadlines, SurvivorSet};
use veilsum_proto::parameters::Amount;
use veilsum_proto::session::RoundContext;

/// Seven members, one of them corrupt and two missing: quorum and threshold are 5.
fn facts() -> Facts {
    let federation = Federation::new(7, 1).unwrap();
    let spec = Federation::integer_task(4, 8, Amount::Count(1), Amount::Count(2)).unwrap();
    let context = RoundContext::new(
        federation.task(spec).unwrap(),
        federation.roster().clone(),
        Round(1),
        Attempt(0),
        ModelDigest([0; 32]),
        Deadlines::default(),
    );
    let facts = Facts::new(Arc::new(context.unwrap()));
    let parameters = &facts.context.parameters;
    assert_eq!((parameters.q, parameters.t), (5, 5));
    facts
}

fn corrupt() -> BTreeSet<Slot> {
    BTreeSet::from([Slot(6)])
}

#[test]
fn a_corrupt_member_that_signed_counts_once() {
    let mut facts = facts();
    let set = SurvivorSet {
        sid: Sid([0; 32]),
        sid2: Sid2([0; 32]),
        survivors: Bitmap::of(7, (0..7).map(Slot)),
    };
    for slot in [6, 0, 1, 2] {
        facts.confirmed(&set, Slot(slot));
    }
    assert_eq!(facts.certifiable(&corrupt()), []);
    facts.confirmed(&set, Slot(3));
    assert_eq!(facts.certifiable(&corrupt()), [set]);
}

#[test]
fn a_corrupt_holder_that_gave_its_share_counts_once() {
    let mut facts = facts();
    facts.uploads.push(Upload {
        slot: Slot(0),
        sid: Sid([0; 32]),
        sid2: Sid2([0; 32]),
        peers: corrupt(),
        update: UpdateDigest([0; 32]),
    });
    let known = |facts: &Facts| Sums::of([facts], &corrupt()).basis().len();
    let holders = [6, 1, 2, 3].map(Slot);
    facts.self_shares.insert(Slot(0), holders.into());
    assert_eq!(known(&facts), 0);
    facts
        .self_shares
        .entry(Slot(0))
        .or_default()
        .insert(Slot(4));
    assert_eq!(known(&facts), 1);
}
