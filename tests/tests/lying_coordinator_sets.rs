//! R1, R2, R3, R9: one survivor set for all, no thin window, survivors inside the signed Share set, the quorum counted right.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use veilsum_proto::bitmap::{Bitmap, BitmapError};
use veilsum_proto::certificate::CertificateError;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot};
use veilsum_proto::ledger::LedgerRefusal;
use veilsum_proto::message::{ShareRequest, ShareWanted, SignedSlot, SurvivorSet};
use veilsum_proto::parameters::{Amount, Demand, Parameters, largest_tolerance};
use veilsum_proto::refusal::Refusal;
use veilsum_proto::session::{ADVERTISED, SHARED, SURVIVORS, SetError};
use veilsum_tests::{Play, Setup};

/// Everybody uploaded under the same Share set of all slots.
fn uploaded(setup: &Setup, corrupt: &[u32]) -> Play {
    let mut play = Play::new(setup, corrupt);
    play.run_to(PhaseName::Confirm);
    play
}

fn signatures(
    play: &mut Play,
    signers: impl IntoIterator<Item = u32>,
    set: &SurvivorSet,
) -> Vec<SignedSlot> {
    let signers = signers.into_iter();
    signers.map(|slot| play.ask(slot, set).unwrap()).collect()
}

// --- R1

// spec: [confirm.once] [confirm.one-set]
#[test]
fn a_member_signs_one_set_and_repeats_only_that_signature() {
    let mut play = uploaded(&Setup::new(7, 1, 2), &[6]);
    let all = play.all_but(&[]);
    let (one, other) = (
        play.survivor_set(&all, &play.all_but(&[5])),
        play.survivor_set(&all, &play.all_but(&[1])),
    );
    let first = play.ask(0, &one).unwrap();
    assert_eq!(play.ask(0, &one), Ok(first));
    assert_eq!(play.ask(0, &other), Err(Refusal::Second("SurvivorSet")));
    play.assert_known(&[]);
}

/// The attack of R1 in the complete graph: two sets, each missing two honest members of the other side, and every way to
/// show honest members one or the other.
// spec: [confirm.once] [reveal.certificate]
#[test]
fn no_way_to_split_signers_over_two_sets_certifies_both() {
    for views in 0..1u32 << 6 {
        let mut play = uploaded(&Setup::new(7, 1, 2), &[6]);
        let all = play.all_but(&[]);
        let sets = [
            play.survivor_set(&all, &play.all_but(&[4, 5])),
            play.survivor_set(&all, &play.all_but(&[0, 1])),
        ];
        let mut signed = sets
            .each_ref()
            .map(|set| vec![play.forged_signature(6, set)]);
        for slot in 0..6 {
            // Who is left out of the set it is shown refuses; the coordinator then tries the other one.
            let first = (views >> slot & 1) as usize;
            for view in [first, 1 - first] {
                if let Ok(signature) = play.ask(slot, &sets[view]) {
                    signed[view].insert(signed[view].len() - 1, signature);
                }
            }
        }
        for slot in 0..6 {
            for (set, signatures) in sets.iter().zip(&signed) {
                let outcome = play.certify(slot, set, signatures.clone());
                if signatures.len() < 5 {
                    let refused = matches!(
                        outcome,
                        Err(
                            Refusal::Certificate(CertificateError::BelowQuorum { want: 5, .. })
                                | Refusal::WrongPhase { .. }
                        )
                    );
                    assert!(refused, "views {views:06b}: {outcome:?}");
                }
            }
        }
        // Four members are in each set, two of them in both: the four have to be of one mind.
        match signed.each_ref().map(|signed| signed.len() >= 5) {
            [false, false] => play.assert_known(&[]),
            [true, false] => play.assert_known(&[&[0, 1, 2, 3]]),
            [false, true] => play.assert_known(&[&[2, 3, 4, 5]]),
            [true, true] => panic!("views {views:06b}: both are certified"),
        }
    }
}

