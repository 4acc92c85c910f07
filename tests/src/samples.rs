//! One message of every type, with every list filled.

use crate::play::{Play, resigned};
use crate::setup::Setup;
use std::collections::BTreeMap;
use veilsum_proto::coordinator::{Coordinator, PhaseName};
use veilsum_proto::ids::{Hash, Slot};
use veilsum_proto::message::{
    AbortNotice, Body, Cut, CutReason, FaultNotice, Message, RevealedSeed, ShareSet,
};

/// All 18 types, by their number on the wire, from a round of five members in which one vanishes in Upload and one in Reveal.
pub fn samples() -> Vec<Message> {
    let mut play = Play::new(&Setup::new(5, 0, 2), &[]);
    let open = play.due(0).unwrap();
    play.run_to(PhaseName::Upload);
    play.silent.insert(Slot(3));
    play.run_to(PhaseName::Reveal);
    play.silent.insert(Slot(1));
    play.finish();
    let Coordinator::Finished(finished) = &play.coordinator else {
        panic!("no sum: {:?}", play.coordinator);
    };
    let receipt = finished.receipt(play.federation.coordinator());
    let mut all = BTreeMap::from([(1, Message::new(open)), (16, Message::new(receipt))]);
    for message in &play.log {
        all.insert(kind(message), message.clone());
    }
    fill_lists(&play, &mut all);
    all.insert(
        17,
        Message::new(AbortNotice {
            task: play.context.task_digest,
            round: play.context.round,
            attempt: play.context.attempt,
            reason: b"below_quorum".to_vec(),
            text: b"confirm: 2 signatures arrived, the quorum is 3".to_vec(),
        }),
    );
    all.insert(
        18,
        Message::new(FaultNotice {
            kind: b"signature".to_vec(),
            text: b"signature on Advert does not verify".to_vec(),
        }),
    );
    let samples = all.into_values().collect::<Vec<_>>();
    assert_eq!(samples.len(), 18);
    samples
}

/// Lists that an honest round leaves empty.
fn fill_lists(play: &Play, all: &mut BTreeMap<u8, Message>) {
    let cut = Cut {
        slot: Slot(0),
        reason: CutReason::Share,
    };
    let player = &play.players[&Slot(2)];
    let accept = resigned(player.accept.as_ref().unwrap(), vec![cut], &player.identity);
    let set = ShareSet {
        sid: accept.sid,
        shared: play.all_but(&[]),
        accepts: vec![accept.clone()],
    };
    all.insert(6, Message::new(accept));
    all.insert(7, Message::new(set));
    for message in all.values_mut() {
        match &mut message.body {
            // In the complete graph members rebuild the tree and need no proofs.
            Body::Adverts(adverts) => {
                adverts.own_proof = vec![Hash([7; 32])];
                adverts.neighbours[0].proof = vec![Hash([8; 32])];
            }
            Body::Reveal(reveal) => reveal.chain_value = Some(RevealedSeed::new(&[9; 32])),
            Body::Advert(advert) => advert.chain_end = Some(Hash([6; 32])),
            _ => {}
        }
    }
}

/// The type byte.
pub(crate) fn kind(message: &Message) -> u8 {
    message.encode()[4]
}
