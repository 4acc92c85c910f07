//! The tap can find something: what it calls safe elsewhere is not for lack of looking. Every verdict of the knowledge model is
//! reached here, from plays in which members give away what no honest one would.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::BTreeSet;
use veilsum_proto::coordinator::PhaseName;
use veilsum_proto::ids::{Round, Slot, UpdateDigest};
use veilsum_proto::message::{
    Confirmation, PairSeedReveal, Reveal, RevealedSeed, ShareAnswer, Shares, SurvivorSet,
};
use veilsum_sim::knowledge::Finding;
use veilsum_tests::{Play, Setup, skellam};

fn secret() -> RevealedSeed {
    RevealedSeed::new(&[0; 32])
}

/// Honest members that a sum has at least, with seven members, one of them corrupt and two missing.
const FLOOR: usize = 4;

fn slots(slots: impl IntoIterator<Item = u32>) -> BTreeSet<Slot> {
    slots.into_iter().map(Slot).collect()
}

fn below_floor(members: impl IntoIterator<Item = u32>) -> Finding {
    Finding::BelowFloor {
        members: slots(members),
        floor: FLOOR,
    }
}

/// The verdict, after which the play is over: nothing it did is to be judged again.
fn verdict(mut play: Play) -> Result<(), Finding> {
    let verdict = play.tap.judge();
    play.tap.forget();
    verdict
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
        seed: secret(),
    });
    Reveal {
        sid2: play.survivor_set(&all, &all).sid2,
        slot: Slot(slot),
        self_seed: secret(),
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
    assert_eq!(play.tap.judge(), Ok(()), "the mask with member 5 is on");
    play.tap.revealed(&context, &reveal(&play, 0, &[5]));
    assert_eq!(play.tap.known_sums(Round(1)), [slots([0])]);
    assert_eq!(verdict(play), Err(below_floor([0])));
}

/// What R1 is about: the victim reveals for one set, its neighbours give shares of their dropped peers for another.
#[test]
fn it_sees_two_fates_of_one_member_come_true() {
    let mut play = uploaded();
    let context = play.context.clone();
    play.tap.revealed(&context, &reveal(&play, 0, &[3, 4, 5]));
    let roots = [1, 2].map(|slot| ShareAnswer::RootSeed(Slot(slot), secret()));
    for holder in 2..6 {
        let all = play.all_but(&[]);
        let sid2 = play.survivor_set(&all, &all).sid2;
        let shares = Shares {
            sid2,
            slot: Slot(holder),
            answers: roots.to_vec(),
        };
        assert_eq!(play.tap.judge(), Ok(()), "t - 1 shares tell nothing");
        play.tap.shared(&context, &shares);
    }
    // With the corrupt member's these are t = 5 shares of each.
    assert_eq!(verdict(play), Err(below_floor([0])));
}

#[test]
fn it_sees_a_sum_over_a_part_of_the_survivors() {
    let mut play = uploaded();
    let context = play.context.clone();
    for slot in 0..3 {
        play.tap
            .revealed(&context, &reveal(&play, slot, &[3, 4, 5]));
    }
    assert_eq!(play.tap.known_sums(Round(1)), [slots(0..3)]);
    assert_eq!(verdict(play), Err(below_floor(0..3)));
}

/// Lets the tap hear that these members signed.
fn confirm(play: &mut Play, signers: impl IntoIterator<Item = u32>, set: &SurvivorSet) {
    let context = play.context.clone();
    for slot in signers {
        let mut signed = play.forged_signature(6, set);
        signed.slot = Slot(slot);
        let confirmation = Confirmation {
            sid2: set.sid2,
            signed,
        };
        assert_eq!(play.tap.judge(), Ok(()));
        play.tap.confirmed(&context, set, &confirmation);
    }
}

#[test]
fn it_sees_two_sets_that_can_be_certified() {
    let mut play = uploaded();
    let all = play.all_but(&[]);
    let [first, second] =
        [4, 5].map(|gone| Box::new(play.survivor_set(&all, &play.all_but(&[gone]))));
    // Four honest signers and the corrupt one are the quorum of 5.
    confirm(&mut play, 0..4, &first);
    confirm(&mut play, 0..4, &second);
    assert_eq!(play.tap.certifiable(Round(1)).len(), 2);
    let round = Round(1);
    let wanted = Finding::TwoCertificates {
        round,
        first,
        second,
    };
    assert_eq!(verdict(play), Err(wanted));
}

/// Members that reveal without a certificate, though to everybody's sum.
#[test]
fn it_sees_a_sum_that_nobody_certified() {
    let mut play = uploaded();
    let context = play.context.clone();
    for slot in 0..6 {
        assert_eq!(play.tap.judge(), Ok(()));
        play.tap.revealed(&context, &reveal(&play, slot, &[]));
    }
    let wanted = Finding::NotCertified {
        round: Round(1),
        members: slots(0..6),
        certified: None,
    };
    assert_eq!(verdict(play), Err(wanted));
}

/// Members that reveal for other survivors than those of the certificate.
#[test]
fn it_sees_a_sum_over_others_than_those_certified() {
    let mut play = uploaded();
    let context = play.context.clone();
    let all = play.all_but(&[]);
    let set = play.survivor_set(&all, &play.all_but(&[5]));
    confirm(&mut play, 0..5, &set);
    for slot in 0..6 {
        assert_eq!(play.tap.judge(), Ok(()));
        play.tap.revealed(&context, &reveal(&play, slot, &[]));
    }
    let wanted = Finding::NotCertified {
        round: Round(1),
        members: slots(0..6),
        certified: Some(slots(0..5)),
    };
    assert_eq!(verdict(play), Err(wanted));
}