// spec: [reveal.certificate]
#[test]
fn signatures_of_as_many_neighbours_as_hold_the_threshold_are_no_certificate() {
    // On a ring t neighbours could rebuild the victim's secrets; their word on the survivors is not enough.
    let mut play = uploaded(&Setup::new(201, 2, 4), &[]);
    let victim = 7;
    let neighbours = play.context.graph.neighbours(Slot(victim));
    let t = play.context.parameters.t as usize;
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let (mut signed, mut refused) = (Vec::new(), 0);
    for neighbour in neighbours {
        match play.ask(neighbour.0, &set) {
            Ok(signature) => signed.push(signature),
            // spec: [confirm.electorate]
            Err(refusal) => {
                assert_eq!(refusal, Refusal::NotInElectorate);
                refused += 1;
            }
        }
    }
    assert!(signed.len() + refused >= t && refused > 0);
    let (got, want) = (signed.len(), play.context.parameters.q);
    assert_eq!(
        play.certify(victim, &set, signed),
        Err(CertificateError::BelowQuorum { got, want }.into())
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [confirm.electorate]
#[test]
fn signers_outside_the_committee_do_not_count() {
    let mut play = uploaded(&Setup::new(201, 2, 4), &[200]);
    let committee = play.context.graph.electorate().to_vec();
    assert!(committee.len() < 201);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let q = play.context.parameters.q as usize;
    let mut signed = Vec::new();
    for slot in committee.iter().take(q - 1) {
        signed.push(play.ask(slot.0, &set).unwrap());
    }
    let outside = (0..201)
        .map(Slot)
        .find(|slot| !committee.contains(slot))
        .unwrap();
    let identity = play.players[&outside].identity.clone();
    signed.push(SignedSlot {
        slot: outside,
        signature: set.sign(&identity),
    });
    signed.sort_by_key(|signed| signed.slot);
    assert_eq!(
        play.certify(3, &set, signed),
        Err(CertificateError::NotInElectorate(outside).into())
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [reveal.certificate]
#[test]
fn a_signer_named_twice_does_not_count_twice() {
    let mut play = uploaded(&Setup::new(5, 1, 1), &[4]);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    let mut signed = signatures(&mut play, 0..3, &set);
    assert_eq!(play.context.parameters.q, 4);
    for (at, twice) in [(0, 0), (2, 2)] {
        let mut doubled = signed.clone();
        doubled.insert(at, signed[at].clone());
        assert_eq!(
            play.certify(0, &set, doubled),
            Err(CertificateError::Duplicate(Slot(twice)).into())
        );
    }
    // Out of order is a duplicate in disguise.
    signed.push(play.forged_signature(4, &set));
    signed.swap(1, 2);
    assert_eq!(
        play.certify(0, &set, signed),
        Err(CertificateError::Duplicate(Slot(1)).into())
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [reveal.certificate] [confirm.electorate]
#[test]
fn signatures_for_other_survivors_by_others_or_by_no_survivor_do_not_count() {
    let mut play = uploaded(&Setup::new(5, 1, 1), &[4]);
    let all = play.all_but(&[]);
    let (set, other) = (
        play.survivor_set(&all, &all),
        play.survivor_set(&all, &play.all_but(&[3])),
    );
    let good = signatures(&mut play, 0..3, &set);
    let with = |last: SignedSlot| good.iter().cloned().chain([last]).collect::<Vec<_>>();
    // A signature over another set, under the signer's own key.
    let stray = play.forged_signature(4, &other);
    assert_eq!(
        play.certify(0, &set, with(stray.clone())),
        Err(CertificateError::Signature(Slot(4)).into())
    );
    // A corrupt member's key under an honest member's name.
    let mut borrowed = play.forged_signature(4, &set);
    borrowed.slot = Slot(3);
    assert_eq!(
        play.certify(0, &set, with(borrowed)),
        Err(CertificateError::Signature(Slot(3)).into())
    );
    // A signer that the set itself leaves out.
    let left_out = play.survivor_set(&all, &play.all_but(&[4]));
    let mut signed = good.clone();
    signed.push(play.forged_signature(4, &left_out));
    assert_eq!(
        play.certify(0, &left_out, signed),
        Err(CertificateError::Signature(Slot(0)).into()),
        "signatures are over the other set"
    );
    // A slot that is not on the roster.
    let mut nobody = play.forged_signature(4, &set);
    nobody.slot = Slot(5);
    assert_eq!(
        play.certify(0, &set, with(nobody)),
        Err(CertificateError::NotInElectorate(Slot(5)).into())
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [reveal.certificate]
#[test]
fn a_signer_that_is_no_survivor_does_not_count() {
    let mut play = uploaded(&Setup::new(5, 1, 1), &[4]);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &play.all_but(&[4]));
    let mut signed = signatures(&mut play, 0..3, &set);
    signed.push(play.forged_signature(4, &set));
    assert_eq!(
        play.certify(0, &set, signed),
        Err(CertificateError::NotSurvivor(Slot(4)).into())
    );
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [reveal.record] [reveal.certificate]
#[test]
fn a_certificate_for_other_survivors_than_those_signed_is_refused() {
    // Four of five corrupt hold a quorum of their own: the member's own record is what is left.
    let mut play = uploaded(&Setup::new(5, 1, 1), &[1, 2, 3, 4]);
    let all = play.all_but(&[]);
    let (one, other) = (
        play.survivor_set(&all, &all),
        play.survivor_set(&all, &play.all_but(&[1])),
    );
    play.ask(0, &one).unwrap();
    let mut signed = (2..5)
        .map(|slot| play.forged_signature(slot, &other))
        .collect::<Vec<_>>();
    let identity = play.players[&Slot(0)].identity.clone();
    signed.insert(
        0,
        SignedSlot {
            slot: Slot(0),
            signature: other.sign(&identity),
        },
    );
    assert_eq!(
        play.certify(0, &other, signed),
        Err(Refusal::OtherSurvivors)
    );
    // What follows from nothing is not asked: with four shares the corrupt have had its seeds from the start.
    assert!(play.tap.is_silent());
}

// spec: [confirm.once]
#[test]
fn a_member_that_signed_in_one_attempt_signs_nothing_in_another() {
    let mut play = uploaded(&Setup::new(5, 1, 1), &[4]);
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &all);
    signatures(&mut play, 0..2, &set);
    let refusals = play.reopen(1, 1);
    for slot in 0..2 {
        assert_eq!(
            refusals.get(&Slot(slot)),
            Some(&LedgerRefusal::RoundClosed { round: Round(1) }.into())
        );
    }
    assert_eq!(refusals.len(), 2);
    play.assert_known(&[]);
}

// --- R2

/// Slots at the first `count` ring positions.
fn arc(play: &Play, count: u32) -> Vec<u32> {
    let order = play.context.graph.ring_order().unwrap();
    order
        .iter()
        .take(count as usize)
        .map(|slot| slot.0)
        .collect()
}

// spec: [graph.window] [share.set] [confirm.set] [confirm.check]
#[test]
fn a_set_with_a_thin_window_is_neither_shared_signed_nor_revealed_for() {
    let setup = Setup::new(201, 10, 30);
    let mut play = Play::new(&setup, &[]);
    play.run_to(PhaseName::Upload);
    let parameters = play.context.parameters;
    let (width, floor) = (parameters.window().unwrap(), parameters.h.unwrap());
    // One more than a window may lack, and no more than may be missing at all.
    let gone = arc(&play, width - floor);
    assert!(gone.len() as u32 <= 201 - parameters.f);
    let (all, thin) = (play.all_but(&[]), play.all_but(&gone));
    let me = (0..201).find(|slot| !gone.contains(slot)).unwrap();
    let is_thin = |set: &'static str, error: &SetError| match error {
        SetError::Window { set: found, window } => {
            *found == set && window.found == floor && window.wanted == floor + 1
        }
        _ => false,
    };
    let refusal = play.tell(me, play.share_set(&thin)).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Set(error) if is_thin(SHARED, error)),
        "{refusal}"
    );

    play.act(me);
    let set = play.survivor_set(&all, &thin);
    let refusal = match play.context.graph.is_elector(Slot(me)) {
        true => play.ask(me, &set).unwrap_err(),
        false => {
            let elector = *play
                .context
                .graph
                .electorate()
                .iter()
                .find(|slot| !gone.contains(&slot.0))
                .unwrap();
            play.act(elector.0);
            play.ask(elector.0, &set).unwrap_err()
        }
    };
    assert!(
        matches!(&refusal, Refusal::Set(error) if is_thin(SURVIVORS, error)),
        "{refusal}"
    );

    let refusal = play.certify(me, &set, Vec::new()).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Certificate(CertificateError::Set(error)) if is_thin(SURVIVORS, error)),
        "{refusal}"
    );
    assert!(play.tap.is_silent());

    // One slot more in that window, and the set stands.
    let enough = play.all_but(&gone[1..]);
    let set = play.survivor_set(&all, &enough);
    assert!(matches!(
        play.certify(me, &set, Vec::new()),
        Err(Refusal::Certificate(CertificateError::BelowQuorum {
            got: 0,
            ..
        }))
    ));
    play.assert_known(&[]);
}

// --- R3

/// The attack of R3 at n = 4, c = 1, q = t = 3: survivors hold a slot that the victim never masked with.
// spec: [confirm.set]
#[test]
fn survivors_outside_the_share_set_are_refused_before_signing_and_revealing() {
    let (u, v, w, x) = (0, 1, 2, 3);
    let mut play = Play::new(&Setup::new(4, 1, 1), &[x]);
    play.run_to(PhaseName::Upload);
    assert_eq!(
        (play.context.parameters.q, play.context.parameters.t),
        (3, 3)
    );
    let (mine, theirs) = (play.set([u, v, x]), play.set([v, w, x]));
    play.show_and_upload(u, play.share_set(&mine)).unwrap();
    for slot in [v, w] {
        play.show_and_upload(slot, play.share_set(&theirs)).unwrap();
    }
    let set = play.survivor_set(&mine, &play.set([u, w, x]));
    let outside = SetError::Outside {
        set: SURVIVORS,
        slot: Slot(w),
        earlier: SHARED,
    };
    assert_eq!(play.ask(u, &set), Err(outside.clone().into()));
    let forged = vec![play.forged_signature(x, &set)];
    assert_eq!(
        play.certify(u, &set, forged),
        Err(CertificateError::Set(outside).into())
    );
    // What w and v would sign is under another second session.
    let other = play.survivor_set(&theirs, &theirs);
    let signed = signatures(&mut play, [v, w], &other);
    let all = signed
        .into_iter()
        .chain([play.forged_signature(x, &other)])
        .collect::<Vec<_>>();
    assert_eq!(
        play.certify(u, &other, all.clone()),
        Err(CertificateError::OtherSession.into())
    );
    let own = play.survivor_set(&mine, &mine);
    assert_eq!(
        play.certify(u, &own, all.clone()),
        Err(CertificateError::Signature(Slot(v)).into()),
        "w and v signed another second session"
    );
    assert!(play.tap.is_silent());
    // To v and w, whose Share set it is, the certificate stands; u keeps its secrets.
    play.certify(v, &other, all.clone()).unwrap();
    play.certify(w, &other, all).unwrap();
    play.assert_known(&[&[1, 2]]);
}

// spec: [session.sid2] [reveal.header]
#[test]
fn a_share_goes_out_only_with_the_members_own_header_for_the_same_share_set() {
    let mut play = Play::new(&Setup::new(6, 1, 2), &[5]);
    play.run_to(PhaseName::Upload);
    let (all, most) = (play.all_but(&[]), play.all_but(&[4]));
    let foreign = play.show_and_upload(0, play.share_set(&most)).unwrap();
    for slot in 1..6 {
        play.show_and_upload(slot, play.share_set(&all)).unwrap();
    }
    // Member 0 uploaded under another Share set, the coordinator claims it a survivor of this one.
    let set = play.survivor_set(&all, &all);
    let mut signed = signatures(&mut play, 1..5, &set);
    signed.push(play.forged_signature(5, &set));
    for slot in 1..5 {
        play.certify(slot, &set, signed.clone()).unwrap();
    }
    let refused = |reason| Refusal::ShareRequest {
        kind: "self",
        slot: Slot(0),
        reason,
    };
    let request = |header| ShareRequest {
        sid2: set.sid2,
        wanted: vec![ShareWanted::SelfSeed(header)],
    };
    let mut relabelled = foreign.clone();
    relabelled.sid2 = set.sid2;
    let forged = relabelled.clone().signed(&play.players[&Slot(5)].identity);
    for slot in 1..5 {
        assert_eq!(
            play.request(slot, &request(foreign.clone())),
            Err(refused("its upload header is for another session"))
        );
        for header in [&relabelled, &forged] {
            assert_eq!(
                play.request(slot, &request(header.clone())),
                Err(refused("its upload header is not signed by it"))
            );
        }
    }
    // Member 0 never uploaded under that set: masks with it stay on all the others.
    play.assert_known(&[]);
}

// spec: [share.set] [advertise.floor] [confirm.set] [bitmap.exact]
#[test]
fn sets_too_small_without_me_outside_the_earlier_or_of_another_length_are_refused() {
    let setup = Setup::new(6, 1, 1);
    let mut play = Play::new(&setup, &[]);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Share);
    assert_eq!(play.context.parameters.f, 5);

    let mut adverts = play.due_adverts(0);
    adverts.advertised = play.set(0..4);
    let small = |set| SetError::BelowFloor {
        set,
        got: 4,
        want: 5,
    };
    assert_eq!(play.tell(0, adverts.clone()), Err(small(ADVERTISED).into()));
    adverts.advertised = play.all_but(&[0]);
    let without = |set| SetError::WithoutMe { set, slot: Slot(0) };
    assert_eq!(
        play.tell(0, adverts.clone()),
        Err(without(ADVERTISED).into())
    );
    adverts.advertised = Bitmap::of(16, (0..6).map(Slot));
    let length = BitmapError::Length {
        got: 2,
        want: 1,
        slots: 6,
    };
    assert_eq!(
        play.tell(0, adverts.clone()),
        Err(SetError::from(length.clone()).into())
    );
    adverts.advertised = Bitmap::of(8, (0..7).map(Slot));
    let beyond = BitmapError::BeyondRoster {
        slot: Slot(6),
        slots: 6,
    };
    assert_eq!(
        play.tell(0, adverts),
        Err(SetError::from(beyond.clone()).into())
    );

    play.run_to(PhaseName::Upload);
    let outside = |set, earlier| SetError::Outside {
        set,
        slot: Slot(5),
        earlier,
    };
    let cases = [
        (play.set(0..4), small(SHARED)),
        (play.all_but(&[]), outside(SHARED, ADVERTISED)),
        (Bitmap::of(16, (0..5).map(Slot)), length.clone().into()),
        (Bitmap::of(8, (0..7).map(Slot)), beyond.clone().into()),
    ];
    for (shared, error) in cases {
        assert_eq!(play.tell(0, play.share_set(&shared)), Err(error.into()));
    }

    play.run_to(PhaseName::Confirm);
    let shared = play.set(0..5);
    let cases = [
        (play.set(0..4), small(SURVIVORS)),
        (play.all_but(&[]), outside(SURVIVORS, SHARED)),
        (Bitmap::of(16, (0..5).map(Slot)), length.into()),
        (Bitmap::of(8, (0..7).map(Slot)), beyond.into()),
    ];
    for (survivors, error) in cases {
        let set = play.survivor_set(&shared, &survivors);
        assert_eq!(play.ask(0, &set), Err(error.clone().into()));
        assert_eq!(
            play.certify(0, &set, Vec::new()),
            Err(CertificateError::Set(error).into())
        );
    }
    assert!(play.tap.is_silent());
    play.assert_known(&[]);
}

// spec: [share.set] [confirm.check] [reveal.record]
#[test]
fn sets_without_the_member_itself_are_refused_in_every_phase() {
    let mut play = Play::new(&Setup::new(6, 1, 2), &[]);
    play.run_to(PhaseName::Upload);
    let (all, rest) = (play.all_but(&[]), play.all_but(&[0]));
    let without = |set| SetError::WithoutMe { set, slot: Slot(0) };
    assert_eq!(
        play.tell(0, play.share_set(&rest)),
        Err(without(SHARED).into())
    );
    play.run_to(PhaseName::Confirm);
    let set = play.survivor_set(&all, &rest);
    assert_eq!(play.ask(0, &set), Err(without(SURVIVORS).into()));
    let signed = signatures(&mut play, 1..6, &set);
    assert_eq!(
        play.certify(0, &set, signed.clone()),
        Err(without(SURVIVORS).into())
    );
    // To the others it stands, and member 0 has given nothing away: its update stays masked by its own seed.
    for slot in 1..6 {
        play.certify(slot, &set, signed.clone()).unwrap();
    }
    play.assert_known(&[&[1, 2, 3, 4, 5]]);
}

/// Whatever a coordinator shows to whom: Share sets, survivors, certificates with every signature it can lay hands on, and
/// requests for every share of both kinds.
// spec: [confirm.once] [confirm.set] [session.sid2] [reveal.certificate] [reveal.shares]
#[test]
fn no_drawn_strategy_of_views_bares_more_than_the_one_certified_sum() {
    let mut sums = 0;
    for seed in 0..250 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (n, c, d) = *[
            (4, 1, 1),
            (4, 0, 1),
            (5, 1, 1),
            (5, 2, 1),
            (6, 1, 2),
            (7, 1, 2),
        ]
        .choose(&mut rng)
        .unwrap();
        let corrupt = (n - c..n).collect::<Vec<_>>();
        let mut play = Play::new(&Setup::new(n, c, d).seeded(seed), &corrupt);
        play.run_to(PhaseName::Upload);
        let floor = play.context.parameters.f;
        let mut draw = |play: &Play, inside: &Bitmap| {
            let mut set = inside.clone();
            while set.count() > floor && rng.random_bool(0.5) {
                let inside = set.iter().collect::<Vec<_>>();
                let gone = inside.choose(&mut rng).unwrap().0;
                set = play.set(set.iter().map(|slot| slot.0).filter(|slot| *slot != gone));
            }
            set
        };
        let all = play.all_but(&[]);
        let shared = [all.clone(), draw(&play, &all), draw(&play, &all)];
        let mut picks = ChaCha20Rng::seed_from_u64(seed + 1000);
        let mut views = Vec::new();
        for _ in 0..4 {
            let inside = shared.choose(&mut picks).unwrap();
            views.push(play.survivor_set(inside, &draw(&play, inside)));
        }
        for inside in &shared {
            views.push(play.survivor_set(inside, &draw(&play, inside)));
            views.push(play.survivor_set(inside, inside));
            views.push(play.survivor_set(inside, &draw(&play, &all)));
        }
        let mut rng = ChaCha20Rng::seed_from_u64(!seed);
        let mut headers = Vec::new();
        for slot in 0..n {
            let view = shared.choose(&mut rng).unwrap();
            headers.extend(play.show_and_upload(slot, play.share_set(view)));
        }
        let mut signed = BTreeMap::<usize, Vec<SignedSlot>>::new();
        for slot in 0..n - c {
            for _ in 0..8 {
                let index = rng.random_range(0..views.len());
                if let Ok(signature) = play.ask(slot, &views[index]) {
                    let signatures = signed.entry(index).or_default();
                    if !signatures.contains(&signature) {
                        signatures.push(signature);
                    }
                }
            }
        }
        for set in &views {
            // The same set may have been drawn twice: its signatures count together.
            let alike = views.iter().enumerate().filter(|(_, other)| *other == set);
            let honest =
                alike.flat_map(|(other, _)| signed.get(&other).cloned().unwrap_or_default());
            let forged = corrupt
                .iter()
                .filter(|slot| set.survivors.contains(Slot(**slot)));
            let forged = forged.map(|slot| play.forged_signature(*slot, set));
            let mut signatures = honest.chain(forged).collect::<Vec<_>>();
            signatures.sort_by_key(|signed| signed.slot);
            signatures.dedup();
            for slot in 0..n - c {
                let _ = play.certify(slot, set, signatures.clone());
            }
        }
        for slot in 0..n - c {
            for wanted in headers
                .iter()
                .cloned()
                .map(ShareWanted::SelfSeed)
                .chain((0..n).map(Slot).map(ShareWanted::RootSeed))
            {
                for set in &views {
                    let wanted = vec![wanted.clone()];
                    let _ = play.tell(
                        slot,
                        ShareRequest {
                            sid2: set.sid2,
                            wanted,
                        },
                    );
                }
            }
        }
        play.tap.assert_safe();
        sums += play.tap.known_sums(Round(1)).len();
    }
    assert!(
        sums > 10,
        "some strategies end in the one honest sum: {sums}"
    );
}

