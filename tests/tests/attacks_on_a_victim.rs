//! Attacks within one attempt whose aim is one member: seats around it, its ciphertexts, both of its fates, shrinking sets. Each
//! play is judged when it ends.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use veilsum_proto::certificate::CertificateError;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::ledger::LedgerRefusal;
use veilsum_proto::member::Reply;
use veilsum_proto::message::{Body, Cut, CutReason, ShareRequest, ShareWanted, SurvivorSet};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::{SURVIVORS, SetError};
use veilsum_tests::{Dealing, Play, Setup};

/// Seven members, all of which uploaded; 6 is corrupt, a quorum is five.
fn uploaded() -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    play.run_to(PhaseName::Confirm);
    play
}

/// Lets these honest members sign and shows the certificate to them.
fn certify(play: &mut Play, signers: &[u32], set: &SurvivorSet) {
    let mut signed = signers
        .iter()
        .map(|slot| play.ask(*slot, set).unwrap())
        .collect::<Vec<_>>();
    signed.push(play.forged_signature(6, set));
    for slot in signers {
        play.certify(*slot, set, signed.clone()).unwrap();
    }
    let outside = (0..6).filter(|slot| !signers.contains(slot));
    for slot in outside.collect::<Vec<_>>() {
        let without = SetError::WithoutMe {
            set: SURVIVORS,
            slot: Slot(slot),
        };
        if !set.survivors.contains(Slot(slot)) {
            assert_eq!(play.certify(slot, set, signed.clone()), Err(without.into()));
        }
    }
}

fn wanted(set: &SurvivorSet, wanted: ShareWanted) -> ShareRequest {
    ShareRequest {
        sid2: set.sid2,
        wanted: vec![wanted],
    }
}

// spec: [graph.slots] [graph.ring] [advert.neighbours]
#[test]
fn leaving_adverts_out_or_retrying_moves_nobody_into_a_seat_around_a_victim() {
    let mut play = Play::new(&Setup::new(201, 2, 4), &[]);
    let seats = play.context.graph.neighbours(Slot(0));
    for attempt in 0..2 {
        if attempt > 0 {
            play.reopen(1, attempt);
        }
        // Two of its neighbours are kept away, others elsewhere: no one moves up.
        let away = [seats[0], seats[5 + attempt as usize]];
        play.silent.extend(away);
        play.run_to(PhaseName::Share);
        let right = play.due_adverts(0);
        let shown = right.neighbours.iter().map(|proven| proven.advert.slot);
        let stay = seats.iter().copied().filter(|slot| !away.contains(slot));
        assert!(shown.eq(stay));
        // An advert of somebody else in the empty seat, with a proof that is right.
        let stranger = (1..201).find(|slot| !seats.contains(&Slot(*slot))).unwrap();
        let next_to_it = play.context.graph.neighbours(Slot(stranger));
        let witness = next_to_it.iter().find(|slot| !away.contains(slot)).unwrap();
        let of_witness = play.due_adverts(witness.0);
        let mut neighbours = of_witness.neighbours.into_iter();
        let moved = neighbours.find(|proven| proven.advert.slot == Slot(stranger));
        let mut seated = right.clone();
        seated.neighbours.push(moved.unwrap());
        seated.neighbours.sort_by_key(|proven| proven.advert.slot);
        assert_eq!(
            play.tell(0, seated),
            Err(Refusal::NeighbourAdverts(Slot(stranger)))
        );
        assert!(matches!(play.tell(0, right), Ok(Reply::Send(_))));
        play.assert_known(&[]);
    }
}

