//! R4, R5, R11, R15: complaints give nothing away, edges are cut only by signatures, a session is one session.

use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Hash, Slot};
use veilsum_proto::member::{Member, Reply};
use veilsum_proto::message::{Body, Cut, CutReason, ShareSet};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::SetError;
use veilsum_tests::{Dealing, Play, Setup, resigned};

fn cut(slot: u32, reason: CutReason) -> Cut {
    Cut {
        slot: Slot(slot),
        reason,
    }
}

/// The accept that a member answers these deliveries with.
fn accept(
    play: &mut Play,
    slot: u32,
    delivered: veilsum_proto::message::DeliveredShares,
) -> veilsum_proto::message::Accept {
    match play.tell(slot, delivered) {
        Ok(Reply::Send(message)) => match message.body {
            Body::Accept(accept) => accept,
            body => panic!("found {}", body.name()),
        },
        other => panic!("found {other:?}"),
    }
}

// --- R4

// spec: [share.signature] [share.unseen] [accept.no-secret]
#[test]
fn a_flipped_ciphertext_is_a_share_not_received_and_no_complaint() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[]);
    play.run_to(PhaseName::Accept);
    for victim in [0, 1, 2] {
        let mut delivered = play.due_shares(victim);
        let flipped = delivered
            .shares
            .iter_mut()
            .find(|share| share.from == Slot(5))
            .unwrap();
        flipped.part.as_mut().unwrap().ciphertext[victim as usize] ^= 1;
        let accept = accept(&mut play, victim, delivered);
        assert_eq!(
            accept.cuts,
            [],
            "the dealer is not accused: nothing it signed is wrong"
        );
        play.say(victim, accept).unwrap();
    }
    play.act_all();
    play.close();
    // The coordinator's lie costs it: the members it lied to refuse the dealer's presence.
    for victim in [0, 1, 2] {
        let due = play.due(victim).unwrap();
        assert_eq!(play.tell(victim, due), Err(Refusal::UnseenShare(Slot(5))));
    }
    // What the other three upload under the set is all that it has.
    play.silent.extend([0, 1, 2].map(Slot));
    play.finish();
    let abort = play.abort().map(|abort| abort.kind());
    assert_eq!(abort, Some("too_few_updates"));
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [share.signature] [share.unseen]
#[test]
fn a_part_under_another_dealers_receivers_or_sessions_signature_is_not_received() {
    type Lie = fn(&mut veilsum_proto::message::DeliveredShares);
    let lies: [(&str, Lie); 5] = [
        ("signature of another dealer", |all| {
            all.shares[4].signature = all.shares[0].signature
        }),
        ("signature with a flipped bit", |all| {
            all.shares[4].signature.0[40] ^= 4
        }),
        ("part for another receiver", |all| {
            all.shares[4].part.as_mut().unwrap().to = Slot(3)
        }),
        ("part withheld, its proof kept", |all| {
            all.shares[4].part = None
        }),
        ("proof of another depth", |all| {
            all.shares[4].proof.push(Hash([0; 32]))
        }),
    ];
    for (what, lie) in lies {
        let mut play = Play::new(&Setup::new(6, 1, 1), &[]);
        play.run_to(PhaseName::Accept);
        let mut delivered = play.due_shares(0);
        lie(&mut delivered);
        assert_eq!(accept(&mut play, 0, delivered).cuts, [], "{what}");
        let set = play.share_set(&play.all_but(&[]));
        assert_eq!(
            play.tell(0, set),
            Err(Refusal::UnseenShare(Slot(5))),
            "{what}"
        );
        let without = play.share_set(&play.all_but(&[5]));
        assert_eq!(play.tell(0, without), Ok(Reply::Contribute), "{what}");
        play.upload(0).expect("the set stands");
        play.assert_known(&[]);
    }
}