/// Two halves of the members, each of which reveals as if the other had dropped out. Neither is below the low floor of the task.
#[test]
fn it_sees_two_sums_of_one_round() {
    let setup = Setup {
        floor: Some(4),
        ..Setup::new(9, 1, 3)
    };
    let mut play = Play::new(&setup, &[8]);
    play.run_to(PhaseName::Confirm);
    let context = play.context.clone();
    assert_eq!(context.parameters.f, 4);
    for slot in 0..8 {
        let others = if slot < 4 { 4..8 } else { 0..4 };
        let others = others.collect::<Vec<_>>();
        play.tap.revealed(&context, &reveal(&play, slot, &others));
        let known = match slot {
            0..3 => vec![],
            3..7 => vec![slots(0..4)],
            _ => vec![slots(0..4), slots(4..8)],
        };
        assert_eq!(play.tap.known_sums(Round(1)), known, "slot {slot}");
    }
    let wanted = Finding::TwoSums {
        round: Round(1),
        first: slots(0..4),
        second: slots(4..8),
    };
    assert_eq!(verdict(play), Err(wanted));
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
    assert_eq!(play.tap.smallest_sum(), Some(slots([4, 5])));
    assert_eq!(verdict(play), Err(below_floor([4, 5])));
}

#[test]
fn it_sees_that_two_rounds_with_one_reused_input_share_an_unknown() {
    let mut play = Play::new(&Setup::new(7, 1, 2), &[6]);
    for player in play.players.values_mut() {
        player.floors.reuse_update = true;
    }
    play.assert_exact(0..7);
    assert_eq!(play.tap.smallest_sum(), Some(slots(0..6)));
    // The same rows again without member 3: the difference is its input.
    play.reopen(2, 0);
    play.silent.insert(Slot(3));
    play.finish();
    assert_eq!(play.tap.known_sums(Round(2)).len(), 1);
    assert_eq!(play.tap.smallest_sum(), Some(slots([3])));
    assert_eq!(verdict(play), Err(below_floor([3])));
}

/// Six sums over eight inputs, each without another one: which differences of them tell little is not tried any more.
#[test]
fn it_gives_no_answer_where_too_many_sums_share_inputs() {
    let mut play = Play::new(&Setup::new(9, 1, 2), &[8]);
    for player in play.players.values_mut() {
        player.floors.reuse_update = true;
    }
    for round in 1..7 {
        play.reopen(round, 0);
        play.silent.insert(Slot(round as u32 - 1));
        play.finish();
    }
    assert_eq!(verdict(play), Err(Finding::TooManySums { sums: 6 }));
}

#[test]
fn it_sees_that_two_vectors_of_one_session_give_their_difference() {
    let mut play = uploaded();
    let context = play.context.clone();
    let header = play.players[&Slot(0)].header.clone().unwrap();
    let peers = play.peers(Slot(0));
    play.tap
        .uploaded(&context, &header, peers, UpdateDigest([9; 32]));
    assert_eq!(play.tap.smallest_sum(), Some(slots([0])));
    assert_eq!(verdict(play), Err(below_floor([0])));
}

fn noised() -> Play {
    let mut setup = Setup::new(7, 1, 2).noised(skellam("64"));
    setup.coordinates = 4;
    Play::new(&setup, &[6])
}

/// What a member would reveal with the value of its chain at this place, from 0 on.
fn reveal_with_chain(play: &Play, slot: u32, place: usize) -> Reveal {
    let seeds = play.players[&Slot(slot)].seeds.as_ref();
    let seeds = seeds.expect("the task has noise");
    let mut reveal = reveal(play, slot, &[]);
    reveal.chain_value = Some(RevealedSeed::new(&seeds.chain(2)[place]));
    reveal
}

#[test]
fn it_sees_a_value_of_a_chain_that_nobody_may_have() {
    let mut play = noised();
    play.run_to(PhaseName::Confirm);
    play.silent.insert(Slot(5));
    play.run_to(PhaseName::Recover);
    assert_eq!(play.tap.judge(), Ok(()));
    // The set lacks nobody, so the first value is the one: a later one opens less, and is one too many beside it.
    let context = play.context.clone();
    let wanted = Finding::ChainValue {
        round: Round(1),
        slot: Slot(5),
    };
    for place in [1, 2, 0] {
        let reveal = reveal_with_chain(&play, 5, place);
        play.tap.revealed(&context, &reveal);
        assert_eq!(play.tap.judge(), Err(wanted.clone()), "value {place}");
    }
    play.tap.forget();
}

/// Members 4 and 5 are missing, so that all noise stays; the first value of a chain opens every component of its member.
#[test]
fn it_sees_noise_that_was_taken_off_a_sum_too_far() {
    let mut play = noised();
    play.run_to(PhaseName::Upload);
    play.silent.extend([Slot(4), Slot(5)]);
    play.finish();
    assert_eq!(play.tap.known_sums(Round(1)), [slots(0..4)]);
    assert_eq!(play.tap.judge(), Ok(()));
    let context = play.context.clone();
    let reveal = reveal_with_chain(&play, 3, 0);
    play.tap.revealed(&context, &reveal);
    let wanted = Finding::NoiseGone {
        round: Round(1),
        slot: Slot(3),
    };
    assert_eq!(verdict(play), Err(wanted));
}