// --- R9

/// The table of R9: n, then q and t for c = 0, 1, ...
const QUORUMS: [(u32, &[(u32, u32)]); 5] = [
    (3, &[(2, 2), (3, 2)]),
    (4, &[(3, 3), (3, 3), (4, 3)]),
    (5, &[(3, 3), (4, 4), (4, 4), (5, 4)]),
    (6, &[(4, 4), (4, 4), (5, 5), (5, 5), (6, 5)]),
    (7, &[(4, 4), (5, 5), (5, 5), (6, 6), (6, 6), (7, 6)]),
];

// spec: [params.quorum] [reveal.certificate] [confirm.quorum] [share.threshold]
#[test]
fn one_signature_less_than_the_quorum_of_the_table_is_refused_and_the_quorum_is_taken() {
    for (n, row) in QUORUMS {
        for (c, (q, t)) in (0u32..).zip(row) {
            let d = largest_tolerance(n, c).if_corrupt_answer.unwrap();
            let derived =
                Parameters::derive(&Demand::new(n, Amount::Count(c), Amount::Count(d))).unwrap();
            assert_eq!((derived.q, derived.t), (*q, *t), "n={n} c={c}");
            let mut play = uploaded(&Setup::new(n, c, d), &[]);
            let all = play.all_but(&[]);
            let set = play.survivor_set(&all, &all);
            let signed = signatures(&mut play, 0..n, &set);
            let q = *q as usize;
            // Own signature among them or not: it counts as one of the electorate, never twice.
            for judge in [0, n - 1] {
                let short = CertificateError::BelowQuorum {
                    got: q - 1,
                    want: q as u32,
                };
                assert_eq!(
                    play.certify(judge, &set, signed[..q - 1].to_vec()),
                    Err(short.into()),
                    "n={n} c={c}"
                );
            }
            assert!(play.tap.is_silent());
            for judge in [0, n - 1] {
                play.certify(judge, &set, signed[..q].to_vec()).unwrap();
            }
            // The self seeds of the others are still theirs.
            play.assert_known(&[]);
        }
    }
}