// spec: [share.cut-share] [share.open] [accept.no-secret]
#[test]
fn a_signed_share_that_does_not_open_cuts_its_edge_and_says_nothing_else() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[5]);
    let mut forger = play.forge(5);
    play.act_all();
    play.close();
    let mut parts = forger.parts(&play.due_adverts(5), Dealing::Right);
    parts[0].ciphertext[3] ^= 1;
    parts[1].root_digest.0[0] ^= 1;
    parts[2].self_digest.0[0] ^= 1;
    parts[3].pair_hash.0[0] ^= 1;
    let sealed = forger.sealed(parts);
    play.say(5, sealed).unwrap();
    play.act_all();
    play.close();
    let reasons = [
        CutReason::Share,
        CutReason::Share,
        CutReason::Share,
        CutReason::PairSeed,
    ];
    for (slot, reason) in (0..4).zip(reasons) {
        play.act(slot);
        assert_eq!(
            play.players[&Slot(slot)].accept.as_ref().unwrap().cuts,
            [cut(5, reason)]
        );
    }
    play.act(4);
    assert_eq!(play.players[&Slot(4)].accept.as_ref().unwrap().cuts, []);
    assert!(play.tap.is_silent());
    // The dealer has no accept to give, and is dropped.
    play.assert_exact(0..5);
}

// --- R5

// spec: [share.cut-signed]
#[test]
fn a_cut_needs_the_neighbours_own_signature_under_this_session() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[5]);
    play.run_to(PhaseName::Upload);
    let all = play.all_but(&[]);
    let (honest, corrupt) = (
        play.players[&Slot(1)].accept.clone().unwrap(),
        play.players[&Slot(5)].identity.clone(),
    );
    let against_me = vec![cut(0, CutReason::Share)];
    let not_a_cut = [
        ("an accept without cuts", honest.clone()),
        (
            "cuts added below the signature",
            veilsum_proto::message::Accept {
                cuts: against_me.clone(),
                ..honest.clone()
            },
        ),
        (
            "signed by a corrupt member",
            resigned(&honest, against_me.clone(), &corrupt),
        ),
        (
            "a cut of somebody else",
            resigned(
                &honest,
                vec![cut(2, CutReason::Share)],
                &play.players[&Slot(1)].identity.clone(),
            ),
        ),
        ("of another session", {
            let mut other = honest.clone();
            other.sid.0[0] ^= 1;
            resigned(
                &other,
                against_me.clone(),
                &play.players[&Slot(1)].identity.clone(),
            )
        }),
    ];
    for (what, accept) in not_a_cut {
        let set = ShareSet {
            accepts: vec![accept],
            ..play.share_set(&all)
        };
        assert_eq!(play.tell(0, set), Err(Refusal::NotACut(Slot(1))), "{what}");
    }
    // The member has not moved: the right set still stands.
    assert_eq!(play.tell(0, play.share_set(&all)), Ok(Reply::Contribute));
    assert_eq!(play.peers(Slot(0)), (1..6).map(Slot).collect());
    play.assert_exact(0..6);
}

// spec: [share.cut-order]
#[test]
fn the_same_signed_cut_shown_twice_is_refused() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[5]);
    play.run_to(PhaseName::Upload);
    let all = play.all_but(&[]);
    let player = &play.players[&Slot(5)];
    let accept = player.accept.as_ref().unwrap();
    let signed = resigned(accept, vec![cut(0, CutReason::Share)], &player.identity);
    let shown = |play: &Play, times: usize| ShareSet {
        accepts: vec![signed.clone(); times],
        ..play.share_set(&all)
    };
    let twice = shown(&play, 2);
    assert_eq!(play.tell(0, twice), Err(Refusal::NotACut(Slot(5))));
    let once = shown(&play, 1);
    assert_eq!(play.tell(0, once), Ok(Reply::Contribute));
    play.upload(0).expect("the set stands");
    assert_eq!(play.peers(Slot(0)), (1..5).map(Slot).collect());
    play.assert_known(&[]);
}