/// A corrupt dealer with the coordinator's help sends an honest dealer's ciphertext back to it, and on to somebody else.
// spec: [share.open] [share.cut-share] [share.exclude]
#[test]
fn a_ciphertext_sent_back_to_its_dealer_or_on_to_another_does_not_open() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    let mut forger = play.forge(6);
    play.run_to(PhaseName::Share);
    play.act_all();
    let dealt = play.log.iter().find_map(|message| match &message.body {
        Body::SealedShares(sealed) if sealed.slot == Slot(0) => Some(sealed.parts.clone()),
        _ => None,
    });
    let dealt = dealt.unwrap();
    let to_forger = dealt.iter().find(|part| part.to == Slot(6)).unwrap();
    let to_another = dealt.iter().find(|part| part.to == Slot(2)).unwrap();
    let mut parts = forger.parts(&play.due_adverts(6), Dealing::Right);
    for (index, taken) in [(0, to_forger), (1, to_forger), (2, to_another)] {
        parts[index].ciphertext = taken.ciphertext;
        parts[index].root_digest = taken.root_digest;
        parts[index].self_digest = taken.self_digest;
    }
    let sealed = forger.sealed(parts);
    play.say(6, sealed).unwrap();
    play.close();
    play.act_all();
    let accept = forger.accept(Vec::new());
    play.say(6, accept).unwrap();
    let cut = Cut {
        slot: Slot(6),
        reason: CutReason::Share,
    };
    for slot in 0..6 {
        let cuts = &play.players[&Slot(slot)].accept.as_ref().unwrap().cuts;
        let wanted = if slot < 3 { vec![cut] } else { Vec::new() };
        assert_eq!(*cuts, wanted, "slot {slot}");
    }
    play.assert_exact(0..6);
}

// spec: [confirm.once] [reveal.certificate] [reveal.self-of-survivor] [reveal.root-of-dropped]
#[test]
fn of_both_fates_of_one_member_one_is_certified_and_only_its_shares_are_given() {
    for survives in [false, true] {
        let mut play = uploaded();
        let all = play.all_but(&[]);
        let sets = [
            play.survivor_set(&all, &play.all_but(&[5])),
            play.survivor_set(&all, &all),
        ];
        let (true_set, other) = (&sets[usize::from(survives)], &sets[usize::from(!survives)]);
        // One signature was wasted on the other fate.
        play.ask(4, other).unwrap();
        let signers = if survives {
            [0, 1, 2, 3, 5]
        } else {
            [0, 1, 2, 3, 9]
        };
        let signers = signers.into_iter().filter(|slot| *slot < 7);
        certify(&mut play, &signers.collect::<Vec<_>>(), true_set);
        let few = vec![play.forged_signature(6, other)];
        let below = CertificateError::BelowQuorum { got: 1, want: 5 };
        for slot in 0..5 {
            let outcome = play.certify(slot, other, few.clone());
            assert_eq!(outcome, Err(below.clone().into()), "slot {slot}");
        }
        // Member 4 signed the other one: it does not reveal for this one, and is in it all the same.
        play.assert_known(&[]);
        let header = |play: &Play, slot| play.players[&Slot(slot)].header.clone().unwrap();
        for holder in 0..4 {
            let of_four = wanted(true_set, ShareWanted::SelfSeed(header(&play, 4)));
            play.request(holder, &of_four).unwrap();
            let of_self = wanted(true_set, ShareWanted::SelfSeed(header(&play, 5)));
            let of_root = wanted(true_set, ShareWanted::RootSeed(Slot(5)));
            let (given, withheld, kind, reason) = match survives {
                true => (of_self, of_root, "root", "it is a certified survivor"),
                false => (of_root, of_self, "self", "it is not a certified survivor"),
            };
            play.request(holder, &given).unwrap();
            let slot = Slot(5);
            let refused = Refusal::ShareRequest { kind, slot, reason };
            assert_eq!(play.request(holder, &withheld), Err(refused));
        }
        match survives {
            true => play.assert_known(&[&[0, 1, 2, 3, 4, 5]]),
            false => play.assert_known(&[&[0, 1, 2, 3, 4]]),
        }
    }
}

