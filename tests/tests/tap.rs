//! The tap can find something: what it calls safe elsewhere is not for lack of looking.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot, UpdateDigest};
use veilsum_proto::message::{
    Confirmation, PairSeedReveal, Reveal, RevealedSeed, ShareAnswer, Shares,
};
use veilsum_tests::knowledge::Finding;
use veilsum_tests::{Play, Setup, skellam};

const SECRET: RevealedSeed = RevealedSeed([0; 32]);

fn is_unsafe(play: &Play) -> bool {
    catch_unwind(AssertUnwindSafe(|| play.tap.assert_safe())).is_err()
}

fn uploaded() -> Play {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    play.run_to(PhaseName::Confirm);
    play
}

fn reveal(play: &Play, slot: u32, dropped: &[u32]) -> Reveal {
    let all = play.all_but(&[]);
    let pair_seeds = dropped.iter().map(|slot| PairSeedReveal {
        slot: Slot(*slot),
        seed: SECRET,
    });
    Reveal {
        sid2: play.survivor_set(&all, &all).sid2,
        slot: Slot(slot),
        self_seed: SECRET,
        pair_seeds: pair_seeds.collect(),
        chain_value: None,
    }
}

#[test]
fn it_sees_a_member_that_reveals_its_self_seed_and_all_pair_seeds() {
    let mut play = uploaded();
    let context = play.context.clone();
    play.tap
        .revealed(&context, &reveal(&play, 0, &[1, 2, 3, 4]));
    assert!(!is_unsafe(&play), "the mask with member 5 is still on");
    play.tap.revealed(&context, &reveal(&play, 0, &[5]));
    assert_eq!(play.tap.known_sums(Round(1)), [BTreeSet::from([Slot(0)])]);
    assert!(is_unsafe(&play));
    play.tap.forget();
}

/// What R1 is about: the victim reveals for one set, its neighbours give shares of their dropped peers for another.
#[test]
fn it_sees_two_fates_of_one_member_come_true() {
    let mut play = uploaded();
    let context = play.context.clone();
    play.tap.revealed(&context, &reveal(&play, 0, &[3, 4, 5]));
    let roots = [1, 2].map(|slot| ShareAnswer::RootSeed(Slot(slot), SECRET));
    for holder in 2..6 {
        let all = play.all_but(&[]);
        let sid2 = play.survivor_set(&all, &all).sid2;
        let shares = Shares {
            sid2,
            slot: Slot(holder),
            answers: roots.to_vec(),
        };
        assert!(!is_unsafe(&play), "t - 1 shares tell nothing");
        play.tap.shared(&context, &shares);
    }
    assert!(
        is_unsafe(&play),
        "with the corrupt member's these are t = 5 shares of each"
    );
    play.tap.forget();
}

#[test]
fn it_sees_a_sum_over_a_part_of_the_survivors() {
    let mut play = uploaded();
    let context = play.context.clone();
    for slot in 0..3 {
        play.tap
            .revealed(&context, &reveal(&play, slot, &[3, 4, 5]));
    }
    assert_eq!(
        play.tap.known_sums(Round(1)),
        [(0..3).map(Slot).collect::<BTreeSet<_>>()]
    );
    assert!(is_unsafe(&play));
    play.tap.forget();
}

#[test]
fn it_sees_two_sets_that_can_be_certified() {
    let mut play = uploaded();
    let context = play.context.clone();
    let all = play.all_but(&[]);
    for gone in [4, 5] {
        let set = play.survivor_set(&all, &play.all_but(&[gone]));
        for slot in 0..4 {
            let mut signed = play.forged_signature(6, &set);
            signed.slot = Slot(slot);
            let confirmation = Confirmation {
                sid2: set.sid2,
                signed,
            };
            assert!(!is_unsafe(&play));
            play.tap.confirmed(&context, &set, &confirmation);
        }
    }
    assert_eq!(play.tap.certifiable(Round(1)).len(), 2);
    assert!(is_unsafe(&play));
    play.tap.forget();
}

/// What R7 is about: two sums of one round over equal inputs.
#[test]
fn it_sees_that_two_attempts_with_equal_inputs_isolate_who_is_in_one_only() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    for (attempt, gone) in [(0, 5), (1, 4)] {
        // Nobody signs, and yet everybody reveals: attempt 0 without member 5, attempt 1 without member 4.
        if attempt > 0 {
            assert!(play.reopen(1, attempt).is_empty());
        }
        play.run_to(PhaseName::Confirm);
        let context = play.context.clone();
        for slot in (0..6).filter(|slot| *slot != gone) {
            play.tap.revealed(&context, &reveal(&play, slot, &[gone]));
        }
    }
    assert_eq!(play.tap.known_sums(Round(1)).len(), 2);
    // y_5 of attempt 0 and y_4 of attempt 1 are masked; the difference of the sums is x_4 - x_5.
    let isolated = BTreeSet::from([Slot(4), Slot(5)]);
    assert_eq!(play.tap.smallest_sum(), Some(isolated));
    assert!(is_unsafe(&play));
    play.tap.forget();
}

#[test]
fn it_sees_that_two_rounds_with_one_reused_input_share_an_unknown() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    for player in play.players.values_mut() {
        player.floors.reuse_update = true;
    }
    let honest = (0..6).map(Slot).collect::<BTreeSet<_>>();
    play.assert_exact(0..7);
    assert_eq!(play.tap.smallest_sum(), Some(honest.clone()));
    // The same rows again without member 3: the difference is its input.
    play.reopen(2, 0);
    play.silent.insert(Slot(3));
    play.finish();
    assert_eq!(play.tap.known_sums(Round(2)).len(), 1);
    assert_eq!(play.tap.smallest_sum(), Some(BTreeSet::from([Slot(3)])));
    let finding = play.tap.judge().unwrap_err();
    assert_eq!(
        finding,
        Finding::BelowFloor {
            members: BTreeSet::from([Slot(3)]),
            floor: 4
        }
    );
    play.tap.forget();
}

#[test]
fn it_sees_that_two_vectors_of_one_session_give_their_difference() {
    let mut play = uploaded();
    let context = play.context.clone();
    let header = play.players[&Slot(0)].header.clone().unwrap();
    let peers = play.peers(Slot(0));
    play.tap
        .uploaded(&context, &header, peers, UpdateDigest([9; 32]));
    assert_eq!(play.tap.smallest_sum(), Some(BTreeSet::from([Slot(0)])));
    assert!(is_unsafe(&play));
    play.tap.forget();
}

#[test]
fn it_sees_noise_that_was_taken_off_too_far_and_values_of_a_chain_that_nobody_may_have() {
    let mut setup = Setup::new(7, 1, 2).noised(skellam("64"));
    setup.coordinates = 4;
    let mut play = Play::new(&setup, &[6]);
    play.run_to(PhaseName::Confirm);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Recover);
    play.tap.assert_safe();
    // The set lacks nobody, so level 0 stays; a second value, and any that nobody asked for, is one too many.
    let context = play.context.clone();
    for chain in 0..2 {
        let seeds = play.players[&Slot(5)].seeds.as_ref().unwrap();
        let mut second = reveal(&play, 5, &[]);
        second.chain_value = Some(RevealedSeed(seeds.chain(2)[chain + 1]));
        play.tap.revealed(&context, &second);
        let finding = play.tap.judge().unwrap_err();
        assert!(
            matches!(
                finding,
                Finding::ChainValue { slot: Slot(5), .. } | Finding::NoiseGone { .. }
            ),
            "{finding}"
        );
    }
    play.tap.forget();
}