// spec: [share.cut-limit]
#[test]
fn more_cut_edges_than_corrupt_neighbours_are_refused() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[4, 5]);
    play.run_to(PhaseName::Upload);
    assert_eq!(play.context.parameters.c_nb(), 1);
    let all = play.all_but(&[]);
    let signed = [4, 5].map(|slot| {
        let player = &play.players[&Slot(slot)];
        resigned(
            player.accept.as_ref().unwrap(),
            vec![cut(0, CutReason::Share)],
            &player.identity,
        )
    });
    let with = |play: &Play, count: usize| ShareSet {
        accepts: signed[..count].to_vec(),
        ..play.share_set(&all)
    };
    let two = with(&play, 2);
    assert_eq!(
        play.tell(0, two),
        Err(Refusal::TooManyCuts { got: 2, want: 1 })
    );
    let one = with(&play, 1);
    assert_eq!(play.tell(0, one), Ok(Reply::Contribute));
    let peers = play.peers(Slot(0));
    assert_eq!(
        peers,
        [1, 2, 3, 5].map(Slot).into(),
        "the cut edge carries no mask"
    );
    play.upload(0).expect("the set stands");
    play.assert_known(&[]);
}

// spec: [share.unseen]
#[test]
fn a_share_withheld_by_the_coordinators_bare_word_keeps_its_dealer_out_of_the_set() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[]);
    play.run_to(PhaseName::Accept);
    let mut delivered = play.due_shares(0);
    delivered.shares.retain(|share| share.from != Slot(3));
    assert_eq!(accept(&mut play, 0, delivered).cuts, []);
    let all = play.all_but(&[]);
    assert_eq!(
        play.tell(0, play.share_set(&all)),
        Err(Refusal::UnseenShare(Slot(3)))
    );
    assert_eq!(
        play.tell(0, play.share_set(&play.all_but(&[3]))),
        Ok(Reply::Contribute)
    );
    play.upload(0).expect("the set stands");
    play.assert_known(&[]);
}

// spec: [share.cuts-shown] [finish.range]
#[test]
fn a_cut_withheld_from_its_other_end_spoils_the_sum_and_bares_nobody() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[5]);
    let mut forger = play.forge(5);
    play.run_to(PhaseName::Share);
    let parts = forger.parts(&play.due_adverts(5), Dealing::Right);
    play.say(5, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    play.say(5, forger.accept(vec![cut(0, CutReason::Share)]))
        .unwrap();
    play.run_to(PhaseName::Upload);
    let all = play.all_but(&[]);
    let due = play.due(0);
    assert!(matches!(due, Some(Body::ShareSet(set)) if set.accepts.len() == 1));
    let (header, update) = {
        assert_eq!(play.tell(0, play.share_set(&all)), Ok(Reply::Contribute));
        play.upload(0).unwrap()
    };
    play.say(0, header).unwrap();
    let stored = play.send_update(0, &update).unwrap();
    play.tell(0, stored).unwrap();
    play.silent.insert(Slot(0));
    play.upload_as(&forger, &[1, 2, 3, 4]);
    play.act_all();
    play.close();
    play.silent.clear();
    play.run_to(PhaseName::Reveal);
    let sid2 = play.survivor_set(&all, &all).sid2;
    play.say(5, forger.reveal(&sid2, &[])).unwrap();
    play.finish();
    assert_eq!(
        play.abort().map(|abort| abort.kind()),
        Some("sum_out_of_range")
    );
    play.assert_known(&[&[0, 1, 2, 3, 4]]);
}

// spec: [share.exclude] [share.fix]
#[test]
fn a_member_that_cuts_everybody_is_excluded_and_nobody_else_is() {
    let mut play = Play::new(&Setup::new(7, 2, 1), &[5, 6]);
    play.run_to(PhaseName::Accept);
    let due = play.due_shares(6);
    let honest = accept(&mut play, 6, due);
    let everybody = (0..6).map(|slot| cut(slot, CutReason::Share)).collect();
    let lie = resigned(&honest, everybody, &play.players[&Slot(6)].identity.clone());
    play.say(6, lie).unwrap();
    play.silent.insert(Slot(6));
    play.act_all();
    play.close();
    let blamed = play
        .faults
        .iter()
        .map(|fault| (fault.slot, fault.kind.name()))
        .collect::<Vec<_>>();
    assert_eq!(blamed, [(Slot(6), "too_many_cuts")]);
    play.assert_exact(0..6);
}