/// R17: its vector is in the coordinator's hands, its root seed is rebuilt, its self seed is all that hides it.
// spec: [reveal.record] [reveal.self-of-survivor] [join.closed] [advertise.floor]
#[test]
fn a_live_member_that_is_said_to_have_dropped_keeps_its_input() {
    let mut play = uploaded();
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &play.all_but(&[3]));
    certify(&mut play, &[0, 1, 2, 4, 5], &set);
    for holder in [0, 1, 2, 4, 5] {
        let root = wanted(&set, ShareWanted::RootSeed(Slot(3)));
        play.request(holder, &root).unwrap();
        let header = play.players[&Slot(3)].header.clone().unwrap();
        let own = wanted(&set, ShareWanted::SelfSeed(header));
        let refused = Refusal::ShareRequest {
            kind: "self",
            slot: Slot(3),
            reason: "it is not a certified survivor",
        };
        assert_eq!(play.request(holder, &own), Err(refused));
    }
    let facts = play.tap.facts(Round(1), play.context.attempt).unwrap();
    assert_eq!(
        facts.root_shares[&Slot(3)].len(),
        5,
        "its root seed is known"
    );
    // Its input is not.
    play.assert_known(&[&[0, 1, 2, 4, 5]]);
    // Nobody joins it in another attempt: it signed nothing, the others did.
    let refusals = play.reopen(1, 1);
    let closed = Refusal::from(LedgerRefusal::RoundClosed { round: Round(1) });
    for slot in [0, 1, 2, 4, 5] {
        assert_eq!(refusals.get(&Slot(slot)), Some(&closed));
    }
    assert!(!refusals.contains_key(&Slot(3)));
}

/// R17: the sum over a member that never uploaded is uniform, until it uploads.
// spec: [reveal.header] [confirm.after-upload]
#[test]
fn a_survivor_that_never_uploaded_hides_the_sum_until_it_does() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    play.run_to(PhaseName::Upload);
    for slot in [0, 1, 3, 4, 5] {
        play.act(slot);
    }
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    certify(&mut play, &[0, 1, 3, 4, 5], &set);
    let mut invented = play.players[&Slot(0)].header.clone().unwrap();
    invented.slot = Slot(2);
    let invented = invented.signed(&play.players[&Slot(6)].identity);
    for holder in [0, 1, 3, 4, 5] {
        let request = wanted(&set, ShareWanted::SelfSeed(invented.clone()));
        let refused = Refusal::ShareRequest {
            kind: "self",
            slot: Slot(2),
            reason: "its upload header is not signed by it",
        };
        assert_eq!(play.request(holder, &request), Err(refused));
    }
    play.assert_known(&[]);
    let share_set = play.share_set(&all);
    let header = play.show_and_upload(2, share_set).unwrap();
    for holder in [0, 1, 3, 4, 5] {
        let request = wanted(&set, ShareWanted::SelfSeed(header.clone()));
        play.request(holder, &request).unwrap();
    }
    play.assert_known(&[&[0, 1, 2, 3, 4, 5]]);
}

// spec: [share.set-once] [confirm.one-set] [confirm.once]
#[test]
fn sets_that_shrink_step_by_step_are_taken_once() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    play.run_to(PhaseName::Upload);
    let all = play.all_but(&[]);
    let steps = [all.clone(), play.all_but(&[5]), play.all_but(&[4, 5])];
    // Member 0: the Share set shrinks before it uploaded, member 1: after.
    for slot in 0..2 {
        let first = play.share_set(&steps[0]);
        play.tell(slot, first).unwrap();
        if slot == 1 {
            play.upload(slot).unwrap();
            play.store(slot).unwrap();
        }
        let second = play.share_set(&steps[1]);
        assert_eq!(play.tell(slot, second), Err(Refusal::Second("ShareSet")));
        let third = play.share_set(&steps[2]);
        assert_eq!(play.tell(slot, third), Err(Refusal::Closed));
    }
    for slot in 2..4 {
        play.act(slot);
        let mut sets = steps.each_ref().map(|set| play.survivor_set(&all, set));
        if slot == 3 {
            sets.reverse();
        }
        play.ask(slot, &sets[0]).unwrap();
        for later in &sets[1..] {
            assert_eq!(play.ask(slot, later), Err(Refusal::Second("SurvivorSet")));
        }
    }
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}