// spec: [share.exclude] [share.cuts-shown] [upload.mask]
#[test]
fn a_member_with_as_many_cut_edges_as_are_tolerated_stays_and_both_ends_drop_them() {
    let mut play = Play::new(&Setup::new(7, 2, 1), &[6]);
    let mut forger = play.forge(6);
    play.run_to(PhaseName::Share);
    let mut parts = forger.parts(&play.due_adverts(6), Dealing::Right);
    parts[0].ciphertext[0] ^= 1;
    play.say(6, forger.sealed(parts)).unwrap();
    play.run_to(PhaseName::Accept);
    // Member 0 cuts the edge to 6, and 6 the edge to 1.
    play.say(6, forger.accept(vec![cut(1, CutReason::Share)]))
        .unwrap();
    play.run_to(PhaseName::Upload);
    play.upload_as(&forger, &[2, 3, 4, 5]);
    play.run_to(PhaseName::Confirm);
    assert_eq!(play.peers(Slot(0)), (1..6).map(Slot).collect());
    assert_eq!(play.peers(Slot(1)), [0, 2, 3, 4, 5].map(Slot).into());
    play.run_to(PhaseName::Reveal);
    let all = play.all_but(&[]);
    let sid2 = play.survivor_set(&all, &all).sid2;
    play.say(6, forger.reveal(&sid2, &[])).unwrap();
    play.assert_exact(0..7);
    assert_eq!(play.faults, []);
}

// --- R11

// spec: [share.once] [advert.once]
#[test]
fn shares_are_built_once_and_resent_byte_for_byte() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Share);
    let adverts = play.due_adverts(2);
    let first = play.sealed(2);
    assert_eq!(play.sealed(2), first);
    let mut other = adverts.clone();
    other.advertised = play.all_but(&[4]);
    other.neighbours.pop();
    assert_eq!(play.tell(2, other), Err(Refusal::Second("Adverts")));
    assert_eq!(play.sealed(2), first);
    play.assert_exact(0..5);
}

// spec: [accept.once]
#[test]
fn one_accept_goes_out_whatever_is_delivered_afterwards() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Accept);
    let due = play.due_shares(2);
    let first = accept(&mut play, 2, due.clone());
    assert_eq!(accept(&mut play, 2, due.clone()), first);
    let mut other = due;
    other.shares.pop();
    assert_eq!(play.tell(2, other), Err(Refusal::Second("DeliveredShares")));
    play.assert_exact(0..5);
}

// spec: [share.set-once]
#[test]
fn a_second_different_share_set_closes_the_member() {
    for phase in ["ready", "uploading", "uploaded", "revealing"] {
        let mut play = Play::new(&Setup::new(6, 1, 2), &[]);
        play.run_to(PhaseName::Upload);
        let all = play.all_but(&[]);
        let (set, other) = (play.share_set(&all), play.share_set(&play.all_but(&[5])));
        assert_eq!(play.tell(0, set.clone()), Ok(Reply::Contribute));
        if phase != "ready" {
            play.upload(0).unwrap();
        }
        if phase == "uploaded" || phase == "revealing" {
            play.store(0).unwrap();
        }
        if phase == "revealing" {
            for slot in 1..6 {
                play.show_and_upload(slot, set.clone()).unwrap();
            }
            let survivors = play.survivor_set(&all, &all);
            let signed = (0..6)
                .map(|slot| play.ask(slot, &survivors).unwrap())
                .collect();
            play.certify(0, &survivors, signed).unwrap();
        }
        assert_eq!(
            play.players[&Slot(0)].machine.as_ref().unwrap().phase(),
            phase
        );
        let again = if phase == "ready" {
            Reply::Contribute
        } else {
            Reply::Nothing
        };
        assert_eq!(
            play.tell(0, set.clone()),
            Ok(again),
            "{phase}: the same again"
        );
        assert_eq!(
            play.tell(0, other),
            Err(Refusal::Second("ShareSet")),
            "{phase}"
        );
        assert_eq!(play.tell(0, set), Err(Refusal::Closed), "{phase}");
        play.assert_known(&[]);
    }
}

// --- R15

// spec: [advert.session] [advert.signature]
#[test]
fn an_advert_of_an_earlier_attempt_is_refused_in_the_next() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Share);
    let old = play.due_adverts(0);
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Share);
    let mut adverts = play.due_adverts(0);
    assert_ne!(adverts.neighbours[2].advert, old.neighbours[2].advert);
    adverts.neighbours[2] = old.neighbours[2].clone();
    assert_eq!(
        play.tell(0, adverts.clone()),
        Err(Refusal::OwnAdvert),
        "the root does not hold it"
    );
    // With a root over the replayed advert the tree is right, and the signature is for another attempt.
    adverts.root = root_over(&play, &adverts);
    assert_eq!(
        play.tell(0, adverts.clone()),
        Err(Refusal::AdvertSignature(adverts.neighbours[2].advert.slot))
    );
    // The whole old message is for another attempt.
    assert_eq!(
        play.tell(0, old),
        Err(Refusal::OtherSession {
            got: "Adverts",
            what: "attempt"
        })
    );
    play.assert_exact(0..5);
}

/// The root over the adverts shown to member 0 and its own, in the complete graph.
fn root_over(play: &Play, adverts: &veilsum_proto::message::Adverts) -> Hash {
    use veilsum_proto::merkle::{Tree, empty_leaf};
    let mut leaves = vec![empty_leaf(); play.context.slots() as usize];
    let mut own = None;
    if let Some(Body::Adverts(other)) = play.due(1) {
        own = other
            .neighbours
            .iter()
            .find(|proven| proven.advert.slot == Slot(0))
            .map(|proven| proven.advert.leaf());
    }
    leaves[0] = own.unwrap_or_else(empty_leaf);
    for proven in &adverts.neighbours {
        leaves[proven.advert.slot.index()] = proven.advert.leaf();
    }
    Tree::new(leaves).root()
}

// spec: [advert.tree] [advert.own-leaf] [advert.neighbours] [advert.signature]
#[test]
fn adverts_that_leave_out_replace_or_add_somebody_are_refused() {
    let mut play = Play::new(&Setup::new(6, 1, 1), &[5]);
    play.silent.insert(Slot(4));
    play.run_to(PhaseName::Share);
    let right = play.due_adverts(0);

    let mut left_out = right.clone();
    left_out.neighbours.remove(1);
    assert_eq!(
        play.tell(0, left_out),
        Err(Refusal::NeighbourAdverts(Slot(3)))
    );

    let mut added = right.clone();
    added.advertised = play.all_but(&[]);
    assert_eq!(
        play.tell(0, added),
        Err(Refusal::NeighbourAdverts(Slot(5))),
        "slot 4 is claimed, not shown"
    );

    let mut twice = right.clone();
    twice.neighbours.insert(0, right.neighbours[0].clone());
    assert_eq!(play.tell(0, twice), Err(Refusal::NeighbourAdverts(Slot(1))));

    // A key of the coordinator's choice under an honest member's name.
    let mut replaced = right.clone();
    let corrupt = play.players[&Slot(5)].identity.clone();
    let advert = &mut replaced.neighbours[0].advert;
    advert.mask_key = right.neighbours[3].advert.mask_key;
    *advert = advert.clone().signed(&corrupt);
    assert_eq!(play.tell(0, replaced.clone()), Err(Refusal::OwnAdvert));
    replaced.root = root_over(&play, &replaced);
    assert_eq!(
        play.tell(0, replaced),
        Err(Refusal::AdvertSignature(Slot(1)))
    );

    // A tree that holds another advert of the member itself.
    let mut other_root = right.clone();
    other_root.root.0[0] ^= 1;
    assert_eq!(play.tell(0, other_root), Err(Refusal::OwnAdvert));
    assert!(matches!(play.tell(0, right), Ok(Reply::Send(_))));
    // With the keys that are theirs the round goes on, and the sum over all of them is what there is to know.
    play.assert_exact([0, 1, 2, 3, 5]);
}

// spec: [advert.own-leaf] [advert.proof] [advert.neighbours]
#[test]
fn on_the_ring_own_leaf_and_every_neighbour_need_a_proof() {
    let mut play = Play::new(&Setup::new(201, 2, 4), &[]);
    play.run_to(PhaseName::Share);
    let right = play.due_adverts(0);
    let mut own = right.clone();
    own.own_proof[0].0[0] ^= 1;
    assert_eq!(play.tell(0, own), Err(Refusal::OwnAdvert));
    let mut short = right.clone();
    short.own_proof.pop();
    assert_eq!(play.tell(0, short), Err(Refusal::OwnAdvert));
    let mut other = right.clone();
    let slot = other.neighbours[2].advert.slot;
    other.neighbours[2].proof[1].0[0] ^= 1;
    assert_eq!(play.tell(0, other), Err(Refusal::AdvertProof(slot)));
    let mut swapped = right.clone();
    swapped.neighbours[2].proof = right.neighbours[3].proof.clone();
    assert_eq!(play.tell(0, swapped), Err(Refusal::AdvertProof(slot)));
    assert!(matches!(play.tell(0, right), Ok(Reply::Send(_))));
    play.assert_known(&[]);
}

// spec: [session.sid]
#[test]
fn members_shown_different_base_models_share_no_session() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    let other = play.context_with_model([3; 32]);
    let player = play.players.get_mut(&Slot(2)).unwrap();
    let machine = Member::invited_in(
        other,
        player.identity.clone(),
        player.floors.clone(),
        &player.ledger,
    );
    player.machine = Some(machine.unwrap());
    play.run_to(PhaseName::Share);
    // Its advert passes: only the session id holds the model.
    let sealed = play.sealed(2);
    let fault = play.blamed(2, sealed);
    assert_eq!(fault.to_string(), "SealedShares is for another session");
    play.silent.insert(Slot(2));
    play.act_all();
    play.close();
    let due = play.due_shares(0);
    assert_eq!(
        play.tell(2, due),
        Err(Refusal::OtherSession {
            got: "DeliveredShares",
            what: "session"
        })
    );
    play.assert_exact([0, 1, 3, 4]);
}

// spec: [share.signature] [share.unseen]
#[test]
fn a_share_of_an_earlier_attempt_is_not_received_in_the_next() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Accept);
    let old = play.due_shares(0);
    assert!(play.reopen(1, 1).is_empty());
    play.run_to(PhaseName::Accept);
    assert_eq!(
        play.tell(0, old.clone()),
        Err(Refusal::OtherSession {
            got: "DeliveredShares",
            what: "session"
        })
    );
    let mut due = play.due_shares(0);
    due.shares[1] = old.shares[1].clone();
    let from = due.shares[1].from;
    assert_eq!(accept(&mut play, 0, due).cuts, []);
    let all = play.all_but(&[]);
    assert_eq!(
        play.tell(0, play.share_set(&all)),
        Err(Refusal::UnseenShare(from))
    );
    play.assert_known(&[]);
}

// spec: [share.set]
#[test]
fn a_share_set_under_another_session_is_refused() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Upload);
    let mut set = play.share_set(&play.all_but(&[]));
    set.sid.0[7] ^= 1;
    assert_eq!(
        play.tell(0, set),
        Err(Refusal::OtherSession {
            got: "ShareSet",
            what: "session"
        })
    );
    let small = play.share_set(&play.set(0..3));
    assert!(matches!(
        play.tell(0, small),
        Err(Refusal::Set(SetError::BelowFloor { .. }))
    ));
    play.assert_exact(0..5);
}

// spec: [share.signature]
#[test]
fn deliveries_from_strangers_or_out_of_order_are_refused_whole() {
    let mut play = Play::new(&Setup::new(5, 1, 1), &[]);
    play.run_to(PhaseName::Accept);
    let right = play.due_shares(0);
    let mut from_me = right.clone();
    from_me.shares[0].from = Slot(0);
    assert_eq!(play.tell(0, from_me), Err(Refusal::Delivered(Slot(0))));
    let mut order = right.clone();
    order.shares.swap(0, 1);
    assert_eq!(play.tell(0, order), Err(Refusal::Delivered(Slot(1))));
    let mut twice = right.clone();
    twice.shares.insert(1, right.shares[0].clone());
    assert_eq!(play.tell(0, twice), Err(Refusal::Delivered(Slot(1))));
    assert_eq!(accept(&mut play, 0, right).cuts, []);
    play.assert_exact(0..5);
}
